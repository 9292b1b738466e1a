"""Checks of the numbers, weights, sizes and distances that a user gives."""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from .numbers import Array, as_float, as_scalar, require_finite


def unknown(kind: str, value: object, known: Iterable[str]) -> ValueError:
    """Return the ValueError for a name that is not known, with the nearest that is."""
    names = list(known)
    near = difflib.get_close_matches(str(value), names, 1, 0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(map(repr, sorted(names)))}"
    return ValueError(f"unknown {kind} {value!r}; {hint}")


#: arguments of other packages, and what they are here
_ELSEWHERE = {
    "lam": "weight=",
    "lamda": "weight=",
    "lambda_": "weight=",
    "alpha": "weight=",
    "mask": "observed=, True where a pixel was measured",
    "maxiter": "options={'maxiter': ...}",
    "max_iter": "options={'maxiter': ...}",
    "max_num_iter": "options={'maxiter': ...}",
    "n_iter": "options={'maxiter': ...}",
    "disp": "options={'disp': True}",
    "verbose": "options={'disp': True}",
    "eps": "tol=, the relative duality gap",
    "multichannel": "channel_axis=-1",
    "sigma": "noise_std=",
}
_P = ParamSpec("_P")
_R = TypeVar("_R")


def explained(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, which says what arguments of other packages are called here."""
    known = inspect.signature(function).parameters
    foreign = {name: ours for name, ours in _ELSEWHERE.items() if name not in known}

    @functools.wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        for name in kwargs:
            if name in foreign:
                raise TypeError(f"{function.__name__}() has no argument {name!r}: here it is {foreign[name]}")
        return function(*args, **kwargs)

    return call


def check_number(value: Any, name: str) -> float:
    """Return a finite number >= 0 as a float, else raise naming the value."""
    value = as_scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")
    return number


def check_weight(weight: Any) -> float:
    """Return a valid weight as a float, else raise naming the value."""
    return check_number(weight, "weight")


def check_sizes(value: Any, name: str) -> tuple[int, ...]:
    """Return one to three integers >= 1 as a tuple, else raise naming the value."""
    value = as_scalar(value)
    values = value if isinstance(value, (tuple, list, np.ndarray)) else (value,)
    if not 1 <= len(values) <= 3 or any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) for v in values):
        raise TypeError(f"{name} must be one to three integers, got {value!r}")
    if min(values) < 1:
        raise ValueError(f"{name} must be >= 1, got {value!r}")
    return tuple(int(v) for v in values)


def per_axis(value: Any, axes: int, name: str) -> tuple[Any, ...]:
    """A checked number, or one an axis, as one an axis of the image; in plain Python, for tracers."""
    values = value if isinstance(value, tuple) else (value,)
    if len(values) not in (1, axes):
        raise ValueError(f"{name} {value!r} has {len(values)} axes, the image {axes}")
    return values if len(values) == axes else values * axes


def check_spacing(value: Any) -> float | tuple[float, ...] | None:
    """Return a length > 0 or one an axis, or None where all are 1, else raise naming the value."""
    if value is None:
        return None
    value = as_scalar(value)
    values = value if isinstance(value, (tuple, list, np.ndarray)) else (value,)
    if not 1 <= len(values) <= 3 or any(isinstance(v, (bool, np.bool_)) or not isinstance(v, numbers.Real) for v in values):
        raise TypeError(f"spacing must be one to three numbers, got {value!r}")
    if not all(math.isfinite(v) and v > 0 for v in values):
        raise ValueError(f"spacing must be finite and > 0, got {value!r}")
    lengths = tuple(float(v) for v in values)
    # of 1 it is none, and takes the kernels
    return None if set(lengths) == {1.0} else lengths if len(lengths) > 1 else lengths[0]


def inverse_spacing(spacing: float | tuple[float, ...] | None, axes: int) -> Array | None:
    """Return 1 / spacing for each axis, the factors of differences; None where all are 1."""
    return None if spacing is None else 1.0 / np.array(per_axis(spacing, axes, "spacing"))


def representable(weight: float, dtype: np.dtype[Any]) -> Any:
    """The weight as a number of the dtype: one that it cannot hold means the same as any other beyond reach."""
    return dtype.type(min(weight, float(np.finfo(dtype).max) / 4))


def check_pixel_weight(value: Any, name: str = "pixel_weight") -> Array:
    """Return numbers >= 0 as a read-only copy in float64, else raise naming the value."""
    weights = np.array(as_float(value, name), np.float64)
    require_finite(weights, name)
    if (weights < 0).any():
        raise ValueError(f"{name} must be >= 0, got {weights.min()}")
    weights.flags.writeable = False
    return weights


def check_group_weight(value: Any) -> Array | str | None:
    """Return None, "sqrt" or numbers >= 0 as a read-only copy, else raise naming the value."""
    if isinstance(value, str) and value != "sqrt":
        raise ValueError(f"group_weight must be None, 'sqrt' or numbers, got {value!r}")
    return value if value is None or isinstance(value, str) else check_pixel_weight(value, "group_weight")
