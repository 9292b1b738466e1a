"""The standard deviation of white noise, from the image alone: by its finest details, and by its weakly textured part."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from ..arrays.numbers import as_double

#: the share of blocks from which on what is flat may be blank, and how many blocks on each side are of the same value then
_BLANK, _AROUND = 0.05, 3
#: the share of pixels of the least or of the greatest value from which on the image was clipped there
_CLIPPED = 0.01
#: the sides of patches, from the best on; their most pixels; and the most patches looked at
_SIDES, _MOST_PIXELS, _MOST_PATCHES = (7, 6, 5, 4, 3), 64, 70_000
#: how many patches for each of their pixels there must be in all, and weakly textured ones
_PATCHES, _WEAK = 50, 20
#: the share of patches of nothing but noise that count as weakly textured
_CONFIDENCE = 0.99
#: the share of patches from which on the weakly textured ones may be texture too
_FEW = 0.05
#: how many times the weakly textured part's noise the finest details may tell before one of the two is no noise of the image
_APART = 2.0
#: how many times the least noise of a channel another's may be before each is measured by its own; the most channels looked at
_ALIKE, _MOST_CHANNELS = 2.0, 64


@dataclasses.dataclass(frozen=True)
class Noise:
    """A standard deviation, the share of the patches that told it (1 where the finest details did), and what those told."""

    std: float
    share: float = 1.0
    by_details: float = 0.0

    @property
    def doubtful(self) -> bool:
        """Whether nearly all of the image is texture, which may hide that the rest is, or has more noise than the rest."""
        return self.share < _FEW or self.by_details > _APART * self.std


def estimate(image: Any, *, channel_axis: int | None = None, seen: Any = None) -> Noise:
    """The noise of an image; `seen`, where given, is of its shape, and NaN where no two neighbours were seen."""
    x = as_double(image)
    whole = np.ones(x.shape, bool) if seen is None else np.asarray(seen, bool)
    channels = None if channel_axis is None else channel_axis % x.ndim
    axes = [axis for axis in range(x.ndim) if axis != channels and x.shape[axis] > 1]
    std, telling = _by_details(x, whole, axes)
    if not 0 < std < math.inf:
        return Noise(std)
    unclipped = _unclipped(x, whole)
    if not unclipped.all():
        # half of the noise is gone where it was clipped
        beside = _by_details(x, whole & unclipped, axes)[0]
        std = max(std, beside) if beside < math.inf else std
    # channels in units of their own noise, where that is not one and the same
    units = np.full([x.shape[axis] if axis == channels else 1 for axis in range(x.ndim)], std)
    if channels is not None and 1 < x.shape[channels] <= _MOST_CHANNELS:
        each = np.array([_by_details(x[at], whole[at], axes)[0] for at in _channels(x.ndim, channels, x.shape[channels])])
        # channels that were not seen, or hold one value, tell nothing
        usable, known = np.isfinite(each) & (each > 0), each[np.isfinite(each)]
        largest = each.max(where=usable, initial=0.0)
        if largest > _ALIKE * each.min(where=usable, initial=math.inf):
            units = np.where(usable, each, 1.0).reshape(units.shape)
            std = float(largest * np.sqrt(np.mean(np.square(known / largest))))
            telling &= usable.reshape(units.shape)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = (x - np.median(x[whole])) / units
    telling &= unclipped & np.isfinite(scaled)
    found = _by_patches(np.where(telling, scaled, 0.0), telling, axes)
    return Noise(std) if found is None else Noise(std * found.std, found.share, std)


def _channels(ndim: int, axis: int, number: int) -> Any:
    """Indices of an array, one for each channel, that keep its axes."""
    return [tuple(slice(k, k + 1) if a == axis else slice(None) for a in range(ndim)) for k in range(number)]


# -- the finest details ------------------------------------------------------------------------------------------------


def _by_details(x: Any, whole: Any, axes: list[int]) -> tuple[float, Any]:
    """The median of the absolute diagonal Haar details, and which pixels tell of the noise."""
    found, there, lowest, highest = x, whole, x, x
    for axis in axes:
        even, odd = (np.arange(first, 2 * (x.shape[axis] // 2), 2) for first in (0, 1))
        found = (found.take(even, axis) - found.take(odd, axis)) / np.sqrt(2.0)
        there = there.take(even, axis) & there.take(odd, axis)
        lowest = np.minimum(lowest.take(even, axis), lowest.take(odd, axis))
        highest = np.maximum(highest.take(even, axis), highest.take(odd, axis))
    noisy = _noisy(lowest, highest, there, axes) if axes else there
    left = [found[noisy]] if axes else []
    if axes and not there.any():
        # a mask that leaves no block whole: neighbours along each axis
        pairs = neighbours(x, whole, axes)
        left = [((a - b) / np.sqrt(2.0))[seen_a & seen_b] for (a, b), (seen_a, seen_b) in pairs]
    chosen = np.concatenate([values.ravel() for values in left]) if left else np.zeros(0)
    if not chosen.size:
        return math.nan, whole
    # about the median: a slope leaves no trace; 0.6745 is the median of |z| for a standard normal z
    std = float(np.median(np.abs(chosen - np.median(chosen))) / 0.6744897501960817)
    if noisy is there:
        return std, whole.copy()
    for axis in axes:
        noisy = noisy.repeat(2, axis)
    return std, np.pad(noisy, [(0, n - m) for n, m in zip(x.shape, noisy.shape, strict=True)])


def _noisy(lowest: Any, highest: Any, there: Any, axes: list[int]) -> Any:
    """Which blocks tell of the noise, from their least and largest pixels: all, or those beside what is blank.

    A block is blank where it and those around it are of one and the same value, farther than in a picture of 8 bits. There is
    noise beside it where the others lie together, and not in lines as edges do.
    """
    flat = there & (lowest == highest)

    def _around(axis: int, far: int) -> Any:
        """The indices of the blocks on both sides; at the border a block is its own neighbour."""
        here, last = np.arange(flat.shape[axis]), flat.shape[axis] - 1
        return (np.clip(here + step, 0, last) for step in range(-far, far + 1) if step)

    # what was not measured may be of either kind
    blank = flat.copy()
    for axis in axes:
        for beside in _around(axis, _AROUND):
            blank &= ~there.take(beside, axis) | (flat.take(beside, axis) & (lowest.take(beside, axis) == lowest))
    if np.count_nonzero(blank) < _BLANK * np.count_nonzero(there):
        return there
    rest = there & ~flat
    inner = rest.copy()
    for axis in axes:
        for beside in _around(axis, 1):
            inner &= rest.take(beside, axis) | ~there.take(beside, axis)
    return inner if 2 * np.count_nonzero(inner) > np.count_nonzero(rest) else there


def neighbours(image: Any, inside: Any, axes: Any = None) -> Any:
    """Along each axis the image and the mask at pixels and at their next neighbours."""
    for axis in range(image.ndim) if axes is None else axes:
        first, second = (np.delete(np.arange(image.shape[axis]), end) for end in (-1, 0))
        yield tuple((array.take(first, axis), array.take(second, axis)) for array in (image, inside))


# -- the weakly textured part ------------------------------------------------------------------------------------------


def _unclipped(x: Any, whole: Any) -> Any:
    """Where the image is not at its least or greatest value, if so many pixels are that it was clipped there."""
    inside = np.ones(x.shape, bool)
    for extreme in (x.min(where=whole, initial=math.inf), x.max(where=whole, initial=-math.inf)):
        at = whole & (x == extreme)
        if np.count_nonzero(at) > _CLIPPED * np.count_nonzero(whole):
            inside &= ~at
    return inside


def _by_patches(x: Any, telling: Any, axes: list[int]) -> Noise | None:
    """The noise of an image by the least eigenvalue of the covariance of its weakly textured patches; None where they are few.

    Liu, Tanaka & Okutomi, IEEE TIP 2013: patches whose gradients are no stronger than noise makes them, which are found with
    the noise by turns, from noise of 1 on. The least of many eigenvalues is too small by (1 - sqrt(pixels / patches))^2, the
    edge of Marchenko and Pastur's law.
    """
    from scipy.special import gammaincinv

    from ..kernels import patch_covariance

    for side in _SIDES:
        sides = [min(side, n) if axis in axes else 1 for axis, n in enumerate(x.shape)]
        pixels, starts = math.prod(sides), _starts(telling, sides)
        if pixels <= _MOST_PIXELS and starts.size >= _PATCHES * pixels:
            break
    else:
        return None
    steps = [math.prod(x.shape[axis + 1 :]) for axis in range(x.ndim)]
    places = list(itertools.product(*map(range, sides)))
    offset = {place: sum(map(int.__mul__, place, steps)) for place in places}
    pairs = [
        (offset[place], offset[beside])
        for place in places
        for axis in axes
        if (beside := (*place[:axis], place[axis] + 1, *place[axis + 1 :])) in offset
    ]
    first, second = np.array(pairs, np.int64).T
    offsets = np.array([offset[place] for place in places], np.int64)
    flat = np.ascontiguousarray(x).ravel()
    strength = patch_covariance.strengths(flat, starts, first, second)
    # of white noise the strength has the mean 2 |pairs| and twice this for a variance, about those of a gamma distribution
    half = float(np.sum(np.square(np.bincount(np.concatenate([first, second]))))) + 2.0 * len(pairs)
    strongest = float(gammaincinv(2.0 * len(pairs) ** 2 / half, _CONFIDENCE)) * half / len(pairs)
    variance, chosen = 1.0, strength <= strongest
    for _ in range(12):
        n = np.count_nonzero(chosen)
        if n < _WEAK * pixels:
            break
        # the first is 0: of patches without their means
        least = float(np.linalg.eigvalsh(patch_covariance.covariance(flat, starts[chosen], offsets))[1])
        before, variance = variance, max(least, 0.0) / (1 - math.sqrt((pixels - 1) / n)) ** 2
        if abs(variance - before) < 2e-3 * variance:
            break
        chosen = strength <= strongest * variance
    return Noise(math.sqrt(variance), np.count_nonzero(chosen) / starts.size)


def _starts(telling: Any, sides: list[int]) -> Any:
    """The flat indices of the first pixels of patches that tell of the noise throughout, on a grid that leaves few enough."""
    inside = telling
    for axis, side in enumerate(sides):
        inside = np.lib.stride_tricks.sliding_window_view(inside, side, axis).all(-1)
    stride = 1
    while _grid(inside, sides, stride).size > _MOST_PATCHES and stride < max(inside.shape):
        stride += 1
    grid = np.zeros(inside.shape, bool)
    _grid(grid, sides, stride)[...] = True
    starts = np.ravel_multi_index(np.nonzero(inside & grid), telling.shape)
    # of more channels than that some
    return starts[:: -(-max(starts.size, 1) // _MOST_PATCHES)]


def _grid(array: Any, sides: list[int], stride: int) -> Any:
    """Every so many of its places, along the axes that patches extend along."""
    return array[tuple(slice(None, None, stride if side > 1 else 1) for side in sides)]
