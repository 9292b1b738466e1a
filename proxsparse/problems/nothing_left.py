"""Answers that cost nothing under their penalty: of weights that are too large for the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays.layout import canonical_shape, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array
from ..dual.null_space import beyond
from ..penalties.base import Penalty
from ..penalties.reweighted import Reweighted
from ..result import SolveResult, warn
from .spec import ProblemSpec

#: an answer that pays a larger share of the objective to the penalty is none that costs nothing
_PAID = 1e-3
#: how many pixels of an answer are looked at first
_SOME = 64
#: what rounding leaves of a constant, relative to the image
_ROUNDING = {"float32": 1e-5, "float64": 1e-10}


def costs_nothing(spec: ProblemSpec, penalty: Any, answers: Array) -> Array:
    """For each answer (the first axis) whether it costs nothing under the penalty, as far as rounding can tell."""
    rounding, axis = _ROUNDING[answers.dtype.name], normalise_channel_axis(spec.channel_axis, answers.ndim - 1)
    bases = _bases(penalty, canonical_shape(answers.shape[1:], axis))
    if not bases:
        return np.zeros(len(answers), bool)
    found = np.ones(len(answers), bool)
    if spec.background is None:
        # some pixels tell of most answers that they cost something
        pixels = to_canonical(answers, axis, 1).reshape(len(answers), -1)
        step = -(-pixels.shape[1] // _SOME)
        some = pixels[:, ::step].astype(np.float64)
        some /= _largest(some)
        for basis in bases:
            columns = np.array([b.reshape(-1)[::step] for b in basis]).reshape(len(basis), some.shape[1]).T
            left = some - (columns @ (np.linalg.pinv(columns) @ some.T)).T
            found &= np.linalg.norm(left, axis=1) <= 10 * rounding * np.linalg.norm(some, axis=1)
        if not found.any():
            return found
    x, _ = _canonical(spec, answers[found])
    x = x / _largest(x)
    length = beyond(x, [])
    found[found] = np.all([beyond(x, basis) <= rounding * length for basis in bases], axis=0)
    return found


def nothing_left(spec: ProblemSpec, penalty: Any, images: Any, answers: Array) -> Array:
    """For each of the images whether its answer costs nothing under the penalty, though the image within its bounds would."""
    found = costs_nothing(spec, penalty, answers)
    if not found.any():
        return found
    if spec.names_given() & {"operator", "observed", "pixel_weight"}:
        # pixels that say nothing of their own, or of another place: it is enough that they differ
        return np.asarray(found & np.array([bool(np.nanmax(image) > np.nanmin(image)) for image in images]))
    held = np.asarray(images, np.float64)
    if spec.bounds is not None:
        low, high = spec.bounds
        held = np.clip(held, -np.inf if low is None else low, np.inf if high is None else high)
    y, level = _canonical(spec, np.where(np.isnan(held), answers, held))
    # squares of large numbers are infinite, of small ones 0
    scale = _largest(y + level)
    rounding, length = _ROUNDING[answers.dtype.name], beyond((y + level) / scale, [])
    costs = [beyond(y / scale, basis) > rounding * length for basis in _bases(penalty, y.shape[1:])]
    return np.asarray(found & np.any(costs, axis=0))


def _canonical(spec: ProblemSpec, images: Array) -> tuple[Array, Any]:
    """The images in canonical form less the background, and the background."""
    axis = normalise_channel_axis(spec.channel_axis, images.ndim - 1)
    level = 0.0 if spec.background is None else np.asarray(spec.background, np.float64)
    x = to_canonical(images - level, axis, 1)
    return x, to_canonical(np.broadcast_to(level, images.shape), axis, 1) if np.ndim(level) else level


def _largest(images: Array) -> Array:
    """The largest of each image's numbers, 1 where all are 0."""
    largest = np.abs(images).max(axis=tuple(range(1, images.ndim)), keepdims=True)
    return np.where(largest == 0, 1.0, largest)


def _bases(penalty: Any, shape: tuple[int, ...]) -> list[list[Array]]:
    """A basis of the null space of each part that has a weight; an empty one, of 0 alone, where it is not known."""
    convex = penalty.penalty if isinstance(penalty, Reweighted) else penalty
    if not isinstance(convex, Penalty):
        return [[]]
    return [q.bind(shape).null_basis or [] for q in convex.parts if q.weight != 0]


def warn_of_nothing_left(spec: ProblemSpec, penalty: Any, result: SolveResult) -> None:
    """Warn of a weight that was given and leaves nothing of the image."""
    paid = sum(value for name, value in result.terms.items() if name != "data")
    # what has not converged may cost nothing by chance
    if result.weight_rule != "given" or result.status not in (0, 6) or not paid <= _PAID * result.fun:
        return
    if nothing_left(spec, penalty, [spec.image], np.asarray(result.x)[None])[0]:
        warn(f"nothing is left of the image: {too_large(result.weight)}", UserWarning)


def too_large(weight: Any) -> str:
    """The words for a weight at or beyond the largest that matters."""
    shown = " ".join(f"{w:g}" for w in np.atleast_1d(weight))
    return (
        f"with weight {shown} the answer costs nothing under the penalty, as with any larger one; path(image, penalty, 10) "
        "shows smaller ones, and without a weight one is chosen"
    )
