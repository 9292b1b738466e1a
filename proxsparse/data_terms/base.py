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

from ..arrays.numbers import Array, total
from ..arrays.roundoff import UNIT, norm


@dataclasses.dataclass(frozen=True, eq=False)
class DataTerm(abc.ABC):
    """D(z) = sum_j m_j d(z_j; y_j), convex; where m_j = 0 the pixel was not measured."""

    #: D(c z; c y) = c^degree D(z; y) for c > 0
    degree: ClassVar[int] = 1
    #: whether D is least squares, sum m (z - y)^2 / 2, as the solvers of linear systems take it to be; of no other square
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
        """argmin D, pixel by pixel."""
        return np.asarray(self.y)

    def form(self) -> tuple[Any, ...] | None:
        """The data term as `kernels.data_steps` knows it; None where it does not."""
        return None

    def _form(self, corner: Any = None, absolute: Any = None, background: Any = None) -> tuple[Any, ...] | None:
        """`form` of these numbers and the weights."""
        if isinstance(self.m, float):
            return (None, corner, absolute, background) if self.m == 1.0 else None
        return (np.ascontiguousarray(np.broadcast_to(self.m, np.shape(self.y))), corner, absolute, background)

    def off_by(self, e: Array) -> float:
        """A bound on D at an image that is off by up to e, pixel by pixel, from one where D is 0."""
        return 0.5 * total(self.m * np.square(e, dtype=np.float64))

    def off_by_length(self, off: float) -> float:
        """A bound on D at an image that is off, in length, by up to `off` from one where D is 0."""
        return 0.5 * self.lipschitz * off * off

    def rounding(self, z: Array, off: float = 0.0, value: float | None = None) -> float:
        """How far D(z) may be off where z is, in length, by `off`; the value D(z) where it is known."""
        value = self.value(z) if value is None else value
        slope = norm(np.broadcast_to(self.gradient(z), z.shape)) if off > 0 else 0.0
        return UNIT * 16 * value + 2 * slope * off + (0.0 if math.isinf(self.lipschitz) else self.lipschitz * off * off)

    @abc.abstractmethod
    def reach(self, value: float) -> float:
        """A bound on the root of sum m z^2 over the z with D(z) <= value."""

    def conjugate_size(self, q: Array) -> float:
        """The sum of the sizes of the terms of D*(q): rounding is relative to it."""
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
        """D*(t q) = t^2 a + t b for every t up to 1 / gauge(q): returns (a, b). q must be 0 where m is.

        Where it has another form this raises NotImplementedError, and `conjugate`, `conjugate_size` and `best_multiple`, which
        go by it, are written instead.
        """

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


def largest_ratio(q: Array, m: Any) -> float:
    """The largest |q| / m; 0 / 0 is 0."""
    size = np.abs(q)
    free = np.where(size > 0, np.inf, 0.0)
    quotient = np.divide(size, m, out=free, where=np.broadcast_to(np.greater(m, 0), q.shape))
    return float(quotient.max(initial=0.0))
