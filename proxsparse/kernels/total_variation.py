"""Total variation: forward differences with Neumann edges, and the Chambolle-Pock sweep in place.

The dual of an image (C, D, H, W) is three images pz, py, px, one an axis; where an axis has one sample its
differences are zero and its dual is never touched.
"""

import numpy as np

from ._jit import borrowed, jit, jit_sum
from .pointwise import primal_step


@jit
def gradient(pz, py, px, x):
    """p = D x: x[i+1] - x[i] along each axis, 0 at the last sample."""
    channels, planes, rows, columns = x.shape
    for c in range(channels):
        for d in range(planes):
            for h in range(rows):
                row = x[c, d, h]
                out = px[c, d, h]
                for j in range(columns - 1):
                    out[j] = row[j + 1] - row[j]
                out[columns - 1] = 0
                if rows > 1:
                    out = py[c, d, h]
                    if h + 1 < rows:
                        below = x[c, d, h + 1]
                        for j in range(columns):
                            out[j] = below[j] - row[j]
                    else:
                        out[:] = 0
                if planes > 1:
                    out = pz[c, d, h]
                    if d + 1 < planes:
                        below = x[c, d + 1, h]
                        for j in range(columns):
                            out[j] = below[j] - row[j]
                    else:
                        out[:] = 0


@jit
def _add_adjoint_row(out, pz, py, px, c, d, h):
    """out += (D^T p)[c, d, h], one row."""
    columns = px.shape[3]
    row = px[c, d, h]
    # Neumann edge: the dual of the last difference takes no part.
    for j in range(columns - 1):
        out[j] -= row[j]
    for j in range(1, columns):
        out[j] += row[j - 1]
    if h + 1 < px.shape[2]:
        row = py[c, d, h]
        for j in range(columns):
            out[j] -= row[j]
    if h > 0:
        row = py[c, d, h - 1]
        for j in range(columns):
            out[j] += row[j]
    if d + 1 < px.shape[1]:
        row = pz[c, d, h]
        for j in range(columns):
            out[j] -= row[j]
    if d > 0:
        row = pz[c, d - 1, h]
        for j in range(columns):
            out[j] += row[j]


@jit
def add_adjoint(out, pz, py, px):
    """out += D^T p, the negative divergence."""
    channels, planes, rows, _ = out.shape
    for c in range(channels):
        for d in range(planes):
            for h in range(rows):
                _add_adjoint_row(out[c, d, h], pz, py, px, c, d, h)


@jit
def _shrink_row(s, pz, py, px, d, h, radius):
    """Scale the dual vectors of one row of pixels into the ball; s is scratch."""
    channels, planes, rows, columns = px.shape
    s[:] = 0
    for c in range(channels):
        row = px[c, d, h]
        for j in range(columns):
            s[j] += row[j] * row[j]
        if rows > 1:
            row = py[c, d, h]
            for j in range(columns):
                s[j] += row[j] * row[j]
        if planes > 1:
            row = pz[c, d, h]
            for j in range(columns):
                s[j] += row[j] * row[j]
    floor = radius if radius > 0 else px.dtype.type(1)
    for j in range(columns):
        length = np.sqrt(s[j])
        s[j] = radius / (length if length > floor else floor)
    for c in range(channels):
        row = px[c, d, h]
        for j in range(columns):
            row[j] *= s[j]
        if rows > 1:
            row = py[c, d, h]
            for j in range(columns):
                row[j] *= s[j]
        if planes > 1:
            row = pz[c, d, h]
            for j in range(columns):
                row[j] *= s[j]


@jit
def project(pz, py, px, radius):
    """Scale the dual vector of each pixel (all axes and channels together) to a length of at most radius."""
    _, planes, rows, columns = px.shape
    s = np.empty(columns, px.dtype)
    for d in range(planes):
        for h in range(rows):
            _shrink_row(s, pz, py, px, d, h, radius)


@jit
def _step_row(p, after, before, sigma):
    for j in range(p.size):
        p[j] += sigma * (after[j] - before[j])


@jit
def _step_rows(pz, py, px, xbar, d, h, sigma):
    """p += sigma K xbar at one row of pixels."""
    channels, planes, rows, _ = xbar.shape
    for c in range(channels):
        row = xbar[c, d, h]
        _step_row(px[c, d, h, :-1], row[1:], row[:-1], sigma)
        if h + 1 < rows:
            _step_row(py[c, d, h], xbar[c, d, h + 1], row, sigma)
        if d + 1 < planes:
            _step_row(pz[c, d, h], xbar[c, d + 1, h], row, sigma)


