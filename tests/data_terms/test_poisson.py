"""Counts: their sums, their domain, their types."""

import warnings

import numpy as np
import pytest

from proxsparse import (
    Blur,
    Poisson,
    TotalVariation,
    metrics,
    phantoms,
    solve,
)


def test_counts_keep_their_sum_and_are_not_negative():
    """Of constants the best is the mean: sum (1 - y / x) = 0 at the optimum under total variation; no bounds are needed."""
    counts = np.random.default_rng(0).poisson(8 + 20 * phantoms.blobs((48, 48))).astype(float)
    x = solve(counts, "tv", 0.3, data="poisson", tol=1e-7, options={"maxiter": 50000}).x
    assert x.min() > 1
    assert abs(np.sum(1 - counts / x)) < 1e-3 * np.sum(np.abs(1 - counts / x))
    few = np.random.default_rng(0).poisson(0.2 + 20 * phantoms.blobs((48, 48))).astype(float)
    assert solve(few, "tv", 0.3, data="poisson").x.min() >= 0
    blur = Blur.gaussian(1.0)
    blurred = np.random.default_rng(0).poisson(np.maximum(blur.forward(20 * phantoms.blobs((64, 64))), 0)).astype(float)
    sharp = solve(blurred, "tv", 0.05, data="poisson", operator=blur, bounds=(0, None), tol=1e-3)
    assert sharp.certified
    assert sharp.x.min() >= 0
    assert metrics.mse(20 * phantoms.blobs((64, 64)), sharp.x) < metrics.mse(20 * phantoms.blobs((64, 64)), blurred)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, bool])
@pytest.mark.parametrize("name", ["l1", "poisson"])
def test_counts_of_any_dtype_are_taken_as_they_are(name, dtype):
    """No warning that a weight below 1 is in units of the image: here it is not."""
    y = np.random.default_rng(0).poisson(3.0, (12, 13)).clip(0, 1 if dtype is bool else 99)
    result = solve(y.astype(dtype), "tv", 0.3, data=name)
    expected = np.float32 if dtype == np.float16 else np.float64
    assert result.x.dtype == expected
    np.testing.assert_array_equal(result.x, solve(y.astype(expected), "tv", 0.3, data=name).x)


def test_a_small_weight_of_counts_is_no_minimum_of_0():
    """Behind a blur in float32: the floor was of degree one in the rounding, four times the least objective."""
    truth = np.full((32, 32), 50.0)
    truth[8:20, 10:24] = 150
    blur = Blur.gaussian(1.0)
    y = blur.forward(truth).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = solve(y, "tv", 3e-7, data="poisson", operator=blur, options={"maxiter": 1500})
    assert result.rel_gap > 0
    s = blur.forward(truth.astype(np.float32).astype(float))
    other = np.sum(s - y + y * np.log(y / s)) + 3e-7 * TotalVariation(1.0).value(truth)
    assert result.fun - result.gap <= other


@pytest.mark.parametrize(("dtype", "faint"), [(np.float64, 1e-20), (np.float32, 1e-10)])
@pytest.mark.parametrize("bounds", [None, (0, None)])
def test_counts_that_weigh_hardly_anything_are_held_in_the_domain(dtype, faint, bounds):
    """Left out of the work they were infinite at 0, for 5000 iterations."""
    y = (np.random.default_rng(0).poisson(5, (16, 16)) + 1).astype(dtype)
    m = np.ones(y.shape)
    m[3:5, 4:7] = faint
    kw = {"data": "poisson", "bounds": bounds, "options": {"maxiter": 300}}
    result = solve(y, "l1", 0.5, pixel_weight=m, **kw)
    assert result.success
    assert result.fun == pytest.approx(solve(y, "l1", 0.5, observed=m == 1, **kw).fun, rel=2e-4)


@pytest.mark.parametrize("method", ["auto", "admm", "chambolle-pock"])
def test_counts_of_zero_are_held_in_the_type_of_the_image(method):
    """-0.3 in float32 is below -0.3, where the divergence is infinite."""
    y = np.where(np.indices((6, 7)).sum(axis=0) % 3, np.float32(0), np.float32(2))
    result = solve(y, "l1", 0.03, data=Poisson(0.3), method=method, options={"maxiter": 200})
    assert result.certified
    assert np.isfinite(result.gap)
    assert (result.x.astype(np.float64) + 0.3 >= 0).all()
    assert (result.x < -0.29).any()


BLUR = Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)


@pytest.mark.parametrize("method", ["admm", "chambolle-pock"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_poisson_starts_from_zeros(dtype, method):
    counts = np.random.default_rng(0).poisson(5.0, (16, 16)).astype(dtype)
    kw = {"data": "poisson", "operator": BLUR, "bounds": (0, None), "method": method, "tol": 1e-3}
    result = solve(counts, "tv", 0.1, x0=np.zeros_like(counts), options={"maxiter": 20000}, **kw)
    assert result.success
    assert result.fun == pytest.approx(solve(counts, "tv", 0.1, **kw, options={"maxiter": 20000}).fun, rel=2e-3)


def test_negative_intensities_are_no_rounding():
    term = Poisson().bind(np.array([1e6, 0.0], np.float32))
    assert term.value(np.array([1e6, -0.5])) == np.inf
    assert term.value(np.array([1e6, -1e-12])) < np.inf
