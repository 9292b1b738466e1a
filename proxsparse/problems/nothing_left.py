"""Answers that cost nothing under their penalty: of weights that are too large for the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.layout import normalise_channel_axis, to_canonical
from ..arrays.numbers import Array
from ..dual.null_space import beyond
from ..penalties.base import Penalty
from ..penalties.reweighted import Reweighted
from .spec import ProblemSpec

#: what rounding leaves of a constant in float32, relative to the image
_ROUNDING = 1e-5


def nothing_left(spec: ProblemSpec, penalty: Any, images: Any, answers: Array) -> Array:
    """For each of the images (the first axis) whether its answer costs nothing under the penalty, though it would itself."""
    axis = normalise_channel_axis(spec.channel_axis, answers.ndim - 1)
    level = np.float64(0) if spec.background is None else np.asarray(spec.background, np.float64)
    x = to_canonical(answers - level, axis, 1)
    bases = _bases(penalty, x.shape[1:])
    if not bases:
        return np.zeros(len(x), bool)
    if spec.names_given() & {"operator", "observed", "pixel_weight"}:
        # pixels that say nothing of their own, or of another place: it is enough that they differ
        costs = np.array([bool(np.nanmax(image) > np.nanmin(image)) for image in images])
        x = x / _largest(x)
        within = [beyond(x, [])] * len(bases)
    else:
        y = to_canonical(np.asarray(images, np.float64) - level, axis, 1)
        y = np.where(np.isnan(y), x, y)
        # squares of large numbers are infinite, of small ones 0
        x, y = x / _largest(y), y / _largest(y)
        within = [beyond(y, basis) for basis in bases]
        costs = np.any([whole > _ROUNDING * beyond(y, []) for whole in within], axis=0)
    flat = np.all([beyond(x, basis) <= _ROUNDING * own for basis, own in zip(bases, within, strict=True)], axis=0)
    return np.asarray(costs & flat)


def _largest(images: Array) -> Array:
    """The largest of each image's numbers, 1 where all are 0."""
    largest = np.abs(images).max(axis=tuple(range(1, images.ndim)), keepdims=True)
    return np.where(largest == 0, 1.0, largest)


def _bases(penalty: Any, shape: tuple[int, ...]) -> list[list[Array]]:
    """Of every part that has a weight a basis of the images that cost nothing; none but 0 where that is not known."""
    convex = penalty.penalty if isinstance(penalty, Reweighted) else penalty
    if not isinstance(convex, Penalty):
        return [[]]
    return [q._null_space_basis(shape) or [] for q in convex.parts if q.weight != 0]
