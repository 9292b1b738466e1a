"""How an image is cut into blocks that overlap, and which groups of a penalty belong to which pixels."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.term import Partition, Term

#: pixels from start to stop along each spatial axis
Region = tuple[slice, ...]


def crop(region: Region, outer: Region) -> Region:
    """The region in the coordinates of one that holds it."""
    return tuple([slice(a.start - b.start, a.stop - b.start) for a, b in zip(region, outer, strict=True)])


def last_axes(region: Region) -> Any:
    """The index of the region along the last axes."""
    return (..., *region)


def shape_of(region: Region) -> tuple[int, ...]:
    """Pixels along each axis."""
    return tuple([part.stop - part.start for part in region])


def _from_0(region: Region) -> Region:
    return tuple([slice(0, part.stop - part.start) for part in region])


class Part:
    """A part of the penalty on images (channels, *spatial) of one shape: where its groups stand among the pixels."""

    def __init__(self, partition: Partition, shape: tuple[int, ...]) -> None:
        self.penalty, self.grid, self.shape = partition.penalty, partition.grid, shape
        self._within, term = partition.within, partition.penalty.bind(shape)
        # work on a block asks for the same few again and again
        self._bound = functools.lru_cache(maxsize=64)(self._bind)
        #: the parts that are w|x| pixel by pixel are solved with the data and have no dual of their own
        self.has_dual = term.threshold is None
        self.dual_shape = term.dual_shape

    def on(self, region: Region) -> Term:
        """The penalty of the groups that lie wholly inside, on images of the region."""
        return self._bound(*[(part.start, part.stop) for part in region])

    def _bind(self, *ends: tuple[int, int]) -> Term:
        region = tuple([slice(start, stop) for start, stop in ends])
        return self._within(region).bind((self.shape[0], *shape_of(region)))

    def inside(self, region: Region) -> Region:
        """The groups that lie wholly inside, by their indices."""
        groups = []
        for part, (size, stride), n, m in zip(region, self.grid, self.shape[1:], self.dual_shape[2:], strict=True):
            last = m if part.stop == n else (part.stop - size) // stride + 1
            groups.append(slice(part.start // stride, last))
        return tuple(groups)

    def touched(self, region: Region) -> Region:
        """The pixels of all groups that share a pixel with the region."""
        pixels = []
        for part, (size, stride), n in zip(region, self.grid, self.shape[1:], strict=True):
            first = max(0, (part.start - size) // stride + 1)
            last = (part.stop - 1) // stride
            pixels.append(slice(first * stride, min(last * stride + size, n)))
        return tuple(pixels)

    def beginning(self, block: Region) -> Region:
        """The pixels of the groups whose first pixel lies in the block."""
        ends = zip(block, self.grid, self.shape[1:], strict=True)
        return tuple([slice(part.start, min(part.stop - stride + size, n)) for part, (size, stride), n in ends])

    def dual_on(self, dual: Array, region: Region) -> Array:
        """The dual of `on(region)`: a copy of that of the image, 0 where a pixel of the region begins no group inside."""
        groups = self.inside(region)
        p = np.zeros(self.on(region).dual_shape, dual.dtype)
        p[last_axes(_from_0(groups))] = dual[last_axes(groups)]
        return p

    def put(self, dual: Array, region: Region, p: Array) -> None:
        """Write the dual of `on(region)` into that of the image."""
        groups = self.inside(region)
        dual[last_axes(groups)] = p[last_axes(_from_0(groups))]

    def add_adjoint(self, out: Array, dual: Array, region: Region, without: Region | None = None) -> None:
        """Out, an image of the region, += K^T p there; only by the groups that do not lie wholly inside `without`."""
        near = self.touched(region)
        p = self.dual_on(dual, near)
        if without is not None:
            p[last_axes(crop(self.inside(without), self.inside(near)))] = 0
        ktp = np.zeros((self.shape[0], *shape_of(near)))
        self.on(near).add_adjoint(ktp, p)
        out += ktp[last_axes(crop(region, near))]


class Cut:
    """Blocks that tile the image, and their regions: with a halo around them, cut where no group begins half way.

    Raises
    ------
    ValueError
        A halo of half a block or more, or one that leaves out groups.
    """

    def __init__(self, parts: Sequence[Part], shape: tuple[int, ...], block: int, halo: int) -> None:
        if not 0 < 2 * halo < block:
            raise ValueError(f"halo must be > 0 and less than half of block={block}, got {halo}")
        self.block, self.halo = block, halo
        axes = [self._along(n, [part.grid[axis] for part in parts if part.has_dual]) for axis, n in enumerate(shape[1:])]
        chosen = list(itertools.product(*axes))
        self.blocks: list[Region] = [tuple(own for own, _, _ in each) for each in chosen]
        #: regions of one colour share no pixel
        self.colours: list[list[Region]] = [
            [tuple(region for _, region, _ in each) for each in chosen if tuple(parity for _, _, parity in each) == colour]
            for colour in itertools.product((0, 1), repeat=len(axes))
        ]
        self.colours = [regions for regions in self.colours if regions]

    def _along(self, n: int, grids: list[tuple[int, int]]) -> list[tuple[slice, slice, int]]:
        """Blocks, their regions, and whether these are even or odd, along an axis of n pixels."""
        if n <= self.block:
            return [(slice(0, n), slice(0, n), 0)]
        step = math.lcm(*(stride for _, stride in grids))
        block = self.block // step * step
        if block == 0:
            raise ValueError(f"block={self.block} is too small for a penalty whose groups begin every {step} pixels")
        if 2 * self.halo >= block:
            cut = f"blocks of {block} pixels, as groups begin every {step}"
            raise ValueError(f"halo={self.halo} must be less than half of {cut}")
        # what is left at the end must hold a whole group
        least = max((size for size, _ in grids), default=1)
        starts = [first for first in range(0, n, block) if first == 0 or n - first >= least]
        found = []
        for i, (first, last) in enumerate(itertools.pairwise([*starts, n])):
            start = max(0, -(-(first - self.halo) // step) * step)
            stop = self._stop(last, n, start, grids)
            found.append((slice(first, last), slice(start, stop), i % 2))
        return found

    def _stop(self, last: int, n: int, start: int, grids: list[tuple[int, int]]) -> int:
        """Where a region ends that holds all groups which begin before `last`, and no pixel beyond the halo."""
        if last + self.halo >= n:
            stop = n
        else:
            least = max((last - stride + size for size, stride in grids), default=last)
            ends = range(last + self.halo, least - 1, -1)
            stop = next((e for e in ends if all((e - start - size) % stride == 0 for size, stride in grids)), 0)
        if stop == 0 or any(stop - start < min(size, n) for size, _ in grids):
            longest = max(size for size, _ in grids)
            several = " that end together" if len(grids) > 1 else ""
            text = f"holds no whole groups, of up to {longest} pixels along an axis,{several}"
            raise ValueError(f"halo={self.halo} {text} at {last}")
        return stop
