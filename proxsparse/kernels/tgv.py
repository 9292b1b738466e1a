"""Total generalized variation of gray images of at least three rows and columns: an image and its field.

The duals of second differences that leave the image are 0 and stay 0.
"""

import math

import numpy as np

from ._jit import borrowed, jit, jit_extremes, jit_sum


@jit
def _first_row(py, px, here, below, uy, ux, sigma, on_y, radius, floor):
    """(py, px) = project(p + sigma (D x - u)) on a row."""
    last = here.size - 1
    for j in range(last):
        a = py[j] + (on_y * (below[j] - here[j]) - sigma * uy[j])
        b = px[j] + sigma * (here[j + 1] - here[j] - ux[j])
        length = np.sqrt(a * a + b * b)
        scale = radius / (length if length > floor else floor)
        py[j] = scale * a
        px[j] = scale * b
    a = py[last] + (on_y * (below[last] - here[last]) - sigma * uy[last])
    b = px[last] - sigma * ux[last]
    length = np.sqrt(a * a + b * b)
    scale = radius / (length if length > floor else floor)
    py[last] = scale * a
    px[last] = scale * b


@jit
def _second_row(yy, xx, xy, above_uy, uy, after_uy, before_ux, ux, below_ux, on_y, on_x, on_xy, radius, floor):
    """(yy, xx, xy) = project(p + sigma E u) on a piece of a row; on_* are sigma, times sqrt(1/2) for the mixed one, or 0."""
    for j in range(uy.size):
        a = yy[j] + on_y * (uy[j] - above_uy[j])
        b = xx[j] + on_x * (ux[j] - before_ux[j])
        c = xy[j] + on_xy * (after_uy[j] - uy[j] + below_ux[j] - ux[j])
        length = np.sqrt(a * a + b * b + c * c)
        scale = radius / (length if length > floor else floor)
        yy[j] = scale * a
        xx[j] = scale * b
        xy[j] = scale * c


@jit
def _image_row(out, above, own, keep, px):
    """out += D^T p on a row; keep is 0 on the last row, whose differences leave the image."""
    last = out.size - 1
    for j in range(out.size):
        out[j] += above[j] - keep * own[j]
    for j in range(last):
        out[j] -= px[j]
    for j in range(1, out.size):
        out[j] += px[j - 1]


@jit
def _field_rows(out_y, out_x, py, px, yy, yy_below, xx, xx_after, xy, xy_before, xy_above, root):
    """out += E^T q - p on a row of both axes of the field."""
    for j in range(out_y.size):
        out_y[j] += (yy[j] - yy_below[j]) + root * (xy_before[j] - xy[j]) - py[j]
    for j in range(out_x.size):
        out_x[j] += (xx[j] - xx_after[j]) + root * (xy_above[j] - xy[j]) - px[j]


@jit
def _dual_rows(p, x, i, s1, s2, first, second):
    """p = project(p + sigma K X) on row i, sigma s1 for first and s2 for second differences."""
    rows = x.shape[1]
    zero, one = x.dtype.type(0), x.dtype.type(1)
    root = x.dtype.type(math.sqrt(0.5))
    down = min(i + 1, rows - 1)
    _first_row(
        p[0, i],
        p[1, i],
        x[0, i],
        x[0, down],
        x[1, i],
        x[2, i],
        s1,
        s1 if i < rows - 1 else zero,
        first,
        first if first > 0 else one,
    )
    _second_rows(p[2:], x[1:], i, s2, root, second)


@jit
def _second_rows(q, u, i, sigma, root, radius):
    """q = project(q + sigma E u) on row i."""
    _, rows, columns = u.shape
    zero, one = u.dtype.type(0), u.dtype.type(1)
    up, down = max(i - 1, 0), min(i + 1, rows - 1)
    on_y = sigma if 0 < i < rows - 1 else zero
    on_xy = root * sigma if i < rows - 1 else zero
    # the first pixel, those between, the last
    for begin, end in ((0, 1), (1, columns - 1), (columns - 1, columns)):
        inner = begin > 0 and end < columns
        before, after = max(begin - 1, 0), min(begin + 1, columns - 1)
        n = end - begin
        _second_row(
            q[0, i, begin:end], q[1, i, begin:end], q[2, i, begin:end],
            u[0, up, begin:end], u[0, i, begin:end], u[0, i, after : after + n],
            u[1, i, before : before + n], u[1, i, begin:end], u[1, down, begin:end],
            on_y, sigma if inner else zero, on_xy if end < columns else zero, radius, radius if radius > 0 else one,
        )  # fmt: skip


@jit
def _field_adjoint(out_y, out_x, py, px, q, i, wide, none):
    """out += E^T q - p on row i; wide are rows of xx and of xy with what stands beside them, 0 at its ends."""
    rows, columns = q.shape[1:]
    for j in range(columns):
        wide[0, j] = q[1, i, j]
        wide[1, j + 1] = q[2, i, j]
    _field_rows(
        out_y, out_x, py, px, q[0, i], q[0, i + 1] if i < rows - 1 else none,
        wide[0, :-1], wide[0, 1:], wide[1, 1:], wide[1, :-1], q[2, i - 1] if i > 0 else none, q.dtype.type(math.sqrt(0.5)),
    )  # fmt: skip


