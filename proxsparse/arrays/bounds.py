"""Bounds on the image: lo <= x <= hi."""

from __future__ import annotations

from typing import Any

import numpy as np

from .layout import Layout
from .numbers import Array, as_float

Bound = Array | float | None


def canonical_bounds(bounds: Any, layout: Layout, dtype: Any) -> tuple[Bound, Bound]:
    """Return (lo, hi), each None, a float or an array (channels, *spatial) of that dtype; raise naming what is wrong."""
    if bounds is None:
        return None, None
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        raise ValueError(f"bounds must be a pair (lo, hi), got {bounds!r}")
    lo = _check(bounds[0], "lower bound", dtype)
    hi = _check(bounds[1], "upper bound", dtype)
    both = [_canonical(lo, "lower bound", layout), _canonical(hi, "upper bound", layout)]
    if lo is not None and hi is not None:
        crossed = np.argwhere(np.greater(lo, hi))
        if len(crossed):
            index = tuple(int(i) for i in crossed[0])
            low, high = (float(np.broadcast_to(b, np.broadcast(lo, hi).shape)[index]) for b in (lo, hi))
            raise ValueError(f"bounds cross: lower {low} > upper {high}" + (f" at index {index}" if index else ""))
    return both[0], both[1]


def _check(bound: Any, name: str, dtype: Any) -> Array | None:
    if bound is None:
        return None
    # rounded to the image's dtype once, so that the bounds mean the same everywhere
    value = as_float(bound, name).astype(dtype)
    if np.isnan(value).any():
        raise ValueError(f"{name} is NaN")
    if (value == (np.inf if name == "lower bound" else -np.inf)).any():
        raise ValueError(f"{name} is infinite on the wrong side: no image satisfies it")
    return value


def _canonical(bound: Array | None, name: str, layout: Layout) -> Bound:
    if bound is None:
        return None
    canonical = layout.into(bound, name) if bound.ndim else float(bound)
    return None if np.isinf(bound).all() else canonical
