"""The periodised orthogonal wavelet transform of an image, by PyWavelets; and the filters of its undecimated form."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array


def pywavelets() -> Any:
    """The package, or ImportError with the remedy."""
    try:
        import pywt
    except ImportError as error:
        raise ImportError('wavelets need PyWavelets: pip install "proxsparse[wavelet]"') from error
    return pywt


@dataclasses.dataclass(frozen=True)
class OrthogonalWavelet:
    """The transform of so many levels: an image of sides that 2^level divides, to coefficients of the same shape."""

    wavelet: str
    level: int

    def __post_init__(self) -> None:
        if isinstance(self.level, bool) or not isinstance(self.level, (int, np.integer)) or self.level < 1:
            raise ValueError(f"level must be an integer >= 1, got {self.level!r}")
        pywt = pywavelets()
        if self.wavelet not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"wavelet must be a discrete wavelet of PyWavelets, got {self.wavelet!r}")
        if not _orthogonal(np.array(pywt.Wavelet(self.wavelet).dec_lo)):
            raise ValueError(f"wavelet {self.wavelet!r} is not orthogonal")

    def padded(self, spatial: tuple[int, ...]) -> tuple[int, ...]:
        """The least sides, no less than these, that the transform takes."""
        block = 1 << self.level
        return tuple(-(-n // block) * block for n in spatial)

    def forward(self, image: Array) -> Array:
        """The coefficients; the averages of each level stand in the first corner."""
        out, dwtn = np.array(image), pywavelets().dwtn
        for halves in self._levels(out.shape):
            whole = out[tuple(slice(0, 2 * h) for h in halves)]
            for name, part in dwtn(whole, self.wavelet, mode="periodization").items():
                whole[_corner(name, halves)] = part
        return out

    def inverse(self, coefficients: Array) -> Array:
        """The image of the coefficients; the adjoint of `forward`."""
        out, idwtn = np.array(coefficients), pywavelets().idwtn
        for halves in reversed(self._levels(out.shape)):
            whole = out[tuple(slice(0, 2 * h) for h in halves)]
            names = map("".join, itertools.product("ad", repeat=out.ndim))
            whole[...] = idwtn({name: whole[_corner(name, halves)] for name in names}, self.wavelet, mode="periodization")
        return out

    def _levels(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Half the sides of the image that each level splits, the finest level first."""
        return [tuple(n >> k for n in shape) for k in range(1, self.level + 1)]


def _corner(name: str, halves: tuple[int, ...]) -> tuple[slice, ...]:
    """Where a part of one level stands: the averages (a) of an axis before its details (d)."""
    return tuple(slice(h, 2 * h) if c == "d" else slice(0, h) for c, h in zip(name, halves, strict=True))


def _orthogonal(filters: Array) -> bool:
    """Whether the filter and its even shifts are orthonormal; some wavelets are so by name alone (dmey)."""
    shifts = [float(np.sum(filters[k:] * filters[: len(filters) - k])) for k in range(0, len(filters), 2)]
    return bool(np.abs(np.array(shifts) - (np.arange(len(shifts)) == 0)).max() < 1e-8)


@functools.cache
def tight_frame_filters(wavelet: str, char: str, level: int) -> tuple[Array, Array, int, int]:
    """Both filters of the undecimated transform, how far off the first tap is, and how far apart taps are, as in PyWavelets."""
    filters = pywavelets().Wavelet(wavelet)
    low, high = ((np.array(taps[::-1]) / math.sqrt(2)).astype(char) for taps in (filters.dec_lo, filters.dec_hi))
    return low, high, (1 - len(low) // 2) << level, 1 << level
