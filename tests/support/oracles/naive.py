"""Every formula again in plain NumPy and Python, slowly and without the package's maps: the oracle of the tests."""

import itertools
import math

import numpy as np
import pywt

from proxsparse import (
    DCTL1,
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    Nuclear,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    WaveletL1,
)


def differences(x):
    """Forward differences along each axis, 0 at the last sample."""
    out = np.zeros((x.ndim, *x.shape))
    for axis in range(x.ndim):
        for index in np.ndindex(x.shape):
            after = tuple(i + (a == axis) for a, i in enumerate(index))
            if after[axis] < x.shape[axis]:
                out[(axis, *index)] = x[after] - x[index]
    return out


def huber(length, corner):
    return length - corner / 2 if length >= corner else length**2 / (2 * corner)


def tv(x, isotropic=True, spacing=1.0, pixel_weight=None, corner=0.0):
    d = differences(x) / np.reshape(np.broadcast_to(spacing, x.ndim), (-1, *(1,) * x.ndim))
    d = d if pixel_weight is None else d * pixel_weight
    if isotropic:
        lengths = [math.sqrt(sum(d[(a, *i)] ** 2 for a in range(x.ndim))) for i in np.ndindex(x.shape)]
    else:
        lengths = np.abs(d).reshape(-1).tolist()
    return sum(huber(v, corner) for v in lengths)


def second_differences(x, spacing=1.0):
    """Along each axis, then sqrt(2) times the mixed ones, 0 where the stencil leaves the image; over both distances."""
    spacing = np.broadcast_to(spacing, x.ndim)
    pairs = list(itertools.combinations(range(x.ndim), 2))
    out = np.zeros((x.ndim + len(pairs), *x.shape))
    for index in np.ndindex(x.shape):

        def at(*steps, index=index):
            place = list(index)
            for axis, step in steps:
                place[axis] += step
            inside = all(0 <= i < n for i, n in zip(place, x.shape, strict=True))
            return x[tuple(place)] if inside else None

        for axis in range(x.ndim):
            values = [at((axis, -1)), at(), at((axis, 1))]
            if None not in values:
                out[(axis, *index)] = (values[0] - 2 * values[1] + values[2]) / spacing[axis] ** 2
        for k, (a, b) in enumerate(pairs):
            values = [at((a, 1), (b, 1)), at((a, 1)), at((b, 1)), at()]
            if None not in values:
                mixed = math.sqrt(2) * (values[0] - values[1] - values[2] + values[3])
                out[(x.ndim + k, *index)] = mixed / (spacing[a] * spacing[b])
    return out


def second_order(x, spacing=1.0):
    d = second_differences(x, spacing)
    return sum(math.sqrt(sum(d[(k, *i)] ** 2 for k in range(len(d)))) for i in np.ndindex(x.shape))


