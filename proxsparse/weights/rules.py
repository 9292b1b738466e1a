"""Choosing the weight without the truth: unbiased risk, generalized cross-validation, discrepancy, and rules for pure noise.

With r(w) = ||M (y - x_w)||^2 over the n measured pixels and df(w) the degrees of freedom of the fit, sum of dx_j / dy_j:

- "sure": r/n - s^2 + 2 s^2 df/n, Stein's unbiased risk for noise of standard deviation s (Stein, Ann. Stat. 1981); with an
  operator that of A x, df the sum of d(A x)_j / dy_j (Deledalle, Vaiter, Fadili & Peyre, SIAM J. Imaging Sci. 2014)
- "gcv": (r/n) / (1 - df/n)^2, generalized cross-validation, which needs no s (Golub, Heath & Wahba, Technometrics 1979)
- "discrepancy": r = n s^2 (Morozov)
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays.checks import unknown
from ..arrays.layout import from_canonical
from ..arrays.numbers import Array, total
from ..dual.denoising import Denoising, Steps
from ..metrics.noise import Noise, estimate
from ..operators import Blur
from ..penalties import L1
from ..penalties.base import Penalty, with_weights
from ..problems.denoising import DenoisingProblem
from ..problems.kinds import problem_of
from ..problems.posed import Posed
from ..problems.problem import Problem
from ..problems.setup import ProblemSetup, set_up
from ..problems.spec import ProblemSpec
from ..result import warn
from ..runtime.workers import SERIAL, Workers
from ..solvers import admm, chambolle_pock
from ..solvers.driver import run
from ..solvers.options import Options
from ..solvers.registry import SOLVERS, auto_method
from .false_alarms import law
from .search import least

#: the rules that are known; docs/weights.md says what each is for
RULES = ("auto", "sure", "gcv", "discrepancy", "universal", "noise", "false-alarms", "risk-refit")
#: iterations of a fit whose derivative is taken, where its gap then shows that they are enough: where values travel far, where
#: they do not (windows), and where they fill what was not measured or blurred; else twice, four times, ... as many
_ITERATIONS, _MOST_ITERATIONS = {"far": 50, "near": 8, "filling": 200, "blurred": 50}, 3200
#: how near a fit is to the answer, in units of the noise: its gap bounds the root of the mean square
_NEAR = 0.05
#: the fraction of the noise by which the probe moves the image
_PROBE = 0.01
#: the relative gap of the answers whose residual the discrepancy looks at
_LOOSE = 1e-3
#: octaves beyond a guess, where a weight leaves little or nothing to be found
_FAR = 8.0
#: what "noise" leaves of the standard deviation of pure noise (Chen & Selesnick, IEEE TSP 2014, section V)
_LEFT = 0.01
#: the most evaluations for one weight and for several
_EVALUATIONS = (14, 16)
#: the least noise, in units of the image's spread, that a fit has to be near to
_LEAST_NOISE = 0.02
#: where no noise is found: the size of the first guess, in units of the image's spread
_FAINT = 1e-3

Weights = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Choice:
    """The penalty with its weights, the rule that chose them, the noise it took, and the curve it tried."""

    penalty: Penalty
    rule: str
    noise_std: float | None
    path: dict[str, Array] | None


def choose(spec: ProblemSpec, penalty: Penalty, rule: str, *, workers: int = 1) -> Choice:
    """Choose the weights that the parts of the penalty lack.

    "auto" is "sure", with the noise that is given or the one that the weakly textured part of the image tells. With an operator
    the risk is that of A x, and where its noise cannot be estimated "gcv" chooses; with pixel weights beside 0 and 1 it is
    "discrepancy".

    Raises
    ------
    ValueError
        An unknown rule, or one that is not sound for this problem; the message names the remedy.
    """
    if rule not in RULES:
        raise unknown("rule for the weight", rule, RULES)
    with Workers(workers) as pool:
        task = _Task.of(spec, penalty, pool)
        rule = task.resolve_rule(rule)
        weights = task.choose(rule)
    noise = task.told_noise(spec, rule, weights)
    return Choice(with_weights(penalty, task.in_user_units(weights)), rule, noise, task.path(rule))


class Start(NamedTuple):
    """Where a search for weights begins, in the user's units and layout; settled where no noise leaves anything to seek."""

    weights: Weights
    settled: bool
    noise: float
    seen: Array


