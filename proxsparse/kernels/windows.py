"""Overlapping windows: the groups are never listed, only walked over.

The dual p[o, c, a, b, i] is the copy of pixel (a sd + od, b sh + oh, i sw + ow) of channel c held by window (a, b, i),
o = (od kh + oh) kw + ow. Copies outside the image are zero and stay zero.
"""

import numpy as np

from ._jit import borrowed, jit, jit_sum
from .balls import add_sizes, l1_thresholds, scale_in, soften


@jit
def _fitting(columns, windows, ow, sw):
    """How many windows of a row have their offset ow inside the image."""
    return min(windows, (columns - ow + sw - 1) // sw)


@jit
def gather(p, x, window, stride):
    """p = K x: each window's copy of its pixels."""
    channels, planes, rows, columns = x.shape
    kd, kh, kw = window
    sd, sh, sw = stride
    p[:] = 0
    for od in range(kd):
        for oh in range(kh):
            for ow in range(kw):
                o = (od * kh + oh) * kw + ow
                n = _fitting(columns, p.shape[4], ow, sw)
                for c in range(channels):
                    for a in range(p.shape[2]):
                        for b in range(p.shape[3]):
                            if a * sd + od < planes and b * sh + oh < rows:
                                row = x[c, a * sd + od, b * sh + oh]
                                out = p[o, c, a, b]
                                for i in range(n):
                                    out[i] = row[i * sw + ow]


@jit
def add_adjoint(out, p, window, stride):
    """out += K^T p: each pixel gets the sum of its copies."""
    channels, planes, rows, columns = out.shape
    kd, kh, kw = window
    sd, sh, sw = stride
    for c in range(channels):
        for a in range(p.shape[2]):
            for b in range(p.shape[3]):
                for od in range(min(kd, planes - a * sd)):
                    for oh in range(min(kh, rows - b * sh)):
                        row = out[c, a * sd + od, b * sh + oh]
                        for ow in range(kw):
                            copies = p[(od * kh + oh) * kw + ow, c, a, b]
                            for i in range(_fitting(columns, copies.size, ow, sw)):
                                row[i * sw + ow] += copies[i]


@jit
def _add_squares(s, row):
    for i in range(s.size):
        v = s.dtype.type(row[i])
        s[i] += v * v


@jit
def _scale(row, s):
    for i in range(s.size):
        row[i] *= s[i]


@jit
def lengths_to_scales(s, radius):
    """s, squares of lengths, become what scales these into the ball."""
    floor = radius if radius > 0 else s.dtype.type(1)
    for i in range(s.size):
        length = np.sqrt(s[i])
        s[i] = radius / (length if length > floor else floor)


@jit
def project_l2(p, radius):
    """Scale each group to a Euclidean length of at most radius."""
    s = np.empty(p.shape[4], p.dtype)
    for a in range(p.shape[2]):
        for b in range(p.shape[3]):
            s[:] = 0
            for o in range(p.shape[0]):
                for c in range(p.shape[1]):
                    _add_squares(s, p[o, c, a, b])
            lengths_to_scales(s, radius)
            for o in range(p.shape[0]):
                for c in range(p.shape[1]):
                    _scale(p[o, c, a, b], s)


@jit
def project_l1(p, radius):
    """Project each group onto the l1 ball of that radius."""
    p = borrowed(p)
    n = p.shape[4]
    rows = p.reshape(p.shape[0] * p.shape[1], p.shape[2] * p.shape[3], n)
    theta, total, rest, count = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for row in range(rows.shape[1]):
        total[:] = 0.0
        for o in range(rows.shape[0]):
            add_sizes(total, rows[o, row])
        l1_thresholds(theta, total, rest, count, rows, row, radius)
        rest[:] = 0.0
        for o in range(rows.shape[0]):
            soften(rows[o, row], theta, rest)
        scale_in(rows, row, rest, radius)


@jit
def step_and_add_squares(row, s, pixels, sigma):
    """row += sigma pixels; s += the squares."""
    for i in range(row.size):
        v = row[i] + sigma * pixels[i]
        row[i] = v
        s[i] += v * v


@jit
def scale_and_scatter(row, out, s):
    """row *= s; out += row."""
    for i in range(row.size):
        v = row[i] * s[i]
        row[i] = v
        out[i] += v


@jit
def dual_step(out, p, xbar, window, stride, sigma, radius):
    """p = project(p + sigma K xbar) in l2 and out += K^T p, one pass over the windows."""
    # slices of arrays that count references cost as much as a short row
    out, p, xbar = borrowed(out), borrowed(p), borrowed(xbar)
    channels, planes, rows, columns = xbar.shape
    kd, kh, kw = window
    sd, sh, sw = stride
    windows = p.shape[4]
    s = np.empty(windows, p.dtype)
    for a in range(p.shape[2]):
        for b in range(p.shape[3]):
            s[:] = 0
            for od in range(min(kd, planes - a * sd)):
                for oh in range(min(kh, rows - b * sh)):
                    for ow in range(kw):
                        n = _fitting(columns, windows, ow, sw)
                        for c in range(channels):
                            copies = p[(od * kh + oh) * kw + ow, c, a, b, :n]
                            pixels = xbar[c, a * sd + od, b * sh + oh]
                            if sw == 1:
                                step_and_add_squares(copies, s, pixels[ow : ow + n], sigma)
                            else:
                                for i in range(n):
                                    v = copies[i] + sigma * pixels[i * sw + ow]
                                    copies[i] = v
                                    s[i] += v * v
            lengths_to_scales(s, radius)
            for od in range(min(kd, planes - a * sd)):
                for oh in range(min(kh, rows - b * sh)):
                    for ow in range(kw):
                        n = _fitting(columns, windows, ow, sw)
                        for c in range(channels):
                            copies = p[(od * kh + oh) * kw + ow, c, a, b, :n]
                            pixels = out[c, a * sd + od, b * sh + oh]
                            if sw == 1:
                                scale_and_scatter(copies, pixels[ow : ow + n], s)
                            else:
                                for i in range(n):
                                    v = copies[i] * s[i]
                                    copies[i] = v
                                    pixels[i * sw + ow] += v


@jit_sum
def gap(x, p, window, stride, l2, radius):
    """Sums (radius h(Kx) - <p, Kx>, radius h(Kx)) in float64; h adds up group lengths (l2) or group maxima."""
    x, p = borrowed(x), borrowed(p)
    channels, planes, rows, columns = x.shape
    kd, kh, kw = window
    sd, sh, sw = stride
    windows = p.shape[4]
    length = np.empty(windows)
    dot = np.empty(windows)
    gap_total = 0.0
    value_total = 0.0
    for a in range(p.shape[2]):
        for b in range(p.shape[3]):
            length[:] = 0.0
            dot[:] = 0.0
            for od in range(min(kd, planes - a * sd)):
                for oh in range(min(kh, rows - b * sh)):
                    for ow in range(kw):
                        n = _fitting(columns, windows, ow, sw)
                        for c in range(channels):
                            copies = p[(od * kh + oh) * kw + ow, c, a, b]
                            pixels = x[c, a * sd + od, b * sh + oh]
                            for i in range(n):
                                v = np.float64(pixels[i * sw + ow])
                                dot[i] += v * copies[i]
                                length[i] = length[i] + v * v if l2 else max(length[i], abs(v))
            row_gap = 0.0
            row_value = 0.0
            for i in range(windows):
                value = radius * (np.sqrt(length[i]) if l2 else length[i])
                row_value += value
                row_gap += value - dot[i]
            value_total += row_value
            gap_total += row_gap
    return gap_total, value_total


@jit
def least_copies(out, p, window, stride):
    """out = the least of each pixel and the sizes of its copies."""
    out, p = borrowed(out), borrowed(p)
    channels, planes, rows, columns = out.shape
    kd, kh, kw = window
    sd, sh, sw = stride
    for c in range(channels):
        for a in range(p.shape[2]):
            for b in range(p.shape[3]):
                for od in range(min(kd, planes - a * sd)):
                    for oh in range(min(kh, rows - b * sh)):
                        row = out[c, a * sd + od, b * sh + oh]
                        for ow in range(kw):
                            copies = p[(od * kh + oh) * kw + ow, c, a, b]
                            for i in range(_fitting(columns, copies.size, ow, sw)):
                                size = abs(copies[i])
                                row[i * sw + ow] = size if size < row[i * sw + ow] else row[i * sw + ow]


@jit_sum
def gap_of_copies(z, p, l2, radius):
    """Sums (radius h(z) - <p, z>, radius h(z)) in float64, of the copies z = K x; see `gap`."""
    z, p = borrowed(z), borrowed(p)
    length, dot = np.empty(z.shape[4]), np.empty(z.shape[4])
    gap_total, value_total = 0.0, 0.0
    for a in range(z.shape[2]):
        for b in range(z.shape[3]):
            length[:] = 0.0
            dot[:] = 0.0
            for o in range(z.shape[0]):
                for c in range(z.shape[1]):
                    pixels, copies = z[o, c, a, b], p[o, c, a, b]
                    for i in range(length.size):
                        v = np.float64(pixels[i])
                        dot[i] += v * copies[i]
                        length[i] = length[i] + v * v if l2 else max(length[i], abs(v))
            row_gap, row_value = 0.0, 0.0
            for i in range(length.size):
                value = radius * (np.sqrt(length[i]) if l2 else length[i])
                row_value += value
                row_gap += value - dot[i]
            gap_total += row_gap
            value_total += row_value
    return gap_total, value_total


@jit
def clear_copies_inside(z, p, least):
    """z = 0 on every group whose l2 dual p is shorter than least."""
    z, p = borrowed(z), borrowed(p)
    s = np.empty(p.shape[4])
    for a in range(p.shape[2]):
        for b in range(p.shape[3]):
            s[:] = 0.0
            for o in range(p.shape[0]):
                for c in range(p.shape[1]):
                    _add_squares(s, p[o, c, a, b])
            for i in range(s.size):
                if s[i] < least * least:
                    for o in range(p.shape[0]):
                        for c in range(p.shape[1]):
                            z[o, c, a, b, i] = 0


@jit
def zero_inside(x, p, window, stride, least):
    """x = 0 on every window whose l2 dual is shorter than least."""
    x, p = borrowed(x), borrowed(p)
    channels, planes, rows, columns = x.shape
    kd, kh, kw = window
    sd, sh, sw = stride
    s = np.empty(p.shape[4])
    for a in range(p.shape[2]):
        for b in range(p.shape[3]):
            s[:] = 0.0
            for o in range(p.shape[0]):
                for c in range(channels):
                    _add_squares(s, p[o, c, a, b])
            for c in range(channels):
                for od in range(min(kd, planes - a * sd)):
                    for oh in range(min(kh, rows - b * sh)):
                        row = x[c, a * sd + od, b * sh + oh]
                        for i in range(s.size):
                            if s[i] < least * least:
                                for ow in range(min(kw, columns - i * sw)):
                                    row[i * sw + ow] = 0
