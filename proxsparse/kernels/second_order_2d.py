"""Second differences of gray images: over-relaxed Chambolle-Pock in place, in vectors; planes as in `padded`."""

import math

from ._jit import borrowed, jit
from ._vectors import add, load, mul, splat, store, sub, vfma
from .balls import into_ball, squared
from .total_variation_2d import MARGIN, primal


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
