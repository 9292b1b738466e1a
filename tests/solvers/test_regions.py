"""Regions: contiguous zeros and true values from the noisy image alone; every stage certified; nothing where there is nothing."""

import warnings

import numpy as np
import pytest
from examples import stopping_after
from oracles import clarabel
from scipy import sparse

from proxsparse import Blur, Regions, TotalVariation, as_operator, denoise, metrics, phantoms, solve, solve_batch
from proxsparse.solvers import regions

KINDS = ("regions", "blobs", "rectangles", "curves", "strokes", "shepp_logan")


def noisy_of(kind, noise_std=0.1, side=96, seed=0):
    truth = getattr(phantoms, kind)((side, side))
    return truth, phantoms.add_noise(truth, noise_std, seed=seed)


def f1(truth, x, **kwargs):
    return metrics.f1(truth, x, support_tol=0, **kwargs)


def psnr(truth, x):
    return metrics.psnr(truth, x, data_range=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_are_found_and_values_kept(kind):
    truth, y = noisy_of(kind)
    x = solve(y, "regions").x
    # 0.98 and more on every phantom at 128x128; these are smaller
    assert f1(truth, x) > 0.97
    assert psnr(truth, x) > psnr(truth, solve(y, "tv").x) + 2.5
    assert metrics.isolated_share(x, support_tol=0) < 1e-3


def test_every_stage_is_certified_and_the_whole_is_not():
    _, y = noisy_of("regions")
    result = solve(y, "regions")
    assert [stage["name"] for stage in result.stages] == ["total variation", "smooth", "cut", "cut", "values", "cut", "values"]
    for stage in result.stages:
        assert stage["certified"]
        assert stage["success"]
        assert stage["rel_gap"] <= (1e-4 if stage is result.stages[-1] or stage is result.stages[0] else 3e-3)
    assert (result.status, result.success, result.certified, result.stationarity) == (6, False, False, None)
    assert result.fun == pytest.approx(sum(result.terms.values()))
    assert set(result.terms) == {"data", "TotalVariation", "contour", "area"}
    assert result.terms["data"] == pytest.approx(0.5 * np.sum((result.x - y) ** 2))
    assert result.regions.shape == y.shape
    np.testing.assert_array_equal(result.regions > 0, result.x != 0)
    assert result.regions.max() == metrics.components(result.x, support_tol=0)


def test_no_warning_and_no_view():
    _, y = noisy_of("regions")
    before = y.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = denoise(y, "regions")
    np.testing.assert_array_equal(y, before)
    assert not np.shares_memory(x, y)


def test_noise_alone_is_zero_everywhere():
    nothing = [not solve(np.random.default_rng(seed).standard_normal((64, 64)), "regions").x.any() for seed in range(30)]
    # one in a hundred is allowed
    assert sum(nothing) >= 29


def test_no_piece_of_noise_gains_more_than_the_law_says():
    gains = []

    def recorded(evidence, labels, n, contour, own=regions.gains_of):
        gains.append(own(evidence, labels, n, contour).max(initial=-np.inf))
        return own(evidence, labels, n, contour)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(regions, "gains_of", recorded)
        for seed in range(40):
            # the least weight that a rule chooses for thin shapes
            solve(np.random.default_rng(100 + seed).standard_normal((64, 64)), Regions(0.65), noise_std=1.0, tol=1e-2)
    of_pieces = np.array(gains[1::2])
    # by the law of the largest gain 20 of 40 are above its median, 4 above the last tenth
    assert 8 <= np.sum(of_pieces > regions.least_gain((64, 64), 1, 0.5)) <= 32
    assert np.sum(of_pieces > regions.least_gain((64, 64), 1, 0.1)) <= 9
    assert np.sum(of_pieces > regions.least_gain((64, 64), 1, 0.01)) <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_noise_comes_back(kind):
    truth = getattr(phantoms, kind)((64, 64))
    with pytest.warns(UserWarning, match="no noise was found"):
        np.testing.assert_array_equal(solve(truth, "regions").x, truth)
    np.testing.assert_array_equal(solve(truth + 0.01, "regions", noise_std=0).x, truth + 0.01)


def test_a_photograph_without_zeros_is_as_good_as_under_total_variation():
    from skimage import data

    truth = data.camera()[::4, ::4] / 255.0 * 0.8 + 0.2
    y = phantoms.add_noise(truth, 0.1)
    result = solve(y, "regions")
    assert np.mean(result.x == 0) < 0.01
    assert psnr(truth, result.x) > psnr(truth, solve(y, "tv").x) - 0.3


def test_units_signs_and_both_types():
    _, y = noisy_of("regions")
    result = solve(y, "regions")
    for factor in (1e-6, 1e5):
        other = solve(factor * y, "regions")
        np.testing.assert_array_equal(other.regions, result.regions)
        # to the tolerances of the stages
        np.testing.assert_allclose(other.x / factor, result.x, atol=1e-4)
    np.testing.assert_allclose(solve(-y, "regions", 0.1).x, -solve(y, "regions", 0.1).x, atol=1e-4)
    single = solve(y.astype(np.float32), "regions")
    assert single.x.dtype == np.float32
    assert np.mean(single.regions != result.regions) < 1e-3


def test_a_background_is_the_level_of_the_zeros():
    truth, y = noisy_of("regions")
    result = solve(y + 0.5, "regions", background=0.5)
    assert f1(truth, result.x - 0.5) > 0.99
    assert np.all(result.x[result.regions == 0] == 0.5)


def test_masks_bounds_weights_and_missing_pixels():
    truth, y = noisy_of("blobs")
    observed = np.random.default_rng(1).random(y.shape) > 0.2
    assert f1(truth, solve(y, "regions", observed=observed).x) > 0.97
    assert f1(truth, solve(np.where(observed, y, np.nan), "regions", nan_policy="omit").x) > 0.97
    assert f1(truth, solve(y, "regions", pixel_weight=np.where(observed, 1.0, 0.5)).x) > 0.97
    bounded = solve(y, "regions", bounds=(0, 0.9)).x
    assert 0 <= bounded.min() <= bounded.max() <= 0.9
    assert f1(truth, bounded) > 0.97


def test_channels_are_zero_together():
    truth, _ = noisy_of("regions")
    colour = np.stack([truth, 0.5 * truth, -truth], axis=-1)
    y = phantoms.add_noise(colour, 0.15)
    result = solve(y, "regions", channel_axis=-1)
    assert result.regions.shape == truth.shape
    np.testing.assert_array_equal((result.x != 0).any(axis=-1), result.regions > 0)
    assert f1(colour, result.x, channel_axis=-1) > 0.98
    first = solve(np.moveaxis(y, -1, 0), "regions", channel_axis=0)
    np.testing.assert_array_equal(np.moveaxis(first.x, 0, -1), result.x)


def test_signals_and_volumes():
    signal = np.zeros(400)
    signal[50:90], signal[200:208], signal[300:380] = 1, -0.8, 0.5
    found = solve(phantoms.add_noise(signal, 0.1), "regions")
    assert f1(signal, found.x) > 0.95
    volume = np.zeros((20, 24, 22))
    volume[4:12, 5:20, 6:20], volume[15:19, 17:23, 3:9] = 1, -0.6
    found = solve(phantoms.add_noise(volume, 0.2), "regions")
    assert found.regions.max() == 2
    assert f1(volume, found.x) > 0.98


def test_thin_images_and_single_pixels():
    for shape in ((1, 30), (30, 1), (3, 3), (5,), (1,), (1, 1, 7)):
        result = solve(np.random.default_rng(1).random(shape), "regions", noise_std=0.1)
        assert result.x.shape == result.regions.shape == shape


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "std", "noise_std"), [("regions", 0.8, 0.03), ("regions", 1.5, 0.02), ("strokes", 0.8, 0.03)])
def test_a_blurred_image(kind, std, noise_std):
    truth, blur = noisy_of(kind)[0], Blur.gaussian(std)
    y = phantoms.add_noise(blur.forward(truth), noise_std)
    result, plain = solve(y, "regions", operator=blur), solve(y, "tv", operator=blur)
    assert result.status == 6
    assert f1(truth, result.x) > 0.97
    assert psnr(truth, result.x) > psnr(truth, plain.x) + 2