@jit
def _step_row_clipped(p, after, before, sigma, radius):
    for j in range(p.size):
        v = p[j] + sigma * (after[j] - before[j])
        v = v if v < radius else radius
        p[j] = v if v > -radius else -radius


@jit
def _step_rows_clipped(pz, py, px, xbar, d, h, sigma, radius):
    """p = clip(p + sigma K xbar, -radius, radius) at one row of pixels."""
    channels, planes, rows, _ = xbar.shape
    for c in range(channels):
        row = xbar[c, d, h]
        _step_row_clipped(px[c, d, h, :-1], row[1:], row[:-1], sigma, radius)
        if h + 1 < rows:
            _step_row_clipped(py[c, d, h], xbar[c, d, h + 1], row, sigma, radius)
        if d + 1 < planes:
            _step_row_clipped(pz[c, d, h], xbar[c, d + 1, h], row, sigma, radius)


@jit
def sweep(x, xbar, pz, py, px, y, isotropic, without_dual, radius, soft, lo, hi, steps):
    """Chambolle-Pock iterations for 1/2 ||x - y||^2 + TV(x) + soft |x|_1 within [lo, hi], in place.

    steps[k] = tau, sigma, theta, 1 / (1 + tau) of iteration k. Row by row: the dual row needs the old extrapolation
    of its own and of later rows, the primal row the new dual of its own and of earlier rows. `without_dual` says of the last
    plane, row and column whether the pixels there have no dual, which is 0 and stays 0.
    """
    # slices of arrays that count references cost as much as a short row
    x, xbar, pz, py, px, y = borrowed(x), borrowed(xbar), borrowed(pz), borrowed(py), borrowed(px), borrowed(y)
    channels, planes, rows, columns = x.shape
    s = np.empty(columns, x.dtype)
    for k in range(steps.shape[0]):
        sigma = steps[k, 1]
        for d in range(planes):
            for h in range(rows):
                moves = not (without_dual[0] and d == planes - 1) and not (without_dual[1] and h == rows - 1)
                if moves and isotropic:
                    _step_rows(pz, py, px, xbar, d, h, sigma)
                    _shrink_row(s, pz, py, px, d, h, radius)
                elif moves:
                    _step_rows_clipped(pz, py, px, xbar, d, h, sigma, radius)
                if moves and without_dual[2]:
                    for c in range(channels):
                        pz[c, d, h, columns - 1] = py[c, d, h, columns - 1] = px[c, d, h, columns - 1] = 0
                for c in range(channels):
                    s[:] = 0
                    _add_adjoint_row(s, pz, py, px, c, d, h)
                    primal_step(x[c, d, h], xbar[c, d, h], s, y[c, d, h], soft, lo, hi, steps[k])


@jit_sum
def gap(x, pz, py, px, isotropic, without_dual, radius):
    """Sums (radius h(Kx) - <p, Kx>, radius h(Kx)) in float64; no term of the first is negative for a feasible p.

    `without_dual` as in `sweep`: pixels without a dual cost nothing.
    """
    channels, planes, rows, columns = x.shape
    square = np.empty(columns)
    dot = np.empty(columns)
    gap_total = 0.0
    value_total = 0.0
    for d in range(planes - 1 if without_dual[0] else planes):
        for h in range(rows - 1 if without_dual[1] else rows):
            square[:] = 0.0
            dot[:] = 0.0
            for c in range(channels):
                row = x[c, d, h]
                _accumulate(square[:-1], dot[:-1], row[1:], row[:-1], px[c, d, h], isotropic)
                if h + 1 < rows:
                    _accumulate(square, dot, x[c, d, h + 1], row, py[c, d, h], isotropic)
                if d + 1 < planes:
                    _accumulate(square, dot, x[c, d + 1, h], row, pz[c, d, h], isotropic)
            row_gap = 0.0
            row_value = 0.0
            for j in range(columns - 1 if without_dual[2] else columns):
                length = radius * (np.sqrt(square[j]) if isotropic else square[j])
                row_value += length
                row_gap += length - dot[j]
            value_total += row_value
            gap_total += row_gap
    return gap_total, value_total


@jit_sum
def _accumulate(square, dot, after, before, p, isotropic):
    for j in range(square.size):
        difference = np.float64(after[j]) - np.float64(before[j])
        dot[j] += difference * p[j]
        square[j] += difference * difference if isotropic else abs(difference)
