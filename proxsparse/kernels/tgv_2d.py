"""Total generalized variation of gray images of at least three rows and columns: Chambolle-Pock in place, in vectors.

Planes as in `total_variation_2d`, but with a column of zeros at least behind each row, and a row of zeros above and below. The
image and its field X = (x, u along rows, u along columns) have the dual p = (first differences down and across, second ones yy,
xx, xy).
"""

import math

from ._jit import borrowed, inlined, jit
from ._vectors import add, load, mul, splat, store, sub, vfma
from .balls import into_ball, squared
from .total_variation_2d import MARGIN


@inlined
def _store_second(yy, xx, xy, i, c, d, e, inside, radius):
    """Write (c, d, e) brought into the ball."""
    square = vfma(c, c, vfma(d, d, mul(e, e)))
    scale = into_ball(radius, square, inside)
    store(yy, i, mul(scale, c))
    store(xx, i, mul(scale, d))
    store(xy, i, mul(scale, e))


@jit
def _second_row(yy, xx, xy, uy, ux, mask, place, columns, i, rows, radius, sigma):
    """(yy, xx, xy) = project(q + sigma E u) on row i, which is at `place`."""
    of_ball, inside = splat(radius), squared(radius, yy.dtype.type(1))
    step, down = splat(sigma), splat(sigma if 0 < i < rows - 1 else sigma - sigma)
    mixed = splat(sigma * yy.dtype.type(math.sqrt(0.5)) if i < rows - 1 else sigma - sigma)
    for j in range(0, columns, 64 // yy.itemsize):
        k = place + j
        v, w = load(uy, k), load(ux, k)
        c = vfma(down, sub(v, load(uy, k - columns)), load(yy, k))
        d = vfma(step, mul(load(mask, j + columns), sub(w, load(ux, k - 1))), load(xx, k))
        e = vfma(mixed, mul(load(mask, j), add(sub(load(uy, k + 1), v), sub(load(ux, k + columns), w))), load(xy, k))
        _store_second(yy, xx, xy, k, c, d, e, inside, of_ball)


@jit
def _first_row(py, px, x, uy, ux, mask, place, columns, i, rows, radius, sigma):
    """(py, px) = project(p + sigma (D x - u)) on row i, which is at `place`."""
    of_ball, inside, step = splat(radius), squared(radius, py.dtype.type(1)), splat(sigma)
    down = splat(sigma if i < rows - 1 else sigma - sigma)
    for j in range(0, columns, 64 // py.itemsize):
        k = place + j
        here = load(x, k)
        a = vfma(down, sub(load(x, k + columns), here), sub(load(py, k), mul(step, load(uy, k))))
        b = vfma(step, sub(mul(load(mask, j), sub(load(x, k + 1), here)), load(ux, k)), load(px, k))
        square = vfma(a, a, mul(b, b))
        scale = into_ball(of_ball, square, inside)
        store(py, k, mul(scale, a))
        store(px, k, mul(scale, b))


@inlined
def _field_adjoint_down(yy, xy, k, columns, root):
    """E^T q of the axis of rows, at the vector at k."""
    return vfma(root, sub(load(xy, k - 1), load(xy, k)), sub(load(yy, k), load(yy, k + columns)))


@inlined
def _field_adjoint_across(xx, xy, k, columns, root):
    """E^T q of the axis of columns, at the vector at k."""
    return vfma(root, sub(load(xy, k - columns), load(xy, k)), sub(load(xx, k), load(xx, k + 1)))


@jit
def _primal_row(x, uy, ux, xbar, vy, vx, py, px, yy, xx, xy, y, mask, place, columns, is_last, step):
    """The primal steps of the row at `place`."""
    one = x.dtype.type(1)
    tau, of_field, theta, inverse = splat(step[0]), splat(step[1]), splat(step[4]), splat(one / (one + step[0]))
    own = splat(one - one if is_last else one)
    root = splat(x.dtype.type(math.sqrt(0.5)))
    for j in range(0, columns, 64 // x.itemsize):
        k = place + j
        down, across = load(py, k), load(px, k)
        ktp = sub(mul(load(mask, j + 2 * columns), load(px, k - 1)), mul(load(mask, j), across))
        ktp = add(ktp, sub(load(py, k - columns), mul(own, down)))
        old = load(x, k)
        new = mul(vfma(tau, sub(load(y, k), ktp), old), inverse)
        store(x, k, new)
        store(xbar, k, vfma(theta, sub(new, old), new))
        old = load(uy, k)
        new = sub(old, mul(of_field, sub(_field_adjoint_down(yy, xy, k, columns, root), down)))
        store(uy, k, new)
        store(vy, k, vfma(theta, sub(new, old), new))
        old = load(ux, k)
        new = sub(old, mul(of_field, sub(_field_adjoint_across(xx, xy, k, columns, root), across)))
        store(ux, k, new)
        store(vx, k, vfma(theta, sub(new, old), new))


@jit
def sweep(
    x, uy, ux, xbar, vy, vx, py, px, yy, xx, xy, y, mask, columns, first, second, steps, begin, end
):  # fmt: skip
    """Iterations in place for 1/2 ||x - y||^2 + w (sum |Dx - u| + ratio sum |Eu|), first and second the radii of the balls.

    steps[k] = tau of the image, of the field, sigma of the first differences, of the second, theta. The iterations go down the
    rows together, each two rows behind the one before it; only the rows `begin` to `end` of the first are worked, of which
    there are rows + 1 + 2 (iterations - 1). mask holds three rows: 1 where there is a pixel to the right, on both sides, to the
    left.
    """
    x, uy, ux, xbar, vy, vx = borrowed(x), borrowed(uy), borrowed(ux), borrowed(xbar), borrowed(vy), borrowed(vx)
    py, px, yy, xx, xy, y = borrowed(py), borrowed(px), borrowed(yy), borrowed(xx), borrowed(xy), borrowed(y)
    mask, steps = borrowed(mask), borrowed(steps)
    rows = (x.size - 2 * MARGIN) // columns - 2
    for row in range(begin, end):
        for k in range(steps.shape[0]):
            i = row - 2 * k
            place = MARGIN + (i + 1) * columns
            if 0 <= i < rows:
                _first_row(py, px, xbar, vy, vx, mask, place, columns, i, rows, first, steps[k, 2])
                _second_row(yy, xx, xy, vy, vx, mask, place, columns, i, rows, second, steps[k, 3])
            if 0 < i <= rows:
                _primal_row(x, uy, ux, xbar, vy, vx, py, px, yy, xx, xy, y, mask, place - columns, columns, i == rows, steps[k])


@jit
def _beyond(dy, dx, yy, xx, xy, place, columns, radius):
    """E^T q less its projection onto the ball, on the row at `place`."""
    one = yy.dtype.type(1)
    root, of_ball, inside, whole = splat(yy.dtype.type(math.sqrt(0.5))), splat(radius), squared(radius, one), splat(one)
    for j in range(0, columns, 64 // yy.itemsize):
        k = place + j
        a, b = _field_adjoint_down(yy, xy, k, columns, root), _field_adjoint_across(xx, xy, k, columns, root)
        square = vfma(a, a, mul(b, b))
        scale = sub(whole, into_ball(of_ball, square, inside))
        store(dy, k, mul(scale, a))
        store(dx, k, mul(scale, b))


@jit
def _further(z, q, place, columns, momentum):
    """q = z, z = z + momentum (z - q) with the q before, on the row at `place`."""
    for j in range(0, columns, 64 // z.itemsize):
        v = load(z, place + j)
        store(z, place + j, vfma(splat(momentum), sub(v, load(q, place + j)), v))
        store(q, place + j, v)


@jit
def draw_in(q, z, dy, dx, mask, columns, first, second, iterations):
    """q = (yy, xx, xy) nearer to |q| <= second, |E^T q| <= first, both radii > 0; z is a copy of q, dy and dx are 0.

    Fast gradient (Beck & Teboulle 2009), within the first, on half the square of the distance of E^T q from the second ball.
    """
    yy, xx, xy, dy, dx = borrowed(q[0]), borrowed(q[1]), borrowed(q[2]), borrowed(dy), borrowed(dx)
    z_yy, z_xx, z_xy, mask = borrowed(z[0]), borrowed(z[1]), borrowed(z[2]), borrowed(mask)
    rows = (dy.size - 2 * MARGIN) // columns - 2
    step = dy.dtype.type(-1.0 / 8.0)
    t = 1.0
    for _ in range(iterations):
        following = (1.0 + math.sqrt(1.0 + 4.0 * t * t)) / 2.0
        momentum = dy.dtype.type((t - 1.0) / following)
        t = following
        for row in range(rows + 1):
            place = MARGIN + (row + 1) * columns
            if row < rows:
                _beyond(dy, dx, z_yy, z_xx, z_xy, place, columns, first)
            if row > 0:
                # the row before, of which all that it needs is there
                place -= columns
                _second_row(z_yy, z_xx, z_xy, dy, dx, mask, place, columns, row - 1, rows, second, step)
                _further(z_yy, yy, place, columns, momentum)
                _further(z_xx, xx, place, columns, momentum)
                _further(z_xy, xy, place, columns, momentum)
