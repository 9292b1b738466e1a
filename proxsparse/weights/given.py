"""The penalty and its weights as they are given to `solve`: by name, by object, by number, or to be chosen by a rule."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.checks import check_spacing, unknown
from ..data_terms import DATA
from ..penalties import Penalty
from ..penalties.base import with_weights
from ..penalties.names import penalty_named
from ..penalties.nonconvex import Nonconvex
from ..penalties.regions import Regions
from ..penalties.registry import PenaltyName
from ..penalties.reweighted import Reweighted
from ..result import warn
from .rules import RULES

#: what `solve` takes as penalty
AnyPenalty = PenaltyName | str | Penalty | Nonconvex | Reweighted | Regions
#: the last three: what certifies nothing
UNCERTIFIED = (Nonconvex, Reweighted, Regions)


def resolve_penalty(penalty: AnyPenalty, weight: Any) -> tuple[Any, str | None]:
    """Return the penalty, and the rule that is to choose the weights its parts still lack; None where they lack none.

    A part has its weight from the object, from the call, or from the rule; never from two of them.

    Raises
    ------
    ValueError
        A weight in both places, a tuple of the wrong length, an unknown name.
    """
    if type(penalty) is str and type(weight) in (int, float):
        return _named(penalty, weight), None
    if isinstance(penalty, str):
        chosen: Any = penalty_named(penalty)
    elif isinstance(penalty, (Penalty, *UNCERTIFIED)):
        chosen = penalty
    else:
        raise TypeError(f"penalty must be a name or a Penalty, got {_what_it_is(penalty)}")
    missing = sum(part.weight is None for part in chosen.parts)
    if weight is None:
        return chosen, "auto" if missing else None
    if not missing:
        raise ValueError(f"weight={weight!r} was given, but {chosen!r} has a weight of its own")
    if isinstance(weight, str):
        if _is_number(weight):
            raise TypeError(f"weight={weight!r} is a text: give the number, weight={weight}")
        if weight not in RULES:
            raise unknown("rule for the weight", weight, RULES)
        return chosen, weight
    weights = list(weight) if isinstance(weight, (tuple, list, np.ndarray)) and np.ndim(weight) else [weight]
    if len(weights) != missing:
        if np.size(weight) > 3:
            own = "a weight for each pixel is pixel_weight= of L1 and TotalVariation, one for each group group_weight="
            raise ValueError(f"weight is one number a part, got an array of shape {np.shape(weight)}; {own}")
        raise ValueError(f"{penalty!r} needs {missing} weights, one a part: got weight={weight!r}")
    return weighted(chosen, weights), None


@functools.lru_cache(maxsize=128)
def _named(name: str, weight: float) -> Any:
    """The penalty of a name with a weight: as small solves ask for it, again and again."""
    return resolve_penalty(name, (weight,))[0]


def _what_it_is(penalty: Any) -> str:
    """The repr of an argument that is no penalty, or its kind and the call that was probably meant."""
    if isinstance(penalty, type) and issubclass(penalty, (Penalty, *UNCERTIFIED)):
        return f"the class {penalty.__name__}: give an object, {penalty.__name__}(weight)"
    if isinstance(penalty, (int, float, np.number)) and not isinstance(penalty, bool):
        return f"{penalty!r}: the weight is the third argument, solve(image, 'tv', {penalty!r})"
    if hasattr(penalty, "shape") and hasattr(penalty, "dtype"):
        return f"an array of shape {tuple(penalty.shape)}: the image comes first, solve(image, penalty, weight)"
    return repr(penalty)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def weighted(penalty: Any, weights: Sequence[Any]) -> Any:
    """The penalty with these weights for the parts that lack them."""
    if isinstance(penalty, Reweighted):
        return penalty.with_weights(weights)
    return penalty.with_weight(weights[0]) if isinstance(penalty, UNCERTIFIED) else with_weights(penalty, weights)


def spaced(penalty: Penalty, spacing: Any) -> Penalty:
    """The penalty with that distance of samples, in the parts that know of one."""
    if check_spacing(spacing) is None:
        return penalty
    parts = [part._spaced(spacing) for part in penalty.parts]
    return sum(parts[1:], parts[0])


def weights_of(penalty: Penalty) -> Any:
    """The weight of each part; a number where there is one part."""
    weights = tuple(part.weight for part in penalty.parts)
    return weights if len(weights) > 1 else weights[0]


def warn_of_integers(image: Any, penalty: Any, data: Any) -> None:
    """Warn where integers meet a weight below 1 that is in units of the image, and most likely meant for [0, 1]."""
    term = DATA[data] if isinstance(data, str) else data
    in_units = [part for part in penalty.parts if term.degree == 2 and getattr(part, "degree", 1) != 2]
    small = [part.weight for part in in_units if part.weight is not None and 0 < part.weight < 1]
    if small and np.asarray(image).dtype.kind in "iu":
        warn(
            f"the image holds integers and is not rescaled: a weight of {small[0]:g} is in units of its values; "
            "divide the image by its range if the weight is meant for [0, 1]",
            UserWarning,
        )
