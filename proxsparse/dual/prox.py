"""The proximal operator of any penalty with its certificate, and the weight from which on its answer is trivial."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays.bounds import canonical_bounds
from ..arrays.checks import check_weight
from ..arrays.layout import Layout, from_canonical, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float, as_scalar, require_finite
from ..kernels import whole_runs
from ..kernels.pace import iterations_ahead
from ..result import ConvergenceWarning, warn
from .accelerated import accelerated
from .denoising import Denoising
from .driver import LIMIT, MET, drive
from .fast_gradient import dual_fast_gradient
from .running import Running
from .stack import Stack
from .whole_runs import WholeRuns

if TYPE_CHECKING:
    from ..penalties.base import Penalty


class ProxResult(NamedTuple):
    """A proximal point with its certificate: 1/2 ||x - prox||^2 <= gap."""

    x: Array
    dual: tuple[Array, ...]
    fun: float
    gap: float
    rel_gap: float
    nit: int


def relative_gap(gap: float, fun: float) -> float:
    """Gap / fun, 0 where both are 0, infinite where the gap is."""
    if gap == 0:
        return 0.0
    return gap / fun if fun > 0 and math.isfinite(gap) else math.inf


def prox(
    penalty: Penalty,
    v: Any,
    step: float,
    bounds: Any,
    channel_axis: int | None,
    tol: float | None,
    maxiter: int,
    full_output: bool,
) -> Array | ProxResult:
    """See `Penalty.prox`."""
    v = as_float(v, "v")
    require_finite(v, "v")
    if v.size == 0:
        raise ValueError(f"v is empty: shape {v.shape}")
    axis = normalise_channel_axis(channel_axis, v.ndim)
    lo, hi = canonical_bounds(bounds, Layout(v.shape, axis), v.dtype)
    tol = default_tol(v.dtype) if tol is None else tol
    tol = check_tol_and_maxiter(tol, maxiter)
    if any(not q._projection_is_nearest for q in penalty.parts):
        raise ValueError(f"the prox of {penalty!r} is not to be had part by part: use solve")
    step = check_weight(step)
    parts = [q.with_weight(step * q._w()) for q in penalty.parts]
    problem = Denoising(to_canonical(v, axis), parts, lo=lo, hi=hi)
    exact = problem.exact(dual=full_output)
    x, p, nit = _iterated(problem, tol, maxiter) if exact is None else (*exact, 0)
    result = from_canonical(x, axis)
    # never a view of the input or of the solver's state
    result = result.copy() if result.base is not None else result
    if not full_output:
        return result
    gap, fun, *_ = problem.measure(x, p)
    found = zip(problem.terms, problem.duals(x, p), strict=True)
    dual = tuple(from_canonical(d, q.dual_axis(axis), q.leading_axes).copy() for q, d in found)
    return ProxResult(result, dual, fun, gap, relative_gap(gap, fun), nit)


def default_tol(dtype: Any) -> float:
    """The tolerance of a proximal operator where none is given."""
    return 1e-5 if dtype == np.float32 else 1e-8


def check_tol_and_maxiter(tol: Any, maxiter: Any) -> float:
    """Return the tolerance of a proximal operator, or raise naming it and the iterations."""
    tol = as_scalar(tol)
    if not (isinstance(tol, (int, float, np.number)) and tol >= 0 and maxiter >= 0):
        raise ValueError(f"tol and maxiter must be numbers >= 0, got {tol!r} and {maxiter!r}")
    return float(tol)


def _iterated(problem: Denoising, tol: float, maxiter: int) -> tuple[Array, Array, int]:
    """The primal, the dual and the iterations to a relative gap of `tol`: by kernels, or the fast dual gradient."""
    runs = WholeRuns.of(problem, tol, maxiter)
    if runs is not None:
        x, p, found, _ = runs.solve_own()
        status, nit = (int(found[0, k]) for k in (whole_runs.STATUS, whole_runs.NIT))
        if status == whole_runs.LIMIT:
            _warn_of_limit(maxiter, found[0, whole_runs.GAP] / found[0, whole_runs.FUN], tol)
        if status != whole_runs.LEFT:
            return x, p.reshape(-1), nit
    by_kernels = problem.fused is not None
    steps = accelerated(problem, None, None) if by_kernels else dual_fast_gradient(problem, problem.no_dual)
    before: tuple[int, float] = (0, math.inf)

    def _look(reached: Any, _: int) -> float:
        found = reached.measure() if isinstance(reached, Running) else problem.measure(*reached)
        return relative_gap(found.gap, found.fun)

    def _ahead(left: float, nit: int) -> int:
        nonlocal before
        last, before = before, (nit, left)
        if not by_kernels or nit == 0:
            return max(10, nit // 10)
        return int(iterations_ahead(nit, left, tol, *last, problem.dualised.polyhedral))

    ended = drive(steps, _look, lambda left, _: MET if left <= tol else None, _ahead, maxiter)
    if ended.status == LIMIT:
        _warn_of_limit(maxiter, ended.found, tol)
    x, p = ended.reached
    return x, p, ended.nit


def _warn_of_limit(maxiter: int, rel_gap: float, tol: float) -> None:
    warn(f"prox stopped at maxiter={maxiter} with a relative gap of {rel_gap:.1e} > tol={tol:.1e}", ConvergenceWarning)


def max_weight(penalty: Penalty, y: Array) -> float:
    """See `Penalty.max_weight`; y is (channels, *spatial) in float64."""
    weightless = all(q.weight is None for q in penalty.parts) or len(penalty.parts) == 1
    parts = [q.with_weight(1.0) for q in penalty.parts] if weightless else penalty.parts
    # a penalty that is smooth where it costs nothing makes nothing trivial
    parts = [near for near in (q._first_order_norm() for q in parts) if near is not None]
    if not parts:
        return math.inf
    stack = Stack(parts, y.shape)
    basis = stack.null_basis()
    d = stack.without_null(y)
    # each part alone, and all together: whichever needs the least
    bounds = []
    for stacked in [stack, *(Stack([q], y.shape) for q in parts if not basis and q.null_space == "zero")]:
        p = stacked.least_norm_dual(d)
        if p is not None:
            bounds.append(stacked.gauge(p))
    if not bounds:
        raise ValueError(f"no bound on the largest weight is known for {penalty!r}")
    return min(bounds)
