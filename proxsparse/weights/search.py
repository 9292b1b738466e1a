"""The least value of a function of one or a few positive numbers, on lattices of their logarithms."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

Point = tuple[float, ...]

_REACH = 8.0


class _Lattice:
    """Values at points in octaves around a guess, each computed once; infinite out of reach or beyond the allowance."""

    def __init__(self, score: Callable[[Point], float], guess: Point, evaluations: int) -> None:
        self.score, self.guess, self.left = score, guess, evaluations
        self.known: dict[Point, float] = {}

    def numbers(self, point: Point) -> Point:
        """The numbers there, to twelve digits, so that a number reached in two ways is one."""
        return tuple(float(f"{w * math.exp2(octave):.12g}") for w, octave in zip(self.guess, point, strict=True))

    def at(self, point: Point) -> float:
        """The value there."""
        if point not in self.known:
            if self.left == 0 or max(map(abs, point)) > _REACH:
                return math.inf
            self.left -= 1
            self.known[point] = self.score(self.numbers(point))
        return self.known[point]

    def descended(self, point: Point, axis: int, step: float, slack: float) -> Point:
        """From a point along an axis, as long as a step gains more than the slack."""
        for sign in (-1, 1):
            while self.at(further := _moved(point, axis, sign * step)) < self.at(point) - slack:
                point = further
        return point

    def refined(self, point: Point, step: float) -> Point:
        """The lowest of the parabolas through the neighbours of a point."""
        final = point
        for axis in range(len(point)):
            below, here, above = (self.at(_moved(point, axis, shift)) for shift in (-step, 0.0, step))
            bend = below - 2 * here + above
            if math.isfinite(bend) and bend > 0:
                final = _moved(final, axis, 0.5 * step * (below - above) / bend)
        return final


def _moved(point: Point, axis: int, step: float) -> Point:
    return (*point[:axis], point[axis] + step, *point[axis + 1 :])


def least(
    score: Callable[[Point], float],
    guess: Point,
    evaluations: int,
    steps: Sequence[float],
    slack: float = 0.0,
) -> Point:
    """The best numbers found on lattices of these steps, in octaves, around the guess; refined by parabolas.

    The largest number first, each by itself, then all once more by the smallest step. A step must gain more than `slack`;
    nothing further than 8 octaves from the guess is tried.
    """
    lattice = _Lattice(score, guess, evaluations)
    best = (0.0,) * len(guess)
    order = sorted(range(len(guess)), key=lambda axis: -guess[axis])
    again = [(axis, steps[-1]) for axis in order if len(order) > 1]
    for axis, step in [*itertools.product(order, steps), *again]:
        best = lattice.descended(best, axis, step, slack)
    return lattice.numbers(lattice.refined(best, steps[-1]))
