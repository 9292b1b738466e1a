"""The one problem every call solves, its objective and its certificate.

minimise over x:  F(x) = D(A x; y) + sum_i w_i P_i(x)   subject to  lo <= x <= hi
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import SUM, UNIT, norm
from ..data_terms import DataTerm
from ..dual.denoising import Denoising
from ..dual.prox import relative_gap
from ..dual.stack import Stack
from ..dual.term import Term
from ..linear.diagonal import Diagonalised
from ..penalties.infimal import InfimalPenalty
from ..runtime.workers import Workers
from .certificate import Certificate
from .posed import Posed
from .reach import Reach
from .repair import DualRepair

#: pixels beyond which a solve starts from half the size or ends with flat regions where that pays; a batch, whose answers are
#: those of single solves, works images together only up to here
LARGE = 1 << 16
#: alternating projections can close a gap this many times too large; thirty times that many where q has a domain to be in
_WITHIN_REACH = 30.0
#: least over largest data weight below which pixels are as good as not measured
_LITTLE = 1e-4
#: what pixels of next to no weight may be of the data term where they are left out of the work
_FAINT = 1e-6


#: what parts cost that are minimisations of their own, by their index
Costs = dict[int, float]


def _greatest(*values: float | None) -> float | None:
    """The greatest of those that are numbers; None where none is."""
    return max((v for v in values if v is not None and not math.isnan(v)), default=None)


def _squared_distance(image: Array, value: Any) -> float:
    """Sum of (image - value)^2 in float64, a piece at a time so that no image of float64 is made."""
    flat, piece = image.reshape(-1), 1 << 18
    return sum(total(np.square(np.subtract(flat[i : i + piece], value, dtype=np.float64))) for i in range(0, flat.size, piece))


@dataclasses.dataclass(frozen=True)
class WithBackground:
    """The image that is returned where there is a background: x + b, rounded and within bounds; certified in float64.

    `problem` is the one of x - b in float64.
    """

    problem: Problem
    background: Any
    lo: Any
    hi: Any

    def with_background(self, x: Array) -> Array:
        """x + b, in x's dtype."""
        stored = x + np.asarray(self.background, x.dtype)
        return np.asarray(stored if self.lo is None and self.hi is None else np.clip(stored, self.lo, self.hi))

    def less_background(self, x: Array) -> Array:
        """The image that is returned, less the background, in float64."""
        return np.asarray(self.with_background(x).astype(np.float64) - self.background)


def _working_weights(term: DataTerm, y: Array, m: Array, whole: bool) -> tuple[Array, DataTerm | None]:
    """The weights to work with, in the dtype of y and no larger than m, and the data term of what they lack of it, if anything.

    Unless the whole is asked for, they are 0 where that is nothing beside the largest: below eps of it, and what the image
    itself is about its mean as little under them.
    """
    own = m.astype(y.dtype, copy=False)
    if (own > m).any():
        own = np.where(own > m, np.nextafter(own, y.dtype.type(0)), own)
    weak = np.broadcast_to((own > 0) & (own < np.finfo(y.dtype).eps * own.max()), y.shape)
    if not whole and weak.any():
        strong, faint = (term.bind(y, np.where(kept, own, y.dtype.type(0))) for kept in (~weak, weak))
        level = np.full(y.shape, total(strong.m * y) / total(np.asarray(strong.m)))
        if faint.value(level) <= _FAINT * strong.value(level):
            own = strong.m
    return own, None if np.array_equal(own, m) else term.bind(y, np.subtract(m, own, dtype=np.float64))


