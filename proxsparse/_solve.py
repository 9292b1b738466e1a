"""The front end: validate, pose the problem, choose the method, run it, and say what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays.checks import check_spacing, explained, unknown
from .arrays.kinds import of_its_kind
from .arrays.numbers import Array, as_scalar
from .data_terms import DATA, DataTerm, Huber
from .dual.term import Term
from .metrics import noise_std as estimate_noise
from .operators import MatrixOperator
from .penalties import Penalty, TotalVariation
from .penalties.base import with_weights
from .penalties.names import penalty_named
from .penalties.nonconvex import Nonconvex
from .penalties.regions import Regions
from .penalties.reweighted import Reweighted
from .problems.certificate import Certificate
from .problems.identify import identified
from .problems.kinds import problem_of
from .problems.nothing_left import warn_of_nothing_left
from .problems.posed import Posed
from .problems.problem import Problem
from .problems.refit import ACCURACY, refit
from .problems.setup import ProblemSetup, set_up
from .problems.spec import ProblemSpec
from .result import MESSAGES, ConvergenceWarning, SolveResult, warn
from .runtime.progress import Progress
from .runtime.workers import SERIAL, Workers
from .solvers.driver import run
from .solvers.nonconvex import solve_nonconvex, solve_reweighted
from .solvers.options import METHODS, Options, parse
from .solvers.regions import solve_regions
from .solvers.registry import SOLVERS, auto_method, run_auto
from .weights import bootstrap
from .weights.rules import RULES, Choice, choose

#: what `solve` takes as penalty
AnyPenalty = str | Penalty | Nonconvex | Reweighted | Regions
#: the last three: what certifies nothing
UNCERTIFIED = (Nonconvex, Reweighted, Regions)


@explained
@of_its_kind
def solve(
    image: Any,
    penalty: AnyPenalty = "tv",
    weight: Any = None,
    *,
    data: str | DataTerm = "l2",
    operator: Any = None,
    observed: Any = None,
    bounds: Any = None,
    background: Any = None,
    pixel_weight: Any = None,
    channel_axis: int | None = None,
    spacing: Any = None,
    ndim: int | None = None,
    noise_std: float | None = None,
    x0: Any = None,
    method: str = "auto",
    tol: float = 1e-4,
    callback: Callable[[Any], object] | None = None,
    options: dict[str, Any] | None = None,
    nan_policy: str = "raise",
    debias: bool = False,
) -> SolveResult:
    """Minimise ``D(A x; y) + sum_i w_i P_i(x - b)`` over images x, within bounds, with a certificate.

    Parameters
    ----------
    image : array_like
        y: a signal, image or volume, optionally with a channel axis. float32 stays float32, float64 stays float64,
        float16 becomes float32, booleans and integers become float64 with their values unchanged. Never modified. The answer of
        a tensor of PyTorch's (on the processor) is a tensor, that of an xarray.DataArray has its dims and coordinates.
    penalty : str, Penalty, Nonconvex, Reweighted or Regions
        "l1", "tv", "tv-aniso", "tv2", "tgv", "group" (blocks of 4 pixels an axis), "overlap" (windows of 3), "wavelet",
        "l1+tv" and other sums, in any order, "none" (the data term and the bounds alone), "regions" (contiguous zeros, values
        kept: `Regions`), or an object such as ``TotalVariation(0.1)``, or a sum of objects, or one that is not convex (`MCP`,
        `SCAD`, `L0`, `Reweighted`, `Regions`), which nothing certifies.
    weight : float, tuple of float or str, optional
        w, in units of the image; for a sum one a part. Parts that have a weight of their own take none here. Left out, or
        "auto", the weight is chosen without the truth (docs/weights.md): by "sure", Stein's unbiased risk, with `noise_std` or
        the noise that the image tells; by "gcv", generalized cross-validation, with an operator from which it cannot be told;
        by "discrepancy", a residual as large as the noise, with pixel weights beside 0 and 1. These can be named, and
        "universal" for L1 alone, ``s sqrt(2 log N)``, "noise", the weight that leaves a hundredth of pure noise,
        "false-alarms", that at which anything is left of it once in a hundred images, and "risk-refit", the risk of what is
        returned: refitted (``debias=True``, where it is "auto" for penalties with zeros), reweighted or as it is. Where no
        noise is found the weight is 0.
    data : {"l2", "l1", "huber", "poisson"} or DataTerm
        D: ``1/2 sum_j m_j ((A x)_j - y_j)^2`` for white noise; `LeastAbsoluteDeviations` for a few pixels that are entirely
        wrong; `Huber`, between both, whose corner is 1.345 noise levels unless `Huber(delta)` says it; `Poisson` for counts,
        or `Poisson(background)`. All but the first need a weight: the rules that choose one are for least squares.
    operator : Operator, array, sparse matrix or LinearOperator, optional
        A; the identity by default. One that is not square on the image's size needs `as_operator`.
    observed : array_like of bool, optional
        True where a pixel was measured (scikit-image's inpainting masks are the other way round); the rest is filled by
        the penalty. Of the image's shape, with or without its channel axis.
    bounds : pair, optional
        (lo, hi): each None, a number, or an array of x's shape.
    background : float or array_like, optional
        b: a number, or an image of x's shape; 0 by default. L1 and groups then draw pixels to this level instead of black.
    pixel_weight : array_like, optional
        m >= 0, of the image's shape (without its channel axis, or with it); 1 by default. 0 means not measured.
    channel_axis : int, optional
        The axis of the channels. Isotropic total variation and windows couple them, L1 and anisotropic total variation
        do not.
    spacing : float or tuple of float, optional
        The distance of samples along each spatial axis, as of voxels that are no cubes: total variation, of second order and
        generalized too, divides differences by it. Penalties that know no differences take no notice.
    ndim : {1, 2, 3}, optional
        How many axes there are beside the channels, which is checked. 3 says that an image of three axes is a volume, and not
        a few images, or colours without `channel_axis`, of which there is a warning otherwise.
    noise_std : float, optional
        The standard deviation of white noise in the image; estimated where a rule needs it and it is not given.
    x0 : SolveResult or array_like, optional
        Where to start: an earlier result (its image and its dual), or an image.
    method : {"auto", "fista", "admm", "chambolle-pock", "exact"}
        Algorithms for the same answer. "exact" is there, with A = I, for signals under total variation (the taut string) and
        for L1, L2, disjoint and tree groups, wavelets and cosines alone (their formulas). "auto": the exact one where there is
        one; ADMM where there is an operator (or few pixels are measured) and its linear systems are solved exactly by
        transforms; else Chambolle-Pock (benchmarks/methods.py).
    tol : float
        The relative duality gap to reach.
    callback : callable, optional
        ``callback(intermediate_result)`` at every check, with a result holding x (a copy), fun, gap, rel_gap and nit.
        Raising StopIteration stops cleanly.
    nan_policy : {"raise", "omit"}
        Whether NaN in the image is an error or a pixel that was not measured. Infinity is always an error.
    debias : bool
        Give back in the result's `debiased` the contrast that shrinkage took away: least squares on the support and the flat
        regions for L1, groups and anisotropic total variation, covariant refitting for all others (Deledalle et al. 2017),
        whose plain refit would return the noise. `x` stays the minimiser.
    options : dict, optional
        For every method: maxiter (5000), maxtime (seconds), check_every (iterations), history (True), disp (False),
        workers (1: threads; total variation of gray images uses them, and the answer is the same bit for bit).
        "fista": step, backtracking, restart. "admm": rho, adapt, relaxation. "chambolle-pock": tau, gamma.

    Returns
    -------
    SolveResult
        x, fun, gap, rel_gap, x_error_bound, certified, success, status, message, nit, and more; under "regions" also stages
        and regions.

    Raises
    ------
    ValueError, TypeError
        What was given cannot be worked with; the message names the value.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not met; the best iterate is returned all the same.

    Notes
    -----
    Sums, never means. With least squares, for y, w, bounds multiplied by c > 0 the answer is multiplied by c. `gap` is the
    difference of the primal and the dual objective (Borwein & Lewis 2006; Chambolle & Pock 2016, section 3), in float64.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> result = proxsparse.solve(np.array([0.0, 0.0, 4.0, 4.0]), "tv", 1.0, tol=1e-8)
    >>> result.x.round(3)
    array([0.5, 0.5, 3.5, 3.5])
    >>> result.success
    True
    """
    chosen, rule = resolve_penalty(penalty, weight)
    spec = ProblemSpec(
        image,
        data=data,
        background=background,
        spacing=spacing,
        noise_std=noise_std,
        operator=operator,
        observed=observed,
        bounds=bounds,
        pixel_weight=pixel_weight,
        channel_axis=channel_axis,
        ndim=ndim,
        nan_policy=nan_policy,
    )
    spec.warn_of_axes(image, "the image", "solve_batch where the first axis numbers images", chosen)
    search = {"x0": x0, "method": method, "tol": tol, "callback": callback, "options": options, "debias": debias}
    result = solve_spec(spec, chosen, rule, **search)
    warn_of_nothing_left(spec, chosen, result)
    return result


def solve_spec(spec: ProblemSpec, chosen: Any, rule: str | None = None, *, tol: float = 1e-4, **search: Any) -> SolveResult:
    """`solve` from its spec, with its warnings."""
    result = solve_quietly(spec, chosen, rule, tol=tol, **search)
    # a weight that was chosen is in units of the image, and beside other data terms it is in none
    warn_of_integers(spec.image, chosen, spec.data)
    if not result.success and not (result.status == 6 and isinstance(chosen, UNCERTIFIED)):
        warn(
            f"{result.message} Relative gap {result.rel_gap:.2e}, tol {float(tol):.2e}, after {result.nit} iterations of "
            f"{result.method}.",
            ConvergenceWarning,
        )
    return result


# what overflows is infinite, and the sums of what is infinite are measured as such
@np.errstate(over="ignore", invalid="ignore")
def solve_quietly(
    spec: ProblemSpec,
    chosen: Any,
    rule: str | None = None,
    *,
    x0: Any = None,
    method: str = "auto",
    tol: float = 1e-4,
    callback: Callable[[Any], object] | None = None,
    options: dict[str, Any] | None = None,
    debias: bool = False,
) -> SolveResult:
    """`solve` without its warnings, for a penalty whose weights are settled, or chosen by a rule."""
    begin = time.perf_counter()
    tol = check_call(method, tol, callback)
    call: dict[str, Any] = {"method": method, "tol": tol, "callback": callback, "options": options}
    if isinstance(chosen, (Reweighted, Regions)):
        if rule == bootstrap.RULE:
            convex = _spaced(chosen.penalty, spec.spacing) if isinstance(chosen, Reweighted) else TotalVariation()
            choice = _by_bootstrap(spec, chosen, convex, options, debias)
            result = solve_quietly(spec, choice.penalty, x0=x0, debias=debias, **call)
            result.update(weight_rule=choice.rule, noise_std=choice.noise_std, weight_path=choice.path)
            result.time = time.perf_counter() - begin
            return result
        if isinstance(chosen, Regions):
            return solve_regions(solve_quietly, spec, chosen, rule, x0, debias=debias, **call)
        return solve_reweighted(solve_quietly, spec, chosen, rule, x0, debias=debias, **call)
    said, spec = spec.data, _settled(spec)
    if isinstance(chosen, Nonconvex):
        if rule is not None or debias:
            raise ValueError(f"{chosen!r} needs a weight, and is not debiased: no rule is known for what is not convex")
        return solve_nonconvex(spec, chosen, x0=x0, **call)
    chosen = _spaced(chosen, spec.spacing)
    if debias and not spec.term.quadratic:
        raise ValueError(f"debias is for least squares, not for data={said!r}")
    if rule is not None and not spec.term.quadratic:
        raise ValueError(f"data={said!r} needs a weight: the rules that choose one are for least squares")
    choice = Choice(chosen, "given", spec.noise_std, None)
    if rule is not None:
        threads = parse(
            "exact", {"workers": options["workers"]} if isinstance(options, dict) and "workers" in options else None
        )
        refit = rule == bootstrap.RULE or (rule == "auto" and debias and bootstrap.chosen_by_refit(chosen, spec))
        if refit:
            # the parts know of the spacing already
            choice = _by_bootstrap(spec.replace(spacing=None), chosen, chosen, options, debias)
        else:
            choice = choose(spec, chosen, rule, workers=threads.workers)
    chosen = choice.penalty
    setup = set_up(spec, chosen.parts)
    problem = setup.problem
    chosen_here = method == "auto"
    if chosen_here:
        method = auto_method(problem)
    parsed = parse(method, options)
    left: list[tuple[str, int]] = []
    with Workers(parsed.workers) as workers, contextlib.closing(_Report(callback, parsed, tol, setup)) as report:
        problem.configure(workers, tol)
        if chosen_here and not parsed.method:
            ended, method, left = run_auto(problem, method, setup.start(x0), tol, parsed, report)
        else:
            ended = run(problem, SOLVERS[method](problem, *setup.start(x0), **parsed.method), tol, parsed, report)
        # what is exact, or not finite, gains nothing
        done = method == "exact" or ended.status == 5 or ended.identified
        best = ended.best if done else identified(problem, ended.best, tol)
    status = 0 if best.certified and best.rel_gap <= tol else ended.status
    result = _result(setup, best, status)
    if left:
        told = ", then ".join(f"{name} until iteration {nit}" for name, nit in left)
        result.message += f" Slow to converge: {told}, then {method}."
    result.update(nit=ended.nit, method=method, weight=weights_of(chosen), weight_rule=choice.rule)
    result.update(noise_std=choice.noise_std, weight_path=choice.path)
    result.history = _history(setup, ended.history)
    result.debiased = _debiased(setup, best, method, parsed) if debias else None
    result.time = time.perf_counter() - begin
    return result


def _by_bootstrap(spec: ProblemSpec, chosen: Any, convex: Penalty, options: Any, debias: bool) -> Choice:
    """The weights of least risk of what is returned: the refit, the reweighted answer, or the answer itself."""
    limits = {name: value for name, value in (options or {}).items() if name == "workers"}

    def returned(moved: ProblemSpec, weights: Any, before: SolveResult | None) -> SolveResult:
        return solve_quietly(moved, weighted(chosen, weights), x0=before, tol=bootstrap.TOL, options=limits, debias=debias)

    weights, noise, path = bootstrap.choose_by_bootstrap(returned, spec, convex)
    return Choice(weighted(chosen, weights), bootstrap.RULE, noise, path or None)


def _debiased(setup: ProblemSetup, best: Certificate, method: str, options: Options) -> Array:
    """The answer refitted; see `problems/refit.py`."""
    problem, x = setup.problem.image_problem, setup.problem.image_of(best.x)
    _, duals = setup.problem.parts_and_duals(best)

    def _solved(y: Array) -> Array:
        operator, m, lo, hi = problem.operator, problem.m, problem.lo, problem.hi
        again = problem_of(Posed(y, problem.parts, problem.shape, operator, m, lo, hi))
        tol = max(ACCURACY, 10 * float(np.finfo(y.dtype).eps))
        again.configure(SERIAL, tol)
        steps = SOLVERS[method](again, *again.start_from(x, duals))
        ended = run(again, steps, tol, dataclasses.replace(options, maxiter=4 * options.maxiter, history=False))
        if ended.best.rel_gap > 100 * tol:
            warn(f"the refit is of an answer with a relative gap of {ended.best.rel_gap:.1e} only", ConvergenceWarning)
        return again.image_of(ended.best.x)

    return setup.with_background(refit(problem, x, _solved))


def _settled(spec: ProblemSpec) -> ProblemSpec:
    """The spec with the corner of Huber's data term, from the noise where it was not given."""
    if not isinstance(spec.term, Huber) or spec.term.delta is not None:
        return spec
    noise = spec.noise_std
    if noise is None and spec.operator is not None:
        raise ValueError("data='huber' with an operator needs noise_std=, or Huber(delta)")
    if noise is None:
        setup = set_up(spec.replace(data="l2"), [])
        seen = None if setup.problem.m is None else setup.problem.m > 0
        noise = estimate_noise(setup.problem.y, channel_axis=0, observed=seen) / setup.scale
    if not noise > 0:
        raise ValueError("no noise was found in the image: give Huber(delta)")
    return spec.replace(data=Huber(1.345 * noise))


def check_call(method: Any, tol: Any, callback: Any = None) -> float:
    """Check the method's name, the tolerance and the callback; returns the tolerance."""
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    tol = as_scalar(tol)
    if isinstance(tol, bool) or not isinstance(tol, (int, float, np.number)) or not tol >= 0:
        raise ValueError(f"tol must be a number >= 0, got {tol!r}")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback must be callable, got {callback!r}")
    return float(tol)


@explained
def denoise(image: Any, penalty: AnyPenalty = "tv", weight: Any = None, **kwargs: Any) -> Array:
    """Return ``solve(image, penalty, weight, **kwargs).x``: the image alone.

    Fits `skimage.restoration.calibrate_denoiser`, which wants image in, image out.

    Parameters
    ----------
    image, penalty, weight
        As in `solve`.
    **kwargs
        The other arguments of `solve`.

    Returns
    -------
    ndarray
        The minimiser, to the tolerance.
    """
    return solve(image, penalty, weight, **kwargs).x


def resolve_penalty(penalty: AnyPenalty, weight: Any) -> tuple[Any, str | None]:
    """Return the penalty, and the rule that is to choose the weights its parts still lack; None where they lack none.

    A part has its weight from the object, from the call, or from the rule; never from two of them.

    Raises
    ------
    ValueError
        A weight in both places, a tuple of the wrong length, an unknown name.
    """
    if isinstance(penalty, str):
        chosen: Any = penalty_named(penalty)
    elif isinstance(penalty, (Penalty, *UNCERTIFIED)):
        chosen = penalty
    else:
        raise TypeError(f"penalty must be a name or a Penalty, got {_what_it_is(penalty)}")
    missing = sum(part.weight is None for part in chosen.parts)
    if weight is None:
        return chosen, "auto" if missing else None
    if not missing:
        raise ValueError(f"weight={weight!r} was given, but {chosen!r} has a weight of its own")
    if isinstance(weight, str):
        if _is_number(weight):
            raise TypeError(f"weight={weight!r} is a text: give the number, weight={weight}")
        if weight not in RULES:
            raise unknown("rule for the weight", weight, RULES)
        return chosen, weight
    weights = list(weight) if isinstance(weight, (tuple, list, np.ndarray)) and np.ndim(weight) else [weight]
    if len(weights) != missing:
        if np.size(weight) > 3:
            own = "a weight for each pixel is pixel_weight= of L1 and TotalVariation, one for each group group_weight="
            raise ValueError(f"weight is one number a part, got an array of shape {np.shape(weight)}; {own}")
        raise ValueError(f"{penalty!r} needs {missing} weights, one a part: got weight={weight!r}")
    return weighted(chosen, weights), None


def _what_it_is(penalty: Any) -> str:
    """The repr of an argument that is no penalty, or its kind and the call that was probably meant."""
    if isinstance(penalty, type) and issubclass(penalty, (Penalty, *UNCERTIFIED)):
        return f"the class {penalty.__name__}: give an object, {penalty.__name__}(weight)"
    if isinstance(penalty, (int, float, np.number)) and not isinstance(penalty, bool):
        return f"{penalty!r}: the weight is the third argument, solve(image, 'tv', {penalty!r})"
    if hasattr(penalty, "shape") and hasattr(penalty, "dtype"):
        return f"an array of shape {tuple(penalty.shape)}: the image comes first, solve(image, penalty, weight)"
    return repr(penalty)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def weighted(penalty: Any, weights: Sequence[Any]) -> Any:
    """The penalty with these weights for the parts that lack them."""
    if isinstance(penalty, Reweighted):
        return penalty.with_weights(weights)
    return penalty.with_weight(weights[0]) if isinstance(penalty, UNCERTIFIED) else with_weights(penalty, weights)


def _spaced(penalty: Penalty, spacing: Any) -> Penalty:
    """The penalty with that distance of samples, in the parts that know of one."""
    if check_spacing(spacing) is None:
        return penalty
    parts = [part._spaced(spacing) for part in penalty.parts]
    return sum(parts[1:], parts[0])


def weights_of(penalty: Penalty) -> Any:
    """The weight of each part; a number where there is one part."""
    weights = tuple(part.weight for part in penalty.parts)
    return weights if len(weights) > 1 else weights[0]


def warn_of_integers(image: Any, penalty: Any, data: Any) -> None:
    """Warn where integers meet a weight below 1 that is in units of the image, and most likely meant for [0, 1]."""
    term = DATA[data] if isinstance(data, str) else data
    in_units = [part for part in penalty.parts if term.degree == 2 and getattr(part, "degree", 1) != 2]
    small = [part.weight for part in in_units if part.weight is not None and 0 < part.weight < 1]
    if small and np.asarray(image).dtype.kind in "iu":
        warn(
            f"the image holds integers and is not rescaled: a weight of {small[0]:g} is in units of its values; "
            "divide the image by its range if the weight is meant for [0, 1]",
            UserWarning,
        )


def _result(setup: ProblemSetup, best: Certificate, status: int) -> SolveResult:
    """The certificate in the user's units and layout."""
    problem = setup.problem
    mu = problem.image_problem.mu if best.certified else 0.0
    parts, own = problem.parts_and_duals(best)
    names, duals = ["data", *_term_names(parts)], zip(own, parts, setup.units, strict=True)
    return SolveResult(
        x=setup.image(best.x),
        fun=setup.unscaled(best.fun),
        gap=setup.unscaled(best.gap),
        rel_gap=best.rel_gap,
        x_error_bound=math.sqrt(2 * best.gap / mu) / setup.scale if mu > 0 else math.inf,
        certified=best.certified,
        stationarity=None if best.certified else best.residual,
        success=status == 0,
        status=status,
        message=_message(status, best, problem),
        terms=dict(zip(names, map(setup.unscaled, [best.data, *best.values]), strict=True)),
        data_dual=None if best.q is None else setup.data_dual(best.q),
        dual=tuple(setup.dual(*each) for each in duals),
    )


def _message(status: int, best: Certificate, problem: Problem) -> str:
    """The status in words, and what the certificate goes by."""
    told = [MESSAGES[status]]
    if not math.isfinite(best.fun) and not problem.data.everywhere:
        told.append("No image was found inside the domain A x + background >= 0, > 0 where there are counts; it may be empty.")
    if status == 0 and best.negligible and best.gap > 0:
        told = [f"The minimum is 0 as far as {problem.dtype} can tell."]
    linear = problem.image_problem.operator
    if best.certified and linear is not None and isinstance(linear.operator, MatrixOperator):
        told.append("The operator is taken as what its products return.")
    return " ".join(told)


def _history(setup: ProblemSetup, checks: list[tuple[int, float, float, float]]) -> dict[str, Array]:
    iteration, objective, gap, seconds = zip(*checks, strict=True) if checks else ((), (), (), ())
    return {
        "iteration": np.array(iteration, dtype=int),
        "objective": np.array([setup.unscaled(v) for v in objective], dtype=float),
        "gap": np.array([setup.unscaled(v) for v in gap], dtype=float),
        "seconds": np.array(seconds, dtype=float),
    }


def _term_names(parts: Sequence[Term]) -> list[str]:
    """The class of each part, numbered where two parts share it."""
    names = [type(q.penalty).__name__ for q in parts]
    return [n if names.count(n) == 1 else f"{n} {names[: i + 1].count(n)}" for i, n in enumerate(names)]


class _Report:
    """What happens at each check: the progress display and the user's callback."""

    def __init__(self, callback: Any, options: Options, tol: float, setup: ProblemSetup) -> None:
        self.callback, self.setup = callback, setup
        self.progress = Progress(tol, options.disp)

    def __call__(self, found: Certificate, nit: int) -> bool:
        self.progress.show(nit, found.rel_gap)
        if self.callback is None:
            return False
        setup = self.setup
        x, fun, gap = setup.image(found.x), setup.unscaled(found.fun), setup.unscaled(found.gap)
        try:
            self.callback(SolveResult(x=x, fun=fun, gap=gap, rel_gap=found.rel_gap, nit=nit))
        except StopIteration:
            return True
        return False

    def close(self) -> None:
        """End the display."""
        self.progress.close()