@jit
def _adjoint_rows(out_x, out_uy, out_ux, p, i, wide, none):
    """out += K^T p on row i, of the image and of both axes of its field."""
    zero, one = p.dtype.type(0), p.dtype.type(1)
    _image_row(out_x, p[0, i - 1] if i > 0 else none, p[0, i], one if i < p.shape[1] - 1 else zero, p[1, i])
    _field_adjoint(out_uy, out_ux, p[0, i], p[1, i], p[2:], i, wide, none)


@jit
def dual_step(out, p, x, sigma, first, second):
    """p = project(p + sigma K X) in place, out += K^T p; out, x (3, rows, columns) are the image and its field, p (5, ...)."""
    out, p, x = borrowed(out), borrowed(p), borrowed(x)
    _, rows, columns = x.shape
    for i in range(rows):
        _dual_rows(p, x, i, sigma, sigma, first, second)
    none, wide = np.zeros(columns, x.dtype), np.zeros((2, columns + 1), x.dtype)
    for i in range(rows):
        _adjoint_rows(out[0, i], out[1, i], out[2, i], p, i, wide, none)


@jit_extremes
def _largest_on_row(yy, xx, xy, dy, dx):
    """The largest squares of |q| and of |E^T q| = |(dy, dx)| on a row."""
    own, first = 0.0, 0.0
    for j in range(yy.size):
        a, b, c = np.float64(yy[j]), np.float64(xx[j]), np.float64(xy[j])
        square = a * a + b * b + c * c
        own = square if square > own else own
        square = dy[j] * dy[j] + dx[j] * dx[j]
        first = square if square > first else first
    return own, first


@jit
def _copied(out, row):
    for j in range(row.size):
        out[j] = row[j]


@jit
def largest(q):
    """The largest squares of |q| and of |E^T q|, in float64, for finite q (3, rows, columns)."""
    q = borrowed(q)
    _, rows, columns = q.shape
    # rows of yy, of that below, and of xy above; of xx and xy with what stands beside them
    row, wide, d = np.zeros((3, columns)), np.zeros((2, columns + 1)), np.zeros((2, columns))
    none, root = np.zeros(columns), math.sqrt(0.5)
    own, first = 0.0, 0.0
    _copied(row[1], q[0, 0])
    for i in range(rows):
        _copied(row[0], row[1])
        if i < rows - 1:
            _copied(row[1], q[0, i + 1])
        else:
            row[1] = 0.0
        if i > 0:
            _copied(row[2], q[2, i - 1])
        _copied(wide[0, :-1], q[1, i])
        _copied(wide[1, 1:], q[2, i])
        d[:] = 0.0
        _field_rows(d[0], d[1], none, none, row[0], row[1], wide[0, :-1], wide[0, 1:], wide[1, 1:], wide[1, :-1], row[2], root)
        a, b = _largest_on_row(q[0, i], q[1, i], q[2, i], d[0], d[1])
        own, first = max(own, a), max(first, b)
    return own, first


@jit_sum
def _cost_row(p, x, i, weight, ratio, sums):
    """Add w (|Dx - u| + ratio |Eu|) - <p, K X> and w (...) of row i to sums, in float64."""
    _, rows, columns = x.shape
    root = math.sqrt(0.5)
    down, up = min(i + 1, rows - 1), max(i - 1, 0)
    on_y, on_yy = 1.0 if i < rows - 1 else 0.0, 1.0 if 0 < i < rows - 1 else 0.0
    gap, value = 0.0, 0.0
    for j in range(columns):
        right, left = min(j + 1, columns - 1), max(j - 1, 0)
        on_x, on_xx = 1.0 if j < columns - 1 else 0.0, 1.0 if 0 < j < columns - 1 else 0.0
        here, uy, ux = np.float64(x[0, i, j]), np.float64(x[1, i, j]), np.float64(x[2, i, j])
        a = on_y * (x[0, down, j] - here) - uy
        b = on_x * (x[0, i, right] - here) - ux
        c = on_yy * (uy - x[1, up, j])
        d = on_xx * (ux - x[2, i, left])
        e = on_y * on_x * root * ((x[1, i, right] - uy) + (x[2, down, j] - ux))
        own = weight * (math.sqrt(a * a + b * b) + ratio * math.sqrt(c * c + d * d + e * e))
        value += own
        gap += own - (a * p[0, i, j] + b * p[1, i, j] + c * p[2, i, j] + d * p[3, i, j] + e * p[4, i, j])
    sums[0] += gap
    sums[1] += value


@jit
def gap(x, p, weight, ratio):
    """Sums (w h(K X) - <p, K X>, w h(K X)) in float64; arrays as in `dual_step`."""
    x, p = borrowed(x), borrowed(p)
    sums = np.zeros(2)
    for i in range(x.shape[1]):
        _cost_row(p, x, i, weight, ratio, sums)
    return sums[0], sums[1]
