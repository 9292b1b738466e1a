"""The same problems by an independent solver: CVXPY with Clarabel, on small 2-D images."""

import functools
import itertools
import warnings

import cvxpy as cp
import numpy as np
from oracles import naive

from proxsparse import (
    DCTL1,
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    Huber,
    LeastAbsoluteDeviations,
    LeastSquares,
    Nuclear,
    OverlappingGroupLasso,
    Poisson,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    WaveletL1,
)
from proxsparse.penalties.base import Composed


def expression(penalty, x, shape):
    """P(x) as a CVXPY expression of the flat variable x, from the definitions in naive.py."""
    return sum(part.weight * naive.of_class(EXPRESSIONS, part)(part, x, shape) for part in penalty.parts)


def of_operator(q, x, shape):
    """P(W x) / w for a blur W."""
    matrix = naive.matrix_of(lambda u: naive.blur(u, q.operator.kernel, q.operator.boundary), shape)
    return naive.of_class(EXPRESSIONS, q.inner)(q.inner, matrix @ x, shape)


def l1(q, x, shape):
    a = 1.0 if q.pixel_weight is None else q.pixel_weight.reshape(-1)
    return cp.sum(cp.multiply(a, cp.abs(x)))


def order(q):
    return 2 if q.norm == "l2" else "inf"


def windows(q, x, shape):
    listed = [[np.ravel_multi_index(i, shape) for i in g] for g in naive.groups_of(q, shape)]
    # groups of one size are one matrix
    alike = [np.array([g for g in listed if len(g) == size]) for size in sorted({len(g) for g in listed})]
    root = [np.sqrt(g.shape[1]) if q.group_weight == "sqrt" else 1.0 for g in alike]
    columns = [cp.vstack([x[g[:, i]] for i in range(g.shape[1])]) for g in alike]
    return sum(a * cp.sum(cp.norm(z, order(q), axis=0)) for a, z in zip(root, columns, strict=True))


def tree(q, x, shape):
    labels = [naive.blocks(shape, 2**k).reshape(-1) for k in range(q.levels)]
    pairs = zip(labels, q.level_weight, strict=True)
    return sum(a * cp.norm(x[np.flatnonzero(label == g)]) for label, a in pairs for g in set(label))


def second_order(q, x, shape):
    differences = functools.partial(naive.second_differences, spacing=q.spacing or 1.0)
    rows = naive.matrix_of(differences, shape).reshape(-1, int(np.prod(shape)), int(np.prod(shape)))
    return cp.sum(cp.norm(cp.vstack([row @ x for row in rows]), 2, axis=0))


def groups(q, x, shape):
    labels = (naive.blocks(shape, q.block) if q.labels is None else q.labels).reshape(-1)
    listed = [np.flatnonzero(labels == g) for g in range(labels.max() + 1)]
    root = [1.0 if q.group_weight is None else np.sqrt(len(g)) for g in listed]
    return sum(a * cp.norm(x[g], order(q)) for a, g in zip(root, listed, strict=True) if len(g))


def wavelet(q, x, shape):
    return cp.norm1(naive.matrix_of(lambda u: naive.wavelet_coefficients(q, u), shape) @ x)


def total_variation(q, x, shape):
    matrix = naive.matrix_of(naive.differences, shape)
    spacing = np.broadcast_to(q.spacing or 1.0, len(shape))
    a = np.ones((len(shape), *shape)) if q.pixel_weight is None else q.pixel_weight
    d = [cp.multiply(a[k].reshape(-1) / spacing[k], matrix[k * x.size : (k + 1) * x.size] @ x) for k in range(len(shape))]
    lengths = cp.norm(cp.vstack(d), 2, axis=0) if q.isotropic else cp.hstack([cp.abs(v) for v in d])
    if q.huber == 0:
        return cp.sum(lengths)
    # Huber's function is the least of t^2 / 2c + |length - t|
    t = cp.Variable(lengths.shape[0], nonneg=True)
    return cp.sum_squares(t) / (2 * q.huber) + cp.sum(cp.pos(lengths - t))


#: class -> P(x) / w of a penalty q
EXPRESSIONS = {
    Composed: of_operator,
    L1: l1,
    L2: lambda q, x, shape: cp.sum_squares(x) / 2,
    ElasticNet: lambda q, x, shape: q.l1_ratio * cp.norm1(x) + (1 - q.l1_ratio) / 2 * cp.sum_squares(x),
    TotalVariation: total_variation,
    SecondOrderTV: second_order,
    GroupLasso: groups,
    OverlappingGroupLasso: windows,
    TreeGroupLasso: tree,
    Nuclear: lambda q, x, shape: cp.normNuc(cp.reshape(x, shape, order="C")),
    DCTL1: lambda q, x, shape: cp.norm1(naive.matrix_of(naive.cosines, shape) @ x),
    WaveletL1: wavelet,
}


_KNOWN = {}


def distance(data, z, y, m):
    """D(z; y) as a CVXPY expression of the flat z; a pixel that was not measured costs nothing, wherever it is."""
    seen = np.flatnonzero(m)
    if not seen.size:
        return cp.Constant(0.0)
    background = np.broadcast_to(np.reshape(getattr(data, "background", 0.0), -1), m.shape)[seen]
    z, y, m = z[seen], y[seen], m[seen]
    return DISTANCES[type(data)](data, z, y, m, background)


def poisson(data, z, y, m, background):
    # a pixel without counts costs what stands there, which is no less than 0
    some, none, rates = np.flatnonzero(y > 0), np.flatnonzero(y == 0), z + background
    cost = cp.sum(cp.multiply(m[some], cp.kl_div(y[some], rates[some]))) if some.size else cp.Constant(0.0)
    if none.size:
        empty = rates[none]
        cost += m[none] @ empty + cp.transforms.indicator([empty >= 0])
    return cost


def least_squares(data, z, y, m, background):
    return 0.5 * cp.sum_squares(cp.multiply(np.sqrt(m), z - y))


#: class -> D(z; y)
DISTANCES = {
    type(None): least_squares,
    LeastSquares: least_squares,
    LeastAbsoluteDeviations: lambda data, z, y, m, background: cp.sum(cp.multiply(m, cp.abs(z - y))),
    Huber: lambda data, z, y, m, background: 0.5 * cp.sum(cp.multiply(m, cp.huber(z - y, data.delta))),
    Poisson: poisson,
}


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
