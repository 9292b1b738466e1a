"""The one problem every call solves, its objective and its certificate.

minimise over x:  F(x) = D(A x; y) + sum_i w_i P_i(x)   subject to  lo <= x <= hi
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ._arrays import Array, from_canonical, to_canonical, total, user_shape
from ._workers import Workers
from .data_terms import DataTerm, LeastSquares
from .gram import Gram
from .operators import Operator
from .penalties.base import Penalty
from .penalties.denoising import Denoising, relative
from .penalties.stack import Stack


@dataclasses.dataclass
class Certificate:
    """A primal, a dual that vouches for it, and what that says."""

    x: Array
    p: Array
    #: the dual of the data term, where a solver works on one
    q: Array | None
    fun: float
    gap: float
    data: float
    values: list[float]
    certified: bool = True
    #: where not certified: the stationarity residual and the complementarity, both relative
    residual: float = 0.0
    #: below this an objective is rounding
    floor: float = 0.0

    @property
    def rel_gap(self) -> float:
        """gap / F(x), 0 where both are 0 up to rounding."""
        return relative(self.gap, self.fun, self.floor)

    def copy(self, into: Certificate | None = None) -> Certificate:
        """Return a certificate that does not share the solver's arrays, but takes those of an earlier copy that is given up."""
        if into is None:
            x, p = self.x.copy(), self.p.copy()
        else:
            x, p = into.x, into.p
            x[...], p[...] = self.x, self.p
        kept = copy.copy(self)
        kept.x, kept.p = x, p
        kept.q = None if self.q is None else self.q.copy()
        return kept


class Channelwise:
    """An operator on (channels, *spatial), each channel by itself."""

    def __init__(self, operator: Operator, shape: tuple[int, ...]) -> None:
        self.operator, self.shape = operator, shape
        self.norm_is_bound = operator.norm_is_bound

    def forward(self, x: Array) -> Array:
        """A x."""
        return np.stack([self.operator.forward(c) for c in x])

    def adjoint(self, q: Array) -> Array:
        """A^T q."""
        return np.stack([self.operator.adjoint(c, self.shape[1:]) for c in q])

    @cached_property
    def norm_squared(self) -> float:
        """Bound on or estimate of ||A||^2."""
        return self.operator.norm_squared(self.shape[1:])

    @cached_property
    def gram(self) -> Gram | None:
        """A^T A where a transform inverts it."""
        return self.operator.gram(self.shape[1:])


class Whole(Channelwise):
    """An operator that takes the channels all at once, in the user's layout."""

    def __init__(self, operator: Operator, shape: tuple[int, ...], channel_axis: int) -> None:
        super().__init__(operator, shape)
        self.axis = channel_axis
        self.user_shape = user_shape(shape, channel_axis)

    def forward(self, x: Array) -> Array:
        """A x."""
        return self.operator.forward(from_canonical(x, self.axis))

    def adjoint(self, q: Array) -> Array:
        """A^T q."""
        return to_canonical(self.operator.adjoint(q, self.user_shape), self.axis)

    @cached_property
    def norm_squared(self) -> float:
        """Bound on or estimate of ||A||^2."""
        return self.operator.norm_squared(self.user_shape)

    @cached_property
    def gram(self) -> Gram | None:
        """Nothing is known."""
        return None


#: pixels beyond which a solve starts from half the size or ends with flat regions where that pays; a batch, whose answers are
#: those of single solves, works images together only up to here
LARGE = 1 << 16
#: how much shorter than its ball a dual must be for its group to be snapped; regions that one margin joins wrongly, all do
MARGINS = {"zero": (1e-4, 1e-2, 0.2, 0.5, 0.8), "constants": (1e-4,)}
#: a gap this many times too large can be closed by `Problem._drawn_together`, in so many alternations; thirty times that where
#: q has a domain to be in
_WITHIN_REACH, _ALTERNATIONS = 30.0, 20


#: what parts cost that are minimisations of their own, by their index
Costs = dict[int, float]


def _greatest(*values: float | None) -> float | None:
    """The greatest of those that are numbers; None where none is."""
    return max((v for v in values if v is not None and not math.isnan(v)), default=None)


def _squared_distance(image: Array, value: Any) -> float:
    """Sum of (image - value)^2 in float64, a piece at a time so that no image of float64 is made."""
    flat, piece = image.reshape(-1), 1 << 18
    return sum(total(np.square(np.subtract(flat[i : i + piece], value, dtype=np.float64))) for i in range(0, flat.size, piece))


