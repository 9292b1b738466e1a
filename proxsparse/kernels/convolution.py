"""Images widened beyond their border, correlated with a small kernel, and the adjoints of both; arrays of three axes."""

import numpy as np

from ._jit import borrowed, jit
from .pointwise import add_multiple


@jit
def widen(wide, x, deep, down, across):
    """wide[h, i, j] = x[deep[h], down[i], across[j]], 0 where an index is -1."""
    for h in range(wide.shape[0]):
        for i in range(wide.shape[1]):
            row = wide[h, i]
            if deep[h] < 0 or down[i] < 0:
                row[:] = 0
                continue
            own = x[deep[h], down[i]]
            for j in range(row.size):
                row[j] = own[across[j]] if across[j] >= 0 else 0


@jit
def fold(out, wide, deep, down, across):
    """Add each sample of a widened image to the one that it came from: the adjoint of `widen`."""
    out[...] = 0
    for h in range(wide.shape[0]):
        for i in range(wide.shape[1]):
            if deep[h] < 0 or down[i] < 0:
                continue
            row, own = wide[h, i], out[deep[h], down[i]]
            for j in range(row.size):
                if across[j] >= 0:
                    own[across[j]] += row[j]


@jit
def _multiple(out, row, tap):
    for j in range(out.size):
        out[j] = tap * row[j]


@jit
def correlate(out, wide, kernel):
    """out[h, i, j] = sum_abc kernel[a, b, c] wide[h + a, i + b, j + c]: each row of the kernel by itself, then their sum."""
    out, wide, kernel = borrowed(out), borrowed(wide), borrowed(kernel)
    columns = out.shape[2]
    row = np.empty(columns, out.dtype)
    for h in range(out.shape[0]):
        for i in range(out.shape[1]):
            own = out[h, i]
            own[:] = 0
            for a in range(kernel.shape[0]):
                for b in range(kernel.shape[1]):
                    near, taps = wide[h + a, i + b], kernel[a, b]
                    _multiple(row, near[:columns], taps[0])
                    for c in range(1, taps.size):
                        add_multiple(row, near[c : c + columns], taps[c])
                    for j in range(columns):
                        own[j] += row[j]