class Problem:
    """The problem on arrays (channels, *spatial) of one dtype.

    `stack` holds the parts whose dual the solvers work on: with A = I and least squares that measure every pixel, or parts that
    are all w|x| pixel by pixel, `denoising` is set, and such parts are left to the primal step (see `Denoising`); otherwise, or
    not `separate`, `stack` holds all parts.
    """

    def __init__(self, posed: Posed, *, separate: bool = True, returned: WithBackground | None = None) -> None:
        y, parts, shape, operator, m = posed.y, posed.parts, posed.shape, posed.operator, posed.m
        #: the data term of what the weights worked with lack of those given: it is measured
        self.faint: DataTerm | None = None
        #: the parts of the penalty on images of this shape
        self.terms = tuple(q.bind(shape) for q in parts)
        term = posed.data
        pixelwise = operator is None and term.quadratic and all(q.threshold is not None for q in self.terms)
        if m is not None:
            m, self.faint = _working_weights(term, y, m, whole=pixelwise)
        self.y, self.m, self.lo, self.hi = y, m, posed.lo, posed.hi
        self.shape, self.dtype = shape, y.dtype
        self.parts = tuple(parts)
        self.operator = operator
        self.returned = returned
        self.tol = 0.0
        #: whether images are certified as they are, and not brought into the domain of the data term
        self.given = False
        #: iterations of conjugate gradients that the last certificate took
        self.effort = 0
        #: the dual of the data term that goes with the image to start from, where it is known
        self.known_dual: Array | None = None
        self.data = term.bind(y, m)
        self.denoising: Denoising | None = None
        if separate and operator is None and (self._strong or pixelwise):
            if self.data.mu == 0 and m is not None:
                # what was not measured may hold anything
                y = np.where(m > 0, y, np.mean(y, where=np.broadcast_to(m > 0, y.shape), dtype=np.float64).astype(y.dtype))
            self.denoising = Denoising(y, self.terms, m, posed.lo, posed.hi)
        self.full = Stack(self.terms, shape) if self.denoising is None or self.denoising.pointwise else self.denoising.dualised
        self.stack = self.full if self.denoising is None else self.denoising.dualised

    @cached_property
    def reach(self) -> Reach:
        """Where minimisers can be."""
        return Reach(self)

    @cached_property
    def repair(self) -> DualRepair:
        """The correction of infeasible duals, whose value then bounds the minimum."""
        return DualRepair(self)

    @property
    def _strong(self) -> bool:
        """Whether the data term without an operator is strongly convex enough to go by."""
        return self.data.mu > 0 and self.data.mu >= _LITTLE * self.data.lipschitz

    def configure(self, workers: Workers, tol: float) -> None:
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
    def product_rounding(self) -> float:
        """Bound on the rounding of A x and A^T q in float64, in units of 2^-53 and the length of x and q."""
        return 0.0 if self.operator is None else self.operator.product_rounding

    @property
    def lipschitz(self) -> float:
        """Lipschitz constant of the gradient of D(A x), as far as ||A|| is known; 1 where A is 0."""
        return (self.norm_squared * self.data.lipschitz) or 1.0

    @property
    def curvature(self) -> float:
        """`lipschitz`; where it is infinite ||A||^2 max m / spread(y), the ratio of dual to primal sizes."""
        if math.isfinite(self.lipschitz):
            return self.lipschitz
        spread = float(np.std(self.y, dtype=np.float64))
        return (self.norm_squared or 1.0) * (float(np.max(self.data.m)) / spread if spread > 0 else 1.0)

    def first_dual(self, x: Array) -> Array:
        """A dual of the data term to start from, inside its domain: the one known, or its gradient at A x."""
        if self.known_dual is not None:
            # it may have been of other weights
            return self.data.project(np.where(np.greater(self.data.m, 0), self.known_dual, 0))
        q = np.asarray(self.data.first_gradient(self.forward(x)))
        return np.asarray(q / q.dtype.type(max(1.0, self.data.gauge(q))))

    @property
    def gram_of_operator(self) -> Diagonalised | None:
        """A^T A where a transform inverts it."""
        return Diagonalised("uniform", 1.0) if self.operator is None else self.operator.gram

    @property
    def gram(self) -> Diagonalised | None:
        """A^T M A where a division or a transform inverts it."""
        if self.operator is None:
            return Diagonalised("uniform", 1.0) if self.m is None else Diagonalised("pixel", self.m)
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
            # what was not measured, or hardly, may hold anything: the best image that costs nothing stands there
            m = np.broadcast_to(np.asarray(self.data.m, np.float64), self.shape)
            blank = total(m * self.y) / total(m) if self.trivial is None else self.trivial
            return self.clip(np.where(m >= 1e-2 * m.max(), self.data.nearest, blank).astype(self.dtype))
        # one gradient step from 0 on the least squares
        x = self.adjoint(self.data.m * self.y) / ((self.norm_squared * float(np.max(self.data.m))) or 1.0)
        return self.clip(x.astype(self.dtype))

    # -- the certificate -------------------------------------------------------------------------------------------

    def certificate(self, x: Array, p: Array, q: Array | None = None, *, costs: Costs | None = None) -> Certificate:
        """How far x is from the optimum, by the dual p of `stack` (feasible part by part), and q of the data term if given.

        `costs` is for parts that are minimisations of their own (see `problems/lifted.py`).
        """
        if self.returned is not None:
            found = self._certificate_of_returned(x, p, q, costs)
        elif self.denoising is not None:
            gap, fun, data, values, off = self.denoising.measure(x, p)
            found = Certificate(x, p, None, fun, gap, data, values, rounding=off)
        else:
            x = self._in_domain(self.clip(x)) if costs is None else self.clip(x)
            parts = self._gaps(x.astype(np.float64), p, costs)
            if self.operator is None and (self.reach.box is not None or self._strong):
                found = self._certificate_in_box(x, p, parts)
            else:
                found = self._general_certificate(x, p, q, parts)
        if self.faint is not None and self.returned is None:
            extra = self.faint.value(self.forward(found.x.astype(np.float64)))
            found.fun, found.data, found.gap = found.fun + extra, found.data + extra, found.gap + extra * (1 + 1e-12)
        found.negligible = self._is_negligible(found)
        if found.negligible and not found.certified:
            # no image costs less than 0: this one needs no dual
            found.certified, found.gap, found.residual = True, found.fun + self.floor(found.x), 0.0
        return found

    @property
    def _terms(self) -> list[DataTerm]:
        """The data term that is solved, and the one of the faint weights that is only measured."""
        return [self.data] if self.faint is None else [self.data, self.faint]

    def _in_domain(self, x: Array) -> Array:
        """x, or where D is infinite the nearest image on the way to one inside the domain of D."""
        if self.given or self.data.everywhere or not np.isfinite(x).all():
            return x
        if self.operator is None:
            for term in self._terms:
                x = term.nearest_inside(x)
            return self.clip(x)
        z = self.forward(x.astype(np.float64))
        if all(math.isfinite(term.value(z)) for term in self._terms) or self._interior is None:
            return x
        share = max(term.outside(z, self._interior[1]) for term in self._terms)
        return x if share == 0 else self.clip((x + x.dtype.type(share) * (self._interior[0] - x)).astype(x.dtype))

    @cached_property
    def _interior(self) -> tuple[Array, Array] | None:
        """An image within bounds that is well inside the domain of D, and its A x; None where none is at hand."""
        level = max(float(np.mean(self.y, dtype=np.float64)), float(np.finfo(np.float32).tiny))
        ones = np.ones(self.shape, self.dtype)
        gain = float(np.mean(self.forward(ones), dtype=np.float64))
        flat = ones * self.dtype.type(level / gain if gain > 0 else level)
        for x in (flat, self.adjoint(np.ones_like(self.y)), self.start()):
            x = self.clip(x.astype(self.dtype))
            z = self.forward(x)
            if all(term.outside(z, z) == 0 and math.isfinite(term.value(z.astype(np.float64))) for term in self._terms):
                return x, z
        return None

    def _is_negligible(self, found: Certificate) -> bool:
        """Whether F(x) is no more than `rounding_floors`: as far as the dtype can tell it is 0.

        Term by term: what a large weight makes of the rounding of x excuses no data term.
        """
        if not 0 <= found.fun < math.inf:
            return False
        eps = float(np.finfo(self.dtype).eps)
        size = 1.0 if self.data.degree == 2 else 2.0 / eps
        # without an operator x is near y then: most images need no closer look
        if self.operator is None and found.data > eps * eps * size * (self._energy + found.data):
            return False
        if self.operator is None:
            # and no closer look at an image that costs more than its rounding could, by norms alone
            plain = self.data.degree == 2 and self.m is None
            length = eps * (math.sqrt(self._energy) + math.sqrt(2 * found.data) if plain else norm(found.x))
            if self.returned is not None:
                length = eps * norm(self.returned.with_background(found.x))
            data = max(self.data.lipschitz, 1.0) * length * length if self.data.degree == 2 else math.inf
            spreads = zip(self.terms, self._bounds_by_length, found.values, strict=True)
            if any(value > spread * length ** (2 if q.penalty.degree == 2 else 1) + data for q, spread, value in spreads):
                return False
        data, parts = self.rounding_floors(found.x)
        beyond = sum(max(value - floor, 0.0) for value, floor in zip(found.values, parts, strict=True))
        return found.data <= data and beyond <= data

    @cached_property
    def _bounds_by_length(self) -> list[float]:
        """For each part the most that an image of length one costs."""
        return [q.bound_by_length(1.0) for q in self.terms]

    @cached_property
    def _energy(self) -> float:
        """The size of y in the data term's metric: sum m y^2 or sum m |y|."""
        if self.denoising is not None and self.returned is None:
            return self.denoising.size * self.denoising.size
        size = np.abs(self.y if self.returned is None else self.returned.with_background(self.y), dtype=np.float64)
        return total(self.data.m * (size * size if self.data.degree == 2 else size))

    def floor(self, x: Array) -> float:
        """All that storing x in its dtype may add to F."""
        data, parts = self.image_problem.rounding_floors(self.image_of(x))
        return data + sum(parts)

    def rounding_floors(self, x: Array) -> tuple[float, list[float]]:
        """Bounds on the data term and on each part that rounding x to its dtype, and A x in float64, makes of an exact 0."""
        size = np.abs(x if self.returned is None else self.returned.with_background(x), dtype=np.float64)
        size *= 0.5 * float(np.finfo(self.dtype).eps)
        parts = [q.bound_by_size(size) for q in self.terms]
        if self.operator is None:
            return self.data.off_by(size), parts
        off = math.sqrt(self.norm_squared) * norm(size) + UNIT * self.product_rounding * norm(x)
        return self.data.off_by_length(off), parts

    def _certificate_of_returned(self, x: Array, p: Array, q: Array | None, costs: Costs | None) -> Certificate:
        """The certificate of the image x + b as it is returned, in float64, and a bound on the rounding of (x + b) - b."""
        assert self.returned is not None
        # the certificate is of this very image
        x = self._in_domain(self.clip(x)) if costs is None else self.clip(x)
        problem, u = self.returned.problem, self.returned.less_background(x)
        problem.tol, problem.given = self.tol, True
        if costs is not None:
            # of what rounding made of the image too
            costs = {i: cost + cast(InfimalPenalty, self.parts[i])._value_bound(u - x) for i, cost in costs.items()}
        found = problem.certificate(u, p.astype(np.float64), None if q is None else q.astype(np.float64), costs=costs)
        self.effort = problem.effort
        off = UNIT * (norm(u) + norm(problem.y))
        own = problem.data.rounding(problem.forward(u), math.sqrt(self.norm_squared) * off)
        own += sum(q.bound_by_size(UNIT * np.abs(u)) + 8 * UNIT * v for q, v in zip(self.terms, found.values, strict=True))
        return dataclasses.replace(found, x=x, p=p, q=q, gap=found.gap + own, rounding=found.rounding + own)

    def _gaps(self, x: Array, p: Array, costs: Costs | None) -> list[tuple[float, float]]:
        """`Stack.gaps`, with these costs."""
        if costs is None:
            return self.stack.gaps(x, p)
        found = []
        for i, (part, dual) in enumerate(zip(self.stack.terms, self.stack.split(p), strict=True)):
            if i in costs:
                found.append((costs[i] - part.product(dual, x), costs[i]))
            else:
                found.append(part.gap(x, dual))
        return found

    # -- between the user's image and the solvers' -----------------------------------------------------------------

    @property
    def image_problem(self) -> Problem:
        """The problem as the user gave it; this one, unless a larger one is behind it."""
        return self

    def start_from(self, x: Array, duals: Sequence[Array] | None) -> tuple[Array, Array]:
        """The primal and the flat dual of a start from an image and one dual a part."""
        p = np.zeros(self.stack.size, self.dtype) if duals is None else self.flat_dual(duals)
        x = np.array(self.clip(x))
        if self.denoising is None:
            return x, p
        # under weights much smaller than those of an earlier answer the dual knows better than its image
        induced = self.denoising.induced(p).astype(self.dtype)
        measure = self.denoising.measure
        return min(x, induced, key=lambda start: measure(start, p)[0]), p

    def image_of(self, x: Array) -> Array:
        """The image that belongs to the solver's variable x: x itself here, S X in a lifted problem."""
        return x

    def parts_and_duals(self, found: Certificate) -> tuple[tuple[Term, ...], list[Array]]:
        """The parts of the penalty and their duals."""
        return self.terms, self.duals(found.x, found.p)

    def duals(self, x: Array, p: Array) -> list[Array]:
        """The dual of every part, in the order of `parts`."""
        return self.stack.split(p) if self.denoising is None else self.denoising.duals(x, p)

    def flat_dual(self, duals: Sequence[Array]) -> Array:
        """The feasible dual of `stack` nearest to one array a part, in the order of `parts`."""
        chosen = duals if self.denoising is None else self.denoising.select_dualised(duals)
        p = self.stack.join(chosen, self.dtype)
        for q, dual in zip(self.stack.terms, self.stack.split(p), strict=True):
            q.clear_unused(dual)
        return self.stack.project(p)

    def _certificate_in_box(self, x: Array, p: Array, parts: list[tuple[float, float]]) -> Certificate:
        """Without an operator, where lo and hi hold a minimiser: the dual is the least of D(x) + <K^T p, x> between them.

        gap = [D(x) + <K^T p, x> - that] + sum_i [w_i h_i(K_i x) + c_i(p_i) - <p_i, K_i x>], every term >= 0.
        """
        x64 = x.astype(np.float64)
        ktp = self.stack.adjoint(p)
        limits = (-math.inf if self.lo is None else self.lo, math.inf if self.hi is None else self.hi)
        best = np.clip(self.data.lowest(ktp), *(limits if self.reach.box is None else self.reach.box))
        terms = self.data.values(x64)
        data = total(terms)
        loss = total(terms - self.data.values(best) + ktp * (x64 - best)) if math.isfinite(data) else math.inf
        values = [value for _, value in parts]
        gap = max(loss, 0.0) + sum(max(gap, 0.0) for gap, _ in parts)
        off = 0.0
        if math.isfinite(gap):
            off = self._rounding_in_box(x64, best, ktp, p) + float(self.stack.rounding(x64, p, parts))
        return Certificate(x, p, None, data + sum(values), float(gap + off), data, values, rounding=off)

    def _rounding_in_box(self, x: Array, best: Array, ktp: Array, p: Array) -> float:
        """How far D(x) - D(best) + <K^T p, x - best> may be too small, and D(best) + <K^T p, best> above its minimum."""
        own = total(np.abs(ktp * (x - best))) + self.data.value(x) + self.data.value(best)
        # the minimiser of a pixel as it is rounded, and as K^T p is: what it loses is of the square of that, or of K^T p alone
        far = norm(x - best) + UNIT * 16 * (norm(x) + norm(best) + norm(self.y))
        off = UNIT * (self.stack.roundings * self.stack.dual_length(p) + 16 * norm(ktp))
        return UNIT * SUM * own + 2 * far * off + self.data.rounding(x) + self.data.rounding(best)

    def _general_certificate(self, x: Array, p: Array, q: Array | None, parts: list[tuple[float, float]]) -> Certificate:
        """The data term dualised too: r = A^T q + K^T p, with bounds or with a repaired dual."""
        x64 = x.astype(np.float64)
        z = self.forward(x64)
        data = self.data.value(z)
        fun = data + sum(value for _, value in parts)
        ktp = self.stack.adjoint(p)
        allowed = max(self.tol, 1e-12) * fun
        # elsewhere the dual is drawn to feasibility, where that is cheap
        settled = not self.full.inverts_fast
        within_reach = allowed * (_WITHIN_REACH if self.data.quadratic else 30 * _WITHIN_REACH)
        self.effort, far = 0, self.reach.length_bound(fun)
        lower: float | None = None
        duals = self._data_duals(z, ktp, q)
        for dual in duals:
            r = self.adjoint(dual) + ktp
            lower = _greatest(lower, self._dual_with_bounds(p, dual, r))
            if math.isinf(far):
                continue
            if lower is None or fun - lower > allowed:
                lower = _greatest(lower, self.repair.dual_value(x64, p, dual, r, far, allowed))
            if lower is not None and not settled and allowed < fun - lower < within_reach:
                drawn = self.repair.projected(x, p, dual, r - ktp)
                r = self.adjoint(drawn[1]) + self.stack.adjoint(drawn[0])
                lower = _greatest(lower, self.repair.dual_value(x64, *drawn, r, far, allowed))
        values = [value for _, value in parts]
        if lower is not None:
            gap, off = math.inf, 0.0
            if math.isfinite(fun):
                moved = UNIT * self.product_rounding * norm(x64)
                off = float(self.stack.rounding(x64, p, parts)) + self.data.rounding(z, moved) + UNIT * SUM * abs(fun)
                gap = max(fun - lower, 0.0) + off
                # the dual's value is less its own rounding already
                off += self.rounding_of_dual(p, duals[0], far) if math.isfinite(far) else 0.0
            return Certificate(x, p, q, fun, gap, data, values, rounding=off)
        stationarity = math.sqrt(total(np.square(r - self.repair.admissible(x64, r))))
        size = math.sqrt(total(np.square(r - ktp)) + total(np.square(ktp)))
        if not any(q.weight > 0 for q in self.terms):
            # A^T q is all there is, and is measured by q (Paige & Saunders, ACM TOMS 1982: the second rule of LSQR)
            size = math.sqrt(self.norm_squared) * norm(duals[-1])
        residual = max(
            relative_gap(stationarity, size),
            relative_gap(sum(gap for gap, _ in parts), fun),
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

    def _dual_with_bounds(self, p: Array, q: Array, r: Array) -> float | None:
        """-D*(q) - c(p) + sum min(lo r, hi r) where a minimiser is known to be within lo and hi; None elsewhere."""
        if self.reach.box is None:
            return None
        lo, hi = self.reach.box
        least = np.minimum(lo * r, hi * r)
        value = total(least) - self.data.conjugate(q) - self.stack.conjugate(p)
        return value - UNIT * SUM * total(np.abs(least)) - self.rounding_of_dual(p, q, self.reach.length_in_box)

    def rounding_of_dual(self, p: Array, q: Array, far: float) -> float:
        """How far the value of a dual may be too large, minimisers no longer than `far`: by D*(q), c(p) and A^T q + K^T p.

        A user's operator is taken as what its products return; where they are no adjoints of each other, as of single precision
        inside, by as much as they were found to differ.
        """
        size = self.data.conjugate_size(q) + self.stack.conjugate(p)
        length = norm(q)
        off = self.stack.roundings * self.stack.dual_length(p) + self.product_rounding * length
        mismatch = 0.0 if self.operator is None else self.operator.mismatch
        return UNIT * SUM * size + (UNIT * off + mismatch * math.sqrt(self.norm_squared) * length) * far

    @property
    def balance(self) -> float:
        """b in A^T A + b K^T K; small, as what q gives up costs only its square."""
        return 8e-3 * self.norm_squared * float(np.max(self.data.m)) / (self.stack.norm_squared or 1.0)

    def preconditioner(self, data: float | None, penalty: float, identity: float) -> Diagonalised:
        """A map near to data A^T A + penalty K^T K + identity I (A^T M A + ... where `data` is None) that is inverted fast.

        A term that is not diagonal in the penalty's domain is replaced by a multiple of the identity.
        """
        result = Diagonalised("uniform", (self._gain if data is None else data * self._plain_gain) + identity)
        for q in self.full.terms:
            gram = q.approximate_gram if q.gram is None else q.gram
            if gram is None:
                gram = Diagonalised("uniform", 0.5 * q.norm_squared)
            both = result + gram * penalty
            result = both if both is not None else result + Diagonalised("uniform", penalty * float(np.mean(gram.eigenvalues)))  # type: ignore[assignment]
        return result

    @cached_property
    def _gain(self) -> float:
        """||M^1/2 A v||^2 / ||v||^2 for a random v."""
        return self._gain_with(self.data.m)

    @cached_property
    def _plain_gain(self) -> float:
        """||A v||^2 / ||v||^2 for a random v."""
        return self._gain_with(1.0)

    def _gain_with(self, m: Any) -> float:
        probe = np.random.default_rng(0).standard_normal(self.shape)
        return total(m * np.square(self.forward(probe))) / total(np.square(probe)) or 1.0

    # -- better answers for nothing --------------------------------------------------------------------------------

    @cached_property
    def trivial(self) -> Array | None:
        """The minimiser of the data term over the null space of the penalty; None where the bounds forbid it."""
        if self._trivial_is_mean:
            shape = (-1, *(1,) * (len(self.shape) - 1))
            return np.array(np.broadcast_to(np.array(self._channel_means, self.dtype).reshape(shape), self.shape))
        if not self.data.quadratic:
            return None
        basis, images, matrix = self.repair.null_images
        x = np.zeros(self.shape)
        if basis:
            b = np.array([total(np.asarray(self.data.m * self.y) * a) for a in images])
            x += sum(c * n for c, n in zip(np.linalg.lstsq(matrix, b, rcond=None)[0], basis, strict=True))
        x = x.astype(self.dtype)
        if self.operator is None:
            # what fits the image but for a few roundings is the image
            seen = np.broadcast_to(np.greater(self.data.m, 0), self.shape)
            largest = np.max(np.abs(self.y), where=seen, initial=0.0)
            x = np.where(seen & (np.abs(x - self.y) <= 8 * np.finfo(self.dtype).eps * largest), self.y, x)
        return x if np.array_equal(self.clip(x), x) else None

    @property
    def _trivial_is_mean(self) -> bool:
        """Whether `trivial` is the mean of each channel, or 0, without any linear system."""
        plain = self.operator is None and self.m is None and not self.bounded and self.data.quadratic
        return plain and not self.full.costs_nothing("affine")

    @cached_property
    def _channel_means(self) -> list[float]:
        """The value of each channel of `trivial` without an operator, weights or bounds: its mean, or 0."""
        free = self.full.costs_nothing("constants")
        # as the image holds it
        return [float(self.dtype.type(total(image) / image.size)) if free else 0.0 for image in self.y]

    @cached_property
    def trivial_fun(self) -> float:
        """F at the trivial image."""
        if self._trivial_is_mean:
            return 0.5 * sum(_squared_distance(image, mean) for image, mean in zip(self.y, self._channel_means, strict=True))
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
