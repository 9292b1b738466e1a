"""Penalties that are not convex: stationary points instead of certified minimisers, and a measure of how nearly."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float
from ..arrays.roundoff import norm
from ..dual.driver import Steps, drive
from ..penalties.nonconvex import Nonconvex
from ..penalties.reweighted import Reweighted
from ..problems.answer import Report, history_of, result_of
from ..problems.certificate import Certificate
from ..problems.problem import Problem
from ..problems.setup import set_up
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
    start = x0.x if isinstance(x0, SolveResult) else x0
    steps = _minimum(problem, scaled) if by_formula else _descent(problem, scaled, setup.start(start)[0])
    history: list[tuple[int, float, float, float]] = []

    def _look(reached: tuple[Array, float], nit: int) -> Certificate:
        x, stationarity = reached
        data, cost = _terms(problem, scaled, x)
        if limits.history:
            history.append((nit, data + cost, math.inf, time.perf_counter() - begin))
        return Certificate(x, _NO_DUAL, None, data + cost, math.inf, data, [cost], certified=False, residual=stationarity)

    def _judge(found: Certificate, nit: int) -> int | None:
        stopped = report(found, nit)
        if found.residual <= tol:
            return 6
        return 3 if stopped else 2 if nit < limits.maxiter and time.perf_counter() - begin >= limits.maxtime else None

    with contextlib.closing(Report(callback, limits.disp, tol, setup)) as report:
        most, deadline = limits.maxiter, begin + limits.maxtime
        ended = drive(steps, _look, _judge, lambda *_: limits.check_every or 10, most, deadline=deadline)
    result = result_of(setup, ended.found, ended.status, [type(penalty).__name__])
    if ended.status == 6:
        result.message = NOT_CONVEX
    method = "exact" if by_formula else "proximal-gradient"
    result.update(nit=ended.nit, method=method, history=history_of(setup, history), debiased=None)
    return result


_NO_DUAL = np.zeros(0)


def _terms(problem: Problem, penalty: Nonconvex, x: Array) -> tuple[float, float]:
    """The data term and the penalty."""
    return problem.data.value(problem.forward(x.astype(np.float64))), penalty.value(x, channel_axis=0)


def _minimum(problem: Problem, penalty: Nonconvex) -> Steps:
    """The global minimum, pixel by pixel or block by block; what was not measured is 0."""
    with np.errstate(divide="ignore"):
        step = 1.0 / np.asarray(problem.data.m, np.float64)
    x = penalty.prox(problem.y, np.where(np.isfinite(step), step, 0.0), channel_axis=0)
    yield np.where(np.isfinite(step), x, 0).astype(problem.dtype), 0.0


def _descent(problem: Problem, penalty: Nonconvex, x: Array) -> Steps:
    """Images and how far from stationary they are: a step, relative to the gradient at 0."""
    data = problem.data

    def _gradient(z: Array) -> Array:
        return np.asarray(problem.adjoint(np.asarray(data.gradient(problem.forward(z)))))

    def _step_from(z: Array) -> Array:
        return penalty.prox(z - z.dtype.type(step) * _gradient(z), step, channel_axis=0)

    def _cost(z: Array) -> float:
        return sum(_terms(problem, penalty, z))

    step, t = 0.99 / problem.lipschitz, 1.0
    size = norm(_gradient(np.zeros_like(x))) or 1.0
    fun, before, plain = _cost(x), x, _step_from(x)
    while True:
        n = yield x, norm(plain - x) / (step * size)
        for _ in range(n):
            following = (1 + math.sqrt(1 + 4 * t * t)) / 2
            new = _step_from(x + x.dtype.type((t - 1) / following) * (x - before))
            t, best = following, _cost(new)
            if best > (plain_cost := _cost(plain)):
                new, best, t = plain, plain_cost, 1.0
            if best > fun * (1 + 1e-12):
                # the norm was estimated too small
                step *= 0.5
            else:
                before, x, fun = x, new, best
            plain = _step_from(x)


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
