"""Total variation of second order."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from ..arrays.checks import check_spacing, inverse_spacing
from ..arrays.numbers import Array, total
from ..arrays.roundoff import UNIT
from ..dual.null_space import affine_images
from ..dual.term import Fused
from ..kernels import second_order as kernels
from ..linear.diagonal import Diagonalised, neumann_laplacian
from . import second_order_kernels
from .base import Penalty


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SecondOrderTV(Penalty):
    """P(x) = w sum over pixels of the Frobenius norm of the second differences: images become piecewise affine.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    spacing : float or tuple of float, optional
        The distance of samples along each spatial axis, by which differences are divided, twice; 1 by default.

    Notes
    -----
    ``K x`` has shape ``(pairs of axes, *image shape)``: ``x[i-1] - 2 x[i] + x[i+1]`` along each axis, then
    ``sqrt(2) (x[i+1, j+1] - x[i+1, j] - x[i, j+1] + x[i, j])`` for each pair of axes, 0 where the stencil leaves the image, so
    that constants and slopes cost nothing. All channels of a pixel make one vector; the dual ball holds it to a length
    of w. ``||K||^2 <= (4 d)^2`` for d axes at a spacing of 1. Lysaker, Lundervold & Tai, IEEE TIP 2003; Bredies & Holler
    2020, section 3.
    """

    spacing: Any = dataclasses.field(default=None, kw_only=True)

    null_space = "affine"
    _leading_axes = 1
    _first_step = 0.25

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "spacing", check_spacing(self.spacing))

    def _in_unit_spacing(self) -> tuple[Penalty, float]:
        if self.spacing is None:
            return self, 1.0
        unit = float(np.min(self.spacing))
        return type(self)(**(self._fields() | self._fields_in(unit))), unit * unit

    def _fields_in(self, unit: float) -> dict[str, Any]:
        """The fields that change with the unit of length."""
        return {"weight": self._w() / unit / unit, "spacing": np.asarray(self.spacing) / unit}

    def _rates(self, axes: int) -> Array:
        """The factor of each row of K x that the spacing makes."""
        rates = inverse_spacing(self.spacing, axes)
        if rates is None:
            return np.ones(axes * (axes + 1) // 2)
        return np.array([*np.square(rates), *(a * b for a, b in itertools.combinations(rates, 2))])

    def _fits_dual(self, p: Array) -> bool:
        axes = p.ndim - 2
        return bool(p.shape[0] == axes * (axes + 1) // 2)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        axes = len(shape) - 1
        inverse_spacing(self.spacing, axes)
        return (axes * (axes + 1) // 2, *shape)

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = 0
        axes = range(1, x.ndim)
        for z, axis in zip(out, axes, strict=False):
            before, here, after = _three(x, axis)
            _three(z, axis)[1][...] = before - 2 * here + after
        root = x.dtype.type(math.sqrt(2))
        for z, (a, b) in zip(out[x.ndim - 1 :], itertools.combinations(axes, 2), strict=True):
            (here, right), (below, corner) = ([*_two(half, b)] for half in _two(x, a))
            _two(_two(z, a)[0], b)[0][...] = root * (corner - below - right + here)
        if self.spacing is not None:
            for z, rate in zip(out, self._rates(x.ndim - 1), strict=True):
                z *= x.dtype.type(rate)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        # in the accuracy asked for, as the certificate relies on
        p = p.astype(out.dtype, copy=False)
        if self.spacing is not None:
            p = p * self._rates(out.ndim - 1).astype(p.dtype).reshape(-1, *(1,) * out.ndim)
        axes = range(1, out.ndim)
        for z, axis in zip(p, axes, strict=False):
            before, here, after = _three(out, axis)
            inner = _three(z, axis)[1]
            before += inner
            here -= 2 * inner
            after += inner
        root = p.dtype.type(math.sqrt(2))
        for z, (a, b) in zip(p[out.ndim - 1 :], itertools.combinations(axes, 2), strict=True):
            (here, right), (below, corner) = ([*_two(half, b)] for half in _two(out, a))
            value = root * _two(_two(z, a)[0], b)[0]
            corner += value
            here += value
            below -= value
            right -= value

    def _dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        gray = x.ndim == 3 and len(x) == 1 and min(x.shape[1:]) >= 3
        if not gray or self.spacing is not None or x.dtype != p.dtype or out.dtype != p.dtype:
            super()._dual_step(out, p, x, sigma)
            return
        radius = self._radius(p, size=p.shape[0])
        kernels.dual_step(out[0], *p[:, 0], x[0], x.dtype.type(sigma), radius)

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        gray = len(shape) == 3 and shape[0] == 1 and min(shape[1:]) >= 3
        return second_order_kernels.Kernels(self) if gray else None

    def _project(self, p: Array, factor: float = 1.0) -> None:
        radius = self._radius(p, factor, size=p.shape[0] * p.shape[1])
        lengths = np.sqrt(np.einsum("kc...,kc...->...", p, p))
        # of 0 and of numbers whose square is 0 nothing is to be taken
        p *= np.divide(radius, lengths, out=np.ones_like(lengths), where=lengths > radius)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        z = self._analysed(x)
        lengths = self._w() * np.sqrt(np.einsum("kc...,kc...->...", z, z))
        products = np.einsum("kc...,kc...->...", z, p.astype(np.float64, copy=False))
        return float(np.sum(lengths - products)), float(np.sum(lengths))

    def _dual_norm(self, p: Array) -> float:
        return float(np.sqrt(np.square(p, dtype=np.float64).sum(axis=(0, 1)).max()))

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return (len(shape) - 1) * len(shape) // 2 * shape[0]

    def _bound_by_size(self, size: Array) -> float:
        z = np.zeros(self._dual_shape(size.shape))
        axes = range(1, size.ndim)
        for out, axis in zip(z, axes, strict=False):
            before, here, after = _three(size, axis)
            _three(out, axis)[1][...] = before + 2.0 * here + after
        for out, (a, b) in zip(z[size.ndim - 1 :], itertools.combinations(axes, 2), strict=True):
            (here, right), (below, corner) = ([*_two(half, b)] for half in _two(size, a))
            _two(_two(out, a)[0], b)[0][...] = math.sqrt(2) * (np.add(corner, below, dtype=np.float64) + right + here)
        z *= self._rates(size.ndim - 1).reshape(-1, *(1,) * size.ndim)
        return self._w() * float(np.sqrt(np.square(z).sum(axis=(0, 1))).sum())

    def _adjoint_roundings(self, shape: tuple[int, ...]) -> float:
        return 2.0 + 8.0 * len(shape) ** 2

    def _rounding(self, x: Array) -> float:
        # each number is in no more than three second differences of each axis, and in four mixed ones of each pair
        axes = x.ndim - 1
        factors = np.repeat([4.0, 4.0 * math.sqrt(2)], [axes, axes * (axes - 1) // 2])
        return 8 * UNIT * self._w() * float(factors @ self._rates(axes)) * total(np.abs(x))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        if self._w() == 0:
            return math.inf
        # Beside the affine image through any cell b a pixel is sums of second differences, along a line for each axis in
        # turn, none taken more often than a side is long. Beside the mean over all b, every sum but that along the last axis
        # is a mean over lines: the length over all pixels is at most longest^1.5 times all differences (sqrt(2) as sides of 2
        # have one cell). In the plane a pixel is below a number of its row and below one of its column: longest^2 / shortest
        # (Loomis & Whitney 1949)
        sides = [n for n in shape[1:] if n > 1] or [1]
        far: float = max(sides) ** 1.5 * math.sqrt(2) ** (len(sides) - 1)
        if len(sides) == 2:
            far = min(far, max(sides) ** 2 / (min(sides) - 1))
        far *= math.sqrt(self._group_size(shape))
        return value / self._w() / float(self._rates(len(shape) - 1).min()) * far

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return affine_images(shape)

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return largest_laplacian(shape, self.spacing) ** 2 or 1.0

    def _approximate_gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        # with another edge it would be the square of the Laplacian
        eigenvalues = neumann_laplacian(shape, inverse_spacing(self.spacing, len(shape) - 1))
        return Diagonalised("dct", eigenvalues * eigenvalues)

    def _clear_unused(self, p: Array) -> None:
        axes = range(1, p.ndim - 1)
        for z, axis in zip(p, axes, strict=False):
            moved = np.moveaxis(z, axis, 0)
            moved[0] = moved[-1] = 0
        for z, pair in zip(p[p.ndim - 2 :], itertools.combinations(axes, 2), strict=True):
            for axis in pair:
                np.moveaxis(z, axis, 0)[-1] = 0


def largest_laplacian(shape: tuple[int, ...], spacing: Any) -> float:
    """A bound on the norm of the Laplacian, with samples at those distances."""
    rates = inverse_spacing(spacing, len(shape) - 1)
    squares = np.ones(len(shape) - 1) if rates is None else np.square(rates)
    return float(4.0 * sum(square for square, n in zip(squares, shape[1:], strict=True) if n > 1))


def _three(x: Array, axis: int) -> tuple[Array, Array, Array]:
    """Views of the samples before, at and after every inner sample along an axis."""
    moved = np.moveaxis(x, axis, 0)
    inner = max(len(moved) - 2, 0)
    return tuple(np.moveaxis(moved[k : k + inner], 0, axis) for k in range(3))  # type: ignore[return-value]


def _two(x: Array, axis: int) -> tuple[Array, Array]:
    """Views of the samples at and after every sample that has one after it."""
    moved: Any = np.moveaxis(x, axis, 0)
    return np.moveaxis(moved[:-1], 0, axis), np.moveaxis(moved[1:], 0, axis)
