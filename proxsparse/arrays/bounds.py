"""Bounds on the image: lo <= x <= hi."""

from __future__ import annotations

from typing import Any

import numpy as np

from .layout import to_canonical
from .numbers import Array, as_float

Bound = Array | float | None


def canonical_bounds(bounds: Any, shape: tuple[int, ...], dtype: Any, channel_axis: int | None) -> tuple[Bound, Bound]:
    """Return (lo, hi), each None, a float or an array (channels, *spatial) of that dtype; raise naming what is wrong."""
    if bounds is None:
        return None, None
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ValueError(f"bounds must be a pair (lo, hi), got {bounds!r}")
    lo = _check(bounds[0], "lower", shape, dtype)
    hi = _check(bounds[1], "upper", shape, dtype)
    if lo is not None and hi is not None:
        crossed = np.argwhere(np.greater(lo, hi))
        if len(crossed):
            index = tuple(int(i) for i in crossed[0])
            low, high = (float(np.broadcast_to(b, np.broadcast(lo, hi).shape)[index]) for b in (lo, hi))
            raise ValueError(f"bounds cross: lower {low} > upper {high}" + (f" at index {index}" if index else ""))
    return _canonical(lo, channel_axis), _canonical(hi, channel_axis)


def _check(bound: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Array | None:
    if bound is None:
        return None
    # rounded to the image's dtype once, so that the bounds mean the same everywhere
    value = as_float(bound, f"{name} bound").astype(dtype)
    if np.isnan(value).any():
        raise ValueError(f"{name} bound is NaN")
    if (value == (np.inf if name == "lower" else -np.inf)).any():
        raise ValueError(f"{name} bound is infinite on the wrong side: no image satisfies it")
    if value.ndim and value.shape != shape:
        raise ValueError(f"{name} bound has shape {value.shape}, the image {shape}")
    return value


def _canonical(bound: Array | None, channel_axis: int | None) -> Bound:
    if bound is None or np.isinf(bound).all():
        return None
    return to_canonical(bound, channel_axis) if bound.ndim else float(bound)
