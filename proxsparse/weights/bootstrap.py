"""The weight by the risk of the answer that is returned, refitted or reweighted: the coupled bootstrap.

Refits jump where the support changes, so that Stein's identity does not hold for them, and risks that count the support as
degrees of freedom prefer too many pixels. Of two images with independent noise, ``y+ = y + sqrt(a) sigma z`` and
``y- = y - sigma z / sqrt(a)``, one is fitted and the other asked: ``E |f(y+) - y-|^2`` is the risk of f at noise of variance
``(1 + a) sigma^2``, and a constant, whatever f is (Oliveira, Lei & Tibshirani, arXiv 2111.09447).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays.layout import normalise_channel_axis
from ..arrays.numbers import Array, as_float
from ..metrics.noise import estimate
from ..penalties.base import Penalty
from ..problems.spec import ProblemSpec
from .rules import Weights, first_guess
from .search import least

RULE = "risk-refit"
#: the relative gap of the answers that are tried
TOL = 1e-3
#: the share of the noise's variance that is added to the image fitted; the least and the most pairs of images; pixels of all
_SHARE, _PAIRS, _PIXELS = 0.1, (4, 24), 1 << 16
#: the most evaluations for one weight and for several, and the steps of the search, in octaves
_EVALUATIONS, _STEPS = (14, 24), (1.0, 0.5, 0.25)


def choose_by_bootstrap(
    answer: Callable[[ProblemSpec, Weights], Array], spec: ProblemSpec, convex: Penalty
) -> tuple[Weights, float, dict[str, Array]]:
    """The weights of least risk of `answer`, the noise, and what was tried.

    `answer` is the image that is returned for a spec and weights; `convex` is the penalty whose parts lack them.

    Raises
    ------
    ValueError
        There is an operator, or pixels of unequal weights: of these no second image is known.
    """
    if spec.operator is not None:
        raise ValueError(f"{RULE!r} is for images without an operator: give the weight, or weight='sure'")
    y = as_float(spec.image)
    seen = np.ones(y.shape, bool) if spec.nan_policy != "omit" else ~np.isnan(y)
    for mask in (spec.observed, spec.pixel_weight):
        if mask is not None:
            given = np.asarray(mask, np.float64)
            if not np.isin(given, (0, 1)).all():
                raise ValueError(f"{RULE!r} is for pixel weights of 0 and 1: give the weight, or weight='discrepancy'")
            axis = spec.channel_axis
            given = given if given.shape == y.shape or axis is None else np.expand_dims(given, axis)
            seen &= np.broadcast_to(given > 0, y.shape)
    channel_axis = normalise_channel_axis(spec.channel_axis, y.ndim)
    known = np.where(seen, y, 0) if spec.nan_policy == "omit" else y
    noise = spec.noise_std if spec.noise_std is not None else float(estimate(known, channel_axis=channel_axis, seen=seen).std)
    guess = first_guess(spec, convex)
    if not noise > 0:
        return (0.0,) * len(guess), 0.0, {}
    generator, root = np.random.default_rng(0), np.sqrt(_SHARE)
    # the fewer pixels, the more pairs
    pairs = min(max(_PIXELS // y.size, _PAIRS[0]), _PAIRS[1])
    draws = [noise * generator.standard_normal(y.shape).astype(y.dtype) for _ in range(pairs)]
    tried: dict[Weights, float] = {}

    def risk(weights: Weights) -> float:
        """The mean square of f(y+) - mu, but for the noise of its estimate, the same draws for all weights."""
        errors = []
        for z in draws:
            x = answer(spec.replace(image=y + root * z, noise_std=noise), weights)
            errors.append(np.mean(np.square(x - (y - z / root), dtype=np.float64), where=seen))
        tried[weights] = float(np.mean(errors)) - noise * noise * (1 + 1 / _SHARE)
        return tried[weights]

    found = least(risk, guess, _EVALUATIONS[len(guess) > 1], _STEPS)
    order = sorted(tried)
    weights = np.array(order)
    path = {"weight": weights if len(guess) > 1 else weights[:, 0], "score": np.array([tried[w] for w in order])}
    path |= {name: np.full(len(order), np.nan) for name in ("degrees_of_freedom", "residual")}
    return found, noise, path


def chosen_by_refit(penalty: Penalty, spec: ProblemSpec) -> bool:
    """Whether "auto" goes by the risk of the refit: where a part makes pixels zero, and a second image is known."""
    return spec.operator is None and spec.pixel_weight is None and any(part.null_space == "zero" for part in penalty.parts)
