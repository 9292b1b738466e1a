"""Measures of an image against the truth, of its zeros, and of how contiguous what is not zero is.

The support of an image is where it is further than `support_tol` from zero: in any channel, where there are channels. A
`region` is a boolean image, without a channel axis, outside which nothing counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..arrays.numbers import as_double
from .noise import estimate, neighbours

Mask = npt.NDArray[np.bool_]

# -- quality ---------------------------------------------------------------------------------------------------------


def mse(truth: Any, image: Any, *, region: Any = None, channel_axis: int | None = None) -> float:
    """Return the mean of ``(truth - image)^2``.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    region : array_like of bool, optional
        Outside of it nothing counts.
    channel_axis : int, optional
        The axis of the channels, which a region lacks.
    """
    truth, image = _pair(truth, image)
    return float(np.mean(np.square(truth - image)[_whole(region, truth.shape, channel_axis)]))


def mae(truth: Any, image: Any, *, region: Any = None, channel_axis: int | None = None) -> float:
    """Return the mean of ``|truth - image|``.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    region : array_like of bool, optional
        Outside of it nothing counts.
    channel_axis : int, optional
        The axis of the channels, which a region lacks.
    """
    truth, image = _pair(truth, image)
    return float(np.mean(np.abs(truth - image)[_whole(region, truth.shape, channel_axis)]))


def psnr(truth: Any, image: Any, data_range: float, *, region: Any = None, channel_axis: int | None = None) -> float:
    """Return the peak signal-to-noise ratio, ``10 log10(data_range^2 / mean (truth - image)^2)`` in dB.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    data_range : float
        The range the images could take, such as 1.0 or 255.
    region : array_like of bool, optional
        Outside of it nothing counts.
    channel_axis : int, optional
        The axis of the channels, which a region lacks.

    Returns
    -------
    float
        Infinite where the images are equal.
    """
    from skimage.metrics import peak_signal_noise_ratio

    truth, image = _pair(truth, image)
    inside = _whole(region, truth.shape, channel_axis)
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth[inside], image[inside], data_range=data_range))


def ssim(truth: Any, image: Any, data_range: float, *, region: Any = None, channel_axis: int | None = None) -> float:
    """Return the mean structural similarity of Wang et al., IEEE TIP 2004, with their Gaussian window.

    The window has a standard deviation of 1.5 pixels and population covariances, K1 = 0.01, K2 = 0.03. The mean leaves out
    five pixels at the edge, or with a region is taken over it.

    Parameters
    ----------
    truth, image : array_like
        Of one shape, at least 11 pixels along each axis.
    data_range : float
        The range the images could take.
    region : array_like of bool, optional
        Outside of it nothing counts, though windows reach out of it.
    channel_axis : int, optional
        The axis of the channels, over which the result is averaged.
    """
    from skimage.metrics import structural_similarity

    truth, image = _pair(truth, image)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": data_range}
    if region is None:
        return float(structural_similarity(truth, image, channel_axis=channel_axis, **options))
    _, everywhere = structural_similarity(truth, image, channel_axis=channel_axis, full=True, **options)
    return float(np.mean(everywhere[_whole(region, truth.shape, channel_axis)]))


def zero_share(image: Any, *, region: Any = None, channel_axis: int | None = None) -> float:
    """Return the share of numbers that are exactly zero, between 0 and 1.

    Parameters
    ----------
    image : array_like
        The image.
    region : array_like of bool, optional
        Outside of it nothing counts.
    channel_axis : int, optional
        The axis of the channels, which a region lacks.
    """
    image = as_double(image)
    return float(np.mean(image[_whole(region, image.shape, channel_axis)] == 0))


# -- support against the truth's ---------------------------------------------------------------------------------------


def support(image: Any, support_tol: float = 0.0, *, region: Any = None, channel_axis: int | None = None) -> Mask:
    """Return where ``|image| > support_tol``, in any channel, within the region: a boolean image without channels.

    Parameters
    ----------
    image : array_like
        The image.
    support_tol : float
        In units of the image, >= 0.
    region : array_like of bool, optional
        Outside of it nothing counts.
    channel_axis : int, optional
        The axis of the channels.
    """
    found: Mask = np.asarray(np.abs(as_double(image)) > support_tol)
    if channel_axis is not None:
        found = np.asarray(found.any(axis=channel_axis))
    return found if region is None else found & _region(region, found.shape)


def precision(truth: Any, image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return the share of the image's support that is in the truth's; 1 where both are empty, 0 where only the image's is.

    Parameters
    ----------
    truth, image : array_like
        Of one shape.
    support_tol : float
        As in `support`, the same for both.
    **where
        `region` and `channel_axis`, as in `support`.
    """
    both, of_truth, of_image = _overlap(truth, image, support_tol, where)
    return both / of_image if of_image else float(of_truth == 0)


