"""Least squares."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, total
from .base import DataTerm


@dataclasses.dataclass(frozen=True, eq=False)
class LeastSquares(DataTerm):
    """D(z) = 1/2 sum_j m_j (z_j - y_j)^2: white Gaussian noise."""

    degree = 2
    quadratic = True

    @property
    def mu(self) -> float:
        """Modulus of strong convexity."""
        return self.m if isinstance(self.m, float) else float(np.min(self.m))

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant of the gradient."""
        return self.m if isinstance(self.m, float) else float(np.max(self.m))

    def form(self) -> tuple[Any, ...] | None:
        """See `DataTerm.form`."""
        return self._form()

    def reach(self, value: float) -> float:
        """By the triangle inequality."""
        return math.sqrt(total(self.m * np.square(self.y, dtype=np.float64))) + math.sqrt(2 * value)

    def values(self, z: Array) -> Array:
        """m_j/2 (z_j - y_j)^2 in float64."""
        return np.asarray(0.5 * self.m * np.square(np.subtract(z, self.y, dtype=np.float64)))

    def gradient(self, z: Array) -> Array:
        """M (z - y)."""
        return np.asarray(self.m * (z - self.y))

    def lowest(self, c: Array) -> Array:
        """Y - c / m."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.y - np.where(c == 0, 0.0, c / self.m))

    def conjugate_terms(self, q: Array) -> tuple[float, float]:
        """1/2 sum q^2 / m and <q, y>."""
        m = np.asarray(self.m, dtype=np.float64)
        square = np.divide(np.square(q), m, out=np.zeros(q.shape), where=np.broadcast_to(m > 0, q.shape))
        return 0.5 * total(square), total(q * self.y)

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """Argmin over u of 1/2 ||u - q||^2 + sigma D*(u)."""
        scalar = q.dtype.type
        return np.asarray(self.m * (q - scalar(sigma) * self.y) / (self.m + scalar(sigma)))

    def prox(self, v: Array, tau: float) -> Array:
        """Argmin over z of 1/2 ||z - v||^2 + tau D(z)."""
        scalar = v.dtype.type
        return np.asarray((v + scalar(tau) * self.m * self.y) / (1 + scalar(tau) * self.m))
