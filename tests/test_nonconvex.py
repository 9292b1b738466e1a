"""Penalties that are not convex, reweighting and debiasing: what they give, and that they claim no certificate."""

import warnings

import numpy as np
import pytest
from conftest import image_of

from proxsparse import (
    L0,
    L1,
    MCP,
    SCAD,
    Blur,
    GroupLasso,
    Huber,
    OverlappingGroupLasso,
    Reweighted,
    TotalVariation,
    metrics,
    phantoms,
    solve,
    solve_batch,
)

PENALTIES = [L0(0.2), MCP(0.3), MCP(0.3, gamma=0.7), SCAD(0.2), SCAD(0.2, a=2.5)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_prox_is_the_global_minimum_of_every_pixel(penalty, step, dtype, rng):
    v = np.append(2 * rng.standard_normal(200), [0.0, 0.3, -0.6, 1.0]).astype(dtype)
    x = penalty.prox(v, step)
    assert x.dtype == dtype
    grid = np.append(np.linspace(-8, 8, 40001), 0.0)
    for one, found in zip(v[:60].astype(float), x, strict=False):
        cost = 0.5 * (grid - one) ** 2 + step * np.array(penalty._costs(np.abs(grid)))
        own = 0.5 * (found - one) ** 2 + step * penalty.value([found])
        assert own <= cost.min() + 1e-6
    np.testing.assert_array_equal(penalty.prox(-v, step), -x)


def test_formulas_of_the_literature():
    v = np.array([0.1, 0.5, 0.8, 2.0, -0.5])
    # hard and firm thresholding
    np.testing.assert_allclose(L0(0.125).prox(v), [0, 0, 0.8, 2.0, 0])
    np.testing.assert_allclose(MCP(0.3, gamma=2.0).prox(v), [0, 0.4, 0.8, 2.0, -0.4])
    np.testing.assert_allclose(SCAD(0.3, a=3.7).prox(v), [0, 0.2, (2.7 * 0.8 - 3.7 * 0.3) / 1.7, 2.0, -0.2])
    # MCP tends to L1 for a large gamma
    np.testing.assert_allclose(MCP(0.3, gamma=1e9).prox(v), L1(0.3).prox(v), atol=1e-8)


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
    # what is large keeps its size
    convex = solve(y, L1(0.02), operator=blur)
    assert np.abs(result.x - truth)[truth > 0].mean() < np.abs(convex.x - truth)[truth > 0].mean() or isinstance(penalty, L0)
    robust = solve(y, small, operator=blur, data=Huber(0.05), tol=1e-3)
    assert robust.certified is False
    with pytest.warns(UserWarning, match="iteration limit"):
        assert solve(y, small, operator=blur, tol=1e-12, options={"maxiter": 3}).status == 1


def test_reweighted_l1_keeps_what_is_large():
    truth = np.zeros(200)
    truth[::20] = 1.0
    noisy = phantoms.add_noise(truth, 0.05)
    plain, again = solve(noisy, L1(0.2)), solve(noisy, Reweighted(L1(0.2), solves=5))
    assert metrics.mse(truth, again.x) < 0.5 * metrics.mse(truth, plain.x)
    assert (again.certified, again.success, again.status) == (False, False, 6)
    assert again.stationarity < 0.05
    assert again.fun == pytest.approx(
        0.5 * np.sum((again.x - noisy) ** 2) + 0.2 * 0.2 * np.sum(np.log1p(np.abs(again.x) / 0.2))
    )
    # one solve is the convex one
    np.testing.assert_array_equal(solve(noisy, Reweighted(L1(0.2), solves=1)).x, plain.x)
    # what is made small falls from solve to solve
    costs = [solve(noisy, Reweighted(L1(0.2), solves=k)).fun for k in (1, 2, 3, 4)]
    assert (np.diff(costs) <= 1e-9).all()


@pytest.mark.parametrize("isotropic", [True, False])
def test_reweighted_total_variation_keeps_contrast(isotropic):
    truth = phantoms.rectangles((48, 48))
    noisy = phantoms.add_noise(truth, 0.1)
    penalty = TotalVariation(0.15, isotropic=isotropic)
    plain, again = solve(noisy, penalty), solve(noisy, Reweighted(penalty, epsilon=0.1))
    assert metrics.mse(truth, again.x) < metrics.mse(truth, plain.x)
    assert again.nit > 0
    colour = np.stack([noisy, 0.5 * noisy], axis=-1)
    assert solve(colour, Reweighted(penalty), channel_axis=-1).x.shape == colour.shape
    chosen = solve(noisy, Reweighted(TotalVariation(isotropic=isotropic)))
    assert chosen.weight_rule != "given"
    batch = solve_batch(noisy[None], Reweighted(penalty))
    np.testing.assert_array_equal(batch.x[0], solve(noisy, Reweighted(penalty)).x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [L1(0.4), GroupLasso(1.0, block=4), OverlappingGroupLasso(0.3, window=2)], ids=repr)
def test_debiased_pixels_of_the_support_are_those_given(penalty, dtype):
    y = image_of((12, 13), dtype=dtype)
    result = solve(y, penalty, debias=True)
    np.testing.assert_allclose(result.debiased, np.where(result.x != 0, y, 0), rtol=1e-6)
    assert result.debiased.dtype == dtype
    np.testing.assert_array_equal(result.x, solve(y, penalty).x)
    assert solve(y, penalty).debiased is None


def test_debiased_regions_are_means_and_contrast_comes_back():
    truth = np.zeros((32, 32))
    truth[8:24, 6:26] = 1
    noisy = phantoms.add_noise(truth, 0.05)
    result = solve(noisy, TotalVariation(0.5, isotropic=False), tol=1e-6, debias=True, options={"maxiter": 20000})
    for value in np.unique(result.x):
        region = result.x == value
        if region.sum() > 50:
            assert np.ptp(result.debiased[region]) < 1e-9 or len(np.unique(result.debiased[region])) > 1
    assert result.debiased[10:22, 8:24].mean() == pytest.approx(noisy[10:22, 8:24].mean(), abs=0.02)
    assert metrics.mse(truth, result.debiased) < 0.5 * metrics.mse(truth, result.x)
    both = solve(noisy, L1(0.1) + TotalVariation(0.3, isotropic=False), tol=1e-6, debias=True, options={"maxiter": 20000})
    np.testing.assert_array_equal(both.debiased[both.x == 0], 0)
    assert both.debiased[10:22, 8:24].mean() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("kw", [{"operator": Blur(np.ones((3, 3)) / 9)}, {"pixel_weight": 2.0}, {"bounds": (0, 0.9)}])
def test_debiasing_goes_with_operators_weights_and_bounds(kw):
    truth = np.zeros((20, 20))
    truth[5:15, 6:16] = 1
    operator = kw.get("operator")
    noisy = phantoms.add_noise(truth if operator is None else operator.forward(truth), 0.02)
    if "pixel_weight" in kw:
        kw = {"pixel_weight": np.full(noisy.shape, 2.0)}
    result = solve(noisy, TotalVariation(0.1, isotropic=False), debias=True, options={"maxiter": 20000}, **kw)
    assert metrics.mse(truth, result.debiased) <= metrics.mse(truth, result.x) or "bounds" in kw
    if "bounds" in kw:
        assert result.debiased.max() <= 0.9


def test_isotropic_total_variation_is_refitted_without_the_noise():
    """Contrast comes back and the noise does not: closer to the truth than the answer and than the noisy image."""
    truth = np.zeros((48, 48))
    truth[12:36, 10:40] = 1
    noisy = phantoms.add_noise(truth, 0.1)
    result = solve(noisy, "tv", 0.6, debias=True)
    mse = {name: metrics.mse(truth, image) for name, image in (("x", result.x), ("refit", result.debiased), ("noisy", noisy))}
    assert mse["refit"] < 0.5 * mse["x"]
    assert mse["refit"] < 0.2 * mse["noisy"]
    assert result.debiased[20:28, 20:30].mean() == pytest.approx(1.0, abs=0.03)
    assert result.x[20:28, 20:30].mean() < 0.95


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MCP(0.1, gamma=0), ValueError, "gamma must be > 0, got 0"),
        (lambda: SCAD(0.1, a=2), ValueError, "a must be > 2, got 2"),
        (lambda: solve(np.ones(3), MCP()), ValueError, "needs a weight"),
        (lambda: solve(np.ones(3), L0(0.1), bounds=(0, 1)), ValueError, "takes no bounds"),
        (lambda: solve(np.ones(3), L0(0.1), method="admm"), ValueError, "takes method='auto'"),
        (lambda: solve(np.ones(3), L0(0.1), data="l1"), ValueError, "Lipschitz gradient"),
        (lambda: Reweighted(GroupLasso(1.0)), TypeError, "takes L1 or TotalVariation"),
        (lambda: Reweighted(L1(1.0), solves=0), ValueError, "solves must be an integer >= 1, got 0"),
        (lambda: Reweighted(L1(1.0), epsilon=0), ValueError, "epsilon must be > 0, got 0"),
        (lambda: L1(0.1) + MCP(0.1), TypeError, "unsupported operand"),
        (lambda: solve(np.ones(3), "tv", 0.1, data="l1", debias=True), ValueError, "debias is for least squares"),
    ],
)
def test_what_does_not_fit_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
