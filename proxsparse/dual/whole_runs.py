"""Small denoising problems solved whole by kernels, one or many of one shape at a time."""

from __future__ import annotations

import functools
import itertools
from typing import NamedTuple

import numpy as np

from ..arrays.numbers import Array, plain_sizes
from ..kernels import whole_runs as kernels
from ..runtime.workers import Workers
from .accelerated import HOLD, LARGE, Schedule
from .denoising import BEYOND, Denoising
from .term import Iterations

#: how much shorter than its ball the dual of a difference must be for it to be 0
FLAT_MARGIN = 1e-4
#: pixels times iterations of one call, some 20 ms
_BUDGET = 1 << 24


class Solved(NamedTuple):
    """Images, their duals (of no images where they were not asked for), what `kernels.FIELDS` says of each, and the checks."""

    x: Array
    p: Array
    found: Array
    history: Array


class WholeRuns:
    """Problems like `denoising`, which is one of them, each solved from its image and the dual 0."""

    def __init__(self, denoising: Denoising, schedule: Schedule, tol: float, maxiter: int) -> None:
        self.denoising = denoising
        (term,) = denoising.dualised.terms
        numbers = np.empty(kernels.NUMBERS)
        numbers[kernels.TOL], numbers[kernels.MAXITER] = tol, maxiter
        numbers[kernels.TAU : kernels.HOLD + 1] = (*schedule.settings, HOLD)
        numbers[kernels.GROUP], numbers[kernels.DUAL] = term.group_size, denoising.dualised.size
        numbers[kernels.REACH], numbers[kernels.ROUNDINGS] = denoising.reach, denoising.dualised.roundings
        numbers[kernels.CUT], numbers[kernels.BEYOND] = denoising.cut, BEYOND
        numbers[kernels.SPREAD], numbers[kernels.EPS] = term.bound_by_length(1.0), np.finfo(denoising.y.dtype).eps
        numbers[kernels.SMALLEST], numbers[kernels.LARGEST] = plain_sizes(denoising.y.dtype)
        _, numbers[kernels.LO], numbers[kernels.HI] = denoising.limits
        numbers[kernels.FREE] = not denoising.pointwise
        # flat regions, as in `problems.identify`, where no zeros are sought beside them
        flat = term.null_space == "constants" and not denoising.pointwise
        numbers[kernels.JOINED] = (1.0 - FLAT_MARGIN) * term.weight if flat else 0.0
        self.numbers = numbers
        # the arrays of the first call
        self._first = _begin(denoising).whole_run()

    @property
    def identifies(self) -> bool:
        """Whether nothing of the structure of the answers is left to be made exact."""
        return not any(q.null_space == "zero" for q in self.denoising.terms)

    @classmethod
    def of(
        cls, denoising: Denoising, tol: float, maxiter: int, tau: float | None = None, gamma: float | None = None
    ) -> WholeRuns | None:
        """Where there is a kernel for problems like this one."""
        if denoising.fused is None or not denoising.uniform or denoising.y.ndim != 3 or denoising.y.size > LARGE:
            return None
        runs = cls(denoising, Schedule(denoising, True, tau, gamma), tol, maxiter)
        return runs if runs._first is not None else None

    def solve(self, images: Array, chosen: Array, workers: Workers, *, duals: bool, checks: int = 0) -> Solved:
        """Solve the chosen images (N, rows, columns); of a single one up to so many checks are kept."""
        n = len(images)
        x, found, history = np.empty_like(images), np.zeros((n, kernels.FIELDS)), np.empty((checks, 3))
        p = np.empty((n, 2, *images.shape[1:]) if duals else (0, 2, 0, 0), images.dtype)
        # some for every worker, and again where images take longer than others
        parts = min(len(chosen), 1 if workers.n == 1 else 4 * workers.n)
        cuts = [len(chosen) * i // parts for i in range(parts + 1)]
        some = [chosen[a:b] for a, b in itertools.pairwise(cuts)]
        workers.run([functools.partial(self._solve, images, part, x, p, found, history) for part in some])
        return Solved(x, p, found, history)

    def _solve(self, images: Array, chosen: Array, *out: Array) -> None:
        (run, self._first), state = (self._first or _begin(self.denoising).whole_run(), None), np.zeros(kernels.STATE)
        while run is not None and not run(images, chosen, *out, self.numbers, state, _BUDGET):
            pass


def _begin(denoising: Denoising) -> Iterations:
    """Iterations on an image like y."""
    fused, y = denoising.fused, denoising.y
    if fused is None:
        raise ValueError("there are no kernels")
    return fused.begin(y, denoising.dualised.split(denoising.no_dual)[0], y, denoising.limits)
