"""Ridge and elastic net: their formulas and their largest weights."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import L1, L2, Blur, ElasticNet, solve


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ridge_and_elastic_net_are_solved_by_their_formulas(dtype):
    y = image_of((9, 8), dtype=dtype)
    ridge = solve(y, L2(0.5), tol=1e-6)
    assert (ridge.method, ridge.success) == ("exact", True)
    np.testing.assert_allclose(ridge.x, y / 1.5, rtol=1e-6)
    elastic = solve(y, ElasticNet(0.5, l1_ratio=0.4), tol=1e-5)
    assert (elastic.method, elastic.success) == ("exact", True)
    np.testing.assert_allclose(elastic.x, np.sign(y) * np.maximum(np.abs(y) - 0.2, 0) / 1.3, rtol=1e-5)
    assert 0 < np.mean(elastic.x == 0) < 1
    both = solve(y, L1(0.2) + L2(0.3), tol=1e-6, options={"maxiter": 20000})
    assert np.linalg.norm((both.x - elastic.x).astype(float)) <= both.x_error_bound + elastic.x_error_bound


def test_ridge_of_a_blur_is_tikhonov():
    """The normal equations, by a solver of linear systems."""
    y, blur = image_of((7, 6)), Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)
    matrix = np.array([blur.forward(e.reshape(7, 6)).ravel() for e in np.eye(42)]).T
    expected = np.linalg.solve(matrix.T @ matrix + 0.1 * np.eye(42), matrix.T @ y.ravel()).reshape(7, 6)
    for method in ("fista", "admm", "chambolle-pock"):
        result = solve(y, L2(0.1), operator=blur, method=method, tol=1e-9, options={"maxiter": 20000})
        assert result.success
        np.testing.assert_allclose(result.x, expected, atol=1e-3)


def test_the_largest_weight_of_the_elastic_net_is_that_of_its_l1():
    y = image_of((6, 7))
    assert ElasticNet(l1_ratio=0.25).max_weight(y) == pytest.approx(4 * np.abs(y).max())
    assert not solve(y, ElasticNet(4.001 * np.abs(y).max(), 0.25)).x.any()
