"""The noise that an image tells: known levels, blank pixels, texture, channels."""

import numpy as np
import pytest
from examples import photograph

from proxsparse import (
    metrics,
    phantoms,
    solve,
)


def test_a_slope_is_no_noise():
    assert metrics.noise_std(np.linspace(0, 5, 101)) < 1e-12
    assert metrics.noise_std(np.add.outer(np.arange(20.0), 3 * np.arange(21.0))) < 1e-12


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("kind", ["image", "channels", "volume", "mask", "signal"])
def test_blank_pixels_are_no_noise(kind, share, rng):
    """As around a mask, an aperture or the circle of a scanner: the noise is that of the rest."""
    shape = {"volume": (4, 128, 128), "channels": (128, 128, 3), "signal": (4096,)}.get(kind, (128, 128))
    image = 0.3 + 0.1 * rng.standard_normal(shape)
    blank = np.arange(shape[0 if kind == "signal" else -2]) < share * shape[0 if kind == "signal" else -2]
    image[blank[:, None] & np.ones(shape, bool) if kind in ("image", "mask", "volume") else blank] = 0.0
    about = {"channels": {"channel_axis": -1}, "mask": {"observed": rng.random(shape) < 0.9}}.get(kind, {})
    assert metrics.noise_std(image, **about) == pytest.approx(0.1, rel=0.12)


@pytest.mark.parametrize("wild", [1e12, 1e300, -3.4e38])
def test_one_wild_pixel_tells_nothing_of_the_noise(wild, rng):
    image = phantoms.regions((96, 96)) + 0.1 * rng.standard_normal((96, 96))
    known = metrics.noise_std(image)
    image[5, 5] = wild
    assert metrics.noise_std(image) == pytest.approx(known, rel=0.01)


@pytest.mark.parametrize("noise", [1e-2, 1e-4, 1e-6])
def test_levels_far_apart_hide_no_noise(noise, rng):
    image = np.repeat([0.0, 1000.0], 48)[:, None] + noise * rng.standard_normal((96, 96))
    assert metrics.noise_std(image) == pytest.approx(noise, rel=0.05)


def test_the_noise_of_channels_is_the_root_of_its_mean_square(rng):
    image = np.array([1.0, 1.0, 0.02]) * rng.standard_normal((96, 96, 3))
    assert metrics.noise_std(image, channel_axis=-1) == pytest.approx(np.sqrt(2 / 3), rel=0.05)


@pytest.mark.parametrize("name", ["astronaut", "camera", "coins", "grass", "gravel"])
def test_texture_is_no_noise(name):
    """Of grass the finest details make 0.071, of gravel and coins 0.058."""
    truth = photograph(name)[128:384, 128:384]
    y = phantoms.add_noise(truth, 0.05)
    assert metrics.noise_std(y) == pytest.approx(0.05, rel=0.12 if name == "grass" else 0.07)
    assert metrics.noise_std(255 * y.T) == pytest.approx(255 * metrics.noise_std(y), rel=0.01)
    # clipped as a camera does, and of whole numbers
    held = np.rint(255 * np.clip(phantoms.add_noise(truth, 0.1), 0, 1))
    assert metrics.noise_std(held) == pytest.approx(25.5, rel=0.05)


def test_where_noise_and_texture_look_alike_it_is_said():
    y = phantoms.add_noise(photograph("grass")[128:384, 128:384], 0.02)
    with pytest.warns(UserWarning, match=r"noise and texture can hardly be told apart in the image, of shape \(256, 256\)"):
        result = solve(y, "tv")
    assert 0.02 < result.noise_std < 0.03
    # with the noise, or the weight, all is said
    solve(y, "tv", noise_std=0.02)
    solve(y, "tv", 0.01)


def test_noise_is_estimated_as_scikit_image_does():
    pytest.importorskip("pywt")
    from skimage import data
    from skimage.restoration import estimate_sigma

    for name in ("camera", "coins", "moon"):
        y = phantoms.add_noise(getattr(data, name)() / 255.0, 0.1)
        # another wavelet: a few hundredths
        assert metrics.noise_std(y) == pytest.approx(estimate_sigma(y), rel=0.05)
    rng = np.random.default_rng(0)
    assert metrics.noise_std(rng.standard_normal((200, 201))) == pytest.approx(1, rel=0.05)
    assert metrics.noise_std(rng.standard_normal(40001)) == pytest.approx(1, rel=0.05)
    assert metrics.noise_std(rng.standard_normal((3, 100, 100)), channel_axis=0) == pytest.approx(1, rel=0.05)
    assert np.isnan(metrics.noise_std(np.ones((1, 1))))


@pytest.mark.parametrize("kind", ["blobs", "regions", "rectangles"])
@pytest.mark.parametrize("noise_std", [0.05, 0.1])
def test_noise_clipped_by_a_black_ground_is_that_of_what_is_not_clipped(kind, noise_std):
    """Half of it is gone from three quarters of the image, as in a file of 8 bits."""
    for seed in range(3):
        y = phantoms.add_noise(np.abs(getattr(phantoms, kind)((96, 96))), noise_std, seed=seed)
        held = np.rint(255 * np.clip(y, 0, 1)) / 255
        assert metrics.noise_std(held) == pytest.approx(noise_std, rel=0.1)
