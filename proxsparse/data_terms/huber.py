"""Huber's data term."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_scalar, total
from .base import DataTerm, largest_ratio
from .least_squares import LeastSquares


@dataclasses.dataclass(frozen=True, eq=False)
class Huber(DataTerm):
    """``D(z) = sum_j m_j d(z_j - y_j)``, ``d(r) = r^2/2`` up to delta, ``delta |r| - delta^2/2`` beyond: noise with outliers.

    Parameters
    ----------
    delta : float, optional
        In units of the image, > 0. Left out it is 1.345 times the noise level, given or estimated, which costs 5 % of the
        efficiency of least squares where the noise is Gaussian (Huber, Ann. Math. Statist. 1964; Holland & Welsch 1977).
    """

    delta: float | None = None

    degree = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", as_scalar(self.delta))
        if self.delta is not None and not (math.isfinite(self.delta) and self.delta > 0):
            raise ValueError(f"delta must be finite and > 0, got {self.delta!r}")

    @property
    def _delta(self) -> float:
        if self.delta is None:
            raise ValueError("Huber() has no corner: give one, as in Huber(0.1)")
        return self.delta

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant of the gradient."""
        return float(np.max(self.m))

    def scaled(self, factor: float) -> DataTerm:
        """The corner moves with the image."""
        return dataclasses.replace(self, delta=self._delta * factor)

    def form(self) -> tuple[Any, ...] | None:
        """See `DataTerm.form`."""
        return self._form(corner=self._delta)

    def reach(self, value: float) -> float:
        """d(r) >= delta |r| - delta^2 / 2."""
        far = total(self.m * np.broadcast_to(np.abs(self.y, dtype=np.float64) + self._delta / 2, np.shape(self.y)))
        return (far + value / self._delta) / math.sqrt(self._least_weight)

    def values(self, z: Array) -> Array:
        """m_j d(z_j - y_j) in float64."""
        r = np.abs(np.subtract(z, self.y, dtype=np.float64))
        return np.asarray(self.m * np.where(r <= self._delta, 0.5 * r * r, self._delta * (r - 0.5 * self._delta)))

    def gradient(self, z: Array) -> Array:
        """M clip(z - y, -delta, delta)."""
        return np.asarray(self.m * np.clip(z - self.y, -self._delta, self._delta))

    def lowest(self, c: Array) -> Array:
        """Y - c / m where |c| <= m delta, else without end."""
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.where(c == 0, 0.0, c / self.m)
        return np.where(np.abs(c) <= np.asarray(self.m, np.float64) * self._delta, self.y - r, np.where(c > 0, -np.inf, np.inf))

    def conjugate_terms(self, q: Array) -> tuple[float, float]:
        """1/2 sum q^2 / m and <q, y>."""
        return LeastSquares.conjugate_terms(self, q)  # type: ignore[arg-type]

    def gauge(self, q: Array) -> float:
        """The largest |q| / (m delta)."""
        return largest_ratio(q, self.m) / self._delta

    def project(self, q: Array) -> Array:
        """Each |q| at most m delta."""
        return np.asarray(np.clip(q, -self.m * self._delta, self.m * self._delta))

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """The proximal point for least squares, clipped to +-m delta."""
        most = np.asarray(self.m * self._delta, q.dtype)
        return np.clip(LeastSquares.conjugate_prox(self, q, sigma), -most, most)  # type: ignore[arg-type]

    def prox(self, v: Array, tau: float) -> Array:
        """Argmin over z of 1/2 ||z - v||^2 + tau D(z)."""
        step = v.dtype.type(tau) * np.asarray(self.m, v.dtype)
        r = v - self.y
        most = step * v.dtype.type(self._delta)
        return np.asarray(v - np.clip(step * r / (1 + step), -most, most))
