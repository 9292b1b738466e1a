"""The front end: validate, pose the problem, choose the method, run it, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays.checks import explained, unknown
from .arrays.kinds import of_its_kind
from .arrays.numbers import Array, as_scalar
from .data_terms import DataTerm, Huber
from .metrics import noise_std as estimate_noise
from .penalties import Penalty, TotalVariation
from .penalties.nonconvex import Nonconvex
from .penalties.regions import Regions
from .penalties.reweighted import Reweighted
from .problems.nothing_left import warn_of_nothing_left
from .problems.setup import set_up
from .problems.spec import ProblemSpec
from .result import ConvergenceWarning, SolveResult, warn
from .solvers.convex import solve_convex
from .solvers.nonconvex import solve_nonconvex, solve_reweighted
from .solvers.options import METHODS, parse
from .solvers.regions import solve_regions
from .weights import bootstrap
from .weights.given import UNCERTIFIED, AnyPenalty, resolve_penalty, spaced, warn_of_integers, weighted, weights_of
from .weights.rules import Choice, choose


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
        workers (1: threads, -1: one a core; where work can be shared the answer is the same bit for bit).
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
    call: dict[str, Any] = {"x0": x0, "method": method, "tol": tol, "callback": callback, "options": options}
    in_stages = isinstance(chosen, (Reweighted, Regions))
    if in_stages and rule != bootstrap.RULE:
        stages = solve_regions if isinstance(chosen, Regions) else solve_reweighted
        return stages(solve_quietly, spec, chosen, rule, debias=debias, **call)
    said, spec = spec.data, spec if in_stages else _settled(spec)
    if isinstance(chosen, Nonconvex):
        if rule is not None or debias:
            raise ValueError(f"{chosen!r} needs a weight, and is not debiased: no rule is known for what is not convex")
    elif not in_stages:
        if debias and not spec.term.quadratic:
            raise ValueError(f"debias is for least squares, not for data={said!r}")
        if rule is not None and not spec.term.quadratic:
            raise ValueError(f"data={said!r} needs a weight: the rules that choose one are for least squares")
        chosen = spaced(chosen, spec.spacing)
    choice = _chosen(spec, chosen, rule, options, debias)
    if in_stages:
        result = solve_quietly(spec, choice.penalty, debias=debias, **call)
    elif isinstance(choice.penalty, Nonconvex):
        result = solve_nonconvex(spec, choice.penalty, **call)
        result.weight = choice.penalty.weight
    else:
        result = solve_convex(spec, choice.penalty, debias=debias, **call)
        result.weight = weights_of(choice.penalty)
    result.update(weight_rule=choice.rule, noise_std=choice.noise_std, weight_path=choice.path)
    result.time = time.perf_counter() - begin
    return result


def _chosen(spec: ProblemSpec, penalty: Any, rule: str | None, options: Any, debias: bool) -> Choice:
    """The penalty with the weights that the rule chooses, where there is one."""
    if rule is None:
        return Choice(penalty, "given", spec.noise_std, None)
    if isinstance(penalty, (Reweighted, Regions)):
        convex = spaced(penalty.penalty, spec.spacing) if isinstance(penalty, Reweighted) else TotalVariation()
        return _by_bootstrap(spec, penalty, convex, options, debias)
    # says what is wrong with the options before it is long at work
    threads = parse("exact", {"workers": options["workers"]} if isinstance(options, dict) and "workers" in options else None)
    if rule == bootstrap.RULE or (rule == "auto" and debias and bootstrap.chosen_by_refit(penalty, spec)):
        # the parts know of the spacing already
        return _by_bootstrap(spec.replace(spacing=None), penalty, penalty, options, debias)
    return choose(spec, penalty, rule, workers=threads.workers)


def _by_bootstrap(spec: ProblemSpec, chosen: Any, convex: Penalty, options: Any, debias: bool) -> Choice:
    """The weights of least risk of what is returned: the refit, the reweighted answer, or the answer itself."""
    limits = {name: value for name, value in (options or {}).items() if name == "workers"}

    def returned(moved: ProblemSpec, weights: Any, before: SolveResult | None) -> SolveResult:
        return solve_quietly(moved, weighted(chosen, weights), x0=before, tol=bootstrap.TOL, options=limits, debias=debias)

    weights, noise, path = bootstrap.choose_by_bootstrap(returned, spec, convex)
    return Choice(weighted(chosen, weights), bootstrap.RULE, noise, path or None)


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
