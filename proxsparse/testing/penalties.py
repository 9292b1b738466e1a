"""What a penalty of one's own has to hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays.kinds import is_own
from ..arrays.numbers import Array, total
from ..arrays.roundoff import norm
from ..dual.denoising import Denoising
from ..dual.term import Fused, dual_step
from ..dual.whole_runs import PATIENCE, WholeRuns
from ..kernels import whole_runs
from ..penalties.base import Composed, Penalty
from ..runtime.workers import SERIAL
from .operators import POWER, ROUNDING, require_adjoint

#: how far, relative, what is a limit may be apart from what is reached of it
_LIMIT = 2e-3
#: classes of penalties of the user's own that `solve` has looked at, each with the shapes' number of axes
_SEEN: set[tuple[type, int]] = set()


def check_penalty(penalty: Penalty, shape: tuple[int, ...], rng: np.random.Generator | None = None) -> None:
    """Check that a penalty is what it says, ``P(x) = w h(Kx)`` with its ball of duals, on random images of that shape.

    In float32 and float64, without channels and with two: K and its adjoint, the bound on its norm, the value against the
    largest ``<p, Kx> - c(p)`` over the ball, the gap, the projection (inside, not moved again, nearest), the dual norm, the
    degree, the null space, the triangle inequality, the proximal point against its neighbours, and what is written over for
    speed against what it replaces. `solve` does a part of this once for each class that is not the package's own.

    Parameters
    ----------
    penalty : Penalty
        With its weight, > 0; of a sum each part is checked.
    shape : tuple of int
        Of images without a channel axis.
    rng : numpy.random.Generator, optional
        Where the images are drawn from; seeded with 0 by default.

    Raises
    ------
    AssertionError
        Something is wrong; the message names the method, by how much, the shape and the type.

    See Also
    --------
    check_operator : The same for operators.

    Examples
    --------
    >>> from proxsparse import TotalVariation
    >>> from proxsparse.testing import check_penalty
    >>> check_penalty(TotalVariation(0.3), (6, 7))
    """
    rng = np.random.default_rng(0) if rng is None else rng
    for part in penalty.parts:
        for dtype in (np.float32, np.float64):
            for channels in (1, 2):
                _require(part, (channels, *shape), np.dtype(dtype), rng, _EVERY)


def require_sound(penalties: Any, operator: Any, shape: tuple[int, ...]) -> None:
    """Raise ValueError for what is not the package's own and does not pass the quick checks.

    Those are made once for each class of penalties, and for each operator. `shape` is that of images (channels, *spatial).
    """
    own_shape = shape
    for given in penalties:
        penalty, shape = given, own_shape
        while isinstance(penalty, Composed):
            require_adjoint(penalty.operator, shape[1:])
            shape, penalty = penalty._out_shape(shape), penalty.inner
        if is_own(type(penalty)) or (type(penalty), len(shape)) in _SEEN or penalty._w() == 0:
            continue
        _require(penalty, shape, np.dtype(np.float64), np.random.default_rng(0), _QUICK, ValueError)
        _SEEN.add((type(penalty), len(shape)))
    require_adjoint(operator, own_shape[1:])


# -- penalties -------------------------------------------------------------------------------------------------------


class _Sample:
    """A penalty with a random image, its K x, and duals inside the ball."""

    def __init__(self, penalty: Penalty, shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> None:
        self.penalty, self.shape, self.dtype, self.rng = penalty, shape, dtype, rng
        self.near = ROUNDING[dtype]
        self.x = self.image()
        self.kx = self.analysis(self.x)
        self.value = float(penalty._gap(self.x, np.zeros(self.kx.shape, dtype))[1])

    def image(self) -> Array:
        return self.rng.standard_normal(self.shape).astype(self.dtype)

    def analysis(self, x: Array) -> Array:
        out = np.zeros(self.penalty._dual_shape(self.shape), x.dtype)
        self.penalty._analysis(out, x)
        return out

    def adjoint(self, p: Array) -> Array:
        out = np.zeros(self.shape, p.dtype)
        self.penalty._add_adjoint(out, p)
        return out

    def projected(self, p: Array, sigma: float = 0.0) -> Array:
        """The nearest point of the ball; with sigma that of the proximal step of the conjugate."""
        p = p.astype(self.dtype)
        if sigma:
            self.penalty._prox_conjugate(p, sigma)
        self.penalty._project(p)
        return p

    def feasible(self) -> Array:
        """A dual in the ball, some of its groups on the edge."""
        return self.projected(self.dual(float(self.rng.uniform(0.2, 3.0))))

    def dual(self, size: float) -> Array:
        """A dual of about so many weights, 0 where K x is for every x."""
        return (size * self.penalty._w() * self.analysis(self.image()) * self.analysis(self.image())).astype(self.dtype)

    def furthest(self) -> tuple[Array, float]:
        """The p of the ball with the largest <p, Kx> - c(p), and that: the limit of a proximal step of the conjugate."""
        sigma = 1e6 * max(self.penalty._w(), 1.0) / max(float(np.abs(self.kx).max(initial=0.0)), 1e-30)
        p = self.projected(sigma * self.kx, sigma)
        return p, total(p.astype(np.float64) * self.kx) - self.penalty._conjugate(p)


def _require(
    penalty: Penalty,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    rng: np.random.Generator,
    checks: list[Callable[[_Sample], Iterator[str]]],
    error: type[Exception] = AssertionError,
) -> None:
    draw = _Sample(penalty, shape, dtype, rng)
    for check in checks:
        for told in check(draw):
            raise error(f"{type(penalty).__name__} on images of shape {shape} (channels first) in {dtype}: {told}")


def _adjoint(draw: _Sample) -> Iterator[str]:
    p = draw.rng.standard_normal(draw.kx.shape).astype(draw.dtype)
    left, right = total(draw.kx.astype(np.float64) * p), total(draw.x.astype(np.float64) * draw.adjoint(p))
    if abs(left - right) > draw.near * norm(draw.kx) * norm(p):
        yield f"_add_adjoint is not the adjoint of _analysis: <Kx, p> = {left:.6g}, <x, K^T p> = {right:.6g}"
    # products of random images nearly cancel and hide a wrong scale
    square, product = total(np.square(draw.kx, dtype=np.float64)), total(draw.x.astype(np.float64) * draw.adjoint(draw.kx))
    if abs(square - product) > draw.near * square:
        yield f"_add_adjoint is not the adjoint of _analysis: <Kx, Kx> = {square:.6g}, <x, K^T K x> = {product:.6g}"
    other = draw.image()
    both, apart = draw.analysis(2 * draw.x + other), 2 * draw.kx + draw.analysis(other)
    if norm(both - apart) > draw.near * norm(apart):
        yield f"_analysis is not linear: K(2x + y) is off 2Kx + Ky by {norm(both - apart) / norm(apart):.2g}"


def _norm_bound(draw: _Sample) -> Iterator[str]:
    x, bound = draw.x.astype(np.float64), draw.penalty._norm_squared(draw.shape)
    largest = 0.0
    for _ in range(POWER):
        length = norm(x)
        if length == 0:
            break
        x = draw.adjoint(draw.analysis(x / length))
        largest = max(largest, norm(x))
    if largest > bound * (1 + 1e-6):
        yield f"_norm_squared = {bound:.6g} is no bound: ||K||^2 >= {largest:.6g}"


def _ball_and_value(draw: _Sample) -> Iterator[str]:
    p, largest = draw.furthest()
    scale = max(draw.value, largest)
    if largest > draw.value + _LIMIT * scale:
        yield (
            f"the ball of _project is too large, or the value of _gap too small: <p, Kx> - c(p) reaches {largest:.6g}, "
            f"P(x) is {draw.value:.6g}"
        )
    elif draw.penalty._projection_is_nearest and largest < draw.value - _LIMIT * scale:
        yield (
            f"the ball of _project is too small, or the value of _gap too large: <p, Kx> - c(p) reaches {largest:.6g} at most, "
            f"P(x) is {draw.value:.6g}"
        )
    if not draw.value >= 0:
        yield f"the value of _gap is negative: {draw.value:.6g}"
    radius, length = draw.penalty._w(), draw.penalty._dual_norm(p)
    if length > radius * (1 + draw.near):
        yield f"_project leaves the ball: the _dual_norm of its point is {length:.6g}, the weight {radius:.6g}"
    if draw.penalty._projection_is_nearest and draw.penalty.degree == 1 and draw.value > 0 and length < radius * (1 - _LIMIT):
        yield f"_dual_norm is too small on the edge of the ball: {length:.6g}, the weight {radius:.6g}"


def _gap(draw: _Sample) -> Iterator[str]:
    for p in (draw.furthest()[0], draw.feasible(), draw.feasible()):
        gap, value = draw.penalty._gap(draw.x, p)
        product = total(p.astype(np.float64) * draw.analysis(draw.x.astype(np.float64)))
        expected = draw.value + draw.penalty._conjugate(p) - product
        size = abs(draw.value) + abs(product) + draw.penalty._conjugate(p)
        if abs(value - draw.value) > draw.near * size:
            yield f"the value of _gap depends on the dual: {value:.6g} and {draw.value:.6g}"
        if abs(gap - expected) > draw.near * size:
            yield f"_gap is {gap:.6g}, and w h(Kx) + c(p) - <p, Kx> is {expected:.6g}"
        if gap < -draw.near * size:
            yield f"_gap is negative for a dual inside the ball: {gap:.6g}"


def _projection(draw: _Sample) -> Iterator[str]:
    if not draw.penalty._projection_is_nearest:
        return
    far = draw.dual(3.0)
    p = draw.projected(far)
    again = draw.projected(p)
    if norm(again - p) > 10 * draw.near * norm(p):
        yield f"_project moves a point of the ball, by {norm(again - p) / max(norm(p), 1e-300):.2g} of its length"
    half = draw.penalty._radius(far, 0.5)
    smaller = far.copy()
    draw.penalty._project(smaller, 0.5)
    if draw.penalty.degree == 1 and draw.penalty._dual_norm(smaller) > 0.5 * draw.penalty._w() * (1 + draw.near):
        yield f"_project(p, 0.5) leaves the ball of half the radius, about {float(half):.6g}"
    # the nearest point: every other one lies behind it
    for _ in range(4):
        other = draw.feasible()
        angle = total((far.astype(np.float64) - p) * (other.astype(np.float64) - p))
        if angle > 10 * draw.near * norm(far - p) * (norm(other - p) + norm(p)):
            yield f"_project is not the nearest point of the ball: <v - Pv, q - Pv> = {angle:.6g} > 0 for a q in it"


def _degree_and_null_space(draw: _Sample) -> Iterator[str]:
    zero = np.zeros(draw.kx.shape, draw.dtype)

    def _value(x: Array) -> float:
        return float(draw.penalty._gap(x.astype(draw.dtype), zero)[1])

    if draw.penalty.degree is not None:
        twice = _value(2 * draw.x)
        if abs(twice - 2**draw.penalty.degree * draw.value) > draw.near * twice:
            yield f"degree is said to be {draw.penalty.degree}, but P(2x) / P(x) = {twice / draw.value:.6g}"
    if abs(_value(-draw.x) - draw.value) > draw.near * draw.value:
        yield f"P(-x) = {_value(-draw.x):.6g} is not P(x) = {draw.value:.6g}"
    other = draw.image()
    middle, mean = _value((draw.x + other) / 2), (draw.value + _value(other)) / 2
    if middle > mean * (1 + draw.near):
        yield f"P is not convex: {middle:.6g} between two images of {mean:.6g} on average"
    if draw.penalty.null_space in ("constants", "affine"):
        free = _value(np.full(draw.shape, 3.0))
        if free > draw.near * draw.value:
            yield f"null_space is said to be {draw.penalty.null_space!r}, but a constant image costs {free:.6g}"
    if draw.penalty.null_space == "affine":
        slope = _value(np.broadcast_to(np.arange(draw.shape[-1], dtype=float), draw.shape))
        if slope > 100 * draw.near * draw.value:
            yield f"null_space is said to be 'affine', but a slope costs {slope:.6g}"


def _proximal_point(draw: _Sample) -> Iterator[str]:
    penalty, v = draw.penalty, draw.image().astype(np.float64)
    if not penalty._projection_is_nearest:
        return
    x = np.asarray(penalty.prox(v, channel_axis=0, tol=1e-8, maxiter=20000))
    zero = np.zeros(draw.kx.shape)

    def _objective(z: Array) -> float:
        return 0.5 * total(np.square(z - v)) + float(penalty._gap(z, zero)[1])

    own = _objective(x)
    for size in (1.0, 0.1, 0.01):
        for direction in (draw.rng.standard_normal(draw.shape), v - x, -x):
            other = _objective(x + size * direction)
            if other < own - 1e-6 * own:
                yield f"prox is not the minimiser: another image has {other:.6g}, it has {own:.6g}"
    if abs(_objective(np.asarray(penalty.prox(v, 0.0, channel_axis=0))) - _objective(v)) > 1e-8 * own:
        yield "prox with the step 0 is not the image itself"


def _overrides(draw: _Sample) -> Iterator[str]:
    penalty, sigma = draw.penalty, 0.3
    p = draw.feasible()
    slow, fast, image, other = p.copy(), p.copy(), np.zeros(draw.shape, draw.dtype), np.zeros(draw.shape, draw.dtype)
    dual_step(penalty, image, slow, draw.x, sigma)
    term = penalty.bind(draw.shape)
    term.dual_step(other, fast, draw.x, sigma)
    if norm(image - other) > 10 * draw.near * norm(image):
        off = norm(image - other) / norm(image)
        yield f"_dual_step is not project(prox_conjugate(p + sigma K x)): K^T p is off by {off:.2g}"
    if term.fused is not None:
        yield from _fused(draw, term.fused)
    if term.exact is not None:
        x, dual = np.empty_like(draw.x), np.zeros_like(p)
        term.exact.solve(x, dual, draw.x)
        gap, fun, *_ = Denoising(draw.x, [penalty]).measure(x, dual.reshape(-1))
        if gap > 10 * draw.near * fun:
            yield f"_exact is not the minimiser and its dual: their relative gap is {gap / fun:.2g}"


def _fused(draw: _Sample, fused: Fused) -> Iterator[str]:
    y, limits = draw.x, (0.1, -1.5, math.inf)
    iterations = fused.begin(y, np.zeros(draw.kx.shape, draw.dtype), y, limits)
    step = [0.5, 0.3, 1 / 1.5, 1.8, 0.1 * 0.5 / 1.5] if iterations.relaxed else [0.5, 0.3, 0.9, 1 / 1.5]
    steps = np.array([step] * 3, draw.dtype)
    if iterations.relaxed:
        steps[-1, 3] = 1
    iterations.advance(steps, SERIAL)
    x, p = one = iterations.pair()
    other = _iterations(draw, limits, steps)
    off = max(norm(a - b) / max(norm(b), 1e-300) for a, b in zip(one, other, strict=True) if norm(b) > 0)
    if off > 10 * draw.near:
        yield f"_fused is not the iteration of Chambolle and Pock by the formulas: it is off by {off:.2g}"
    gap, value = draw.penalty._gap(x, p)
    for sums in (iterations.sums(SERIAL), fused.sums(x, p, y, limits, SERIAL)):
        if sums is not None and max(abs(sums[0] - gap), abs(sums[1] - value)) > 10 * draw.near * (value + 1):
            yield f"the sums of _fused are not those of _gap: {sums[0]:.6g} and {sums[1]:.6g}, for {gap:.6g} and {value:.6g}"
    problem = Denoising(y, [draw.penalty])
    runs = WholeRuns.of(problem, 1e-2, 100, many=PATIENCE)
    if runs is not None:
        x, p, found, _ = runs.solve_own()
        told, status = (float(found[0, k]) for k in (whole_runs.GAP, whole_runs.STATUS))
        gap = problem.measure_by_formulas(x, p.reshape(-1)).gap
        if status != whole_runs.LEFT and abs(told - gap) > 10 * draw.near * problem.size**2:
            yield f"the whole run of _fused has another gap than its image and dual: {told:.6g} for {gap:.6g}"


def _iterations(draw: _Sample, limits: tuple[float, float, float], steps: Array) -> tuple[Array, Array]:
    """Those of Chambolle and Pock by the formulas, as `running.Schedule` has their steps."""
    x, p, one = draw.x.copy(), np.zeros(draw.kx.shape, draw.dtype), draw.dtype.type(1)
    xbar = x

    def _proximal(ktp: Array, tau: Any, inverse: Any) -> Array:
        v = (x - tau * ktp + tau * draw.x) * inverse
        cut = tau * draw.dtype.type(limits[0]) * inverse
        return np.asarray(np.clip(np.maximum(v - cut, 0) + np.minimum(v + cut, 0), *limits[1:]).astype(draw.dtype))

    for step in steps:
        ktp = np.zeros_like(x)
        if len(step) == 4:
            tau, sigma, theta, inverse = step
            dual_step(draw.penalty, ktp, p, xbar, sigma)
            new = _proximal(ktp, tau, inverse)
            xbar, x = new + theta * (new - x), new
        else:
            tau, sigma, inverse, rho, _ = step
            draw.penalty._add_adjoint(ktp, p)
            new, q = _proximal(ktp, tau, inverse), p.copy()
            dual_step(draw.penalty, np.zeros_like(x), q, new + (new - x), sigma)
            x, p = rho * new + (one - rho) * x, rho * q + (one - rho) * p
    return x, p


_QUICK: list[Callable[[_Sample], Iterator[str]]] = [_adjoint, _norm_bound, _ball_and_value, _gap]
# the prox goes by the kernels
_EVERY = [*_QUICK, _projection, _degree_and_null_space, _overrides, _proximal_point]
