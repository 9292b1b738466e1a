"""A convex problem driven to its tolerance: when to check, what is kept, when to stop."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..dual.accelerated import LARGE
from ..dual.driver import LIMIT, MET, Steps, drive
from ..dual.running import HOLD, Running, UnderWay
from ..kernels.pace import exp2, first_check, iterations_ahead, log2
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
    watch = _Watch(problem, tol, options, report, before, patience)
    nit, deadline = 0 if before is None else before.nit, watch.begin + options.maxtime
    ended = drive(steps, watch.look, watch.judge, watch.ahead, options.maxiter, nit=nit, deadline=deadline)
    if isinstance(ended.reached, UnderWay):
        ended.reached.over = True
    seconds = time.perf_counter() - watch.begin
    return Run(watch.best, ended.status, ended.nit, watch.history, identified=watch.shortcut.taken, seconds=seconds)


class _Watch:
    """What is looked at, kept and decided at each check of a convex problem."""

    def __init__(
        self,
        problem: Problem,
        tol: float,
        options: Options,
        report: Callable[[Certificate, int], bool] | None,
        before: Run | None,
        patience: int | None,
    ) -> None:
        self.problem, self.tol, self.options, self.report = problem, tol, options, report
        self.begin = time.perf_counter() - (0.0 if before is None else before.seconds)
        self.history: list[tuple[int, float, float, float]] = [] if before is None else before.history
        self.stall, self.pace, self.shortcut = _Stall(problem), Pace(problem), _Shortcut(problem, tol)
        self.keep, self.first = _Best(problem, None if before is None else before.best), 0 if before is None else before.nit
        self.outlook = None if patience is None else _SlowConvergence(patience, tol, options.maxiter - self.first)
        #: the last that was reached
        self.reached: Any = None

    @property
    def best(self) -> Certificate:
        """The best certificate so far."""
        assert self.keep.found is not None
        return self.keep.found

    def look(self, reached: Any, nit: int) -> Certificate:
        """The certificate of what is reached."""
        self.reached, problem = reached, self.problem
        with _quiet():
            found = problem.certify(reached)
            # at A = I the first image is the one given, and no answer yet
            if nit > 0 or not problem.smooth:
                found = self.shortcut(_better_of(problem, found, nit), nit)
        if self.options.history:
            self.history.append((nit, found.fun, found.gap, time.perf_counter() - self.begin))
        return found

    def judge(self, found: Certificate, nit: int) -> int | None:
        """How it ends; None where it goes on."""
        stopped = self.report is not None and self.report(found, nit)
        if found.certified and found.rel_gap <= self.tol:
            self.keep.found = found
            return MET
        best = self.keep(found, self.reached)
        if math.isnan(found.gap) or (not math.isfinite(found.fun) and not _outside(self.problem, found)):
            return 5
        if not found.certified and found.residual <= self.tol:
            return 6
        if stopped:
            return 3
        if nit >= self.options.maxiter:
            return LIMIT
        if time.perf_counter() - self.begin >= self.options.maxtime:
            return 2
        if self.stall(best, nit):
            return 4
        return SLOW if self.outlook is not None and self.outlook(nit - self.first, best.rel_gap) else None

    def ahead(self, found: Certificate, nit: int) -> int:
        """Iterations until the next check: no more is spent on certificates than on iterations."""
        every = self.options.check_every
        if isinstance(self.reached, UnderWay):
            self.reached.undisturbed = every is not None
        relaxed = isinstance(self.reached, Running) and self.reached.relaxed
        reach = self.reached.denoising.reach if relaxed else None
        return every or max(self.pace(nit - self.first, found, self.tol, reach), self.problem.effort)


def _outside(problem: Problem, found: Certificate) -> bool:
    """Whether the image is one where the data term is infinite, and none that overflowed."""
    return not problem.data.quadratic and bool(np.isfinite(found.x).all())


def _rank(found: Certificate) -> tuple[float, float]:
    return (found.gap, found.residual)


#: iterations that cost less than the own dual of the image that costs nothing, where no transform gives it
_SOONER = 200


def _better_of(problem: Problem, found: Certificate, nit: int) -> Certificate:
    """`found`, or the image that costs nothing where that one has the lower objective: then it may be the answer."""
    trivial = problem.trivial
    # where it costs no more than the tolerance allows it will do
    if not math.isfinite(found.fun) or trivial.fun * (1 - problem.tol) > found.fun or trivial.image is None:
        return found
    candidates = [found, problem.certificate(trivial.image, found.p)]
    own = problem.image_problem
    if (nit >= _SOONER or own.operator is not None or own.full.inverts_fast) and trivial.certificate is not None:
        candidates.append(trivial.certificate)
    return min(candidates, key=_rank)


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
        self.problem, self.smooth = problem, problem.smooth
        self.least = min(64, (1 << 15) // math.prod(problem.shape)) if problem.is_denoising else 0
        # where nothing has far to travel a few iterations may do
        self.first = 3 if problem.stack.first_step > 1 else 10
        self.nit, self.gap = 0, math.inf

    def __call__(self, nit: int, found: Certificate, tol: float, reach: float | None) -> int:
        """After a check at `nit`; of over-relaxed iterations, which have a `reach`, as kernels do it, see `whole_runs`."""
        gap = found.rel_gap
        if reach is not None:
            before, self.nit, self.gap = (self.nit, self.gap), nit, gap
            if nit == 0:
                return int(first_check(found.fun, found.gap, reach, tol))
            return int(iterations_ahead(nit, gap, tol, *before, self.problem.stack.polyhedral))
        # on small images the Python around a check costs as much as this many iterations
        share = 1.0 if self.smooth else 0.5 if gap > 100 * tol else 0.25
        furthest = max(10 if nit > 0 else self.first, int(share * nit), self.least)
        before, self.nit = (self.nit, self.gap), nit
        fallen, self.gap = log2(before[1]) - log2(gap) if 0 < gap < before[1] < math.inf else 0.0, gap
        if not fallen or nit == 0 or tol <= 0 or not math.isfinite(gap):
            return furthest
        left = log2(gap) - log2(tol)
        # as a power of the iterations, or exponentially: whichever comes first; of the first fall, as 1 / nit^2
        rate = log2(nit / before[0]) / fallen if before[0] > 0 else 0.5
        exponential = (nit - before[0]) * left / fallen if before[0] > 0 else math.inf
        further = min(nit * (exp2(min(left * rate, 60.0)) - 1.0), exponential)
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
        rate = (log2(before) - log2(gap)) / log2(nit / half)
        if rate > _FALLS:
            return False
        return nit * float(exp2(min((log2(gap) - log2(self.tol)) / rate, 60.0))) > self.most


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
            reached.hold()
        if self.falls:
            # what the kernels had before is gone
            self.found, self.falls = found.copy() if math.isfinite(found.gap) else self._first(), False
        return self.found

    def _first(self) -> Certificate:
        problem = self.problem
        return problem.certificate(problem.start(), np.zeros(problem.stack.size, problem.dtype))
