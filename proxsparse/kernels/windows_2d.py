"""Overlapping windows of gray images at stride 1: whole iterations of Chambolle-Pock, and the certificate.

The dual p[o, i, j] is the copy of pixel (i + oh, j + ow) held by window (i, j), o = oh width + ow.
"""

import numpy as np

from ._jit import borrowed, jit, jit_sum
from .balls import clip_by, l1_thresholds, scale_in, soften
from .pointwise import pixel_loss, primal_step
from .windows import lengths_to_scales, scale_and_scatter, step_and_add_squares


@jit
def _lengths_to_shrinkage(s, cut):
    one, zero = s.dtype.type(1), s.dtype.type(0)
    for i in range(s.size):
        length = np.sqrt(s[i])
        s[i] = one - cut / length if length > cut else zero


@jit
def _weighted_step_and_add_squares(row, s, pixels, sigma, weights):
    for i in range(row.size):
        v = row[i] + sigma * weights[i] * pixels[i]
        row[i] = v
        s[i] += v * v


@jit
def _scale_and_scatter_weighted(row, out, s, weights):
    for i in range(row.size):
        v = row[i] * s[i]
        row[i] = v
        out[i] += weights[i] * v


@jit
def _step_and_add_sizes(row, total, pixels, sigma):
    for i in range(row.size):
        v = row[i] + sigma * pixels[i]
        row[i] = v
        total[i] += abs(np.float64(v))


@jit
def _add_row(out, row):
    for i in range(row.size):
        out[i] += row[i]


@jit
def sweep(x, xbar, p, y, ring, width, linf, shrinking, weights, radius, soft, lo, hi, steps, first, last, begin, end):
    """Chambolle-Pock iterations in place for gray images (rows, columns) under windows at stride 1, p (offset, row, column).

    Duals are projected onto balls of that radius, of l2 or where windows are `linf` of l1; where they are `shrinking` they are
    less their projection onto balls sigma times as large. Both are None or not. K multiplies the copies of each l2 window by
    its weight (row, column), where these are not None.
    The windows of a row need the extrapolated primal of `height` rows, and complete the sum over windows of the first of
    them, kept in ring (iterations, height, columns), 0 at the start. The iterations go down the rows together, each
    height - 1 rows behind the one before it; only the rows `begin` to `end` of the first are worked. They work the rows `first`
    to `last` alone.
    """
    x, xbar, p, y, ring, steps = borrowed(x), borrowed(xbar), borrowed(p), borrowed(y), borrowed(ring), borrowed(steps)
    height, n = ring.shape[1], p.shape[2]
    s, theta, total, rest, count = np.empty(n, x.dtype), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for row in range(first + begin, first + end):
        for k in range(steps.shape[0]):
            a = row - k * (height - 1)
            if a < first or a >= last:
                continue
            sums = ring[k]
            if a < p.shape[1] and linf is None:
                s[:] = 0
                for oh in range(height):
                    for ow in range(width):
                        copies, pixels = p[oh * width + ow, a], xbar[a + oh, ow : ow + n]
                        if weights is None:
                            step_and_add_squares(copies, s, pixels, steps[k, 1])
                        else:
                            _weighted_step_and_add_squares(copies, s, pixels, steps[k, 1], weights[a])
                if shrinking is None:
                    lengths_to_scales(s, radius)
                else:
                    _lengths_to_shrinkage(s, radius * steps[k, 1])
                for oh in range(height):
                    for ow in range(width):
                        copies, out = p[oh * width + ow, a], sums[(a + oh) % height, ow : ow + n]
                        if weights is None:
                            scale_and_scatter(copies, out, s)
                        else:
                            _scale_and_scatter_weighted(copies, out, s, weights[a])
            elif a < p.shape[1]:
                total[:] = 0.0
                for oh in range(height):
                    for ow in range(width):
                        _step_and_add_sizes(p[oh * width + ow, a], total, xbar[a + oh, ow : ow + n], steps[k, 1])
                l1_thresholds(theta, total, rest, count, p, a, radius if shrinking is None else radius * steps[k, 1])
                rest[:] = 0.0
                for o in range(p.shape[0]):
                    if shrinking is None:
                        soften(p[o, a], theta, rest)
                    else:
                        clip_by(p[o, a], theta)
                if shrinking is None:
                    scale_in(p, a, rest, radius)
                for oh in range(height):
                    for ow in range(width):
                        _add_row(sums[(a + oh) % height, ow : ow + n], p[oh * width + ow, a])
            ktp = sums[a % height]
            primal_step(x[a], xbar[a], ktp, y[a], soft, lo, hi, steps[k])
            # for the row that comes there next
            for j in range(ktp.size):
                ktp[j] = 0


@jit_sum
def _add_products(length, dot, pixels, copies, linf):
    for i in range(copies.size):
        v, q = np.float64(pixels[i]), np.float64(copies[i])
        dot[i] += v * q
        length[i] = length[i] + v * v if linf is None else max(length[i], abs(v))


@jit
def _add(out, row):
    for i in range(row.size):
        out[i] += np.float64(row[i])


@jit
def _add_weighted(out, row, weights):
    for i in range(row.size):
        out[i] += np.float64(row[i]) * np.float64(weights[i])


@jit
def _weigh(length, dot, weights):
    for i in range(length.size):
        a = np.float64(weights[i])
        length[i] *= a * a
        dot[i] *= a


@jit_sum
def _group_sums(length, dot, radius, linf):
    gap, value = 0.0, 0.0
    for i in range(length.size):
        part = radius * (np.sqrt(length[i]) if linf is None else length[i])
        value += part
        gap += part - dot[i]
    return gap, value


@jit_sum
def _pixel_sums(x, ktp, y, soft, lo, hi):
    loss, data, size = 0.0, 0.0, 0.0
    for j in range(x.size):
        t, v = np.float64(x[j]), np.float64(y[j])
        loss += pixel_loss(t, v, np.float64(ktp[j]), soft, lo, hi)
        data += 0.5 * (t - v) * (t - v)
        size += abs(t)
    return loss, data, size


@jit
def certificate(sums, x, p, y, width, linf, weights, radius, soft, lo, hi, begin, end):
    """sums[row] = the sums of `total_variation_2d.certificate` over each row from `begin` to `end`; arrays as in `sweep`."""
    x, p, y = borrowed(x), borrowed(p), borrowed(y)
    n, height = p.shape[2], p.shape[0] // width
    length, dot, ring = np.empty(n), np.empty(n), np.zeros((height, x.shape[1]))
    # the windows of the rows before hold pixels of the first ones
    for a in range(max(0, begin - height + 1), end):
        if a < p.shape[1]:
            for i in range(n):
                length[i] = dot[i] = 0.0
            for oh in range(height):
                for ow in range(width):
                    copies = p[oh * width + ow, a]
                    if a >= begin:
                        _add_products(length, dot, x[a + oh, ow : ow + n], copies, linf)
                    if weights is None:
                        _add(ring[(a + oh) % height, ow : ow + n], copies)
                    else:
                        _add_weighted(ring[(a + oh) % height, ow : ow + n], copies, weights[a])
            if weights is not None:
                _weigh(length, dot, weights[a])
        ktp = ring[a % height]
        if a >= begin:
            sums[a, 0], sums[a, 1] = _group_sums(length, dot, radius, linf) if a < p.shape[1] else (0.0, 0.0)
            sums[a, 2], sums[a, 3], sums[a, 4] = _pixel_sums(x[a], ktp, y[a], soft, lo, hi)
        for j in range(ktp.size):
            ktp[j] = 0.0