def recall(truth: Any, image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return the share of the truth's support that is in the image's; 1 where both are empty, 0 where only the truth's is.

    Parameters
    ----------
    truth, image, support_tol, **where
        As in `precision`.
    """
    both, of_truth, of_image = _overlap(truth, image, support_tol, where)
    return both / of_truth if of_truth else float(of_image == 0)


def f1(truth: Any, image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return ``2 |S and T| / (|S| + |T|)`` of the supports, the harmonic mean of precision and recall; 1 where both are empty.

    Parameters
    ----------
    truth, image, support_tol, **where
        As in `precision`.
    """
    both, of_truth, of_image = _overlap(truth, image, support_tol, where)
    return 2 * both / (of_truth + of_image) if of_truth + of_image else 1.0


def iou(truth: Any, image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return ``|S and T| / |S or T|`` of the supports; 1 where both are empty.

    Parameters
    ----------
    truth, image, support_tol, **where
        As in `precision`.
    """
    both, of_truth, of_image = _overlap(truth, image, support_tol, where)
    either = of_truth + of_image - both
    return both / either if either else 1.0


# -- contiguity of the support -----------------------------------------------------------------------------------------


def components(image: Any, support_tol: float = 0.0, **where: Any) -> int:
    """Return the number of connected components of the support; diagonal neighbours touch.

    Parameters
    ----------
    image : array_like
        The image.
    support_tol : float
        As in `support`.
    **where
        `region` and `channel_axis`, as in `support`.
    """
    return len(_sizes(support(image, support_tol, **where)))


def isolated_share(image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return the share of the support's pixels that touch no other, not even at a corner; 0 where it is empty.

    Parameters
    ----------
    image, support_tol, **where
        As in `components`.
    """
    sizes = _sizes(support(image, support_tol, **where))
    return float(np.count_nonzero(sizes == 1) / sizes.sum()) if sizes.size else 0.0


def largest_share(image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return the share of the support's pixels in its largest component; 0 where it is empty.

    Parameters
    ----------
    image, support_tol, **where
        As in `components`.
    """
    sizes = _sizes(support(image, support_tol, **where))
    return float(sizes.max() / sizes.sum()) if sizes.size else 0.0


def boundary_per_area(image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return the number of pixel sides between the support and the rest, over the support's pixels; 0 where it is empty.

    The image's own edge, and a region's, is no boundary. A square of n x n pixels has 4 / n, single pixels have 4.

    Parameters
    ----------
    image, support_tol, **where
        As in `components`.
    """
    found, inside = _support_and_region(image, support_tol, **where)
    area = np.count_nonzero(found & inside)
    sides = sum(np.count_nonzero((a != b) & inside_a & inside_b) for (a, b), (inside_a, inside_b) in neighbours(found, inside))
    return float(sides / area) if area else 0.0


def morans_i(image: Any, support_tol: float = 0.0, **where: Any) -> float:
    """Return Moran's I of the support's indicator over pixels that share a side: 1 for two halves, 0 for scattered pixels.

    ``(n / W) sum_ij w_ij (s_i - m)(s_j - m) / sum_i (s_i - m)^2`` with w_ij = 1 for neighbours (Moran, Biometrika 1950);
    negative for a chequerboard, NaN where the support is empty or everything.

    Parameters
    ----------
    image, support_tol, **where
        As in `components`; with a region only its pixels and the sides within it count.
    """
    found, inside = _support_and_region(image, support_tol, **where)
    n = np.count_nonzero(inside)
    deviation = np.where(inside, found - np.mean(found[inside]), 0.0)
    spread, products, pairs = float(np.sum(deviation**2)), 0.0, 0
    for (a, b), (inside_a, inside_b) in neighbours(deviation, inside):
        products += float(np.sum(a * b))
        pairs += int(np.count_nonzero(inside_a & inside_b))
    return n / pairs * products / spread if spread > 0 and pairs else float("nan")


# -- noise -----------------------------------------------------------------------------------------------------------


def noise_std(image: Any, *, channel_axis: int | None = None, observed: Any = None) -> float:
    """Return the standard deviation of white noise, as the weakly textured part of the image tells it.

    The least eigenvalue of the covariance of patches, up to 7 x 7, whose gradients are no stronger than noise makes them
    (Liu, Tanaka & Okutomi, IEEE TIP 2013). Where fewer than 50 patches a pixel of theirs are left, as in images below some
    24 x 24 pixels and under masks that leave no patch whole, it is the median of the absolute diagonal Haar details over
    0.6745 (Donoho & Johnstone, Biometrika 1994, section 4), where the search begins too; there fine texture counts as noise.

    What is blank, as around a mask or the circle of a scanner, and what was clipped is left out. Of an image without noise
    only edges are left beside what is flat, and the result is 0.

    Parameters
    ----------
    image : array_like
        A signal, image or volume, with noise.
    channel_axis : int, optional
        The axis of the channels, whose patches count alike.
    observed : array_like of bool, optional
        True where a pixel was measured, with or without a channel axis; patches and blocks with a pixel that was not are left
        out, and where none is whole, pairs of neighbours take their place.

    Returns
    -------
    float
        In units of the image; NaN where no two neighbours were measured.
    """
    image = as_double(image)
    seen = None if observed is None else np.asarray(observed)
    if seen is not None and not (seen.shape == image.shape and seen.dtype == bool):
        outside = np.zeros(image.shape, bool)
        outside[_whole(seen, image.shape, channel_axis)] = True
        seen = outside
    return estimate(image, channel_axis=channel_axis, seen=seen).std


def _pair(truth: Any, image: Any) -> tuple[Any, Any]:
    truth, image = as_double(truth, "truth"), as_double(image)
    if truth.shape != image.shape:
        raise ValueError(f"truth has shape {truth.shape}, the image {image.shape}")
    return truth, image


def _region(region: Any, shape: tuple[int, ...]) -> Mask:
    inside: Mask = np.asarray(region)
    if inside.dtype != np.bool_ or inside.shape != shape:
        raise ValueError(f"region must be boolean and of shape {shape}, got {inside.dtype} of {inside.shape}")
    if not inside.any():
        raise ValueError("the region holds no pixel")
    return inside


def _whole(region: Any, shape: tuple[int, ...], channel_axis: int | None) -> Any:
    """An index of the pixels that count, in all channels."""
    if region is None:
        return ...
    if channel_axis is None:
        return _region(region, shape)
    axis = channel_axis % len(shape)
    inside = np.expand_dims(_region(region, shape[:axis] + shape[axis + 1 :]), axis)
    return np.broadcast_to(inside, shape)


def _support_and_region(image: Any, support_tol: float, region: Any = None, **where: Any) -> tuple[Mask, Mask]:
    """The support, whatever the region, and the region."""
    found = support(image, support_tol, **where)
    return found, np.ones(found.shape, bool) if region is None else _region(region, found.shape)


def _overlap(truth: Any, image: Any, support_tol: float, where: dict[str, Any]) -> tuple[int, int, int]:
    """Pixels in both supports, in the truth's, in the image's."""
    truth, image = _pair(truth, image)
    a, b = support(truth, support_tol, **where), support(image, support_tol, **where)
    return int(np.count_nonzero(a & b)), int(np.count_nonzero(a)), int(np.count_nonzero(b))


def _sizes(found: Mask) -> npt.NDArray[np.int64]:
    """The pixels of each connected component."""
    from scipy import ndimage

    labels, _ = ndimage.label(found, ndimage.generate_binary_structure(found.ndim, found.ndim))
    return np.bincount(labels.ravel())[1:]
