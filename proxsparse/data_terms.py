"""Data terms D(z; y): how far an image is from the one given. A new one is a class here and a line in `DATA`.

A term is built by the user without an image and bound to one, `term.bind(y, m)`, before it is used.
"""

from __future__ import annotations

import abc
import copy
import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np

from ._arrays import Array, as_float, as_scalar, require_finite, total
from .rounding import UNIT, norm


@dataclasses.dataclass(frozen=True, eq=False)
class DataTerm(abc.ABC):
    """D(z) = sum_j m_j d(z_j; y_j), convex; where m_j = 0 the pixel was not measured."""

    #: D(c z; c y) = c^degree D(z; y) for c > 0
    degree: ClassVar[int] = 1
    #: whether D is quadratic, as the solvers of linear systems want it
    quadratic: ClassVar[bool] = False
    #: whether D has a gradient where it is finite
    smooth: ClassVar[bool] = True

    def bind(self, y: Array, m: Array | None = None) -> Self:
        """The term for an image and weights m of its shape, 1 where None."""
        bound = copy.copy(self)
        object.__setattr__(bound, "y", y)
        object.__setattr__(bound, "m", 1.0 if m is None else m)
        return bound

    y: Any = dataclasses.field(init=False, repr=False, default=None)
    m: Any = dataclasses.field(init=False, repr=False, default=1.0)

    @property
    def mu(self) -> float:
        """Modulus of strong convexity."""
        return 0.0

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant of the gradient; infinite where there is none."""
        return math.inf

    def scaled(self, factor: float) -> DataTerm:
        """The term D' with D'(factor z; factor y) = factor^degree D(z; y)."""
        return self

    def around(self, y: Array, z: Array) -> tuple[DataTerm, Array]:
        """A term and an image for which D(z + u; y) is the distance of u."""
        return self, y - z

    def laid_out(self, place: Callable[[Array, str], Array]) -> DataTerm:
        """The term with its arrays, of the image's shape, in another layout."""
        return self

    def check(self, y: Array, m: Array | None) -> None:  # noqa: B027
        """Raise ValueError where the image is none that this term is for."""

    @property
    def nearest(self) -> Array:
        """The z that each pixel by itself is nearest to."""
        return np.asarray(self.y)

    def off_by(self, e: Array) -> float:
        """A bound on D at an image that is off by up to e, pixel by pixel, from one where D is 0."""
        return 0.5 * total(self.m * np.square(e, dtype=np.float64))

    def off_by_length(self, off: float) -> float:
        """A bound on D at an image that is off, in length, by up to `off` from one where D is 0."""
        return 0.5 * self.lipschitz * off * off

    def rounding(self, z: Array, off: float = 0.0) -> float:
        """How far D(z) may be off where z is, in length, by `off`."""
        slope = norm(np.broadcast_to(self.gradient(z), z.shape))
        return UNIT * 16 * self.value(z) + 2 * slope * off + (0.0 if math.isinf(self.lipschitz) else self.lipschitz * off * off)

    @abc.abstractmethod
    def reach(self, value: float) -> float:
        """A bound on the root of sum m z^2 over the z with D(z) <= value."""

    def conjugate_size(self, q: Array) -> float:
        """What D*(q) is, without any cancelling."""
        square, _ = self.conjugate_terms(q)
        return square + total(np.abs(q * np.asarray(self.y, np.float64)))

    @property
    def _least_weight(self) -> float:
        """The least data weight that is not 0."""
        m = np.asarray(self.m, np.float64)
        return float(m.min(where=m > 0, initial=math.inf))

    #: whether D is finite for every z
    everywhere: ClassVar[bool] = True

    def nearest_inside(self, z: Array) -> Array:
        """The z nearest to that where D is finite, or a little further."""
        return z

    def outside(self, z: Array, inside: Array) -> float:
        """The share of the way from z to a z inside the domain of D after which that is reached; 0 where z is in it."""
        return 0.0

    @abc.abstractmethod
    def values(self, z: Array) -> Array:
        """m_j d(z_j; y_j) in float64."""

    def value(self, z: Array) -> float:
        """D(z) in float64."""
        return total(self.values(z))

    @abc.abstractmethod
    def gradient(self, z: Array) -> Array:
        """The gradient of D, or a subgradient."""

    def first_gradient(self, z: Array) -> Array:
        """A gradient to start from: at z, or where that is beyond reason near it."""
        return self.gradient(z)

    @abc.abstractmethod
    def lowest(self, c: Array) -> Array:
        """Argmin over z of D(z) + <c, z> in float64, pixel by pixel, infinite where it falls without end."""

    @abc.abstractmethod
    def conjugate_terms(self, q: Array) -> tuple[float, float]:
        """D*(t q) = t^2 a + t b for every t up to 1 / gauge(q): returns (a, b). q must be 0 where m is."""

    def conjugate(self, q: Array) -> float:
        """D*(q)."""
        square, linear = self.conjugate_terms(q)
        return square + linear if self.gauge(q) <= 1 else math.inf

    def gauge(self, q: Array) -> float:
        """The least t for which q / t is in the domain of D*."""
        return 0.0

    def project(self, q: Array) -> Array:
        """The point of that domain nearest to q."""
        return q

    def best_multiple(self, q: Array, square: float, slope: float, limit: float) -> tuple[float, float]:
        """(t, the value there) for the greatest of -D*(t q) - square t^2 + slope t over 0 <= t <= limit."""
        own, linear = self.conjugate_terms(q)
        square, slope = square + own, slope - linear
        best = 0.0 if slope <= 0 else (slope / (2 * square) if square > 0 else math.inf)
        t = min(best, limit)
        # without a limit and without a slope every t is as good
        t = t if math.isfinite(t) else 1.0
        return t, t * slope - t * t * square

    @abc.abstractmethod
    def prox(self, v: Array, tau: float) -> Array:
        """Argmin over z of 1/2 ||z - v||^2 + tau D(z), of v's dtype."""

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """Argmin over u of 1/2 ||u - q||^2 + sigma D*(u), by Moreau's identity."""
        scalar = q.dtype.type
        return np.asarray(q - scalar(sigma) * self.prox(q / scalar(sigma), 1 / sigma))


