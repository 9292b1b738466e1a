"""Second-order total variation: no stairs on slopes."""

import numpy as np
import pytest
from examples import image_of
from oracles import clarabel, naive

import proxsparse
from proxsparse import (
    Blur,
    SecondOrderTV,
    TotalVariation,
    phantoms,
    solve,
)


def ramp(shape=(48, 48)):
    """Two slopes that meet in a ridge."""
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    return np.minimum(u + 0.3 * v, 1.1 - u)


def test_second_order_leaves_no_staircase_on_slopes():
    truth = ramp()
    noisy = phantoms.add_noise(truth, 0.1)
    first, second = (
        solve(noisy, name, proxsparse.oracle_weight(noisy, truth, name, tol=1e-3), tol=1e-3).x for name in ("tv", "tv2")
    )
    assert proxsparse.metrics.mse(truth, second) < 0.6 * proxsparse.metrics.mse(truth, first)
    # stairs: many differences of the flat answer are next to nothing, of the other none
    steps = [np.mean(np.abs(np.diff(x, axis=1)) < 1e-3) for x in (first, second)]
    assert steps[0] > 0.2
    assert steps[1] < 0.02


def test_a_slope_comes_back_exactly_under_second_order():
    slope = np.add.outer(np.arange(20.0), -0.5 * np.arange(31.0))
    result = solve(slope, "tv2", 5.0)
    assert result.rel_gap == 0
    np.testing.assert_allclose(result.x, slope, atol=1e-10)
    assert SecondOrderTV(1.0).value(slope) < 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("where", ["blur", "mask", "sum"])
def test_second_order_is_certified_with_operators_masks_and_in_sums(where, dtype):
    y = phantoms.add_noise(ramp((24, 25)), 0.05).astype(dtype)
    kwargs = {"operator": Blur(np.ones((3, 3)) / 9)} if where == "blur" else {}
    if where == "mask":
        kwargs["observed"] = np.random.default_rng(0).random(y.shape) < 0.7
    penalty = SecondOrderTV(0.05) + TotalVariation(0.01) if where == "sum" else SecondOrderTV(0.05)
    results = [solve(y, penalty, tol=1e-3, method=m, options={"maxiter": 20000}, **kwargs) for m in ("admm", "chambolle-pock")]
    for a in results:
        assert a.certified
        assert a.success
        for b in results:
            assert a.fun >= b.fun - b.gap - 1e-9 * b.fun


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 3), (4, 9), (17, 5), (40, 41)])
def test_the_step_of_second_order_equals_the_general_path(shape, dtype, rng):
    from proxsparse.penalties.base import Penalty

    penalty = SecondOrderTV(0.3)
    x = rng.standard_normal((1, *shape)).astype(dtype)
    duals, outs = ([np.zeros((3, 1, *shape), dtype) for _ in range(2)], [np.ones((1, *shape), dtype) for _ in range(2)])
    for _ in range(5):
        penalty._dual_step(outs[0], duals[0], x, 0.1)
        Penalty._dual_step(penalty, outs[1], duals[1], x, 0.1)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(duals[0], duals[1], atol=50 * eps, rtol=0)
        np.testing.assert_allclose(outs[0], outs[1], atol=500 * eps, rtol=0)
        assert penalty._dual_norm(duals[0]) <= 0.3
    assert np.abs(duals[0]).max() > 0.1


@pytest.mark.parametrize("method", ["admm", "chambolle-pock", "fista"])
@pytest.mark.parametrize("bounds", [None, (0.1, 0.8)])
def test_second_differences_are_divided_by_both_distances(bounds, method):
    y, penalty = image_of((5, 6)), SecondOrderTV(0.2, spacing=(1.5, 0.7))
    x, best = clarabel.minimise(y, penalty, bounds=bounds)
    result = solve(y, penalty, bounds=bounds, method=method, tol=1e-6, options={"maxiter": 30000})
    assert result.success
    assert -1e-6 * best <= result.fun - best <= result.gap + 1e-6 * best
    assert np.linalg.norm(result.x - x) <= result.x_error_bound + 1e-3
    by_call = solve(
        y, SecondOrderTV(0.2), spacing=(1.5, 0.7), bounds=bounds, method=method, tol=1e-6, options={"maxiter": 30000}
    )
    np.testing.assert_array_equal(by_call.x, result.x)
    # of one length for both axes it is a weight
    assert SecondOrderTV(0.2, spacing=0.5).value(y) == pytest.approx(SecondOrderTV(0.8).value(y))
    slope = np.add.outer(np.arange(20.0), -0.5 * np.arange(31.0))
    assert solve(slope, "tv2", 5.0, spacing=(3, 1)).rel_gap == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "spacing"), [((6, 7), (1.5, 0.7)), ((4, 3, 5), (2.0, 1.0, 0.6)), ((9,), 0.8), ((1, 5), 3.0)])
def test_spaced_second_differences_are_what_they_say(shape, spacing, dtype, rng):
    penalty, x = SecondOrderTV(1.0, spacing=spacing), rng.standard_normal(shape).astype(dtype)
    kx, tol = penalty.analysis(x), 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(kx, naive.second_differences(x.astype(float), spacing), atol=30 * tol)
    p = rng.standard_normal(kx.shape).astype(dtype)
    product = float(np.sum(kx.astype(float) * p))
    assert float(np.sum(penalty.adjoint(p, shape).astype(float) * x)) == pytest.approx(
        product, abs=float(tol * np.abs(kx * p).sum())
    )
    assert penalty.dual_norm(penalty.project(p)) <= 1.0
    assert eval(repr(penalty), {"SecondOrderTV": SecondOrderTV}) == penalty
