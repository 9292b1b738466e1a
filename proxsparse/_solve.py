"""The front end: validate, pose the problem, choose the method, run it, and say what came of it."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ._arrays import Array, as_float, canonical_shape, from_canonical, normalise_channel_axis, require_finite, to_canonical
from ._bounds import canonical_bounds
from ._progress import Progress
from .operators import Operator, as_operator
from .options import METHODS, Options, parse, unknown
from .penalties import L1, OverlappingGroupLasso, Penalty, TotalVariation
from .problem import Certificate, Channelwise, Problem, Whole
from .result import MESSAGES, ConvergenceWarning, SolveResult
from .solvers import SOLVERS, run

PENALTIES: dict[str, Callable[[], Penalty]] = {
    "l1": lambda: L1(),
    "tv": lambda: TotalVariation(),
    "tv-aniso": lambda: TotalVariation(isotropic=False),
    "overlap": lambda: OverlappingGroupLasso(),
    "l1+tv": lambda: L1() + TotalVariation(),
    "l1+tv-aniso": lambda: L1() + TotalVariation(isotropic=False),
    "l1+overlap": lambda: L1() + OverlappingGroupLasso(),
}


def solve(
    image: Any,
    penalty: str | Penalty = "tv",
    weight: Any = None,
    *,
    operator: Any = None,
    bounds: Any = None,
    pixel_weight: Any = None,
    channel_axis: int | None = None,
    x0: Any = None,
    method: str = "auto",
    tol: float = 1e-4,
    callback: Callable[[Any], object] | None = None,
    options: dict[str, Any] | None = None,
) -> SolveResult:
    """Minimise ``1/2 sum_j m_j ((A x)_j - y_j)^2 + sum_i w_i P_i(x)`` over images x, within bounds, with a certificate.

    Parameters
    ----------
    image : array_like
        y: a signal, image or volume, optionally with a channel axis. float32 stays float32, float64 stays float64,
        float16 becomes float32, booleans and integers become float64 with their values unchanged. Never modified.
    penalty : str or Penalty
        "l1", "tv", "tv-aniso", "overlap" (3x3 windows), "l1+tv", "l1+tv-aniso", "l1+overlap", or an object such as
        ``TotalVariation(0.1)``, or a sum of objects.
    weight : float or tuple of float
        w, in units of the image; for a sum one a part. Parts that have a weight of their own take none here.
    operator : Operator, array, sparse matrix or LinearOperator, optional
        A; the identity by default. One that is not square on the image's size needs `as_operator`.
    bounds : pair, optional
        (lo, hi): each None, a number, or an array of x's shape.
    pixel_weight : array_like, optional
        m >= 0, of the image's shape (without its channel axis, or with it); 1 by default. 0 means not measured.
    channel_axis : int, optional
        The axis of the channels. Isotropic total variation and windows couple them, L1 and anisotropic total variation
        do not.
    x0 : SolveResult or array_like, optional
        Where to start: an earlier result (its image and its dual), or an image.
    method : {"auto", "fista", "admm", "chambolle-pock"}
        Three algorithms for the same answer. "auto": Chambolle-Pock without an operator, ADMM with one.
    tol : float
        The relative duality gap to reach.
    callback : callable, optional
        ``callback(intermediate_result)`` at every check, with a result holding x (a copy), fun, gap, rel_gap and nit.
        Raising StopIteration stops cleanly.
    options : dict, optional
        For every method: maxiter (5000), maxtime (seconds), check_every (iterations), history (True), disp (False).
        "fista": step, backtracking, restart. "admm": rho, adapt, relaxation. "chambolle-pock": tau, gamma.

    Returns
    -------
    SolveResult
        x, fun, gap, rel_gap, x_error_bound, certified, success, status, message, nit, and more.

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
    Sums, never means. For y, w, bounds multiplied by c > 0 the answer is multiplied by c. `gap` is the difference of
    the primal and the dual objective (Borwein & Lewis 2006; Chambolle & Pock 2016, section 3), in float64.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> result = proxsparse.solve(np.array([0.0, 0.0, 4.0, 4.0]), "tv", 1.0, tol=1e-8)
    >>> result.x.round(3)
    array([0.5, 0.5, 3.5, 3.5])
    >>> result.success
    True
    """
    begin = time.perf_counter()
    chosen = resolve_penalty(penalty, weight)
    y, axis, linear, shape = _image_and_operator(image, operator, channel_axis)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if isinstance(tol, bool) or not isinstance(tol, (int, float, np.number)) or not tol >= 0:
        raise ValueError(f"tol must be a number >= 0, got {tol!r}")
    user_shape = _user_shape(shape, axis)
    problem = Problem(
        y, chosen.parts, shape, operator=linear, m=_pixel_weight(pixel_weight, y, np.shape(image), axis, linear),
        lo=(pair := canonical_bounds(bounds, user_shape, y.dtype, axis))[0], hi=pair[1],
    )  # fmt: skip
    if method == "auto":
        method = "chambolle-pock" if problem.denoising is not None else "admm"
    parsed = parse(method, options)
    _warn_of_integers(image, chosen)
    scale = _power_of_two(y)
    scaled = problem if scale == 1 else _scaled(problem, scale)
    x, p = _start(scaled, x0, axis, user_shape, scale)
    steps = SOLVERS[method](scaled, x, p, **parsed.method)
    report = _Report(callback, parsed, tol, axis, scale)
    try:
        ended = run(scaled, steps, float(tol), parsed, report)
    finally:
        report.close()
    best = scaled.snapped(ended.best, float(tol)) if ended.status != 5 else ended.best
    status = 0 if best.certified and best.rel_gap <= tol else ended.status
    result = _result(scaled, best, status, axis, scale)
    result.update(nit=ended.nit, method=method, weight=_weights(chosen), weight_rule="given", noise_std=None)
    names = ("iteration", "objective", "gap", "seconds")
    columns = [np.array(column) for column in zip(*ended.history, strict=True)] or [np.zeros(0)] * 4
    result.history = dict(zip(names, columns, strict=True))
    with np.errstate(over="ignore", under="ignore"):
        result.history["objective"] = result.history["objective"] / scale / scale
        result.history["gap"] = result.history["gap"] / scale / scale
    result.time = time.perf_counter() - begin
    if not result.success:
        warnings.warn(_not_converged(result, tol), ConvergenceWarning, stacklevel=2)
    return result


def denoise(image: Any, penalty: str | Penalty = "tv", weight: Any = None, **kwargs: Any) -> Array:
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


def resolve_penalty(penalty: str | Penalty, weight: Any) -> Penalty:
    """Return the penalty with every part's weight settled: from the object, or from the call; never from both.

    Raises
    ------
    ValueError
        No weight, a weight in both places, a tuple of the wrong length, an unknown name.
    """
    if isinstance(penalty, str):
        if penalty not in PENALTIES:
            raise unknown("penalty", penalty, PENALTIES)
        chosen = PENALTIES[penalty]()
    elif isinstance(penalty, Penalty):
        chosen = penalty
    else:
        raise TypeError(f"penalty must be a name or a Penalty, got {penalty!r}")
    missing = sum(part.weight is None for part in chosen.parts)
    if weight is None:
        if missing:
            raise ValueError(f"no weight for penalty {penalty!r}: give weight=, in units of the image")
        return chosen
    if not missing:
        raise ValueError(f"weight={weight!r} was given, but {chosen!r} has a weight of its own")
    weights = list(weight) if isinstance(weight, (tuple, list, np.ndarray)) and np.ndim(weight) else [weight]
    if len(weights) != missing:
        raise ValueError(f"{penalty!r} needs {missing} weights, one a part: got weight={weight!r}")
    given = iter(weights)
    parts = [part if part.weight is not None else part.with_weight(next(given)) for part in chosen.parts]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _weights(penalty: Penalty) -> Any:
    weights = tuple(part.weight for part in penalty.parts)
    return weights if len(weights) > 1 else weights[0]


def _user_shape(shape: tuple[int, ...], axis: int | None) -> tuple[int, ...]:
    return shape[1:] if axis is None else (*shape[1 : axis + 1], shape[0], *shape[axis + 1 :])


def _image_and_operator(
    image: Any, operator: Any, channel_axis: int | None
) -> tuple[Array, int | None, Channelwise | None, tuple[int, ...]]:
    """The image in the solver's layout, the channel axis, the operator between such layouts, and x's shape."""
    y = as_float(image)
    if y.size == 0:
        raise ValueError(f"image is empty: shape {y.shape}")
    require_finite(y)
    if operator is None:
        axis = normalise_channel_axis(channel_axis, y.ndim)
        y = to_canonical(y, axis)
        return y, axis, None, y.shape
    if not isinstance(operator, Operator):
        operator = _square_operator(operator, y)
    if channel_axis is None:
        y = to_canonical(y, None)
        shape = (1, *operator.input_shape(y.shape[1:]))
        _check_output(operator, shape[1:], y.shape[1:])
        axis = normalise_channel_axis(None, len(shape) - 1)
        return y, axis, Channelwise(operator, shape), shape
    whole = getattr(operator, "out_shape", None) == y.shape
    if whole:
        in_shape = operator.input_shape(y.shape)
        axis = normalise_channel_axis(channel_axis, len(in_shape))
        shape = canonical_shape(in_shape, axis)
        return y, axis, Whole(operator, shape, int(axis or 0)), shape
    axis = normalise_channel_axis(channel_axis, y.ndim)
    y = to_canonical(y, axis)
    shape = (y.shape[0], *operator.input_shape(y.shape[1:]))
    _check_output(operator, shape[1:], y.shape[1:])
    return y, axis, Channelwise(operator, shape), shape


def _square_operator(operator: Any, y: Array) -> Operator:
    shape = getattr(operator, "shape", None)
    if hasattr(operator, "dims") and hasattr(operator, "dimsd"):
        return as_operator(operator)
    if shape is not None and tuple(shape) != (y.size, y.size):
        raise ValueError(
            f"an operator of shape {tuple(shape)} is not square on the image's {y.size} pixels: "
            "say which images it maps with as_operator(op, in_shape, out_shape)"
        )
    return as_operator(operator, y.shape, y.shape)


def _check_output(operator: Operator, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
    given = operator.output_shape(in_shape)
    if given != out_shape:
        raise ValueError(f"the operator gives images of shape {given}, but the image given has {out_shape}")


def _pixel_weight(
    pixel_weight: Any, y: Array, shape: tuple[int, ...], axis: int | None, linear: Channelwise | None
) -> Array | None:
    """Data weights in the layout of y, of its dtype."""
    if pixel_weight is None:
        return None
    m = as_float(pixel_weight, "pixel_weight").astype(y.dtype)
    require_finite(m, "pixel_weight")
    if (m < 0).any():
        raise ValueError(f"pixel_weight must be >= 0, got {m.min()}")
    if not m.any():
        raise ValueError("pixel_weight is 0 everywhere: nothing was measured")
    if m.shape == shape:
        return m if isinstance(linear, Whole) else to_canonical(m, axis)
    if axis is not None and m.shape == y.shape[1:] and not isinstance(linear, Whole):
        return np.ascontiguousarray(np.broadcast_to(m, y.shape))
    raise ValueError(f"pixel_weight has shape {m.shape}, the image {shape}")


def _warn_of_integers(image: Any, penalty: Penalty) -> None:
    kind = np.asarray(image).dtype.kind
    small = [part.weight for part in penalty.parts if part.weight is not None and 0 < part.weight < 1]
    if kind in "iu" and small:
        warnings.warn(
            f"the image holds integers and is not rescaled: a weight of {small[0]:g} is in units of its values; "
            "divide the image by its range if the weight is meant for [0, 1]",
            UserWarning,
            stacklevel=3,
        )


def _power_of_two(y: Array) -> float:
    """A power of two that brings extreme images into the middle of the dtype's range; 1 for all others."""
    largest = float(np.abs(y).max())
    reach = 30 if y.dtype == np.float32 else 200
    exponent = math.frexp(largest)[1] if largest > 0 else 0
    return 2.0**-exponent if abs(exponent) > reach else 1.0


