"""Data terms: one file each."""

from .absolute import LeastAbsoluteDeviations
from .base import DataTerm
from .huber import Huber
from .least_squares import LeastSquares
from .poisson import Poisson

__all__ = ["DATA", "DataTerm", "Huber", "LeastAbsoluteDeviations", "LeastSquares", "Poisson"]

#: name -> the term
DATA: dict[str, type[DataTerm]] = {
    "l2": LeastSquares,
    "l1": LeastAbsoluteDeviations,
    "huber": Huber,
    "poisson": Poisson,
}
