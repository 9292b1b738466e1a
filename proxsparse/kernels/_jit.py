"""The one way kernels are compiled."""

from collections.abc import Callable
from typing import Any

import numba

Function = Callable[..., Any]


def jit(function: Function) -> Function:
    """Compile lazily, without the GIL, with NumPy's division, cached on disk where a cache can be written."""
    # Python's ZeroDivisionError check would keep every loop with a division from being vectorised.
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    return _compile(function, options)


def jit_sum(function: Function) -> Function:
    """As `jit`, for loops that add up: sums may be reordered (NaN and infinity still propagate)."""
    return _compile(function, {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "nsz"}})


def _compile(function: Function, options: dict[str, Any]) -> Function:
    try:
        return numba.njit(cache=True, **options)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no place for a cache can be written: compile in memory
        return numba.njit(**options)(function)  # type: ignore[no-any-return]
