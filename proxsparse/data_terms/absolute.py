"""Least absolute deviations."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import UNIT, norm
from .base import DataTerm, largest_ratio


@dataclasses.dataclass(frozen=True, eq=False)
class LeastAbsoluteDeviations(DataTerm):
    """``D(z) = sum_j m_j |z_j - y_j|``: a few pixels that are entirely wrong, as of salt-and-pepper noise.

    The weight of a penalty is then a number without unit. Nikolova, J. Math. Imaging Vis. 2004; with total variation Chan &
    Esedoglu, SIAM J. Appl. Math. 2005.
    """

    smooth = False

    def off_by(self, e: Array) -> float:
        """sum m |e|, of degree one in e."""
        return total(self.m * np.abs(e, dtype=np.float64))

    def off_by_length(self, off: float) -> float:
        """By Cauchy and Schwarz."""
        return off * norm(np.broadcast_to(self.m, np.shape(self.y)))

    def rounding(self, z: Array, off: float = 0.0, value: float | None = None) -> float:
        """The rounding of any term, with a slope of at most m."""
        return UNIT * 16 * (self.value(z) if value is None else value) + off * norm(np.broadcast_to(self.m, z.shape))

    def form(self) -> tuple[Any, ...] | None:
        """See `DataTerm.form`."""
        return self._form(absolute=True)

    def reach(self, value: float) -> float:
        """sum m |z| <= sum m |y| + value."""
        return (total(self.m * np.abs(self.y, dtype=np.float64)) + value) / math.sqrt(self._least_weight)

    def values(self, z: Array) -> Array:
        """m_j |z_j - y_j| in float64."""
        return np.asarray(self.m * np.abs(np.subtract(z, self.y, dtype=np.float64)))

    def gradient(self, z: Array) -> Array:
        """A subgradient: m sign(z - y)."""
        return np.asarray(self.m * np.sign(z - self.y))

    def lowest(self, c: Array) -> Array:
        """Y where |c| <= m, else without end."""
        return np.where(np.abs(c) <= self.m, np.asarray(self.y, np.float64), np.where(c > 0, -np.inf, np.inf))

    def conjugate_terms(self, q: Array) -> tuple[float, float]:
        """0 and <q, y>."""
        return 0.0, total(q * self.y)

    def gauge(self, q: Array) -> float:
        """The largest |q| / m."""
        return largest_ratio(q, self.m)

    def project(self, q: Array) -> Array:
        """Each |q| at most m."""
        return np.asarray(np.clip(q, -self.m, self.m))

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """q - sigma y within +-m."""
        most = np.asarray(self.m, q.dtype)
        return np.asarray(np.clip(q - q.dtype.type(sigma) * self.y, -most, most))

    def prox(self, v: Array, tau: float) -> Array:
        """Soft-thresholding towards y."""
        cut = v.dtype.type(tau) * np.asarray(self.m, v.dtype)
        # y in the middle of v - cut, y, v + cut
        return np.asarray(np.maximum(np.minimum(v + cut, self.y), v - cut))
