"""A gray image, its dual and what is worked of them under total variation, laid out for the kernels of two dimensions.

How rows are cut, for caches and workers, changes no bit of what is computed.
"""

from __future__ import annotations

import collections
import copy
import functools
import itertools
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..runtime.workers import Workers
from . import total_variation_2d as kernels
from . import whole_runs
from ._jit import at_hand
from .strips import sharing
from .total_variation_2d import MARGIN

#: bytes of x, p and y from which on several iterations go down the rows together: their number, and the rows of a band
_TOGETHER = ((6 << 20, 16, 4), (1 << 20, 8, 4))
#: bytes of the rows at work in that case
_CACHE = 640 << 10
#: most pixels times iterations in one call of the kernel, some 20 ms
_PIXELS_PER_CALL = 1 << 25

#: memory of the last solves: to be given pages by the system anew takes a small solve a fifth of its time
_SPARE: collections.deque[Array] = collections.deque(maxlen=4)
#: the most bytes of it that are kept
_MOST_SPARE = 9 << 20

#: soft, lo, hi; None where there are none
Limits = tuple[float, float, float] | None
#: limits that are none
FREE: Limits = (0.0, -np.inf, np.inf)


def fits(shape: tuple[int, ...]) -> bool:
    """Whether images (channels, *spatial) of that shape are gray images of two rows or more."""
    return len(shape) >= 3 and shape[-2] > 1 and all(n == 1 for n in shape[:-2])


@functools.lru_cache(maxsize=16)
def _mask(columns: int, width: int, free_column: bool, dtype: Any) -> Array:
    """1 where a pixel of a row has a difference across, a difference down, and where there is a pixel."""
    mask = np.zeros((3, width), dtype)
    mask[0, : columns - 1] = 1
    mask[1, : columns - free_column] = 1
    mask[2, :columns] = 1
    mask = mask.reshape(-1)
    mask.flags.writeable = False
    return mask


def _popped() -> tuple[Array, int]:
    """The oldest of the memory that is kept, and how many references to it there are here."""
    raw = _SPARE.popleft()
    return raw, sys.getrefcount(raw)


# as many as this version of Python has of an array that nothing else knows
_SPARE.append(np.zeros(0, np.uint8))
_ALONE = _popped()[1]


def _memory(size: int) -> Array:
    """Bytes that are 0: those of an earlier solve that nothing looks at any more, where there are some."""
    for _ in range(len(_SPARE)):
        try:
            raw, references = _popped()
        except IndexError:
            # another thread has them
            break
        _SPARE.append(raw)
        if raw.size == size and references == _ALONE:
            raw[...] = 0
            return raw
    raw = np.zeros(size, np.uint8)
    if size <= _MOST_SPARE:
        _SPARE.append(raw)
    return raw


