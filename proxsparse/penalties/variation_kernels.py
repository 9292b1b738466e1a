"""Total variation by kernels: whole iterations, signals exactly, flat regions, and a start from half the size."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.layout import to_4d
from ..arrays.numbers import Array
from ..dual.term import Half, Limits
from ..kernels import region_means, row_strips, taut_string
from ..kernels import total_variation as kernels
from ..runtime.workers import Workers
from .differences import planes

if TYPE_CHECKING:
    from .total_variation import TotalVariation


class Kernels:
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
        arrays = (to_4d(x), to_4d(xbar), *planes(p), to_4d(y))
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


class ScaledKernels:
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
    if not penalty.is_plain or not row_strips.fits(y.shape) or min(y.shape[-2:]) < 64:
        return None
    # where the weight is beyond the differences of neighbours, on every fourth row and column, the dual has far to travel
    differences = np.abs(np.diff(y[..., ::4, :])), np.abs(np.diff(y[..., ::4], axis=-2))
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