def test_batches_are_single_calls():
    images = np.stack([noisy_of("regions", seed=seed)[1] for seed in range(2)])
    batch = solve_batch(images, "regions")
    assert batch.status.tolist() == [6, 6]
    for image, x in zip(images, batch.x, strict=True):
        np.testing.assert_array_equal(x, solve(image, "regions").x)


def test_a_rectangle_keeps_its_height():
    """Inside a region that is flat, with 0 around it, nothing is shrunk: the value is the mean of the pixels there."""
    truth = np.zeros((40, 40))
    truth[10:30, 12:31] = 1.0
    y = phantoms.add_noise(truth, 0.05)
    x = solve(y, "regions", tol=1e-8).x
    np.testing.assert_array_equal(x != 0, truth != 0)
    np.testing.assert_allclose(x[10:30, 12:31], y[10:30, 12:31].mean(), atol=1e-6)


def test_the_values_agree_with_an_independent_solver(monkeypatch):
    """The last stage is total variation inside the set, with the image 0 outside."""
    truth = np.zeros((9, 8))
    truth[2:7, 1:6] = 1.0
    y = phantoms.add_noise(truth, 0.15, seed=3)
    seen = []
    values = regions._Regions.values

    def recorded(self, inside, before, tol):
        seen.append((self._outside_held(inside, 1.0).image, inside))
        found = values(self, inside, before, tol)
        seen.append(found)
        return found

    monkeypatch.setattr(regions._Regions, "values", recorded)
    result = solve(y, Regions(0.1, stages=0), noise_std=0.15, tol=1e-9)
    (image, inside), found = seen[-2:]
    np.testing.assert_array_equal(inside, result.x != 0)
    scales = np.zeros((2, *y.shape))
    scales[0, :-1], scales[1, :, :-1] = inside[:-1] & inside[1:], inside[:, :-1] & inside[:, 1:]
    x, fun = clarabel.minimise(image, TotalVariation(0.1, pixel_weight=scales))
    assert found.fun == pytest.approx(fun, rel=1e-6)
    np.testing.assert_allclose(result.x, np.where(inside, x, 0), atol=1e-4)


