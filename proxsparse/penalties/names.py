"""Penalties by name."""

from __future__ import annotations

from typing import Any

from ..arrays.checks import unknown
from .registry import BUILT_IN, SUMS, WHOLE, load

#: name -> the class and its arguments
_MADE = {name: (cls, arguments) for cls, entry in BUILT_IN.items() for name, arguments in entry.names.items()}
_ALIASES = {alias: name for entry in BUILT_IN.values() for alias, name in entry.aliases.items()}
#: all that are told of; any may be added up
NAMES = (*(name for name in _MADE if name != "none"), "none", *SUMS)


def known_as(name: str) -> str | None:
    """The name in `NAMES`, or the sum of such names in the order typed, that a name means; None where it means none.

    Case, spaces and underscores do not matter.
    """
    parts = [part.strip().lower().replace("_", "-").replace(" ", "-") for part in name.split("+")]
    parts = [_ALIASES.get(part, part) for part in parts]
    summands = all(part in _MADE and part not in WHOLE for part in parts)
    return "+".join(parts) if (summands if len(parts) > 1 else parts[0] in _MADE) else None


def penalty_named(name: str) -> Any:
    """The penalty of a name, or the sum of those with + between them, without weights but for "none"."""
    known = known_as(name)
    if known is None:
        raise unknown("penalty", name, NAMES)
    classes = [_MADE[each] for each in known.split("+")]
    made = [load(BUILT_IN[cls].home, cls)(**arguments) for cls, arguments in classes]
    return sum(made[1:], made[0])
