"""One convex problem, from its spec and the weights of its penalty to its result."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..problems.answer import Report, history_of, result_of
from ..problems.certificate import Certificate
from ..problems.identify import identified
from ..problems.kinds import problem_of
from ..problems.posed import Posed
from ..problems.refit import ACCURACY, refit
from ..problems.setup import ProblemSetup, set_up
from ..problems.spec import ProblemSpec
from ..result import ConvergenceWarning, SolveResult, warn
from ..runtime.workers import SERIAL, Workers
from .options import Options, parse
from .registry import SOLVERS, auto_method, run_auto
from .run import run
from .whole import run_whole

if TYPE_CHECKING:
    from ..penalties import Penalty


def solve_convex(
    spec: ProblemSpec,
    penalty: Penalty,
    *,
    x0: Any = None,
    method: str = "auto",
    tol: float = 1e-4,
    callback: Any = None,
    options: dict[str, Any] | None = None,
    debias: bool = False,
) -> SolveResult:
    """Solve for a penalty with all its weights; see `proxsparse.solve`."""
    setup = set_up(spec, penalty.parts)
    problem = setup.problem
    chosen_here = method == "auto"
    if chosen_here:
        method = auto_method(problem)
    parsed = parse(method, options)
    left: list[tuple[str, int]] = []
    with Workers(parsed.workers) as workers, contextlib.closing(Report(callback, parsed.disp, tol, setup)) as report:
        problem.configure(workers, tol)
        # which knows itself where to start from
        start = (None, None) if x0 is None and method == "chambolle-pock" else setup.start(x0)
        whole = run_whole(problem, tol, parsed) if method == "chambolle-pock" and x0 is None and report.silent else None
        if whole is not None:
            ended = whole
        elif chosen_here and not parsed.method:
            ended, method, left = run_auto(problem, method, start, tol, parsed, report)
        else:
            ended = run(problem, SOLVERS[method](problem, *start, **parsed.method), tol, parsed, report)
        # what is exact, or not finite, gains nothing
        done = method == "exact" or ended.status == 5 or ended.identified
        best = ended.best if done else identified(problem, ended.best, tol)
    result = result_of(setup, best, 0 if best.certified and best.rel_gap <= tol else ended.status)
    if left:
        told = ", then ".join(f"{name} until iteration {nit}" for name, nit in left)
        result.message += f" Slow to converge: {told}, then {method}."
    result.update(nit=ended.nit, method=method, history=history_of(setup, ended.history))
    result.debiased = _debiased(setup, best, method, parsed) if debias else None
    return result


def _debiased(setup: ProblemSetup, best: Certificate, method: str, options: Options) -> Array:
    """The answer refitted; see `problems/refit.py`."""
    problem, x = setup.problem.image_problem, setup.problem.image_of(best.x)
    _, duals = setup.problem.parts_and_duals(best)

    def _solved(y: Array) -> Array:
        operator, m, lo, hi = problem.operator, problem.m, problem.lo, problem.hi
        again = problem_of(Posed(y, problem.parts, problem.shape, operator, m, lo, hi))
        tol = max(ACCURACY, 10 * float(np.finfo(y.dtype).eps))
        again.configure(SERIAL, tol)
        steps = SOLVERS[method](again, *again.start_from(x, duals))
        ended = run(again, steps, tol, dataclasses.replace(options, maxiter=4 * options.maxiter, history=False))
        if ended.best.rel_gap > 100 * tol:
            warn(f"the refit is of an answer with a relative gap of {ended.best.rel_gap:.1e} only", ConvergenceWarning)
        return again.image_of(ended.best.x)

    return setup.with_background(refit(problem, x, _solved))