def test_cuts_are_minimal():
    """Of all sets of a small image none has less evidence against it and boundary together; anisotropic, where that is exact."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        evidence = rng.standard_normal((3, 4)) * 2
        found = solve(evidence, TotalVariation(1.0, isotropic=False), tol=1e-10).x > 0

        def energy(inside, evidence=evidence):
            return np.sum(np.diff(inside, axis=0) != 0) + np.sum(np.diff(inside, axis=1) != 0) - evidence[inside].sum()

        sets = (np.array([(k >> i) & 1 for i in range(12)], bool).reshape(3, 4) for k in range(1 << 12))
        assert energy(found) == pytest.approx(min(energy(inside) for inside in sets))


def test_it_is_repeatable_and_workers_change_nothing():
    _, y = noisy_of("strokes", side=128)
    x = solve(y, "regions").x
    for workers in (1, 2):
        np.testing.assert_array_equal(solve(y, "regions", options={"workers": workers}).x, x)


def test_a_weight_may_be_given_and_a_call_may_be_cut_short():
    _, y = noisy_of("regions")
    result = solve(y, "regions", 0.05)
    assert (result.weight, result.weight_rule) == (0.05, "given")
    with pytest.warns(UserWarning, match="limit"):
        cut_short = solve(y, "regions", 0.05, options={"maxiter": 3})
    assert cut_short.status == 1
    assert np.isfinite(cut_short.x).all()


def test_spacing_of_any_unit_is_the_same_image():
    truth, y = noisy_of("blobs")
    plain = solve(y, "regions")
    for spacing in (0.1, 10.0):
        found = solve(y, "regions", spacing=spacing)
        assert np.mean(found.regions != plain.regions) < 2e-3
    assert f1(truth, solve(y, "regions", spacing=(1.0, 1.5)).x) > 0.97


def test_stopped_anywhere_there_is_an_answer():
    _, y = noisy_of("regions")
    seen = []
    whole = solve(y, "regions", 0.1, callback=lambda intermediate_result: seen.append(intermediate_result.nit))
    for last in range(0, len(seen) - 1, 3):
        stop, _ = stopping_after(last + 1)
        with pytest.warns(UserWarning, match="callback"):
            stopped = solve(y, "regions", 0.1, callback=stop)
        # what was done until then is told
        assert [stage["name"] for stage in stopped.stages] == [stage["name"] for stage in whole.stages][: len(stopped.stages)]
        np.testing.assert_array_equal(stopped.regions > 0, stopped.x != 0)


def test_weights_and_operators_of_any_size_are_judged_alike():
    truth, y = noisy_of("regions")
    plain = solve(y, Regions(0.1), noise_std=0.1)
    weighted = solve(y, Regions(0.4), noise_std=0.1, pixel_weight=np.full(y.shape, 4.0))
    np.testing.assert_array_equal(weighted.regions, plain.regions)
    np.testing.assert_allclose(weighted.x, plain.x, atol=1e-3)
    for gain in (3.0, 1e-3):
        scaled = as_operator(gain * sparse.identity(y.size, format="csr"), y.shape, y.shape)
        found = solve(gain * y, Regions(gain * gain * 0.1), operator=scaled, noise_std=gain * 0.1)
        assert np.mean(found.regions != plain.regions) < 1e-3
        assert f1(truth, found.x) > 0.99


def test_faint_regions_are_found_where_half_the_pixels_are_missing():
    truth = np.zeros((96, 96))
    truth[20:60, 20:70] = 0.08
    y = phantoms.add_noise(truth, 0.1)
    assert f1(truth, solve(y, "regions").x) > 0.9
    observed = np.random.default_rng(1).random(y.shape) > 0.5
    assert f1(truth, solve(y, "regions", observed=observed).x) > 0.8


def test_bounds_that_touch_zero():
    truth, y = noisy_of("regions")
    found = solve(y, "regions", bounds=(0, None))
    assert found.x.min() == 0
    assert f1(np.maximum(truth, 0), found.x) > 0.99
    np.testing.assert_array_equal(found.regions > 0, found.x != 0)


def test_where_no_noise_is_told_of_it_is_total_variation():
    _, y = noisy_of("regions")
    found = solve(y, "regions", 0.05, noise_std=0)
    assert (found.status, found.certified, found.weight) == (0, True, 0.05)
    np.testing.assert_array_equal(found.x, solve(y, "tv", 0.05).x)
    assert [stage["name"] for stage in found.stages] == ["total variation"]


@pytest.mark.parametrize(
    ("shape", "channel_axis"), [((16, 120), None), ((4, 200), None), ((1, 1000), None), ((1000,), None), ((40, 40, 3), -1)]
)
def test_strips_signals_and_colours_of_noise_are_zero(shape, channel_axis):
    noise = (np.random.default_rng([seed, *shape]).standard_normal(shape) for seed in range(15))
    assert sum(solve(y, "regions", channel_axis=channel_axis).x.any() for y in noise) <= 1


@pytest.mark.slow
def test_of_a_hundred_images_of_noise_hardly_one_has_regions():
    noise = (np.random.default_rng([7, seed]).standard_normal((96, 96)) for seed in range(100))
    # more than 4 would be a chance of one in three hundred
    assert sum(solve(y, "regions").x.any() for y in noise) <= 4


@pytest.mark.slow
@pytest.mark.parametrize("operator", [Blur.gaussian(1.0), Blur(np.ones((3, 3)) / 9)])
def test_blurred_noise_is_zero(operator):
    noise = (0.1 * np.random.default_rng(seed).standard_normal((48, 48)) for seed in range(20))
    assert sum(solve(y, "regions", operator=operator, noise_std=0.1).x.any() for y in noise) <= 2
