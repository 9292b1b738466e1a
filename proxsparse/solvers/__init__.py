"""The algorithms, each a generator over plain arrays, and the driver that runs them.

A solver is ``steps(problem, x, p, **options)``: it yields the primal and the dual it vouches for, and is sent how many
iterations to go on; it ends where there is nothing more to do. The dual is a flat vector over `problem.stack`, inside its ball.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..penalties.denoising import Steps
from ..problem import Problem
from . import admm, chambolle_pock, exact, fista
from .driver import run

SOLVERS: dict[str, Callable[..., Steps]] = {
    "fista": fista.steps,
    "admm": admm.steps,
    "chambolle-pock": chambolle_pock.steps,
    "exact": exact.steps,
}


def fastest(problem: Problem) -> str:
    """The rule of "auto", drawn from benchmarks/methods.py: ADMM only where it gains from exact transforms."""
    if problem.denoising is not None and problem.denoising.has_exact:
        return "exact"
    if problem.image_problem is not problem:
        return "chambolle-pock" if problem.image_problem.mu > 0 else "admm"
    if problem.operator is not None:
        hard: Any = True
    elif problem.denoising is not None:
        # weights of very different size leave little strong convexity for the acceleration
        hard = problem.data.mu < 1e-2 * problem.data.lipschitz
    else:
        # what few pixels tell has far to travel
        hard = problem.full.costs_nothing("constants") and np.mean(np.greater(problem.data.m, 0)) < 0.25
    exact = hard and problem.gram is not None and problem.full.gram() is not None
    return "admm" if exact else "chambolle-pock"


__all__ = ["SOLVERS", "fastest", "run"]
