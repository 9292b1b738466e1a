"""The answers to a batch: fields over the images, put in their places as they come."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..arrays.record import Record
from ..result import CollectedWarning

#: the status of an image that could not be worked with
BAD = -1
#: the fields over the images, and what they hold of one that could not be worked with
NUMBERS: dict[str, Any] = {
    "fun": math.nan,
    "gap": math.nan,
    "rel_gap": math.nan,
    "x_error_bound": math.inf,
    "certified": False,
    "success": False,
    "status": BAD,
    "nit": 0,
    "time": 0.0,
}
WORDS = ("message", "error", "method", "weight_rule")


class BatchResult(Record):
    """The answers of `proxsparse.solve_batch`: the fields of `SolveResult`, each an array over the images.

    Of a Dask array they are Dask arrays, which nothing computes before it is asked to: `compute` computes all at once.

    Attributes
    ----------
    x : ndarray or list of ndarray
        The images, one after the other along the first axis; a list where they differ in shape or type. NaN, in a list None,
        for an image that could not be worked with.
    fun, gap, rel_gap, x_error_bound : ndarray of float
        As in `SolveResult`.
    certified, success : ndarray of bool
        As in `SolveResult`.
    status, nit : ndarray of int
        As in `SolveResult`; status is -1 for an image that could not be worked with.
    message : list of str
        The statuses in words.
    error : list of str or None
        What was wrong with an image that could not be worked with; None for all others.
    method : list of str
        The algorithm that ran.
    time : ndarray of float
        Seconds; images that were worked together share theirs equally.
    weight : float, tuple or ndarray
        The weight of each part of the penalty; an array over the images where a rule chose them.
    weight_rule : list of str
        How the weight of each image was chosen; see `SolveResult`.
    """

    x: Any
    fun: Array
    gap: Array
    rel_gap: Array
    x_error_bound: Array
    certified: Array
    success: Array
    status: Array
    message: list[str]
    error: list[str | None]
    nit: Array
    method: list[str]
    time: Array
    weight: Any
    weight_rule: list[str]

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...

    def compute(self) -> BatchResult:
        """Return the same result with every Dask array computed, all in one go; itself where there is none."""
        lazy = {name: value for name, value in self.items() if hasattr(value, "dask")}
        if not lazy:
            return self
        import dask

        computed = dict(zip(lazy, dask.compute(*lazy.values()), strict=True))
        computed |= {name: computed[name].tolist() for name in WORDS}
        return BatchResult(**(dict(self) | computed))


def _named(raised: tuple[type[Exception], str], where: str) -> Exception:
    """The error with the image's name before its text; some kinds take no text."""
    kind, text = raised
    try:
        return kind(where + text)
    except TypeError:
        return RuntimeError(f"{where}{kind.__name__}: {text}")


class Answers:
    """The answers put in their places."""

    def __init__(self, n: int) -> None:
        self.found: list[tuple[Array, dict[str, Any]]] = []
        #: what was warned of, by the images
        self.said: list[CollectedWarning] = []
        self.n = n

    def put(self, index: Array, found: dict[str, Any]) -> None:
        """The answers to the images of these indices."""
        self.found.append((index, found))
        self.said += [(int(index[i]), message, category) for i, message, category in found["said"]]

    def result(self, weight: Any) -> BatchResult:
        """All of them; raises where there is none."""
        fields: dict[str, Any] = {}
        for name, bad in NUMBERS.items():
            fields[name] = np.full(self.n, bad)
        for name in WORDS:
            fields[name] = [None] * self.n
        for index, found in self.found:
            for name in NUMBERS:
                fields[name][index] = found[name]
            for name in WORDS:
                for i, word in zip(index.tolist(), found[name], strict=True):
                    fields[name][i] = word
        if (fields["status"] == BAD).all():
            index, found = min(self.found, key=lambda each: int(each[0][0]))
            raise _named(found["raised"], f"image {index[0]}: ")
        fields["weight"] = self._weights() if weight is None else weight
        return BatchResult(x=self._images(), **fields)

    def _weights(self) -> Array:
        shapes = [found["weight"].shape[1:] for _, found in self.found if found["weight"] is not None]
        weights = np.full((self.n, *shapes[0]), math.nan)
        for index, found in self.found:
            if found["weight"] is not None:
                weights[index] = found["weight"]
        return weights

    def _images(self) -> Any:
        kinds = {(found["x"].shape[1:], found["x"].dtype) for _, found in self.found if found["x"] is not None}
        if len(kinds) == 1:
            shape, dtype = kinds.pop()
            x = np.full((self.n, *shape), math.nan, dtype)
            while self.found:
                index, found = self.found.pop()
                if found["x"] is not None:
                    x[index] = found["x"]
            return x
        images: list[Array | None] = [None] * self.n
        for index, found in self.found:
            for place, i in enumerate(index.tolist()):
                if found["status"][place] != BAD:
                    images[i] = found["x"][place].copy()
        return images