def _scaled(problem: Problem, scale: float) -> Problem:
    """The problem with image, weights and bounds multiplied: penalties have degree one, the data term degree two."""
    factor = problem.dtype.type(scale)

    def times(bound: Any) -> Any:
        return None if bound is None else bound * (factor if isinstance(bound, np.ndarray) else scale)

    return Problem(
        problem.y * factor, [q * scale for q in problem.parts], problem.shape,
        operator=problem.operator, m=problem.m, lo=times(problem.lo), hi=times(problem.hi),
    )  # fmt: skip


def _start(problem: Problem, x0: Any, axis: int | None, shape: tuple[int, ...], scale: float) -> tuple[Array, Array]:
    """The primal and the dual to start from."""
    p = np.zeros(problem.stack.size, problem.dtype)
    if x0 is None:
        return problem.start(), p
    earlier = isinstance(x0, SolveResult)
    x = as_float(x0.x if earlier else x0, "x0").astype(problem.dtype)
    if x.shape != shape:
        raise ValueError(f"x0 has shape {x.shape}, the answer {shape}")
    require_finite(x, "x0")
    factor = problem.dtype.type(scale)
    x = problem.clip(to_canonical(x, axis) * factor)
    if earlier:
        duals = x0.dual
        if len(duals) != len(problem.parts):
            raise ValueError(f"x0 was solved with a penalty of {len(duals)} parts, this one has {len(problem.parts)}")
        canonical = [to_canonical(d, axis, q._lead) for q, d in zip(problem.parts, duals, strict=True)]
        for q, d in zip(problem.parts, canonical, strict=True):
            if d.shape != q._dual_shape(problem.shape):
                raise ValueError(f"x0 was solved with another penalty: its dual does not fit {q!r}")
        p = problem.flat_dual([d.astype(problem.dtype) * factor for d in canonical])
    return np.array(x), p


