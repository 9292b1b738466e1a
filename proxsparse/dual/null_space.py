"""Bases of the images that cost nothing under a penalty."""

from __future__ import annotations

import numpy as np

from ..arrays.numbers import Array


def constant_images(shape: tuple[int, ...]) -> list[Array]:
    """An orthogonal basis of the images (channels, *spatial) that are constant in each channel."""
    return [np.multiply.outer(channel, np.ones(shape[1:])) for channel in np.eye(shape[0])]


def affine_images(shape: tuple[int, ...]) -> list[Array]:
    """An orthogonal basis of the images (channels, *spatial) that are affine in each channel."""
    functions = [np.ones(shape[1:])]
    for axis, n in enumerate(shape[1:]):
        if n > 1:
            along = np.arange(n) - (n - 1) / 2
            functions.append(along.reshape([n if a == axis else 1 for a in range(len(shape) - 1)]) * functions[0])
    return [np.multiply.outer(channel, function) for function in functions for channel in np.eye(shape[0])]


#: most pixels that cost nothing and are looked at one by one: for each a product by the operator is taken
_MOST_FREE = 64


def free_pixels(weights: Array, shape: tuple[int, ...]) -> list[Array] | None:
    """An image for each pixel of weight 0; None where they are many."""
    free = np.argwhere(np.broadcast_to(weights <= 0, shape))
    if len(free) > _MOST_FREE:
        return None
    images = np.zeros((len(free), *shape))
    for image, index in zip(images, free, strict=True):
        image[tuple(index)] = 1
    return list(images)


def beyond(images: Array, basis: list[Array]) -> Array:
    """The length of each of the images (n, channels, *spatial) without its part in the span of an orthogonal basis."""
    left = images.astype(np.float64)
    for b in basis:
        left -= np.multiply.outer(np.tensordot(left, b, axes=b.ndim) / np.vdot(b, b), b)
    return np.asarray(np.sqrt(np.sum(left**2, axis=tuple(range(1, left.ndim)))))
