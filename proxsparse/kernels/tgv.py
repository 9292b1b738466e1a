"""Total generalized variation of gray images: Chambolle-Pock's dual step for an image and its field, in two passes.

The duals of second differences that leave the image are 0 and stay 0.
"""

import math

import numpy as np

from ._jit import borrowed, jit


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
def dual_step(out, p, x, sigma, first, second):
    """p = project(p + sigma K X) in place, out += K^T p; out, x (3, rows, columns) are the image and its field, p (5, ...)."""
    out, p, x = borrowed(out), borrowed(p), borrowed(x)
    _, rows, columns = x.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    root = x.dtype.type(math.sqrt(0.5))
    floor_first, floor_second = first if first > 0 else one, second if second > 0 else one
    for i in range(rows):
        up, down = max(i - 1, 0), min(i + 1, rows - 1)
        on_row = sigma if i < rows - 1 else zero
        _first_row(p[0, i], p[1, i], x[0, i], x[0, down], x[1, i], x[2, i], sigma, on_row, first, floor_first)
        on_y = sigma if 0 < i < rows - 1 else zero
        # the first pixel, those between, the last
        for begin, end in ((0, 1), (1, columns - 1), (columns - 1, columns)):
            inner = begin > 0 and end < columns
            before, after = max(begin - 1, 0), min(begin + 1, columns - 1)
            n = end - begin
            _second_row(
                p[2, i, begin:end], p[3, i, begin:end], p[4, i, begin:end],
                x[1, up, begin:end], x[1, i, begin:end], x[1, i, after : after + n],
                x[2, i, before : before + n], x[2, i, begin:end], x[2, down, begin:end],
                on_y, sigma if inner else zero, root * on_row if end < columns else zero, second, floor_second,
            )  # fmt: skip
    none = np.zeros(columns, x.dtype)
    # rows of xx and of xy with what stands to the right and to the left of them
    wide_xx, wide_xy = np.zeros(columns + 1, x.dtype), np.zeros(columns + 1, x.dtype)
    for i in range(rows):
        for j in range(columns):
            wide_xx[j] = p[3, i, j]
            wide_xy[j + 1] = p[4, i, j]
        _image_row(out[0, i], p[0, i - 1] if i > 0 else none, p[0, i], one if i < rows - 1 else zero, p[1, i])
        _field_rows(
            out[1, i], out[2, i], p[0, i], p[1, i], p[2, i], p[2, i + 1] if i < rows - 1 else none,
            wide_xx[:-1], wide_xx[1:], wide_xy[1:], wide_xy[:-1], p[4, i - 1] if i > 0 else none, root,
        )  # fmt: skip
