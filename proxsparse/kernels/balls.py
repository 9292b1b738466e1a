"""Projections onto balls: factors for many vectors of numbers at once, and groups of numbers onto l1 balls."""

import numpy as np

from ._jit import borrowed, inlined, jit
from ._vectors import div, largest, root, splat


@inlined
def squared(radius, one):
    """The square of the radius for `into_ball`; 1 for a ball of radius 0, which then takes everything to 0."""
    square = radius * radius
    return splat(square if square > 0 else one)


@inlined
def into_ball(radius, square, inside):
    """The factor that brings what has this squared length into the ball, `inside` its squared radius: exactly 1 inside."""
    return div(radius, root(largest(square, inside)))


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


@jit
def add_sizes(total, row):
    """Add the sizes of a row to the sums of its groups, in float64."""
    for i in range(total.size):
        total[i] += abs(np.float64(row[i]))


@jit
def _add_those_beyond(rest, count, row, theta):
    """Add to the sums of the sizes beyond theta, and to their number."""
    for i in range(row.size):
        v = abs(np.float64(row[i]))
        rest[i] += v if v > theta[i] else 0.0
        count[i] += 1.0 if v > theta[i] else 0.0


@jit
def _risen(theta, rest, count, total, radius):
    """theta = (rest - radius) / count where that is more; the number of those."""
    risen = 0
    for i in range(theta.size):
        new = (rest[i] - radius) / (count[i] if count[i] > 0 else 1.0)
        rises = total[i] > radius and new > theta[i]
        theta[i] = new if rises else theta[i]
        risen += 1 if rises else 0
    return risen


@jit
def l1_thresholds(theta, total, rest, count, p, row, radius):
    """theta >= 0 by which soft-thresholding brings the groups p[:, row] of sums `total` onto the l1 ball; 0 inside.

    In float64: far from a small ball float32 would lose the answer in the difference. Michelot, J. Optim. Theory Appl. 1986,
    all groups of a row at once.
    """
    many = p.shape[0]
    for i in range(theta.size):
        over = (total[i] - radius) / many
        theta[i] = over if over > 0 else 0.0
    for _ in range(many):
        rest[:] = 0.0
        count[:] = 0.0
        for o in range(many):
            _add_those_beyond(rest, count, p[o, row], theta)
        if _risen(theta, rest, count, total, radius) == 0:
            break


@jit
def soften(row, theta, size):
    """Soft-threshold by theta, and add the sizes that are left."""
    for i in range(row.size):
        v = np.float64(row[i])
        more, less = v - theta[i], v + theta[i]
        row[i] = (more if more > 0 else 0.0) + (less if less < 0 else 0.0)
        size[i] += abs(np.float64(row[i]))


@jit
def _scale_in(row, size, radius):
    for i in range(row.size):
        if size[i] > radius:
            row[i] *= radius / size[i]


@jit
def scale_in(p, row, size, radius):
    """Scale the groups p[:, row] of these sums of sizes into the ball: rounding may leave what is far from it outside."""
    beyond = 0
    for i in range(size.size):
        beyond += 1 if size[i] > radius else 0
    if beyond > 0:
        for o in range(p.shape[0]):
            _scale_in(p[o, row], size, radius)


@jit
def clip_by(row, theta):
    """Clip by theta: what is left of a group is itself less its projection."""
    for i in range(row.size):
        v = np.float64(row[i])
        v = v if v < theta[i] else theta[i]
        row[i] = v if v > -theta[i] else -theta[i]
