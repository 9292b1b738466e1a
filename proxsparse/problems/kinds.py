"""Which kind of problem a posed one is."""

from __future__ import annotations

from ..penalties.infimal import InfimalPenalty
from .denoising import DenoisingProblem
from .lifted import LiftedDenoisingProblem, LiftedProblem
from .measured import Measured, is_strong
from .pixelwise import dualised_problem
from .posed import Posed
from .problem import Problem, WithBackground


def problem_of(posed: Posed, returned: WithBackground | None = None) -> Problem:
    """Denoising, pixelwise or inverse; or where a part is a minimisation of its own the larger problem behind it."""
    least_squares = posed.operator is None and posed.data.quadratic
    if any(isinstance(q, InfimalPenalty) and q._w() > 0 for q in posed.parts):
        alone = len(posed.parts) == 1 and posed.m is posed.lo is posed.hi is None
        return (LiftedDenoisingProblem if alone and least_squares else LiftedProblem)(posed, returned)
    measured = Measured.of(posed)
    if least_squares and (is_strong(measured.data) or measured.is_pixelwise):
        return DenoisingProblem(posed, measured, returned)
    return dualised_problem(posed, returned, measured)
