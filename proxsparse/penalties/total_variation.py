"""Total variation."""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..arrays.checks import check_number, check_pixel_weight, check_spacing, inverse_spacing
from ..arrays.layout import to_4d
from ..arrays.numbers import Array, total
from ..dual.null_space import constant_images
from ..dual.term import Exact, Fused, Half, Limits, Partition
from ..kernels import pointwise, region_means, row_strips, taut_string
from ..kernels import total_variation as kernels
from ..linear.diagonal import Diagonalised, neumann_laplacian
from ..runtime.workers import Workers
from .base import Penalty


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TotalVariation(Penalty):
    """P(x) = w sum of the lengths of the forward differences of x: images become piecewise flat.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    isotropic : bool
        True: the sum over pixels of ``sqrt(sum of squared differences)``, over all axes and channels together, so that
        edges of the channels fall in the same places. False: the sum of ``|difference|``; channels are then separate.
    spacing : float or tuple of float, optional
        The distance of samples along each spatial axis, by which differences are divided; 1 by default.
    pixel_weight : array_like, optional
        What each difference is multiplied by, >= 0: one number a pixel, of the image's shape without its channel axis, or with
        an axis before it one number a direction and pixel (directional total variation). Never modified, copied.
    huber : float
        Lengths up to this, in units of the image over the spacing, count as ``length^2 / (2 huber)``, longer ones as
        ``length - huber / 2``: slopes leave no stairs. 0 by default.
    coupled : bool
        False: channels are separate under isotropic total variation too.

    Notes
    -----
    ``K x`` has shape ``(axes, *image shape)``: ``x[i+1] - x[i]`` along each spatial axis, 0 at the last sample (Neumann
    edge), divided by the spacing, times the pixel weight. The dual ball holds each pixel's vector to a length of w (isotropic)
    or each number to ``|p| <= w``; Huber's subtracts ``c(p) = huber |p|^2 / (2w)``.
    ``||K||^2 <= 4`` per axis. Rudin, Osher & Fatemi, Physica D 1992; Chambolle, J. Math. Imaging Vis. 2004; Huber's:
    Chambolle & Pock, J. Math. Imaging Vis. 2011, section 6.2.2; directions: Ehrhardt & Betcke, SIAM J. Imaging Sci. 2016.
    """

    isotropic: bool = True
    spacing: Any = None
    pixel_weight: Any = None
    huber: float = 0.0
    coupled: bool = True

    _clipping_lowers = True
    _leading_axes = 1

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Constants, unless differences of weight 0 cut the image in pieces."""
        return "constants" if self.pixel_weight is None or (self.pixel_weight > 0).all() else "unknown"

    @property
    def degree(self) -> int | None:  # type: ignore[override]
        """1; Huber's has none."""
        return None if self._curved else 1

    @property
    def _curved(self) -> bool:
        return self.huber > 0

    @property
    def is_plain(self) -> bool:
        """Whether the kernels know it: differences as they are, in lengths as they are."""
        return self.spacing is None and self.pixel_weight is None and self.huber == 0

    @property
    def _without_dual(self) -> tuple[bool, bool, bool]:
        """Whether the pixels of the last plane, row and column have no dual; see `InnerTotalVariation`."""
        return False, False, False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "isotropic", bool(self.isotropic))
        object.__setattr__(self, "spacing", check_spacing(self.spacing))
        object.__setattr__(self, "coupled", bool(self.coupled))
        object.__setattr__(self, "huber", check_number(self.huber, "huber"))
        if self.pixel_weight is not None:
            object.__setattr__(self, "pixel_weight", check_pixel_weight(self.pixel_weight))

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        # of a signal both kinds are the sum of absolute values
        channels = shape[0] if self.coupled else 1
        return not self._curved and (not self.isotropic or channels * sum(n > 1 for n in shape[1:]) <= 1)

    def _first_order_norm(self) -> Penalty | None:
        return None if self._curved else self

    def _in_unit_spacing(self) -> tuple[Penalty, float]:
        if self.spacing is None:
            return self, 1.0
        unit = float(np.min(self.spacing))
        own = {"weight": self._w() / unit, "spacing": np.asarray(self.spacing) / unit, "huber": self.huber * unit}
        return type(self)(**(self._fields() | own)), unit

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        return dataclasses.replace(self, weight=self._w() * factor ** (degree - 1), huber=self.huber * factor)

    def _scales(self, spatial: tuple[int, ...]) -> Array | None:
        """The factors of the differences, (axes, *spatial) or broadcasting to it; None where all are 1."""
        axes, rates = len(spatial), inverse_spacing(self.spacing, len(spatial))
        scales = None if rates is None else rates.reshape(axes, *(1,) * axes)
        if self.pixel_weight is not None:
            if self.pixel_weight.shape not in (spatial, (axes, *spatial)):
                raise ValueError(
                    f"pixel_weight has shape {self.pixel_weight.shape}; the image {spatial}, with directions {(axes, *spatial)}"
                )
            scales = self.pixel_weight * (1.0 if scales is None else scales)
            scales = np.broadcast_to(scales, (axes, *spatial))
        return scales

    @cached_property
    def _weight_single(self) -> Array:
        """The pixel weight in float32."""
        return np.asarray(self.pixel_weight, np.float32)

    def _scale(self, p: Array) -> None:
        """Multiply each difference by its scale, in place."""
        rates = inverse_spacing(self.spacing, len(p))
        if rates is not None:
            p *= rates.astype(p.dtype).reshape(-1, *(1,) * (p.ndim - 1))
        if self.pixel_weight is not None:
            weight = self._weight_single if p.dtype == np.float32 else self.pixel_weight
            p *= weight[:, None] if weight.ndim == p.ndim - 1 else weight

    def _channel_slices(self, *arrays: Array) -> list[tuple[Array, ...]]:
        """Arrays (..., channels, *spatial), cut into channels where these are separate."""
        *_, last = arrays
        after = last.ndim - 1 - self._leading_axes
        channels = last.shape[self._leading_axes]
        if self.coupled or not self.isotropic or channels == 1:
            return [arrays]
        return [tuple(a[(slice(None),) * (a.ndim - 1 - after) + (slice(c, c + 1),)] for a in arrays) for c in range(channels)]

    @staticmethod
    def _planes(p: Array) -> list[Array]:
        """The duals along planes, rows, columns; an axis the image lacks gets a stand-in that is never touched."""
        p = to_4d(p, lead=1)
        return [p[-1]] * (3 - len(p)) + list(p)

    def _fits_dual(self, p: Array) -> bool:
        return bool(p.shape[0] == p.ndim - 2)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._scales(shape[1:])
        return (len(shape) - 1, *shape)

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = 0
        kernels.gradient(*self._planes(out), to_4d(x))
        if not self._unscaled:
            self._scale(out)

    @property
    def _unscaled(self) -> bool:
        return self.spacing is None and self.pixel_weight is None

    def _add_adjoint(self, out: Array, p: Array) -> None:
        if not self._unscaled:
            # in the accuracy asked for, as the certificate relies on
            p = p.astype(out.dtype)
            self._scale(p)
        kernels.add_adjoint(to_4d(out), *self._planes(p))

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        if self._curved:
            w = self._w()
            p *= p.dtype.type(w / (w + sigma * self.huber))

    def _conjugate(self, p: Array) -> float:
        if not self._curved or self._w() == 0:
            return 0.0
        return 0.5 * self.huber / self._w() * total(np.square(p, dtype=np.float64))

    def _project(self, p: Array, factor: float = 1.0) -> None:
        for (unit,) in self._channel_slices(p):
            self._project_unit(unit, factor)

    def _project_unit(self, p: Array, factor: float) -> None:
        radius = self._ball_radius(p, p.shape[0] * p.shape[1], factor)
        if not self.isotropic:
            pointwise.clip(p.reshape(-1), radius)
        elif 1 in p.shape[2:]:
            # the kernel passes over axes of one sample, whose dual may still hold numbers
            lengths = np.sqrt(np.square(p).sum(axis=(0, 1)))
            p *= np.divide(radius, lengths, out=np.ones_like(lengths), where=lengths > radius)
        else:
            kernels.project(*self._planes(p), radius)

    def _ball_radius(self, p: Array, numbers: int, factor: float = 1.0) -> Any:
        """The radius in p's dtype: of a pixel's vector of so many numbers, or of each number by itself."""
        return self._radius(p, factor, size=numbers if self.isotropic else 1)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        if not self.is_plain:
            return self._general_gap(x, p)
        units = self._channel_slices(x, p)
        sums = [kernels.gap(to_4d(u), *self._planes(q), self.isotropic, self._without_dual, self._w()) for u, q in units]
        return float(sum(gap for gap, _ in sums)), float(sum(value for _, value in sums))

    def _general_gap(self, x: Array, p: Array) -> tuple[float, float]:
        z = self._analysed(x)
        lengths = self._lengths(z)
        costs = self._costs(lengths)
        # Fenchel's inequality, group by group: with c(p) each term is >= 0
        return total(self._w() * costs - self._products(z, p)) + self._conjugate(p), self._w() * total(costs)

    def _costs(self, lengths: Array) -> Array:
        """The cost of differences of these lengths."""
        if not self._curved:
            return lengths
        return np.where(lengths <= self.huber, np.square(lengths) / (2 * self.huber), lengths - self.huber / 2)

    def _vector_axes(self) -> int | tuple[int, ...] | None:
        """The axes of the dual that make one length."""
        return () if not self.isotropic else (0, 1) if self.coupled else 0

    def _lengths(self, z: Array) -> Array:
        return np.abs(z) if not self.isotropic else np.sqrt(np.square(z).sum(axis=self._vector_axes()))

    def _products(self, z: Array, p: Array) -> Array:
        return np.asarray(z * p if not self.isotropic else (z * p).sum(axis=self._vector_axes()))

    def _dual_norm(self, p: Array) -> float:
        return float(self._lengths(p.astype(np.float64, copy=False)).max())

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return (len(shape) - 1) * shape[0] if self.isotropic else 1

    def _dual_length(self, p: Array) -> float:
        # a vector in its ball is no longer than w
        return self._w() * math.sqrt(math.prod(p.shape[2:]) if self.isotropic and self.coupled else p.size)

    def _bound_by_size(self, size: Array) -> float:
        z = np.zeros(self._dual_shape(size.shape))
        for axis in range(1, size.ndim):
            before, after = (np.moveaxis(size, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
            np.moveaxis(z[axis - 1], axis, 0)[:-1] = np.add(before, after, dtype=np.float64)
        self._scale(z)
        return self._w() * total(self._costs(self._lengths(z)))

    def _adjoint_roundings(self, shape: tuple[int, ...]) -> float:
        return 2.0 + 4 * len(shape)

    def _rounding(self, x: Array) -> float:
        # the difference of two numbers is right but for its own rounding
        return 0.0

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        scales = self._scales(shape[1:])
        least = 1.0 if scales is None else float(np.min(scales))
        if not (least > 0 and self._w() > 0):
            return math.inf
        # from a pixel to any other along differences that are each taken once; lengths of d numbers are 1/sqrt(d) of their sum
        together = value / self._w() + self.huber / 2 * math.prod(self._dual_shape(shape))
        return together / least * math.sqrt(self._group_size(shape) * math.prod(shape))

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return constant_images(shape)

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        scales = self._scales(shape[1:])
        largest = [1.0] * (len(shape) - 1) if scales is None else [float(s.max()) for s in scales]
        return sum((2.0 * s * math.cos(math.pi / (2 * n))) ** 2 for s, n in zip(largest, shape[1:], strict=True)) or 1.0

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return self._approximate_gram(shape) if self.pixel_weight is None else None

    def _approximate_gram(self, shape: tuple[int, ...]) -> Diagonalised:
        scales = self._scales(shape[1:])
        typical = None if scales is None else np.sqrt([np.square(s).mean() for s in scales])
        return Diagonalised("dct", neumann_laplacian(shape, typical))

    def _clear_unused(self, p: Array) -> None:
        # Neumann edge: the dual of the last difference takes no part
        for axis in range(p.shape[0]):
            np.moveaxis(p[axis], 1 + axis, 0)[-1] = 0

    def _is_signal(self, shape: tuple[int, ...]) -> bool:
        """Whether channels are signals by themselves, which the taut string denoises."""
        return self.is_plain and self._polyhedral(shape) and sum(n > 1 for n in shape[1:]) <= 1

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        if self.is_plain:
            return _Kernels(self, (False, False, False), self._is_signal(shape) and math.prod(shape[1:]) > 1)
        # gray images with a factor for each difference
        scaled = self.huber == 0 and len(shape) == 3 and row_strips.fits(shape)
        return _ScaledKernels(self, np.asarray(self._scales(shape[1:]))) if scaled else None

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._taut_strings, survives=True) if self._is_signal(shape) else None

    def _taut_strings(self, x: Array, p: Array | None, y: Array) -> None:
        long = [axis for axis, n in enumerate(y.shape[1:]) if n > 1]
        if not long:
            x[...] = y
        for c in range(y.shape[0] if long else 0):
            dual = np.empty(0, y.dtype) if p is None else p[long[0], c].reshape(-1)
            taut_string.denoise(x[c].reshape(-1), dual, y[c].reshape(-1), self._w(), float(self._radius(y)))

    def _half(self, y: Array) -> Half | None:
        if not self.is_plain or not row_strips.fits(y.shape) or min(y.shape[-2:]) < 64:
            return None
        # where the weight is beyond the differences of neighbours, on every fourth row and column, the dual has far to travel
        differences = np.abs(np.diff(y[..., ::4, :])), np.abs(np.diff(y[..., ::4], axis=-2))
        if self._w() < 0.75 * sum(float(d.mean(dtype=np.float64)) for d in differences):
            return None
        even = np.pad(y, [(0, 0)] * (y.ndim - 2) + [(0, n % 2) for n in y.shape[-2:]], mode="edge")
        half = even[..., ::2, :] + even[..., 1::2, :]
        # four pixels as one: differences count half as much as values
        smaller = (half[..., ::2] + half[..., 1::2]) * y.dtype.type(0.25)
        return Half(self.with_weight(self._w() / 2), smaller, partial(self._finer, y.shape))

    def _finer(self, shape: tuple[int, ...], p: Array) -> Array:
        """A dual of images of that shape from one of images of half the size."""
        fine = 2 * p.repeat(2, axis=-2).repeat(2, axis=-1)[..., : shape[-2], : shape[-1]]
        fine = np.ascontiguousarray(fine)
        self._clear_unused(fine)
        return fine

    def _partition(self, shape: tuple[int, ...]) -> Partition | None:
        return Partition(self, [(2, 1)] * (len(shape) - 1), partial(self._within, shape))

    def _within(self, shape: tuple[int, ...], region: tuple[slice, ...]) -> Penalty:
        without_dual = tuple(part.stop < n for part, n in zip(region, shape[1:], strict=True))
        if self.is_plain:
            return InnerTotalVariation(**self._fields(), without_dual=without_dual)
        index: Any = (..., *region)
        if self.pixel_weight is None:
            weight = np.ones([part.stop - part.start for part in region])
        else:
            weight = self.pixel_weight[index].copy()
        _clear_last(weight, without_dual)
        return dataclasses.replace(self, pixel_weight=weight)

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "regions" if self._polyhedral(shape) and self.null_space == "constants" else ""

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        if self._curved or self.null_space != "constants":
            return
        label = np.empty(x[0].size, np.int32 if x[0].size < 2**31 else np.int64)
        planes, down, across = to_4d(x).shape[1:]
        for c, image in enumerate(x):
            # isotropic: a pixel's vector, over all channels, speaks for all its differences
            dual = (p if self.isotropic and self.coupled else p[:, c]).reshape(-1, label.size)
            region_means.flatten(image.reshape(-1), label, self._joined(dual, margin), self.isotropic, planes, down, across)

    def _joined(self, p: Array, margin: float) -> Array:
        """Which differences the dual says are 0, as `region_means.flatten` takes them; p has one row a number of a pixel."""
        # a weight whose square the dtype cannot hold means the same as any other beyond reach
        least = (1.0 - margin) * min(self._w(), math.sqrt(np.finfo(p.dtype).max) / 2)
        if self.isotropic:
            return np.asarray(np.square(p).sum(axis=0, keepdims=True) < least * least)
        joined = np.zeros((3, *p.shape[1:]), bool)
        np.less(np.abs(p), least, out=joined[3 - len(p) :])
        return joined


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InnerTotalVariation(TotalVariation):
    """Total variation of a region of an image by the pixels whose differences lie wholly inside: the last have no dual.

    Along an axis where the region ends before the image, the last samples have no dual.
    """

    without_dual: tuple[bool, ...] = ()

    @property
    def _without_dual(self) -> tuple[bool, bool, bool]:
        planes, rows, columns = (False,) * (3 - len(self.without_dual)) + self.without_dual
        return planes, rows, columns

    def _analysis(self, out: Array, x: Array) -> None:
        super()._analysis(out, x)
        _clear_last(out, self.without_dual)

    def _clear_unused(self, p: Array) -> None:
        super()._clear_unused(p)
        _clear_last(p, self.without_dual)

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        return _Kernels(self, self._without_dual, False)

    def _half(self, y: Array) -> Half | None:
        return super()._half(y)


def _clear_last(array: Array, without_dual: tuple[bool, ...]) -> None:
    """Set to 0, in place, the last samples along those of the last axes that have no dual."""
    for axis, is_still in enumerate(without_dual):
        if is_still:
            np.moveaxis(array, axis - len(without_dual), 0)[-1] = 0


class _Kernels:
    """Whole iterations for differences as they are: images of any axes, channels coupled or one by one."""

    def __init__(self, penalty: TotalVariation, without_dual: tuple[bool, bool, bool], is_signal: bool) -> None:
        self.penalty, self.without_dual, self.is_signal = penalty, without_dual, is_signal
        self.isotropic = penalty.isotropic

    def sweep(self, x: Array, xbar: Array, p: Array, y: Array, limits: Limits, steps: Array, workers: Workers) -> None:
        """See `Fused.sweep`."""
        scalars = tuple(x.dtype.type(v) for v in limits)
        for one, one_bar, one_y, dual in self.penalty._channel_slices(x, xbar, y, p):
            self._sweep_unit(one, one_bar, dual, one_y, scalars, steps, workers)

    def _sweep_unit(
        self, x: Array, xbar: Array, p: Array, y: Array, limits: tuple[Any, ...], steps: Array, workers: Workers
    ) -> None:
        radius = self.penalty._ball_radius(p, p.shape[0] * p.shape[1])
        if row_strips.fits(x.shape):
            strips = row_strips.Strips(x, p, y, self.isotropic, self.without_dual[1:])
            strips.sweep(xbar, radius, limits, steps, workers)
            return
        arrays = (to_4d(x), to_4d(xbar), *self.penalty._planes(p), to_4d(y))
        # so that a call stays short
        together = max(1, (1 << 22) // x.size)
        for k in range(0, len(steps), together):
            kernels.sweep(*arrays, self.isotropic, self.without_dual, radius, *limits, steps[k : k + together])

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`."""
        weight = self.penalty._w()
        if x.dtype != p.dtype or len(self.penalty._channel_slices(x, p)) > 1:
            return None
        if self.is_signal:
            axis = next(axis for axis, n in enumerate(x.shape[1:]) if n > 1)
            signals = x.reshape(len(x), -1), p[axis].reshape(len(x), -1), y.reshape(len(x), -1)
            sums = np.zeros((len(x), -(-x[0].size // 4096), 5))
            for one in zip(sums, *signals, strict=True):
                taut_string.certificate(*one, weight, *limits)
            return tuple(sums.sum(axis=(0, 1)).tolist())
        if not row_strips.fits(x.shape):
            return None
        return tuple(row_strips.Strips(x, p, y, self.isotropic, self.without_dual[1:]).sums(weight, limits, workers))


class _ScaledKernels:
    """Whole iterations for gray images with a factor for each difference."""

    def __init__(self, penalty: TotalVariation, scales: Array) -> None:
        self.penalty, self._scales = penalty, scales
        self._kept: dict[Any, Array] = {}

    def _strips(self, x: Array, p: Array, y: Array, dtype: Any) -> row_strips.Strips:
        if dtype not in self._kept:
            self._kept[dtype] = np.ascontiguousarray(np.broadcast_to(self._scales, (2, *x.shape[1:])), dtype)
        return row_strips.Strips(x, p, y, self.penalty.isotropic, scales=self._kept[dtype])

    def sweep(self, x: Array, xbar: Array, p: Array, y: Array, limits: Limits, steps: Array, workers: Workers) -> None:
        """See `Fused.sweep`."""
        soft, lo, hi = (x.dtype.type(v) for v in limits)
        radius = self.penalty._ball_radius(p, p.shape[0])
        self._strips(x, p, y, x.dtype).sweep(xbar, radius, (soft, lo, hi), steps, workers)

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`."""
        if x.dtype != p.dtype:
            return None
        # in float64 the factors are those given
        strips = self._strips(x, p, y, np.dtype(np.float64))
        return tuple(strips.sums(self.penalty._w(), limits, workers))
