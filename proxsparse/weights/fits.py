"""Fits of an image by given weights: their residual and their degrees of freedom."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..arrays.numbers import Array, total
from ..dual.denoising import Denoising
from ..dual.driver import MET, Steps, drive
from ..metrics.noise import Noise, estimate
from ..problems.denoising import DenoisingProblem
from ..problems.kinds import problem_of
from ..problems.posed import Posed
from ..problems.problem import Problem
from ..problems.setup import ProblemSetup
from ..runtime.workers import Workers
from ..solvers import admm, chambolle_pock
from ..solvers.registry import auto_method

#: iterations of a fit whose derivative is taken, where its gap then shows that they are enough: where values travel far, where
#: they do not (windows), and where they fill what was not measured or blurred; else twice, four times, ... as many
_ITERATIONS, _MOST_ITERATIONS = {"far": 50, "near": 8, "filling": 200, "blurred": 50}, 3200
#: how near a fit is to the answer, in units of the noise: its gap bounds the root of the mean square
_NEAR = 0.05
#: the fraction of the noise by which the probe moves the image
_PROBE = 0.01
#: the relative gap of the answers whose residual the discrepancy looks at
LOOSE = 1e-3
#: the least noise, in units of the image's spread, that a fit has to be near to
_LEAST_NOISE = 0.02
#: where no noise is found: the size of the first guess, in units of the image's spread
FAINT = 1e-3

Weights = tuple[float, ...]


class Fits:
    """A posed problem whose weights are sought, and its fits, in the units of the posed problem."""

    def __init__(self, setup: ProblemSetup, missing: Sequence[bool], noise_std: float | None, workers: Workers) -> None:
        self.setup, self.problem, self.workers = setup, setup.problem.image_problem, workers
        self.missing = [i for i, lacks in enumerate(missing) if lacks]
        self.given = noise_std
        #: what a weight of 1 became, in the units of the problem
        self.ones = [self.problem.terms[i].weight for i in self.missing]
        m = self.problem.m
        self.seen = None if m is None else m > 0
        #: the sum of the data weights: of 0 and 1, the number of pixels measured
        self.n = float(self.problem.y.size) if m is None else total(m)
        self.plain = m is None or bool(((m == 0) | (m == 1)).all())
        #: weights -> (degrees of freedom, mean squared residual) of the fits made
        self.fits: dict[Weights, tuple[float, float]] = {}

    @functools.cached_property
    def noise(self) -> float:
        """The standard deviation of the noise, given or estimated."""
        if self.given is not None:
            return self.given
        return 0.0 if math.isnan(self.found.std) else self.found.std

    @functools.cached_property
    def found(self) -> Noise:
        """The noise that the image itself tells."""
        y = self.problem.y
        return estimate(y, channel_axis=0, seen=None if self.seen is None else np.broadcast_to(self.seen, y.shape))

    @functools.cached_property
    def spread(self) -> float:
        """The standard deviation of the measured pixels."""
        return float(np.std(self.problem.y if self.seen is None else self.problem.y[self.seen], dtype=np.float64))

    def problem_with(self, y: Array, weights: Weights) -> Problem:
        """The problem of another image y, with these weights."""
        problem = self.problem
        parts = list(problem.parts)
        for i, weight in zip(self.missing, weights, strict=True):
            parts[i] = parts[i].with_weight(weight)
        m, lo, hi = (v.astype(y.dtype) if isinstance(v, np.ndarray) else v for v in (problem.m, problem.lo, problem.hi))
        problem = problem_of(Posed(y, parts, problem.shape, problem.operator, m, lo, hi))
        problem.configure(self.workers, LOOSE)
        return problem

    def residual(self, y: Array, x: Array) -> float:
        """Sum of m (A x - y)^2."""
        return total(self.problem.data.m * np.square(np.subtract(self.problem.forward(x), y, dtype=np.float64)))

    @functools.cached_property
    def fitted(self) -> Array:
        """The image that is fitted; in float32, twice as fast, where that holds it to a ten-thousandth of the noise."""
        y = self.problem.y if self.seen is None else np.where(self.seen, self.problem.y, self.problem.dtype.type(0))
        largest = float(np.abs(y).max())
        held = self.noise > 1e-15 and largest < 1e15 and largest * float(np.finfo(np.float32).eps) < 1e-4 * self.noise
        return y.astype(np.float32) if held else y

    @functools.cached_property
    def _probe(self) -> Array:
        """Seeded signs on the measured pixels, a fraction of the noise in size and well above rounding."""
        y = self.fitted
        size = max(_PROBE * (self.noise or FAINT * self.spread), 64 * float(np.finfo(y.dtype).eps) * float(np.abs(y).max()))
        signs = np.random.default_rng(0).integers(0, 2, y.shape) * 2 - 1
        return (size * (signs if self.seen is None else signs * self.seen)).astype(y.dtype)

    def residual_and_df(self, weights: Weights) -> tuple[float, float]:
        """Exact where an exact algorithm shows the flat pieces; else by the derivative of a fixed number of iterations."""
        y = self.fitted
        problem = self.problem_with(y, weights)
        if isinstance(problem, DenoisingProblem) and problem.has_exact and _shows_pieces(problem.denoising):
            x = _fit(problem, 0.0, 0)
            return self.residual(y, x), _free(problem.denoising, x)
        moved = y + self._probe
        # as it was rounded
        delta = moved - y
        x, iterations = self._near_fit(problem)
        again = _fit(self.problem_with(moved, weights), self._step(problem), iterations, self._iterations)
        change = self.problem.forward(again - x)
        square = total(np.square(delta, dtype=np.float64))
        df = self.n * total(np.multiply(delta, change, dtype=np.float64)) / square if square > 0 else 0.0
        return self.residual(y, x), df

    def _near_fit(self, problem: Problem) -> tuple[Array, int]:
        """A fit near enough to the answer, as its gap tells, and the iterations that it took."""
        if problem.has_exact:
            return _fit(problem, 0.0, 0), 0
        noise = max(self.noise, _LEAST_NOISE * self.spread)
        enough = 0.5 * self.n * (_NEAR * noise) ** 2

        def _look(reached: Any, nit: int) -> float:
            # the last is taken as it is
            return problem.certify(reached).gap if 0 < 2 * nit <= _MOST_ITERATIONS else math.inf

        def _judge(gap: float, nit: int) -> int | None:
            return MET if gap <= enough or 2 * nit > _MOST_ITERATIONS else None

        ended = drive(_steps(problem, self._step(problem)), _look, _judge, _doubling(self._iterations), _MOST_ITERATIONS)
        return _image(problem, ended.reached), ended.nit

    @property
    def _iterations(self) -> int:
        if self.problem.operator is not None:
            return _ITERATIONS["blurred"]
        if not self.problem.is_denoising and self.problem.m is not None:
            return _ITERATIONS["filling"]
        return _ITERATIONS["near" if self.problem.stack.first_step > 1 else "far"]

    @staticmethod
    def _step(problem: Problem) -> float:
        """One step for both fits of a pair: were it drawn from each image, the difference would hold that too."""
        if problem.is_denoising:
            return problem.stack.first_step
        if auto_method(problem) == "admm":
            return 1.0
        if problem.image_problem.operator is None:
            return chambolle_pock.balanced_step(problem) * problem.lipschitz
        return 0.25


def _steps(problem: Problem, step: float) -> Steps:
    """Iterations from the dual 0 that do the same to every image: no step is found on the way."""
    p = np.zeros(problem.stack.size, problem.dtype)
    if not problem.is_denoising and auto_method(problem) == "admm":
        return admm.steps(problem, problem.start(), p, rho=step, adapt=False)
    return chambolle_pock.steps(problem, problem.start(), p, tau=step)


def _image(problem: Problem, reached: Iterable[Array]) -> Array:
    """The image of what a solver has reached, in float64."""
    x, *_ = reached
    return problem.image_of(x).astype(np.float64)


def _fit(problem: Problem, step: float, iterations: int, first: int = 0) -> Array:
    """The exact image, or that after so many iterations, in float64, whatever their gap.

    They end where those do that were looked at after the `first` ones, twice, four times as many: each end is without
    over-relaxation.
    """
    exact = problem.denoising.exact(dual=False) if isinstance(problem, DenoisingProblem) else None
    if exact is not None:
        return exact[0].astype(np.float64)
    ahead = _doubling(first or iterations)
    ended = drive(_steps(problem, step), lambda *_: None, lambda *_: None, ahead, iterations)
    return _image(problem, ended.reached)


def _doubling(first: int) -> Callable[[Any, int], int]:
    """Looks after the first iterations, twice, four times as many and so on."""
    return lambda _, nit: nit or first


def _shows_pieces(denoising: Denoising) -> bool:
    """Whether the exact answer is made of equal or zero pixels, and not of coefficients or shrunk groups."""
    return all(q.null_space == "constants" for q in denoising.dualised.terms)


def _free(denoising: Denoising, x: Array) -> float:
    """Degrees of freedom of an exact answer: its flat pieces, less those held at zero or at a bound.

    Zou, Hastie & Tibshirani, Ann. Stat. 2007, theorem 1, and Tibshirani & Taylor, Ann. Stat. 2012, theorem 3.
    """
    starts = np.ones(x.shape, bool)
    if denoising.dualised.terms:
        # a signal, whichever axis it runs along
        lines = x.reshape(len(x), -1)
        starts.reshape(lines.shape)[:, 1:] = lines[:, 1:] != lines[:, :-1]
    held = (x <= denoising.lo) | (x >= denoising.hi)
    if denoising.pointwise:
        held |= x == 0
    return float(np.count_nonzero(starts & ~held))
