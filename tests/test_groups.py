"""Groups of any kind: lists, matrices, pairs, weights, trees and latent groups; supports as theory says."""

import copy
import itertools
import pickle

import cvxpy as cp
import naive
import numpy as np
import pytest
from conftest import image_of
from scipy.sparse import csr_matrix

import proxsparse
from proxsparse import L1, Blur, GroupLasso, OverlappingGroupLasso, TreeGroupLasso, solve

METHODS = ["fista", "admm", "chambolle-pock"]


def of_lists(shape, window, **kw):
    lists = [
        [int(np.ravel_multi_index(i, shape)) for i in g] for g in naive.groups(shape, (window,) * len(shape), (1,) * len(shape))
    ]
    return OverlappingGroupLasso(0.3, groups=lists, **kw)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_windows_given_as_lists_are_windows(dtype, norm):
    y = image_of((9, 8), dtype=dtype)
    listed, windows = of_lists((9, 8), 2, norm=norm), OverlappingGroupLasso(0.3, window=2, norm=norm)
    assert listed.value(y) == pytest.approx(windows.value(y), rel=1e-6)
    a, b = solve(y, listed, tol=1e-6), solve(y, windows, tol=1e-6)
    assert a.success
    assert a.x.dtype == dtype
    assert np.linalg.norm((a.x - b.x).astype(float)) <= a.x_error_bound + b.x_error_bound
    np.testing.assert_array_equal(a.x == 0, b.x == 0)


def test_a_matrix_of_groups_in_any_format_and_weights():
    y = image_of((6, 5))
    dense = np.random.default_rng(0).random((9, 30)) < 0.3
    dense[0, 1] = True
    weights = np.linspace(0.5, 2, 9)
    lists = [np.flatnonzero(row).tolist() for row in dense]
    penalties = [
        OverlappingGroupLasso(0.4, groups=g, group_weight=weights)
        for g in (dense, csr_matrix(dense), csr_matrix(dense).tocoo())
    ]
    expected = 0.4 * sum(a * np.linalg.norm(y.reshape(-1)[g]) for a, g in zip(weights, lists, strict=True))
    for penalty in penalties:
        assert penalty.value(y) == pytest.approx(expected)
        assert penalty == penalties[0]
    x = cp.Variable(30)
    cost = 0.4 * sum(a * cp.norm(x[g]) for a, g in zip(weights, lists, strict=True) if g)
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - y.reshape(-1)) + cost))
    problem.solve(solver=cp.CLARABEL)
    for method in METHODS:
        result = solve(y, penalties[0], method=method, tol=1e-6)
        assert result.success
        assert -1e-6 <= result.fun - problem.value <= result.gap + 1e-6
    # pixels in no group cost nothing
    free = ~dense.any(axis=0).reshape(6, 5)
    np.testing.assert_allclose(result.x[free], y[free], atol=1e-12)


def test_disjoint_lists_are_labels():
    y, labels = image_of((6, 8)), naive.blocks((6, 8), 2)
    lists = [np.flatnonzero(labels == g) for g in range(labels.max() + 1)]
    a = solve(y, OverlappingGroupLasso(0.5, groups=lists, group_weight="sqrt"), tol=1e-8)
    b = solve(y, GroupLasso(0.5, labels=labels, group_weight="sqrt"))
    assert np.linalg.norm(a.x - b.x) <= a.x_error_bound + b.x_error_bound


@pytest.mark.parametrize("weights", ["sqrt", np.linspace(0.5, 2, 30)])
def test_weights_of_windows(weights):
    y = image_of((7, 6))
    penalty = OverlappingGroupLasso(0.2, window=2, group_weight=weights)
    lists = naive.groups((7, 6), (2, 2), (1, 1))
    assert penalty.value(y) == pytest.approx(0.2 * naive.listed(y, lists, weights, "l2"))
    as_lists = OverlappingGroupLasso(
        0.2, groups=[[np.ravel_multi_index(i, (7, 6)) for i in g] for g in lists], group_weight=weights
    )
    a, b = solve(y, penalty, tol=1e-7), solve(y, as_lists, tol=1e-7)
    assert np.linalg.norm(a.x - b.x) <= a.x_error_bound + b.x_error_bound


@pytest.mark.parametrize("shape", [(7, 6), (9,), (4, 3, 5)])
def test_pairs_are_all_neighbours(shape):
    y = image_of(shape)
    expected = naive.listed(y, naive.groups_of(OverlappingGroupLasso(groups="pairs"), shape), None, "l2")
    assert OverlappingGroupLasso(1.0, groups="pairs").value(y) == pytest.approx(expected)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(13, 10), (17,), (5, 6, 7), (9, 8, 3)])
