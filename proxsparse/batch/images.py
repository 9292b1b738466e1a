"""The images of a batch, read piece by piece and solved, each where it stands."""

from __future__ import annotations

import collections
import functools
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .._solve import solve_quietly
from ..arrays.numbers import Array, as_float, has_slices
from ..problems.spec import ProblemSpec
from ..result import MESSAGES, collect_warnings
from ..runtime.workers import SERIAL, Workers
from .result import NUMBERS
from .small import solve_small

#: indices of images, and what reads them
Piece = tuple[Array, Callable[[], Any]]


class Stacks:
    """The images: stacked along the first axis of an array, or a list, whose images of one shape and type are stacked."""

    def __init__(self, images: Any) -> None:
        if isinstance(images, (list, tuple)):
            self.given: Any = [_array(images, i) for i in range(len(images))]
            stacks = collections.defaultdict(list)
            for i, image in enumerate(self.given):
                stacks[image.shape, image.dtype, type(image)].append(i)
            self.stacks = [np.array(index) for index in stacks.values()]
        else:
            self.given = images if has_slices(images) else np.asarray(images)
            as_float(images[:0] if isinstance(images, np.ma.MaskedArray) else np.zeros(0, self.given.dtype), "images")
            self.stacks = [np.arange(self.given.shape[0])] if len(self.given.shape) > 1 else []
        if not len(self):
            raise ValueError(f"images must be at least one image along the first axis, got shape {np.shape(self.given)}")

    def __len__(self) -> int:
        return sum(len(index) for index in self.stacks)

    @property
    def dtypes(self) -> set[Any]:
        """The types of the images."""
        return {image.dtype for image in self.given} if isinstance(self.given, list) else {self.given.dtype}

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of the images of each stack."""
        if isinstance(self.given, list):
            return [self.given[index[0]].shape for index in self.stacks]
        return [self.given.shape[1:] for _ in self.stacks]

    def pieces(self, pixels: int, most: int) -> list[Piece]:
        """Indices, and what reads their images stacked: no more than so many pixels and so many images at a time."""
        pieces: list[Piece] = []
        for index in self.stacks:
            shape = self.given[index[0]].shape if isinstance(self.given, list) else self.given.shape[1:]
            at_once = max(1, min(most, pixels // max(math.prod(shape), 1)))
            for first in range(0, len(index), at_once):
                some = index[first : first + at_once]
                pieces.append((some, functools.partial(self._stacked, some)))
        return pieces

    def _stacked(self, index: Array) -> Any:
        if not isinstance(self.given, list):
            try:
                return np.asarray(self.given[int(index[0]) : int(index[-1]) + 1])
            except Exception:
                # one by one, so that only those are lost that cannot be read
                return [_array(self.given, int(i)) for i in index]
        images = [self.given[i] for i in index]
        return np.stack(images) if type(images[0]) is np.ndarray else images


class Unreadable:
    """Stands where an image should, and holds what became of it."""

    def __init__(self, error: Exception) -> None:
        self.error, self.shape, self.dtype = error, (), np.dtype(object)


def _array(images: Any, i: int) -> Any:
    """The image as an array, or as what it could not be read for."""
    try:
        image = images[i]
        # a mask is refused, not lost
        return image if isinstance(image, np.ma.MaskedArray) else np.asarray(image)
    except Exception as error:
        return Unreadable(error)


#: pixels from which on threads share images: of smaller ones most of the time is Python's, which one thread has at a time
_SHARED = 1 << 14


def pays_to_share(shape: tuple[int, ...]) -> bool:
    """Whether threads that share images of this shape, each solved by itself, are faster than one."""
    return math.prod(shape) >= _SHARED


def solve_some(images: Any, chosen: Any, spec: ProblemSpec, search: dict[str, Any], workers: int) -> dict[str, Any]:
    """The fields of the answers to these images, of one shape and type; x and weight are None where there is no answer."""
    n = len(images)
    found: dict[str, Any] = {name: np.full(n, bad) for name, bad in NUMBERS.items()}
    found |= {"x": None, "method": [""] * n, "error": [None] * n, "weight": None, "raised": None, "said": []}
    found["message"] = [None] * n
    found["weight_rule"] = [search.get("rule", "given")] * n
    begin, left = time.perf_counter(), np.arange(n)
    with Workers(workers) as pool:
        if isinstance(images, np.ndarray):
            others = solve_small(spec.replace(image=images), chosen, pool, search, found)
            if others is not None:
                left = others
                found["time"][:] = (time.perf_counter() - begin) / n
        calls = [functools.partial(_solve_one, spec, images[i], i, n, chosen, search, found) for i in left.tolist()]
        while calls and found["x"] is None:
            # the first says how large answers are
            calls.pop(0)()
        (pool if pays_to_share(np.shape(images[0])) else SERIAL).run(calls)
    found["message"] = [
        told or MESSAGES[status] for told, status in zip(found["message"], found["status"].tolist(), strict=True)
    ]
    return found


def _solve_one(
    spec: ProblemSpec, image: Any, i: int, n: int, chosen: Any, search: dict[str, Any], found: dict[str, Any]
) -> None:
    """Solve one of n images, and put what comes of it in its place."""
    try:
        if isinstance(image, Unreadable):
            raise image.error
        with collect_warnings(found["said"], i):
            one = solve_quietly(spec.replace(image=image), chosen, **search)
    except Exception as error:
        # whatever it is, the others are not lost; where all fail it is raised
        found["error"][i] = f"{type(error).__name__}: {error}"
        found["method"][i] = ""
        for name, bad in NUMBERS.items():
            found[name][i] = bad
        if found["x"] is not None:
            found["x"][i] = math.nan
        found["raised"] = found["raised"] or (type(error), str(error))
        return
    if found["x"] is None:
        found["x"] = np.full((n, *one.x.shape), math.nan, one.x.dtype)
    for name in ("x", *NUMBERS, "method", "message"):
        found[name][i] = one[name]
    if "rule" in search:
        if found["weight"] is None:
            found["weight"] = np.full((n, *np.shape(one.weight)), math.nan)
        found["weight"][i], found["weight_rule"][i] = one.weight, one.weight_rule