def _ratio(q: Array, m: Any) -> float:
    """The largest |q| / m; 0 / 0 is 0."""
    size = np.abs(q)
    free = np.where(size > 0, np.inf, 0.0)
    quotient = np.divide(size, m, out=free, where=np.broadcast_to(np.greater(m, 0), q.shape))
    return float(quotient.max(initial=0.0))


@dataclasses.dataclass(frozen=True, eq=False)
class LeastSquares(DataTerm):
    """D(z) = 1/2 sum_j m_j (z_j - y_j)^2: white Gaussian noise."""

    degree = 2
    quadratic = True

    @property
    def mu(self) -> float:
        """Modulus of strong convexity."""
        return float(np.min(self.m))

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant of the gradient."""
        return float(np.max(self.m))

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


@dataclasses.dataclass(frozen=True, eq=False)
class LeastAbsoluteDeviations(DataTerm):
    """``D(z) = sum_j m_j |z_j - y_j|``: a few pixels that are entirely wrong, as of salt-and-pepper noise.

    The weight of a penalty is then a number without unit. Nikolova, J. Math. Imaging Vis. 2004; with total variation Chan &
    Esedoglu, SIAM J. Appl. Math. 2005.
    """

    smooth = False

    def off_by(self, e: Array) -> float:
        """Of degree one in what z is off by."""
        return total(self.m * np.abs(e, dtype=np.float64))

    def off_by_length(self, off: float) -> float:
        """By Cauchy and Schwarz."""
        return off * norm(np.broadcast_to(self.m, np.shape(self.y)))

    def rounding(self, z: Array, off: float = 0.0) -> float:
        """As of any term; the slope is at most m."""
        return UNIT * 16 * self.value(z) + off * norm(np.broadcast_to(self.m, z.shape))

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
        return _ratio(q, self.m)

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
        return _ratio(q, self.m) / self._delta

    def project(self, q: Array) -> Array:
        """Each |q| at most m delta."""
        return np.asarray(np.clip(q, -self.m * self._delta, self.m * self._delta))

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """As of least squares, within +-m delta."""
        most = np.asarray(self.m * self._delta, q.dtype)
        return np.clip(LeastSquares.conjugate_prox(self, q, sigma), -most, most)  # type: ignore[arg-type]

    def prox(self, v: Array, tau: float) -> Array:
        """Argmin over z of 1/2 ||z - v||^2 + tau D(z)."""
        step = v.dtype.type(tau) * np.asarray(self.m, v.dtype)
        r = v - self.y
        most = step * v.dtype.type(self._delta)
        return np.asarray(v - np.clip(step * r / (1 + step), -most, most))


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

    def rounding(self, z: Array, off: float = 0.0) -> float:
        """As of any term, and of s - y, which the logarithm makes small again."""
        s = np.abs(z + np.asarray(self.background, np.float64))
        return super().rounding(z, off) + UNIT * 16 * total(self.m * (s + self.y))

    def reach(self, value: float) -> float:
        """log(1 + t) <= log 2 + (t - 1) / 2 at s = (1 + t) y: sum m s <= 2 value + 1.4 sum m y, and z >= -background."""
        counts, background = total(self.m * np.asarray(self.y, np.float64)), np.broadcast_to(self.background, np.shape(self.y))
        return (2 * value + 1.4 * counts + total(self.m * background)) / math.sqrt(self._least_weight)

    def conjugate_size(self, q: Array) -> float:
        """Of the background and the logarithms."""
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
        return _ratio(np.maximum(q, 0), self.m)

    def conjugate_prox(self, q: Array, sigma: float) -> Array:
        """As of any term, at most m in fact."""
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


#: name -> the term
DATA: dict[str, type[DataTerm]] = {
    "l2": LeastSquares,
    "l1": LeastAbsoluteDeviations,
    "huber": Huber,
    "poisson": Poisson,
}
