"""Many images of one size in one call, the answers those of as many calls of `solve`, bit for bit."""

from __future__ import annotations

import functools
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import OptimizeResult

from ._arrays import Array, as_float, power_of_two
from ._solve import AnyPenalty, attempt, check_call, resolve_penalty, warn_of_integers, weights_of
from ._workers import Workers
from .options import Options, parse
from .penalties import Nonconvex, Penalty, Reweighted, TotalVariation
from .penalties.denoising import Denoising
from .penalties.strips import SmallImages, fits
from .problem import LARGE, MARGINS, Problem
from .result import MESSAGES, ConvergenceWarning, warn
from .solvers.chambolle_pock import Schedule
from .solvers.driver import Pace

#: pixels of all images that are worked together
_AT_ONCE = 1 << 22


class BatchResult(OptimizeResult):
    """The answers of `proxsparse.solve_batch`: the fields of `SolveResult`, each an array over the images.

    Attributes
    ----------
    x : ndarray
        The images, one after the other along the first axis.
    fun, gap, rel_gap, x_error_bound : ndarray of float
        As in `SolveResult`.
    certified, success : ndarray of bool
        As in `SolveResult`.
    status, nit : ndarray of int
        As in `SolveResult`.
    message : list of str
        The statuses in words.
    method : list of str
        The algorithm that ran.
    time : ndarray of float
        Seconds; images that were worked together share theirs equally.
    weight : float, tuple or ndarray
        The weight of each part of the penalty; an array over the images where a rule chose them.
    weight_rule : list of str
        How the weight of each image was chosen; see `SolveResult`.
    """

    x: Array
    fun: Array
    gap: Array
    rel_gap: Array
    x_error_bound: Array
    certified: Array
    success: Array
    status: Array
    message: list[str]
    nit: Array
    method: list[str]
    time: Array
    weight: Any
    weight_rule: list[str]

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...


