"""The objective and the duality gap in exact arithmetic: rationals, roots and logarithms between two of them.

The problem meant: arrays as they are stored, scalars as they are given in float64, sqrt(2) the real number. Written from the
definitions, without the package's maps.
"""

import decimal
import itertools
from fractions import Fraction as Q
from math import isqrt

import numpy as np
from oracles.naive import of_class

from proxsparse import L1, L2, GroupLasso, Huber, OverlappingGroupLasso, Poisson, SecondOrderTV, TotalVariation
from proxsparse.data_terms import LeastAbsoluteDeviations, LeastSquares

#: of roots, fixed-point
BITS = 256


def rationals(array):
    """The numbers of an array, flat."""
    return [Q(float(v)) for v in np.asarray(array).reshape(-1)]


def root(q):
    """(below, above) the root of q >= 0."""
    scaled = (q.numerator << 2 * BITS) // q.denominator
    below = isqrt(scaled)
    return Q(below, 1 << BITS), Q(below + 2, 1 << BITS)


def logarithm(q):
    """(below, above) the logarithm of q > 0."""
    with decimal.localcontext() as context:
        context.prec = 60
        found = Q((decimal.Decimal(q.numerator) / decimal.Decimal(q.denominator)).ln())
    return found - Q(1, 10**50), found + Q(1, 10**50)


def _moved(at, step):
    return tuple(i + s for i, s in zip(at, step, strict=True))


def _inside(at, step, shape):
    return all(0 <= i + s < n for i, s, n in zip(at, step, shape, strict=True))


def l1_groups(penalty, index):
    a = [Q(1)] * index.size if penalty.pixel_weight is None else rationals(penalty.pixel_weight)
    return [(a[j], "l2", [{j: Q(1)}]) for j in range(index.size)]


