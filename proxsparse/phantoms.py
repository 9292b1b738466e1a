"""Images whose truth is known: contiguous regions on a background that is exactly zero, and seeded noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays.numbers import as_double

Image = npt.NDArray[np.float64]


def regions(shape: tuple[int, int] = (128, 128)) -> Image:
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


def blobs(shape: tuple[int, int] = (128, 128), *, share: float = 0.25, size: float = 6.0, seed: int = 0) -> Image:
    """Return smooth-edged random patches, each flat at a value of its own within [0.3, 1], on zero.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    share : float
        The share of pixels that are not zero, between 0 and 1.
    size : float
        Standard deviation, in pixels, of the Gaussian that shapes the patches.
    seed : int
        Seed of `numpy.random.default_rng`.

    Returns
    -------
    ndarray of float64
    """
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    _check(shape, share)
    field = ndimage.gaussian_filter(rng.standard_normal(shape), size, mode="wrap")
    labels, n = ndimage.label(field > np.quantile(field, 1 - share))
    values = np.concatenate([[0.0], rng.uniform(0.3, 1.0, n)])
    return np.asarray(values[labels])


def rectangles(shape: tuple[int, int] = (128, 128), *, n: int = 8, seed: int = 0) -> Image:
    """Return n random rectangles, each flat at a value of its own within [0.3, 1], the later over the earlier, on zero.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    n : int
        How many.
    seed : int
        Seed of `numpy.random.default_rng`.

    Returns
    -------
    ndarray of float64
    """
    rng = np.random.default_rng(seed)
    _check(shape)
    image = np.zeros(shape)
    for _ in range(n):
        sides = [max(1, int(side * rng.uniform(0.06, 0.3))) for side in shape]
        row, column = (int(rng.integers(0, side - length + 1)) for side, length in zip(shape, sides, strict=True))
        image[row : row + sides[0], column : column + sides[1]] = rng.uniform(0.3, 1.0)
    return image


def curves(shape: tuple[int, int] = (128, 128), *, n: int = 5, width: float = 2.5, seed: int = 0) -> Image:
    """Return n random smooth curves of that width, each flat at a value of its own within [0.3, 1], on zero.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    n : int
        How many.
    width : float
        In pixels.
    seed : int
        Seed of `numpy.random.default_rng`.

    Returns
    -------
    ndarray of float64
    """
    rng = np.random.default_rng(seed)
    _check(shape)
    image = np.zeros(shape)
    t = np.linspace(0.0, 1.0, 4 * max(shape))
    for _ in range(n):
        # a cubic Bezier curve
        p = rng.uniform(0.05, 0.95, (4, 2)) * shape
        weights = np.stack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
        _stroke(image, weights @ p, width, rng.uniform(0.3, 1.0))
    return image


def strokes(shape: tuple[int, int] = (128, 128), *, width: float = 2.5, seed: int = 0) -> Image:
    """Return text-like strokes: letters of two to four straight lines between the points of a small grid, in rows, on zero.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns, at least 24 each.
    width : float
        In pixels.
    seed : int
        Seed of `numpy.random.default_rng`.

    Returns
    -------
    ndarray of float64
        1 on the strokes, 0 elsewhere.
    """
    rng = np.random.default_rng(seed)
    _check(shape, least=24)
    image = np.zeros(shape)
    height, wide, gap = 14, 9, 6
    t = np.linspace(0.0, 1.0, 4 * height)[:, None]
    for top in range(gap, shape[0] - height - gap // 2, height + gap):
        for left in range(gap, shape[1] - wide - gap // 2, wide + gap):
            point = rng.integers(0, 3, 2)
            for _ in range(rng.integers(2, 5)):
                other = (point + rng.integers(1, 3, 2)) % 3
                ends = np.array([top, left]) + np.stack([point, other]) * [height / 2, wide / 2]
                _stroke(image, (1 - t) * ends[0] + t * ends[1], width, 1.0)
                point = other
    return image


def shepp_logan(shape: tuple[int, int] = (128, 128)) -> Image:
    """Return the modified Shepp-Logan phantom, within [0, 1], as scikit-image has it, sampled at that size.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    ndarray of float64
    """
    from skimage.data import shepp_logan_phantom

    _check(shape)
    image = np.asarray(shepp_logan_phantom(), dtype=np.float64)
    rows, columns = (((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(shape, image.shape, strict=True))
    return image[np.ix_(rows, columns)]


def _check(shape: tuple[int, int], share: float = 0.5, least: int = 1) -> None:
    if len(shape) != 2 or min(shape) < least:
        raise ValueError(f"shape must be two numbers >= {least}, got {shape}")
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share!r}")


def _stroke(image: Image, points: Image, width: float, value: float) -> None:
    """Set the pixels within half the width of the points, in place."""
    reach = int(np.ceil(width / 2))
    offsets = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    near = np.rint(points).astype(int)[:, None] + offsets
    close = np.sum((near - points[:, None]) ** 2, axis=-1) <= (width / 2) ** 2
    rows, columns = near[close].T
    inside = (rows >= 0) & (rows < image.shape[0]) & (columns >= 0) & (columns < image.shape[1])
    image[rows[inside], columns[inside]] = value


def add_noise(image: Any, noise_std: float, seed: int = 0) -> Image:
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
    clean: Image = as_double(image)
    return clean + noise_std * np.random.default_rng(seed).standard_normal(clean.shape)


def add_poisson(image: Any, peak: float, seed: int = 0) -> Image:
    """Return photon counts, scaled back: ``Poisson(peak image) / peak``, the same for the same seed.

    Parameters
    ----------
    image : array_like
        The truth, >= 0.
    peak : float
        Photons where the image is 1, > 0.
    seed : int
        Seed of `numpy.random.default_rng`.
    """
    clean = as_double(image)
    if not peak > 0:
        raise ValueError(f"peak must be > 0, got {peak!r}")
    if not (clean >= 0).all():
        raise ValueError(f"photons are counted from an image >= 0, got {clean.min()}")
    return np.random.default_rng(seed).poisson(peak * clean) / peak


def add_salt_and_pepper(image: Any, share: float, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Image:
    """Return the image with that share of its numbers replaced by `low` or `high`, half each, the same for the same seed.

    Parameters
    ----------
    image : array_like
        The truth.
    share : float
        Between 0 and 1.
    low, high : float
        Pepper and salt.
    seed : int
        Seed of `numpy.random.default_rng`.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1, got {share!r}")
    clean = np.array(image, dtype=np.float64)
    drawn = np.random.default_rng(seed).random(clean.shape)
    clean[drawn < share] = high
    clean[drawn < share / 2] = low
    return clean
