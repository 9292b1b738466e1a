"""Total variation by kernels: whole iterations, signals exactly, flat regions, and a start from half the size."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.layout import to_4d
from ..arrays.numbers import Array
from ..dual.term import Half, InPlace, Iterations, Limits
from ..kernels import region_means, strips, taut_string
from ..kernels import total_variation as kernels
from ..kernels.planes import Planes, fits, whole_run
from ..kernels.units import Units
from ..runtime.workers import Workers
from .differences import planes

if TYPE_CHECKING:
    from .total_variation import TotalVariation


class Kernels:
    """Whole iterations for differences as they are: images of any axes, channels coupled or one by one."""

    def __init__(self, penalty: TotalVariation, without_dual: tuple[bool, bool, bool], is_signal: bool) -> None:
        self.penalty, self.without_dual, self.is_signal = penalty, without_dual, is_signal
        self.isotropic = penalty.isotropic

    def begin(self, x: Array, p: Array, y: Array, limits: Limits) -> Iterations:
        """See `Fused.begin`."""
        return self._on_planes(x, p, y, limits) or self._on_units(x, p, y, limits) or InPlace(self, x, p, y, limits)

    def _on_units(self, x: Array, p: Array, y: Array, limits: Limits) -> OnUnits | None:
        if self.is_signal or x.dtype != p.dtype or any(self.without_dual):
            return None
        return OnUnits(self.penalty, self.penalty._channel_slices(x, y, p), limits, p.shape)

    def begin_pixelwise(self, x: Array, p: Array, y: Array, limits: Limits, form: tuple[Any, ...]) -> Iterations | None:
        """See `Fused.begin_pixelwise`."""
        return self._on_planes(x, p, y, limits, form) if len(x) == 1 else None

    def _on_planes(self, x: Array, p: Array, y: Array, limits: Limits, form: tuple[Any, ...] | None = None) -> OnPlanes | None:
        if self.is_signal or not fits(x[:1].shape) or x.dtype != p.dtype:
            return None
        units = self.penalty._channel_slices(x, y, p)
        if len(units[0][0]) > 1:
            return None
        # of one gray image the dual of a pixel has two numbers
        radius, without = self.penalty._ball_radius(p, 2), self.without_dual[1:]
        layers = [Planes(u, q, v, radius, self.isotropic, without, limits=limits, form=form) for u, v, q in units]
        return OnPlanes(self.penalty, layers, p.shape)

    def whole_run(self, shape: tuple[int, ...], dtype: np.dtype[Any], limits: Limits) -> Callable[..., bool] | None:
        """See `Fused.whole_run`."""
        if len(shape) != 3 or self.is_signal or any(self.without_dual) or not fits(shape):
            return None
        radius = float(self.penalty._ball_radius(np.empty(0, dtype), 2))
        return whole_run(shape, dtype, self.isotropic, radius, self.penalty._w(), limits)

    def sweep(self, x: Array, xbar: Array, p: Array, y: Array, limits: Limits, steps: Array, workers: Workers) -> None:
        """Iterations in place; see `InPlace`."""
        scalars = tuple(x.dtype.type(v) for v in limits)
        for one, one_bar, one_y, dual in self.penalty._channel_slices(x, xbar, y, p):
            radius = self.penalty._ball_radius(dual, dual.shape[0] * dual.shape[1])
            arrays = (to_4d(one), to_4d(one_bar), *planes(dual), to_4d(one_y))
            # so that a call stays short
            together = max(1, (1 << 22) // one.size)
            for k in range(0, len(steps), together):
                kernels.sweep(*arrays, self.isotropic, self.without_dual, radius, *scalars, steps[k : k + together])

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`."""
        if x.dtype != p.dtype:
            return None
        if not self.is_signal:
            own = self._on_planes(x, p, y, limits) or self._on_units(x, p, y, limits)
            return None if own is None else own.sums(workers)
        axis = next(axis for axis, n in enumerate(x.shape[1:]) if n > 1)
        signals = x.reshape(len(x), -1), p[axis].reshape(len(x), -1), y.reshape(len(x), -1)
        sums = np.zeros((len(x), -(-x[0].size // 4096), 5))
        for one in zip(sums, *signals, strict=True):
            taut_string.certificate(*one, self.penalty._w(), *limits)
        return tuple(sums.sum(axis=(0, 1)).tolist())


class ScaledKernels:
    """Whole iterations for gray images with a factor for each difference."""

    def __init__(self, penalty: TotalVariation, scales: Array) -> None:
        self.penalty, self._scales = penalty, scales

    def begin(self, x: Array, p: Array, y: Array, limits: Limits, form: tuple[Any, ...] | None = None) -> OnPlanes:
        """See `Fused.begin`."""
        scales = np.broadcast_to(self._scales, (2, *x.shape[1:]))
        radius = self.penalty._ball_radius(p, 2)
        planes = Planes(x, p, y, radius, self.penalty.isotropic, scales=scales, limits=limits, form=form)
        return OnPlanes(self.penalty, [planes], p.shape)

    begin_pixelwise = begin

    def whole_run(self, shape: tuple[int, ...], dtype: np.dtype[Any], limits: Limits) -> None:
        """See `Fused.whole_run`."""

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`."""
        return self.begin(x, p, y, limits).sums(workers) if x.dtype == p.dtype else None


class OnPlanes:
    """Over-relaxed iterations on gray images, one a channel."""

    relaxed = True

    def __init__(self, penalty: TotalVariation, layers: list[Planes], dual_shape: tuple[int, ...]) -> None:
        self.penalty, self.layers, self.dual_shape = penalty, layers, dual_shape

    def advance(self, steps: Array, workers: Workers) -> None:
        """See `Iterations`."""
        for layer in self.layers:
            strips.advance(layer, steps, workers)

    def sums(self, workers: Workers) -> tuple[float, ...]:
        """See `Iterations`."""
        return tuple(map(sum, zip(*(layer.sums(self.penalty._w(), workers) for layer in self.layers), strict=True)))

    def pair(self) -> tuple[Array, Array]:
        """See `Iterations`."""
        layers, dtype = self.layers, self.layers[0].dtype
        size = layers[0].shape
        axes, *shape = self.dual_shape
        # arrays of the user's shapes, so that answers need no copies of them
        x = np.empty((len(layers), *size) if len(layers) > 1 else size, dtype)
        p = (np.empty if axes == 2 else np.zeros)((axes, *x.shape), dtype)
        duals = p.reshape(axes, len(layers), *size)
        for c, (layer, image) in enumerate(zip(layers, x.reshape(len(layers), *size), strict=True)):
            layer.write(image, duals[-2:, c])
        return x.reshape(shape), p.reshape(self.dual_shape)

    def save(self) -> Any:
        """See `Iterations`."""
        return [[plane.copy() for plane in layer.planes[:3]] for layer in self.layers]

    def restore(self, state: Any) -> None:
        """See `Iterations`."""
        for layer, kept in zip(self.layers, state, strict=True):
            for plane, copied in zip(layer.planes, kept, strict=False):
                plane[...] = copied


class OnUnits:
    """Over-relaxed iterations on colours and volumes; channels that are separate one after the other."""

    relaxed = True

    def __init__(
        self, penalty: TotalVariation, slices: list[tuple[Array, ...]], limits: Limits, dual_shape: tuple[int, ...]
    ) -> None:
        own = slices[0][2]
        radius = penalty._ball_radius(own, own.shape[0] * own.shape[1])
        self.penalty, self.dual_shape = penalty, dual_shape
        self.layers = [Units(x, p, y, radius, penalty.isotropic, limits) for x, y, p in slices]

    def advance(self, steps: Array, workers: Workers) -> None:
        """See `Iterations`."""
        for layer in self.layers:
            strips.advance(layer, steps, workers)

    def sums(self, workers: Workers) -> tuple[float, ...]:
        """See `Iterations`."""
        return tuple(map(sum, zip(*(layer.sums(self.penalty._w(), workers) for layer in self.layers), strict=True)))

    def pair(self) -> tuple[Array, Array]:
        """See `Iterations`."""
        x, p = np.empty(self.dual_shape[1:], self.layers[0].dtype), np.zeros(self.dual_shape, self.layers[0].dtype)
        share = len(x) // len(self.layers)
        for c, layer in enumerate(self.layers):
            own = slice(c * share, (c + 1) * share)
            layer.read(x[own], p[:, own])
        return x, p

    def save(self) -> Any:
        """See `Iterations`."""
        return [layer.save() for layer in self.layers]

    def restore(self, state: Any) -> None:
        """See `Iterations`."""
        for layer, kept in zip(self.layers, state, strict=True):
            layer.restore(kept)


def taut_strings(penalty: TotalVariation, x: Array, p: Array | None, y: Array) -> None:
    """Signals denoised exactly: x, and p unless it is None, of y."""
    long = [axis for axis, n in enumerate(y.shape[1:]) if n > 1]
    if not long:
        x[...] = y
    for c in range(y.shape[0] if long else 0):
        dual = np.empty(0, y.dtype) if p is None else p[long[0], c].reshape(-1)
        taut_string.denoise(x[c].reshape(-1), dual, y[c].reshape(-1), penalty._w(), float(penalty._radius(y)))


def half_of(penalty: TotalVariation, y: Array) -> Half | None:
    """The gray image at half the size, where that is a good start."""
    if not penalty.is_plain or not fits(y.shape) or min(y.shape[-2:]) < 64:
        return None
    # where the weight is beyond the differences of neighbours, on some rows and columns, the dual has far to travel
    apart = max(1, min(y.shape[-2:]) // 32)
    differences = np.abs(np.diff(y[..., ::apart, :])), np.abs(np.diff(y[..., ::apart], axis=-2))
    if penalty._w() < 0.75 * sum(float(d.mean(dtype=np.float64)) for d in differences):
        return None
    even = np.pad(y, [(0, 0)] * (y.ndim - 2) + [(0, n % 2) for n in y.shape[-2:]], mode="edge")
    half = even[..., ::2, :] + even[..., 1::2, :]
    # four pixels as one: differences count half as much as values
    smaller = (half[..., ::2] + half[..., 1::2]) * y.dtype.type(0.25)
    return Half(penalty.with_weight(penalty._w() / 2), smaller, partial(_finer, penalty, y.shape))


def _finer(penalty: TotalVariation, shape: tuple[int, ...], p: Array) -> Array:
    """A dual of images of that shape from one of images of half the size."""
    fine = 2 * p.repeat(2, axis=-2).repeat(2, axis=-1)[..., : shape[-2], : shape[-1]]
    fine = np.ascontiguousarray(fine)
    penalty._clear_unused(fine)
    return fine


def flatten(penalty: TotalVariation, x: Array, p: Array, margin: float) -> None:
    """Make equal, in place, the pixels whose difference the dual says is 0; see `Formulas._identify`."""
    label = np.empty(x[0].size, np.int32 if x[0].size < 2**31 else np.int64)
    deep, down, across = to_4d(x).shape[1:]
    for c, image in enumerate(x):
        # isotropic: a pixel's vector, over all channels, speaks for all its differences
        dual = (p if penalty.isotropic and penalty.coupled else p[:, c]).reshape(-1, label.size)
        region_means.flatten(image.reshape(-1), label, joined(penalty, dual, margin), penalty.isotropic, deep, down, across)


def joined(penalty: TotalVariation, p: Array, margin: float) -> Array:
    """Which differences the dual says are 0, as `region_means.flatten` takes them; p has one row a number of a pixel."""
    # a weight whose square the dtype cannot hold means the same as any other beyond reach
    least = (1.0 - margin) * min(penalty._w(), math.sqrt(np.finfo(p.dtype).max) / 2)
    if penalty.isotropic:
        return np.asarray(np.square(p).sum(axis=0, keepdims=True) < least * least)
    flat = np.zeros((3, *p.shape[1:]), bool)
    np.less(np.abs(p), least, out=flat[3 - len(p) :])
    return flat
