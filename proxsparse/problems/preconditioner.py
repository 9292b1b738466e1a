"""Maps near to those of a problem that are inverted fast."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..arrays.numbers import total
from ..linear.diagonal import Diagonalised
from .owned import Owned


class Preconditioner(Owned):
    """Maps near to multiples of A^T A + K^T K of a problem."""

    @property
    def balance(self) -> float:
        """b in A^T A + b K^T K; small, as what q gives up costs only its square."""
        problem = self.problem
        return 8e-3 * problem.norm_squared * float(np.max(problem.data.m)) / (problem.stack.norm_squared or 1.0)

    def near(self, data: float | None, penalty: float, identity: float) -> Diagonalised:
        """A map near to data A^T A + penalty K^T K + identity I (A^T M A + ... where `data` is None) that is inverted fast.

        A term that is not diagonal in the penalty's domain is replaced by a multiple of the identity.
        """
        problem = self.problem
        result = Diagonalised("uniform", (self._gain if data is None else data * self._plain_gain) + identity)
        for q in problem.full.terms:
            gram = q.approximate_gram if q.gram is None else q.gram
            if gram is None:
                gram = Diagonalised("uniform", 0.5 * q.norm_squared)
            both = result + gram * penalty
            result = both if both is not None else result + Diagonalised("uniform", penalty * float(np.mean(gram.eigenvalues)))  # type: ignore[assignment]
        return result

    @cached_property
    def _gain(self) -> float:
        """||M^1/2 A v||^2 / ||v||^2 for a random v."""
        problem = self.problem
        return self._gain_with(problem.data.m)

    @cached_property
    def _plain_gain(self) -> float:
        """||A v||^2 / ||v||^2 for a random v."""
        return self._gain_with(1.0)

    def _gain_with(self, m: Any) -> float:
        problem = self.problem
        probe = np.random.default_rng(0).standard_normal(problem.shape)
        return total(m * np.square(problem.forward(probe))) / total(np.square(probe)) or 1.0
