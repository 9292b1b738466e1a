"""Images whose truth is known: contiguous regions on a background that is exactly zero, and seeded noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def regions(shape: tuple[int, int] = (128, 128)) -> npt.NDArray[np.float64]:
    """Return a bar, a square, a disc, a ring and a negative ellipse on zero; values within [-0.6, 1].

    Parameters
    ----------
    shape : tuple of int
        Rows and columns, at least 16 each; the figures scale with them.

    Returns
    -------
    ndarray of float64
        About two thirds of the pixels are exactly zero.
    """
    rows, columns = shape
    if min(rows, columns) < 16:
        raise ValueError(f"shape must be at least 16 x 16, got {shape}")
    v, u = np.mgrid[0:rows, 0:columns]
    v, u = (v + 0.5) / rows, (u + 0.5) / columns
    image = np.zeros(shape)
    image[(abs(v - 0.12) < 0.04) & (abs(u - 0.5) < 0.42)] = 0.5
    image[(abs(v - 0.4) < 0.13) & (abs(u - 0.22) < 0.13)] = 1.0
    image[(v - 0.4) ** 2 + (u - 0.7) ** 2 < 0.16**2] = 0.7
    radius = np.hypot(v - 0.76, u - 0.25)
    image[(radius < 0.16) & (radius > 0.09)] = 0.8
    image[((v - 0.76) / 0.1) ** 2 + ((u - 0.7) / 0.2) ** 2 < 1] = -0.6
    return image


def add_noise(image: Any, noise_std: float, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return the image plus white Gaussian noise, unclipped, the same for the same seed.

    Parameters
    ----------
    image : array_like
        The truth.
    noise_std : float
        Standard deviation, >= 0, in the image's units.
    seed : int
        Seed of `numpy.random.default_rng`.
    """
    if not noise_std >= 0:
        raise ValueError(f"noise_std must be >= 0, got {noise_std!r}")
    clean: npt.NDArray[np.float64] = np.asarray(image, dtype=np.float64)
    return clean + noise_std * np.random.default_rng(seed).standard_normal(clean.shape)
