"""Solving along weights, and the weight that the truth would choose."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import metrics
from ._solve import solve_quietly, solve_spec
from .arrays.checks import check_weight, explained, unknown
from .arrays.kinds import of_its_kind
from .arrays.numbers import as_float, require_finite
from .penalties.base import Penalty, with_weights
from .problems.spec import SEARCH, ProblemSpec
from .result import SolveResult
from .weights.fits import Weights
from .weights.given import resolve_penalty
from .weights.rules import first_guess
from .weights.search import least

#: how far below the largest weight a path of a given length goes
_SPAN = 1e3
#: evaluations for one weight and for several
_EVALUATIONS = (25, 50)


@explained
@of_its_kind
def path(image: Any, penalty: str | Penalty, weights: Sequence[float] | int, **kwargs: Any) -> list[SolveResult]:
    """Solve for every weight, from the largest down, each from the answer before it.

    Parameters
    ----------
    image : array_like
        As in `solve`.
    penalty : str or Penalty
        Each weight multiplies it: parts without a weight of their own take it, of others it is a factor.
    weights : sequence of float, or int
        Numbers >= 0. A whole number stands for so many weights, evenly spaced in the logarithm, from `max_weight`, where the
        answer is trivial, to a thousandth of it.
    **kwargs
        The other arguments of `solve`; `x0` is where the largest weight starts.

    Returns
    -------
    list of SolveResult
        In the order of the weights given; from the largest to the smallest where their number was given.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> signal = np.repeat([0.0, 3.0, 1.0], 20)
    >>> [r.x[[0, 30, -1]].round(2).tolist() for r in proxsparse.path(signal, "tv", [1.0, 4.0], tol=1e-8)]
    [[0.05, 2.9, 1.05], [0.2, 2.6, 1.2]]
    """
    chosen, _ = resolve_penalty(penalty, None)
    if not isinstance(chosen, Penalty):
        raise TypeError(f"path is for convex penalties, not for {chosen!r}")
    unit = with_weights(chosen, [1.0] * len(chosen.parts))
    spec, search = ProblemSpec.from_arguments(image, kwargs, SEARCH, "path")
    spec.warn_of_axes(image, "the image", "one image at a time", penalty)
    if isinstance(weights, numbers.Integral) and not isinstance(weights, bool):
        weights = _down(spec, unit, int(weights))
    if np.ndim(weights) != 1:
        raise ValueError(f"weights must be a sequence of numbers, or how many there shall be; got {weights!r}")
    factors = [check_weight(w) for w in np.asarray(weights).tolist()]
    results: dict[int, SolveResult] = {}
    start = search.pop("x0", None)
    for i in sorted(range(len(factors)), key=lambda i: -factors[i]):
        start = results[i] = solve_spec(spec, factors[i] * unit, x0=start, **search)
    return [results[i] for i in range(len(factors))]


def _down(spec: ProblemSpec, unit: Penalty, n: int) -> list[float]:
    """So many factors of the penalty from the largest that matters."""
    if n < 1:
        raise ValueError(f"weights must be numbers, or how many there shall be, >= 1; got {n}")
    given = spec.names_given()
    for name in ("operator", "observed", "pixel_weight"):
        if name in given:
            raise ValueError(f"with {name}= the largest weight is not known: give the weights themselves")
    if given & {"data", "background", "spacing"}:
        raise ValueError("with data=, background= or spacing= the largest weight is not known: give the weights themselves")
    largest = unit.max_weight(spec.image, channel_axis=spec.channel_axis)
    if math.isinf(largest):
        raise ValueError(f"no weight of {unit!r} is large enough for a trivial answer: give the weights themselves")
    if len(unit.parts) == 1:
        # what it says does not depend on the part's own weight, which the factors multiply
        if unit.parts[0].weight == 0:
            raise ValueError(f"{unit!r} has the weight 0, which no factor changes")
        largest /= unit.parts[0].weight or 1.0
    return [float(w) for w in np.geomspace(largest, largest / _SPAN, n)] if largest > 0 else [0.0] * n


#: name -> of the truth, the image, the data range and the channel axis, the smaller the better
_LOSSES: dict[str, Callable[[Any, Any, Any, Any], float]] = {
    "mse": lambda truth, x, data_range, axis: metrics.mse(truth, x),
    "mae": lambda truth, x, data_range, axis: metrics.mae(truth, x),
    "psnr": lambda truth, x, data_range, axis: metrics.mse(truth, x),
    "ssim": lambda truth, x, data_range, axis: -metrics.ssim(truth, x, data_range, channel_axis=axis),
}


@explained
def oracle_weight(
    noisy: Any,
    truth: Any,
    penalty: str | Penalty = "tv",
    metric: str | Callable[[Any, Any], float] = "mse",
    *,
    data_range: float | None = None,
    **kwargs: Any,
) -> float | tuple[float, ...]:
    """Return the weight whose answer is nearest to the truth: a bound on what any rule can reach, never a fair answer.

    Found on a lattice of factors of two, then their square and fourth roots, and parabolas between them.

    Parameters
    ----------
    noisy, truth : array_like
        The image and what it should be.
    penalty : str or Penalty
        Parts without a weight get one.
    metric : {"mse", "mae", "psnr", "ssim"} or callable
        What is to be best; a callable takes (truth, x) and is made small.
    data_range : float, optional
        For "ssim": the range the images could take.
    **kwargs
        The other arguments of `solve`.

    Returns
    -------
    float, or tuple of float
        The weights that were missing: a number where there is one.
    """
    spec, search = ProblemSpec.from_arguments(noisy, kwargs, SEARCH, "oracle_weight")
    spec.warn_of_axes(noisy, "the image", "one image at a time", penalty)
    return oracle(spec, truth, penalty, metric, data_range, **search)


def oracle(
    spec: ProblemSpec, truth: Any, penalty: Any, metric: Any = "mse", data_range: float | None = None, **search: Any
) -> float | tuple[float, ...]:
    """`oracle_weight` from its spec."""
    chosen, rule = resolve_penalty(penalty, None)
    if not isinstance(chosen, Penalty):
        raise TypeError(f"oracle_weight is for convex penalties, not for {chosen!r}")
    if rule is None:
        raise ValueError(f"{chosen!r} has its weight already")
    if not callable(metric) and metric not in _LOSSES:
        raise unknown("metric", metric, _LOSSES)
    if metric == "ssim" and data_range is None:
        raise ValueError("metric='ssim' needs data_range=, the range the images could take")
    truth = as_float(truth, "truth")
    require_finite(truth, "truth")

    def loss(weights: Weights) -> float:
        """The loss of the answer with these weights."""
        x = solve_quietly(spec, with_weights(chosen, weights), **search).x
        return float(metric(truth, x)) if callable(metric) else _LOSSES[metric](truth, x, data_range, spec.channel_axis)

    guess = first_guess(spec, chosen)
    if not all(guess):
        # a constant image: no weight changes it
        return guess if len(guess) > 1 else guess[0]
    found = least(loss, guess, _EVALUATIONS[len(guess) > 1], (1.0, 0.5, 0.25))
    return found if len(found) > 1 else found[0]
