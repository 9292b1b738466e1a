"""The loop around every algorithm: when to check, when to stop, what to tell."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dual.accelerated import HOLD, LARGE, Running
from ..dual.denoising import Steps
from ..kernels.pace import first_check, iterations_ahead
from ..problems.certificate import Certificate
from ..problems.identify import identified
from ..problems.problem import Problem
from .options import Options


def _quiet() -> np.errstate:
    # iterates that overflow are reported by their own status
    return np.errstate(over="ignore", invalid="ignore")


#: the status of a run that another method should go on with
SLOW = -2


@dataclasses.dataclass
class Run:
    """How a run ended: the best certificate, the status, and the checks on the way."""

    best: Certificate
    status: int
    nit: int
    history: list[tuple[int, float, float, float]]
    #: whether `best` is identified already
    identified: bool = False
    #: how long it took, where it is gone on with
    seconds: float = 0.0


def run(
    problem: Problem,
    steps: Steps,
    tol: float,
    options: Options,
    report: Callable[[Certificate, int], bool] | None = None,
    before: Run | None = None,
    patience: int | None = None,
) -> Run:
    """Advance `steps` until the relative gap meets `tol` or a limit is reached.

    `report` is called at each check with the certificate and the iterations so far, and stops the run by returning True. A run
    `before` by another method is gone on with. With `patience` the run ends, its status `SLOW`, where after so many iterations
    the gap does not fall as it would have to.
    """
    begin = time.perf_counter() - (0.0 if before is None else before.seconds)
    history: list[tuple[int, float, float, float]] = [] if before is None else before.history
    stall, pace, shortcut = _Stall(problem), Pace(problem), _Shortcut(problem, tol)
    keep = _Best(problem, None if before is None else before.best)
    nit = first = 0 if before is None else before.nit
    outlook = None if patience is None else _SlowConvergence(patience, tol, options.maxiter - first)
    pair = next(steps)
    while True:
        with _quiet():
            found = problem.certify(pair)
            # at A = I the first image is the one given, and no answer yet
            if nit > 0 or not problem.is_denoising:
                found = shortcut(_better_of(problem, found), nit)
        if options.history:
            history.append((nit, found.fun, found.gap, time.perf_counter() - begin))
        stopped = report is not None and report(found, nit)
        if found.certified and found.rel_gap <= tol:
            return Run(found, 0, nit, history, identified=shortcut.taken)
        best = keep(found, pair)
        elapsed = time.perf_counter() - begin
        broken = math.isnan(found.gap) or (not math.isfinite(found.fun) and not _outside(problem, found))
        status = 5 if broken else _status(found, tol, nit, elapsed, stopped, stall(best, nit), options)
        if status is None and outlook is not None and outlook(nit - first, best.rel_gap):
            status = SLOW
        if status is not None:
            return Run(best, status, nit, history, seconds=elapsed)
        # no more is spent on certificates than on iterations
        relaxed = isinstance(pair, Running) and pair.relaxed
        ahead = options.check_every or max(pace(nit - first, found, tol, relaxed), problem.effort)
        target = min(nit + ahead, options.maxiter)
        if isinstance(pair, Running):
            pair.undisturbed = options.check_every is not None
        while nit < target:
            n = 1 if math.isfinite(options.maxtime) else target - nit
            if isinstance(pair, Running):
                # where time is short the last iteration before a check is the one after it is over
                pair.unfinished = nit + n < target and time.perf_counter() - begin < options.maxtime
                if not pair.unfinished:
                    target = nit + n
            try:
                with _quiet():
                    pair = steps.send(n)
            except StopIteration:
                # an exact algorithm: what is left is rounding
                return Run(best, 4, nit, history)
            nit += n
            if not isinstance(pair, Running) and time.perf_counter() - begin >= options.maxtime:
                break


def _outside(problem: Problem, found: Certificate) -> bool:
    """Whether the image is one where the data term is infinite, and none that overflowed."""
    return not problem.data.quadratic and bool(np.isfinite(found.x).all())


def _rank(found: Certificate) -> tuple[float, float]:
    return (found.gap, found.residual)


def _better_of(problem: Problem, found: Certificate) -> Certificate:
    """`found`, or the image that costs nothing where that one has the lower objective: then it may be the answer."""
    trivial = problem.trivial
    if not math.isfinite(found.fun) or trivial.fun > found.fun or trivial.image is None:
        return found
    candidates = [found, problem.certificate(trivial.image, found.p)]
    if trivial.certificate is not None:
        candidates.append(trivial.certificate)
    return min(candidates, key=_rank)


def _status(
    found: Certificate, tol: float, nit: int, elapsed: float, stopped: bool, stalled: bool, options: Options
) -> int | None:
    if not found.certified and found.residual <= tol:
        return 6
    if stopped:
        return 3
    if nit >= options.maxiter:
        return 1
    if elapsed >= options.maxtime:
        return 2
    return 4 if stalled else None


class _Shortcut:
    """Under a piecewise linear penalty an image made flat where the dual says so is far better than the iterate."""

    #: as much as its gap is found to fall; a flattening costs some 30 iterations, on small images the Python around it more
    _REACH, _LATE = 30.0, 200

    def __init__(self, problem: Problem, tol: float) -> None:
        self.problem, self.tol, self.taken = problem, tol, False
        large = problem.is_denoising and math.prod(problem.shape) > LARGE
        self.below = self._REACH * tol if large and problem.stack.polyhedral else 0.0

    def __call__(self, found: Certificate, nit: int) -> Certificate:
        """The identified image where it meets the tolerance; after each try the gap has to fall to a third."""
        if nit < self._LATE or not self.tol < found.rel_gap <= self.below:
            return found
        self.below = found.rel_gap / 3
        exact = identified(self.problem, found, self.tol)
        self.taken = exact.rel_gap <= self.tol
        return exact if self.taken else found


class Pace:
    """How many iterations until the next check: where the gap should meet the tolerance, if it goes on falling as it did.

    A check costs some iterations, and too late a check too: no further than twice as far with A = I, where the gap falls
    smoothly; elsewhere half as far again, near the tolerance a quarter.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.smooth = problem, problem.is_denoising
        self.least = min(64, (1 << 15) // math.prod(problem.shape)) if problem.is_denoising else 0
        # where nothing has far to travel a few iterations may do
        self.first = 5 if problem.stack.first_step > 1 else 10
        self.nit, self.gap = 0, math.inf

    def __call__(self, nit: int, found: Certificate, tol: float, relaxed: bool) -> int:
        """After a check at `nit`; of over-relaxed iterations as their kernels do by themselves, see `whole_runs`."""
        gap = found.rel_gap
        if relaxed:
            before, self.nit, self.gap = (self.nit, self.gap), nit, gap
            if nit == 0:
                return int(first_check(found.fun, found.gap, self.problem.trivial.fun, tol))
            return int(iterations_ahead(nit, gap, tol, *before, self.problem.stack.polyhedral))
        # on small images the Python around a check costs as much as this many iterations
        share = 1.0 if self.smooth else 0.5 if gap > 100 * tol else 0.25
        furthest = max(10 if nit > 0 else self.first, int(share * nit), self.least)
        before, self.nit = (self.nit, self.gap), nit
        fallen, self.gap = math.log(before[1] / gap) if 0 < gap < before[1] < math.inf else 0.0, gap
        if not fallen or nit == 0 or tol <= 0 or not math.isfinite(gap):
            return furthest
        left = math.log(gap / tol)
        # as a power of the iterations, or exponentially: whichever comes first; of the first fall, as 1 / nit^2
        rate = math.log(nit / before[0]) / fallen if before[0] > 0 else 0.5
        exponential = (nit - before[0]) * left / fallen if before[0] > 0 else math.inf
        further = min(nit * math.expm1(min(left * rate, 50.0)), exponential)
        return min(max(int(further) + 1, nit // 16, 2, self.least // 4), furthest)


#: the power of the iterations by which a gap falls that is no reason to look for another method
_FALLS = 0.7


class _SlowConvergence:
    """Whether, after so many iterations and twice and four times as many, the gap falls too slowly to end within the limit.

    It is expected to go on falling as the power of the iterations that it followed since half of them.
    """

    def __init__(self, patience: int, tol: float, most: int) -> None:
        self.next, self.tol, self.most = patience, tol, most
        self.checks: list[tuple[int, float]] = []

    def __call__(self, nit: int, gap: float) -> bool:
        self.checks.append((nit, gap))
        if nit < self.next:
            return False
        self.next = 2 * nit
        half, before = max(check for check in self.checks if 2 * check[0] <= nit)
        if not gap < before:
            return True
        if not (half > 0 and self.tol > 0 and math.isfinite(before)):
            return False
        rate = math.log(before / gap) / math.log(nit / half)
        if rate > _FALLS:
            return False
        return nit * math.exp(min(math.log(gap / self.tol) / rate, 50.0)) > self.most


class _Stall:
    """The rounding floor: a gap within reach of the dtype's rounding that has not fallen by a tenth while nit doubled.

    That is one near eps of F, one that storing x may make, or one that is there for rounding itself.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.floor = problem, 1e3 * float(np.finfo(problem.dtype).eps)
        self.gap, self.since = math.inf, 0

    def __call__(self, best: Certificate, nit: int) -> bool:
        if best.gap < 0.9 * self.gap:
            self.gap, self.since = best.gap, nit
        if nit - self.since < max(200, self.since):
            return False
        return best.rel_gap <= self.floor or best.gap <= max(2 * best.rounding, self.problem.floor(best.x))


class _Best:
    """The best certificate so far; of large images, whose gap no copy is made for as long as it falls, since its first rise."""

    def __init__(self, problem: Problem, found: Certificate | None) -> None:
        self.problem = problem
        self.found, self.falls, self.worse = found, problem.is_denoising and math.prod(problem.shape) > LARGE, 0

    def __call__(self, found: Certificate, reached: Any) -> Certificate:
        """Compare another one, of what a solver has reached."""
        if self.found is None or _rank(found) <= _rank(self.found):
            self.found, self.worse = found if self.falls else found.copy(self.found), 0
            return self.found
        self.worse += 1
        if isinstance(reached, Running) and self.worse == HOLD:
            reached.schedule.hold()
        if self.falls:
            # what the kernels had before is gone
            self.found, self.falls = found.copy() if math.isfinite(found.gap) else self._first(), False
        return self.found

    def _first(self) -> Certificate:
        problem = self.problem
        return problem.certificate(problem.start(), np.zeros(problem.stack.size, problem.dtype))
