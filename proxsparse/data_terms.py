"""Data terms D(z; y): how far an image is from the one given."""

from __future__ import annotations

import numpy as np

from ._arrays import Array, total


class LeastSquares:
    """D(z) = 1/2 sum_j m_j (z_j - y_j)^2; where m_j = 0 the pixel was not measured."""

    def __init__(self, y: Array, m: Array | None = None) -> None:
        self.y = y
        self.m: Array | float = 1.0 if m is None else m
        #: modulus of strong convexity and Lipschitz constant of the gradient
        self.mu, self.lipschitz = (1.0, 1.0) if m is None else (float(np.min(m)), float(np.max(m)))

    def value(self, z: Array) -> float:
        """D(z) in float64."""
        return 0.5 * total(self.m * np.square(np.subtract(z, self.y, dtype=np.float64)))

    def gradient(self, z: Array) -> Array:
        """M (z - y)."""
        return self.m * (z - self.y)

    def conjugate_terms(self, q: Array) -> tuple[float, float]:
        """D*(t q) = t^2 a + t b for every number t: returns (a, b). q must be 0 where m is."""
        m = np.asarray(self.m, dtype=np.float64)
        square = np.divide(np.square(q), m, out=np.zeros(q.shape), where=np.broadcast_to(m > 0, q.shape))
        return 0.5 * total(square), total(q * self.y)

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """Argmin over u of 1/2 ||u - q||^2 + sigma D*(u)."""
        scalar = q.dtype.type
        return np.asarray(self.m * (q - scalar(sigma) * self.y) / (self.m + scalar(sigma)))

    def prox(self, v: Array, tau: float) -> Array:
        """argmin over z of 1/2 ||z - v||^2 + tau D(z)."""
        scalar = v.dtype.type
        return np.asarray((v + scalar(tau) * self.m * self.y) / (1 + scalar(tau) * self.m))
