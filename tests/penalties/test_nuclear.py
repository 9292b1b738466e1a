"""The nuclear norm: known answers, the definition, CVXPY, and what it is for."""

import numpy as np
import pytest
from examples import image_of
from oracles import clarabel

from proxsparse import L1, Blur, Nuclear, TotalVariation, solve
from proxsparse.testing import check_penalty


def low_rank(shape, rank, rng):
    return rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1])) / np.sqrt(rank)


@pytest.mark.parametrize("shape", [(7, 9), (9, 7), (1, 8), (8, 1), (2, 2)])
def test_it_passes_the_checks(shape):
    check_penalty(Nuclear(0.3), shape)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_singular_values_are_soft_thresholded(dtype, rng):
    y = rng.standard_normal((30, 20)).astype(dtype)
    result = solve(y, "nuclear", 2.0, tol=1e-5)
    assert (result.method, result.success, result.x.dtype) == ("exact", True, dtype)
    u, s, vt = np.linalg.svd(y.astype(float), full_matrices=False)
    np.testing.assert_allclose(result.x, (u * np.maximum(s - 2.0, 0)) @ vt, atol=20 * np.finfo(dtype).eps)
    assert result.fun == pytest.approx(0.5 * np.sum(np.minimum(s, 2.0) ** 2) + 2.0 * np.sum(np.maximum(s - 2.0, 0)), rel=1e-6)


def test_the_value_of_known_matrices():
    assert Nuclear(2.0).value(np.diag([3.0, -4.0, 0.0])) == pytest.approx(14.0)
    # of rank one the length
    assert Nuclear(1.0).value(np.outer([1.0, 2.0], [2.0, 1.0, 2.0])) == pytest.approx(np.sqrt(5) * 3)
    two = np.stack([np.eye(3), 2 * np.eye(3)])
    assert Nuclear(1.0).value(two, channel_axis=0) == pytest.approx(9.0)


def test_beyond_the_largest_singular_value_nothing_is_left(rng):
    y = rng.standard_normal((12, 10))
    largest = Nuclear(1.0).max_weight(y)
    assert largest == pytest.approx(np.linalg.norm(y, 2), rel=1e-9)
    assert not solve(y, Nuclear(1.001 * largest)).x.any()
    assert solve(y, Nuclear(0.999 * largest)).x.any()


@pytest.mark.parametrize("method", ["fista", "admm", "chambolle-pock"])
@pytest.mark.parametrize(
    "kw",
    [{"bounds": (-0.2, 0.5)}, {"operator": Blur(np.ones((3, 3)) / 9)}, {"observed": np.arange(42).reshape(6, 7) % 3 > 0}],
    ids=["bounds", "blur", "holes"],
)
def test_every_method_agrees_with_cvxpy(method, kw):
    y = image_of((6, 7))
    penalty = Nuclear(0.3) + L1(0.05)
    result = solve(y, penalty, method=method, tol=1e-6, options={"maxiter": 20000}, **kw)
    assert result.success
    about = {"bounds": kw.get("bounds")}
    if "operator" in kw:
        about["matrix"] = np.array([kw["operator"].forward(e.reshape(6, 7)).ravel() for e in np.eye(42)]).T
    if "observed" in kw:
        about["pixel_weight"] = kw["observed"].astype(float)
    _, expected = clarabel.minimise(y, penalty, **about)
    assert result.fun == pytest.approx(expected, rel=1e-5)
    assert result.fun - result.gap <= expected * (1 + 1e-7)


def test_outliers_of_a_matrix_of_low_rank_are_found(rng):
    truth = low_rank((60, 50), 2, rng)
    hit = rng.random(truth.shape) < 0.05
    noisy = truth + 3.0 * hit * rng.choice([-1, 1], truth.shape) + 0.01 * rng.standard_normal(truth.shape)
    found = solve(noisy, "nuclear", 60**0.5, data="l1", tol=1e-3, options={"maxiter": 20000})
    plain = solve(noisy, "nuclear", 5.0)
    assert found.success
    assert np.abs(found.x - truth).mean() < 0.1 * np.abs(plain.x - truth).mean()


@pytest.mark.parametrize("shape", [(9,), (3, 4, 5)])
def test_what_is_no_matrix_is_refused(shape):
    with pytest.raises(ValueError, match="images of two axes"):
        solve(np.zeros(shape), "nuclear", 1.0, ndim=len(shape))


def test_it_adds_up_with_others_by_name():
    y = image_of((14, 15))
    by_name, by_hand = solve(y, "nuclear+tv", (0.3, 0.1)), solve(y, Nuclear(0.3) + TotalVariation(0.1))
    np.testing.assert_array_equal(by_name.x, by_hand.x)
    assert by_name.success
    assert set(by_name.terms) == {"data", "Nuclear", "TotalVariation"}


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4)])
def test_a_dual_of_other_axes_is_refused(shape):
    with pytest.raises(ValueError, match="is no dual of"):
        Nuclear(0.3).project(np.ones(shape))
