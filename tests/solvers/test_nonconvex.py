"""Penalties that are not convex: stationary answers that claim no certificate."""

import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L0,
    L1,
    MCP,
    SCAD,
    Blur,
    Huber,
    phantoms,
    solve,
)

PENALTIES = [L0(0.2), MCP(0.3), MCP(0.3, gamma=0.7), SCAD(0.2), SCAD(0.2, a=2.5), L0(0.2, block=2), MCP(0.3, block=(2, 3))]


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_without_an_operator_pixels_are_solved_and_nothing_is_certified(penalty):
    y = image_of((9, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = solve(y, penalty)
    np.testing.assert_array_equal(result.x, penalty.prox(y))
    assert (result.certified, result.success, result.status) == (False, False, 6)
    assert (result.gap, result.x_error_bound, result.stationarity) == (np.inf, np.inf, 0.0)
    assert "not convex" in result.message
    assert result.fun == pytest.approx(0.5 * np.sum((result.x - y) ** 2) + penalty.value(result.x))
    # scaled inside, the answer is the same
    tiny = solve(1e-200 * y, penalty._rescaled(1e-200)).x if penalty._power == 1 else None
    if tiny is not None:
        np.testing.assert_allclose(tiny * 1e200, result.x, rtol=1e-9)
    if penalty.block is not None:
        return
    seen = np.random.default_rng(0).random(y.shape) < 0.5
    masked = solve(y, penalty, observed=seen).x
    np.testing.assert_array_equal(masked, np.where(seen, result.x, 0))


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_with_an_operator_the_answer_is_stationary_and_better_than_where_it_began(penalty):
    truth = np.zeros((20, 21))
    truth[5, 6] = truth[12, 14] = 2.0
    blur = Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)
    y = phantoms.add_noise(blur.forward(truth), 0.01)
    small = penalty.with_weight(0.02)
    result = solve(y, small, operator=blur, tol=1e-5, options={"maxiter": 20000})
    assert result.status == 6
    assert result.stationarity <= 1e-5
    fun = result.history["objective"]
    assert (np.diff(fun) <= 1e-12 * fun[0]).all()
    # a gradient step and the prox change it no more
    step = 0.99 / blur.norm_squared(y.shape)
    again = small.prox(result.x - step * blur.adjoint(blur.forward(result.x) - y), step)
    assert np.abs(again - result.x).max() < 1e-4
    # what is large keeps its size; single pixels, in blocks, are spread over these
    convex = solve(y, L1(0.02), operator=blur)
    closer = np.abs(result.x - truth)[truth > 0].mean() < np.abs(convex.x - truth)[truth > 0].mean()
    assert closer or isinstance(penalty, L0) or penalty.block is not None
    robust = solve(y, small, operator=blur, data=Huber(0.05), tol=1e-3)
    assert robust.certified is False
    with pytest.warns(UserWarning, match="iteration limit"):
        assert solve(y, small, operator=blur, tol=1e-12, options={"maxiter": 3}).status == 1
