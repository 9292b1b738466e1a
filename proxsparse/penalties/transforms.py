"""L1 norms of orthogonal transforms."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.term import Exact
from ..kernels import pointwise, wavelets
from ..linear.diagonal import Diagonalised
from ..linear.wavelets import OrthogonalWavelet, tight_frame_filters
from .base import Penalty


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _TransformL1(Penalty):
    """P(x) = w sum |coefficients| of an orthogonal transform of each channel, after the image is padded to a size it takes."""

    _first_step = 2.0

    @abc.abstractmethod
    def _padded(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """The size that the transform takes, at least the image's."""

    @abc.abstractmethod
    def _forward(self, image: Array) -> Array:
        """The coefficients of one channel of such a size, as an array of that size."""

    @abc.abstractmethod
    def _inverse(self, coefficients: Array) -> Array:
        """The image of the coefficients; the adjoint of `_forward`."""

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], *self._padded(shape[1:]))

    def _analysis(self, out: Array, x: Array) -> None:
        widths = [(0, m - n) for n, m in zip(x.shape[1:], out.shape[1:], strict=True)]
        for coefficients, image in zip(out, x, strict=True):
            coefficients[...] = self._forward(np.pad(image, widths))

    def _add_adjoint(self, out: Array, p: Array) -> None:
        inside = tuple(slice(0, n) for n in out.shape[1:])
        for image, coefficients in zip(out, p, strict=True):
            image += self._inverse(coefficients.astype(out.dtype, copy=False))[inside]

    def _project(self, p: Array, factor: float = 1.0) -> None:
        pointwise.clip(p.reshape(-1), self._radius(p, factor))

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        z = self._analysed(x)
        lengths = self._w() * np.abs(z)
        return float(np.sum(lengths - z * p)), float(np.sum(lengths))

    def _dual_norm(self, p: Array) -> float:
        return float(np.abs(p).max())

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        # K^T K = I, and lengths are at most sums of sizes
        return value / (self._w() * (1 - 1e-6)) if self._w() > 0 else math.inf

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return []

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        # orthogonal; float32 filters are so to their rounding
        return 1.0 + 1e-6

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("uniform", 1.0)

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        return True

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._shrink) if self._padded(shape[1:]) == shape[1:] else None

    def _shrink(self, x: Array, p: Array | None, y: Array) -> None:
        dual = np.empty(y.shape, y.dtype)
        self._analysis(dual, y)
        self._project(dual)
        x[...] = y
        x -= self._adjoint(dual)
        if p is not None:
            p[...] = dual

    def _adjoint(self, p: Array) -> Array:
        out = np.zeros(p.shape, p.dtype)
        self._add_adjoint(out, p)
        return out


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class WaveletL1(_TransformL1):
    """``P(x) = w sum |c|`` over the orthogonal wavelet coefficients c of x, the coarsest averages included; needs PyWavelets.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    wavelet : str
        The name of an orthogonal wavelet of PyWavelets: "haar", "db2", "sym4", ...
    level : int
        How often the averages are split again, >= 1.
    undecimated : bool
        True: the stationary transform, of every shift of the image alike, ``1 + level (2^axes - 1)`` times as many
        coefficients, scaled to a tight frame. Edges leave no blocks, and the proximal operator is found by iterations.

    Notes
    -----
    ``K x`` is the periodised transform of the image, after zeros are put at the end of axes whose length ``2^level`` does not
    divide; ``K^T K = I``, so that without padding the proximal operator is exact, soft-thresholding of the coefficients
    (Donoho & Johnstone, Biometrika 1994). Undecimated, ``K x`` has an axis of bands before the others, the averages first, and
    ``K^T K = I`` still, but not ``K K^T`` (Coifman & Donoho 1995). Channels are separate.
    """

    wavelet: str = "db2"
    level: int = 3
    undecimated: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        # says what is wrong with the wavelet
        _ = self._transform

    @functools.cached_property
    def _transform(self) -> OrthogonalWavelet:
        return OrthogonalWavelet(self.wavelet, self.level)

    @property
    def _leading_axes(self) -> int:  # type: ignore[override]
        return int(self.undecimated)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        one = super()._dual_shape(shape)
        return (1 + self.level * (2 ** (len(shape) - 1) - 1), *one) if self.undecimated else one

    def _fits_dual(self, p: Array) -> bool:
        return not self.undecimated or bool(p.shape[0] == 1 + self.level * (2 ** (p.ndim - 2) - 1))

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return None if self.undecimated else super()._exact(shape)

    def _analysis(self, out: Array, x: Array) -> None:
        if not self.undecimated:
            super()._analysis(out, x)
            return
        averages, made = np.zeros(out.shape[1:], out.dtype), len(out)
        averages[_inside(x.shape[1:])] = x
        for level in range(self.level):
            bands = [averages]
            for axis in range(1, averages.ndim):
                bands = [half for band in bands for half in self._split(band, axis, level)]
            averages = bands[0]
            made -= len(bands) - 1
            out[made : made + len(bands) - 1] = bands[1:]
        out[0] = averages

    def _add_adjoint(self, out: Array, p: Array) -> None:
        if not self.undecimated:
            super()._add_adjoint(out, p)
            return
        p = np.ascontiguousarray(p, out.dtype)
        averages, used, details = p[0], 1, 2 ** (out.ndim - 1) - 1
        for level in reversed(range(self.level)):
            bands = [averages, *p[used : used + details]]
            used += details
            for axis in reversed(range(1, out.ndim)):
                bands = [self._merged(bands[k], bands[k + 1], axis, level) for k in range(0, len(bands), 2)]
            averages = bands[0]
        out += averages[_inside(out.shape[1:])]

    def _split(self, band: Array, axis: int, level: int) -> tuple[Array, Array]:
        """The averages and the details of one level along an axis; of a tight frame the inverse is the adjoint."""
        low, high = np.empty_like(band), np.empty_like(band)
        lines = _lines(band.shape, axis)
        taps = tight_frame_filters(self.wavelet, band.dtype.char, level)
        wavelets.split(band.reshape(lines), low.reshape(lines), high.reshape(lines), *taps)
        return low, high

    def _merged(self, low: Array, high: Array, axis: int, level: int) -> Array:
        """The adjoint of `_split`."""
        out = np.empty_like(low)
        lines = _lines(low.shape, axis)
        taps = tight_frame_filters(self.wavelet, low.dtype.char, level)
        wavelets.merge(low.reshape(lines), high.reshape(lines), out.reshape(lines), *taps)
        return out

    def _padded(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        return self._transform.padded(spatial)

    def _forward(self, image: Array) -> Array:
        return self._transform.forward(image)

    def _inverse(self, coefficients: Array) -> Array:
        return self._transform.inverse(coefficients)


def _inside(spatial: tuple[int, ...]) -> tuple[Any, ...]:
    """Where an image stands in its padded self, in every channel."""
    return (slice(None), *(slice(0, n) for n in spatial))


def _lines(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """The shape with that axis in the middle, for the kernels."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DCTL1(_TransformL1):
    """``P(x) = w sum |c|`` over the orthonormal DCT-II coefficients c of x, the mean included: few cosines are left.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.

    Notes
    -----
    ``K x`` is the DCT-II along every spatial axis, ``K^T K = I``: the proximal operator is exact, soft-thresholding of the
    coefficients. Channels are separate.
    """

    def _padded(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        return spatial

    def _forward(self, image: Array) -> Array:
        from scipy.fft import dctn

        return np.asarray(dctn(image, norm="ortho"))

    def _inverse(self, coefficients: Array) -> Array:
        from scipy.fft import idctn

        return np.asarray(idctn(coefficients, norm="ortho"))