def allocated(many: int, size: int, dtype: np.dtype[Any]) -> list[Array]:
    """Planes of zeros whose rows begin at whole vectors, and at another place of the cache than those of the other planes."""
    item = dtype.itemsize
    # what lies a multiple of a page apart is one place to the cache
    apart = -(-size * item // 4096) * 4096 + 832 if size * item > 4096 else -(-size * item // 64) * 64
    raw = _memory(many * apart + 64)
    begin = -raw.__array_interface__["data"][0] % 64
    memory, apart = raw[begin : begin + many * apart].view(dtype), apart // item
    return [memory[i * apart : i * apart + size] for i in range(many)]


def rounded(limits: Limits, dtype: np.dtype[Any]) -> tuple[Any, ...] | None:
    """The limits in the type that the sweep works in."""
    return None if limits is None else tuple(dtype.type(v) for v in limits)


def width_of(columns: int, dtype: np.dtype[Any]) -> int:
    """The columns of a plane: whole vectors."""
    lanes = 64 // dtype.itemsize
    return -(-columns // lanes) * lanes


def whole_run(
    shape: tuple[int, ...], dtype: np.dtype[Any], isotropic: bool, radius: float, weight: float, limits: Limits
) -> Callable[..., bool]:
    """`whole_runs.total_variation` for images of this shape: its arguments up to the memory, which each such function has.

    Given with `asking` it says whether to call it compiles nothing.
    """
    rows, columns = shape[-2:]
    width = width_of(columns, dtype)
    x, down, across, y, *copies = allocated(7, rows * width + 2 * MARGIN, dtype)
    ring, sums, now = np.zeros(2 * (width + MARGIN), dtype), np.empty((rows, 5)), np.zeros(whole_runs.FIELDS)
    limits = limits if limits != FREE else None
    mask, anisotropic = _mask(columns, width, False, dtype), None if isotropic else True
    planes, kept = (x, down, across, y), (*copies, y)
    settings = (
        planes,
        kept,
        ring,
        sums,
        now,
        mask,
        width,
        dtype.type(radius),
        rounded(limits, dtype),
        anisotropic,
        weight,
        limits,
    )

    def run(*images_to_budget: Any, asking: bool = False) -> bool:
        kernel = whole_runs.total_variation
        if asking:
            return at_hand(kernel, *images_to_budget, *settings)
        return bool(kernel(*images_to_budget, *settings))

    return run


class Planes:
    """The state of Chambolle-Pock on a gray image: x, y and the dual p = (down, across), each a plane of the kernels."""

    spread = 1

    def __init__(
        self,
        x: Array,
        p: Array,
        y: Array,
        radius: Any,
        isotropic: bool,
        without_dual: tuple[bool, bool] = (False, False),
        scales: Array | None = None,
        limits: Limits = None,
        form: tuple[Any, ...] | None = None,
    ) -> None:
        self.shape = int(x.shape[-2]), int(x.shape[-1])
        self.dtype, self.radius = x.dtype, x.dtype.type(radius)
        self.anisotropic = None if isotropic else True
        self.inner = without_dual[0] if any(without_dual) else None
        self.limits = limits if limits != FREE else None
        self.width = width_of(self.shape[1], x.dtype)
        self.mask = _mask(self.shape[1], self.width, without_dual[1], x.dtype)
        given = [x, p[-2], p[-1], y]
        self.planes = allocated(4, self._size(self.rows), x.dtype)
        for plane, array in zip(self.planes, given, strict=True):
            self._image(plane)[...] = array.reshape(self.rows, self.shape[1])
        #: the data term where it is not 1/2 ||x - y||^2, see `data_steps`
        self.form = None if form is None else self._form(*form)
        #: the factors of the differences, and for the certificate in float64
        self.scales = self.factors = None if scales is None else self._factors(scales, x.dtype)
        if scales is not None and x.dtype != np.float64:
            self.factors = self._factors(scales, np.dtype(np.float64))

    def _factors(self, scales: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        down, across = allocated(2, self._size(self.rows), dtype)
        self._image(down)[...], self._image(across)[...] = scales
        return down, across

    def _form(self, m: Array | None, *numbers: Any) -> tuple[Any, ...]:
        """The form with its weights as a plane, and its numbers in the type of the image."""
        scalars = [number if number is None or number is True else self.dtype.type(number) for number in numbers]
        if m is None:
            return (None, *scalars)
        (plane,) = allocated(1, self._size(self.rows), self.dtype)
        self._image(plane)[...] = m.reshape(self.rows, self.shape[1])
        return (plane, *scalars)

    def _size(self, rows: int) -> int:
        return rows * self.width + 2 * MARGIN

    def _image(self, plane: Array) -> Array:
        """The pixels of a plane."""
        return plane[MARGIN:-MARGIN].reshape(-1, self.width)[:, : self.shape[1]]

    def write(self, x: Array, p: Array) -> None:
        """Write the image and its dual (down, across) into arrays of two axes, and of three."""
        x[...] = self._image(self.planes[0])
        for out, plane in zip(p, self.planes[1:], strict=False):
            out[...] = self._image(plane)

    # -- iterations ------------------------------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        """See `strips.InRows`."""
        return self.shape[0]

    @property
    def size(self) -> int:
        """See `strips.InRows`."""
        return self.rows * self.width

    def part(self, rows: int) -> Planes:
        """See `strips.InRows`."""
        made = copy.copy(self)
        made.shape = rows, self.shape[1]
        made.planes = allocated(4, made._size(rows), self.dtype)
        if self.scales is not None:
            down, across = allocated(2, made._size(rows), self.dtype)
            made.scales = down, across
        if self.form is not None and self.form[0] is not None:
            made.form = (*allocated(1, made._size(rows), self.dtype), *self.form[1:])
        return made

    def take(self, other: Planes, begin: int, stop: int, start: int, whole: bool) -> None:
        """See `strips.InRows`."""
        for own, its in zip(self._all(whole), other._all(whole), strict=True):
            self._image(own)[begin:stop] = self._image(its)[start : start + stop - begin]

    def _all(self, whole: bool) -> list[Array]:
        """The planes that are worked, and those that are given too where that is `whole`."""
        if not whole:
            return self.planes[:3]
        given = [] if self.form is None or self.form[0] is None else [self.form[0]]
        return [*self.planes, *(self.scales or ()), *given]

    def sweep(self, steps: Array, first: int, last: int) -> None:
        """Iterations in place on some rows, one a row of `steps`, see `kernels.sweep`; in calls that stay short."""
        x, down, across, y = (self._strip(plane, first, last) for plane in self.planes)
        scales = None if self.scales is None else tuple(self._strip(plane, first, last) for plane in self.scales)
        form = self.form
        if form is not None and form[0] is not None:
            form = (self._strip(form[0], first, last), *form[1:])
        limits = rounded(self.limits, self.dtype)
        settings = self.mask, self.width, self.radius, limits, form, self.anisotropic, self.inner
        rows, pixels = last - first, (last - first) * self.width
        bytes_of_row = (4 if scales is None else 6) * self.width * x.itemsize
        depth, band, together = 1, max(1, 4096 // self.width), max(1, _PIXELS_PER_CALL // pixels)
        for least, at_once, rows_of_band in _TOGETHER:
            if rows * bytes_of_row > least:
                band = rows_of_band
                depth = together = min(max(1, min(at_once, _CACHE // bytes_of_row - band)), len(steps))
                break
        ring = np.zeros(2 * min(depth, len(steps)) * (self.width + MARGIN), self.dtype)
        for done in range(0, len(steps), together):
            some = steps[done : done + together]
            bands = -(-(rows + min(depth, len(some)) - 1) // band)
            # only iterations that go down the rows together can stop half way
            at_once = bands if len(some) > depth else max(1, _PIXELS_PER_CALL // (band * self.width * len(some)))
            for begin in range(0, bands, at_once):
                end = min(begin + at_once, bands)
                kernels.sweep(x, down, across, y, scales, ring, *settings, some, depth, band, begin, end)

    def _strip(self, plane: Array, first: int, last: int) -> Array:
        """The rows of a plane, with margins."""
        return plane[first * self.width : last * self.width + 2 * MARGIN]

    # -- the certificate -------------------------------------------------------------------------------------------

    def sums(self, weight: float, workers: Workers) -> list[float]:
        """The five sums of `kernels.certificate` over the image."""
        sums = np.empty((self.rows, 5))
        x, down, across, y = self.planes
        certify = functools.partial(
            kernels.certificate, sums, x, down, across, y, self.factors, self.mask, self.width, weight, self.limits,
            self.anisotropic, self.inner,
        )  # fmt: skip
        # calls that stay short, and some for every worker
        parts = min(max(sharing(self.size, workers), -(-2 * x.size // _PIXELS_PER_CALL)), self.rows)
        cuts = [self.rows * i // parts for i in range(parts + 1)]
        workers.run([functools.partial(certify, a, b) for a, b in itertools.pairwise(cuts)])
        return sums.sum(axis=0).tolist()  # type: ignore[no-any-return]
