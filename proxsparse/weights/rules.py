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
from typing import NamedTuple

import numpy as np

from ..arrays.checks import unknown
from ..arrays.layout import from_canonical
from ..arrays.numbers import Array
from ..penalties import L1
from ..penalties.base import Penalty, with_weights
from ..problems.problem import Problem
from ..problems.setup import set_up
from ..problems.spec import ProblemSpec
from ..result import warn
from ..runtime.workers import SERIAL, Workers
from ..solvers.options import Options
from ..solvers.registry import SOLVERS, auto_method
from ..solvers.run import run
from .false_alarms import law
from .fits import FAINT, LOOSE, Fits, Weights
from .search import least

#: the rules that are known; docs/weights.md says what each is for
RULES = ("auto", "sure", "gcv", "discrepancy", "universal", "noise", "false-alarms", "risk-refit")
#: octaves beyond a guess, where a weight leaves little or nothing to be found
_FAR = 8.0
#: what "noise" leaves of the standard deviation of pure noise (Chen & Selesnick, IEEE TSP 2014, section V)
_LEFT = 0.01
#: the most evaluations for one weight and for several
_EVALUATIONS = (14, 16)


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


class _Task(Fits):
    """A posed problem whose weights are sought by a rule."""

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

    @functools.cached_property
    def _not_an_image(self) -> bool:
        operator = self.problem.operator
        return operator is not None and not operator.operator.gives_image(operator.own_shape)

    @property
    def _smooths(self) -> bool:
        """Whether some part draws pixels to each other, and not only to zero."""
        return any(q.null_space != "zero" for q in self.problem.parts)

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
        guess = self.guess(self.noise or FAINT * self.spread)
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
        return self.guess(FAINT * self.spread) if self.noise == 0 else None

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

    # -- scores ------------------------------------------------------------------------------------------------------

    def score(self, weights: Weights, rule: str) -> float:
        """The score that the rule makes small: risk, GCV or the distance from the discrepancy."""
        if weights not in self.fits:
            residual, df = self.residual_and_df(weights)
            self.fits[weights] = df, residual / self.n
        df, r = self.fits[weights]
        share = df / self.n
        if rule == "sure":
            return r - self.noise**2 + 2 * self.noise**2 * share
        if rule == "gcv":
            return r / (1 - share) ** 2 if share < 1 else math.inf
        return abs(r - self.noise**2)

    # -- discrepancy -------------------------------------------------------------------------------------------------

    def _discrepancy(self, guess: float) -> float:
        """The weight with sum m (A x - y)^2 = s^2 sum m, which grows with the weight: bracketed in octaves, then halved."""
        search = _Residual(self, guess)
        trivial = self.problem.trivial.image
        if trivial is not None and self.residual(self.fitted, trivial) <= self.n * self.noise**2:
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
        problem = self.problem_with(self.fitted, weights)
        x, p = (problem.start(), np.zeros(problem.stack.size, problem.dtype)) if start is None else start
        steps = SOLVERS[auto_method(problem)](problem, x, problem.stack.project(p.copy()))
        best = run(problem, steps, LOOSE, Options(maxiter=300)).best
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
        mean = task.residual(task.fitted, x) / task.n
        task.fits[weights] = math.nan, mean
        return math.log(max(mean, 1e-300)) - 2 * math.log(task.noise)


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
    return task.in_user_units(task.guess(task.noise or FAINT * task.spread))
