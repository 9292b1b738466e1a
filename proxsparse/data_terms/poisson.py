"""Poisson's data term, for counts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float, require_finite, total
from ..arrays.roundoff import UNIT, norm
from .base import DataTerm, largest_ratio


@dataclasses.dataclass(frozen=True, eq=False)
class Poisson(DataTerm):
    """D(z) = sum_j m_j (s_j - y_j + y_j log(y_j / s_j)), s = z + background >= 0: photon counts y of mean s.

    The Kullback-Leibler divergence, minus the log-likelihood of counts but for a constant; y >= 0. The weight of a penalty
    is then a number per count. Richardson 1972; Lucy 1974; Bertero et al., Inverse Problems 2009.

    Parameters
    ----------
    background : float or array_like
        What the counts hold beside z, known and >= 0: a number, or an image of y's shape.
    """

    background: Any = 0.0

    everywhere = False

    def nearest_inside(self, z: Array) -> Array:
        """s = 0, and where there are counts a thousandth of them; no less than that where the type of z cannot hold it."""
        b, y = np.asarray(self.background, np.float64), np.asarray(self.y)
        bad = np.broadcast_to(np.greater(self.m, 0), z.shape) & ((z < -b) | ((z == -b) & (y > 0)))
        if not bad.any():
            return z
        least = 1e-3 * y.astype(np.float64) - b
        held = least.astype(z.dtype)
        return np.where(bad, np.where(held < least, np.nextafter(held, z.dtype.type(np.inf)), held), z)

    def outside(self, z: Array, inside: Array) -> float:
        """s >= 0, and where there are counts a little more."""
        s, t = (v + np.asarray(self.background, np.float64) for v in (z, inside))
        seen = np.broadcast_to(np.greater(self.m, 0), s.shape)
        counts = np.asarray(self.y) > 0
        if not (seen & ((s < 0) | (counts & (s == 0)))).any():
            return 0.0
        least = np.where(counts, 1e-3 * np.minimum(t, self.y), 0.0)
        short = seen & (s < least)
        # a few roundings further, so that it is reached in the image's type
        return float(min(1.0, np.max((least - s)[short] / np.maximum(t - s, 1e-300)[short]) * (1 + 1e-6) + 1e-7))

    def __post_init__(self) -> None:
        b = as_float(self.background, "background").astype(np.float64)
        require_finite(b, "background")
        object.__setattr__(self, "background", b if b.ndim else float(b))

    def scaled(self, factor: float) -> DataTerm:
        """The background grows with the counts."""
        return dataclasses.replace(self, background=self.background * factor)

    def around(self, y: Array, z: Array) -> tuple[DataTerm, Array]:
        """More background, the same counts."""
        return dataclasses.replace(self, background=self.background + z.astype(np.float64)), y

    def laid_out(self, place: Callable[[Array, str], Array]) -> DataTerm:
        """The background is where the counts are."""
        if np.ndim(self.background) == 0:
            return self
        return dataclasses.replace(self, background=place(self.background, "background"))

    def check(self, y: Array, m: Array | None) -> None:
        """Counts are not negative."""
        least = float(y.min(where=True if m is None else m > 0, initial=math.inf))
        if least < 0:
            raise ValueError(f"data='poisson' takes counts >= 0, got {least:g}")
        if np.min(self.background) < 0:
            raise ValueError(f"background must be >= 0, got {np.min(self.background):g}")

    def off_by(self, e: Array) -> float:
        """Near its fit the divergence is at most (s - y)^2 / y, and s - y where y is small beside what it is off by."""
        y, e = np.asarray(self.y, np.float64), np.abs(e, dtype=np.float64)
        return total(self.m * np.divide(np.square(e), y, out=e.copy(), where=y > 2 * e))

    def off_by_length(self, off: float) -> float:
        """The same, of the pixels that it costs most for."""
        y, m = np.asarray(self.y, np.float64), np.broadcast_to(np.asarray(self.m, np.float64), np.shape(self.y))
        bright = y > 2 * off
        curvature = float(np.divide(m, y, out=np.zeros(y.shape), where=bright).max(initial=0.0))
        return curvature * off * off + off * norm(np.where(bright, 0.0, m))

    def rounding(self, z: Array, off: float = 0.0, value: float | None = None) -> float:
        """The rounding of any term, and that of s - y, which the logarithm cancels."""
        s = np.abs(z + np.asarray(self.background, np.float64))
        return super().rounding(z, off, value) + UNIT * 16 * total(self.m * (s + self.y))

    def form(self) -> tuple[Any, ...] | None:
        """See `DataTerm.form`; a background of pixels has none."""
        return self._form(background=self.background) if isinstance(self.background, float) else None

    def reach(self, value: float) -> float:
        """log(1 + t) <= log 2 + (t - 1) / 2 at s = (1 + t) y: sum m s <= 2 value + 1.4 sum m y, and z >= -background."""
        counts, background = total(self.m * np.asarray(self.y, np.float64)), np.broadcast_to(self.background, np.shape(self.y))
        return (2 * value + 1.4 * counts + total(self.m * background)) / math.sqrt(self._least_weight)

    def conjugate_size(self, q: Array) -> float:
        """The sizes of the background's and the logarithms' terms."""
        m = np.broadcast_to(np.asarray(self.m, np.float64), q.shape)
        share = np.divide(q, m, out=np.zeros(q.shape), where=m > 0)
        logs = np.log1p(-np.minimum(share, 1 - UNIT)) * m * self.y
        return total(np.abs(q * self.background)) + total(np.abs(logs))

    @property
    def nearest(self) -> Array:
        """The counts without the background."""
        return np.asarray(self.y - self.background)

    def values(self, z: Array) -> Array:
        """m_j (s_j - y_j + y_j log(y_j / s_j)) in float64; infinite where s < 0, or s = 0 and y > 0."""
        y = np.asarray(self.y, np.float64)
        s = z + np.asarray(self.background, np.float64)
        # a transform may leave -1e-17 where 0 is meant
        rounding = 8 * np.finfo(np.float64).eps * y.max() + 4 * np.finfo(self.y.dtype).eps * np.asarray(self.background)
        s = np.where((s < 0) & (s >= -rounding), 0.0, s)
        with np.errstate(divide="ignore", invalid="ignore"):
            # y log(y / s) - y + s without cancellation: both are near 0 where s is near y
            ratio = np.where(y > 0, (s - y) / np.where(y > 0, y, 1), 0.0)
            terms = np.where(y > 0, y * (ratio - np.log1p(ratio)), s)
        terms = np.where((s < 0) | ((s == 0) & (y > 0)), np.inf, terms)
        return np.asarray(
            np.multiply(self.m, terms, out=np.zeros_like(terms), where=np.broadcast_to(np.greater(self.m, 0), s.shape))
        )

    def gradient(self, z: Array) -> Array:
        """M (1 - y / s), where s > 0; elsewhere as at the smallest normal number."""
        s = np.maximum(z + self.background, np.finfo(np.float32).tiny)
        return np.asarray(self.m * (1 - self.y / s))

    def first_gradient(self, z: Array) -> Array:
        """At no less than a tenth of the mean count."""
        least = 0.1 * float(np.mean(self.y)) or 1.0
        return self.gradient(np.maximum(z, np.asarray(least - self.background, z.dtype)))

    def lowest(self, c: Array) -> Array:
        """s = m y / (m + c), without end where that has no sense."""
        m = np.asarray(self.m, np.float64)
        slope = m + c
        y = np.asarray(self.y, np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = np.where(slope > 0, m * y / slope, np.where((slope == 0) & (m * y == 0), 0.0, np.inf))
            # not measured: no count holds it, and it may fall without end
            s = np.where(m > 0, s, np.where(c == 0, 0.0, np.where(c > 0, -np.inf, np.inf)))
        return np.asarray(s - self.background)

    def conjugate_terms(self, q: Array) -> tuple[float, float]:
        """Not of that form."""
        raise NotImplementedError

    def conjugate(self, q: Array) -> float:
        """D*(q) = -<q, background> - sum m y log(1 - q / m), infinite beyond q = m."""
        m = np.broadcast_to(np.asarray(self.m, np.float64), q.shape)
        share = np.divide(q, m, out=np.zeros(q.shape), where=m > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(self.y > 0, m * self.y * np.log1p(-np.minimum(share, 1)), 0.0)
        outside = (share > 1).any() or (q[m == 0] != 0).any()
        return math.inf if outside else -total(q * self.background) - total(logs)

    def gauge(self, q: Array) -> float:
        """The largest q / m."""
        return largest_ratio(np.maximum(q, 0), self.m)

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """The proximal point by Moreau's identity, at most m in spite of rounding."""
        found = np.minimum(super().conjugate_prox(q, sigma), np.asarray(self.m, q.dtype))
        return np.asarray(np.where(np.greater(self.m, 0), found, 0)).astype(q.dtype, copy=False)

    def project(self, q: Array) -> Array:
        """Each q at most m."""
        return np.asarray(np.minimum(q, self.m))

    def best_multiple(self, q: Array, square: float, slope: float, limit: float) -> tuple[float, float]:
        """(t, the value there) for the greatest of -D*(t q) - square t^2 + slope t over 0 <= t <= limit: by golden section."""
        from scipy.optimize import minimize_scalar

        def _loss(t: float) -> float:
            return self.conjugate(t * q) + square * t * t - slope * t

        # near the optimum t is near 1
        found = minimize_scalar(_loss, bounds=(0.0, min(limit, 2.0)), method="bounded", options={"xatol": 1e-9, "maxiter": 60})
        return max(((t, -_loss(t)) for t in (float(found.x), min(limit, 1.0), 0.0)), key=lambda pair: pair[1])

    def prox(self, v: Array, tau: float) -> Array:
        """The positive root of s^2 - (v + b - tau m) s = tau m y, less the background."""
        scalar = v.dtype.type
        step = scalar(tau) * np.asarray(self.m, v.dtype)
        b = np.asarray(self.background, v.dtype)
        a = v + b - step
        product = 4 * step * self.y
        root = np.sqrt(a * a + product)
        with np.errstate(divide="ignore", invalid="ignore"):
            # the other form where a is negative: no cancellation
            s = np.where(a >= 0, 0.5 * (a + root), np.where(product > 0, 0.5 * product / (root - a), 0))
        free = np.broadcast_to(np.equal(self.m, 0), v.shape)
        return np.asarray(np.where(free, v, s - b)).astype(v.dtype, copy=False)
