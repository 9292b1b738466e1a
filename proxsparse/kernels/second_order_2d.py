"""Second differences of gray images: over-relaxed Chambolle-Pock in place, in vectors; planes as in `padded`."""

import math

import numpy as np

from ._jit import borrowed, jit
from ._vectors import add, added_up, load, load_double, mul, root, splat, store, sub, vfma
from .balls import into_ball, squared
from .total_variation_2d import MARGIN, primal, with_pixels


@jit
def _primal_row(x, xbar, yy, xx, xy, y, place, columns, rates, limits, step):
    """The primal step of the row at `place`, whose extrapolation goes to xbar."""
    one = x.dtype.type(1)
    tau, inverse, rho, rest = splat(step[0]), splat(step[2]), splat(step[3]), splat(one - step[3])
    down, across, mixed = splat(rates[0]), splat(rates[1]), splat(rates[2] * x.dtype.type(math.sqrt(2.0)))
    for k in range(place, place + columns, 64 // x.itemsize):
        middle = load(yy, k)
        ktp = mul(down, sub(add(load(yy, k - columns), load(yy, k + columns)), add(middle, middle)))
        middle = load(xx, k)
        ktp = vfma(across, sub(add(load(xx, k - 1), load(xx, k + 1)), add(middle, middle)), ktp)
        corners = sub(load(xy, k - columns - 1), load(xy, k - columns))
        ktp = vfma(mixed, add(corners, sub(load(xy, k), load(xy, k - 1))), ktp)
        store(xbar, k, primal(x, y, k, ktp, tau, inverse, rho, rest, limits, step[4], step[0], None))


@jit
def _dual_row(yy, xx, xy, xbar, mask, place, columns, i, rows, rates, radius, step):
    """The dual step of row i, which is at `place`; differences that leave the image stay 0."""
    one = xbar.dtype.type(1)
    zero, sigma = one - one, step[1]
    rest, relaxed, inside = splat(one - step[3]), splat(radius * step[3]), squared(radius, one)
    down = splat(sigma * rates[0] if 0 < i < rows - 1 else zero)
    across = splat(sigma * rates[1])
    mixed = splat(sigma * rates[2] * xbar.dtype.type(math.sqrt(2.0)) if i < rows - 1 else zero)
    for j in range(0, columns, 64 // xbar.itemsize):
        k = place + j
        here, right, below = load(xbar, k), load(xbar, k + 1), load(xbar, k + columns)
        twice = add(here, here)
        own_yy, own_xx, own_xy = load(yy, k), load(xx, k), load(xy, k)
        a = vfma(down, sub(add(load(xbar, k - columns), below), twice), own_yy)
        b = vfma(mul(across, load(mask, j + columns)), sub(add(load(xbar, k - 1), right), twice), own_xx)
        c = vfma(mul(mixed, load(mask, j)), sub(sub(load(xbar, k + columns + 1), below), sub(right, here)), own_xy)
        square = vfma(a, a, vfma(b, b, mul(c, c)))
        scale = into_ball(relaxed, square, inside)
        store(yy, k, vfma(scale, a, mul(rest, own_yy)))
        store(xx, k, vfma(scale, b, mul(rest, own_xx)))
        store(xy, k, vfma(scale, c, mul(rest, own_xy)))


@jit
def sweep(x, xbar, yy, xx, xy, y, mask, columns, rates, radius, limits, steps, begin, end):
    """Iterations in place for 1/2 ||x - y||^2 + w sum |second differences| + soft |x|_1 within [lo, hi].

    rates are the factors of the differences yy, xx and xy. steps and limits as in `total_variation_2d.sweep`. The iterations go
    down the rows together, each two rows behind the one before it; only the rows `begin` to `end` of the first are worked, of
    which there are rows + 1 + 2 (iterations - 1).
    """
    x, xbar, yy, xx, xy, y = borrowed(x), borrowed(xbar), borrowed(yy), borrowed(xx), borrowed(xy), borrowed(y)
    mask, steps = borrowed(mask), borrowed(steps)
    rows = (x.size - 2 * MARGIN) // columns - 2
    for row in range(begin, end):
        for k in range(steps.shape[0]):
            i = row - 2 * k
            place = MARGIN + (i + 1) * columns
            if 0 <= i < rows:
                _primal_row(x, xbar, yy, xx, xy, y, place, columns, rates, limits, steps[k])
            if 0 < i <= rows:
                _dual_row(yy, xx, xy, xbar, mask, place - columns, columns, i - 1, rows, rates, radius, steps[k])


@jit
def certificate(sums, x, yy, xx, xy, y, mask, columns, rates, radius, limits, begin, end):
    """sums[row] = the sums of `total_variation_2d.certificate` over each row from `begin` to `end`; arrays as in `sweep`."""
    x, yy, xx, xy, y, mask = borrowed(x), borrowed(yy), borrowed(xx), borrowed(xy), borrowed(y), borrowed(mask)
    rows = (x.size - 2 * MARGIN) // columns - 2
    zero, cost, diagonal = splat(0.0), splat(np.float64(radius)), rates[2] * math.sqrt(2.0)
    down, across, mixed = splat(rates[0]), splat(rates[1]), splat(diagonal)
    for row in range(begin, end):
        place = MARGIN + (row + 1) * columns
        own_down = splat(rates[0] if 0 < row < rows - 1 else 0.0)
        own_mixed = splat(diagonal if row < rows - 1 else 0.0)
        gap, value, loss, data, length = zero, zero, zero, zero, zero
        for j in range(0, columns, 8):
            k = place + j
            here, right, below = load_double(x, k), load_double(x, k + 1), load_double(x, k + columns)
            twice = add(here, here)
            a = mul(own_down, sub(add(load_double(x, k - columns), below), twice))
            b = mul(mul(across, load_double(mask, j + columns)), sub(add(load_double(x, k - 1), right), twice))
            c = sub(sub(load_double(x, k + columns + 1), below), sub(right, here))
            c = mul(mul(own_mixed, load_double(mask, j)), c)
            own_yy, own_xx, own_xy = load_double(yy, k), load_double(xx, k), load_double(xy, k)
            own = mul(cost, root(vfma(a, a, vfma(b, b, mul(c, c)))))
            value = add(value, own)
            gap = add(gap, sub(own, vfma(a, own_yy, vfma(b, own_xx, mul(c, own_xy)))))
            ktp = mul(down, sub(add(load_double(yy, k - columns), load_double(yy, k + columns)), add(own_yy, own_yy)))
            ktp = vfma(across, sub(add(load_double(xx, k - 1), load_double(xx, k + 1)), add(own_xx, own_xx)), ktp)
            corners = sub(load_double(xy, k - columns - 1), load_double(xy, k - columns))
            ktp = vfma(mixed, add(corners, sub(own_xy, load_double(xy, k - 1))), ktp)
            inside = zero if limits is None else load_double(mask, j + 3 * columns)
            loss, data, length = with_pixels(loss, data, length, here, load_double(y, k), ktp, inside, limits)
        sums[row, 0], sums[row, 1], sums[row, 2] = added_up(gap), added_up(value), added_up(loss)
        sums[row, 3], sums[row, 4] = added_up(data), added_up(length)