def start_of_search(spec: ProblemSpec, penalty: Penalty, rule: str) -> Start:
    """The first weights, the noise and what was measured, for a rule that searches by itself; warns and raises as `choose`."""
    task = _Task.of(spec, penalty, SERIAL)
    task._require_sound(rule)
    settled = task.without_noise()
    weights = task.guess(task.noise) if settled is None else settled
    noise, y = task.told_noise(spec, rule, weights), task.problem.y
    seen = np.broadcast_to(True if task.seen is None else task.seen, y.shape)
    return Start(
        task.in_user_units(weights), settled is not None, float(noise or 0.0), from_canonical(seen, task.setup.answer.axis)
    )


_NEEDS_NOISE = ("sure", "discrepancy", "universal", "noise", "false-alarms")


class _Task:
    """A posed problem whose weights are sought, in the units of the posed problem."""

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

    @classmethod
    def of(cls, spec: ProblemSpec, penalty: Penalty, workers: Workers) -> _Task:
        """The task of a spec, posed with weights of 1 where they are missing."""
        given = spec.noise_std
        setup = set_up(spec, with_weights(penalty, [1.0] * len(penalty.parts)).parts)
        missing = [q.weight is None for q in penalty.parts]
        return cls(setup, missing, None if given is None else given * setup.scale, workers)

    def in_user_units(self, weights: Weights) -> Weights:
        """The weights in the user's units, of the image and of lengths."""
        return tuple(w / one for w, one in zip(weights, self.ones, strict=True))

    # -- what is asked, and whether it is sound ----------------------------------------------------------------------

    def resolve_rule(self, rule: str) -> str:
        """The rule that "auto" means here; raises ValueError where a rule says nothing about this problem."""
        if rule == "auto":
            rule = "gcv" if self.given is None and self._not_an_image else "sure"
            rule = rule if self.plain else "discrepancy"
        self._require_sound(rule)
        return rule

    def _require_sound(self, rule: str) -> None:
        """Raise ValueError, naming the remedy, where a rule says nothing about this problem."""
        problem, several = self.problem, len(self.missing) > 1
        part = problem.parts[self.missing[0]]
        if not self.plain and (several or rule in ("sure", "gcv")):
            instead = "give all weights but one, or all" if several else "use weight='discrepancy' with noise_std="
            raise ValueError(
                f"weight={rule!r} says nothing: with pixel weights beside 0 and 1 only the discrepancy is left, one condition "
                f"for one weight: {instead}"
            )
        if rule == "risk-refit" and (problem.operator is not None or not self.plain):
            raise ValueError(f"weight={rule!r} is for images without an operator, pixel weights of 0 and 1; use weight='auto'")
        if rule in ("universal", "noise", "false-alarms") and (problem.operator is not None or problem.m is not None):
            raise ValueError(f"weight={rule!r} is for images without operator, mask or pixel weights; use weight='auto'")
        if rule == "universal" and not (len(problem.parts) == 1 and isinstance(part, L1)):
            raise ValueError("weight='universal' is for L1 alone; use weight='auto'")
        if rule in ("noise", "false-alarms", "discrepancy") and several:
            raise ValueError(f"weight={rule!r} is one condition for {len(self.missing)} weights; use weight='auto' or 'sure'")
        if rule == "noise" and (len(problem.parts) > 1 or part.null_space != "zero"):
            raise ValueError("weight='noise' is for a penalty of one part that clears, such as groups; use weight='auto'")
        if rule == "false-alarms" and (len(problem.parts) > 1 or law(part, problem.shape) is None):
            known = "L1, GroupLasso, windows of 2 to 5 pixels and total variation of gray images"
            raise ValueError(f"weight='false-alarms' knows {known}, alone and without weights of their own; use weight='noise'")
        if rule in _NEEDS_NOISE and self.given is None and self._not_an_image:
            raise ValueError(f"weight={rule!r} needs noise_std=: it cannot be estimated from what this operator gives")

    @property
    def _not_an_image(self) -> bool:
        operator = self.problem.operator
        return operator is not None and not isinstance(operator.operator, Blur)

    @property
    def _smooths(self) -> bool:
        """Whether some part draws pixels to each other, and not only to zero."""
        return any(q.null_space != "zero" for q in self.problem.parts)

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

    def choose(self, rule: str) -> Weights:
        """The weights that are missing."""
        settled = self.without_noise()
        if settled is not None and (rule != "gcv" or self.spread == 0):
            return settled
        if rule == "universal":
            return (self.noise * math.sqrt(2 * math.log(max(self.problem.y.size, 2))),)
        if rule == "false-alarms":
            return (self.noise * float(law(self.problem.parts[0], self.problem.shape) or 0.0),)
        if rule == "noise":
            return (self.noise * _damping(self.problem.parts[0], _large(self.problem)),)
        guess = self.guess(self.noise or _FAINT * self.spread)
        if rule == "discrepancy":
            return (self._discrepancy(guess[0]),)
        # two weights are found to half an octave, one to a quarter
        steps = (1.0, 0.5) if len(guess) > 1 else (1.0, 0.5, 0.25)
        score = functools.partial(self.score, rule=rule)
        return least(score, guess, _EVALUATIONS[len(guess) > 1], steps, self._slack)

    def without_noise(self) -> Weights | None:
        """The weights where there is nothing, or no noise, to take away; None where there is."""
        if self.spread == 0 or (self.noise == 0 and self.seen is None):
            # every weight would only move the image from the truth
            return (0.0,) * len(self.missing)
        # a mask leaves pixels to be filled, by as little weight as does it
        return self.guess(_FAINT * self.spread) if self.noise == 0 else None

    def told_noise(self, spec: ProblemSpec, rule: str, weights: Weights) -> float | None:
        """The noise in the user's units, given or estimated; warns where it was hard to tell."""
        given, scale = spec.noise_std, self.setup.scale
        noise = given if given is not None or rule == "gcv" else self.noise / scale
        y = self.problem.y / scale
        the_image = f"in the image, of shape {np.shape(spec.image)} from {y.min():.6g} to {y.max():.6g}"
        if given is None and self.noise == 0 and self.spread > 0 and not any(weights):
            warn(f"no noise was found {the_image}, and the weight is 0: give noise_std= or the weight", UserWarning)
        elif given is None and rule != "gcv" and self.found.doubtful:
            told = f"noise and texture can hardly be told apart {the_image}"
            warn(f"{told}: the weight takes the noise to be {noise:.3g}, which may be too large; give noise_std=", UserWarning)
        return noise

    @property
    def _slack(self) -> float:
        """The difference of scores that is worth no step: a thousandth of a decibel or so."""
        return 1e-4 * self.noise**2

    def guess(self, noise_std: float) -> Weights:
        """About what removes such noise: 2 s / ||K||; less for what only clears where another part smooths."""
        problem = self.problem
        guess = []
        for i in self.missing:
            q = problem.terms[i]
            share = 1 / 32 if self._smooths and q.null_space == "zero" else 1.0
            # what was blurred together holds less noise
            share *= 1.0 if problem.operator is None else 1 / 8
            guess.append(2 * share * noise_std / math.sqrt(q.norm_squared or 1.0))
        return tuple(guess)

    # -- fits --------------------------------------------------------------------------------------------------------

    def _problem_of(self, y: Array, weights: Weights) -> Problem:
        problem = self.problem
        parts = list(problem.parts)
        for i, weight in zip(self.missing, weights, strict=True):
            parts[i] = parts[i].with_weight(weight)
        m, lo, hi = (v.astype(y.dtype) if isinstance(v, np.ndarray) else v for v in (problem.m, problem.lo, problem.hi))
        problem = problem_of(Posed(y, parts, problem.shape, problem.operator, m, lo, hi))
        problem.configure(self.workers, _LOOSE)
        return problem

    def _residual(self, y: Array, x: Array) -> float:
        return total(self.problem.data.m * np.square(np.subtract(self.problem.forward(x), y, dtype=np.float64)))

    @functools.cached_property
    def _y(self) -> Array:
        """The image that is fitted; in float32, twice as fast, where that holds it to a ten-thousandth of the noise."""
        y = self.problem.y if self.seen is None else np.where(self.seen, self.problem.y, self.problem.dtype.type(0))
        largest = float(np.abs(y).max())
        held = self.noise > 1e-15 and largest < 1e15 and largest * float(np.finfo(np.float32).eps) < 1e-4 * self.noise
        return y.astype(np.float32) if held else y

    @functools.cached_property
    def _probe(self) -> Array:
        """Seeded signs on the measured pixels, a fraction of the noise in size and well above rounding."""
        y = self._y
        size = max(_PROBE * (self.noise or _FAINT * self.spread), 64 * float(np.finfo(y.dtype).eps) * float(np.abs(y).max()))
        signs = np.random.default_rng(0).integers(0, 2, y.shape) * 2 - 1
        return (size * (signs if self.seen is None else signs * self.seen)).astype(y.dtype)

    def score(self, weights: Weights, rule: str) -> float:
        """The score that the rule makes small: risk, GCV or the distance from the discrepancy."""
        if weights not in self.fits:
            residual, df = self._residual_and_df(weights)
            self.fits[weights] = df, residual / self.n
        df, r = self.fits[weights]
        share = df / self.n
        if rule == "sure":
            return r - self.noise**2 + 2 * self.noise**2 * share
        if rule == "gcv":
            return r / (1 - share) ** 2 if share < 1 else math.inf
        return abs(r - self.noise**2)

    def _residual_and_df(self, weights: Weights) -> tuple[float, float]:
        """Exact where an exact algorithm shows the flat pieces; else by the derivative of a fixed number of iterations."""
        y = self._y
        problem = self._problem_of(y, weights)
        if isinstance(problem, DenoisingProblem) and problem.has_exact and _shows_pieces(problem.denoising):
            x = _fit(problem, 0.0, 0)
            return self._residual(y, x), _free(problem.denoising, x)
        moved = y + self._probe
        # as it was rounded
        delta = moved - y
        x, iterations = self._near_fit(problem)
        again = _fit(self._problem_of(moved, weights), self._step(problem), iterations)
        change = self.problem.forward(again - x)
        square = total(np.square(delta, dtype=np.float64))
        df = self.n * total(np.multiply(delta, change, dtype=np.float64)) / square if square > 0 else 0.0
        return self._residual(y, x), df

    def _near_fit(self, problem: Problem) -> tuple[Array, int]:
        """A fit near enough to the answer, as its gap tells, and the iterations that it took."""
        if problem.has_exact:
            return _fit(problem, 0.0, 0), 0
        noise = max(self.noise, _LEAST_NOISE * self.spread)
        steps, iterations = _steps(problem, self._step(problem)), self._iterations
        next(steps)
        pair = steps.send(iterations)
        enough = 0.5 * self.n * (_NEAR * noise) ** 2
        while 2 * iterations <= _MOST_ITERATIONS and problem.certificate(*pair).gap > enough:
            pair, iterations = steps.send(iterations), 2 * iterations
        return problem.image_of(pair[0]).astype(np.float64), iterations

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

    # -- discrepancy -------------------------------------------------------------------------------------------------

    def _discrepancy(self, guess: float) -> float:
        """The weight with sum m (A x - y)^2 = s^2 sum m, which grows with the weight: bracketed in octaves, then halved."""
        search = _Residual(self, guess)
        trivial = self.problem.trivial.image
        if trivial is not None and self._residual(self._y, trivial) <= self.n * self.noise**2:
            # all that is left of the image by the largest weight fits the noise
            search(_FAR)
            return guess * math.exp2(_FAR)
        low = high = 0.0
        at_low = at_high = search(0.0)
        while at_low > 0 and low > -2 * _FAR:
            high, at_high, low = low, at_low, low - 1
            at_low = search(low)
        while at_high < 0 and high < 2 * _FAR:
            low, at_low, high = high, at_high, high + 1
            at_high = search(high)
        middle = low if at_low > 0 else high
        for _ in range(3 if at_low < 0 < at_high else 0):
            middle = low + (high - low) * min(max(at_low / (at_low - at_high), 0.1), 0.9)
            value = search(middle)
            if abs(value) < 0.01:
                break
            low, at_low, high, at_high = (middle, value, high, at_high) if value < 0 else (low, at_low, middle, value)
        return guess * math.exp2(middle)

    def _solved(self, weights: Weights, start: tuple[Array, Array] | None) -> tuple[Array, tuple[Array, Array]]:
        """The answer to a loose tolerance, from an earlier one."""
        problem = self._problem_of(self._y, weights)
        x, p = (problem.start(), np.zeros(problem.stack.size, problem.dtype)) if start is None else start
        steps = SOLVERS[auto_method(problem)](problem, x, problem.stack.project(p.copy()))
        best = run(problem, steps, _LOOSE, Options(maxiter=300)).best
        x = best.x.copy()
        return problem.image_of(x), (x, best.p.copy())

    # -- what is told ------------------------------------------------------------------------------------------------

    def path(self, rule: str) -> dict[str, Array] | None:
        """The weights tried, in their order, with score, degrees of freedom and mean squared residual, in the user's units."""
        if not self.fits:
            return None
        order = sorted(self.fits)
        scale = self.setup.scale
        weights = np.array([self.in_user_units(w) for w in order]).reshape(len(order), len(self.missing))
        df, residual = np.array([self.fits[w] for w in order]).T
        score = np.array([self.score(w, rule) for w in order])
        # the square of an extreme image is no number
        with np.errstate(over="ignore", under="ignore"):
            score, residual = score / scale / scale, residual / scale / scale
        chosen = weights if len(self.missing) > 1 else weights[:, 0]
        return {"weight": chosen, "score": score, "degrees_of_freedom": df, "residual": residual}


