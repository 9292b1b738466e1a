"""Means or samples of blocks of pixels."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from ..arrays.checks import per_axis
from ..arrays.numbers import Array, as_float
from ..linear.diagonal import Diagonalised
from .base import Operator


@functools.lru_cache(maxsize=16)
def _counts(shape: tuple[int, ...], factors: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The samples in each block."""
    counts: Any = 1.0
    for n, f in zip(shape, factors, strict=True):
        counts = np.multiply.outer(counts, np.diff(np.append(np.arange(0, n, f), n)))
    result: Array = np.asarray(counts).astype(dtype)
    result.flags.writeable = False
    return result


@dataclasses.dataclass(frozen=True)
class Downsample(Operator):
    """Fewer samples along each axis: the means of blocks, or every so many-th sample.

    Parameters
    ----------
    factor : int or tuple of int
        Samples of x along each axis for one of A x; the blocks begin at the first sample, the last are clipped.
    mean : bool
        True: the mean of each block, as a detector of larger pixels. False: its first sample.
    shape : tuple of int, optional
        The shape of x. Left out it is that of A x times the factor.

    Notes
    -----
    ``||A||^2`` is one over the number of samples in the smallest block for means, 1 for samples.
    """

    factor: Any
    mean: bool = True
    shape: Any = None

    def __post_init__(self) -> None:
        factors = self.factor if isinstance(self.factor, (tuple, list)) else (self.factor,)
        if not factors or any(isinstance(f, bool) or not isinstance(f, (int, np.integer)) or f < 1 for f in factors):
            raise ValueError(f"factor must be integers >= 1, got {self.factor!r}")
        object.__setattr__(self, "factor", tuple(map(int, factors)) if len(factors) > 1 else int(factors[0]))
        if self.shape is not None:
            shape = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
            object.__setattr__(self, "shape", tuple(int(n) for n in shape))

    def _factors(self, axes: int) -> tuple[int, ...]:
        return per_axis(self.factor, axes, "factor")

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of A x."""
        if self.shape is not None and tuple(shape) != self.shape:
            raise ValueError(f"{self!r} takes images of shape {self.shape}, got {tuple(shape)}")
        return tuple(-(-n // f) for n, f in zip(shape, self._factors(len(shape)), strict=True))

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of x where A x has that shape."""
        if self.shape is not None:
            return tuple(self.shape)
        return tuple(n * f for n, f in zip(shape, self._factors(len(shape)), strict=True))

    def _counts(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        """The samples in each block."""
        return _counts(tuple(shape), self._factors(len(shape)), np.dtype(dtype))

    def forward(self, x: Array) -> Array:
        """Return A x."""
        x = as_float(x, "x")
        self.output_shape(x.shape)
        factors = self._factors(x.ndim)
        if not self.mean:
            return np.ascontiguousarray(x[tuple(slice(None, None, f) for f in factors)])
        sums = x
        for axis, f in enumerate(factors):
            sums = np.add.reduceat(sums, np.arange(0, x.shape[axis], f), axis)
        return np.asarray(sums / self._counts(x.shape, x.dtype))

    def adjoint(self, q: Array, shape: tuple[int, ...]) -> Array:
        """Return A^T q, an image of that shape."""
        q = as_float(q, "q")
        factors = self._factors(len(shape))
        if not self.mean:
            out = np.zeros(shape, q.dtype)
            out[tuple(slice(None, None, f) for f in factors)] = q
            return out
        spread = q / self._counts(shape, q.dtype)
        for axis, (f, n) in enumerate(zip(factors, shape, strict=True)):
            spread = np.repeat(spread, f, axis).take(np.arange(n), axis)
        return np.ascontiguousarray(spread)

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return ||A||^2."""
        return 1.0 / float(self._counts(shape).min()) if self.mean else 1.0

    def gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """Return A^T A where it is diagonal: for samples."""
        if self.mean:
            return None
        seen = np.zeros(shape)
        seen[tuple(slice(None, None, f) for f in self._factors(len(shape)))] = 1
        return Diagonalised("pixel", seen)
