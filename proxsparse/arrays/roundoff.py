"""Bounds on rounding: what a certificate adds to a gap so that it is one in exact arithmetic.

Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., chapters 3 and 4: a sum of n terms is off by at most n u times
the sum of their sizes, u = 2^-53 as everything is added up in float64. Products of the bounds with each other are left to the
numbers here, which are rounded up.
"""

from __future__ import annotations

import math

import numpy as np

from .numbers import Array, total

#: half the distance from 1 to the next number of float64
UNIT = 2.0**-53
#: roundings in the sum of an image: NumPy adds up pairs of blocks of 128 numbers in eight lanes, kernels rows or blocks of 4096
SUM = 64.0


def norm(image: Array) -> float:
    """The Euclidean length in float64."""
    return math.sqrt(total(np.square(image, dtype=np.float64)))


def rounding_of(image: Array) -> Array:
    """How far storing each number in its dtype may move it, in float64."""
    return np.abs(image, dtype=np.float64) * (0.5 * float(np.finfo(image.dtype).eps))


def transform_roundings(size: int) -> float:
    """Roundings in a number of a transform of so many, of wavelets and cosines and by FFT, beside their length."""
    return 8.0 + 4.0 * math.log2(max(size, 2))
