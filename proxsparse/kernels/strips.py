"""Iterations in place on strips of rows, each by a worker: the same bits as on the whole.

What depends on rows beyond a cut is found on copies of the rows around it.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any, Protocol

from ..arrays.numbers import Array
from ..runtime.workers import Workers

#: most rows around a cut, each way, that are worked twice between two meetings of the workers
_REACH = 16
#: fewest rows of a strip, for each row that what is wrong goes in an iteration
_LEAST = 64
#: fewest numbers of an image for each of those who share it: what a meeting costs is as much as some iterations on fewer
_NUMBERS = 1 << 16


class InRows(Protocol):
    """What iterates in place on rows of some kind."""

    @property
    def rows(self) -> int:
        """How many there are."""

    @property
    def size(self) -> int:
        """How many numbers the image has."""

    @property
    def spread(self) -> int:
        """So many rows away it is right, an iteration after what is beyond a cut is wrong."""

    def part(self, rows: int) -> Any:
        """One of its kind on so many rows, whose numbers are still to be taken."""

    def take(self, other: Any, begin: int, stop: int, start: int, whole: bool) -> None:
        """Rows `begin` to `stop` are those of another from `start` on; of what is given too where that is `whole`."""

    def sweep(self, steps: Array, first: int, last: int) -> None:
        """Go on with rows `first` to `last` by as many iterations as there are rows of steps.

        What is so near to a cut that it depends on rows beyond may become anything.
        """


def sharing(size: int, workers: Workers) -> int:
    """How many workers it pays to share an image of so many numbers."""
    return max(1, min(workers.n, size // _NUMBERS))


def advance(state: InRows, steps: Array, workers: Workers) -> None:
    """Go on by as many iterations as there are rows of steps."""
    many = min(sharing(state.size, workers), state.rows // (_LEAST * state.spread))
    if many < 2:
        state.sweep(steps, 0, state.rows)
        return
    # what is worked twice is a small part of a strip
    apart = max(1, min(_REACH, state.rows // (16 * many)) // state.spread)
    for k in range(0, len(steps), apart):
        _share(state, steps[k : k + apart], many, workers)


def _share(state: InRows, steps: Array, many: int, workers: Workers) -> None:
    reach = state.spread * len(steps)
    # a seam is worked as an end is, and the last strip has none
    share = (state.rows - 4 * reach) // many
    cuts = [share * i for i in range(many)] + [state.rows]
    seams = [(cut, max(0, cut - 2 * reach), min(state.rows, cut + 2 * reach)) for cut in cuts[1:-1]]
    parts = [state.part(last - first) for _, first, last in seams]
    for part, (_, first, last) in zip(parts, seams, strict=True):
        part.take(state, 0, last - first, first, True)
    calls = [partial(state.sweep, steps, a, b) for a, b in itertools.pairwise(cuts)]
    workers.run(calls + [partial(part.sweep, steps, 0, part.rows) for part in parts])
    for part, (cut, first, _) in zip(parts, seams, strict=True):
        state.take(part, cut - reach, cut + reach, cut - reach - first, False)
