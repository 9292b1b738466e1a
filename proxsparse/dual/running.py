"""Iterations of Chambolle & Pock by kernels: the steps to come, and what is under way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..kernels import whole_runs
from ..runtime.workers import Workers
from .denoising import Denoising, Measure
from .term import InPlace, Iterations

#: tau sigma ||K||^2 without over-relaxation: at theta = 1 Chambolle-Pock converges up to 4/3 (Banert, Upadhyaya & Giselsson
#: 2023); found to hold under acceleration too, where the certificate watches over it. With it no more than 1 does.
_PRODUCT, _PRODUCT_RELAXED = 1.3, 1.0
#: how far beyond what an iteration finds the next one starts, below 2: some 1.4 times fewer iterations
_RELAXATION = 1.8
#: the strong convexity that the steps go by, of the true 1; a polyhedral norm converges linearly at a held step
_GAMMA, _GAMMA_RELAXED = {False: 0.4, True: 0.2}, {False: 0.5, True: 0.3}
#: where the step is held under a polyhedral norm
_LEAST = 0.01
#: the step that makes of an iteration the dual's gradient step, with which those begin whose dual has not far to travel: some
#: are certified then; and the step that comes after it
_GRADIENT, _AFTER_GRADIENT = 1e5, 0.35
#: checks without a smaller gap after which the step of over-relaxed iterations is held: the case known to converge
HOLD = 3


class Schedule:
    """The steps of the iterations to come.

    Rows of tau, sigma, theta, 1 / (1 + tau); over-relaxed (Condat, J. Optim. Theory Appl. 2013, algorithm 3.1, but for the
    acceleration, which the certificate watches over) of tau, sigma, 1 / (1 + tau), relaxation, tau w / (1 + tau), w the
    threshold of the primal step.
    """

    def __init__(self, denoising: Denoising, relaxed: bool, tau: float | None = None, gamma: float | None = None) -> None:
        rest, mu = denoising.dualised, denoising.mu
        polyhedral = rest.polyhedral
        rate = (_GAMMA_RELAXED if relaxed else _GAMMA)[polyhedral] if gamma is None else gamma
        self.tau, self.gamma = (rest.first_step if tau is None else tau) / mu, rate * mu
        self.least = _LEAST / mu if polyhedral and gamma is None else 0.0
        self.relaxed, self.soft = relaxed, denoising.soft
        #: whether the first iteration is the dual's gradient step
        self.begins = rest.first_step > 1 and tau is None and denoising.m is None and not relaxed
        self.norm_squared = rest.norm_squared or 1.0
        self.product = (_PRODUCT_RELAXED if relaxed else _PRODUCT) / (rest.norm_squared or 1.0)

    @property
    def settings(self) -> tuple[float, ...]:
        """The step, its acceleration, where it is held, tau sigma, the relaxation and the threshold: see `relaxed_steps`."""
        return self.tau, self.gamma, self.least, self.product, _RELAXATION, float(self.soft)

    def hold(self) -> None:
        """Keep the step from here on."""
        self.least = math.inf

    def next(self, n: int, dtype: Any) -> Array:
        """The next n rows of steps."""
        if self.relaxed:
            steps = np.empty((n, 5), dtype)
            self.tau = whole_runs.relaxed_steps(steps, *self.settings, False)
            return steps
        steps, begins = np.empty((n, 4)), self.begins
        if begins:
            self.begins, self.tau = False, _AFTER_GRADIENT
            steps[0] = _GRADIENT, 1 / self.norm_squared, 0.0, 1 / (1 + _GRADIENT)
        for k in range(begins, n):
            theta = 1 / math.sqrt(1 + 2 * self.gamma * self.tau) if self.tau > self.least else 1.0
            steps[k] = self.tau, self.product / self.tau, theta, 1 / (1 + self.tau)
            self.tau *= theta
        return steps.astype(dtype)


class Constant:
    """Over-relaxed steps that stay as they are, tau sigma ||K||^2 = 1: for data terms that are not strongly convex."""

    def __init__(self, tau: float, norm_squared: float, relaxation: float) -> None:
        self.step = tau, 1.0 / (tau * (norm_squared or 1.0)), 1.0 / (1.0 + tau), relaxation, 0.0

    def next(self, n: int, dtype: Any) -> Array:
        """The next n rows of steps, see `Schedule`."""
        return np.tile(np.array([self.step], dtype), (n, 1))


class UnderWay:
    """Iterations by kernels under way: copies of what they have reached are made on demand."""

    def __init__(self, iterations: Iterations, schedule: Schedule | Constant, dtype: Any, workers: Workers) -> None:
        self.iterations, self.schedule, self.dtype, self.workers = iterations, schedule, dtype, workers
        #: whether the iterations to come are not certified at their end
        self.unfinished = False
        #: whether a certificate changes nothing of what comes after it; and, since the last one, where to go on
        self.undisturbed = False
        self._before: tuple[Any, Array] | None = None
        #: whether there are no iterations to come
        self.over = False

    @property
    def relaxed(self) -> bool:
        """Whether the iterations are over-relaxed."""
        return self.iterations.relaxed

    def pair(self) -> tuple[Array, Array]:
        """The image and its dual: copies while there are iterations to come."""
        own = self.iterations
        x, p = (own.x, own.p) if self.over and isinstance(own, InPlace) else own.pair()
        return x, p.reshape(-1)

    def __iter__(self) -> Iterator[Array]:
        return iter(self.pair())

    def advance(self, n: int) -> None:
        """Go on by so many iterations, the last of them without over-relaxation: what it reaches is feasible."""
        steps = self.schedule.next(n, self.dtype)
        if self._before is not None:
            # what was certified is not what is gone on with
            (state, skipped), self._before = self._before, None
            self.iterations.restore(state)
            steps = np.concatenate((skipped, steps))
        if self.relaxed and not self.unfinished:
            if self.undisturbed:
                self._advance(steps[:-1])
                steps = steps[-1:]
                self._before = self.iterations.save(), steps.copy()
            steps[-1, 3] = 1
        self._advance(steps)

    def _advance(self, steps: Array) -> None:
        if len(steps):
            self.iterations.advance(steps, self.workers)


class Running(UnderWay):
    """Those of a denoising problem, with their certificate."""

    def __init__(self, denoising: Denoising, iterations: Iterations, schedule: Schedule) -> None:
        super().__init__(iterations, schedule, denoising.y.dtype, denoising.workers)
        self.denoising = denoising
        #: whether the dual is known to be 0
        self.no_dual = False

    def measure(self) -> Measure:
        """See `Denoising.measure`."""
        sums = self.iterations.sums(self.workers)
        if sums is None:
            return self.denoising.measure(*self.pair())
        return self.denoising.measure_of(sums, lambda: self.pair()[1], self.no_dual)

    def advance(self, n: int) -> None:
        """See `UnderWay.advance`."""
        self.no_dual = False
        super().advance(n)

    def hold(self) -> None:
        """Keep the step from here on."""
        if isinstance(self.schedule, Schedule):
            self.schedule.hold()
