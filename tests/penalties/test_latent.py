"""Latent groups: supports that are unions of groups."""

import itertools

import cvxpy as cp
import numpy as np
import pytest
from examples import image_of
from oracles import naive
from scipy.sparse import csr_matrix

from proxsparse import L1, Blur, OverlappingGroupLasso, solve

METHODS = ["fista", "admm", "chambolle-pock"]


def latent_minimum(y, lists, weight, w=None):
    """min 1/2 |sum_g v_g - y|^2 + w sum |v_g| by CVXPY."""
    v = [cp.Variable(len(g)) for g in lists]
    place = [csr_matrix((np.ones(len(g)), (g, range(len(g)))), (y.size, len(g))) for g in lists]
    x = sum(m @ u for m, u in zip(place, v, strict=True))
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - y.reshape(-1)) + weight * sum(cp.norm(u) for u in v)))
    problem.solve(solver=cp.CLARABEL)
    return problem.value, x.value.reshape(y.shape)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("groups", ["windows", "pairs"])
def test_latent_groups_agree_with_an_independent_solver(groups, method):
    y = image_of((6, 7))
    kw = {"window": 2} if groups == "windows" else {"groups": "pairs"}
    penalty = OverlappingGroupLasso(0.7, kind="latent", **kw)
    indices = naive.groups_of(OverlappingGroupLasso(**kw), (6, 7))
    lists = [[np.ravel_multi_index(i, (6, 7)) for i in g] for g in indices]
    best, x = latent_minimum(y, lists, 0.7)
    result = solve(y, penalty, method=method, tol=1e-6, options={"maxiter": 20000})
    assert result.success
    assert -1e-6 <= result.fun - best <= result.gap + 1e-6
    assert np.linalg.norm(result.x - x) <= result.x_error_bound + 1e-3
    # the dual is in every ball
    assert penalty.dual_norm(result.dual[0]) <= 0.7
    with pytest.raises(ValueError, match="takes no bounds"):
        solve(y, penalty, bounds=(0, 1))


def test_latent_supports_are_unions_of_groups_and_overlapping_zeros_are():
    """Two windows of signal that share pixels: latent keeps whole windows, overlap clears whole windows."""
    y = np.zeros((12, 12))
    y[3:6, 3:6] = y[5:8, 5:8] = 1.0
    y[10, 2] = 3.0
    noisy = y + 0.05 * np.random.default_rng(0).standard_normal(y.shape)
    latent = solve(noisy, OverlappingGroupLasso(0.6, window=3, kind="latent"), tol=1e-7, options={"maxiter": 20000}).x
    overlap = solve(noisy, OverlappingGroupLasso(0.2, window=3), tol=1e-7, options={"maxiter": 20000}).x

    def opened(mask):
        """The union of the windows inside it."""
        out = np.zeros_like(mask)
        for i, j in itertools.product(range(10), range(10)):
            if mask[i : i + 3, j : j + 3].all():
                out[i : i + 3, j : j + 3] = True
        return out

    support, zeros = latent != 0, overlap == 0
    np.testing.assert_array_equal(opened(support), support)
    np.testing.assert_array_equal(opened(zeros), zeros)
    assert 0 < support.mean() < 1
    assert 0 < zeros.mean() < 1
    # and not the other way round
    assert not np.array_equal(opened(overlap != 0), overlap != 0)


KINDS = {
    "windows": {},
    "stride": {"window": (4, 3), "stride": 2},
    "linf": {"window": 2, "norm": "linf"},
    "pairs": {"groups": "pairs"},
    "weights": {"groups": "pairs", "group_weight": "sqrt"},
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_the_nearest_point_of_the_balls_and_the_summands_themselves_lead_to_one_answer(kind, dtype):
    """Chambolle-Pock works on the point, ADMM on the summands."""
    penalty = OverlappingGroupLasso(0.3, kind="latent", **KINDS[kind])
    for y, axis in ((image_of((12, 13)), None), (image_of((9, 8, 3)), -1)):
        tol = 1e-4 if dtype == np.float32 else 1e-6
        call = {"tol": tol, "channel_axis": axis, "options": {"maxiter": 20000}}
        point, summands = (solve(y.astype(dtype), penalty, method=m, **call) for m in ("chambolle-pock", "admm"))
        assert point.success
        assert summands.success
        assert abs(point.fun - summands.fun) <= max(point.gap, summands.gap)
        assert np.linalg.norm(point.x.astype(float) - summands.x) <= point.x_error_bound + summands.x_error_bound
        assert penalty.dual_norm(point.dual[0], channel_axis=axis) <= 0.3
        # the dual is the image less the answer
        np.testing.assert_allclose(point.dual[0], y - point.x, atol=2 * point.x_error_bound)
        again = solve(y.astype(dtype), penalty, x0=point, **call)
        assert abs(again.fun - point.fun) <= max(again.gap, point.gap)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
def test_a_dual_is_brought_into_its_balls_pixel_by_pixel(kind, size, rng):
    """Feasible in fact, no pixel larger or of another sign, and those that are feasible alone."""
    penalty = OverlappingGroupLasso(0.3, kind="latent", **KINDS[kind])
    for dtype in (np.float32, np.float64):
        p = (size * rng.standard_normal((2, 9, 8))).astype(dtype)
        q = p.copy()
        penalty._project(q)
        assert penalty._dual_norm(q.astype(np.float64)) <= 0.3
        assert (np.abs(q) <= np.abs(p)).all()
        assert (q * p >= 0).all()
        if size == 1e-3:
            np.testing.assert_array_equal(q, p)
        # a pixel outside all balls leaves those far from it as they are
        if kind in ("windows", "pairs"):
            p[:, 4:] = 0
            p *= dtype(1e-3 / size)
            p[:, 0, 0] = 10
            q = p.copy()
            penalty._project(q)
            np.testing.assert_array_equal(q[:, 3:], p[:, 3:])


def test_latent_groups_go_with_operators_masks_and_other_penalties():
    y = image_of((12, 13))
    penalty = OverlappingGroupLasso(0.3, window=2, kind="latent")
    seen = np.random.default_rng(0).random(y.shape) < 0.7
    blur = Blur(np.ones((3, 3)) / 9)
    for kw in ({"operator": blur}, {"observed": seen}, {"data": "l1"}, {"channel_axis": 1}):
        result = solve(y, penalty, tol=1e-3, options={"maxiter": 20000}, **kw)
        assert result.certified, kw
        assert result.success, kw
    both = solve(y, penalty + L1(0.05), tol=1e-4, options={"maxiter": 20000})
    assert both.success
    assert sum(both.terms.values()) == pytest.approx(both.fun)
    again = solve(y, penalty + L1(0.05), tol=1e-3, x0=both, options={"maxiter": 20000})
    assert again.nit <= both.nit
    # P(x) is a minimisation of its own, below what the iterate shows
    assert (penalty + L1(0.05)).value(both.x) <= (both.fun - both.terms["data"]) * (1 + 1e-6)