class _Residual:
    """The logarithm of the residual over what the noise leaves, at octaves from a guess; each solve starts from the last."""

    def __init__(self, task: _Task, guess: float) -> None:
        self.task, self.guess = task, guess
        self.start: tuple[Array, Array] | None = None

    def __call__(self, octave: float) -> float:
        task, weights = self.task, (self.guess * math.exp2(octave),)
        x, self.start = task._solved(weights, self.start)
        mean = task._residual(task._y, x) / task.n
        task.fits[weights] = math.nan, mean
        return math.log(max(mean, 1e-300)) - 2 * math.log(task.noise)


def _steps(problem: Problem, step: float) -> Steps:
    """Iterations from the dual 0 that do the same to every image: no step is found on the way."""
    p = np.zeros(problem.stack.size, problem.dtype)
    if not problem.is_denoising and auto_method(problem) == "admm":
        return admm.steps(problem, problem.start(), p, rho=step, adapt=False)
    return chambolle_pock.steps(problem, problem.start(), p, tau=step)


def _fit(problem: Problem, step: float, iterations: int) -> Array:
    """The exact image, or that after so many iterations, in float64, whatever their gap."""
    exact = problem.denoising.exact(dual=False) if isinstance(problem, DenoisingProblem) else None
    if exact is not None:
        return exact[0].astype(np.float64)
    steps = _steps(problem, step)
    next(steps)
    return problem.image_of(steps.send(iterations)[0]).astype(np.float64)


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


