"""Problems whose data term is dualised too: behind an operator; and the certificate of all that are no denoising."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import SUM, UNIT, norm
from ..data_terms import DataTerm
from ..dual.prox import relative_gap
from .certificate import Certificate
from .problem import Costs, Problem

#: alternating projections can close a gap this many times too large; thirty times that many where q has a domain to be in
_WITHIN_REACH = 30.0


def _greatest(*values: float | None) -> float | None:
    """The greatest of those that are numbers; None where none is."""
    return max((v for v in values if v is not None and not math.isnan(v)), default=None)


class InverseProblem(Problem):
    """Any data term of A x: the dual is one of the penalty and one of the data term, with A^T q + K^T p = 0."""

    def start(self) -> Array:
        """One gradient step from 0 on the least squares."""
        x = self.adjoint(self.data.m * self.y) / ((self.norm_squared * float(np.max(self.data.m))) or 1.0)
        return self.clip(x.astype(self.dtype))

    def _measured(self, x: Array, p: Array, q: Array | None, costs: Costs | None) -> Certificate:
        x = self._inside(x, costs)
        return self._certificate(x, p, q, self._gaps(x.astype(np.float64), p, costs))

    def _inside(self, x: Array, costs: Costs | None) -> Array:
        return self._in_domain(self.clip(x)) if costs is None else self.clip(x)

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

    @property
    def _data_terms(self) -> list[DataTerm]:
        """The data term that is solved, and the one of the faint weights that is only measured."""
        return [self.data] if self.faint is None else [self.data, self.faint]

    def _in_domain(self, x: Array) -> Array:
        """x, or where D is infinite the nearest image on the way to one inside the domain of D."""
        if self.given or self.data.everywhere or not np.isfinite(x).all():
            return x
        z = self.forward(x.astype(np.float64))
        if all(math.isfinite(term.value(z)) for term in self._data_terms) or self._interior is None:
            return x
        share = max(term.outside(z, self._interior[1]) for term in self._data_terms)
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
            if all(term.outside(z, z) == 0 and math.isfinite(term.value(z.astype(np.float64))) for term in self._data_terms):
                return x, z
        return None

    def _certificate(self, x: Array, p: Array, q: Array | None, parts: list[tuple[float, float]]) -> Certificate:
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
                moved = UNIT * self.linear.product_rounding * norm(x64)
                off = float(self.stack.rounding(x64, p, parts)) + self.data.rounding(z, moved) + UNIT * SUM * abs(fun)
                gap = max(fun - lower, 0.0) + off
                # the dual's value is less its own rounding already
                off += self.repair.rounding_of(p, duals[0], far) if math.isfinite(far) else 0.0
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
        found = [*([] if q is None else [q.astype(np.float64)]), *self._induced_data_duals(ktp)]
        if self.data.smooth or not found:
            found.append(np.broadcast_to(self.data.gradient(z), z.shape))
        return found

    def _induced_data_duals(self, ktp: Array) -> list[Array]:
        """Duals of the data term that K^T p tells by itself."""
        return []

    def _dual_with_bounds(self, p: Array, q: Array, r: Array) -> float | None:
        """-D*(q) - c(p) + sum min(lo r, hi r) where a minimiser is known to be within lo and hi; None elsewhere."""
        if self.reach.box is None:
            return None
        lo, hi = self.reach.box
        least = np.minimum(lo * r, hi * r)
        value = total(least) - self.data.conjugate(q) - self.stack.conjugate(p)
        return value - UNIT * SUM * total(np.abs(least)) - self.repair.rounding_of(p, q, self.reach.length_in_box)