def _result(problem: Problem, best: Certificate, status: int, axis: int | None, scale: float) -> SolveResult:
    """The certificate in the user's units and layout."""
    factor = problem.dtype.type(1 / scale) if scale != 1 else problem.dtype.type(1)

    def own(array: Array, lead: int = 0) -> Array:
        array = from_canonical(array, axis, lead) * factor
        return np.ascontiguousarray(array)

    def square(value: float) -> float:
        return value / scale / scale

    names = _term_names(problem)
    duals = zip(problem.parts, problem.duals(best.x, best.p), strict=True)
    gap = square(best.gap) if best.certified else math.inf
    mu = problem.mu
    return SolveResult(
        x=own(best.x),
        fun=square(best.fun),
        gap=gap,
        rel_gap=best.rel_gap if best.certified else math.inf,
        x_error_bound=math.sqrt(2 * best.gap / mu) / scale if mu > 0 and best.certified else math.inf,
        certified=best.certified,
        success=status == 0,
        status=status,
        message=MESSAGES[status],
        terms=dict(zip(["data", *names], map(square, [best.data, *best.values]), strict=True)),
        dual=tuple(own(d, q._lead) for q, d in duals),
    )


def _term_names(problem: Problem) -> list[str]:
    """The class of each part, numbered where two parts share it."""
    names = [type(q).__name__ for q in problem.parts]
    return [n if names.count(n) == 1 else f"{n} {names[: i + 1].count(n)}" for i, n in enumerate(names)]


def _not_converged(result: SolveResult, tol: float) -> str:
    return (
        f"{result.message} Relative gap {result.rel_gap:.2e}, tol {tol:.2e}, after {result.nit} iterations of {result.method}."
    )


class _Report:
    """What happens at each check: the progress display and the user's callback."""

    def __init__(self, callback: Any, options: Options, tol: float, axis: int | None, scale: float) -> None:
        self.callback, self.axis, self.scale = callback, axis, scale
        self.progress = Progress(options.maxiter, tol) if options.disp else None

    def __call__(self, found: Certificate, nit: int) -> bool:
        if self.progress is not None:
            self.progress.show(nit, found.rel_gap)
        if self.callback is None:
            return False
        x = from_canonical(found.x, self.axis) / found.x.dtype.type(self.scale)
        fun, gap = found.fun / self.scale / self.scale, found.gap / self.scale / self.scale
        try:
            self.callback(SolveResult(x=x, fun=fun, gap=gap, rel_gap=found.rel_gap, nit=nit))
        except StopIteration:
            return True
        return False

    def close(self) -> None:
        if self.progress is not None:
            self.progress.close()
