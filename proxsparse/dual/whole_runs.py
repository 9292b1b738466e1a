"""Small denoising problems solved whole by kernels, one or many of one shape at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays.numbers import Array, plain_sizes
from ..kernels import whole_runs as kernels
from ..kernels.planes import FREE
from ..runtime.workers import SERIAL, Workers
from .accelerated import LARGE
from .denoising import BEYOND, Denoising
from .running import HOLD, Schedule

#: how much shorter than its ball the dual of a difference must be for it to be 0
FLAT_MARGIN = 1e-4
#: the place of the only image
_ONE = np.zeros(1, np.intp)
#: how many images of a kind are solved by kernels for their iterations before one that solves them whole is compiled, which
#: takes some 5 s; and how many more there may be, by kind, in this process
PATIENCE = 64
_LEFT: dict[Any, int] = {}
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

    def __init__(self, denoising: Denoising, schedule: Schedule | None, tol: float, maxiter: int) -> None:
        self.denoising = denoising
        self.numbers = numbers = _shared(denoising).copy()
        numbers[kernels.TOL], numbers[kernels.MAXITER] = tol, maxiter
        if schedule is not None:
            numbers[kernels.TAU : kernels.SOFT + 1] = schedule.settings
        numbers[kernels.SOFT], numbers[kernels.LO], numbers[kernels.HI] = denoising.limits
        if denoising.pointwise:
            # the primal step makes zeros exact
            numbers[kernels.CUT], numbers[kernels.FREE] = denoising.cut, 0.0
        # the kernel, with memory for one image
        self._first = self._whole_run()

    @classmethod
    def of(
        cls,
        denoising: Denoising,
        tol: float,
        maxiter: int,
        tau: float | None = None,
        gamma: float | None = None,
        *,
        many: int = 1,
    ) -> WholeRuns | None:
        """Where there is a kernel for so many problems like this one, and it is at hand or they are many."""
        if denoising.y.size > LARGE or denoising.fused is None:
            return None
        given = None if tau is gamma is None else Schedule(denoising, True, tau, gamma)
        runs = cls(denoising, given, tol, maxiter)
        return runs if runs._first is not None and runs._pays(runs._first, many) else None

    def _pays(self, run: Callable[..., bool], many: int) -> bool:
        y, limits = self.denoising.y, self.denoising.limits
        kind = y.dtype, self.denoising.dualised.polyhedral, limits == FREE
        if kind not in _LEFT:
            nothing = np.empty((1, *y.shape[1:]), y.dtype), np.empty((0, 2, 0, 0), y.dtype)
            asked = y, _ONE, *nothing, np.zeros((1, kernels.FIELDS)), np.empty((0, 3)), self.numbers
            _LEFT[kind] = 0 if run(*asked, np.zeros(kernels.STATE), _BUDGET, asking=True) else PATIENCE
        left = max(0, _LEFT[kind] - many)
        if left == 0 or many == 1:
            # images of a batch are counted one by one
            _LEFT[kind] = left
        return left == 0

    def _whole_run(self) -> Callable[..., bool] | None:
        fused, y = self.denoising.fused, self.denoising.y
        return None if fused is None else fused.whole_run(y.shape, y.dtype, self.denoising.limits)

    def solve(self, images: Array, chosen: Array, workers: Workers, *, duals: bool, checks: int = 0) -> Solved:
        """Solve the chosen images (N, rows, columns); of a single one up to so many checks are kept."""
        n = len(images)
        x, found, history = np.empty(images.shape, images.dtype), np.zeros((n, kernels.FIELDS)), np.empty((checks, 3))
        p = np.empty((n, 2, *images.shape[1:]) if duals else (0, 2, 0, 0), images.dtype)
        out = x, p, found, history, self.numbers
        if workers.n == 1 or len(chosen) == 1:
            self._solve(self._first, images, chosen, *out)
        else:
            # some for every worker, and again where images take longer than others
            parts = min(len(chosen), 4 * workers.n)
            cuts = [len(chosen) * i // parts for i in range(parts + 1)]
            some = [chosen[a:b] for a, b in itertools.pairwise(cuts)]
            # each with memory of its own
            workers.run([functools.partial(self._solve, None, images, part, *out) for part in some])
        return Solved(x, p, found, history)

    def solve_own(self, checks: int = 0) -> Solved:
        """Solve the problem that the others are like, of whose checks up to so many are kept."""
        return self.solve(self.denoising.y, _ONE, SERIAL, duals=True, checks=checks)

    def _solve(self, run: Callable[..., bool] | None, images: Array, chosen: Array, *out: Array) -> None:
        run, state = run or self._whole_run(), np.zeros(kernels.STATE)
        while run is not None and not run(images, chosen, *out, state, _BUDGET):
            pass


def _shared(denoising: Denoising) -> Array:
    """The numbers of `kernels` that the penalty, the shape and the dtype make, found once."""
    (term,), dtype = denoising.dualised.terms, denoising.y.dtype
    shared: Array | None = term.memo.get(dtype)
    if shared is None:
        shared = np.zeros(kernels.NUMBERS)
        shared[kernels.TAU : kernels.SOFT + 1] = Schedule(denoising, True).settings
        shared[kernels.HOLD] = HOLD
        shared[kernels.GROUP], shared[kernels.DUAL] = term.group_size, denoising.dualised.size
        shared[kernels.REACH], shared[kernels.ROUNDINGS] = denoising.reach, denoising.dualised.roundings
        shared[kernels.BEYOND], shared[kernels.SPREAD] = BEYOND, term.bound_by_length(1.0)
        shared[kernels.EPS] = np.finfo(dtype).eps
        shared[kernels.SMALLEST], shared[kernels.LARGEST] = plain_sizes(dtype)
        shared[kernels.FREE] = 1.0
        # flat regions, as in `problems.identify`
        shared[kernels.JOINED] = (1.0 - FLAT_MARGIN) * term.weight if term.null_space == "constants" else 0.0
        term.memo[dtype] = shared
    return shared
