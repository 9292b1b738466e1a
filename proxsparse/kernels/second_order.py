"""Second differences of gray images of at least three rows and columns: Chambolle-Pock's dual step in two passes.

Where a stencil leaves the image the difference is multiplied by 0, so that its dual is 0 and stays 0.
"""

import math

import numpy as np

from ._jit import borrowed, jit


@jit
def _dual_row(yy, xx, xy, above, here, below, left, right, right_below, on_y, on_x, on_xy, radius, floor):
    """p = project(p + sigma K x) on a piece of a row; on_* are sigma, times sqrt(2) for the mixed one, or 0."""
    for j in range(here.size):
        twice = here[j] + here[j]
        a = yy[j] + on_y * (above[j] - twice + below[j])
        b = xx[j] + on_x * (left[j] - twice + right[j])
        c = xy[j] + on_xy * (right_below[j] - below[j] - right[j] + here[j])
        length = np.sqrt(a * a + b * b + c * c)
        scale = radius / (length if length > floor else floor)
        yy[j] = scale * a
        xx[j] = scale * b
        xy[j] = scale * c


@jit
def _adjoint_row(out, above, here, below, left, middle, right, corner, over, beside, own, root):
    """out += Dyy^T yy + Dxx^T xx + sqrt(2) Dxy^T xy on a row."""
    for j in range(out.size):
        twice = (here[j] + here[j]) + (middle[j] + middle[j])
        out[j] += (above[j] + below[j]) + (left[j] + right[j]) - twice + root * (corner[j] - over[j] - beside[j] + own[j])


@jit
def dual_step(out, yy, xx, xy, x, sigma, radius):
    """p = project(p + sigma K x) in place, out += K^T p, for arrays (rows, columns)."""
    out, yy, xx, xy, x = borrowed(out), borrowed(yy), borrowed(xx), borrowed(xy), borrowed(x)
    rows, columns = x.shape
    zero = x.dtype.type(0)
    root = x.dtype.type(math.sqrt(2.0))
    floor = radius if radius > 0 else x.dtype.type(1)
    for i in range(rows):
        up, down = max(i - 1, 0), min(i + 1, rows - 1)
        on_y = sigma if 0 < i < rows - 1 else zero
        on_xy = root * sigma if i < rows - 1 else zero
        # the first pixel, those between, the last
        for first, last in ((0, 1), (1, columns - 1), (columns - 1, columns)):
            inner = first > 0 and last < columns
            before, after = max(first - 1, 0), min(first + 1, columns - 1)
            n = last - first
            _dual_row(
                yy[i, first:last], xx[i, first:last], xy[i, first:last],
                x[up, first:last], x[i, first:last], x[down, first:last],
                x[i, before : before + n], x[i, after : after + n], x[down, after : after + n],
                on_y, sigma if inner else zero, on_xy if last < columns else zero, radius, floor,
            )  # fmt: skip
    none = np.zeros(columns, x.dtype)
    # a row of xx and of xy with what stands to the left and right of its ends
    wide, over, own = np.zeros(columns + 2, x.dtype), np.zeros(columns + 1, x.dtype), np.zeros(columns + 1, x.dtype)
    for i in range(rows):
        for j in range(columns):
            wide[j + 1] = xx[i, j]
            own[j + 1] = xy[i, j]
            over[j + 1] = xy[i - 1, j] if i > 0 else zero
        above = yy[i - 1] if i > 0 else none
        below = yy[i + 1] if i < rows - 1 else none
        _adjoint_row(out[i], above, yy[i], below, wide[:-2], wide[1:-1], wide[2:], over[:-1], over[1:], own[:-1], own[1:], root)
