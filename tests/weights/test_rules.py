"""Choosing the weight: the rules against the oracle and against their definitions."""

import warnings

import numpy as np
import pytest
from examples import image_of, photograph

import proxsparse
from proxsparse import (
    L1,
    L2,
    Blur,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    TotalVariation,
    metrics,
    phantoms,
    solve,
)
from proxsparse.problems.spec import ProblemSpec
from proxsparse.weights.rules import choose

TRUTH = phantoms.regions((64, 64))


NOISY = phantoms.add_noise(TRUTH, 0.1)


def loss_in_db(noisy, truth, penalty, result):
    """How far the chosen weight stays behind the weight that the truth would choose."""
    best = proxsparse.oracle_weight(noisy, truth, penalty)
    return metrics.psnr(truth, solve(noisy, penalty, best).x, 1.0) - metrics.psnr(truth, result.x, 1.0)


@pytest.mark.parametrize("penalty", ["tv", "tv-aniso", "l1", "overlap", "l1+tv", "l1+overlap"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("noise_std", [None, 0.1])
def test_auto_comes_near_the_oracle(penalty, dtype, noise_std):
    result = solve(NOISY.astype(dtype), penalty, noise_std=noise_std)
    assert result.weight_rule == "sure"
    assert result.success
    assert result.x.dtype == dtype
    # 64 x 64 pixels: the estimate of the risk itself is uncertain by more than on a photograph
    assert loss_in_db(NOISY, TRUTH, penalty, result) <= 0.3


def test_what_was_tried_is_told():
    result = solve(NOISY, "tv", noise_std=0.1)
    path = result.weight_path
    assert result.weight_rule == "sure"
    assert result.noise_std == 0.1
    assert len({len(column) for column in path.values()}) == 1
    assert (np.diff(path["weight"]) > 0).all()
    assert (np.diff(path["residual"]) > 0).all()
    assert (np.diff(path["degrees_of_freedom"]) < 0).all()
    i = np.argmin(path["score"])
    assert 0 < i < len(path["score"]) - 1
    assert path["weight"][i - 1] < result.weight < path["weight"][i + 1]
    # Stein's formula, from the columns
    expected = path["residual"] - 0.01 + 2 * 0.01 * path["degrees_of_freedom"] / NOISY.size
    np.testing.assert_allclose(path["score"], expected, rtol=1e-12)
    given = solve(NOISY, "tv", 0.1)
    assert (given.weight_rule, given.noise_std, given.weight_path) == ("given", None, None)
    both = solve(NOISY, "l1+tv")
    assert both.weight_path["weight"].shape == (len(both.weight_path["score"]), 2)


def test_sure_estimates_the_risk_without_bias():
    """Over many noises the mean of "sure" is the mean of the error itself, at a given weight."""
    scores, errors = [], []
    for seed in range(40):
        y = phantoms.add_noise(TRUTH, 0.1, seed)
        path = solve(y, "tv", "sure", noise_std=0.1).weight_path
        i = np.argmin(path["score"])
        scores.append(path["score"][i])
        errors.append(metrics.mse(TRUTH, solve(y, "tv", path["weight"][i]).x))
    # the standard deviation of residual / n is s^2 sqrt(2 / n) = 2.2e-4, of the mean of 40 a sixth; three of those
    assert abs(np.mean(scores) - np.mean(errors)) <= 3 * 0.01 * np.sqrt(2 / TRUTH.size / 40)


@pytest.mark.parametrize("penalty", [TotalVariation(), TotalVariation(isotropic=False), L1() + TotalVariation(0.1)])
def test_exact_degrees_of_freedom_of_signals_are_those_of_a_finite_difference(penalty, monkeypatch):
    y = phantoms.add_noise(np.repeat([0.0, 2.0, 1.0, -1.0], 100), 0.2)
    exact = solve(y, penalty, "sure", noise_std=0.2)
    monkeypatch.setattr("proxsparse.weights.fits._ITERATIONS", {"far": 4000, "near": 4000, "filling": 0})
    monkeypatch.setattr("proxsparse.dual.denoising.Denoising.has_exact", False)
    general = choose(ProblemSpec(y, noise_std=0.2), penalty, "sure")
    # one probe: its standard deviation is sqrt(2 df)
    shared = np.isin(exact.weight_path["weight"].round(9), general.path["weight"].round(9))
    df = exact.weight_path["degrees_of_freedom"][shared]
    assert shared.sum() >= 3
    other = np.isin(general.path["weight"].round(9), exact.weight_path["weight"].round(9))
    assert (abs(general.path["degrees_of_freedom"][other] - df) <= 4 * np.sqrt(2 * df) + 1).all()


def test_the_probe_agrees_with_the_flat_regions_of_anisotropic_total_variation():
    """Tibshirani & Taylor 2012: as many degrees of freedom as regions of the exact answer."""
    from scipy import ndimage

    choice = choose(ProblemSpec(NOISY, noise_std=0.1), TotalVariation(isotropic=False), "sure")
    i = np.argmin(choice.path["score"])
    x = solve(NOISY, TotalVariation(choice.path["weight"][i], isotropic=False), tol=1e-10, options={"maxiter": 50000}).x
    regions = sum(ndimage.label(x == level)[1] for level in np.unique(x))
    df = choice.path["degrees_of_freedom"][i]
    assert abs(df - regions) <= 4 * np.sqrt(2 * regions) + 0.1 * regions


def test_discrepancy_leaves_as_much_as_the_noise():
    for y, kwargs in ((NOISY, {}), (Blur.forward(Blur(np.ones((3, 3)) / 9), TRUTH), {"operator": Blur(np.ones((3, 3)) / 9)})):
        noisy = y if not kwargs else phantoms.add_noise(y, 0.1)
        result = solve(noisy, "tv", "discrepancy", noise_std=0.1, **kwargs)
        assert np.isclose(2 * result.terms["data"] / noisy.size, 0.01, rtol=0.03)
        assert result.weight_rule == "discrepancy"


def test_auto_with_an_operator_is_the_predictive_risk():
    blur = Blur(np.ones((3, 3)) / 9)
    y = phantoms.add_noise(blur.forward(TRUTH), 0.05)
    result = solve(y, "tv", operator=blur)
    assert result.weight_rule == "sure"
    assert np.isclose(result.noise_std, 0.05, rtol=0.1)
    known = solve(y, "tv", operator=blur, noise_std=0.05)
    assert known.weight_rule == "sure"
    best = max(metrics.psnr(TRUTH, solve(y, "tv", f * known.weight, operator=blur).x, 1.0) for f in (0.25, 0.5, 1.0, 2.0))
    worse = metrics.psnr(TRUTH, solve(y, "tv", "discrepancy", operator=blur, noise_std=0.05).x, 1.0)
    for found in (result, known):
        assert metrics.psnr(TRUTH, found.x, 1.0) >= max(best - 0.25, worse)


def test_masks_are_scored_where_they_measure():
    seen = np.random.default_rng(1).random(NOISY.shape) < 0.7
    y = np.where(seen, NOISY, np.nan)
    result = solve(y, "tv", nan_policy="omit")
    assert result.weight_rule == "sure"
    other = solve(np.where(seen, NOISY, 1e3), "tv", observed=seen)
    assert other.weight == result.weight
    best = proxsparse.oracle_weight(y, TRUTH, "tv", nan_policy="omit")
    assert metrics.psnr(TRUTH, result.x, 1) >= metrics.psnr(TRUTH, solve(y, "tv", best, nan_policy="omit").x, 1) - 0.3


def test_masks_that_leave_no_block_whole_still_fill():
    rows, few = np.zeros(TRUTH.shape, bool), np.random.default_rng(0).random(TRUTH.shape) < 0.1
    rows[::2] = True
    board = np.indices(TRUTH.shape).sum(axis=0) % 2 == 0
    assert metrics.noise_std(NOISY, observed=rows) == pytest.approx(0.1, rel=0.1)
    assert metrics.noise_std(NOISY, observed=few) == pytest.approx(0.1, rel=0.3)
    assert np.isnan(metrics.noise_std(NOISY, observed=board))
    for seen in (rows, few, board):
        result = solve(NOISY, "tv", observed=seen)
        assert result.weight > 0
        # far nearer than what was there, and than its mean
        assert metrics.mse(TRUTH, result.x) < 0.4 * min(metrics.mse(TRUTH, np.where(seen, NOISY, 0)), np.var(TRUTH))
    # a weight this small has far to travel
    clean = solve(TRUTH, "tv", observed=few, tol=1e-2)
    assert 0 < clean.weight < 0.01
    assert metrics.mse(TRUTH, clean.x) < 0.4 * np.var(TRUTH)


def test_a_signal_is_one_along_every_axis():
    y = phantoms.add_noise(np.repeat([0.0, 2.0, 1.0, -1.0], 100), 0.2)
    row = solve(y, "tv", noise_std=0.2)
    for shape in ((400, 1), (1, 400), (400, 1, 1), (1, 400, 1)):
        other = solve(y.reshape(shape), "tv", noise_std=0.2)
        assert other.weight == row.weight
        np.testing.assert_array_equal(other.x.ravel(), row.x)


def test_gcv_needs_no_noise_and_the_oracle_none_either():
    counts = phantoms.add_poisson(phantoms.blobs((64, 64)), 20.0)
    assert solve(counts, "tv", "gcv").weight > 0
    truth = phantoms.blobs((64, 64))
    best = proxsparse.oracle_weight(counts, truth, "tv")
    assert best > 0
    assert metrics.mse(truth, solve(counts, "tv", best).x) < 0.5 * metrics.mse(truth, counts)


def test_the_discrepancy_counts_data_weights():
    """Weights of the data and of the penalty both doubled change nothing."""
    m = np.random.default_rng(0).uniform(0.5, 1.5, NOISY.shape)
    once = solve(NOISY, "tv", noise_std=0.1, pixel_weight=m)
    twice = solve(NOISY, "tv", noise_std=0.1, pixel_weight=2 * m)
    assert once.weight_rule == "discrepancy"
    assert twice.weight == pytest.approx(2 * once.weight, rel=0.02)
    assert solve(NOISY, "tv", "discrepancy", noise_std=1e-170).weight < 1e-3
    all_noise = solve(NOISY, "tv", "discrepancy", noise_std=10.0)
    assert np.ptp(all_noise.x) < 1e-6


def test_universal_and_noise_rules():
    universal = solve(NOISY, "l1", "universal", noise_std=0.1)
    assert universal.weight == 0.1 * np.sqrt(2 * np.log(NOISY.size))
    noise = np.random.default_rng(5).standard_normal((256, 256)) * 0.1
    for penalty in (OverlappingGroupLasso(window=3), OverlappingGroupLasso(window=2, norm="linf"), L1()):
        result = solve(noise, penalty, "noise", noise_std=0.1, tol=1e-6)
        # a hundredth, give or take what other noise does
        assert 0.005 <= np.std(result.x) / 0.1 <= 0.02
        assert solve(10 * noise, penalty, "noise", noise_std=1.0).weight == pytest.approx(10 * result.weight, rel=1e-12)


def test_images_without_noise_come_back():
    for y in (
        np.full((8, 9), 3.0),
        phantoms.regions((64, 64)),
        np.zeros((5, 5)),
        np.ones((1, 1)),
        np.full((8, 9), 7, np.uint8),
    ):
        for penalty in ("tv", "l1", "l1+tv"):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                result = solve(y, penalty)
            # a constant image has nothing to choose for; of another one may wonder
            assert [str(w.message)[:18] for w in caught] == (["no noise was found"] if np.ptp(y) > 0 else [])
            assert result.success
            np.testing.assert_array_equal(result.x, y)
            assert not np.any(result.weight)
    assert solve(np.full((8, 9), 3.0), "tv", noise_std=0.1).weight == 0


def test_integers_choose_in_their_own_units_and_draw_no_warning():
    y = np.clip(np.rint(255 * np.clip(NOISY, -0.6, 1) * 0.5 + 100), 0, 255).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = solve(y, "tv")
    assert result.weight > 1
    assert result.weight == solve(y.astype(float), "tv").weight


@pytest.mark.parametrize("scale", [1e-200, 1e200, 1e-3])
def test_the_weight_scales_with_the_image(scale):
    base, scaled = solve(NOISY, "tv"), solve(scale * NOISY, "tv")
    # the fits are in float32, and a thousandth is no power of two
    assert scaled.weight == pytest.approx(scale * base.weight, rel=1e-3)


def test_workers_layouts_and_order_change_nothing():
    base = solve(NOISY, "tv")
    assert solve(NOISY, "tv", options={"workers": 3}).weight == base.weight
    assert solve(np.asfortranarray(NOISY), "tv").weight == base.weight
    batch = proxsparse.solve_batch(np.stack([NOISY, NOISY[::-1]]), "tv", workers=2)
    assert batch.weight[0] == base.weight
    assert batch.weight_rule == ["sure", "sure"]
    assert proxsparse.solve_batch(NOISY[None], "tv", 0.1).weight_rule == ["given"]
    np.testing.assert_array_equal(batch.x[1], solve(NOISY[::-1], "tv").x)
    sums = proxsparse.solve_batch(NOISY[None], "l1+tv")
    assert sums.weight.shape == (1, 2)


def test_a_part_with_a_weight_keeps_it():
    result = solve(NOISY, L1(0.03) + TotalVariation())
    assert result.weight[0] == 0.03
    assert result.weight[1] == pytest.approx(result.weight_path["weight"][np.argmin(result.weight_path["score"])], rel=0.5)


@pytest.mark.slow
def test_auto_loses_little_on_photographs():
    """0.08 dB on average and 0.5 dB at worst without the noise, over eight photographs and three noises, in few fits."""
    losses = []
    for name in ("camera", "coins", "moon", "page", "brick", "grass", "gravel", "astronaut"):
        truth = photograph(name)
        for noise in (0.02, 0.05, 0.15):
            y = phantoms.add_noise(truth, noise, seed=1)
            with warnings.catch_warnings():
                # grass and gravel leave the noise in doubt
                warnings.filterwarnings("ignore", "noise and texture can hardly be told apart")
                result = solve(y, "tv")
            assert len(result.weight_path["weight"]) <= 10
            losses.append(loss_in_db(y, truth, "tv", result))
    assert np.mean(losses) <= 0.08
    assert max(losses) <= 0.5


@pytest.mark.parametrize("shape", [(40,), (1, 30), (30, 1), (9, 10, 11), (16, 17, 3)])
def test_shapes(shape):
    kwargs = {"channel_axis": -1} if shape[-1] == 3 else {}
    for penalty in ("tv", "l1"):
        result = solve(image_of(shape), penalty, **kwargs)
        assert result.success
        assert result.weight > 0


def _of_blocks(noisy, weight):
    """Degrees of freedom of block soft-thresholding: 4 - 3 w / |v_g| of each block that is left."""
    lengths = np.sqrt(np.square(noisy).reshape(16, 2, 16, 2).sum(axis=(1, 3)))
    return np.sum(np.where(lengths > weight, 4 - 3 * weight / lengths, 0))


@pytest.mark.parametrize(
    ("penalty", "expected"),
    [
        (L2(), lambda noisy, weight: noisy.size / (1 + weight)),
        (ElasticNet(), lambda noisy, weight: np.count_nonzero(np.abs(noisy) > weight / 2) / (1 + weight / 2)),
        (GroupLasso(block=2), _of_blocks),
    ],
)
def test_degrees_of_freedom_of_exact_answers(penalty, expected):
    """They are the response to the probe, and no distance between an iterate and the exact answer."""
    noisy = phantoms.add_noise(phantoms.regions((32, 32)), 0.1)
    path = solve(noisy, penalty, "sure", noise_std=0.1).weight_path
    for weight, df in zip(path["weight"], path["degrees_of_freedom"], strict=True):
        # a random probe of a Jacobian that is no diagonal has a spread of some sqrt(2 n)
        assert df == pytest.approx(expected(noisy, weight), abs=0.02 * noisy.size)
