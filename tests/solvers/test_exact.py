"""Exact algorithms: against the iterative methods, and where they are taken."""

import numpy as np
import pytest

from proxsparse import L1, TotalVariation, solve

DTYPES = [np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(60,), (60, 1), (1, 60), (1, 60, 1)])
@pytest.mark.parametrize("bounds", [None, (-0.2, 0.5)])
@pytest.mark.parametrize("penalty", [TotalVariation(0.4), L1(0.15) + TotalVariation(0.4), TotalVariation(0.4, isotropic=False)])
def test_exact_is_what_the_iteration_converges_to(penalty, bounds, shape, dtype, rng):
    y = (np.cumsum(rng.standard_normal(60)) / 3).astype(dtype).reshape(shape)
    result = solve(y, penalty, bounds=bounds, tol=1e-6)
    assert (result.method, result.nit, result.success) == ("exact", 0, True)
    assert result.x.dtype == dtype
    iterated = solve(y.astype(float), penalty, bounds=bounds, method="chambolle-pock", tol=1e-12)
    assert np.linalg.norm(result.x - iterated.x) <= iterated.x_error_bound + 60 * np.finfo(dtype).eps
    assert result.fun == pytest.approx(iterated.fun, rel=max(1e-6 if dtype == np.float32 else 0, 1e-11))


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_are_solved_one_by_one_where_they_are_separate(dtype, rng):
    y = rng.standard_normal((3, 80)).astype(dtype)
    result = solve(y, "tv-aniso", 0.5, channel_axis=0, tol=1e-5)
    assert result.method == "exact"
    assert result.success
    for x, one in zip(result.x, y, strict=True):
        assert x.tobytes() == solve(one, "tv", 0.5).x.tobytes()
    assert solve(y, "tv", 0.5, channel_axis=0).method == "chambolle-pock"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weight", [1e-300, 1e-3, 1e6, 1e300])
def test_weights_far_from_the_signal_lose_nothing(weight, dtype, rng):
    y = (rng.standard_normal(5000) + 100).astype(dtype)
    x = solve(y, "tv", weight).x
    np.testing.assert_allclose(
        x, y if weight < 1 else np.full_like(y, y.mean(dtype=float)), rtol=3e-5 if weight == 1e-3 else 2e-7
    )


def test_a_tolerance_below_rounding_ends_with_its_own_status(rng):
    y = rng.standard_normal(500).astype(np.float32)
    with pytest.warns(UserWarning, match="rounding floor"):
        result = solve(y, "tv", 0.3, method="exact", tol=0)
    assert result.status == 4
    assert result.rel_gap < 1e-5


def test_the_prox_of_a_signal_is_the_exact_one(rng):
    y = rng.standard_normal(200)
    found = TotalVariation(0.3).prox(y, 2.0, full_output=True)
    assert found.nit == 0
    assert found.rel_gap < 1e-13
    result = solve(y, "tv", 0.6)
    assert found.x.tobytes() == result.x.tobytes() == TotalVariation(0.6).prox(y).tobytes()
    assert found.dual[0].tobytes() == result.dual[0].tobytes()


@pytest.mark.parametrize("arguments", [{"pixel_weight": np.full(9, 2.0)}, {"operator": np.eye(9)}, {"penalty": "overlap"}])
def test_where_there_is_no_exact_algorithm_it_says_so(arguments):
    with pytest.raises(ValueError, match="no exact algorithm is known"):
        solve(np.arange(9.0), **{"penalty": "tv", "weight": 0.1, **arguments}, method="exact")
    with pytest.raises(ValueError, match="no exact algorithm is known"):
        solve(np.ones((4, 4)), "tv", 0.1, method="exact")


def test_l1_alone_is_exact(rng):
    y = rng.standard_normal((5, 6))
    weights = rng.uniform(0.5, 2, y.shape)
    result = solve(y, L1(0.3), pixel_weight=weights, bounds=(-0.5, None))
    assert (result.method, result.nit, result.success) == ("exact", 0, True)
    cut = np.sign(y) * np.maximum(np.abs(y) - 0.3 / weights, 0)
    np.testing.assert_allclose(result.x, np.maximum(cut, -0.5), atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 17, 1000, 4097])
def test_a_constant_signal_comes_back_as_it_is(n, dtype):
    y = np.full(n, 0.1, dtype)
    result = solve(y, "tv", 0.7)
    assert (result.x.tobytes(), result.gap, result.fun) == (y.tobytes(), 0.0, 0.0)
    assert TotalVariation(0.7).prox(y).tobytes() == y.tobytes()
