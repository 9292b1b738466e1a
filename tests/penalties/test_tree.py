"""Groups in a tree: the proximal operator in one pass."""

import cvxpy as cp
import numpy as np
import pytest
from examples import image_of
from oracles import naive

from proxsparse import GroupLasso, TreeGroupLasso, solve

METHODS = ["fista", "admm", "chambolle-pock"]


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
