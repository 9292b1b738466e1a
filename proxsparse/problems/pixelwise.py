"""Problems without an operator that are no denoising (other data terms, pixels not measured): duals are minima by pixel."""

from __future__ import annotations

import math

import numpy as np

from ..arrays.kinds import is_own
from ..arrays.numbers import Array, total
from ..arrays.roundoff import SUM, UNIT, norm
from ..dual.term import Iterations
from .certificate import Certificate
from .inverse import InverseProblem
from .measured import Measured, is_strong
from .posed import Posed
from .problem import WithBackground


class PixelwiseProblem(InverseProblem):
    """A = I: the data term stays in the primal step, or is dualised with what K^T p says."""

    def iterations(self, x: Array, p: Array) -> Iterations | None:
        """Over-relaxed iterations by kernels from x and the flat dual p; None where there are none."""
        terms, form = self.stack.terms, self.data.form() if is_own(type(self.data)) else None
        fused = terms[0].fused if len(terms) == 1 else None
        lo, hi = -math.inf if self.lo is None else self.lo, math.inf if self.hi is None else self.hi
        if fused is None or form is None or np.ndim(lo) or np.ndim(hi):
            return None
        return fused.begin_pixelwise(x, self.stack.split(p)[0], self.y, (0.0, float(lo), float(hi)), form)

    def start(self) -> Array:
        """The image given; where it was not measured, or hardly, the best image that costs nothing."""
        m = np.broadcast_to(np.asarray(self.data.m, np.float64), self.shape)
        blank = total(m * self.y) / total(m) if self.trivial.image is None else self.trivial.image
        return self.clip(np.where(m >= 1e-2 * m.max(), self.data.nearest, blank).astype(self.dtype))

    def _in_domain(self, x: Array) -> Array:
        if self.given or self.data.everywhere or not np.isfinite(x).all():
            return x
        for term in self._data_terms:
            x = term.nearest_inside(x)
        return self.clip(x)

    def _certificate(self, x: Array, p: Array, q: Array | None, parts: list[tuple[float, float]]) -> Certificate:
        """Where lo and hi hold a minimiser: the dual is the least of D(x) + <K^T p, x> between them.

        gap = [D(x) + <K^T p, x> - that] + sum_i [w_i h_i(K_i x) + c_i(p_i) - <p_i, K_i x>], every term >= 0.
        """
        if self.reach.box is None and not is_strong(self.data):
            return super()._certificate(x, p, q, parts)
        x64 = x.astype(np.float64)
        ktp = self.stack.adjoint(p)
        limits = (-math.inf if self.lo is None else self.lo, math.inf if self.hi is None else self.hi)
        best = np.clip(self.data.lowest(ktp), *(limits if self.reach.box is None else self.reach.box))
        terms, least = self.data.values(x64), self.data.values(best)
        data = total(terms)
        loss = total(terms - least + ktp * (x64 - best)) if math.isfinite(data) else math.inf
        values = [value for _, value in parts]
        gap = max(loss, 0.0) + sum(max(gap, 0.0) for gap, _ in parts)
        off = 0.0
        if math.isfinite(gap):
            off = self._rounding_in_box(x64, best, ktp, p, data, total(least)) + float(self.stack.rounding(x64, p, parts))
        return Certificate(x, p, None, data + sum(values), float(gap + off), data, values, rounding=off)

    def _rounding_in_box(self, x: Array, best: Array, ktp: Array, p: Array, data: float, least: float) -> float:
        """How far data - least + <K^T p, x - best> may be too small, and least + <K^T p, best> above its minimum."""
        # a term of one's own may know no value
        known: list[dict[str, float]] = [{"value": data}, {"value": least}] if is_own(type(self.data)) else [{}, {}]
        own = total(np.abs(ktp * (x - best))) + data + least
        # the minimiser of a pixel as it is rounded, and as K^T p is: what it loses is of the square of that, or of K^T p alone
        far = norm(x - best) + UNIT * 16 * (norm(x) + norm(best) + norm(self.y))
        off = UNIT * (self.stack.roundings * self.stack.dual_length(p) + 16 * norm(ktp))
        return UNIT * SUM * own + 2 * far * off + self.data.rounding(x, **known[0]) + self.data.rounding(best, **known[1])

    def _induced_data_duals(self, ktp: Array) -> list[Array]:
        return [np.where(np.greater(self.data.m, 0), -ktp, 0.0)]


def dualised_problem(posed: Posed, returned: WithBackground | None = None, measured: Measured | None = None) -> InverseProblem:
    """The problem with all of its penalty in the dual."""
    kind = PixelwiseProblem if posed.operator is None else InverseProblem
    return kind(posed, Measured.of(posed) if measured is None else measured, returned)
