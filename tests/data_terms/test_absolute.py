"""Absolute deviations: pixels that are entirely wrong."""

import numpy as np
import pytest

from proxsparse import (
    metrics,
    phantoms,
    solve,
)


def test_salt_and_pepper_goes_under_absolute_deviations_and_contrast_stays():
    """Under TV-L1 a disc of radius R > 2w keeps its contrast entirely (Chan & Esedoglu 2005)."""
    v, u = np.mgrid[-32:32, -32:32] + 0.5
    truth = (u**2 + v**2 < 15**2).astype(float)
    noisy = phantoms.add_salt_and_pepper(truth, 0.2)
    robust, square = solve(noisy, "tv", 1.2, data="l1"), solve(noisy, "tv", 0.5)
    assert robust.success
    assert robust.x_error_bound == np.inf
    assert metrics.psnr(truth, robust.x, 1.0) > metrics.psnr(truth, square.x, 1.0) + 5
    clean = solve(truth, "tv", 1.2, data="l1")
    assert clean.x[32, 32] == pytest.approx(1.0, abs=1e-3)
    assert solve(truth, "tv", 30.0, data="l1").x[32, 32] == pytest.approx(0.0, abs=1e-2)


def test_a_small_weight_may_hold_a_large_outlier():
    """What is nothing is so by what it does to F."""
    y = phantoms.add_noise(phantoms.regions((24, 24)), 0.05).astype(np.float32)
    y[3, 4], m = 1e6, np.ones(y.shape, np.float32)
    m[3, 4] = 5e-8
    result = solve(y, "tv", 0.1, pixel_weight=m, options={"maxiter": 20000})
    expected = solve(y.astype(float), "tv", 0.1, pixel_weight=m.astype(float), method="admm", options={"maxiter": 20000})
    assert result.success
    assert result.fun == pytest.approx(expected.fun, rel=1e-3)
