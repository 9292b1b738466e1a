"""Huber's corner, from the noise of measured pixels."""

import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    Huber,
    metrics,
    phantoms,
    solve,
)

SHAPE = (9, 8)


def given(name, shape=SHAPE, dtype=np.float64):
    """An image that the term is for; counts where it is Poisson's."""
    y = image_of(shape)
    return (np.random.default_rng(3).poisson(5 * np.abs(y)) if "poisson" in name else y).astype(dtype)


def test_hubers_corner_is_found_from_the_noise():
    truth = phantoms.rectangles((48, 48))
    noisy = phantoms.add_noise(truth, 0.1)
    named = solve(noisy, "tv", 0.1, data="huber", noise_std=0.1)
    given = solve(noisy, "tv", 0.1, data=Huber(0.1345))
    np.testing.assert_array_equal(named.x, given.x)
    found = solve(noisy, "tv", 0.1, data="huber")
    assert metrics.mse(found.x, given.x) < 1e-4


def test_hubers_corner_looks_at_measured_pixels_alone():
    noisy = phantoms.add_noise(np.full((64, 64), 10.0), 0.05)
    seen = np.random.default_rng(0).random(noisy.shape) < 0.5
    kw = {"options": {"maxiter": 2}, "tol": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        holes = solve(np.where(seen, noisy, np.nan), "tv", 0.1, data="huber", nan_policy="omit", **kw)
        masked = solve(np.where(seen, noisy, 0), "tv", 0.1, data="huber", observed=seen, **kw)
        given = solve(noisy, "tv", 0.1, data=Huber(1.345 * 0.05), observed=seen, **kw)
    for result in (holes, masked):
        assert result.terms["data"] == pytest.approx(given.terms["data"], rel=0.2)
