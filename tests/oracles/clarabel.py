"""The same problems by an independent solver: CVXPY with Clarabel, on small 2-D images."""

import functools
import itertools
import warnings

import cvxpy as cp
import numpy as np
import pywt
from oracles import naive

from proxsparse import (
    DCTL1,
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    Huber,
    LeastAbsoluteDeviations,
    OverlappingGroupLasso,
    Poisson,
    SecondOrderTV,
    TreeGroupLasso,
    WaveletL1,
)


def expression(penalty, x, shape):
    """P(x) as a CVXPY expression of the flat variable x, from the definitions in naive.py."""
    if len(penalty.parts) > 1:
        return sum(expression(part, x, shape) for part in penalty.parts)
    if hasattr(penalty, "operator"):
        matrix = naive.matrix_of(lambda u: naive.blur(u, penalty.operator.kernel, penalty.operator.boundary), shape)
        return expression(penalty.inner, matrix @ x, shape)
    if isinstance(penalty, L1):
        a = 1.0 if penalty.pixel_weight is None else penalty.pixel_weight.reshape(-1)
        return penalty.weight * cp.sum(cp.multiply(a, cp.abs(x)))
    if isinstance(penalty, OverlappingGroupLasso):
        order = 2 if penalty.norm == "l2" else "inf"
        listed = [[np.ravel_multi_index(i, shape) for i in g] for g in naive.groups_of(penalty, shape)]
        # groups of one size are one matrix
        alike = [np.array([g for g in listed if len(g) == size]) for size in sorted({len(g) for g in listed})]
        root = [np.sqrt(g.shape[1]) if penalty.group_weight == "sqrt" else 1.0 for g in alike]
        return penalty.weight * sum(
            a * cp.sum(cp.norm(cp.vstack([x[g[:, i]] for i in range(g.shape[1])]), order, axis=0))
            for a, g in zip(root, alike, strict=True)
        )
    if isinstance(penalty, TreeGroupLasso):
        labels = [naive.blocks(shape, 2**k).reshape(-1) for k in range(penalty.levels)]
        return penalty.weight * sum(
            a * cp.norm(x[np.flatnonzero(label == g)])
            for label, a in zip(labels, penalty.level_weight, strict=True)
            for g in set(label)
        )
    if isinstance(penalty, SecondOrderTV):
        differences = functools.partial(naive.second_differences, spacing=penalty.spacing or 1.0)
        rows = naive.matrix_of(differences, shape).reshape(-1, int(np.prod(shape)), int(np.prod(shape)))
        return penalty.weight * cp.sum(cp.norm(cp.vstack([row @ x for row in rows]), 2, axis=0))
    if isinstance(penalty, GroupLasso):
        labels = (naive.blocks(shape, penalty.block) if penalty.labels is None else penalty.labels).reshape(-1)
        listed = [np.flatnonzero(labels == g) for g in range(labels.max() + 1)]
        root = [1.0 if penalty.group_weight is None else np.sqrt(len(g)) for g in listed]
        order = 2 if penalty.norm == "l2" else "inf"
        return penalty.weight * sum(a * cp.norm(x[g], order) for a, g in zip(root, listed, strict=True) if len(g))
    if isinstance(penalty, L2):
        return penalty.weight / 2 * cp.sum_squares(x)
    if isinstance(penalty, ElasticNet):
        r = penalty.l1_ratio
        return penalty.weight * (r * cp.norm1(x) + (1 - r) / 2 * cp.sum_squares(x))
    if isinstance(penalty, DCTL1):
        return penalty.weight * cp.norm1(naive.matrix_of(naive.cosines, shape) @ x)
    if isinstance(penalty, WaveletL1) and penalty.undecimated:
        return penalty.weight * cp.norm1(naive.matrix_of(naive.haar_frame, shape) @ x)
    if isinstance(penalty, WaveletL1):
        wavelet = pywt.Wavelet(penalty.wavelet)
        forward = naive.matrix_of(lambda u: naive.wavelet(u, (wavelet.dec_lo, wavelet.dec_hi)), shape)
        return penalty.weight * cp.norm1(forward @ x)
    matrix = naive.matrix_of(naive.differences, shape)
    spacing = np.broadcast_to(penalty.spacing or 1.0, len(shape))
    a = np.ones((len(shape), *shape)) if penalty.pixel_weight is None else penalty.pixel_weight
    d = [cp.multiply(a[k].reshape(-1) / spacing[k], matrix[k * x.size : (k + 1) * x.size] @ x) for k in range(len(shape))]
    lengths = cp.norm(cp.vstack(d), 2, axis=0) if penalty.isotropic else cp.hstack([cp.abs(v) for v in d])
    if penalty.huber == 0:
        return penalty.weight * cp.sum(lengths)
    # Huber's function is the least of t^2 / 2c + |length - t|
    t = cp.Variable(lengths.shape[0], nonneg=True)
    return penalty.weight * (cp.sum_squares(t) / (2 * penalty.huber) + cp.sum(cp.pos(lengths - t)))


