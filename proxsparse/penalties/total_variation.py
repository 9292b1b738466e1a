"""Total variation."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .._arrays import Array, to_4d
from .._workers import Workers
from ..gram import Gram, neumann_laplacian
from ..kernels import pointwise, regions, taut_string
from ..kernels import total_variation as kernels
from . import strips
from .base import Penalty, check_spacing


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

    Notes
    -----
    ``K x`` has shape (axes, *image shape): ``x[i+1] - x[i]`` along each spatial axis, 0 at the last sample (Neumann
    edge), divided by the spacing. The dual ball holds each pixel's vector to a length of w (isotropic) or each number to
    ``|p| <= w``.
    ``||K||^2 <= 4`` per axis. Rudin, Osher & Fatemi, Physica D 1992; Chambolle, J. Math. Imaging Vis. 2004.
    """

    isotropic: bool = True
    spacing: Any = None

    null_space = "constants"
    _shrinks = True
    _lead = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "isotropic", bool(self.isotropic))
        spacing = check_spacing(self.spacing)
        # of 1 it is none, and takes the kernels
        plain = spacing is None or set(spacing) == {1.0}
        object.__setattr__(self, "spacing", None if plain or spacing is None else spacing if len(spacing) > 1 else spacing[0])

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        # of a signal both kinds are the sum of absolute values
        return not self.isotropic or shape[0] * sum(n > 1 for n in shape[1:]) <= 1

    def _spaced(self, spacing: Any) -> Penalty:
        if self.spacing is not None:
            raise ValueError(f"spacing={spacing!r} was given, but {self!r} has a spacing of its own")
        return dataclasses.replace(self, spacing=spacing)

    def _scales(self, axes: int) -> Array | None:
        """What the differences along each axis are multiplied by; None where that is 1."""
        if self.spacing is None:
            return None
        if np.size(self.spacing) not in (1, axes):
            raise ValueError(f"spacing {self.spacing!r} has {np.size(self.spacing)} axes, the image {axes}")
        return np.asarray(1.0 / np.broadcast_to(self.spacing, axes))

    def _scaled(self, p: Array) -> Array:
        """P with each axis's differences divided by its spacing."""
        scales = self._scales(len(p))
        return p if scales is None else p * scales.astype(p.dtype).reshape(-1, *(1,) * (p.ndim - 1))

    @staticmethod
    def _planes(p: Array) -> list[Array]:
        """The duals along planes, rows, columns; an axis the image lacks gets a stand-in that is never touched."""
        p = to_4d(p, lead=1)
        return [p[-1]] * (3 - len(p)) + list(p)

    def _fits_dual(self, p: Array) -> bool:
        return bool(p.shape[0] == p.ndim - 2)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._scales(len(shape) - 1)
        return (len(shape) - 1, *shape)

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = 0
        kernels.gradient(*self._planes(out), to_4d(x))
        if self.spacing is not None:
            out[...] = self._scaled(out)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        if self.spacing is not None:
            # in the accuracy asked for, as the certificate relies on
            p = self._scaled(p.astype(out.dtype, copy=False))
        kernels.add_adjoint(to_4d(out), *self._planes(p))

    def _project(self, p: Array, factor: float = 1.0) -> None:
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
        if self.spacing is not None:
            z = np.empty(p.shape)
            self._analysis(z, x.astype(np.float64, copy=False))
            lengths = self._w() * (np.sqrt(np.square(z).sum(axis=(0, 1))) if self.isotropic else np.abs(z).sum(axis=(0, 1)))
            return float(np.sum(lengths - (z * p).sum(axis=(0, 1)))), float(np.sum(lengths))
        gap, value = kernels.gap(to_4d(x), *self._planes(p), self.isotropic, self._w())
        return float(gap), float(value)

    def _dual_norm(self, p: Array) -> float:
        if not self.isotropic:
            return float(np.abs(p).max())
        return float(np.sqrt(np.square(p, dtype=np.float64).sum(axis=(0, 1)).max()))

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        scales = self._scales(len(shape) - 1)
        scales = np.ones(len(shape) - 1) if scales is None else scales
        return float(sum((2.0 * s * np.cos(np.pi / (2 * n))) ** 2 for s, n in zip(scales, shape[1:], strict=True))) or 1.0

    def _gram(self, shape: tuple[int, ...]) -> Gram | None:
        return Gram("dct", neumann_laplacian(shape, self._scales(len(shape) - 1)))

    def _clear_unused(self, p: Array) -> None:
        # Neumann edge: the dual of the last difference takes no part
        for axis in range(p.shape[0]):
            np.moveaxis(p[axis], 1 + axis, 0)[-1] = 0

    def _has_exact(self, shape: tuple[int, ...], alone: bool = True) -> bool:
        return self.spacing is None and self._polyhedral(shape) and sum(n > 1 for n in shape[1:]) <= 1

    def _exact(self, x: Array, p: Array | None, y: Array) -> None:
        long = [axis for axis, n in enumerate(y.shape[1:]) if n > 1]
        if not long:
            x[...] = y
        for c in range(y.shape[0] if long else 0):
            signal, out = y[c].reshape(-1), x[c].reshape(-1)
            w, extent = self._w(), float(np.ptp(signal))
            if extent == 0:
                # no rounding: the dual is 0
                out[...] = signal
                continue
            if w > 16 * extent:
                # far beyond what matters rounding would be all that is left
                w = min(w, 1.001 * taut_string.reach(signal))
            dual = np.empty(0, y.dtype) if p is None else p[long[0], c].reshape(-1)
            radius = float(self._radius(y))
            start, height = taut_string.scan(out, dual, signal, w, radius, 8 * signal.size)
            if start < signal.size:
                taut_string.funnel(out, dual, signal, w, radius, start, height)

    def _coarser(self, y: Array) -> tuple[Penalty, Array] | None:
        if self.spacing is not None or not strips.fits(y.shape) or min(y.shape[-2:]) < 64:
            return None
        # where the weight is beyond the differences of neighbours, on every fourth row and column, the dual has far to travel
        differences = np.abs(np.diff(y[..., ::4, :])), np.abs(np.diff(y[..., ::4], axis=-2))
        if self._w() < 0.75 * sum(float(d.mean(dtype=np.float64)) for d in differences):
            return None
        even = np.pad(y, [(0, 0)] * (y.ndim - 2) + [(0, n % 2) for n in y.shape[-2:]], mode="edge")
        half = even[..., ::2, :] + even[..., 1::2, :]
        # four pixels as one: differences count half as much as values
        return self.with_weight(self._w() / 2), (half[..., ::2] + half[..., 1::2]) * y.dtype.type(0.25)

    def _finer(self, p: Array, shape: tuple[int, ...]) -> Array:
        fine = 2 * p.repeat(2, axis=-2).repeat(2, axis=-1)[..., : shape[-2], : shape[-1]]
        fine = np.ascontiguousarray(fine)
        self._clear_unused(fine)
        return fine

    def _sweep(
        self, x: Array, xbar: Array, p: Array, y: Array, limits: tuple[float, float, float], steps: Array, workers: Workers
    ) -> bool:
        if self.spacing is not None:
            return False
        radius = self._ball_radius(p, p.shape[0] * p.shape[1])
        soft, lo, hi = (x.dtype.type(v) for v in limits)
        if strips.fits(x.shape):
            strips.Strips(x, p, y, self.isotropic).sweep(xbar, radius, (soft, lo, hi), steps, workers)
        else:
            arrays = (to_4d(x), to_4d(xbar), *self._planes(p), to_4d(y))
            # so that a call stays short
            together = max(1, (1 << 22) // x.size)
            for k in range(0, len(steps), together):
                kernels.sweep(*arrays, self.isotropic, radius, soft, lo, hi, steps[k : k + together])
        return True

    def _certificate(
        self, x: Array, p: Array, y: Array, limits: tuple[float, float, float], workers: Workers
    ) -> tuple[float, ...] | None:
        if x.dtype != p.dtype or self.spacing is not None:
            return None
        if self._has_exact(x.shape) and x[0].size > 1:
            axis = next(axis for axis, n in enumerate(x.shape[1:]) if n > 1)
            signals = x.reshape(len(x), -1), p[axis].reshape(len(x), -1), y.reshape(len(x), -1)
            sums = np.zeros((len(x), -(-x[0].size // 4096), 5))
            for one in zip(sums, *signals, strict=True):
                taut_string.certificate(*one, self._w(), *limits)
            return tuple(sums.sum(axis=(0, 1)).tolist())
        if not strips.fits(x.shape):
            return None
        return tuple(strips.Strips(x, p, y, self.isotropic).sums(self._w(), limits, workers))

    def _snap(self, x: Array, p: Array, margin: float) -> None:
        label = np.empty(x[0].size, np.int32 if x[0].size < 2**31 else np.int64)
        planes, rows, columns = to_4d(x).shape[1:]
        for c, image in enumerate(x):
            # isotropic: a pixel's vector, over all channels, speaks for all its differences
            dual = p.reshape(-1, label.size) if self.isotropic else p[:, c].reshape(-1, label.size)
            regions.flatten(image.reshape(-1), label, self._joined(dual, margin), self.isotropic, planes, rows, columns)

    def _joined(self, p: Array, margin: float) -> Array:
        """Which differences the dual says are 0, as `regions.flatten` takes them; p has one row a number of a pixel."""
        # a weight whose square the dtype cannot hold means the same as any other beyond reach
        least = (1.0 - margin) * min(self._w(), math.sqrt(np.finfo(p.dtype).max) / 2)
        if self.isotropic:
            return np.asarray(np.square(p).sum(axis=0, keepdims=True) < least * least)
        joined = np.zeros((3, *p.shape[1:]), bool)
        np.less(np.abs(p), least, out=joined[3 - len(p) :])
        return joined
