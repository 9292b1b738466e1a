"""Colours or a volume, their dual and what is worked of them under total variation, laid out for the kernels.

How many iterations go together changes no bit of what is computed.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.layout import to_4d
from ..arrays.numbers import Array
from ..runtime.workers import Workers, short_calls
from . import total_variation_nd as kernels
from .planes import FREE, Limits, allocated, rounded, width_of
from .strips import sharing
from .total_variation_2d import MARGIN

#: most iterations that go down the units together, bytes of the units at work, and pixels times iterations of a call
_DEPTH, _CACHE, _PIXELS_PER_CALL = 8, 4 << 20, 1 << 23


class Units:
    """The state of Chambolle-Pock: x, the extrapolated xbar, the dual by axes, and y, see `total_variation_nd`."""

    spread = 1

    def __init__(self, x: Array, p: Array, y: Array, radius: Any, isotropic: bool, limits: Limits = None) -> None:
        channels, deep, down, self.columns = to_4d(x).shape
        # planes of a volume, else rows
        units, rows = (deep, down) if deep > 1 else (down, 1)
        self.dtype, self.anisotropic = x.dtype, None if isotropic else True
        self.limits = limits if limits != FREE else None
        self.layout = channels, units, rows, width_of(self.columns + 1, x.dtype)
        # 1 where a pixel has one to its right, and where there is a pixel
        mask = np.zeros((2, self.layout[3]), x.dtype)
        mask[0, : self.columns - 1] = mask[1, : self.columns] = 1
        self.mask = mask.reshape(-1)
        #: the axes of the dual to the next unit, row and column: negative, or None, where there are no such differences
        axes = len(p)
        self.axes = axes - 3 if deep > 1 else axes - 2, axes - 2 if rows > 1 else None, axes - 1
        self.radius = x.dtype.type(radius)
        self._allocate()
        self._write(self.x, x)
        self._write(self.y, y)
        for plane, axis in self._pairs():
            self._write(plane, p[axis])

    def _allocate(self) -> None:
        size, is_flat = int(np.prod(self.layout)) + self.layout[3] + 2 * MARGIN, self.layout[2] == 1
        self.x, self.xbar, self.y, *duals = allocated(5 if is_flat else 6, size, self.dtype)
        # what stands for a dual that there is not is never touched
        self.duals = [*duals, duals[0]] if is_flat else duals

    def _pairs(self) -> list[tuple[Array, int]]:
        """The duals and their axes."""
        to_unit, to_row, across = self.axes
        found = [(self.duals[0], to_unit), (self.duals[1], across)]
        if to_row is not None:
            found.append((self.duals[2], to_row))
        return [(plane, axis) for plane, axis in found if axis >= 0]

    def _pixels(self, flat: Array) -> Array:
        return flat[MARGIN + self.layout[3] : -MARGIN].reshape(self.layout)[..., : self.columns]

    def _write(self, flat: Array, image: Array) -> None:
        self._pixels(flat)[...] = image.reshape(*self.layout[:3], self.columns)

    def read(self, x: Array, p: Array) -> None:
        """Write the image and its dual into arrays of the user's shapes, the dual 0 so far."""
        x[...] = self._pixels(self.x).reshape(x.shape)
        for plane, axis in self._pairs():
            p[axis] = self._pixels(plane).reshape(x.shape)

    @property
    def rows(self) -> int:
        """See `strips.InRows`: the units."""
        return int(self.layout[1])

    @property
    def size(self) -> int:
        """See `strips.InRows`."""
        return int(np.prod(self.layout))

    def part(self, rows: int) -> Units:
        """See `strips.InRows`."""
        made = copy.copy(self)
        made.layout = (self.layout[0], rows, *self.layout[2:])
        made._allocate()
        return made

    def take(self, other: Units, begin: int, stop: int, start: int, whole: bool) -> None:
        """See `strips.InRows`; the extrapolation is made anew."""
        many = 3 if self.layout[2] > 1 else 2
        own, its = ((one.x, *one.duals[:many], *((one.y,) if whole else ())) for one in (self, other))
        for to, origin in zip(own, its, strict=True):
            self._pixels(to)[:, begin:stop] = other._pixels(origin)[:, start : start + stop - begin]

    def sweep(self, steps: Array, first: int, last: int) -> None:
        """Iterations in place on some units, one a row of `steps`, see `kernels.sweep`."""
        channels, _, rows, width = self.layout
        size = channels * rows * width
        depth = max(1, min(_DEPTH, _CACHE // (6 * size * self.dtype.itemsize)))
        to_unit, across, to_row = self.duals
        settings = self.x, self.xbar, to_unit, to_row, across, self.y, self.mask, self.layout, self.radius
        for k in range(0, len(steps), depth):
            some = steps[k : k + depth]
            end = last - first + 1 + 2 * (len(some) - 1)
            for begin, stop in short_calls(end, size * len(some), _PIXELS_PER_CALL):
                kernels.sweep(*settings, rounded(self.limits, self.dtype), self.anisotropic, some, first, last, begin, stop)

    def sums(self, weight: float, workers: Workers) -> list[float]:
        """The five sums of `kernels.certificate`."""
        channels, units, rows, width = self.layout
        to_unit, across, to_row = self.duals
        sums, settings = np.empty((units, 5)), (self.x, to_unit, to_row, across, self.y, self.mask, self.layout)
        size = channels * rows * width
        # some for every worker
        parts = short_calls(units, size, min(_PIXELS_PER_CALL // 4, -(-units // sharing(self.size, workers)) * size))
        certify = functools.partial(kernels.certificate, sums, *settings, weight, self.limits, self.anisotropic)
        workers.run([functools.partial(certify, begin, stop) for begin, stop in parts])
        return sums.sum(axis=0).tolist()  # type: ignore[no-any-return]

    def save(self) -> Any:
        """The state, for `restore` to go back to; the extrapolation is made anew."""
        return [array.copy() for array in (self.x, *self.duals)]

    def restore(self, state: Sequence[Array]) -> None:
        """Go back."""
        for array, kept in zip((self.x, *self.duals), state, strict=True):
            array[...] = kept
