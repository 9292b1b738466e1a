"""Projections of groups of numbers onto l1 balls."""

import numpy as np

from ._jit import borrowed, jit


@jit
def onto_l1_ball(v, radius):
    """Project v, in place, onto the l1 ball of that radius (Michelot 1986: thresholds rise until none is overshot)."""
    total = 0.0
    for i in range(v.size):
        total += abs(v[i])
    if total <= radius:
        return
    cut, active = 0.0, v.size
    while True:
        following = max((total - radius) / active, cut)
        total, count = 0.0, 0
        for i in range(v.size):
            if abs(v[i]) > following:
                total += abs(v[i])
                count += 1
        cut = following
        if count == active or count == 0:
            break
        active = count
    total = 0.0
    for i in range(v.size):
        v[i] = max(v[i] - cut, 0.0) + min(v[i] + cut, 0.0)
        total += abs(v[i])
    # a small ball far away: what rounding left outside is scaled in
    if total > radius:
        for i in range(v.size):
            v[i] *= radius / total


@jit
def onto_l1_balls(flat, order, starts, radii):
    """Project each group of (channels, numbers) onto the l1 ball of its radius; `order` lists the numbers group by group."""
    flat, order = borrowed(flat), borrowed(order)
    channels = flat.shape[0]
    for g in range(radii.size):
        first, n = starts[g], starts[g + 1] - starts[g]
        v = np.empty(channels * n)
        for c in range(channels):
            for k in range(n):
                v[c * n + k] = flat[c, order[first + k]]
        onto_l1_ball(v, radii[g])
        for c in range(channels):
            for k in range(n):
                flat[c, order[first + k]] = v[c * n + k]