_KNOWN = {}


def distance(data, z, y, m):
    """D(z; y) as a CVXPY expression of the flat z; a pixel that was not measured costs nothing, wherever it is."""
    seen = np.flatnonzero(m)
    if not seen.size:
        return cp.Constant(0.0)
    background = np.broadcast_to(np.reshape(getattr(data, "background", 0.0), -1), m.shape)[seen]
    z, y, m = z[seen], y[seen], m[seen]
    if isinstance(data, LeastAbsoluteDeviations):
        return cp.sum(cp.multiply(m, cp.abs(z - y)))
    if isinstance(data, Huber):
        return 0.5 * cp.sum(cp.multiply(m, cp.huber(z - y, data.delta)))
    if isinstance(data, Poisson):
        # a pixel without counts costs what stands there, which is no less than 0
        some, none, rates = np.flatnonzero(y > 0), np.flatnonzero(y == 0), z + background
        cost = cp.sum(cp.multiply(m[some], cp.kl_div(y[some], rates[some]))) if some.size else cp.Constant(0.0)
        if none.size:
            held = rates[none]
            cost += m[none] @ held + cp.transforms.indicator([held >= 0])
        return cost
    return 0.5 * cp.sum_squares(cp.multiply(np.sqrt(m), z - y))


def minimise(y, penalty, *, matrix=None, shape=None, pixel_weight=None, bounds=None, data=None):
    """The minimiser and the minimum of the whole problem."""
    shape = y.shape if shape is None else shape
    key = repr((y.tolist(), penalty, matrix, shape, pixel_weight, bounds, data))
    if key in _KNOWN:
        return _KNOWN[key]
    x = cp.Variable(int(np.prod(shape)))
    ax = x if matrix is None else matrix @ x
    m = np.ones(y.size) if pixel_weight is None else pixel_weight.reshape(-1)
    lo, hi = (None, None) if bounds is None else bounds
    constraints = [] if lo is None else [x >= np.broadcast_to(lo, shape).reshape(-1)]
    constraints += [] if hi is None else [x <= np.broadcast_to(hi, shape).reshape(-1)]
    problem = cp.Problem(cp.Minimize(distance(data, ax, y.reshape(-1), m) + expression(penalty, x, shape)), constraints)
    # as tight as it can: some problems stop Clarabel short of 1e-10, fewer of them where its steps are shorter
    for tol, fraction in itertools.product((1e-10, 1e-9, 1e-8, 1e-7), (0.99, 0.9)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            problem.solve(solver=cp.CLARABEL, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol, max_step_fraction=fraction)
        if problem.status == "optimal" and np.isfinite(problem.value):
            break
    else:
        raise RuntimeError(f"Clarabel ended with {problem.status}")
    _KNOWN[key] = x.value.reshape(shape), problem.value
    return _KNOWN[key]
