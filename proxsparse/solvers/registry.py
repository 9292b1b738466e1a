"""The methods by name, and the rule of "auto"."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.driver import Steps
from ..problems.certificate import Certificate
from ..problems.problem import Problem
from . import admm, chambolle_pock, exact, fista
from .options import Options
from .run import SLOW, Run, run

SOLVERS: dict[str, Callable[..., Steps]] = {
    "fista": fista.steps,
    "admm": admm.steps,
    "chambolle-pock": chambolle_pock.steps,
    "exact": exact.steps,
}


#: how far, in pixels, measured ones tell Chambolle-Pock sooner than ADMM what lies between (`python -m benchmarks.methods`)
_FAR = 6.0
#: iterations after which a method that "auto" took has to show that it will end; those with conjugate gradients take longer
_PATIENCE, _FEW = 1000, 100


def auto_method(problem: Problem) -> str:
    """The rule of "auto", drawn from benchmarks/methods.py: ADMM only where it gains from exact transforms."""
    if problem.has_exact:
        return "exact"
    if problem.operator is not None:
        # windows, whose copies no transform mixes, come sooner by Chambolle-Pock
        gram = problem.full.gram()
        hard: Any = gram is not None and gram.domain != "pixel"
    elif problem.is_denoising:
        # weights of very different size leave little strong convexity for the acceleration
        hard = problem.data.mu < 1e-2 * problem.data.lipschitz
    else:
        hard = problem.full.costs_nothing("constants") and _distance(problem) > _FAR
    return "admm" if hard and problem.gram is not None and _inverts(problem) else "chambolle-pock"


def _inverts(problem: Problem) -> bool:
    """Whether ADMM solves its linear systems by division and transforms."""
    data = problem.gram if problem.data.quadratic else problem.linear.gram
    return data is not None and problem.full.gram() is not None


def _distance(problem: Problem) -> float:
    """How many pixels the one that is furthest from what was measured is away from it."""
    from scipy.ndimage import distance_transform_edt

    m = np.broadcast_to(np.asarray(problem.data.m), problem.shape)
    seen = m >= 1e-2 * m.max()
    if seen.all():
        return 0.0
    # of a channel without any pixel the others tell nothing
    return max(float(distance_transform_edt(~own).max()) if own.any() else 0.0 for own in seen)


def run_auto(
    problem: Problem,
    method: str,
    start: tuple[Array | None, Array | None],
    tol: float,
    options: Options,
    report: Callable[[Certificate, int], bool] | None = None,
) -> tuple[Run, str, list[tuple[str, int]]]:
    """Run the method, and where its gap falls too slowly go on with another one from the pair that it ended with.

    Returns how it ended, the method that had the last word, and the methods before it with the iterations at which they were
    left. Iterations decide, and no time.
    """
    left: list[tuple[str, int]] = []
    ended: Run | None = None
    several = not problem.is_denoising
    patience = {"chambolle-pock": _PATIENCE, "admm": _PATIENCE if several and _inverts(problem) else _FEW}
    while True:
        steps = SOLVERS[method](problem, *start)
        # each gets longer than the one before it
        allowed = patience[method] << len(left) if several else None
        ended = run(problem, steps, tol, options, report, before=ended, patience=allowed)
        if ended.status != SLOW:
            return ended, method, left
        left.append((method, ended.nit))
        method = "chambolle-pock" if method == "admm" else "admm"
        problem.known_dual = ended.best.q
        start = ended.best.x, ended.best.p


__all__ = ["SOLVERS", "auto_method", "run", "run_auto"]
