"""The rounding floor: a bound on what storing an image in its dtype adds to an objective of 0."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from ..arrays.numbers import Array
from ..arrays.roundoff import UNIT, norm, rounding_of
from .certificate import Certificate
from .owned import Owned


class RoundingFloor(Owned):
    """What rounding makes of 0 in the terms of a problem."""

    def is_negligible(self, found: Certificate) -> bool:
        """Whether F(x) is no more than `of`: as far as the dtype can tell it is 0.

        Term by term: what a large weight makes of the rounding of x excuses no data term.
        """
        problem = self.problem
        if not 0 <= found.fun < math.inf:
            return False
        eps = float(np.finfo(problem.dtype).eps)
        size = 1.0 if problem.data.degree == 2 else 2.0 / eps
        # without an operator x is near y then: most images need no closer look
        if problem.operator is None and found.data > eps * eps * size * (problem.energy + found.data):
            return False
        if problem.operator is None:
            # and no closer look at an image that costs more than its rounding could, by norms alone
            plain = problem.data.degree == 2 and problem.m is None
            length = eps * (math.sqrt(problem.energy) + math.sqrt(2 * found.data) if plain else norm(found.x))
            if problem.returned is not None:
                length = eps * norm(problem.returned.with_background(found.x))
            data = max(problem.data.lipschitz, 1.0) * length * length if problem.data.degree == 2 else math.inf
            spreads = zip(problem.terms, self._bounds_by_length, found.values, strict=True)
            if any(value > spread * length ** (2 if q.penalty.degree == 2 else 1) + data for q, spread, value in spreads):
                return False
        data, parts = self.of(found.x)
        beyond = sum(max(value - floor, 0.0) for value, floor in zip(found.values, parts, strict=True))
        return found.data <= data and beyond <= data

    @cached_property
    def _bounds_by_length(self) -> list[float]:
        """For each part the most that an image of length one costs."""
        problem = self.problem
        return [q.bound_by_length(1.0) for q in problem.terms]

    def of(self, x: Array) -> tuple[float, list[float]]:
        """Bounds on the data term and on each part that rounding x to its dtype, and A x in float64, makes of an exact 0."""
        problem = self.problem
        size = rounding_of(x if problem.returned is None else problem.returned.with_background(x))
        parts = [q.bound_by_size(size) for q in problem.terms]
        if problem.operator is None:
            return problem.data.off_by(size), parts
        off = math.sqrt(problem.norm_squared) * norm(size) + UNIT * problem.linear.product_rounding * norm(x)
        return problem.data.off_by_length(off), parts
