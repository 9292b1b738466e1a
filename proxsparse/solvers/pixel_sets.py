"""Sets of pixels: who touches whom, boundaries, and the evidence for the pieces of a set."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays.numbers import Array

#: the most evidence for or against one pixel of a piece
MOST = 50.0
#: dimensions -> the law of the largest gain on noise: location for one pixel, its growth with their logarithm, and scale
_GUMBEL = {1: (-9.25, 2.54, 2.2), 2: (-5.14, 0.92, 0.95), 3: (-1.14, 0.34, 1.1)}


def size_of(x: Array) -> Array:
    """The root of the mean square over the channels."""
    return np.asarray(np.abs(x[0]) if len(x) == 1 else np.sqrt(np.square(x).mean(axis=0)))


def touching(ndim: int) -> Array:
    """Neighbours that touch, at corners too."""
    return np.ones((3,) * ndim, bool)


def differences(ndim: int) -> Iterator[tuple[Any, Any]]:
    """The two parts of an array for each axis whose difference ``x[ahead] - x[here]`` is the forward one."""
    for axis in range(ndim):
        before, after = (slice(None),) * axis, (slice(None),) * (ndim - axis - 1)
        yield (*before, slice(1, None), *after), (*before, slice(None, -1), *after)


def largest_around(x: Array) -> Array:
    """The largest of a pixel and those that touch it; of a set, whether one of these is in it. An axis at a time."""
    for ahead, here in differences(x.ndim):
        largest = x.copy()
        np.maximum(largest[here], x[ahead], out=largest[here])
        np.maximum(largest[ahead], x[here], out=largest[ahead])
        x = largest
    return x


def interior_of(inside: Array) -> Array:
    """The pixels of a set that no others touch; beyond the image there are none."""
    return ~largest_around(~inside)


def levels_around(x: Array, at: Array) -> Array:
    """The values of the pixels of a mask and of those that touch them, (channels, 3^d, pixels), zero beyond the image."""
    padded = np.pad(x, [(0, 0)] + [(1, 1)] * at.ndim)
    shape = padded.shape[1:]
    offsets = np.array(sorted(itertools.product((0, 1, -1), repeat=at.ndim), key=np.any))
    strides = np.array([math.prod(shape[axis + 1 :]) for axis in range(at.ndim)])
    here = np.ravel_multi_index([index + 1 for index in np.nonzero(at)], shape)
    return np.asarray(padded.reshape(len(x), -1)[:, here + (offsets @ strides)[:, None]])


def boundary_of(inside: Array) -> Array:
    """The isotropic total variation of the set, pixel by pixel."""
    square = np.zeros(inside.shape)
    for ahead, here in differences(inside.ndim):
        square[here] += inside[ahead] != inside[here]
    return np.sqrt(square)


def gains_of(evidence: Array, labels: Array, n: int, contour: float) -> Array:
    """For each piece of a set, numbered from 1 on, the evidence for it, less the cost of its boundary.

    Where two pieces meet, at a corner, one of them pays for the difference that they share.
    """
    inside = labels > 0
    total_evidence = np.bincount(labels.reshape(-1), np.clip(evidence, -MOST, MOST).reshape(-1), n + 1)
    # a difference belongs to the piece at either end
    owner = labels.copy()
    for ahead, here in differences(inside.ndim):
        owner[here] = np.maximum(owner[here], labels[ahead])
    cost = np.bincount(owner.reshape(-1), boundary_of(inside).reshape(-1), n + 1)
    return np.asarray(total_evidence - contour * cost)[1:]


def least_gain(spatial: tuple[int, ...], channels: int, false_alarms: float) -> float:
    """The gain that no piece of an image of noise has but with that probability; see benchmarks/false_alarms.py."""
    # an axis of one pixel is none
    start, slope, scale = _GUMBEL[max(sum(n > 1 for n in spatial), 1)]
    gain = start + slope * math.log(math.prod(spatial)) - scale * math.log(-math.log1p(-false_alarms))
    # as many levels follow noise as there are channels
    return channels * max(gain, 0.0)
