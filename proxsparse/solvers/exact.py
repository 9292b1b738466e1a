"""Algorithms that end with the minimiser: the taut string for signals, a formula for single pixels."""

from __future__ import annotations

from ..arrays.numbers import Array
from ..dual.driver import Steps
from ..problems.denoising import DenoisingProblem
from ..problems.problem import Problem


def steps(problem: Problem, x: Array, p: Array) -> Steps:
    """Yield the minimiser and its dual, and end; where to start is not used."""
    found = problem.denoising.exact() if isinstance(problem, DenoisingProblem) else None
    if found is None:
        raise ValueError(
            "no exact algorithm is known for this problem: there is one for signals under total variation, also added to "
            "soft-thresholding, and for single pixels, without operator, pixel weights or bounds of each pixel; with channels "
            "where they are separate"
        )
    yield found
