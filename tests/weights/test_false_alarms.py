"""False alarms: anything at all is left of an image of noise once in a hundred images."""

import numpy as np
import pytest

from proxsparse import L1, GroupLasso, OverlappingGroupLasso, TotalVariation, phantoms, solve


@pytest.mark.parametrize(
    ("penalty", "shape", "channel_axis"),
    [
        (L1(), (64, 64), None),
        (L1(), (3, 40, 40), 0),
        (GroupLasso(block=4), (64, 64), None),
        (GroupLasso(block=5), (48, 47), None),
        (OverlappingGroupLasso(window=3), (48, 48), None),
        (OverlappingGroupLasso(window=5), (400,), None),
        (TotalVariation(), (64, 64), None),
        (TotalVariation(isotropic=False), (48, 80), None),
        (TotalVariation(), (14, 14, 14), None),
    ],
)
def test_little_is_left_of_noise_once_in_a_hundred_and_no_more_than_needed(penalty, shape, channel_axis):
    left = {1.0: 0, 0.8: 0}
    for seed in range(60):
        y = np.random.default_rng([seed, *shape]).standard_normal(shape)
        weight = solve(y, penalty, "false-alarms", noise_std=1.0, channel_axis=channel_axis, tol=1e-2).weight
        for factor in left:
            x = solve(y, factor * weight * penalty, channel_axis=channel_axis, tol=1e-5).x
            left[factor] += np.ptp(x) > 0.02 if penalty.null_space == "constants" else x.any()
    # 0.6 of 60 are expected: more than 4 would be a chance of one in a thousand
    assert left[1.0] <= 4
    # a fifth less lets noise through several times as often: the law is no mere bound
    assert left[0.8] > left[1.0]


@pytest.mark.parametrize(("shape", "weight"), [((60,), 2.806), ((20, 30), 3.022), ((9, 12, 10), 3.226)])
def test_windows_clear_what_single_windows_cover(shape, weight):
    """The corners' own law: no standard normal of 2, 4 or 8 is beyond the weight but once in a hundred."""
    y = np.random.default_rng(0).standard_normal(shape)
    y.flat[0] = 1.01 * weight
    chosen = solve(y, OverlappingGroupLasso(window=3), "false-alarms", noise_std=1.0, tol=1e-8)
    assert chosen.weight == pytest.approx(weight, abs=1e-3)
    assert chosen.x.flat[0] > 0


def test_it_scales_with_the_noise_and_takes_it_from_the_image():
    y = phantoms.add_noise(phantoms.regions((64, 64)), 0.1)
    result = solve(y, L1(), "false-alarms")
    assert result.weight_rule == "false-alarms"
    assert result.weight == pytest.approx(0.1 * 4.7, rel=0.1)
    assert solve(1000 * y, L1(), "false-alarms").weight == pytest.approx(1000 * result.weight)


@pytest.mark.parametrize("penalty", [OverlappingGroupLasso(window=9), TotalVariation(huber=0.1), L1() + TotalVariation()])
def test_where_no_law_is_known_it_says_so(penalty):
    with pytest.raises(ValueError, match="false-alarms"):
        solve(phantoms.add_noise(np.zeros((16, 16)), 0.1), penalty, "false-alarms")


@pytest.mark.parametrize("shape", [(16, 120), (4, 60), (8, 8), (100,), (1, 1, 90)])
@pytest.mark.parametrize("isotropic", [True, False])
def test_strips_and_signals_wander_by_the_law_of_slices(shape, isotropic):
    penalty = TotalVariation(isotropic=isotropic)
    left = {1.0: 0, 0.6: 0}
    for seed in range(100):
        y = np.random.default_rng([seed, *shape]).standard_normal(shape)
        weight = solve(y, penalty, "false-alarms", noise_std=1.0, tol=1e-2).weight
        for factor in left:
            left[factor] += np.ptp(solve(y, factor * weight * penalty, tol=1e-5).x) > 0.02
    # 1 of 100 is expected: more than 5 would be a chance of one in a thousand
    assert left[1.0] <= 5
    assert left[0.6] > left[1.0] + 10


def test_of_thin_volumes_no_law_is_known():
    with pytest.raises(ValueError, match="false-alarms"):
        solve(np.random.default_rng(0).standard_normal((3, 20, 20)), TotalVariation(), "false-alarms", ndim=3)
