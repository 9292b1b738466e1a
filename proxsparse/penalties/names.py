"""Penalties by name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..arrays.checks import unknown
from .group_lasso import GroupLasso
from .l1 import L1
from .regions import Regions
from .second_order import SecondOrderTV
from .tgv import TGV
from .total_variation import TotalVariation
from .transforms import WaveletL1
from .windows import OverlappingGroupLasso

PENALTIES: dict[str, Callable[[], Any]] = {
    "l1": lambda: L1(),
    "tv": lambda: TotalVariation(),
    "tv-aniso": lambda: TotalVariation(isotropic=False),
    "tv2": lambda: SecondOrderTV(),
    "tgv": lambda: TGV(),
    "group": lambda: GroupLasso(block=4),
    "overlap": lambda: OverlappingGroupLasso(window=3),
    "wavelet": lambda: WaveletL1(),
    "regions": lambda: Regions(),
    # the data term and the bounds alone
    "none": lambda: L1(0.0),
}


def _sum_of(names: str) -> Any:
    """The penalty, or the sum of penalties, of names with + between them."""
    made = [PENALTIES[name]() for name in names.split("+")]
    return sum(made[1:], made[0])


# sums that are named among the others; any may be written
PENALTIES |= {names: functools.partial(_sum_of, names) for names in ("l1+tv", "l1+tv-aniso", "l1+overlap")}
#: what other packages and papers call them
ALIASES = {"lasso": "l1", "rof": "tv", "tv-iso": "tv", "group-lasso": "group", "windows": "overlap"}
#: what is no part of a sum
_WHOLE = ("regions", "none")


def known_as(name: str) -> str | None:
    """The name in `PENALTIES`, or the sum of such names in the order typed, that a name means; None where it means none.

    Case, spaces and underscores do not matter.
    """
    parts = [part.strip().lower().replace("_", "-").replace(" ", "-") for part in name.split("+")]
    parts = [ALIASES.get(part, part) for part in parts]
    summands = all(part in PENALTIES and part not in _WHOLE for part in parts)
    return "+".join(parts) if (summands if len(parts) > 1 else parts[0] in PENALTIES) else None


def penalty_named(name: str) -> Any:
    """The penalty of a name, without weights but for "none"."""
    known = known_as(name)
    if known is None:
        raise unknown("penalty", name, PENALTIES)
    return _sum_of(known)
