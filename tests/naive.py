"""Every formula again in plain NumPy and Python, slowly and without the package: the oracle of the tests."""

import itertools
import math

import numpy as np


def differences(x):
    """Forward differences along each axis, 0 at the last sample."""
    out = np.zeros((x.ndim, *x.shape))
    for axis in range(x.ndim):
        for index in np.ndindex(x.shape):
            after = tuple(i + (a == axis) for a, i in enumerate(index))
            if after[axis] < x.shape[axis]:
                out[(axis, *index)] = x[after] - x[index]
    return out


def tv(x, isotropic=True):
    d = differences(x)
    if isotropic:
        return sum(math.sqrt(sum(d[(a, *i)] ** 2 for a in range(x.ndim))) for i in np.ndindex(x.shape))
    return float(np.abs(d).sum())


def groups(shape, window, stride):
    """The index lists of all windows: on the stride's grid until every pixel is covered, the last clipped."""
    starts = []
    for n, k, s in zip(shape, window, stride, strict=True):
        count = 1
        while (count - 1) * s + k < n:
            count += 1
        starts.append([i * s for i in range(count)])
    result = []
    for corner in itertools.product(*starts):
        ranges = [range(c, min(c + k, n)) for c, k, n in zip(corner, window, shape, strict=True)]
        result.append(list(itertools.product(*ranges)))
    return result


def overlap(x, window, stride, norm="l2"):
    total = 0.0
    for group in groups(x.shape, window, stride):
        values = [x[i] for i in group]
        total += math.sqrt(sum(v * v for v in values)) if norm == "l2" else max(abs(v) for v in values)
    return total


def blur(x, kernel, boundary):
    """A x by its definition."""
    out = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        for k in np.ndindex(kernel.shape):
            source = []
            inside = True
            for i, offset, size, n in zip(index, k, kernel.shape, x.shape, strict=True):
                j = i - (offset - size // 2)
                if boundary == "periodic":
                    j %= n
                elif boundary == "symmetric":
                    j = j % (2 * n)
                    j = j if j < n else 2 * n - 1 - j
                elif not 0 <= j < n:
                    inside = False
                source.append(j)
            if inside:
                out[index] += kernel[k] * x[tuple(source)]
    return out


def matrix_of(linear, shape):
    """The matrix of a linear map of images, column by column."""
    columns = []
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        columns.append(np.asarray(linear(unit)).reshape(-1))
    return np.array(columns).T
