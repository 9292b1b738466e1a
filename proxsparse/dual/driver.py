"""The loop around everything that iterates: look at what is reached, decide, go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from .running import UnderWay

#: what a solver yields: the primal, the dual that certifies it, and that of the data term where it works on one; and is sent:
#: how many iterations to go on
Steps = Generator[Any, int, None]

#: the tolerance was met; as many iterations as allowed; the steps ended by themselves: what is left is rounding
MET, LIMIT, ENDED = 0, 1, 4

Found = TypeVar("Found")


class Ended(NamedTuple):
    """How a loop ended: its status, after how many iterations, what was reached and what its last look found."""

    status: int
    nit: int
    reached: Any
    found: Any


def drive(
    steps: Steps,
    look: Callable[[Any, int], Found],
    judge: Callable[[Found, int], int | None],
    ahead: Callable[[Found, int], int],
    most: int,
    *,
    nit: int = 0,
    deadline: float = math.inf,
) -> Ended:
    """Advance `steps` from iteration `nit` on, at most to iteration `most`, until `judge` says how it ended.

    `look` finds what there is to be known of what is reached, before the first iteration too; `judge` gives the status, or
    None; `ahead` the iterations until the next look, which comes sooner where the clock is past the deadline.
    """
    reached = next(steps)
    while True:
        found = look(reached, nit)
        status = judge(found, nit)
        if status is None and nit >= most:
            status = LIMIT
        if status is not None:
            return Ended(status, nit, reached, found)
        target, began = min(nit + ahead(found, nit), most), nit
        start = time.perf_counter() if deadline < math.inf else 0.0
        while nit < target:
            n = target - nit
            if deadline < math.inf:
                # half of what there is time for, as long as iterations took since the look
                now = time.perf_counter()
                fits = (deadline - now) * (nit - began) / (2 * max(now - start, 1e-9)) if nit > began else 1.0
                n = min(n, max(1, int(min(fits, n))))
                if now >= deadline:
                    target = nit + n
            if isinstance(reached, UnderWay):
                # where time is short the last iteration before a look is the one after it is over
                reached.unfinished = nit + n < target
            try:
                reached = steps.send(n)
            except StopIteration:
                return Ended(ENDED, nit, reached, found)
            nit += n
            if not isinstance(reached, UnderWay) and time.perf_counter() >= deadline:
                break
