"""Planes for kernels that look at all neighbours of a pixel: zeros around the rows of a gray image, which stay 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.numbers import Array
from .planes import allocated, width_of
from .total_variation_2d import MARGIN


class Padded:
    """So many planes of one shape: a row of zeros above and below, a column of zeros at least behind each row."""

    def __init__(self, many: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.rows, self.columns = shape
        self.width = width_of(self.columns + 1, dtype)
        self.planes = allocated(many, (self.rows + 2) * self.width + 2 * MARGIN, dtype)
        #: 1 where there is a pixel to the right, on both sides, to the left, and where there is one
        mask = np.zeros((4, self.width), dtype)
        mask[3, : self.columns] = 1
        mask[0, : self.columns - 1] = mask[1, 1 : self.columns - 1] = mask[2, 1 : self.columns] = 1
        self.mask = mask.reshape(-1)

    @property
    def size(self) -> int:
        """See `strips.InRows`."""
        return self.rows * self.width

    def take(self, other: Padded, begin: int, stop: int, start: int, planes: int) -> None:
        """Rows `begin` to `stop` of so many planes are those of another from `start` on."""
        for own, its in zip(self.images(0, planes), other.images(0, planes), strict=True):
            own[begin:stop] = its[start : start + stop - begin]

    def strip(self, first: int, last: int) -> list[Array]:
        """The rows of all planes, with the row above and the row below."""
        return [plane[first * self.width : (last + 2) * self.width + 2 * MARGIN] for plane in self.planes]

    def images(self, first: int, last: int) -> list[Array]:
        """The pixels of some of the planes."""
        flat = [plane[MARGIN:-MARGIN].reshape(-1, self.width) for plane in self.planes[first:last]]
        return [plane[1:-1, : self.columns] for plane in flat]

    def write(self, first: int, arrays: Any) -> None:
        """Write arrays into the planes from that one on."""
        for image, array in zip(self.images(first, first + len(arrays)), arrays, strict=True):
            image[...] = array
