"""Regions of an image joined by differences that are known to be 0: labels, and the mean over each."""

import numpy as np

from ._jit import jit


@jit
def _root(label, i):
    while label[i] != i:
        label[i] = label[label[i]]
        i = label[i]
    return i


@jit
def flatten(x, label, joined, shared, planes, rows, columns):
    """Replace the flat image x by its mean over each region; label is scratch.

    joined[axis, i] says that pixel i and the next one along the axis (planes, rows, columns) belong together; where `shared`,
    joined[0] speaks for all axes. Pixels of a row stand in runs, and only the first pixel of a run has a parent.
    """
    for row in range(planes * rows):
        first = row * columns
        label[first] = run = first
        for i in range(first + 1, first + columns):
            if not joined[0 if shared else 2, i - 1]:
                run = i
            label[i] = run
        # the row above, then the plane before
        for axis in range(2):
            step = columns if axis == 1 else rows * columns
            if row % rows == 0 if axis == 1 else row < rows:
                continue
            last_a = last_b = -1
            for i in range(first, first + columns):
                if joined[0 if shared else axis, i - step]:
                    a, b = label[i - step], label[i]
                    if a != last_a or b != last_b:
                        last_a, last_b = a, b
                        a, b = _root(label, a), _root(label, b)
                        if a < b:
                            label[b] = a
                        else:
                            label[a] = b
    # a label points back, so that what it points to is numbered already: numbers are below 0
    regions = 0
    for i in range(x.size):
        if label[i] == i:
            regions += 1
            label[i] = -regions
        else:
            label[i] = label[label[i]]
    sums = np.empty(regions)
    origin, counts = np.empty(regions, label.dtype), np.empty(regions, label.dtype)
    for r in range(regions):
        sums[r] = 0.0
        counts[r] = 0
    i = 0
    while i < x.size:
        r = -1 - label[i]
        if counts[r] == 0:
            origin[r] = i
        # from the first value on: a region that is flat already keeps it exactly
        value = np.float64(x[origin[r]])
        first, part = i, 0.0
        while i < x.size and label[i] == -1 - r:
            part += np.float64(x[i]) - value
            i += 1
        sums[r] += part
        counts[r] += i - first
    for r in range(regions):
        x[origin[r]] += sums[r] / counts[r]
    for i in range(x.size):
        x[i] = x[origin[-1 - label[i]]]