def _large(problem: Problem) -> tuple[int, ...]:
    """The shape of an image of about 65536 pixels, so that a rule for noise depends on no one's size; else the image's own."""
    axes = len(problem.shape) - 1
    shape = (problem.shape[0], *(round(65536 ** (1 / axes)),) * axes)
    try:
        problem.parts[0].bind(shape)
    except ValueError:
        # a penalty with a weight for each pixel
        return problem.shape
    return shape


@functools.lru_cache(maxsize=32)
def _damping(penalty: Penalty, shape: tuple[int, ...]) -> float:
    """The weight of that penalty which leaves a hundredth of noise of standard deviation 1; by simulation, seeded."""
    y = from_canonical(np.random.default_rng(0).standard_normal(shape), 0)
    low, high = -6.0, 6.0
    for _ in range(12):
        middle = (low + high) / 2
        # x to 1e-3 of the noise: a relative gap of half its square
        answer = penalty.with_weight(math.exp2(middle)).prox(y, channel_axis=0, tol=5e-7)
        low, high = (middle, high) if np.std(np.asarray(answer)) > _LEFT else (low, middle)
    return math.exp2(high)


def first_guess(spec: ProblemSpec, penalty: Penalty) -> Weights:
    """Weights of about the right size for the parts that lack one, in the user's units; as for least squares."""
    task = _Task.of(spec.replace(data="l2"), penalty, SERIAL)
    return task.in_user_units(task.guess(task.noise or _FAINT * task.spread))
