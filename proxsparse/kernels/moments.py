"""The sums of an image and of its squares, in one pass."""

import numpy as np

from ._jit import borrowed, jit
from ._vectors import add, added_up, load_double, splat, sub, vfma


@jit
def moments(flat):
    """The first number c of a flat image, and the sums of v - c and of (v - c)^2, in float64, 4096 numbers at a time."""
    flat = borrowed(flat)
    n, first = flat.size, np.float64(flat[0])
    center, zero = splat(first), splat(0.0)
    total, squares = 0.0, 0.0
    whole = n - n % 8
    for begin in range(0, whole, 4096):
        one, two = zero, zero
        for i in range(begin, min(begin + 4096, whole), 8):
            off = sub(load_double(flat, i), center)
            one, two = add(one, off), vfma(off, off, two)
        total += added_up(one)
        squares += added_up(two)
    for i in range(whole, n):
        off = np.float64(flat[i]) - first
        total += off
        squares += off * off
    return first, total, squares
