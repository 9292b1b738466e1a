"""The weight by the risk of the answer that is returned, refitted or reweighted: the coupled bootstrap.

Refits jump where the support changes, so that Stein's identity does not hold for them, and risks that count the support as
degrees of freedom prefer too many pixels. Of two images with independent noise, ``y+ = y + sqrt(a) sigma z`` and
``y- = y - sigma z / sqrt(a)``, one is fitted and the other asked: ``E |f(y+) - y-|^2`` is the risk of f at noise of variance
``(1 + a) sigma^2``, and a constant, whatever f is (Oliveira, Lei & Tibshirani, arXiv 2111.09447).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays.numbers import Array, as_float
from ..penalties.base import Penalty
from ..problems.spec import ProblemSpec
from ..result import SolveResult
from .fits import Weights
from .rules import start_of_search
from .search import least

RULE = "risk-refit"
#: the relative gap of the answers that are tried
TOL = 1e-3
#: the share of the noise's variance that is added to the image fitted; the least and the most pairs of images; pixels of all
_SHARE, _PAIRS, _PIXELS = 0.1, (4, 24), 1 << 16
#: the most evaluations for one weight and for several, and the steps of the search, in octaves
_EVALUATIONS, _STEPS = (14, 24), (1.0, 0.5, 0.25)


def choose_by_bootstrap(
    answer: Callable[[ProblemSpec, Weights, SolveResult | None], SolveResult], spec: ProblemSpec, convex: Penalty
) -> tuple[Weights, float, dict[str, Array]]:
    """The weights of least risk of what is returned, the noise, and what was tried.

    `answer` solves a spec with weights, from an earlier answer; `convex` is the penalty whose parts lack the weights.

    Raises
    ------
    ValueError
        There is an operator, or pixels of unequal weights: of these no second image is known.
    """
    if not spec.term.quadratic:
        raise ValueError(f"data={spec.data!r} needs a weight: the rules that choose one are for least squares")
    start = start_of_search(spec, convex, RULE)
    if start.settled:
        return start.weights, start.noise, {}
    y, seen, noise = as_float(spec.image), start.seen, start.noise
    generator, root = np.random.default_rng(0), np.sqrt(_SHARE)
    # the fewer pixels, the more pairs
    pairs = min(max(_PIXELS // y.size, _PAIRS[0]), _PAIRS[1])
    draws = [noise * generator.standard_normal(y.shape).astype(y.dtype) for _ in range(pairs)]
    before: list[SolveResult | None] = [None] * pairs
    tried: dict[Weights, float] = {}

    def risk(weights: Weights) -> float:
        """The mean square of f(y+) - mu, but for the noise of its estimate, the same draws for all weights."""
        errors = []
        for k, z in enumerate(draws):
            found = answer(spec.replace(image=y + root * z, noise_std=noise), weights, before[k])
            before[k] = found
            x = found.x if found.debiased is None else found.debiased
            errors.append(np.mean(np.square(x - (y - z / root), dtype=np.float64), where=seen))
        tried[weights] = float(np.mean(errors)) - noise * noise * (1 + 1 / _SHARE)
        return tried[weights]

    found = least(risk, start.weights, _EVALUATIONS[len(start.weights) > 1], _STEPS)
    order = sorted(tried)
    weights = np.array(order)
    path = {"weight": weights if len(found) > 1 else weights[:, 0], "score": np.array([tried[w] for w in order])}
    path |= {name: np.full(len(order), np.nan) for name in ("degrees_of_freedom", "residual")}
    return found, noise, path


def chosen_by_refit(penalty: Penalty, spec: ProblemSpec) -> bool:
    """Whether "auto" goes by the risk of the refit: where a part makes pixels zero, and a second image is known."""
    zeroes = (q.null_space == "zero" and type(q)._identify is not Penalty._identify for q in penalty.parts)
    return spec.operator is None and spec.pixel_weight is None and any(zeroes)
