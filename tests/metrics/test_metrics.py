"""Metrics by hand, against scikit-image and scikit-learn's definitions."""

import numpy as np
import pytest

from proxsparse import metrics

#: a 2 x 3 block, a pair that touches at a corner, a single pixel
IMAGE = np.zeros((8, 9))


IMAGE[1:3, 1:4] = 2.0


IMAGE[5, 5] = IMAGE[6, 6] = -1.0


IMAGE[0, 8] = 0.5


def test_support_and_components_by_hand():
    assert metrics.support(IMAGE).sum() == 9
    assert metrics.support(IMAGE, 0.5).sum() == 8
    assert metrics.components(IMAGE) == 3
    assert metrics.isolated_share(IMAGE) == 1 / 9
    assert metrics.largest_share(IMAGE) == 6 / 9
    # the block has 10 sides; the pair 8; the corner pixel 2, its others are the image's edge
    assert metrics.boundary_per_area(IMAGE) == 20 / 9
    for empty in (np.zeros((4, 4)), np.full((4, 4), 0.1)):
        assert metrics.components(empty, 0.2) == 0
        assert metrics.isolated_share(empty, 0.2) == metrics.largest_share(empty, 0.2) == 0
        assert metrics.boundary_per_area(empty, 0.2) == 0
        assert np.isnan(metrics.morans_i(empty, 0.2))


def test_overlap_by_hand():
    other = np.roll(IMAGE, 1, axis=1)
    # blocks share 4 pixels, the others none but the pair: (5, 6) and (6, 7) are new, the corner wraps to (0, 0)
    assert metrics.precision(IMAGE, other) == metrics.recall(IMAGE, other) == metrics.f1(IMAGE, other) == 4 / 9
    assert metrics.iou(IMAGE, other) == 4 / 14
    zero = np.zeros_like(IMAGE)
    assert (metrics.precision(IMAGE, zero), metrics.recall(IMAGE, zero), metrics.f1(IMAGE, zero), metrics.iou(IMAGE, zero)) == (
        0,
        0,
        0,
        0,
    )
    assert (metrics.precision(zero, IMAGE), metrics.recall(zero, IMAGE), metrics.f1(zero, IMAGE)) == (0, 0, 0)
    assert (metrics.precision(zero, zero), metrics.recall(zero, zero), metrics.f1(zero, zero), metrics.iou(zero, zero)) == (
        1,
        1,
        1,
        1,
    )


def test_morans_i_by_hand():
    halves = np.zeros((40, 40))
    halves[:, 20:] = 1
    # every pair but the 40 across the middle has product 1/4, those -1/4; I is their mean over the variance 1/4
    assert metrics.morans_i(halves) == pytest.approx((3120 - 2 * 40) / 3120)
    board = np.indices((10, 11)).sum(axis=0) % 2
    assert metrics.morans_i(board) == pytest.approx(-1, abs=1e-2)
    scattered = np.random.default_rng(0).random((200, 200)) < 0.3
    assert abs(metrics.morans_i(scattered)) < 4 / np.sqrt(2 * scattered.size)
    inside = np.zeros(halves.shape, bool)
    inside[:, :20] = True
    assert np.isnan(metrics.morans_i(halves, region=inside))


def test_morans_i_agrees_with_the_definition():
    s = (metrics.support(IMAGE)).astype(float)
    pixels = list(np.ndindex(s.shape))
    deviation = s - s.mean()
    top = weight = 0.0
    for a in pixels:
        for b in pixels:
            if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1:
                top += deviation[a] * deviation[b]
                weight += 1
    assert metrics.morans_i(IMAGE) == pytest.approx(s.size / weight * top / (deviation**2).sum())


def test_contiguity_of_signals_and_volumes():
    assert metrics.components([0.0, 1, 1, 0, 2, 0]) == 2
    assert metrics.isolated_share([0.0, 1, 1, 0, 2, 0]) == 1 / 3
    volume = np.zeros((5, 6, 7))
    volume[1:3, 1:3, 1:3] = 1
    volume[4, 4, 4] = 1
    assert metrics.components(volume) == 2
    assert metrics.boundary_per_area(volume) == (24 + 5) / 9


def test_regions_and_channels(rng):
    truth, image = rng.standard_normal((2, 20, 21))
    inside = np.zeros((20, 21), bool)
    inside[3:17, 4:18] = True
    assert metrics.mse(truth, image, region=inside) == pytest.approx(np.mean((truth - image)[inside] ** 2))
    assert metrics.mae(truth, image, region=inside) == pytest.approx(np.mean(np.abs(truth - image)[inside]))
    assert metrics.psnr(truth, image, 2.0, region=inside) == pytest.approx(
        10 * np.log10(4 / metrics.mse(truth, image, region=inside))
    )
    assert metrics.ssim(truth, truth, 1.0, region=inside) == 1
    assert metrics.support(image, region=inside).sum() == inside.sum()
    colour_t, colour = np.stack([truth] * 3, -1), np.stack([image, image, truth], -1)
    assert metrics.mse(colour_t, colour, region=inside, channel_axis=-1) == pytest.approx(
        2 / 3 * metrics.mse(truth, image, region=inside)
    )
    single = np.zeros((6, 7, 3))
    single[2, 3, 1] = 1
    assert metrics.support(single, channel_axis=-1).sum() == 1
    assert metrics.f1(single, single, channel_axis=-1) == 1
    with pytest.raises(ValueError, match="region must be boolean"):
        metrics.mse(truth, image, region=inside.astype(int))
    with pytest.raises(ValueError, match="truth has shape"):
        metrics.f1(truth, image[:5])


def test_a_region_has_no_rim():
    everything, inside = np.ones((8, 8)), np.zeros((8, 8), bool)
    inside[2:6, 2:6] = True
    assert metrics.boundary_per_area(everything, region=inside) == 0
    with pytest.raises(ValueError, match="holds no pixel"):
        metrics.mse(everything, everything, region=np.zeros((8, 8), bool))


def test_the_least_integer_is_in_the_support():
    assert metrics.support(np.array([-128, 0], np.int8)).tolist() == [True, False]


def test_equal_images_have_infinite_psnr(rng):
    x = rng.standard_normal((12, 13))
    assert metrics.psnr(x, x, 1.0) == np.inf


@pytest.mark.parametrize("scale", [1.0, 1e160, 1e-170])
def test_channels_that_tell_nothing_hide_none_of_the_others(scale, rng):
    """An opaque alpha channel, and one that was not seen."""
    image = scale * np.array([1.0, 1.0, 10.0, 0.0]) * rng.standard_normal((64, 64, 4)) + scale
    others = metrics.noise_std(image[..., :3], channel_axis=-1)
    assert others == pytest.approx(scale * np.sqrt(34), rel=0.1)
    assert metrics.noise_std(image, channel_axis=-1) == pytest.approx(others * np.sqrt(3 / 4), rel=0.01)
    seen = np.ones(image.shape, bool)
    seen[..., 3] = False
    assert metrics.noise_std(image, channel_axis=-1, observed=seen) == pytest.approx(others, rel=0.01)


@pytest.mark.parametrize(("shape", "axis"), [((75000, 20), 0), ((4, 4, 80000), 2)])
def test_there_may_be_more_channels_than_patches_are_looked_at(shape, axis, rng):
    assert metrics.noise_std(rng.standard_normal(shape), channel_axis=axis) == pytest.approx(1, rel=0.1)
