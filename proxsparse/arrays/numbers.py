"""Arrays as float32 or float64, finite, scaled by a power of two; every array a user gives passes through here."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def as_float(array: Any, name: str = "image") -> Array:
    """Return `array` as a native, aligned, C-contiguous float32 or float64 ndarray; the values are never rescaled.

    float32 and float64 stay, float16 becomes float32, booleans and integers become float64.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(
            f"{name} is a masked array, whose mask would be lost: give {name}.filled(value), "
            "or the plain data with pixel_weight=0 where it is masked"
        )
    if isinstance(array, (str, os.PathLike)):
        raise TypeError(
            f"{name} is a path, {str(array)!r}: read the file first, as by skimage.io.imread, or call `proxsparse denoise` "
            "on the command line"
        )
    try:
        array = np.asarray(array)
    except ValueError:
        if not isinstance(array, (list, tuple)):
            raise
        raise ValueError(
            f"{name} is a list of {len(array)} things of several shapes: for several images call solve_batch"
        ) from None
    kind = array.dtype.kind
    if kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
    dtype: npt.DTypeLike = np.float32 if kind == "f" and array.dtype.itemsize <= 4 else np.float64
    # require() copies only where layout, byte order, alignment or dtype ask for it
    return np.require(array, dtype, ["C", "A"])


def as_scalar(value: Any) -> Any:
    """The number in an array of no axes, of NumPy or like NumPy's; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value


def has_slices(array: Any) -> bool:
    """Whether it is an array of which parts can be taken, of NumPy or like NumPy's; tensors have dtypes of their own."""
    sliced = hasattr(array, "shape") and hasattr(array, "__getitem__")
    return sliced and isinstance(getattr(array, "dtype", None), np.dtype)


def as_double(array: Any, name: str = "image") -> Array:
    """Return `array`, which must hold something, as `as_float` does, in float64."""
    double = as_float(array, name).astype(np.float64, copy=False)
    if double.size == 0:
        raise ValueError(f"{name} is empty: shape {double.shape}")
    return double


def require_finite(array: Array, name: str = "image") -> None:
    """Raise ValueError with the count and the first index of NaN or infinity."""
    if array.size and not math.isfinite(largest_size(array)):
        finite = np.isfinite(array)
        first = tuple(int(i) for i in np.argwhere(~finite)[0])
        count = int(array.size - np.count_nonzero(finite))
        raise ValueError(f"{name} has {count} NaN or infinite values, the first at index {first}")


def largest_size(array: Array) -> float:
    """The largest absolute value; NaN or infinite where a number is."""
    # NaN passes through max and min
    most, least = float(array.max()), float(array.min())
    return most if most > -least else -least


def power_of_two_scale(y: Array) -> float:
    """A power of two that brings extreme images into the middle of the dtype's range; 1 for all others."""
    largest = largest_size(y)
    least, beyond = plain_sizes(y.dtype)
    if largest == 0 or least <= largest < beyond:
        return 1.0
    exponent = math.frexp(largest)[1]
    # the scale itself must be a number of the dtype, and so must its inverse
    most = 120 if y.dtype == np.float32 else 1000
    return 2.0 ** min(max(-exponent, -most), most)


def plain_sizes(dtype: Any) -> tuple[float, float]:
    """The largest pixel of images that are not scaled is at least the first number, and below the second."""
    reach = 30 if dtype == np.float32 else 200
    return 2.0 ** (-reach - 1), 2.0**reach


def total(array: Array) -> float:
    """The sum in float64, in an order that depends on nothing but the shape (no BLAS)."""
    return float(np.sum(array, dtype=np.float64))
