"""Denoisers of other packages that people expect beside ours, called as they are meant to be; theirs, and said so."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays.numbers import Array


class Baseline(NamedTuple):
    """Who it is from, what it is called with, the module it needs, how many axes, and the call: image, noise, channel axis."""

    source: str
    settings: str
    needs: str
    axes: tuple[int, ...]
    call: Callable[[Array, float, int | None], Any]


def _nlm(image: Array, noise_std: float, channel_axis: int | None) -> Any:
    from skimage.restoration import denoise_nl_means

    options = {"patch_size": 5, "patch_distance": 6, "fast_mode": True}
    return denoise_nl_means(image, h=0.8 * noise_std, sigma=noise_std, channel_axis=channel_axis, **options)


def _wavelet_bayes(image: Array, noise_std: float, channel_axis: int | None) -> Any:
    from skimage.restoration import denoise_wavelet

    options = {"method": "BayesShrink", "mode": "soft", "rescale_sigma": True}
    return denoise_wavelet(image, sigma=noise_std, channel_axis=channel_axis, **options)


def _bilateral(image: Array, noise_std: float, channel_axis: int | None) -> Any:
    from skimage.restoration import denoise_bilateral

    # it takes images >= 0 only
    low = min(float(image.min()), 0.0)
    return denoise_bilateral(image - low, sigma_color=2 * noise_std, sigma_spatial=1.5, channel_axis=channel_axis) + low


def _gaussian(image: Array, noise_std: float, channel_axis: int | None) -> Any:
    from skimage.filters import gaussian

    return gaussian(image, sigma=1.0, channel_axis=channel_axis, preserve_range=True)


def _bm3d(image: Array, noise_std: float, channel_axis: int | None) -> Any:
    from bm3d import bm3d, bm3d_rgb

    if channel_axis is None:
        return bm3d(image, noise_std)
    return np.moveaxis(bm3d_rgb(np.moveaxis(image, channel_axis, -1), noise_std), -1, channel_axis)


BASELINES = {
    "nlm": Baseline("scikit-image", "h = 0.8 s, sigma = s, patches of 5, distance 6, fast mode", "skimage", (2, 3), _nlm),
    "wavelet-bayes": Baseline("scikit-image", "BayesShrink, soft, sigma = s, rescaled", "pywt", (1, 2, 3), _wavelet_bayes),
    "bilateral": Baseline("scikit-image", "sigma_color = 2 s, sigma_spatial = 1.5", "skimage", (2,), _bilateral),
    "gaussian": Baseline("scikit-image", "sigma = 1", "skimage", (1, 2, 3), _gaussian),
    "bm3d": Baseline("bm3d", "sigma_psd = s, default profile", "bm3d", (2,), _bm3d),
}


def require(name: str) -> Baseline:
    """The baseline of that name; raises ImportError naming what to install."""
    baseline = BASELINES[name]
    if importlib.util.find_spec(baseline.needs) is None:
        package = {"pywt": "PyWavelets", "skimage": "scikit-image"}.get(baseline.needs, baseline.needs)
        raise ImportError(f"the baseline {name!r} of {baseline.source} needs {package}: pip install {package}")
    return baseline


def denoised(name: str, image: Array, noise_std: float, channel_axis: int | None) -> Array:
    """The baseline's image, of the image's dtype; raises ValueError naming the baseline where it fails."""
    if not noise_std > 0:
        return image.copy()
    try:
        return np.asarray(BASELINES[name].call(image.copy(), noise_std, channel_axis), image.dtype)
    except Exception as error:  # theirs raise all kinds
        raise ValueError(f"the baseline {name!r} failed: {error}") from error