def blocks(penalty, index):
    """The pixels of each block."""
    labels = np.add.outer(100 * (np.arange(index.shape[0]) // penalty.block), np.arange(index.shape[1]) // penalty.block)
    return [index[labels == g] for g in np.unique(labels)]


def block_groups(penalty, index):
    return [(Q(1), penalty.norm, [{int(j): Q(1)} for j in block]) for block in blocks(penalty, index)]


def window_groups(penalty, index):
    k = int(penalty.window)
    corners = itertools.product(*(range(n - k + 1) for n in index.shape))
    return [(Q(1), penalty.norm, [{int(j): Q(1)} for j in index[a : a + k, b : b + k].reshape(-1)]) for a, b in corners]


def second_differences(penalty, index):
    groups, shape = [], index.shape
    for at in itertools.product(*map(range, shape)):
        forms, here = [], int(index[at])
        for step in ((1, 0), (0, 1)):
            back = tuple(-s for s in step)
            if _inside(at, step, shape) and _inside(at, back, shape):
                forms.append({int(index[_moved(at, back)]): Q(1), here: Q(-2), int(index[_moved(at, step)]): Q(1)})
        if _inside(at, (1, 1), shape):
            down, right = int(index[_moved(at, (1, 0))]), int(index[_moved(at, (0, 1))])
            # sqrt(2) times it: the form twice
            forms += 2 * [{int(index[_moved(at, (1, 1))]): Q(1), down: Q(-1), right: Q(-1), here: Q(1)}]
        groups.append((Q(1), "l2", forms))
    return groups


def differences(penalty, index):
    groups, shape = [], index.shape
    spacing = np.broadcast_to(1.0 if penalty.spacing is None else penalty.spacing, 2)
    for at in itertools.product(*map(range, shape)):
        forms, here = [], int(index[at])
        for axis, step in enumerate(((1, 0), (0, 1))):
            if _inside(at, step, shape):
                rate = 1 / Q(float(spacing[axis]))
                a = Q(1) if penalty.pixel_weight is None else Q(float(penalty.pixel_weight[(..., *at)].reshape(-1)[0]))
                forms.append({here: -a * rate, int(index[_moved(at, step)]): a * rate})
        groups += [(Q(1), "l2", forms)] if penalty.isotropic else [(Q(1), "l2", [form]) for form in forms]
    return groups


#: class -> the groups of a penalty, from the numbers of the pixels
GROUPS = {
    L1: l1_groups,
    GroupLasso: block_groups,
    OverlappingGroupLasso: window_groups,
    SecondOrderTV: second_differences,
    TotalVariation: differences,
}


def groups_of(penalty, shape):
    """[(a, norm, forms)]: the penalty is w sum of a times the norm of the forms, each {pixel: coefficient}; norms "l2", "linf"."""
    return of_class(GROUPS, penalty)(penalty, np.arange(int(np.prod(shape))).reshape(shape))


def value_of(penalty, x, shape):
    """(below, above) P(x)."""
    w = Q(penalty.weight)
    if isinstance(penalty, L2):
        both = w / 2 * sum(v * v for v in x)
        return both, both
    below = above = Q(0)
    huber = Q(getattr(penalty, "huber", 0.0))
    for a, norm, forms in groups_of(penalty, shape):
        z = [sum(c * x[j] for j, c in form.items()) for form in forms]
        if norm == "linf":
            low = high = max(map(abs, z), default=Q(0))
        else:
            low, high = root(sum(v * v for v in z))
        if huber:
            low, high = (v * v / (2 * huber) if v <= huber else v - huber / 2 for v in (low, high))
        below, above = below + a * low, above + a * high
    return w * below, w * above


def huber(data, v, own, weight):
    r, delta = abs(v - own), Q(data.delta)
    cost = weight * (r * r / 2 if r <= delta else delta * (r - delta / 2))
    return cost, cost


def poisson(data, v, own, weight):
    s = v + Q(float(data.background))
    if s < 0 or (s == 0 and own > 0):
        raise ValueError("outside the domain")
    logs = (Q(0), Q(0)) if own == 0 else logarithm(own / s)
    return tuple(weight * (s - own + own * log) for log in logs)


def least_squares(data, v, own, weight):
    return (weight * (v - own) ** 2 / 2,) * 2


#: class -> (below, above) the cost of one pixel
COSTS = {
    type(None): least_squares,
    LeastSquares: least_squares,
    LeastAbsoluteDeviations: lambda data, v, own, weight: (weight * abs(v - own),) * 2,
    Huber: huber,
    Poisson: poisson,
}


def distance(data, z, y, m):
    """(below, above) D(z; y)."""
    costs = [COSTS[type(data)](data, v, own, weight) for v, own, weight in zip(z, y, m, strict=True)]
    return sum((low for low, _ in costs), Q(0)), sum((high for _, high in costs), Q(0))


def objective(penalty, x, y, *, data=None, m=None, matrix=None, background=None):
    """(below, above) F(x), for an image x of two axes."""
    shape, flat = x.shape, rationals(x)
    z = flat if matrix is None else [sum(a * v for a, v in zip(row, flat, strict=True)) for row in matrix]
    m = [Q(1)] * len(z) if m is None else rationals(m)
    level = [Q(0)] * len(flat) if background is None else rationals(np.broadcast_to(background, shape))
    below, above = distance(data, z, rationals(y), m)
    beside = [v - b for v, b in zip(flat, level, strict=True)]
    for part in penalty.parts:
        low, high = value_of(part, beside, shape)
        below, above = below + low, above + high
    return below, above


def gap_of_pair(penalty, result, y, *, m=None, bounds=(None, None)):
    """An upper bound on F(x) less the dual value of the result's dual, for least squares without an operator.

    Parts that are w|x| pixel by pixel are minimised with the data. Fails where a dual is not in its ball.
    """
    shape, size = y.shape, y.size
    ktp, soft = [Q(0)] * size, [Q(0)] * size
    for part, dual in zip(penalty.parts, result.dual, strict=True):
        groups, w = groups_of(part, shape), Q(part.weight)
        if isinstance(part, L1):
            soft = [s + w * a for s, (a, _, _) in zip(soft, groups, strict=True)]
            continue
        for (a, norm, forms), p in zip(groups, duals_of(part, dual, shape), strict=True):
            length = sum(map(abs, p)) if norm == "linf" else root(sum(v * v for v in p))[0]
            assert length <= w * a, "the dual is not in its ball"
            for form, v in zip(forms, p, strict=True):
                for j, c in form.items():
                    ktp[j] += c * v
    lo, hi = (None if b is None else Q(float(b)) for b in bounds)
    lower = Q(0)
    for own, weight, slope, s in zip(rationals(y), [Q(1)] * size if m is None else rationals(m), ktp, soft, strict=True):
        u = own - slope / weight
        cut = s / weight
        t = max(u - cut, 0) + min(u + cut, 0)
        t = t if lo is None else max(t, lo)
        t = t if hi is None else min(t, hi)
        lower += weight * (t - own) ** 2 / 2 + slope * t + s * abs(t)
    return objective(penalty, result.x, y, m=m)[1] - lower


def window_duals(penalty, dual, shape):
    return [rationals(dual[:, a, b]) for a, b in itertools.product(*map(range, dual.shape[1:]))]


def block_duals(penalty, dual, shape):
    flat = dual.reshape(-1)
    return [rationals(flat[block]) for block in blocks(penalty, np.arange(int(np.prod(shape))).reshape(shape))]


def second_order_duals(penalty, dual, shape):
    found = []
    for at in itertools.product(*map(range, shape)):
        p = [Q(float(dual[(k, *at)])) for k in range(2) if 0 < at[k] < shape[k] - 1]
        if all(i < n - 1 for i, n in zip(at, shape, strict=True)):
            # of sqrt(2) times the form: half of its length in each of two
            p += 2 * [Q(float(dual[(2, *at)])) * root(Q(1, 2))[0]]
        found.append(p)
    return found


def difference_duals(penalty, dual, shape):
    found = []
    for at in itertools.product(*map(range, shape)):
        p = [Q(float(dual[(k, *at)])) for k in range(2) if at[k] < shape[k] - 1]
        found += [p] if penalty.isotropic else [[v] for v in p]
    return found


#: class -> the numbers of each group of a dual
DUALS = {
    GroupLasso: block_duals,
    OverlappingGroupLasso: window_duals,
    SecondOrderTV: second_order_duals,
    TotalVariation: difference_duals,
}


def duals_of(penalty, dual, shape):
    """The numbers of each group of `groups_of`, in its order."""
    return of_class(DUALS, penalty)(penalty, dual, shape)
