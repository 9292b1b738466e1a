"""What each method accepts in `options`; anything else is an error that names the nearest."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Callable
from typing import Any

from ..arrays.checks import unknown
from ..arrays.numbers import as_scalar


@dataclasses.dataclass(frozen=True)
class Options:
    """What the driver reads; `method` holds the rest, for the algorithm."""

    maxiter: int = 5000
    maxtime: float = math.inf
    check_every: int | None = None
    history: bool = True
    disp: bool = False
    workers: int = 1
    method: dict[str, Any] = dataclasses.field(default_factory=dict)


def _positive(name: str, value: Any, least: float = 0.0, strict: bool = True) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"option {name} must be a number, got {value!r}")
    if math.isnan(value) or value < least or (strict and value == least):
        raise ValueError(f"option {name} must be {'>' if strict else '>='} {least:g}, got {value!r}")
    return float(value)


def integer(name: str, value: Any, least: float = -math.inf) -> int:
    """Return an integer >= least, else raise naming the value."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be >= {least}, got {value!r}")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"option {name} must be True or False, got {value!r}")
    return value


def _relaxation(name: str, value: Any) -> float:
    relaxation = _positive(name, value)
    if relaxation >= 2:
        raise ValueError(f"option {name} must be < 2, got {value!r}")
    return relaxation


def _threads(name: str, value: Any) -> int:
    """How many threads: as many as the process may use cores for -1, one for None."""
    if value is None:
        return 1
    if not isinstance(value, bool) and value == -1:
        # not all that the machine has, where the process may use fewer
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return integer(f"option {name}", value, 1)
    except ValueError as error:
        raise ValueError(f"{error}; -1 stands for all cores") from None


_Check = Callable[[str, Any], Any]
_DRIVER: dict[str, _Check] = {
    "maxiter": lambda name, v: integer(f"option {name}", v, 0),
    "maxtime": _positive,
    "check_every": lambda name, v: integer(f"option {name}", v, 1),
    "history": _flag,
    "disp": _flag,
    "workers": _threads,
}
_METHODS: dict[str, dict[str, _Check]] = {
    "fista": {"step": _positive, "backtracking": _flag, "restart": _flag},
    "admm": {"rho": _positive, "adapt": _flag, "relaxation": _relaxation},
    "chambolle-pock": {"tau": _positive, "gamma": lambda name, v: _positive(name, v, strict=False)},
    "exact": {},
}
METHODS = ("auto", *_METHODS)


def parse(method: str, options: Any) -> Options:
    """Check the options for a method (not "auto") and return them; None means the default throughout.

    Raises
    ------
    TypeError, ValueError
        Naming the option, the value, and for an unknown name the nearest known one.
    """
    if options is None:
        return Options()
    if not isinstance(options, dict):
        raise TypeError(f"options must be a dict, got {options!r}")
    driver: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, value in options.items():
        known = {**_DRIVER, **_METHODS[method]}
        if name not in known:
            elsewhere = [m for m, names in _METHODS.items() if name in names]
            if elsewhere:
                raise ValueError(f"option {name!r} belongs to method {elsewhere[0]!r}, not to {method!r}")
            raise unknown("option", name, known)
        value = as_scalar(value)
        if value is not None:
            (driver if name in _DRIVER else own)[name] = known[name](name, value)
    return Options(**driver, method=own)