class Problem:
    """The problem on arrays (channels, *spatial) of one dtype.

    `stack` holds the parts whose dual the solvers work on: with A = I and least squares that measure every pixel, or parts that
    are all w|x| pixel by pixel, `denoising` is set, and such parts are left to the primal step (see `Denoising`); otherwise, or
    not `apart`, `stack` holds all parts.
    """

    def __init__(
        self,
        y: Array,
        parts: Sequence[Penalty],
        shape: tuple[int, ...],
        *,
        operator: Channelwise | None = None,
        m: Array | None = None,
        lo: Any = None,
        hi: Any = None,
        data: DataTerm | None = None,
        apart: bool = True,
    ) -> None:
        self.y, self.m, self.lo, self.hi = y, m, lo, hi
        self.shape, self.dtype = shape, y.dtype
        self.parts = tuple(parts)
        self.operator = operator
        self.tol = 0.0
        #: the dual of the data term that goes with the image to start from, where it is known
        self.known_dual: Array | None = None
        self.data = (LeastSquares() if data is None else data).bind(y, m)
        self.floor = self.data.floor(float(np.finfo(self.dtype).eps))
        self.denoising: Denoising | None = None
        pixelwise = self.data.quadratic and all(q._threshold(shape) is not None for q in self.parts)
        if apart and operator is None and (self.data.mu > 0 or pixelwise):
            if self.data.mu == 0 and m is not None:
                # what was not measured may hold anything
                y = np.where(m > 0, y, np.mean(y, where=np.broadcast_to(m > 0, y.shape), dtype=np.float64).astype(y.dtype))
            self.denoising = Denoising(y, self.parts, m, lo, hi)
        self.full = Stack(self.parts, shape) if self.denoising is None or self.denoising.pointwise else self.denoising.rest
        self.stack = self.full if self.denoising is None else self.denoising.rest

    def use(self, workers: Workers, tol: float) -> None:
        """Let these threads share the work, and take more care of certificates that come near this relative gap."""
        self.tol = tol
        if self.denoising is not None:
            self.denoising.workers = workers

    # -- the parts -------------------------------------------------------------------------------------------------

    def forward(self, x: Array) -> Array:
        """A x."""
        return x if self.operator is None else self.operator.forward(x)

    def adjoint(self, q: Array) -> Array:
        """A^T q."""
        return q if self.operator is None else self.operator.adjoint(q)

    @property
    def mu(self) -> float:
        """Modulus of strong convexity of the data term in x, as far as it is known."""
        return self.data.mu if self.operator is None else 0.0

    @property
    def norm_squared(self) -> float:
        """Bound on (or estimate of) ||A||^2."""
        return 1.0 if self.operator is None else self.operator.norm_squared

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant of the gradient of D(A x), as far as ||A|| is known; 1 where A is 0."""
        return (self.norm_squared * self.data.lipschitz) or 1.0

    @property
    def curvature(self) -> float:
        """`lipschitz`, or where there is none the size of a dual of the data term over that of the image, squared."""
        if math.isfinite(self.lipschitz):
            return self.lipschitz
        spread = float(np.std(self.y, dtype=np.float64))
        return float(np.max(self.data.m)) / spread if spread > 0 else 1.0

    def first_dual(self, x: Array) -> Array:
        """A dual of the data term to start from, inside its domain: the one known, or its gradient at A x."""
        if self.known_dual is not None:
            # it may have been of other weights
            return self.data.project(np.where(np.greater(self.data.m, 0), self.known_dual, 0))
        q = np.asarray(self.data.first_gradient(self.forward(x)))
        return np.asarray(q / q.dtype.type(max(1.0, self.data.gauge(q))))

    @property
    def gram_of_operator(self) -> Gram | None:
        """A^T A where a transform inverts it."""
        return Gram("uniform", 1.0) if self.operator is None else self.operator.gram

    @property
    def gram(self) -> Gram | None:
        """A^T M A where a division or a transform inverts it."""
        if self.operator is None:
            return Gram("uniform", 1.0) if self.m is None else Gram("pixel", self.m)
        return self.operator.gram if self.m is None else None

    @property
    def bounded(self) -> bool:
        """Whether there is any bound."""
        return self.lo is not None or self.hi is not None

    def clip(self, x: Array) -> Array:
        """The image within the bounds."""
        return np.clip(x, self.lo, self.hi) if self.bounded else x

    def start(self) -> Array:
        """A primal to start from: with A = I the answer to the w|x| parts and the bounds, else near A^T y."""
        if self.denoising is not None:
            return self.denoising.start()
        if self.operator is None:
            # what was not measured may hold anything: the best image that costs nothing stands there
            seen = np.broadcast_to(np.greater(self.data.m, 0), self.shape)
            blank = np.mean(self.y, where=seen) if self.trivial is None else self.trivial
            return self.clip(np.where(seen, self.data.nearest, blank).astype(self.dtype))
        # one gradient step from 0 on the least squares
        x = self.adjoint(self.data.m * self.y) / ((self.norm_squared * float(np.max(self.data.m))) or 1.0)
        return self.clip(x.astype(self.dtype))

    # -- the certificate -------------------------------------------------------------------------------------------

    def certificate(self, x: Array, p: Array, q: Array | None = None, *, costs: Costs | None = None) -> Certificate:
        """How far x is from the optimum, by the dual p of `stack` (feasible part by part), and q of the data term if given.

        `costs` is for parts that are minimisations of their own (see `lifted.py`).
        """
        if self.denoising is not None:
            gap, fun, data, values = self.denoising.measure(x, p)
            return Certificate(x, p, None, fun, gap, data, values, floor=self.floor)
        x = self.clip(x)
        parts = self._gaps(x.astype(np.float64), p, costs)
        if self.operator is None and (self._range is not None or self.data.mu > 0):
            return self._certificate_in_range(x, p, parts)
        return self._general_certificate(x, p, q, parts)

    def _gaps(self, x: Array, p: Array, costs: Costs | None) -> list[tuple[float, float]]:
        """`Stack.gaps`, with these costs."""
        if costs is None:
            return self.stack.gaps(x, p)
        found = []
        for i, (part, dual) in enumerate(zip(self.stack.parts, self.stack.split(p), strict=True)):
            if i in costs:
                found.append((costs[i] - part._product(dual, x), costs[i]))
            else:
                found.append(part._gap(x, dual))
        return found

    # -- between the user's image and the solvers' -----------------------------------------------------------------

    @property
    def image_problem(self) -> Problem:
        """The problem as the user gave it; this one, unless a larger one is behind it."""
        return self

    def begin(self, x: Array, duals: Sequence[Array] | None) -> tuple[Array, Array]:
        """Where to start from an image and one dual a part."""
        p = np.zeros(self.stack.size, self.dtype) if duals is None else self.flat_dual(duals)
        return np.array(self.clip(x)), p

    def image_of(self, x: Array) -> Array:
        """The image that the solvers' x is."""
        return x

    def told(self, found: Certificate) -> tuple[tuple[Penalty, ...], list[Array]]:
        """The parts of the penalty and their duals."""
        return self.parts, self.duals(found.x, found.p)

    def duals(self, x: Array, p: Array) -> list[Array]:
        """The dual of every part, in the order of `parts`."""
        return self.stack.split(p) if self.denoising is None else self.denoising.duals(x, p)

    def flat_dual(self, duals: Sequence[Array]) -> Array:
        """The feasible dual of `stack` nearest to one array a part, in the order of `parts`."""
        chosen = duals if self.denoising is None else self.denoising.of_rest(duals)
        p = self.stack.join(chosen, self.dtype)
        for q, dual in zip(self.stack.parts, self.stack.split(p), strict=True):
            q._clear_unused(dual)
        return self.stack.project(p)

    def _certificate_in_range(self, x: Array, p: Array, parts: list[tuple[float, float]]) -> Certificate:
        """Without an operator, where lo and hi hold a minimiser: the dual is the least of D(x) + <K^T p, x> between them.

        gap = [D(x) + <K^T p, x> - that] + sum_i [w_i h_i(K_i x) + c_i(p_i) - <p_i, K_i x>], every term >= 0.
        """
        x64 = x.astype(np.float64)
        ktp = self.stack.adjoint(p)
        limits = (-math.inf if self.lo is None else self.lo, math.inf if self.hi is None else self.hi)
        best = np.clip(self.data.lowest(ktp), *(limits if self._range is None else self._range))
        terms = self.data.values(x64)
        data = total(terms)
        loss = total(terms - self.data.values(best) + ktp * (x64 - best)) if math.isfinite(data) else math.inf
        values = [value for _, value in parts]
        gap = max(loss, 0.0) + max(sum(gap for gap, _ in parts), 0.0)
        return Certificate(x, p, None, data + sum(values), float(gap), data, values, floor=self.floor)

    def _general_certificate(self, x: Array, p: Array, q: Array | None, parts: list[tuple[float, float]]) -> Certificate:
        """The data term dualised too: r = A^T q + K^T p, with bounds or with a repaired dual."""
        x64 = x.astype(np.float64)
        z = self.forward(x64)
        data = self.data.value(z)
        fun = data + sum(value for _, value in parts)
        ktp = self.stack.adjoint(p)
        allowed = max(self.tol * fun, self.floor)
        # elsewhere the dual is drawn to feasibility, where that is cheap
        settled = not self.full.inverts_fast
        within_reach = allowed * (_WITHIN_REACH if self.data.quadratic else 30 * _WITHIN_REACH)
        lower: float | None = None
        for dual in self._data_duals(z, ktp, q):
            r = self.adjoint(dual) + ktp
            lower = _greatest(lower, self._dual_with_bounds(p, dual, r))
            if lower is None or fun - lower > allowed:
                lower = _greatest(lower, self._repaired_dual(x64, p, dual, r))
            if lower is not None and not settled and allowed < fun - lower < within_reach:
                drawn = self._drawn_together(x, p, dual, r - ktp)
                r = self.adjoint(drawn[1]) + self.stack.adjoint(drawn[0])
                lower = _greatest(lower, self._repaired_dual(x64, *drawn, r))
        values = [value for _, value in parts]
        if lower is not None:
            # the sums that are compared carry their own rounding
            gap = max(fun - lower, 0.0) + 8 * np.finfo(np.float64).eps * abs(fun) if math.isfinite(fun) else math.inf
            return Certificate(x, p, q, fun, gap, data, values, floor=self.floor)
        stationarity = math.sqrt(total(np.square(r - self._admissible(x64, r))))
        residual = max(
            relative(stationarity, math.sqrt(total(np.square(r - ktp)) + total(np.square(ktp)))),
            relative(sum(gap for gap, _ in parts), fun),
        )
        return Certificate(x, p, q, fun, math.inf, data, values, certified=False, residual=residual)

    def _data_duals(self, z: Array, ktp: Array, q: Array | None) -> list[Array]:
        """Duals of the data term to try, inside its domain up to a multiple; the gradient at A x where that is smooth."""
        if self.data.quadratic:
            return [np.broadcast_to(self.data.gradient(z), z.shape)]
        found = [] if q is None else [q.astype(np.float64)]
        if self.operator is None:
            found.append(np.where(np.greater(self.data.m, 0), -ktp, 0.0))
        if self.data.smooth or not found:
            found.append(np.broadcast_to(self.data.gradient(z), z.shape))
        return found

    @cached_property
    def _range(self) -> tuple[Any, Any] | None:
        """(lo, hi) of each channel that hold a minimiser: the bounds given on both sides, or those that clipping implies."""
        if self.lo is not None and self.hi is not None and not (np.isinf(self.lo).any() or np.isinf(self.hi).any()):
            return self.lo, self.hi
        if self.operator is not None or not all(q._shrinks for q in self.parts) or np.ndim(self.lo) or np.ndim(self.hi):
            return None
        seen = np.ones(self.shape, bool) if self.m is None else np.broadcast_to(self.m > 0, self.shape)
        axes = tuple(range(1, len(self.shape)))
        # unmeasured channels are free, and 0 is an answer for them
        nearest = self.data.nearest
        lo = np.where(seen, nearest, math.inf).min(axis=axes, keepdims=True, initial=math.inf)
        hi = np.where(seen, nearest, -math.inf).max(axis=axes, keepdims=True, initial=-math.inf)
        lo, hi = np.where(np.isfinite(lo), lo, 0.0), np.where(np.isfinite(hi), hi, 0.0)
        if not self.full.costs_nothing("constants"):
            lo, hi = np.minimum(lo, 0.0), np.maximum(hi, 0.0)
        # a bound on one side cuts the interval: each pixel's distance falls towards it
        return self.clip(lo), self.clip(hi)

    def _dual_with_bounds(self, p: Array, q: Array, r: Array) -> float | None:
        """-D*(q) - c(p) + sum min(lo r, hi r) where a minimiser is known to be within lo and hi; None elsewhere."""
        if self._range is None:
            return None
        lo, hi = self._range
        return total(np.minimum(lo * r, hi * r)) - self.data.conjugate(q) - self.stack.conjugate(p)

    def _admissible(self, x: Array, r: Array) -> Array:
        """The part of r that the bounds touched by x can balance: r >= 0 at lo, r <= 0 at hi, 0 elsewhere."""
        kept = np.zeros_like(r)
        if self.lo is not None:
            np.copyto(kept, r, where=(x <= self.lo) & (r > 0))
        if self.hi is not None:
            np.copyto(kept, r, where=(x >= self.hi) & (r < 0))
        return kept

    @cached_property
    def _null(self) -> tuple[list[Array], list[Array], Array]:
        """The images n_k that cost nothing, A n_k, and the matrix <A n_k, M A n_l>."""
        basis = self.full.null_basis()
        images = [self.forward(n) for n in basis]
        m = np.asarray(self.data.m, dtype=np.float64)
        matrix = np.array([[total(a * m * b) for b in images] for a in images])
        return basis, images, matrix

    def _repaired_dual(self, x: Array, p: Array, q: Array, r: Array) -> float | None:
        """The dual value of (q, p) made feasible: r is moved onto what the bounds can balance, then (q, p) scaled.

        q is shifted so that r is orthogonal to what costs nothing, p corrected by the least-norm dp with
        K^T dp = -r, both scaled into the ball; -D* is maximised along that ray.
        """
        kept = self._admissible(x, r)
        q = self._orthogonalised(q, kept)
        for_p = self.adjoint(q) - kept
        corrected = self._corrected(for_p + self.stack.adjoint(p))
        if corrected is None:
            return None
        dq, dp = corrected
        p = p - dp
        if dq is not None:
            q = q - self.forward(dq)
            for_p = self.adjoint(q) - kept
        left = for_p + self.stack.adjoint(p)
        if total(np.abs(left)) > 1e-8 * total(np.abs(for_p)):
            # more than rounding: an image costs nothing under A and K both, and the bounds pull on it
            return None
        gauge = max(self.stack.gauge(p), self.data.gauge(q))
        # inside the balls in fact, and not by rounding
        limit = (1 - 1e-15) / gauge if gauge > 0 else math.inf
        # where r is kept, x stands at the bound that balances it
        t, value = self.data.best_multiple(q, self.stack.conjugate(p), total(kept * x), limit)
        # what rounding left of r, against the size of x
        return value - t * total(np.abs(left)) * float(np.abs(x).max())

    @cached_property
    def _joint(self) -> tuple[float, Gram] | None:
        """b and A^T A + b K^T K, where that is inverted exactly; b is small, as what q gives up costs only its square."""
        data, penalty = self.gram, self.stack.gram()
        # a part of weight 0 has no dual
        if self.operator is None or data is None or penalty is None or any(q._w() == 0 for q in self.parts):
            return None
        b = 8e-3 * self.norm_squared / (self.stack.norm_squared or 1.0)
        joint = data + penalty * b
        return None if joint is None else (b, joint)

    def _corrected(self, residual: Array) -> tuple[Array | None, Array] | None:
        """(dq, dp) with A^T A dq + K^T dp = residual, dq None where p alone is corrected; None where neither is known."""
        if self._joint is None:
            dp = self.stack.least_norm_dual(residual)
            return None if dp is None else (None, dp)
        b, joint = self._joint
        dq = joint.solve(residual)
        dp = self.stack.analysis(dq)
        dp *= dp.dtype.type(b)
        return dq, dp

    def _drawn_together(self, x: Array, p: Array, q: Array, atq: Array) -> tuple[Array, Array]:
        """A pair (p, q) nearer to both, p in the ball and A^T q + K^T p what the bounds balance: alternating projections.

        What p is outside the ball after the repair scales the whole dual, and with it the bound: this makes it small.
        """
        p, atq = p.copy(), atq.astype(self.dtype)
        moved = np.zeros(self.shape, self.dtype)
        for _ in range(_ALTERNATIONS):
            residual = self.stack.add_adjoint(atq.copy(), p)
            residual -= self._admissible(x, residual)
            corrected = self._corrected(residual)
            if corrected is None:
                break
            dq, dp = corrected
            p -= dp
            if dq is not None:
                moved += dq
                # A^T A dq is what of the residual is not K^T dp
                atq += self.stack.add_adjoint(-residual, dp)
            self.stack.project(p)
            if not self.data.quadratic:
                # q has a domain of its own
                q = self.data.project(q - self.forward(moved.astype(np.float64)))
                moved[...] = 0
                atq = self.adjoint(q).astype(self.dtype)
        return p, q - self.forward(moved.astype(np.float64))

    def _orthogonalised(self, q: Array, kept: Array) -> Array:
        basis, images, matrix = self._null
        if not basis:
            return q
        m = np.asarray(self.data.m, dtype=np.float64)
        b = np.array([total(q * a) - total(kept * n) for a, n in zip(images, basis, strict=True)])
        shift = np.linalg.lstsq(matrix, b, rcond=None)[0]
        return np.asarray(q - m * sum(c * a for c, a in zip(shift, images, strict=True)))

    # -- better answers for nothing --------------------------------------------------------------------------------

    @cached_property
    def trivial(self) -> Array | None:
        """The best image that costs nothing under the penalty; None where the bounds forbid it."""
        if self._closed_means:
            shape = (-1, *(1,) * (len(self.shape) - 1))
            return np.array(np.broadcast_to(np.array(self._means, self.dtype).reshape(shape), self.shape))
        if not self.data.quadratic:
            return None
        basis, images, matrix = self._null
        x = np.zeros(self.shape)
        if basis:
            b = np.array([total(np.asarray(self.data.m * self.y) * a) for a in images])
            x += sum(c * n for c, n in zip(np.linalg.lstsq(matrix, b, rcond=None)[0], basis, strict=True))
        inside = not self.bounded or np.array_equal(self.clip(x), x)
        return x.astype(self.dtype) if inside else None

    @property
    def _closed_means(self) -> bool:
        """Whether the best image that costs nothing is the mean of each channel, or 0."""
        plain = self.operator is None and self.m is None and not self.bounded and self.data.quadratic
        return plain and not self.full.costs_nothing("affine")

    @cached_property
    def _means(self) -> list[float]:
        """The value of each channel of `trivial` without an operator, weights or bounds: its mean, or 0."""
        free = self.full.costs_nothing("constants")
        # as the image holds it
        return [float(self.dtype.type(total(image) / image.size)) if free else 0.0 for image in self.y]

    @cached_property
    def trivial_fun(self) -> float:
        """F at the trivial image."""
        if self._closed_means:
            return 0.5 * sum(_squared_distance(image, mean) for image, mean in zip(self.y, self._means, strict=True))
        return math.inf if self.trivial is None else self.data.value(self.forward(self.trivial))

    @cached_property
    def trivial_certificate(self) -> Certificate | None:
        """The trivial image with the least-norm dual: closed where the weight is at or above `max_weight`."""
        duals = self.trivial_duals()
        return None if self.trivial is None or duals is None else self.certificate(self.trivial, self.flat_dual(duals))

    def trivial_duals(self) -> list[Array] | None:
        """The dual of each part, of least norm, for the trivial image."""
        if self.trivial is None:
            return None
        q = self.data.gradient(self.forward(self.trivial.astype(np.float64)))
        d = -self.adjoint(np.broadcast_to(q, self.y.shape))
        p = self.full.least_norm_dual(self.full.without_null(d))
        return None if p is None else self.full.split(p)

    def snapped(self, found: Certificate, tol: float) -> Certificate:
        """The image made exact where the dual says so: zeros where the gap still meets `tol`, flat regions where it falls."""
        within = max(tol, found.rel_gap)
        kinds = {q.null_space for q in self.parts}
        if "zero" in kinds:
            found = self._snapped(found, "zero", lambda snapped: snapped.rel_gap <= within)
        if "constants" in kinds:
            found = self._snapped(found, "constants", lambda snapped: snapped.gap <= found.gap)
        return found

    def _snapped(self, found: Certificate, null_space: str, accept: Callable[[Certificate], bool]) -> Certificate:
        """Snap by the parts with that null space, trusting ever fewer groups until the result is accepted."""
        duals = self.duals(found.x, found.p)
        parts = [(q, dual) for q, dual in zip(self.parts, duals, strict=True) if q.null_space == null_space]
        keeps_zeros = any(q.null_space == "zero" for q in self.parts)
        for margin in MARGINS[null_space]:
            x = found.x.copy()
            for q, dual in parts:
                q._snap(x, dual, margin)
            if keeps_zeros:
                x[found.x == 0] = 0
            if np.array_equal(x, found.x):
                break
            snapped = self.certificate(self.clip(x), found.p, found.q)
            if snapped.certified and accept(snapped):
                return snapped
        return found
