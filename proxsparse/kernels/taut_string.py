"""Total variation of a signal, exactly: 1/2 ||x - y||^2 + w sum |x[i+1] - x[i]|, the taut string.

The sums of x are the shortest string from (0, 0) to (n, sum y) that stays within w of the sums of y (Davies & Kovac, Ann.
Statist. 2001). From the last point where it bends, `scan` keeps the steepest slopes to the lower ends seen and the least
to the upper ends (Condat, IEEE Signal Process. Lett. 2013), many samples at a time where no bend is near; where that
looks at samples too often, `funnel` goes on with both hulls, at a cost that is linear for every signal.
"""

import numpy as np

from ..arrays.numbers import Array
from ._jit import borrowed, jit, jit_extremes, jit_sum
from .pointwise import pixel_loss

_BLOCK = 16


@jit_extremes
def _slopes(sums, m, above, below):
    """The least slope to the upper ends and the greatest to the lower ends of a block."""
    least, most = np.inf, -np.inf
    for j in range(sums.size):
        inverse = 1.0 / (m + j)
        least = min(least, (sums[j] + above) * inverse)
        most = max(most, (sums[j] + below) * inverse)
    return least, most


@jit
def _write(x, p, y, start, end, value, height, radius):
    """x = value from start to end; p, unless empty, how far above the sums of y the string is, held to the radius."""
    for k in range(start, end):
        x[k] = value
    if p.size > 0:
        # from the value before it is rounded, and from each bend on anew: rounding does not add up
        for k in range(start, end):
            height += value - np.float64(y[k])
            p[k] = min(max(height, -radius), radius)


@jit
def _without_bend(y, start, i, a, b, upper, lower, at_upper, at_lower):
    """Go on by whole blocks as long as none has a bend: the next sample, and what `scan` knows of the ends there."""
    sums = np.empty(_BLOCK)
    while i + _BLOCK < y.size:
        m = np.float64(i - start)
        above, below = a + upper * m, b + lower * m
        total = 0.0
        for j in range(_BLOCK):
            total += np.float64(y[i + j])
            sums[j] = total
        least, most_steep = _slopes(sums, m + 1.0, above, below)
        least, most_steep = min(least, upper), max(most_steep, lower)
        if least < most_steep:
            break
        for j in range(_BLOCK):
            if least < upper and (sums[j] + above) * (1.0 / (m + 1.0 + j)) <= least:
                at_upper = i + j
            if most_steep > lower and (sums[j] + below) * (1.0 / (m + 1.0 + j)) >= most_steep:
                at_lower = i + j
        upper, lower = least, most_steep
        m += _BLOCK
        a, b = above + total - upper * m, below + total - lower * m
        i += _BLOCK
    return i, a, b, upper, lower, at_upper, at_lower


@jit
def scan(x, p, y, w, radius, most, start, height, again, until):
    """Write the solution from a bend on into x and its dual, held to the radius, into p (may be empty).

    Returns the bend where it stopped, n at the end, else the first from `until` on or where more than `most` samples were
    looked at again; how far above the sums of y the string is there; and how many were looked at again so far.
    """
    x, p, y = borrowed(x), borrowed(p), borrowed(y)
    n = y.size
    while start < n - 1:
        if start >= until or again > most:
            return start, height, again
        value = np.float64(y[start])
        # slopes to the least upper and the greatest lower end, where they are, and the ends' distances from these slopes
        upper, lower = value + w - height, value - w - height
        at_upper = at_lower = start
        a = b = 0.0
        bend = 0
        i = start + 1
        stop = min(i + _BLOCK, n - 1)
        while True:
            while i < stop:
                value = np.float64(y[i])
                a += value - upper
                b += value - lower
                if b < -2 * w:
                    bend = -1
                    break
                if a > 2 * w:
                    bend = 1
                    break
                if a <= 0:
                    upper += a / (i - start + 1)
                    a = 0.0
                    at_upper = i
                if b >= 0:
                    lower += b / (i - start + 1)
                    b = 0.0
                    at_lower = i
                i += 1
            if bend != 0 or i >= n - 1:
                break
            i, a, b, upper, lower, at_upper, at_lower = _without_bend(y, start, i, a, b, upper, lower, at_upper, at_lower)
            stop = min(i + _BLOCK, n - 1)
        if bend == 0:
            # the end of the string, where both ends meet
            a += np.float64(y[i]) - upper
            slope = (a - w) / (i - start + 1)
            if upper + slope < lower:
                bend = -1
            elif slope > 0:
                bend = 1
            else:
                upper += slope
                at_upper = n - 1
            i += 1
        value, end = (lower, at_lower + 1) if bend < 0 else (upper, at_upper + 1)
        _write(x, p, y, start, end, value, height, radius)
        height = w if bend > 0 else -w
        start = end
        again += i - start
    if start == n - 1:
        x[start] = np.float64(y[start]) - height
    if p.size > 0:
        p[n - 1] = 0
    return n, 0.0, again


