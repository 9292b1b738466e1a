"""One level of the undecimated wavelet transform along one axis: periodic correlation with two filters, and its adjoint.

Arrays are (outer, n, inner), the axis in the middle. Tap k of a filter meets the pixel ``first + k step`` further on (Mallat,
"A Wavelet Tour of Signal Processing", section 5.2.2: the algorithme a trous).
"""

import numpy as np

from ._jit import jit
from .pointwise import add_multiple


@jit
def _around(wide, row, first):
    """The row from its pixel `first` on, as often around as `wide` takes."""
    n = row.size
    at = first % n
    for j in range(wide.size):
        wide[j] = row[at]
        at += 1
        if at == n:
            at = 0


@jit
def split(a, low, high, h, g, first, step):
    """Write the averages and the details of a."""
    outer, n, inner = a.shape
    low[...] = 0
    high[...] = 0
    if inner == 1:
        wide = np.empty(n + (h.size - 1) * step, a.dtype)
        rows, averages, details = a.reshape(outer, n), low.reshape(outer, n), high.reshape(outer, n)
        for o in range(outer):
            _around(wide, rows[o], first)
            for k in range(h.size):
                add_multiple(averages[o], wide[k * step : k * step + n], h[k])
                add_multiple(details[o], wide[k * step : k * step + n], g[k])
        return
    for o in range(outer):
        for i in range(n):
            for k in range(h.size):
                row = a[o, (i + first + k * step) % n]
                add_multiple(low[o, i], row, h[k])
                add_multiple(high[o, i], row, g[k])


@jit
def merge(low, high, a, h, g, first, step):
    """Write the adjoint of `split` at averages and details into a."""
    outer, n, inner = a.shape
    a[...] = 0
    far = (h.size - 1) * step
    if inner == 1:
        averages, details = np.empty(n + far, a.dtype), np.empty(n + far, a.dtype)
        rows, from_low, from_high = a.reshape(outer, n), low.reshape(outer, n), high.reshape(outer, n)
        for o in range(outer):
            _around(averages, from_low[o], -first - far)
            _around(details, from_high[o], -first - far)
            for k in range(h.size):
                at = far - k * step
                add_multiple(rows[o], averages[at : at + n], h[k])
                add_multiple(rows[o], details[at : at + n], g[k])
        return
    for o in range(outer):
        for i in range(n):
            for k in range(h.size):
                at = (i - first - k * step) % n
                add_multiple(a[o, i], low[o, at], h[k])
                add_multiple(a[o, i], high[o, at], g[k])
