"""Penalties that are not convex: stationary points instead of certified minimisers, and a measure of how nearly."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float, total
from ..penalties.nonconvex import Nonconvex
from ..penalties.reweighted import Reweighted
from ..problems.setup import ProblemSetup, set_up
from ..problems.spec import ProblemSpec
from ..result import MESSAGES, SolveResult
from .options import parse
from .stages import Stages

NOT_CONVEX = "Stationary to the tolerance; the penalty is not convex, and nothing is certified."
REWEIGHTED = "The stated number of convex solves was made; each is certified, the whole is not convex."


def solve_nonconvex(
    spec: ProblemSpec, penalty: Nonconvex, *, x0: Any, method: str, tol: float, callback: Any, options: dict[str, Any] | None
) -> SolveResult:
    """A stationary point of D(A x; y) + P(x): the global minimum where there is a formula, else monotone proximal gradient.

    The extrapolated step is taken where it lowers the objective, else the plain one (Li & Lin, NeurIPS 2015).
    """
    begin = time.perf_counter()
    if method != "auto":
        raise ValueError(f"method={method!r} is for convex penalties; {type(penalty).__name__} takes method='auto'")
    if spec.bounds is not None:
        raise ValueError(f"{type(penalty).__name__} takes no bounds")
    limits = parse("exact", options)
    setup = set_up(spec, [])
    problem, scaled = setup.problem, penalty._rescaled(setup.scale)
    if not math.isfinite(problem.lipschitz):
        raise ValueError(f"{type(penalty).__name__} needs a data term with a Lipschitz gradient: 'l2' or 'huber'")
    by_formula = problem.operator is None and problem.data.quadratic and (penalty.block is None or problem.m is None)
    if by_formula:
        with np.errstate(divide="ignore"):
            step = 1.0 / np.asarray(problem.data.m, np.float64)
        x = scaled.prox(problem.y, np.where(np.isfinite(step), step, 0.0), channel_axis=0)
        ended = _Ended(np.where(np.isfinite(step), x, 0).astype(problem.dtype), 0.0, 0, 6, [])
    else:
        ended = _descend(setup, scaled, setup.start(x0.x if isinstance(x0, SolveResult) else x0)[0], tol, limits, callback)
    return _result(setup, penalty, scaled, ended, "exact" if by_formula else "proximal-gradient", begin)


def _result(
    setup: ProblemSetup, penalty: Nonconvex, scaled: Nonconvex, ended: _Ended, method: str, begin: float
) -> SolveResult:
    """The result in the user's units and layout."""
    x, problem = ended.x, setup.problem
    data, cost = problem.data.value(problem.forward(x.astype(np.float64))), scaled.value(x, channel_axis=0)
    checks = np.array(ended.history or [(ended.nit, data + cost, time.perf_counter() - begin)])
    return SolveResult(
        x=setup.image(x),
        fun=setup.unscaled(data + cost),
        gap=math.inf,
        rel_gap=math.inf,
        x_error_bound=math.inf,
        certified=False,
        stationarity=ended.stationarity,
        success=False,
        status=ended.status,
        message=NOT_CONVEX if ended.status == 6 else MESSAGES[ended.status],
        terms={"data": setup.unscaled(data), type(penalty).__name__: setup.unscaled(cost)},
        dual=(),
        data_dual=None,
        nit=ended.nit,
        method=method,
        weight=penalty.weight,
        weight_rule="given",
        noise_std=None,
        weight_path=None,
        debiased=None,
        history={
            "iteration": checks[:, 0].astype(int),
            "objective": np.array([setup.unscaled(v) for v in checks[:, 1]]),
            "gap": np.full(len(checks), math.inf),
            "seconds": checks[:, 2],
        },
        time=time.perf_counter() - begin,
    )


@dataclasses.dataclass
class _Ended:
    x: Array
    stationarity: float
    nit: int
    status: int
    history: list[tuple[int, float, float]]


