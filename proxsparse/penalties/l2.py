"""Penalties of degree two: the ridge, alone and beside the L1 norm."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..arrays.checks import check_number, representable
from ..arrays.numbers import Array, total
from ..dual.term import Exact
from ..linear.diagonal import Diagonalised
from .base import Identity, Penalty
from .l1 import L1


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class L2(Identity):
    """``P(x) = w/2 sum x_i^2`` (ridge, Tikhonov): every pixel shrinks by the same factor; none becomes zero.

    Parameters
    ----------
    weight : float, optional
        w >= 0, a number without unit.

    Notes
    -----
    K is the identity; ``P(x) = max over p of <p, x> - |p|^2 / (2w)``, without a ball. The proximal operator is
    ``v / (1 + step w)``. Hoerl & Kennard, Technometrics 1970. Gradients: ``L2(w).of(operator)``.
    """

    degree = 2
    _clipping_lowers = True

    def _first_order_norm(self) -> Penalty | None:
        return None

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        return self * factor ** (degree - 2)

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        p *= p.dtype.type(_damping(self._w(), sigma))

    def _project(self, p: Array, factor: float = 1.0) -> None:
        if self._w() == 0:
            p[...] = 0

    def _conjugate(self, p: Array) -> float:
        return _half_square(p, self._w())

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        return _ridge_gap(x, p, self._w())

    def _dual_norm(self, p: Array) -> float:
        # every p will do, unless there is no weight
        return 0.0 if self._w() > 0 else float(np.abs(p).max())

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        return math.sqrt(2 * value / self._w()) if self._w() > 0 else math.inf

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return []

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._shrink)

    def _shrink(self, x: Array, p: Array | None, y: Array) -> None:
        x[...] = y / (1 + representable(self._w(), y.dtype))
        if p is not None:
            p[...] = y - x


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ElasticNet(Penalty):
    """``P(x) = w (r sum |x_i| + (1 - r)/2 sum x_i^2 / u)``: single pixels become zero, others shrink more than under L1.

    Parameters
    ----------
    weight : float, optional
        w >= 0.
    l1_ratio : float
        r in [0, 1]: 1 is L1, 0 is the ridge; the names of scikit-learn.
    unit : float
        u > 0, in units of the image: where ``|x_i| = 2u`` both terms weigh the same. 1 by default.

    Notes
    -----
    K copies the image, one copy for each term: the dual ball is ``|p_0| <= w r``, and ``c(p) = u |p_1|^2 / (2 w (1 - r))``.
    The proximal operator is ``soft(v, step w r) / (1 + step w (1 - r) / u)``. Zou & Hastie, J. R. Stat. Soc. B 2005.
    """

    l1_ratio: float = 0.5
    unit: float = 1.0

    degree = None
    _clipping_lowers = True
    _selects_pixels = True
    _leading_axes = 1

    def _first_order_norm(self) -> Penalty | None:
        return L1(self._weights()[0]) if self.l1_ratio > 0 else None

    def __post_init__(self) -> None:
        super().__post_init__()
        if check_number(self.l1_ratio, "l1_ratio") > 1:
            raise ValueError(f"l1_ratio must be in [0, 1], got {self.l1_ratio!r}")
        if check_number(self.unit, "unit") == 0:
            raise ValueError(f"unit must be > 0, got {self.unit!r}")

    def _weights(self) -> tuple[float, float]:
        """The weights of both terms."""
        return self._w() * self.l1_ratio, self._w() * (1 - self.l1_ratio) / self.unit

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        return dataclasses.replace(self, weight=self._w() * factor ** (degree - 1), unit=self.unit * factor)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (2, *shape)

    def _fits_dual(self, p: Array) -> bool:
        return bool(p.shape[0] == 2)

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = x

    def _add_adjoint(self, out: Array, p: Array) -> None:
        out += p[0]
        out += p[1]

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        p[1] *= p.dtype.type(_damping(self._weights()[1], sigma))

    def _project(self, p: Array, factor: float = 1.0) -> None:
        radius = p.dtype.type(self._radius(p, factor) * self.l1_ratio)
        np.clip(p[0], -radius, radius, out=p[0])
        if self._weights()[1] == 0:
            p[1] = 0

    def _conjugate(self, p: Array) -> float:
        return _half_square(p[1], self._weights()[1])

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        first, second = self._weights()
        terms = first * np.abs(x, dtype=np.float64)
        gap, value = _ridge_gap(x, p[1], second)
        return gap + total(terms - x.astype(np.float64) * p[0]), value + total(terms)

    def _dual_norm(self, p: Array) -> float:
        # in units of w
        largest = float(np.abs(p[0]).max())
        norm = 0.0 if largest == 0 else largest / self.l1_ratio if self.l1_ratio > 0 else np.inf
        return norm if self._weights()[1] > 0 or not p[1].any() else np.inf

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        first, second = self._weights()
        far = value / first if first > 0 else math.inf
        return min(far, math.sqrt(2 * value / second)) if second > 0 else far

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return []

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return 2.0

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("uniform", 2.0)

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._shrink)

    def _shrink(self, x: Array, p: Array | None, y: Array) -> None:
        first, second = (representable(w, y.dtype) for w in self._weights())
        x[...] = (np.maximum(y - first, 0) + np.minimum(y + first, 0)) / (1 + second)
        if p is not None:
            p[1] = second * x
            p[0] = y - x - p[1]
            self._project(p)

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "support"

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        x[np.abs(p[0]) < p.dtype.type(1.0 - margin) * representable(self._weights()[0], p.dtype)] = 0


def _damping(weight: float, sigma: float) -> float:
    """w / (w + sigma), without overflow."""
    return 1 / (1 + sigma / weight) if weight > 0 else 0.0


def _half_square(p: Array, weight: float) -> float:
    """|p|^2 / (2 w); without a weight 0 for p = 0, else infinite."""
    square = 0.5 * total(np.square(p, dtype=np.float64))
    return square / weight if weight > 0 else np.inf if square > 0 else 0.0


def _ridge_gap(x: Array, p: Array, weight: float) -> tuple[float, float]:
    """(w/2 |x|^2 + |p|^2 / (2w) - <p, x>, w/2 |x|^2): the first is the square of w x - p over 2w."""
    value = 0.5 * weight * total(np.square(x, dtype=np.float64))
    if weight == 0:
        return 0.0, value
    return total(np.square((weight * x.astype(np.float64) - p) / math.sqrt(2 * weight))), value