def blocks(shape, block):
    """The group of each pixel: blocks from the first pixel on, numbered in C order."""
    block = np.broadcast_to(block, len(shape))
    across = [-(-n // k) for n, k in zip(shape, block, strict=True)]
    labels = np.zeros(shape, int)
    for index in np.ndindex(shape):
        for i, k, n in zip(index, block, across, strict=True):
            labels[index] = labels[index] * n + i // k
    return labels


def grouped(x, labels, group_weight, norm):
    """The sum over labels >= 0 of a_g times the length of x there."""
    total = 0.0
    for g in range(labels.max() + 1):
        values = [float(x[i]) for i in np.ndindex(x.shape) if labels[i] == g]
        if values:
            a = 1.0 if group_weight is None else math.sqrt(len(values)) if isinstance(group_weight, str) else group_weight[g]
            total += a * (math.sqrt(sum(v * v for v in values)) if norm == "l2" else max(abs(v) for v in values))
    return total


def cosines(x):
    """The orthonormal DCT-II, axis by axis, from its definition."""
    for axis, n in enumerate(x.shape):
        matrix = np.array([[math.cos(math.pi * k * (2 * j + 1) / (2 * n)) for j in range(n)] for k in range(n)])
        matrix *= np.array([math.sqrt((1 if k == 0 else 2) / n) for k in range(n)])[:, None]
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def wavelet(x, filters):
    """One level of a periodised orthogonal wavelet transform, by its filters (low, high), of axes padded to even lengths."""
    x = np.pad(x, [(0, n % 2) for n in x.shape])
    for axis, n in enumerate(x.shape):
        rows = []
        for taps in filters:
            for k in range(n // 2):
                row = np.zeros(n)
                for m, tap in enumerate(taps):
                    row[(2 * k + len(taps) // 2 - m) % n] += tap
                rows.append(row)
        x = np.moveaxis(np.tensordot(np.array(rows), x, (1, axis)), 0, axis)
    return x


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


def groups_of(penalty, shape):
    """The lists of indices of an `OverlappingGroupLasso`: windows, or every pixel with each of its neighbours."""
    if penalty.groups is None:
        window, stride = (np.broadcast_to(v, len(shape)) for v in (penalty.window, penalty.stride))
        return groups(shape, window, stride)
    pixels = list(np.ndindex(shape))
    return [[i, j] for i in pixels for j in pixels if i < j and max(abs(a - b) for a, b in zip(i, j, strict=True)) == 1]


def listed(x, lists, group_weight, norm):
    """The sum of a_g times the length of x on each list of indices."""
    total = 0.0
    for g, group in enumerate(lists):
        values = [x[i] for i in group]
        a = 1.0 if group_weight is None else math.sqrt(len(group)) if isinstance(group_weight, str) else group_weight[g]
        total += a * (math.sqrt(sum(v * v for v in values)) if norm == "l2" else max(abs(v) for v in values))
    return total


def haar_frame(x):
    """Undecimated Haar coefficients of one level: half the sum and the difference of neighbours, around the border, of each axis."""
    x = np.pad(x, [(0, n % 2) for n in x.shape])[None]
    for axis in range(1, x.ndim):
        after = np.roll(x, -1, axis)
        x = np.concatenate([(x + after) / 2, (x - after) / 2])
    return x


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


def tree(q, x):
    """The sum over levels of blocks of 2^k pixels."""
    labels = [blocks(x.shape, 2**k) for k in range(q.levels)]
    return sum(a * grouped(x, label, None, "l2") for label, a in zip(labels, q.level_weight, strict=True))


def wavelet_coefficients(q, x):
    """The coefficients of one level, of a basis or of a tight frame."""
    if q.undecimated:
        return haar_frame(x)
    filters = pywt.Wavelet(q.wavelet)
    return wavelet(x, (filters.dec_lo, filters.dec_hi))


#: class -> P(x) / w of a penalty q
VALUES = {
    L1: lambda q, x: np.abs(x).sum(),
    L2: lambda q, x: sum(0.5 * v * v for v in x.flat),
    ElasticNet: lambda q, x: sum(q.l1_ratio * abs(v) + (1 - q.l1_ratio) * 0.5 * v * v for v in x.flat),
    TotalVariation: lambda q, x: tv(x, q.isotropic, q.spacing or 1.0, q.pixel_weight, q.huber),
    SecondOrderTV: lambda q, x: second_order(x, q.spacing or 1.0),
    GroupLasso: lambda q, x: grouped(x, blocks(x.shape, q.block), q.group_weight, q.norm),
    OverlappingGroupLasso: lambda q, x: listed(x, groups_of(q, x.shape), q.group_weight, q.norm),
    TreeGroupLasso: tree,
    Nuclear: lambda q, x: np.sqrt(np.maximum(np.linalg.eigvalsh(x @ x.T), 0)).sum(),
    DCTL1: lambda q, x: np.abs(cosines(x)).sum(),
    WaveletL1: lambda q, x: np.abs(wavelet_coefficients(q, x)).sum(),
}


def of_class(table, thing):
    """The entry of a table by class, of subclasses that of the class they are made for."""
    return next(table[kind] for kind in type(thing).__mro__ if kind in table)


def value(penalty, x):
    """P(x)."""
    return sum(part.weight * float(of_class(VALUES, part)(part, x)) for part in penalty.parts)
