"""From a certificate to the result that the user gets, in the user's units and layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.term import Term
from ..operators import MatrixOperator
from ..result import MESSAGES, SolveResult
from ..runtime.progress import Progress
from .certificate import Certificate
from .problem import Problem
from .setup import ProblemSetup


def result_of(setup: ProblemSetup, best: Certificate, status: int, costs: Sequence[str] | None = None) -> SolveResult:
    """The certificate in the user's units and layout; the names of what costs, where they are not those of the parts."""
    problem = setup.problem
    mu = problem.image_problem.mu if best.certified else 0.0
    parts, own = problem.parts_and_duals(best)
    names, duals = ["data", *(_term_names(parts) if costs is None else costs)], zip(own, parts, setup.units, strict=True)
    return SolveResult(
        x=setup.image(best.x, best.owned),
        fun=setup.unscaled(best.fun),
        gap=setup.unscaled(best.gap),
        rel_gap=best.rel_gap,
        x_error_bound=math.sqrt(2 * best.gap / mu) / setup.scale if mu > 0 else math.inf,
        certified=best.certified,
        stationarity=None if best.certified else best.residual,
        success=status == 0,
        status=status,
        message=_message(status, best, problem),
        terms=dict(zip(names, map(setup.unscaled, [best.data, *best.values]), strict=True)),
        data_dual=None if best.q is None else setup.data_dual(best.q),
        dual=tuple(setup.dual(*each, best.owned) for each in duals),
    )


def _message(status: int, best: Certificate, problem: Problem) -> str:
    """The status in words, and what the certificate goes by."""
    told = [MESSAGES[status]]
    if not math.isfinite(best.fun) and not problem.data.everywhere:
        told.append("No image was found inside the domain A x + background >= 0, > 0 where there are counts; it may be empty.")
    if status == 0 and best.negligible and best.gap > 0:
        told = [f"The minimum is 0 as far as {problem.dtype} can tell."]
    linear = problem.image_problem.operator
    if best.certified and linear is not None and isinstance(linear.operator, MatrixOperator):
        told.append("The operator is taken as what its products return.")
    return " ".join(told)


def history_of(setup: ProblemSetup, checks: list[tuple[int, float, float, float]]) -> dict[str, Array]:
    """The checks on the way, in the user's units."""
    iteration, objective, gap, seconds = zip(*checks, strict=True) if checks else ((), (), (), ())
    return {
        "iteration": np.array(iteration, dtype=int),
        "objective": setup.unscaled(np.array(objective, dtype=float)),
        "gap": setup.unscaled(np.array(gap, dtype=float)),
        "seconds": np.array(seconds, dtype=float),
    }


def _term_names(parts: Sequence[Term]) -> list[str]:
    """The class of each part, numbered where two parts share it."""
    names = [type(q.penalty).__name__ for q in parts]
    return [n if names.count(n) == 1 else f"{n} {names[: i + 1].count(n)}" for i, n in enumerate(names)]


class Report:
    """What happens at each check: the progress display and the user's callback."""

    def __init__(self, callback: Any, disp: bool, tol: float, setup: ProblemSetup) -> None:
        self.callback, self.setup = callback, setup
        #: whether nobody is told of checks
        self.silent = callback is None and not disp
        self.progress = Progress(tol, disp)

    def __call__(self, found: Certificate, nit: int) -> bool:
        """Show and tell; whether the callback asks to stop."""
        shown = (found.rel_gap,) if found.certified else (found.residual, "stationary to")
        self.progress.show(nit, *shown)
        if self.callback is None:
            return False
        setup = self.setup
        x, fun, gap = setup.image(found.x), setup.unscaled(found.fun), setup.unscaled(found.gap)
        try:
            self.callback(SolveResult(x=x, fun=fun, gap=gap, rel_gap=found.rel_gap, nit=nit))
        except StopIteration:
            return True
        return False

    def close(self) -> None:
        """End the display."""
        self.progress.close()
