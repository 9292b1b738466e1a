"""A dictionary whose items are attributes too, as the results of scipy.optimize are, without that package's half a second."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

#: the items that are shown first
_FIRST = ("message", "success", "status", "fun", "x", "nit")


class Record(dict[str, Any]):
    """Items by name, as keys and as attributes, shown one below the other."""

    __setattr__ = dict.__setitem__
    __delattr__ = dict.__delitem__

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(self)}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def __repr__(self) -> str:
        return _shown(self) if self else f"{type(self).__name__}()"


def _shown(items: dict[str, Any]) -> str:
    """A line for each item, or several, arrays shortened."""
    width = max(map(len, items))
    lines = []
    for name in sorted(items, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        value = items[name]
        if isinstance(value, dict) and value:
            text = _shown(value)
        else:
            with np.printoptions(linewidth=max(40, 76 - width), edgeitems=2, threshold=12, precision=4):
                text = str(value)
        lines.append(f"{name:>{width}}: " + textwrap.indent(text, " " * (width + 2))[width + 2 :])
    return "\n".join(lines)
