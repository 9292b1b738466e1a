"""Reweighted penalties: sums, groups and windows; tangents of a concave function, values, and what is kept."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    GroupLasso,
    OverlappingGroupLasso,
    Reweighted,
    TotalVariation,
    metrics,
    phantoms,
    solve,
    solve_batch,
)

PENALTIES = {
    "l1": L1(0.2),
    "tv": TotalVariation(0.2),
    "tv-aniso": TotalVariation(0.2, isotropic=False),
    "blocks": GroupLasso(0.3, block=2),
    "labels": GroupLasso(0.3, labels=np.arange(12 * 13).reshape(12, 13) // 5),
    "windows": OverlappingGroupLasso(0.1, window=2),
    "windows, stride": OverlappingGroupLasso(0.2, window=3, stride=2),
    "pairs": OverlappingGroupLasso(0.1, groups="pairs"),
    "sum": L1(0.1) + TotalVariation(0.2),
    "sum of windows": OverlappingGroupLasso(0.05, window=2) + TotalVariation(0.1),
}
each = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES.keys())


def parts_of(lengths):
    return lengths if isinstance(lengths, list) else [lengths]


@each
@pytest.mark.parametrize("channel_axis", [None, -1])
def test_lengths_with_weights_of_one_are_the_penalty(penalty, channel_axis):
    shape = (12, 13) if channel_axis is None else (12, 13, 3)
    x = image_of(shape)
    reweighted = Reweighted(penalty)
    lengths = parts_of(reweighted.lengths(x, channel_axis))
    for part, own in zip(penalty.parts, lengths, strict=True):
        # what is separate by channels has its channels together here
        if channel_axis is None or not isinstance(part, (L1, TotalVariation)):
            assert part.weight * own.sum() == pytest.approx(part.value(x, channel_axis=channel_axis))


@each
@pytest.mark.parametrize("function", ["log", "mcp", "scad", "capped"])
def test_the_convex_penalty_is_a_tangent_from_above(penalty, function, rng):
    """As rho is concave, and at the image of the weights both touch."""
    x = image_of((12, 13))
    reweighted = Reweighted(penalty, epsilon=0.5, function=function)
    convex = reweighted.reweighted(reweighted.lengths(x))
    constant = reweighted.value(x) - convex.value(x)
    for _ in range(5):
        z = x + 0.3 * rng.standard_normal(x.shape)
        assert reweighted.value(z) <= convex.value(z) + constant + 1e-9
    # to first order the same
    direction = rng.standard_normal(x.shape)
    slope = (reweighted.value(x + 1e-7 * direction) - reweighted.value(x)) / 1e-7
    assert (convex.value(x + 1e-7 * direction) - convex.value(x)) / 1e-7 == pytest.approx(slope, rel=1e-3, abs=1e-4)


@each
def test_each_solve_lowers_the_objective(penalty):
    y = image_of((12, 13))
    funs = [solve(y, Reweighted(penalty, solves=k, epsilon=0.1), tol=1e-7).fun for k in (1, 2, 3, 5)]
    assert all(later <= earlier + 1e-6 * abs(earlier) for earlier, later in itertools.pairwise(funs))
    result = solve(y, Reweighted(penalty, solves=8, epsilon=0.1), tol=1e-7)
    assert (result.status, result.certified, result.success) == (6, False, False)
    assert result.stationarity < 0.05
    assert result.fun == pytest.approx(sum(result.terms.values()))
    assert len(result.terms) == 1 + len(penalty.parts)


@pytest.mark.parametrize("function", ["mcp", "scad", "capped"])
@pytest.mark.parametrize("penalty", [L1(0.3), GroupLasso(0.5, block=4), OverlappingGroupLasso(0.3, window=3)])
def test_a_rectangle_keeps_its_height_where_nothing_more_is_paid(penalty, function):
    """With log it is off by about w epsilon / (epsilon + height) a length; with a cap by nothing."""
    y = np.zeros((16, 16))
    y[4:12, 4:12] = 5.0
    capped = solve(y, Reweighted(penalty, epsilon=4.0, function=function), tol=1e-10).x
    np.testing.assert_allclose(capped[6:10, 6:10], 5.0, atol=1e-6)
    logarithm = solve(y, Reweighted(L1(0.3), solves=30, epsilon=1.0), tol=1e-10).x
    # x = y - w epsilon / (epsilon + x)
    height = np.roots([1, 1 - 5, 0.3 - 5]).max()
    np.testing.assert_allclose(logarithm[4:12, 4:12], height, atol=1e-6)


@each
def test_it_may_start_from_the_weights_of_an_image(penalty):
    y = image_of((12, 13))
    start = solve(y, "tv", 0.2)
    found = solve(y, Reweighted(penalty, solves=1, epsilon=0.2, start="x0"), x0=start.x, tol=1e-10)
    plain = Reweighted(penalty, solves=1, epsilon=0.2)
    convex = solve(y, plain.reweighted(plain.lengths(start.x)), tol=1e-10)
    np.testing.assert_allclose(found.x, convex.x, atol=1e-4)
    assert found.fun == pytest.approx(0.5 * np.sum((found.x - y) ** 2) + plain.value(found.x))
    # from its own answer it goes on where it was
    whole = solve(y, Reweighted(penalty, solves=4, epsilon=0.2), tol=1e-8)
    half = solve(y, Reweighted(penalty, solves=2, epsilon=0.2), tol=1e-8)
    again = solve(y, Reweighted(penalty, solves=2, epsilon=0.2, start="x0"), x0=half, tol=1e-8)
    np.testing.assert_allclose(again.x, whole.x, atol=1e-3)


def test_windows_find_regions_and_keep_their_contrast():
    truth = phantoms.regions((64, 64))
    y = phantoms.add_noise(truth, 0.1)
    plain = solve(y, OverlappingGroupLasso(0.06))
    again = solve(y, Reweighted(OverlappingGroupLasso(0.06), epsilon=0.3))
    assert metrics.psnr(truth, again.x, 1.0) > metrics.psnr(truth, plain.x, 1.0) + 3


def test_a_sum_takes_corners_and_weights_of_its_parts():
    y = image_of((12, 13))
    both = L1() + TotalVariation()
    given = solve(y, Reweighted(both, epsilon=(0.1, 0.3)), (0.05, 0.1))
    assert given.weight == (0.05, 0.1)
    np.testing.assert_array_equal(given.x, solve(y, Reweighted(L1(0.05) + TotalVariation(0.1), epsilon=(0.1, 0.3))).x)
    chosen = solve(y, Reweighted(both, solves=2))
    assert len(chosen.weight) == 2
    assert chosen.weight_rule == "sure"
    batch = solve_batch(y[None], Reweighted(L1(0.05) + TotalVariation(0.1)))
    np.testing.assert_array_equal(batch.x[0], solve(y, Reweighted(L1(0.05) + TotalVariation(0.1))).x)


def test_it_survives_pickle_copy_and_repr():
    for penalty in (Reweighted(L1(0.2), solves=3), Reweighted(L1(0.1) + TotalVariation(0.2), epsilon=(0.1, 0.2))):
        for other in (pickle.loads(pickle.dumps(penalty)), copy.deepcopy(penalty), eval(repr(penalty))):
            assert other == penalty
