"""Debiasing: supports, regions and covariant refitting."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    Blur,
    GroupLasso,
    OverlappingGroupLasso,
    TotalVariation,
    metrics,
    phantoms,
    solve,
)


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