def test_the_tree_prox_is_exact_in_one_pass(shape, dtype):
    """Against three general algorithms, within both certificates; the zeros of coarse blocks are zeros of fine ones."""
    y = image_of(shape, dtype=dtype)
    axis = -1 if shape[-1] == 3 else None
    penalty = TreeGroupLasso(0.15, levels=4, level_weight=[1, 2, 0.5, 1])
    exact = solve(y, penalty, channel_axis=axis, tol=1e-5)
    assert (exact.method, exact.nit, exact.success) == ("exact", 0, True)
    for method in METHODS:
        other = solve(y, penalty, channel_axis=axis, method=method, tol=1e-5, options={"maxiter": 20000})
        assert np.linalg.norm((exact.x - other.x).astype(float)) <= exact.x_error_bound + other.x_error_bound
        assert exact.fun <= other.fun * (1 + 1e-6)
    assert 0 < np.mean(exact.x == 0) < 1


def test_the_tree_prox_equals_a_brute_force_solver():
    y = image_of((7, 6))
    penalty = TreeGroupLasso(0.2, levels=3)
    x = cp.Variable(42)
    cost = sum(
        cp.norm(x[np.flatnonzero(naive.blocks((7, 6), 2**k).reshape(-1) == g)])
        for k in range(3)
        for g in range(naive.blocks((7, 6), 2**k).max() + 1)
    )
    problem = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - y.reshape(-1)) + 0.2 * cost))
    problem.solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(penalty.prox(y).reshape(-1), x.value, atol=1e-4)
    order_matters = y.copy()
    for k in (2, 1, 0):  # the wrong way round
        order_matters = GroupLasso(0.2, block=2**k).prox(order_matters)
    assert np.abs(order_matters.reshape(-1) - x.value).max() > 1e-3


@pytest.mark.parametrize(
    "penalty",
    [
        OverlappingGroupLasso(0.2, groups=[[0, 1, 2], [2, 3]], group_weight=[1.0, 2.0]),
        OverlappingGroupLasso(0.2, groups="pairs", kind="latent"),
        OverlappingGroupLasso(0.2, window=(3, 2), kind="latent", norm="linf"),
        OverlappingGroupLasso(groups=[[0, 1], [1]], kind="latent"),
        TreeGroupLasso(0.2, levels=2, level_weight=[1.0, 0.0]),
    ],
    ids=repr,
)
def test_groups_survive_pickle_copy_and_repr(penalty):
    names = {"np": np} | {name: getattr(proxsparse, name) for name in proxsparse.__all__}
    for twin in (pickle.loads(pickle.dumps(penalty)), copy.deepcopy(penalty), eval(repr(penalty), names)):
        assert twin == penalty
        assert type(twin) is type(penalty)
        assert hash(twin) == hash(penalty)
    assert (2 * penalty.with_weight(0.5)).weight == 1.0
    assert penalty.with_weight(0.5) != penalty


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: OverlappingGroupLasso(1.0, kind="other"), ValueError, "kind must be 'overlap' or 'latent', got 'other'"),
        (lambda: OverlappingGroupLasso(1.0, groups="quads"), ValueError, "got 'quads'"),
        (lambda: OverlappingGroupLasso(1.0, groups=[[0.5]]), TypeError, "lists of flat pixel indices"),
        (lambda: OverlappingGroupLasso(1.0, groups=[[-1, 2]]), ValueError, "indices >= 0, got -1"),
        (lambda: OverlappingGroupLasso(1.0, groups=[[1, 1]]), ValueError, "holds a pixel twice"),
        (
            lambda: solve(np.ones((3, 3)), OverlappingGroupLasso(1.0, groups=[[0, 1]])),
            ValueError,
            "of images of 2 pixels, this one has 9",
        ),
        (
            lambda: solve(np.ones(2), OverlappingGroupLasso(1.0, groups=[[0, 1]], group_weight=[1, 2])),
            ValueError,
            "there are 1 groups",
        ),
        (lambda: solve(np.ones((3, 3)), OverlappingGroupLasso(1.0, group_weight=[1, 2])), ValueError, "there are 1 groups"),
        (
            lambda: OverlappingGroupLasso(1.0, groups=csr_matrix(np.eye(3)[:2]), kind="latent"),
            ValueError,
            "must cover every pixel",
        ),
        (lambda: OverlappingGroupLasso(1.0, kind="latent", group_weight="sqrt"), ValueError, "give the groups as lists"),
        (lambda: TreeGroupLasso(1.0, levels=0), ValueError, "levels must be an integer from 1 to 30, got 0"),
        (lambda: TreeGroupLasso(1.0, level_weight=[1.0]), ValueError, "level_weight must hold 4 numbers"),
    ],
)
def test_what_does_not_fit_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
