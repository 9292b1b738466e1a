"""Total generalized variation of second order."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from ..arrays.checks import check_number, inverse_spacing
from ..arrays.numbers import Array, total
from ..arrays.roundoff import UNIT
from ..dual.driver import Steps
from ..kernels import tgv as kernels
from ..runtime.workers import Workers
from . import tgv_kernels
from .base import Penalty
from .infimal import InfimalPenalty
from .second_order import SecondOrderTV, _two, largest_laplacian
from .total_variation import TotalVariation

#: how many times what the field 0 would cost rounding may make of a cost of 0
_FAR = 100.0


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TGV(InfimalPenalty, SecondOrderTV):
    """``P(x) = w min over fields u of sum |Dx - u| + ratio sum |Eu|``: piecewise affine images, with edges between.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    ratio : float
        The weight of the second differences against that of the first, > 0; in the literature alpha_0 / alpha_1, mostly 2.
    spacing : float or tuple of float, optional
        The distance of samples along each spatial axis, by which the differences in D and E are divided; 1 by default.

    Notes
    -----
    D is the forward difference of `TotalVariation`, E the symmetrised gradient, ``E D`` the second differences of
    `SecondOrderTV`, so that slopes cost nothing. Lengths are of pixels, over all axes and channels. In the dual
    ``P(x) = max <q, E D x>`` over ``|q| <= w ratio``, ``|E^T q| <= w``: q is scaled until both hold. `value` is itself a
    minimisation, to a millionth. Bredies, Kunisch & Pock, SIAM J. Imaging Sci. 2010; the primal-dual algorithm: Bredies 2014.
    """

    ratio: float = 2.0

    _selects = True
    # whose dual is drawn towards its balls first
    _effort = 40

    def __post_init__(self) -> None:
        super().__post_init__()
        if check_number(self.ratio, "ratio") == 0:
            raise ValueError(f"ratio must be > 0, got {self.ratio!r}")

    def _fields_in(self, unit: float) -> dict[str, Any]:
        # the field is one of differences over lengths
        return {"weight": self._w() / unit, "spacing": np.asarray(self.spacing) / unit, "ratio": self.ratio / unit}

    def _lift_penalty(self) -> Penalty:
        return _FieldCost(self.weight, spacing=self.spacing, ratio=self.ratio)

    def _lift_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        # x, then the field along each axis
        return (shape[0] * len(shape), *shape[1:])

    def _synthesis(self, lifted: Array, shape: tuple[int, ...], dtype: Any = None) -> Array:
        return lifted[: shape[0]].astype(lifted.dtype if dtype is None else dtype)

    def _synthesis_adjoint(self, x: Array) -> Array:
        out = np.zeros(self._lift_shape(x.shape), x.dtype)
        out[: len(x)] = x
        return out

    def _lift(self, x: Array) -> Array:
        return self._synthesis_adjoint(x)

    def _null_lift(self, x: Array) -> Array:
        lifted = self._synthesis_adjoint(x)
        TotalVariation(spacing=self.spacing)._analysis(_FieldCost._split(lifted)[1], x)
        return lifted

    def _synthesis_gram(self, shape: tuple[int, ...]) -> Any:
        return 1.0

    def _dual_of_lift(self, dual: Array, shape: tuple[int, ...]) -> Array:
        return dual[len(shape) - 1 :].copy()

    def _lift_of_dual(self, p: Array) -> Array:
        return np.concatenate([_symmetrised_adjoint(p, self.spacing), p])

    def _lift_bounds(self, bound: Any, shape: tuple[int, ...], free: float) -> Any:
        whole = np.full(self._lift_shape(shape), free)
        whole[: shape[0]] = bound
        return whole

    def _denoising_steps(
        self, y: Array, lifted: Array, dual: Array, tau: float | None, gamma: float | None, workers: Workers
    ) -> Steps | None:
        if not self._has_kernels(y) or lifted.dtype != dual.dtype:
            return None
        return tgv_kernels.steps(self, y, lifted, dual.reshape(-1, *lifted.shape[1:]), tau, gamma, workers)

    def _has_kernels(self, image: Array) -> bool:
        gray = image.ndim == 3 and len(image) == 1 and min(image.shape[1:]) >= 3
        return gray and self.spacing is None and self._w() > 0

    def _project(self, p: Array, factor: float = 1.0) -> None:
        first = self._radius(p, factor, size=p.shape[0])
        # what is beyond all sizes is only scaled: squares would not be numbers
        if self._has_kernels(p[0]) and float(first) < self._dual_norm(p) < float(np.finfo(p.dtype).max) ** 0.25:
            # scaled as it is it would lose by its worst pixel
            tgv_kernels.draw_in(p[:, 0], first, first * p.dtype.type(self.ratio))
        super()._project(p, factor)

    def _bound_by_size(self, size: Array) -> float:
        # the cost of the field u = D x; under ratios beyond size none costs less
        first = TotalVariation(self._w(), spacing=self.spacing)._bound_by_size(size)
        return min(self.ratio * super()._bound_by_size(size), _FAR * first)

    def _bound_by_length(self, length: float, shape: tuple[int, ...]) -> float:
        first = TotalVariation(self._w(), spacing=self.spacing)._bound_by_length(length, shape)
        return min(max(1.0, self.ratio) * super()._bound_by_length(length, shape), _FAR * first)

    def _rounding(self, x: Array) -> float:
        # the rounding of <p, E D x>: the cost is that of a field, see `_FieldCost`
        return self.ratio * super()._rounding(x)

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        # E D x = E (D x - u) + E u: a number of the field is in no more than 2 d numbers of E, each at most 1 / spacing
        rates = inverse_spacing(self.spacing, len(shape) - 1)
        axes, rate = len(shape) - 1, 1.0 if rates is None else float(rates.max())
        together = 2 * axes * rate * math.sqrt(axes * shape[0])
        return super()._length_bound(value * (together + 1 / self.ratio), shape)

    def _dual_norm(self, p: Array) -> float:
        if self._has_kernels(p[0]) and np.isfinite(p).all():
            own, first = kernels.largest(p[:, 0])
            return max(math.sqrt(own) / self.ratio, math.sqrt(first))
        own = super()._dual_norm(p) / self.ratio
        first = _symmetrised_adjoint(p.astype(np.float64, copy=False), self.spacing)
        return max(own, float(np.sqrt(np.square(first).sum(axis=(0, 1)).max())))


def _rates(spacing: Any, axes: int, dtype: np.dtype[Any]) -> list[Any]:
    """The factors of differences along each axis, 1 / spacing, in that dtype."""
    rates = inverse_spacing(spacing, axes)
    return [dtype.type(1 if rates is None else rates[a]) for a in range(axes)]


def _symmetrised(u: Array, spacing: Any = None) -> Array:
    """E u for fields u (axes, channels, *spatial): as many numbers as there are pairs of axes, as of second differences."""
    axes = u.ndim - 2
    rates = _rates(spacing, axes, u.dtype)
    out = np.zeros((axes * (axes + 1) // 2, *u.shape[1:]), u.dtype)
    for a in range(axes):
        # u[i] - u[i - 1] at every inner sample
        moved, field = np.moveaxis(out[a], 1 + a, 0), np.moveaxis(u[a], 1 + a, 0)
        moved[1:-1] = rates[a] * (field[1:-1] - field[:-2])
    root = u.dtype.type(math.sqrt(0.5))
    for k, (a, b) in enumerate(itertools.combinations(range(axes), 2)):
        corner = _two(_two(out[axes + k], 1 + a)[0], 1 + b)[0]
        for one, other in ((a, b), (b, a)):
            here, after = _two(_two(u[one], 1 + one)[0], 1 + other)
            corner += root * rates[other] * (after - here)
    return out


def _symmetrised_adjoint(q: Array, spacing: Any = None) -> Array:
    """E^T q."""
    axes = q.ndim - 2
    rates = _rates(spacing, axes, q.dtype)
    out = np.zeros((axes, *q.shape[1:]), q.dtype)
    for a in range(axes):
        moved, value = np.moveaxis(out[a], 1 + a, 0), rates[a] * np.moveaxis(q[a], 1 + a, 0)[1:-1]
        moved[1:-1] += value
        moved[:-2] -= value
    root = q.dtype.type(math.sqrt(0.5))
    for k, (a, b) in enumerate(itertools.combinations(range(axes), 2)):
        value = root * _two(_two(q[axes + k], 1 + a)[0], 1 + b)[0]
        for one, other in ((a, b), (b, a)):
            here, after = _two(_two(out[one], 1 + one)[0], 1 + other)
            after += rates[other] * value
            here -= rates[other] * value
    return out


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _FieldCost(Penalty):
    """w (sum |Dx - u| + ratio sum |Eu|) of X = (x, u), channels after channels; its dual holds both, one after the other."""

    spacing: Any = dataclasses.field(default=None, kw_only=True)
    ratio: float = 2.0

    null_space = "unknown"
    _leading_axes = 1
    _first_step = 0.35

    @property
    def _differences(self) -> TotalVariation:
        """D."""
        return TotalVariation(1.0, spacing=self.spacing)

    @staticmethod
    def _split(lifted: Array) -> tuple[Array, Array]:
        """x and u (axes, channels, *spatial)."""
        channels = len(lifted) // lifted.ndim
        return lifted[:channels], lifted[channels:].reshape(lifted.ndim - 1, channels, *lifted.shape[1:])

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        axes = len(shape) - 1
        return (axes + axes * (axes + 1) // 2, shape[0] // len(shape), *shape[1:])

    def _analysis(self, out: Array, x: Array) -> None:
        image, field = self._split(x)
        axes = len(field)
        self._differences._analysis(out[:axes], image)
        out[:axes] -= field
        out[axes:] = _symmetrised(field, self.spacing)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        p = p.astype(out.dtype, copy=False)
        image, field = self._split(out)
        axes = len(field)
        field -= p[:axes]
        field += _symmetrised_adjoint(p[axes:], self.spacing)
        self._differences._add_adjoint(image, p[:axes])

    def _project(self, p: Array, factor: float = 1.0) -> None:
        axes = p.ndim - 2
        for part, share in ((p[:axes], 1.0), (p[axes:], self.ratio)):
            radius = p.dtype.type(float(self._radius(p, factor, size=part.shape[0] * part.shape[1])) * share)
            lengths = np.sqrt(np.einsum("kc...,kc...->...", part, part))
            part *= np.divide(radius, lengths, out=np.ones_like(lengths), where=lengths > radius)

    def _dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        gray = x.ndim == 3 and len(x) == 3 and min(x.shape[1:]) >= 3
        if not gray or self.spacing is not None or x.dtype != p.dtype or out.dtype != p.dtype:
            super()._dual_step(out, p, x, sigma)
            return
        first, second = self._radius(p, size=2), self._radius(p, size=3)
        kernels.dual_step(out, p[:, 0], x, x.dtype.type(sigma), first, second * p.dtype.type(self.ratio))

    def _clear_unused(self, p: Array) -> None:
        axes = p.ndim - 2
        # the last difference of the image is 0, but the field is there too
        SecondOrderTV()._clear_unused(p[axes:])

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        if x.ndim == 3 and len(x) == 3 and min(x.shape[1:]) >= 3 and self.spacing is None:
            gap, value = kernels.gap(x, p[:, 0], self._w(), self.ratio)
            return float(gap), float(value)
        z = self._analysed(x)
        axes = p.ndim - 2
        lengths = np.sqrt(np.square(z[:axes]).sum(axis=(0, 1))) + self.ratio * np.sqrt(np.square(z[axes:]).sum(axis=(0, 1)))
        products = np.einsum("kc...,kc...->...", z, p.astype(np.float64, copy=False))
        return float(np.sum(self._w() * lengths - products)), float(np.sum(self._w() * lengths))

    def _dual_norm(self, p: Array) -> float:
        axes = p.ndim - 2
        lengths = [np.sqrt(np.square(part, dtype=np.float64).sum(axis=(0, 1)).max()) for part in (p[:axes], p[axes:])]
        return float(max(lengths[0], lengths[1] / self.ratio))

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return math.prod(self._dual_shape(shape)[:2])

    def _rounding(self, x: Array) -> float:
        image, field = self._split(np.abs(x.astype(np.float64, copy=False)))
        rates = inverse_spacing(self.spacing, len(field))
        # Dx - u and E u, of fields that are as large as Dx
        first = self._differences.bind(image.shape).value(self._split(x)[0]) * math.sqrt(len(field) * len(image)) + total(field)
        second = len(field) * self.ratio * (1.0 if rates is None else float(rates.max())) * total(field)
        return UNIT * self._w() * (4 * first + 16 * second)

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        # the largest eigenvalue of ((a, -b), (-b, 1 + a)), a = ||D||^2 = ||E||^2 bound, b = ||D||
        a = largest_laplacian(shape, self.spacing)
        return float(a + 0.5 + math.sqrt(a + 0.25))
