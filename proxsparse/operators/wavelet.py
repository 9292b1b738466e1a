"""Orthogonal wavelet coefficients, as an operator."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from ..arrays.numbers import Array, as_float
from ..linear.diagonal import Diagonalised
from ..linear.wavelets import OrthogonalWavelet
from .base import Operator


@dataclasses.dataclass(frozen=True)
class Wavelet(Operator):
    """The orthogonal wavelet coefficients of an image, as an image: for penalties of them, ``GroupLasso(w).of(Wavelet())``.

    Parameters
    ----------
    wavelet, level
        As in `WaveletL1`; needs PyWavelets.

    Notes
    -----
    Periodised, the averages of each level in the first corner; the image is padded with zeros to a multiple of ``2^level``.
    ``A^T A = I``.
    """

    wavelet: str = "db2"
    level: int = 3

    def __post_init__(self) -> None:
        # says what is wrong with the wavelet
        _ = self._transform

    @functools.cached_property
    def _transform(self) -> OrthogonalWavelet:
        return OrthogonalWavelet(self.wavelet, self.level)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the coefficients."""
        return self._transform.padded(tuple(shape))

    def forward(self, x: Array) -> Array:
        """Return A x."""
        x = as_float(x, "x")
        widths = [(0, m - n) for n, m in zip(x.shape, self.output_shape(x.shape), strict=True)]
        return self._transform.forward(np.pad(x, widths))

    def adjoint(self, q: Array, shape: tuple[int, ...]) -> Array:
        """Return A^T q, an image of that shape."""
        image = self._transform.inverse(as_float(q, "q"))
        return np.ascontiguousarray(image[tuple(slice(0, n) for n in shape)])

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return ||A||^2, with the rounding of single precision."""
        return 1.0 + 1e-6

    def gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """Return the identity."""
        return Diagonalised("uniform", 1.0)
