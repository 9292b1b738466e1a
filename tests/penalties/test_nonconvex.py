"""Penalties that are not convex, and reweighting: proximal points, formulas, contrast."""

import dataclasses

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L0,
    L1,
    MCP,
    SCAD,
    Blur,
    Reweighted,
    TotalVariation,
    metrics,
    phantoms,
    solve,
    solve_batch,
)

BLUR = Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)


def test_penalties_that_are_not_convex_start_from_convex_answers():
    y = image_of((12, 13))
    start = solve(y, L1(0.05), operator=BLUR)
    result = solve(y, MCP(0.05), operator=BLUR, x0=start, options={"maxiter": 20000})
    assert result.status == 6
    assert result.fun <= 0.5 * np.sum((BLUR.forward(start.x) - y) ** 2) + MCP(0.05).value(start.x)


def test_reweighting_stops_when_it_is_told():
    y, calls = image_of((32, 32)), []

    def stop(intermediate_result):
        calls.append(intermediate_result.nit)
        raise StopIteration

    with pytest.warns(UserWarning, match="Stopped by the callback"):
        assert solve(y, Reweighted(TotalVariation(0.2)), callback=stop).status == 3
    assert len(calls) == 1
    debiased = solve(y, Reweighted(TotalVariation(0.2, isotropic=False)), debias=True)
    assert debiased.debiased.shape == y.shape


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


@pytest.mark.parametrize("penalty", [L0(2.0, block=3), MCP(1.8, block=(2, 3)), SCAD(2.5, block=4)], ids=repr)
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_blocks_are_shrunk_by_their_lengths(penalty, channel_axis):
    """A block is parallel to what it was, as long as the formula says; clipped blocks and channels included."""
    v = image_of((8, 10) if channel_axis is None else (8, 10, 3))
    x = penalty.prox(v, 0.7, channel_axis=channel_axis)
    assert x.shape == v.shape
    rows, columns = np.broadcast_to(penalty.block, 2)
    plain = dataclasses.replace(penalty, block=None)
    cost = 0.0
    for i in range(0, 8, rows):
        for j in range(0, 10, columns):
            block, own = v[i : i + rows, j : j + columns], x[i : i + rows, j : j + columns]
            length = np.linalg.norm(block)
            wanted = plain.prox(np.array([length]), 0.7)[0]
            np.testing.assert_allclose(own, wanted / length * block, atol=1e-12)
            cost += plain.value([np.linalg.norm(own)])
    assert penalty.value(x, channel_axis=channel_axis) == pytest.approx(cost)
    assert 0 < np.mean(x == 0) < 1


def test_counting_blocks_leaves_whole_ones():
    truth = np.zeros((32, 32))
    truth[8:20, 12:28] = 1.0
    y = phantoms.add_noise(truth, 0.2)
    found = solve(y, L0(0.8, block=4))
    np.testing.assert_array_equal(found.x, np.where(truth > 0, y, 0))
    assert found.fun == pytest.approx(0.5 * np.sum((found.x - y) ** 2) + 0.8 * 12)
    # blocks of pixels of several weights have no formula, and are stationary
    weights = np.random.default_rng(0).uniform(0.5, 2, y.shape)
    weighted = solve(y, L0(2.0, block=4), pixel_weight=weights)
    assert (weighted.method, weighted.status) == ("proximal-gradient", 6)
    np.testing.assert_allclose(weighted.x[truth > 0], y[truth > 0], atol=1e-2)
    assert not weighted.x[truth == 0].any()


def test_formulas_of_the_literature():
    v = np.array([0.1, 0.5, 0.8, 2.0, -0.5])
    # hard and firm thresholding
    np.testing.assert_allclose(L0(0.125).prox(v), [0, 0, 0.8, 2.0, 0])
    np.testing.assert_allclose(MCP(0.3, gamma=2.0).prox(v), [0, 0.4, 0.8, 2.0, -0.4])
    np.testing.assert_allclose(SCAD(0.3, a=3.7).prox(v), [0, 0.2, (2.7 * 0.8 - 3.7 * 0.3) / 1.7, 2.0, -0.2])
    # MCP tends to L1 for a large gamma
    np.testing.assert_allclose(MCP(0.3, gamma=1e9).prox(v), L1(0.3).prox(v), atol=1e-8)


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
