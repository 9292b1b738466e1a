"""Groups given as lists, matrices and pairs, and windows with weights."""

import copy
import pickle

import cvxpy as cp
import numpy as np
import pytest
from examples import image_of
from oracles import naive
from scipy.sparse import csr_matrix

import proxsparse
from proxsparse import (
    OverlappingGroupLasso,
    TreeGroupLasso,
    solve,
)


def test_a_matrix_of_groups_is_copied_and_written_out():
    matrix = csr_matrix((np.array([1, 0, 1, 1]), np.array([2, 0, 1, 0]), np.array([0, 2, 4])), (2, 4))
    before = [a.copy() for a in (matrix.data, matrix.indices, matrix.indptr)]
    penalty = OverlappingGroupLasso(0.2, groups=matrix)
    for a, b in zip(before, (matrix.data, matrix.indices, matrix.indptr), strict=True):
        np.testing.assert_array_equal(a, b)
    again = eval(repr(penalty), {"np": np, "OverlappingGroupLasso": OverlappingGroupLasso})
    assert again == penalty
    np.testing.assert_array_equal(again.prox([1.0, 2.0, 3.0, 4.0]), penalty.prox([1.0, 2.0, 3.0, 4.0]))


def test_a_matrix_of_integers_is_no_list_of_indices(rng):
    y = rng.random((2, 3))
    member = np.array([[1, 1, 0, 0, 1, 0], [0, 0, 1, 1, 0, 1]])
    expected = solve(y, OverlappingGroupLasso(0.3, groups=member.astype(bool))).x
    for dtype in (np.int64, np.uint8, np.float64):
        np.testing.assert_array_equal(solve(y, OverlappingGroupLasso(0.3, groups=member.astype(dtype))).x, expected)
    with pytest.raises(ValueError, match="boolean matrix"):
        OverlappingGroupLasso(0.3, groups=np.array([[0, 1], [1, 0]]))
    # indices that are no 0 and 1 are what they were
    assert OverlappingGroupLasso(0.3, groups=np.array([[0, 1, 2], [3, 4, 5]])) == OverlappingGroupLasso(
        0.3, groups=[[0, 1, 2], [3, 4, 5]]
    )


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
