"""Duals made feasible: moved until A^T q + K^T p is what the bounds can balance, and scaled into their balls."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import SUM, UNIT, norm
from ..linear.diagonal import Diagonalised, conjugate_gradients
from .owned import Owned

#: alternating projections
_ALTERNATIONS = 20
#: iterations that correct a dual
_MOST_ITERATIONS = 500


class DualRepair(Owned):
    """The repair of the duals of a problem that no formula makes feasible."""

    def rounding_of(self, p: Array, q: Array, far: float) -> float:
        """How far the value of a dual may be too large, minimisers no longer than `far`: by D*(q), c(p) and A^T q + K^T p.

        A user's operator is taken as what its products return; where they are no adjoints of each other, as of single precision
        inside, by as much as they were found to differ.
        """
        problem = self.problem
        size = problem.data.conjugate_size(q) + problem.stack.conjugate(p)
        mismatch = problem.linear.mismatch
        return UNIT * SUM * size + (self._off(p, q) + mismatch * math.sqrt(problem.norm_squared) * norm(q)) * far

    def _off(self, p: Array, q: Array) -> float:
        """How long the rounding of A^T q + K^T p may be."""
        problem = self.problem
        return UNIT * (problem.stack.roundings * problem.stack.dual_length(p) + problem.linear.product_rounding * norm(q))

    def dual_value(self, x: Array, p: Array, q: Array, r: Array, far: float, allowed: float) -> float | None:
        """The dual value of (q, p) made feasible: r is moved onto what the bounds can balance, then (q, p) scaled.

        q is shifted so that r is orthogonal to what costs nothing, p corrected by the least-norm dp with K^T dp = -r, or both
        together by iterations; both are scaled into the ball, -D* is maximised along that ray. What is left of r costs as much
        as minimisers are large, at most `far`.
        """
        problem = self.problem
        kept = self.admissible(x, r)
        q = self._orthogonalised(q, kept)
        for_p = problem.adjoint(q) - kept
        # no more than rounding leaves
        enough = max(1e-2 * allowed / far, self._off(p, q)) if far > 0 else math.inf
        corrected = self._corrected(for_p + problem.stack.adjoint(p), enough)
        if corrected is not None:
            dq, dp = corrected
            p = p - dp
            if dq is not None:
                q = q - problem.forward(dq)
                for_p = problem.adjoint(q) - kept
        if math.isinf(problem.stack.gauge(p)):
            # balls that are points have no room for a correction
            p = p * self._movable
        left = for_p + problem.stack.adjoint(p)
        if norm(left) > enough:
            q, p = self._corrected_by_iterations(q, p, left, enough)
            left = problem.adjoint(q) - kept + problem.stack.adjoint(p)
        gauge = max(problem.stack.gauge(p), problem.data.gauge(q))
        # inside the balls in fact, and not by rounding
        limit = (1 - 1e-15) / gauge if gauge > 0 else math.inf
        # where r is kept, x stands at the bound that balances it
        t, value = problem.data.best_multiple(q, problem.stack.conjugate(p), total(kept * x), limit)
        value -= t * norm(left) * far + UNIT * SUM * t * total(np.abs(kept * x))
        return value - self.rounding_of(t * p, t * q, far)

    def _corrected_by_iterations(self, q: Array, p: Array, left: Array, enough: float) -> tuple[Array, Array]:
        """(q, p) with less left of A^T q + K^T p: less M A v and b K v where balls are no points, v by conjugate gradients.

        That knows every null space of the parts and of A, alone and together.
        """
        problem = self.problem
        m, b = problem.data.m, problem.preconditioner.balance

        def _moved(v: Array) -> tuple[Array, Array]:
            dp = problem.stack.analysis(v)
            dp *= b * self._movable
            return np.asarray(m * problem.forward(v)), dp

        def _system(v: Array) -> Array:
            dq, dp = _moved(v)
            return problem.stack.add_adjoint(np.array(problem.adjoint(dq), np.float64), dp)

        near = problem.preconditioner.near(None, b, 0.0)
        v, nit = conjugate_gradients(_system, left, np.zeros_like(left), near, 1e-24, enough * enough, _MOST_ITERATIONS)
        problem.effort += nit
        dq, dp = _moved(v)
        return q - dq, p - dp

    def projected(self, x: Array, p: Array, q: Array, atq: Array) -> tuple[Array, Array]:
        """Alternating projections of (p, q) on the balls and on the pairs with A^T q + K^T p = 0, or balanced by the bounds.

        A p far outside the ball after the repair would scale the whole dual down, and with it the bound.
        """
        problem = self.problem
        p, atq = p.copy(), atq.astype(problem.dtype)
        moved = np.zeros(problem.shape, problem.dtype)
        for _ in range(_ALTERNATIONS):
            residual = problem.stack.add_adjoint(atq.copy(), p)
            residual -= self.admissible(x, residual)
            corrected = self._corrected(residual)
            if corrected is None:
                break
            dq, dp = corrected
            p -= dp
            if dq is not None:
                moved += dq
                # A^T A dq is what of the residual is not K^T dp
                atq += problem.stack.add_adjoint(-residual, dp)
            problem.stack.project(p)
            if not problem.data.quadratic:
                # q has a domain of its own
                q = problem.data.project(q - problem.forward(moved.astype(np.float64)))
                moved[...] = 0
                atq = problem.adjoint(q).astype(problem.dtype)
        return p, q - problem.forward(moved.astype(np.float64))

    def _corrected(self, residual: Array, enough: float = 0.0) -> tuple[Array | None, Array] | None:
        """(dq, dp) with A^T A dq + K^T dp = residual, dq None where p alone is corrected; None where neither is known.

        Where that takes iterations, what is left may be `enough` long.
        """
        problem = self.problem
        if self._joint_gram is None:
            dp = problem.stack.least_norm_dual(residual, enough)
            problem.effort += problem.stack.effort
            return None if dp is None else (None, dp)
        b, joint = self._joint_gram
        dq = joint.solve(residual)
        dp = problem.stack.analysis(dq)
        dp *= dp.dtype.type(b)
        return dq, dp

    @cached_property
    def _joint_gram(self) -> tuple[float, Diagonalised] | None:
        """b and A^T A + b K^T K, where that is inverted exactly; b is small, as what q gives up costs only its square."""
        problem = self.problem
        data, penalty = problem.gram, problem.stack.gram()
        # a part of weight 0 has no dual
        if problem.operator is None or data is None or penalty is None or any(q.weight == 0 for q in problem.terms):
            return None
        b = problem.preconditioner.balance
        joint = data * float(np.max(problem.data.m)) + penalty * b
        return None if joint is None else (b, joint)

    def _orthogonalised(self, q: Array, kept: Array) -> Array:
        basis, images, matrix = self.null_images
        if not basis:
            return q
        m = np.asarray(self.problem.data.m, dtype=np.float64)
        b = np.array([total(q * a) - total(kept * n) for a, n in zip(images, basis, strict=True)])
        shift = np.linalg.lstsq(matrix, b, rcond=None)[0]
        return np.asarray(q - m * sum(c * a for c, a in zip(shift, images, strict=True)))

    def admissible(self, x: Array, r: Array) -> Array:
        """The part of r that the bounds touched by x can balance: r >= 0 at lo, r <= 0 at hi, 0 elsewhere."""
        problem = self.problem
        kept = np.zeros_like(r)
        if problem.lo is not None:
            np.copyto(kept, r, where=(x <= problem.lo) & (r > 0))
        if problem.hi is not None:
            np.copyto(kept, r, where=(x >= problem.hi) & (r < 0))
        return kept

    @cached_property
    def null_images(self) -> tuple[list[Array], list[Array], Array]:
        """A basis n_k of the null space of the penalty, A n_k, and the matrix <A n_k, M A n_l>."""
        problem = self.problem
        basis = problem.full.null_basis()
        images = [problem.forward(n) for n in basis]
        return basis, images, problem.reach.products(images)

    @cached_property
    def _movable(self) -> Array:
        """1 for the numbers of a dual that may be other than 0, 0 where a ball is a point."""
        problem = self.problem
        return np.asarray(problem.stack.project(np.ones(problem.stack.size)) != 0, np.float64)
