"""The weight by the risk of the answer that is returned: unbiased, near the best, and where it is taken."""

import numpy as np
import pytest

from proxsparse import L1, L2, Blur, OverlappingGroupLasso, Reweighted, TotalVariation, WaveletL1, metrics, phantoms, solve
from proxsparse.problems.spec import ProblemSpec
from proxsparse.weights import bootstrap

KINDS = ("regions", "blobs", "strokes")


def refitted(spec, weights, **kw):
    return solve(spec.image, L1(weights[0]), debias=True, tol=1e-3, **kw).debiased


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_is_unbiased_for_the_risk_at_slightly_more_noise(kind):
    """Over seeds the mean of the scores less the true risk is within what so few images leave."""
    truth, noise = getattr(phantoms, kind)((32, 32)), 0.2
    share = bootstrap._SHARE
    for weight in (0.2, 0.5):
        differences = []
        for seed in range(30):
            rng = np.random.default_rng(seed)
            y, z = truth + noise * rng.standard_normal(truth.shape), noise * rng.standard_normal(truth.shape)
            x = refitted(ProblemSpec(y + np.sqrt(share) * z), (weight,))
            score = np.mean((x - (y - z / np.sqrt(share))) ** 2) - noise**2 * (1 + 1 / share)
            differences.append(score - np.mean((x - truth) ** 2))
        assert abs(np.mean(differences)) < 3 * np.std(differences) / np.sqrt(len(differences))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalty", [L1(), OverlappingGroupLasso()])
def test_auto_with_debias_is_near_the_best_refit(kind, penalty):
    truth = getattr(phantoms, kind)((96, 96))
    y = phantoms.add_noise(truth, 0.15)
    result = solve(y, penalty, debias=True)
    assert result.weight_rule == "risk-refit"
    assert result.noise_std == pytest.approx(0.15, rel=0.1)
    found = metrics.psnr(truth, result.debiased, 1.0)
    each = [metrics.psnr(truth, solve(y, w * penalty, debias=True).debiased, 1.0) for w in np.geomspace(0.02, 0.8, 12)]
    # within a decibel of the best, three and more above what the shrunk answer's risk chooses
    assert found > max(each) - 1.0
    assert found > metrics.psnr(truth, solve(y, penalty, "sure", debias=True).debiased, 1.0) + 1.5
    tried = result.weight_path
    assert len(tried["weight"]) == len(tried["score"]) >= 5
    assert np.isnan(tried["degrees_of_freedom"]).all()


def test_of_a_sum_and_of_what_is_reweighted():
    truth = phantoms.regions((48, 48))
    y = phantoms.add_noise(truth, 0.15)
    both = solve(y, "l1+tv", debias=True)
    assert both.weight_rule == "risk-refit"
    assert len(both.weight) == 2
    reweighted = solve(y, Reweighted(L1()), "risk-refit")
    assert reweighted.weight_rule == "risk-refit"
    assert metrics.psnr(truth, reweighted.x, 1.0) > metrics.psnr(truth, solve(y, Reweighted(L1())).x, 1.0)


def test_it_may_be_asked_of_a_plain_answer_and_total_variation_keeps_its_rule():
    truth = phantoms.regions((48, 48))
    y = phantoms.add_noise(truth, 0.15)
    assert solve(y, TotalVariation(), debias=True).weight_rule == "sure"
    assert solve(y, L1()).weight_rule == "sure"
    # transforms and energies make no pixel zero
    assert solve(y, WaveletL1(), debias=True).weight_rule == "sure"
    assert solve(y, L2() + L1(), debias=True).weight_rule == "risk-refit"
    plain = solve(y, TotalVariation(), "risk-refit")
    assert plain.weight == pytest.approx(solve(y, TotalVariation(), "sure").weight, rel=0.5)


def test_masks_channels_units_and_no_noise():
    truth = phantoms.regions((48, 48))
    y = phantoms.add_noise(truth, 0.15)
    observed = np.random.default_rng(0).random(y.shape) > 0.2
    assert solve(y, L1(), "risk-refit", observed=observed, debias=True).weight_rule == "risk-refit"
    missing = solve(np.where(observed, y, np.nan), L1(), "risk-refit", nan_policy="omit", debias=True)
    assert np.isfinite(missing.debiased).all()
    colour = solve(np.stack([y, -y], -1), L1(), channel_axis=-1, debias=True)
    assert colour.weight_rule == "risk-refit"
    # the same draws in other units
    weight = solve(y, L1(), debias=True).weight
    assert solve(1000 * y, L1(), debias=True).weight == pytest.approx(1000 * weight, rel=1e-3)
    np.testing.assert_array_equal(solve(truth, L1(), debias=True, noise_std=0).debiased, truth)


@pytest.mark.parametrize(
    ("kw", "message"),
    [({"operator": Blur([[1.0, 2.0, 1.0]])}, "without an operator"), ({"pixel_weight": np.full((8, 8), 0.5)}, "of 0 and 1")],
)
def test_where_there_is_no_second_image_it_says_so(kw, message):
    with pytest.raises(ValueError, match=message):
        solve(phantoms.add_noise(np.zeros((8, 8)), 0.1), L1(), "risk-refit", **kw)


@pytest.mark.parametrize(("penalty", "kw"), [("l1+tv", {"debias": True}), ("tv", {}), (Reweighted(TotalVariation()), {})])
def test_samples_of_any_distance_are_one_image(penalty, kw):
    y = phantoms.add_noise(phantoms.regions((32, 32)), 0.15)
    # 1 is no other number in the units of these weights, and is asked for nevertheless
    weights = [np.atleast_1d(solve(y, penalty, "risk-refit", spacing=spacing, **kw).weight) for spacing in (None, 1.0, 2.0)]
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-6)
    # differences over twice the distance are half as large
    factor = np.array([1.0, 2.0])[-len(weights[0]) :]
    np.testing.assert_allclose(weights[2], factor * weights[0], rtol=0.05)


def test_regions_are_judged_as_a_whole():
    truth = phantoms.blobs((32, 32))
    y = phantoms.add_noise(truth, 0.15)
    result = solve(y, "regions", "risk-refit")
    assert result.weight_rule == "risk-refit"
    assert result.regions.shape == y.shape
    scores = result.weight_path["score"]
    np.testing.assert_allclose(result.weight, result.weight_path["weight"][np.argmin(scores)], rtol=0.5)


def test_without_noise_a_mask_is_still_filled_and_it_is_said():
    truth = phantoms.regions((48, 48))
    with pytest.warns(UserWarning, match="no noise was found"):
        np.testing.assert_array_equal(solve(truth, L1(), debias=True).debiased, truth)
    observed = np.random.default_rng(0).random(truth.shape) > 0.2
    filled = solve(truth, "l1+tv", "risk-refit", observed=observed, noise_std=0, debias=True)
    assert all(weight > 0 for weight in filled.weight)
    assert metrics.psnr(truth, filled.debiased, 1.0) > 20


@pytest.mark.parametrize("penalty", [L1(), Reweighted(L1())])
def test_counts_have_no_second_image(penalty):
    with pytest.raises(ValueError, match="least squares"):
        solve(np.ones((8, 8)), penalty, "risk-refit", data="poisson")
