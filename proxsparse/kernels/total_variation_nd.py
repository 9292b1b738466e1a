"""Total variation of colours and volumes: over-relaxed Chambolle-Pock in place, in vectors.

An array is flat: `MARGIN` zeros and a row of them, channel after channel, each its units one after the other, and a margin.
A unit is a row of an image or a plane of a volume, of rows filled up with zeros to a multiple of a vector, one column at least.
"""

import numpy as np

from ._jit import borrowed, inlined, jit
from ._vectors import add, added_up, largest, least, load, load_double, mul, root, size, splat, store, sub, vfma
from .balls import into_ball, squared
from .total_variation_2d import MARGIN, primal, with_pixels


@jit
def _primal_unit(x, xbar, pu, pr, pc, y, layout, u, limits, steps, k):
    """The primal steps of unit u of all channels, whose extrapolation goes to xbar."""
    channels, units, rows, columns = layout
    one = x.dtype.type(1)
    tau, inverse, rho, rest = splat(steps[k, 0]), splat(steps[k, 2]), splat(steps[k, 3]), splat(one - steps[k, 3])
    size, cut = rows * columns, steps[k, 4]
    # nothing comes from before the first unit
    back, before = (size, splat(one)) if u > 0 else (0, splat(one - one))
    for c in range(channels):
        start = MARGIN + columns + (c * units + u) * size
        for i in range(start, start + size, 64 // x.itemsize):
            ktp = sub(mul(before, load(pu, i - back)), load(pu, i))
            ktp = vfma(splat(one), sub(load(pc, i - 1), load(pc, i)), ktp)
            if rows > 1:
                ktp = vfma(splat(one), sub(load(pr, i - columns), load(pr, i)), ktp)
            store(xbar, i, primal(x, y, i, ktp, tau, inverse, rho, rest, limits, cut, steps[k, 0], None))


@inlined
def _moved(p, xbar, i, far, sigma):
    """P + sigma times the difference of the pixels at i and so far on."""
    return vfma(sigma, sub(load(xbar, i + far), load(xbar, i)), load(p, i))


@inlined
def _across(pc, xbar, mask, i, j, sigma):
    """`_moved` along a row; the last column has no difference."""
    return vfma(mul(sigma, load(mask, j)), sub(load(xbar, i + 1), load(xbar, i)), load(pc, i))


@inlined
def _mix(p, i, v, rho, rest):
    store(p, i, vfma(rho, v, mul(rest, load(p, i))))


@jit
def _dual_unit(xbar, pu, pr, pc, mask, layout, u, radius, anisotropic, steps, k):
    """The dual steps of unit u: vectors of a pixel, over axes and channels, or numbers one by one."""
    channels, units, rows, columns = layout
    one = xbar.dtype.type(1)
    sigma, rho, rest = splat(steps[k, 1]), splat(steps[k, 3]), splat(one - steps[k, 3])
    most, minus, relaxed, inside = splat(radius), splat(-radius), splat(radius * steps[k, 3]), squared(radius, one)
    size = rows * columns
    # beyond the last unit and the last row there are no differences
    next_unit = size if u < units - 1 else 0
    for row in range(rows):
        below = columns if row < rows - 1 else 0
        start = MARGIN + columns + u * size + row * columns
        for j in range(0, columns, 64 // xbar.itemsize):
            square = splat(one - one)
            if anisotropic is None and channels == 1 and rows > 1:
                i = start + j
                a, b = _moved(pu, xbar, i, next_unit, sigma), _across(pc, xbar, mask, i, j, sigma)
                d = _moved(pr, xbar, i, below, sigma)
                square = vfma(a, a, vfma(b, b, mul(d, d)))
                scale = into_ball(relaxed, square, inside)
                _mix(pu, i, a, scale, rest)
                _mix(pc, i, b, scale, rest)
                _mix(pr, i, d, scale, rest)
            elif anisotropic is None:
                for c in range(channels):
                    i = start + c * units * size + j
                    a, b = _moved(pu, xbar, i, next_unit, sigma), _across(pc, xbar, mask, i, j, sigma)
                    square = vfma(a, a, vfma(b, b, square))
                    if rows > 1:
                        a = _moved(pr, xbar, i, below, sigma)
                        square = vfma(a, a, square)
                scale = into_ball(relaxed, square, inside)
                for c in range(channels):
                    i = start + c * units * size + j
                    _mix(pu, i, _moved(pu, xbar, i, next_unit, sigma), scale, rest)
                    _mix(pc, i, _across(pc, xbar, mask, i, j, sigma), scale, rest)
                    if rows > 1:
                        _mix(pr, i, _moved(pr, xbar, i, below, sigma), scale, rest)
            else:
                for c in range(channels):
                    i = start + c * units * size + j
                    v = _moved(pu, xbar, i, next_unit, sigma)
                    _mix(pu, i, largest(least(v, most), minus), rho, rest)
                    v = _across(pc, xbar, mask, i, j, sigma)
                    _mix(pc, i, largest(least(v, most), minus), rho, rest)
                    if rows > 1:
                        v = _moved(pr, xbar, i, below, sigma)
                        _mix(pr, i, largest(least(v, most), minus), rho, rest)


@jit
def sweep(x, xbar, pu, pr, pc, y, mask, layout, radius, limits, anisotropic, steps, first, last, begin, end):
    """Over-relaxed Chambolle-Pock iterations for 1/2 ||x - y||^2 + TV(x) + soft |x|_1 within [lo, hi], in place.

    layout = channels, units, rows of a unit, columns; pu, pr and pc are the duals of the differences to the next unit, row
    (where a unit has several) and column; mask is 0 for the last column of the image and beyond. steps, limits and
    `anisotropic` as in `total_variation_2d.sweep`. The iterations go down the units together, each two units behind the one
    before it; only the units `begin` to `end` of the first are worked, of which there are units + 1 + 2 (iterations - 1).
    They work the units `first` to `last` alone.
    """
    x, xbar, pu, pr, pc, y = borrowed(x), borrowed(xbar), borrowed(pu), borrowed(pr), borrowed(pc), borrowed(y)
    mask, steps = borrowed(mask), borrowed(steps)
    for unit in range(first + begin, first + end):
        for k in range(steps.shape[0]):
            u = unit - 2 * k
            if first <= u < last:
                _primal_unit(x, xbar, pu, pr, pc, y, layout, u, limits, steps, k)
            if first < u <= last:
                _dual_unit(xbar, pu, pr, pc, mask, layout, u - 1, radius, anisotropic, steps, k)


@inlined
def _difference(x, i, far):
    return sub(load_double(x, i + far), load_double(x, i))


@jit
def certificate(sums, x, pu, pr, pc, y, mask, layout, radius, limits, anisotropic, begin, end):
    """sums[unit] = the sums of `total_variation_2d.certificate` over units from `begin` to `end`; arrays as in `sweep`."""
    x, pu, pr, pc, y, mask = borrowed(x), borrowed(pu), borrowed(pr), borrowed(pc), borrowed(y), borrowed(mask)
    channels, units, rows, columns = layout
    of_unit, zero, cost = rows * columns, splat(0.0), splat(np.float64(radius))
    for u in range(begin, end):
        gap, value, loss, data, length = zero, zero, zero, zero, zero
        # beyond the last unit and the last row there are no differences, and nothing comes from before the first
        next_unit, back, before = of_unit if u < units - 1 else 0, of_unit if u > 0 else 0, splat(1.0 if u > 0 else 0.0)
        for row in range(rows):
            below = columns if row < rows - 1 else 0
            for j in range(0, columns, 8):
                square, product = zero, zero
                for c in range(channels):
                    i = MARGIN + columns + (c * units + u) * of_unit + row * columns + j
                    a, b = _difference(x, i, next_unit), mul(load_double(mask, j), _difference(x, i, 1))
                    d = _difference(x, i, below)
                    down, across = load_double(pu, i), load_double(pc, i)
                    product = vfma(a, down, vfma(b, across, product))
                    ktp = add(sub(mul(before, load_double(pu, i - back)), down), sub(load_double(pc, i - 1), across))
                    if rows > 1:
                        product = vfma(d, load_double(pr, i), product)
                        ktp = add(ktp, sub(load_double(pr, i - columns), load_double(pr, i)))
                    if anisotropic is None:
                        square = vfma(a, a, vfma(b, b, vfma(d, d, square)))
                    else:
                        square = add(square, add(size(a), add(size(b), size(d))))
                    inside = zero if limits is None else load_double(mask, j + columns)
                    t, v = load_double(x, i), load_double(y, i)
                    loss, data, length = with_pixels(loss, data, length, t, v, ktp, inside, limits)
                own = mul(cost, root(square) if anisotropic is None else square)
                value, gap = add(value, own), add(gap, sub(own, product))
        sums[u, 0], sums[u, 1], sums[u, 2] = added_up(gap), added_up(value), added_up(loss)
        sums[u, 3], sums[u, 4] = added_up(data), added_up(length)