def solve_batch(images: Any, penalty: AnyPenalty = "tv", weight: Any = None, *, workers: int = 1, **kwargs: Any) -> BatchResult:
    """Minimise, for every image by itself, what `solve` minimises; the answers are those of `solve`, bit for bit.

    Small gray images under total variation are worked together in compiled code, so that Python costs little; others
    one by one.

    Parameters
    ----------
    images : array_like
        Images of one shape along the first axis, (N, H, W) for gray ones; `channel_axis` counts without the first.
    penalty, weight
        As in `solve`; a weight is the same for all images, one that a rule chooses is chosen for each by itself.
    workers : int
        Threads that share the images; the answers do not depend on it.
    **kwargs
        The other arguments of `solve`, the same for all images, but for `x0` and `callback`.

    Returns
    -------
    BatchResult
        x, fun, gap, rel_gap, success, status, message, nit, time and more, over the images.

    Raises
    ------
    ValueError, TypeError
        As `solve`; where it is about one image, its index is named.

    Warns
    -----
    ConvergenceWarning
        Once, with the number of images whose tolerance was not met.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> images = np.zeros((100, 28, 28), np.float32)
    >>> images[:, 8:20, 8:20] = 1
    >>> noisy = proxsparse.phantoms.add_noise(images, 0.1)
    >>> result = proxsparse.solve_batch(noisy, "tv", 0.1, tol=1e-3)
    >>> result.x.shape, bool(result.success.all())
    ((100, 28, 28), True)
    """
    kwargs = {name: value for name, value in kwargs.items() if value is not None}
    for name in kwargs.keys() - _ARGUMENTS:
        raise TypeError(f"solve_batch takes no {name!r}; beside the images, penalty, weight and workers it takes {_ARGUMENTS}")
    workers = parse("exact", {"workers": workers}).workers
    chosen, rule = resolve_penalty(penalty, weight)
    if isinstance(images, (list, tuple)):
        for i, image in enumerate(images):
            if isinstance(image, np.ma.MaskedArray):
                # refused by name: in a list the mask would be lost
                as_float(image, f"image {i}")
    given = np.asarray(images) if not isinstance(images, np.ma.MaskedArray) else images
    if given.ndim < 2 or len(given) == 0:
        raise ValueError(f"images must be at least one image along the first axis, got shape {given.shape}")
    result = BatchResult(weight=weights_of(chosen), weight_rule=["given"] * len(given), x=None)
    if rule is not None:
        # for each image by itself
        kwargs["rule"], parts = rule, len(chosen.parts)
        result.weight = np.zeros((len(given), parts) if parts > 1 else len(given))
    at_once = max(1, _AT_ONCE // max(given[0].size, 1))
    with Workers(workers) as pool:
        for first in range(0, len(given), at_once):
            begin = time.perf_counter()
            part = given[first : first + at_once]
            left = np.arange(len(part))
            together = _Together.of(part, chosen, pool, **kwargs)
            if together is not None:
                left = together.run(result, first, len(given))
                result.time[first : first + len(part)] = (time.perf_counter() - begin) / len(part)
            _one_by_one(part, first, len(given), chosen, left, result, pool, kwargs)
    result.message = [MESSAGES[status] for status in result.status.tolist()]
    warn_of_integers(given, chosen, kwargs.get("data", "l2"))
    # what is not convex is not certified, and no failure
    asked = isinstance(chosen, (Nonconvex, Reweighted))
    failed = np.flatnonzero(~result.success & ~((result.status == 6) & asked))
    if failed.size:
        worst = failed[np.argmax(result.rel_gap[failed])]
        warn(
            f"{failed.size} of {len(given)} images did not meet the tolerance; the largest relative gap is "
            f"{result.rel_gap[worst]:.2e}, of image {worst}: {result.message[worst]}",
            ConvergenceWarning,
        )
    return result


#: what `solve` takes and a batch takes too
_DEFAULTS = (("nan_policy", "raise"), ("data", "l2"))
_ARGUMENTS = {
    "method",
    "tol",
    "options",
    "data",
    "background",
    "operator",
    "observed",
    "bounds",
    "pixel_weight",
    "channel_axis",
    "nan_policy",
    "noise_std",
    "spacing",
}


def _one_by_one(
    part: Array, first: int, n: int, chosen: Penalty, left: Array, result: BatchResult, pool: Workers, kwargs: Any
) -> None:
    """Solve the images of these indices by themselves, and put the answers in their places, from `first` on among n."""

    def _solve(i: int) -> None:
        try:
            one = attempt(part[i], chosen, **kwargs)
        except (ValueError, TypeError) as error:
            raise type(error)(f"image {first + i}: {error}") from error
        if result.x is None:
            _allocate(result, n, one.x)
        for name in ("x", *_NUMBERS, "method", "time"):
            result[name][first + i] = one[name]
        if "rule" in kwargs:
            result.weight[first + i], result.weight_rule[first + i] = one.weight, one.weight_rule

    calls = [functools.partial(_solve, i) for i in left.tolist()]
    if calls and result.x is None:
        # the first says how large answers are
        calls.pop(0)()
    pool.run(calls)


_NUMBERS = {
    "fun": float,
    "gap": float,
    "rel_gap": float,
    "x_error_bound": float,
    "certified": bool,
    "success": bool,
    "status": int,
    "nit": int,
}


def _allocate(result: BatchResult, n: int, x: Array) -> None:
    result.x = np.empty((n, *x.shape), x.dtype)
    result.update({name: np.zeros(n, kind) for name, kind in _NUMBERS.items()}, method=[""] * n, time=np.zeros(n))


class _Together:
    """Small gray images under one total variation, every one as `driver.run` and `Problem.snapped` take it, all at once.

    An image that does not go the usual way, a gap that falls until it meets the tolerance, is left to be solved by itself.
    """

    def __init__(self, y: Array, penalty: TotalVariation, tol: float, options: Options, pool: Workers) -> None:
        self.y, self.penalty, self.tol, self.options = y, penalty, tol, options
        # what the images share, from one of them
        self.problem = Problem(y[:1], [penalty], (1, *y.shape[1:]))
        self.denoising = Denoising(y[:1], [penalty])
        self.images = SmallImages(y, penalty.isotropic, pool)
        scalar = y.dtype.type
        limits = (0.0, -math.inf, math.inf)
        self.in_sweep = (penalty._ball_radius(y, 2), *map(scalar, limits))
        self.in_sums = (penalty._w(), *limits)
        # images that cost nothing: F at the mean of each
        flat = y.reshape(len(y), -1)
        means = flat.mean(axis=1, dtype=np.float64, keepdims=True)
        self.trivial_fun = 0.5 * np.square(flat - means).sum(axis=1)
        self.floor = (8 * float(np.finfo(y.dtype).eps)) ** 2 * 0.5 * np.square(flat, dtype=np.float64).sum(axis=1)

    @classmethod
    def of(
        cls,
        given: Array,
        chosen: Penalty,
        pool: Workers,
        *,
        method: str = "auto",
        tol: float = 1e-4,
        options: Any = None,
        **about: Any,
    ) -> _Together | None:
        """The images, if there is nothing about them or the call that the compiled loop does not know."""
        tol = check_call(method, tol)
        about = {name: value for name, value in about.items() if (name, value) not in _DEFAULTS}
        if about or method not in ("auto", "chambolle-pock") or type(chosen) is not TotalVariation or not chosen.is_plain:
            return None
        shape = (1, *given.shape[1:])
        if given.ndim != 3 or not 0 < given[0].size <= LARGE or not fits(shape) or chosen._has_exact(shape, True):
            return None
        parsed = parse("chambolle-pock", options)
        if parsed.disp or math.isfinite(parsed.maxtime):
            return None
        y = as_float(given, "images")
        # an image that is not finite is named, one that has to be scaled is scaled, by itself
        largest = np.maximum(y.max(axis=(1, 2)), -y.min(axis=(1, 2)))
        sizes = np.sort(largest[largest > 0])
        if not np.isfinite(largest).all() or (sizes.size and not power_of_two(sizes[:1]) == power_of_two(sizes[-1:]) == 1):
            return None
        return cls(y, chosen, tol, parsed, pool)

    def run(self, result: BatchResult, first: int, many: int) -> Array:
        """Solve, and put the answers in their places, from `first` on among `many`; returns the indices of the images left."""
        n, dtype, options = len(self.y), self.y.dtype, self.options
        x = self.images.y.copy()
        xbar, p = x.copy(), np.zeros((n, 2, x.shape[1]), dtype)
        schedule = Schedule(self.denoising, options.method.get("tau"), options.method.get("gamma"))
        paces = [Pace(self.problem) for _ in range(n)]
        nit, count = np.zeros(n, int), np.zeros(n, int)
        fun, gap, status = np.zeros(n), np.full(n, np.inf), np.full(n, -1)
        active = np.arange(n)
        while active.size:
            before = gap[active]
            fun[active], gap[active] = self._measure(x, p, active)
            rel_gap = self._relative(gap, fun)
            unusual = self._unusual(active, before, gap, fun, rel_gap, nit)
            ended = np.where(rel_gap[active] <= self.tol, 0, np.where(nit[active] >= options.maxiter, 1, -1))
            status[active] = np.where(unusual, -2, ended)
            active = active[status[active] == -1]
            for i in active.tolist():
                steps = options.check_every or paces[i](int(nit[i]), float(rel_gap[i]), self.tol)
                count[i] = min(steps, options.maxiter - nit[i])
            if active.size:
                steps = schedule.table(int((nit + count)[active].max()), dtype)
                self.images.sweep(x, xbar, p, self.in_sweep, steps, nit, count, chosen=active)
                nit[active] += count[active]
        done = np.flatnonzero(status >= 0)
        self._snap(x, p, fun, gap, done)
        if result.x is None:
            _allocate(result, many, self.y[0])
        rel_gap = self._relative(gap, fun)
        met = rel_gap <= self.tol
        answers = {"fun": fun, "gap": gap, "rel_gap": rel_gap, "x_error_bound": np.sqrt(2 * gap), "success": met, "nit": nit}
        answers |= {"x": x.reshape(self.y.shape), "status": np.where(met, 0, status), "certified": True}
        for name, values in answers.items():
            result[name][first : first + n] = values
        result.method[first : first + n] = ["chambolle-pock"] * n
        return np.flatnonzero(status < 0)

    def _measure(self, x: Array, p: Array, chosen: Array) -> tuple[Array, Array]:
        """The objective and the gap, as `Denoising.measure`."""
        own, value, loss, data, _ = self.images.sums(x, p, self.in_sums, chosen).T
        return data + value, np.maximum(np.maximum(loss, 0.0) + own, 0.0)

    def _relative(self, gap: Array, fun: Array) -> Array:
        """As `Certificate.rel_gap`."""
        quotient = np.divide(gap, fun, out=np.full(gap.shape, np.inf), where=fun > 0)
        return np.where((np.maximum(gap, fun) <= self.floor) | (gap == 0), 0.0, quotient)

    def _unusual(self, active: Array, before: Array, gap: Array, fun: Array, rel_gap: Array, nit: Array) -> Array:
        """Not finite; a gap that rose; an image no better than its mean; a gap of the size of rounding."""
        rounding = 1e3 * float(np.finfo(self.y.dtype).eps)
        return np.asarray(
            ~np.isfinite(fun[active])
            | ~(gap[active] <= before)
            | ((nit[active] > 0) & (self.trivial_fun[active] <= fun[active] * (1 + 1e-6)))
            | ((rel_gap[active] > self.tol) & (rel_gap[active] <= rounding))
        )

    def _snap(self, x: Array, p: Array, fun: Array, gap: Array, left: Array) -> None:
        """As `Problem.snapped`: flat regions made exact where the gap falls."""
        for margin in MARGINS["constants"]:
            if not left.size:
                return
            snapped = x.copy()
            joined = np.ascontiguousarray(self.penalty._joined(p.swapaxes(0, 1), margin).swapaxes(0, 1))
            self.images.flatten(snapped, joined, left)
            left = left[(snapped[left] != x[left]).any(axis=1)]
            new_fun, new_gap = self._measure(snapped, p, left)
            better = new_gap <= gap[left]
            accepted = left[better]
            x[accepted], fun[accepted], gap[accepted] = snapped[accepted], new_fun[better], new_gap[better]
            left = left[~better]
