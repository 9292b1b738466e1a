"""Measures of an image against the truth, and of its zeros."""

from __future__ import annotations

from typing import Any

import numpy as np


def mse(truth: Any, image: Any) -> float:
    """Return the mean of ``(truth - image)^2``.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    """
    truth, image = _pair(truth, image)
    return float(np.mean(np.square(truth - image)))


def mae(truth: Any, image: Any) -> float:
    """Return the mean of ``|truth - image|``.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    """
    truth, image = _pair(truth, image)
    return float(np.mean(np.abs(truth - image)))


def psnr(truth: Any, image: Any, data_range: float) -> float:
    """Return the peak signal-to-noise ratio, ``10 log10(data_range^2 / mean (truth - image)^2)`` in dB.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    data_range : float
        The range the images could take, such as 1.0 or 255.
    """
    from skimage.metrics import peak_signal_noise_ratio

    truth, image = _pair(truth, image)
    return float(peak_signal_noise_ratio(truth, image, data_range=data_range))


def ssim(truth: Any, image: Any, data_range: float, channel_axis: int | None = None) -> float:
    """Return the mean structural similarity of Wang et al., IEEE TIP 2004, with their Gaussian window.

    The window has a standard deviation of 1.5 pixels and population covariances, K1 = 0.01, K2 = 0.03.

    Parameters
    ----------
    truth, image : array_like
        Of one shape, at least 11 pixels along each axis.
    data_range : float
        The range the images could take.
    channel_axis : int, optional
        The axis of the channels, over which the result is averaged.
    """
    from skimage.metrics import structural_similarity

    truth, image = _pair(truth, image)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(truth, image, data_range=data_range, channel_axis=channel_axis, **options))


def zero_share(image: Any) -> float:
    """Return the share of pixels that are exactly zero, between 0 and 1."""
    image = np.asarray(image)
    return float(1.0 - np.count_nonzero(image) / image.size)


def noise_std(image: Any, *, channel_axis: int | None = None, observed: Any = None) -> float:
    """Return the standard deviation of white noise: the median of the absolute diagonal Haar details, over 0.6745.

    Details of all channels together, over blocks of two pixels along each axis; constants and slopes along an axis leave
    no trace, fine texture counts as noise (Donoho & Johnstone, Biometrika 1994, section 4).

    Parameters
    ----------
    image : array_like
        A signal, image or volume, with noise.
    channel_axis : int, optional
        The axis of the channels.
    observed : array_like of bool, optional
        True where a pixel was measured; blocks with a pixel that was not are left out.

    Returns
    -------
    float
        0 where there is no block to look at.
    """
    details = np.asarray(image, dtype=np.float64)
    whole = np.ones(details.shape, bool) if observed is None else np.broadcast_to(observed, details.shape)
    channels = None if channel_axis is None else channel_axis % details.ndim
    for axis in range(details.ndim):
        pairs = details.shape[axis] // 2
        if axis == channels or pairs == 0:
            continue
        even, odd = np.arange(0, 2 * pairs, 2), np.arange(1, 2 * pairs, 2)
        details = (details.take(even, axis) - details.take(odd, axis)) / np.sqrt(2.0)
        whole = whole.take(even, axis) & whole.take(odd, axis)
    if not whole.any() or details.size == np.asarray(image).size:
        return 0.0
    # the median of |z| for a standard normal z
    return float(np.median(np.abs(details[whole])) / 0.6744897501960817)


def _pair(truth: Any, image: Any) -> tuple[Any, Any]:
    truth, image = np.asarray(truth, dtype=np.float64), np.asarray(image, dtype=np.float64)
    if truth.shape != image.shape:
        raise ValueError(f"truth has shape {truth.shape}, the image {image.shape}")
    return truth, image