def _descend(setup: ProblemSetup, penalty: Nonconvex, x: Array, tol: float, limits: Any, callback: Any) -> _Ended:
    problem, begin = setup.problem, time.perf_counter()
    data = problem.data

    def _cost(z: Array) -> float:
        return data.value(problem.forward(z)) + penalty.value(z, channel_axis=0)

    def _step_from(z: Array) -> Array:
        gradient = problem.adjoint(np.asarray(data.gradient(problem.forward(z))))
        return penalty.prox(z - z.dtype.type(step) * gradient, step, channel_axis=0)

    step, t = 0.99 / problem.lipschitz, 1.0
    zero = np.zeros_like(x)
    # the gradient at 0 is what a residual is measured by
    size = math.sqrt(total(np.square(problem.adjoint(np.asarray(data.gradient(problem.forward(zero))))))) or 1.0
    fun, before, nit, history = _cost(x), x, 0, []
    while True:
        plain = _step_from(x)
        stationarity = math.sqrt(total(np.square(plain - x))) / (step * size)
        if limits.history and nit % (limits.check_every or 10) == 0:
            history.append((nit, fun, time.perf_counter() - begin))
        if callback is not None and nit % (limits.check_every or 10) == 0:
            try:
                callback(SolveResult(x=setup.image(x), fun=setup.unscaled(fun), gap=math.inf, rel_gap=math.inf, nit=nit))
            except StopIteration:
                return _Ended(x, stationarity, nit, 3, history)
        if stationarity <= tol:
            return _Ended(x, stationarity, nit, 6, history)
        if nit >= limits.maxiter or time.perf_counter() - begin >= limits.maxtime:
            return _Ended(x, stationarity, nit, 1 if nit >= limits.maxiter else 2, history)
        nit += 1
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        further = _step_from(x + x.dtype.type((t - 1) / following) * (x - before))
        t = following
        new, best = further, _cost(further)
        if best > (plain_cost := _cost(plain)):
            new, best, t = plain, plain_cost, 1.0
        if best > fun * (1 + 1e-12):
            # the norm was estimated too small
            step *= 0.5
            continue
        before, x, fun = x, new, best


def solve_reweighted(
    solve_quietly: Callable[..., SolveResult],
    spec: ProblemSpec,
    penalty: Reweighted,
    rule: str | None,
    x0: Any,
    *,
    method: str,
    tol: float,
    callback: Any,
    options: dict[str, Any] | None,
    debias: bool,
) -> SolveResult:
    """`Reweighted`: convex solves, each from the last answer and with the weights that it gives; history is of the last one."""
    axis, background, stages = spec.channel_axis, spec.background, Stages(options, callback)
    if spec.spacing is not None:
        penalty = penalty._spaced(spec.spacing)
        spec = spec.replace(spacing=None)

    def _image(found: Any) -> Array:
        x = as_float(found.x if isinstance(found, SolveResult) else found, "x0")
        return x if background is None else x - np.asarray(background, x.dtype)

    convex = penalty.penalty
    if penalty.start == "x0":
        if x0 is None:
            raise ValueError("Reweighted(start='x0') has its first weights from x0=, which was not given")
        if rule is not None:
            raise ValueError("Reweighted(start='x0') needs a weight: a rule would choose it for another start")
        convex = penalty.reweighted(penalty.lengths(_image(x0), axis))
    results: list[SolveResult] = []
    for k in range(penalty.solves):
        start, last = results[-1] if results else x0, k == penalty.solves - 1
        call = {"method": method, "tol": tol, "callback": stages.callback, "options": stages.options()}
        result = solve_quietly(spec, convex, None if results else rule, x0=start, debias=debias and last, **call)
        results.append(result)
        missing = [w for q, w in zip(penalty.parts, np.atleast_1d(result.weight), strict=True) if q.weight is None]
        if missing:
            penalty = penalty.with_weights([float(w) for w in missing])
        if stages.over(result):
            if not last and result.success:
                result.update(status=3, message=MESSAGES[3])
            break
        convex = penalty.reweighted(penalty.lengths(_image(result), axis))
    first, result = results[0], results[-1]
    convex = penalty.reweighted(penalty.lengths(_image(result), axis))
    own = solve_quietly(spec, convex, x0=result, method="chambolle-pock", tol=tol, options={"maxiter": 0})
    names, costs = list(result.terms), penalty.values(_image(result), channel_axis=axis)
    terms = dict(zip(names, [result.terms["data"], *costs], strict=True))
    result.update(terms=terms, fun=sum(terms.values()), weight=penalty.weight)
    result.update(gap=math.inf, rel_gap=math.inf, x_error_bound=math.inf, certified=False, success=False)
    if result.status in (0, 4):
        result.update(status=6, message=REWEIGHTED)
    result.update(stationarity=own.rel_gap, nit=sum(r.nit for r in results), time=stages.seconds)
    result.update(weight_rule=first.weight_rule, noise_std=first.noise_std, weight_path=first.weight_path)
    return result
