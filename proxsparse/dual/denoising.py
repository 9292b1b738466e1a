"""The denoising problem every proximal operator is, and its certificate.

minimise over x:  1/2 sum_j m_j (x_j - y_j)^2 + sum_i w_i h_i(K_i x)   subject to  lo <= x <= hi

with m > 0; where every part is w|x| pixel by pixel m may be 0 too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays.numbers import (
    Array,
    total,
)
from ..arrays.roundoff import UNIT, norm
from ..kernels import pointwise
from ..kernels.moments import moments
from ..kernels.rounding import of_loss
from ..runtime.workers import SERIAL, Workers
from .stack import stack_of
from .term import Fused, Term

if TYPE_CHECKING:
    from ..penalties.base import Penalty

#: how many times longer than the image K^T p may be before it is measured
BEYOND = 16.0


class Measure(NamedTuple):
    """F(x) and its duality gap, the data term, the value of each part of the penalty, and what of the gap is for rounding."""

    gap: float
    fun: float
    data: float
    values: list[float]
    rounding: float


class Denoising:
    """The problem above on arrays (channels, *spatial).

    Parts that are w|x| pixel by pixel need no dual of their own: each primal step solves them with the data and the
    bounds, in closed form. `dualised` holds the other parts; a dual is a flat vector over `dualised`.
    """

    def __init__(
        self, y: Array, parts: Sequence[Penalty | Term], m: Array | None = None, lo: Any = None, hi: Any = None
    ) -> None:
        self.y, self.m = y, m
        self.terms = tuple([q.bind(y.shape) for q in parts])
        self.lo = -math.inf if lo is None else lo
        self.hi = math.inf if hi is None else hi
        self.bounded = lo is not None or hi is not None
        self._is_pointwise = [q.threshold is not None for q in self.terms]
        self.pointwise = tuple([q for q in self.terms if q.threshold is not None])
        others = [q for q in self.terms if q.threshold is None] if self.pointwise else self.terms
        self.dualised = stack_of(others, y.shape)
        self.soft: Any = 0.0
        for q in self.pointwise:
            self.soft = self.soft + q.threshold
        self._soft = self.soft != 0 if isinstance(self.soft, float) else bool(np.any(self.soft))
        #: whether there is neither a threshold nor a bound: the dual 0 induces y then
        self.is_free = not (self._soft or self.bounded)
        self.mu = 1.0 if m is None else float(m.min(where=m > 0, initial=math.inf))
        self.workers: Workers = SERIAL
        #: every number that the primal step needs is the same for all pixels
        self.uniform = m is None and np.ndim(self.soft) == np.ndim(self.lo) == np.ndim(self.hi) == 0
        # the only term that is dualised, where that is so
        self._alone = self.dualised.terms[0] if self.uniform and len(self.dualised.terms) == 1 else None

    def in_order_of_parts(self, rest: Sequence[Any], pointwise: Sequence[Any]) -> list[Any]:
        """Merge a list over the parts of `dualised` and one over the w|x| parts into the order of `terms`."""
        others, own = iter(rest), iter(pointwise)
        return [next(own if is_own else others) for is_own in self._is_pointwise]

    def select_dualised(self, one_a_part: Sequence[Any]) -> list[Any]:
        """Keep the entries of a list over `terms` whose parts are in `dualised`."""
        return [each for each, is_own in zip(one_a_part, self._is_pointwise, strict=True) if not is_own]

    def primal_step(self, v: Array, tau: float) -> Array:
        """Argmin over x of 1/2 ||x - v||^2 + tau (data + w|x|) within bounds, of v's dtype."""
        scalar = v.dtype.type
        m = scalar(1) if self.m is None else self.m
        inverse = 1 / (1 + scalar(tau) * m)
        x = (v + scalar(tau) * m * self.y) * inverse
        return self._threshold_and_clip(x, tau * self.soft * inverse)

    def _threshold_and_clip(self, x: Array, cut: Any) -> Array:
        if self._soft:
            x = np.maximum(x - cut, 0) + np.minimum(x + cut, 0)
        if self.bounded:
            x = np.clip(x, self.lo, self.hi)
        return x.astype(self.y.dtype, copy=False)

    def start(self) -> Array:
        """The primal that the dual 0 induces, of y's dtype; a fresh array."""
        # in float64 where there is something to do: a threshold may be beyond float32
        y = self.y if self.is_free else self.y.astype(np.float64)
        return self._induced(y).astype(self.y.dtype)

    def exact(self, dual: bool = True) -> tuple[Array, Array] | None:
        """The minimiser and its dual (0 where that is not asked for), where an algorithm ends with them; None elsewhere."""
        if not self.has_exact:
            return None
        p = np.zeros(self.dualised.size if dual else 0, self.y.dtype)
        if self._alone is None or self._alone.exact is None:
            return self.start(), p
        x = np.empty_like(self.y)
        self._alone.exact.solve(x, self.dualised.split(p)[0] if dual else None, self.y)
        return self._threshold_and_clip(x, self.soft), p

    @property
    def has_exact(self) -> bool:
        """Whether there is such an algorithm."""
        exact = None if self._alone is None else self._alone.exact
        if exact is None:
            return not self.dualised.terms
        return exact.survives or not (self._soft or self.bounded)

    @property
    def fused(self) -> Fused | None:
        """Kernels for whole iterations, where there are any."""
        return None if self._alone is None else self._alone.fused

    def half(self) -> tuple[Denoising, Callable[[Array], Array]] | None:
        """The same problem at half the size, where its dual is a good start, and what makes a dual of this one from it."""
        found = None if self._alone is None else self._alone.half(self.y)
        if found is None:
            return None
        one_a_part = self.in_order_of_parts([found.penalty], [q.penalty for q in self.pointwise])
        half = Denoising(found.y, one_a_part, lo=self.lo, hi=self.hi)
        half.workers = self.workers
        rest, smaller = self.dualised, half.dualised
        return half, lambda p: rest.project(found.finer(smaller.split(p)[0]).reshape(-1))

    def induced(self, p: Array) -> Array:
        """The primal that the dual p induces: argmin over x of data + <K^T p, x> + w|x| within bounds, in float64."""
        return self.primal_from_adjoint(self.dualised.adjoint(p))

    def primal_from_adjoint(self, ktp: Array) -> Array:
        """`induced`, from K^T p in float64."""
        return self._induced(self._unconstrained(ktp))

    def dual_value(self, ktp: Array) -> float:
        """The least of data + <K^T p, x> + w|x| within bounds, in float64; less c(p) it is the dual objective at p."""
        x = self.primal_from_adjoint(ktp)
        m = 1.0 if self.m is None else self.m
        return total(0.5 * m * np.square(x - self.y) + ktp * x + self.soft * np.abs(x))

    def _unconstrained(self, ktp: Array) -> Array:
        # from float64 on: the certificate sees no rounding of float32
        return np.asarray(self.y - self._per_weight(ktp))

    def _induced(self, u: Array) -> Array:
        if self._soft:
            cut = self._per_weight(self.soft)
            u = np.maximum(u - cut, 0) + np.minimum(u + cut, 0)
        return np.clip(u, self.lo, self.hi) if self.bounded else u

    def _per_weight(self, value: Any) -> Any:
        """The value over the data's weight; 0 / 0 is 0. A number is one of float64: the certificate sees no other rounding."""
        if self.m is None:
            return value
        value = np.asarray(value)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.equal(value, 0), self.m.dtype.type(0), value / self.m)

    @property
    def limits(self) -> tuple[float, float, float]:
        """Threshold and bounds, where they are the same for all pixels."""
        return float(self.soft), float(self.lo), float(self.hi)

    def measure(self, x: Array, p: Array) -> Measure:
        """F(x), its terms and the duality gap of x and p; every sum of the gap is of terms >= 0, in float64."""
        fused = self.fused
        sums = None if fused is None else fused.sums(x, self.dualised.split(p)[0], self.y, self.limits, self.workers)
        if sums is not None:
            return self.measure_of(sums, lambda: p, sums[0] + sums[2] <= 0 and not p.any())
        return self.measure_by_formulas(x, p)

    def measure_by_formulas(self, x: Array, p: Array) -> Measure:
        """`measure` by the formulas of the terms."""
        parts = self.dualised.gaps(x, p)
        loss, data = self.data_gap(x, self.dualised.adjoint(p))
        zero = np.zeros(x.shape, x.dtype) if self.pointwise else x
        return self._measure(x, p, parts, loss, data, [q.gap(x, zero)[1] for q in self.pointwise], not p.any())

    def measure_of(self, sums: tuple[float, ...], dual: Callable[[], Array], no_dual: bool = False) -> Measure:
        """`measure` from the sums of the kernels, and the flat dual where that is asked for; whether that is known to be 0."""
        # w h(Kx) - <p, Kx>, w h(Kx), the loss of x against the induced primal, the data term, |x|_1
        own, value, loss, data, size = sums
        pointwise = [float(q.threshold) * size for q in self.pointwise]
        # what rounding adds goes by the shape, unless the weight is beyond what matters
        p = self.no_dual if self.reach <= BEYOND * self.size else dual()
        return self._measure(self.y, p, [(own, value)], loss, data, pointwise, no_dual)

    @cached_property
    def no_dual(self) -> Array:
        """The flat dual 0, as one number: to be read only."""
        return np.broadcast_to(np.zeros((), self.y.dtype), self.dualised.size)

    @cached_property
    def reach(self) -> float:
        """The most that K^T p is long, in the metric of the data's weights."""
        return self.dualised.dual_length(self.no_dual) / math.sqrt(self.mu)

    def _measure(
        self,
        x: Array,
        p: Array,
        parts: list[tuple[float, float]],
        loss: float,
        data: float,
        pointwise: list[float],
        no_dual: bool,
    ) -> Measure:
        values = [value for _, value in parts]
        loss = max(loss, 0.0)
        gap = loss + sum([max(g, 0.0) for g, _ in parts])
        off = 0.0
        if gap > 0 or self._soft or not no_dual:
            off = float(self.rounding(x, p, parts, loss, data, self.size))
        return Measure(
            float(gap + off), data + sum(values) + sum(pointwise), data, self.in_order_of_parts(values, pointwise), off
        )

    def rounding(self, x: Array, p: Array, parts: Sequence[tuple[Any, Any]], loss: Any, data: Any, size: Any) -> Any:
        """How far the gap may be too small: the parts' share, and the loss, half a square of differences that are each off.

        phi_j(t) = m_j/2 (t - u_j)^2 + soft |t| is strongly convex: with u off by d its minimum is off by at most m_j d^2, and
        what t loses by at most m_j |t - best| d. `size` is that of y; numbers, or arrays of them over images like x.
        """
        ktp = self.dualised.dual_length(p) / math.sqrt(self.mu)
        if ktp > BEYOND * size:
            # a weight beyond what matters
            ktp = self.dualised.dual_length(p, measured=True) / math.sqrt(self.mu)
        # what is beyond u is not cut off
        cut = min(self.cut, size + ktp) if self.cut else 0.0
        own = of_loss(loss, data, size, ktp, cut, self.dualised.roundings)
        return self.dualised.rounding(x, p, parts) + UNIT * x.size * loss + own

    @cached_property
    def cut(self) -> float:
        """The length of the thresholds as they shift y, in the metric of the data's weights."""
        return norm(np.broadcast_to(self.soft, self.y.shape)) / math.sqrt(self.mu) if self._soft else 0.0

    @cached_property
    def size(self) -> float:
        """The length of y, in the metric of the data's weights."""
        if self.m is not None:
            return math.sqrt(total(self.m * np.square(self.y, dtype=np.float64)))
        n = self.y[0].size
        return math.sqrt(sum(max(squares + first * (2 * off + n * first), 0.0) for first, off, squares in self.moments))

    @cached_property
    def moments(self) -> list[tuple[float, float, float]]:
        """`kernels.moments` of each channel of y."""
        return [moments(channel.reshape(-1)) for channel in self.y]

    def data_gap(self, x: Array, ktp: Array) -> tuple[float, float]:
        """Return L(x) - min L and the data term at x, for L(x) = data + <K^T p, x> + w|x| within bounds."""
        if self.uniform:
            flat = (a.reshape(-1) for a in (x, ktp, self.y))
            loss, data = pointwise.data_gap(*flat, *self.limits)
            return float(loss), float(data)
        u = self._unconstrained(ktp)
        best = self._induced(u)
        x = x.astype(np.float64, copy=False)
        m = 1.0 if self.m is None else self.m
        terms = 0.5 * m * (x - best) * (x + best - 2 * u) + self.soft * (np.abs(x) - np.abs(best))
        return total(terms), 0.5 * total(m * np.square(x - self.y))

    def duals(self, x: Array, p: Array) -> list[Array]:
        """The dual of every part, in the order of `terms`: those in p, and those that go with x and p."""
        return self.in_order_of_parts(self.dualised.split(p), self._pointwise_duals(x, p) if self.pointwise else [])

    def _pointwise_duals(self, x: Array, p: Array) -> list[Array]:
        ktp = self.dualised.adjoint(p)
        if self.uniform and self.soft > 0:
            found = [np.empty_like(x) for _ in self.pointwise]
            flat = x.reshape(-1), ktp.reshape(-1), self.y.reshape(-1)
            for q, dual in zip(self.pointwise, found, strict=True):
                pointwise.threshold_duals(dual.reshape(-1), *flat, float(self.soft), float(q.threshold / self.soft))
            return found
        u = self._unconstrained(ktp) * (1.0 if self.m is None else self.m)
        subgradient = np.where(x == 0, np.clip(u, -self.soft, self.soft), np.sign(x, dtype=np.float64) * self.soft)
        fraction = np.divide(subgradient, self.soft, out=np.zeros_like(u), where=np.asarray(self.soft) > 0)
        return [(fraction * q.threshold).astype(self.y.dtype) for q in self.pointwise]