@jit
def funnel(x, p, y, w, radius, start, height):
    """Write the solution from a bend on, like `scan`, in linear time: by the hulls below the upper and above the lower ends.

    Each hull is a row of pieces, (samples, sum, slope); a new sample joins the pieces that it makes no hull.
    """
    x, p, y = borrowed(x), borrowed(p), borrowed(y)
    n, origin, height_at_origin = y.size, start, height
    # one more than samples: a single one is both the first and the last
    hull = np.empty((2, 3, n - start + 1))
    first, last = np.zeros(2, np.int64), np.full(2, -1, np.int64)
    for i in range(start, n):
        for side in range(2):
            # the upper hull has rising slopes, and is the first; the lower one is the same upside down
            sign = 1.0 if side == 0 else -1.0
            here, there = hull[side], hull[1 - side]
            count, total = 1.0, sign * np.float64(y[i])
            if i == origin:
                total += w - sign * height_at_origin
            if i == n - 1:
                total -= w
            slope = total
            while last[side] >= first[side] and here[2, last[side]] >= slope:
                count += here[0, last[side]]
                total += here[1, last[side]]
                slope = total / count
                last[side] -= 1
            if last[side] < first[side]:
                # the string has to bend at the other hull
                while first[1 - side] <= last[1 - side] and slope < -there[2, first[1 - side]]:
                    f = first[1 - side]
                    end = start + int(there[0, f])
                    _write(x, p, y, start, end, -sign * there[2, f], height, radius)
                    # the other hull's end: w below the sums where it is the lower one
                    start, height = end, -sign * w
                    count -= there[0, f]
                    total += there[1, f]
                    slope = total / count
                    first[1 - side] += 1
                first[side], last[side] = 0, -1
            last[side] += 1
            here[0, last[side]], here[1, last[side]], here[2, last[side]] = count, total, slope
    _write(x, p, y, start, n, hull[0, 2, first[0]], height, radius)
    if p.size > 0:
        p[n - 1] = 0


@jit
def reach(y):
    """A weight from which on x is the mean: the greatest distance of the sums of y from those of its mean."""
    mean = 0.0
    for i in range(y.size):
        mean += np.float64(y[i])
    mean /= y.size
    total = greatest = 0.0
    for i in range(y.size):
        total += np.float64(y[i]) - mean
        greatest = max(greatest, abs(total))
    return greatest


@jit_sum
def _sums(x, right, p, left, y, w, soft, lo, hi):
    gap, value, loss, data, size = 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(x.size):
        t, v = np.float64(x[j]), np.float64(y[j])
        difference = np.float64(right[j]) - t
        length = w * abs(difference)
        value += length
        gap += length - difference * p[j]
        loss += pixel_loss(t, v, np.float64(left[j]) - p[j], soft, lo, hi)
        data += 0.5 * (t - v) * (t - v)
        size += abs(t)
    return gap, value, loss, data, size


@jit
def certificate(sums, x, p, y, w, soft, lo, hi):
    """sums[block] += what `total_variation_2d.certificate` adds up, over blocks of 4096 samples; the last p must be 0."""
    n, block = y.size, 4096
    none = np.zeros(1, p.dtype)
    for first in range(0, n, block):
        stop = min(first + block, n)
        o, e = first, stop
        while o < stop:
            # the first and the last sample by themselves
            e = 1 if o == 0 else (n if o == n - 1 else min(stop, n - 1))
            left = none if o == 0 else p[o - 1 : e - 1]
            right = x[o:e] if e == n else x[o + 1 : e + 1]
            part = _sums(x[o:e], right, p[o:e], left, y[o:e], w, soft, lo, hi)
            for i in range(5):
                sums[first // block, i] += part[i]
            o = e


def denoise(x: Array, p: Array, y: Array, w: float, radius: float) -> None:
    """Write the solution for the signal y into x, and its dual, held to the radius, into p (may be empty)."""
    extent = float(np.ptp(y))
    if extent == 0:
        # no rounding: the dual is 0
        x[...] = y
        return
    if w > 16 * extent:
        # far beyond what matters rounding would be all that is left
        w = min(w, 1.001 * reach(y))
    start, height, again, most = 0, 0.0, 0, 8 * y.size
    while start < y.size and again <= most:
        # in calls that stay short
        until = start + (1 << 22)
        start, height, again = scan(x, p, y, w, radius, most, start, height, again, until)
    if start < y.size:
        funnel(x, p, y, w, radius, start, height)
