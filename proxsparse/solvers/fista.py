"""Accelerated proximal gradient: FISTA (Beck & Teboulle, SIAM J. Imaging Sci. 2009)."""

from __future__ import annotations

import math

import numpy as np

from ..arrays.numbers import Array, total
from ..dual.denoising import Denoising, Measure
from ..dual.driver import MET, Steps, drive
from ..dual.fast_gradient import dual_fast_gradient
from ..problems.denoising import DenoisingProblem
from ..problems.problem import Problem


def steps(
    problem: Problem, x: Array, p: Array, *, step: float | None = None, backtracking: bool | None = None, restart: bool = True
) -> Steps:
    """Proximal gradient on F with an inner dual prox; with A = I, where that is one prox, the fast dual gradient projection.

    step is 1 / L, by default from the operator's norm, found by backtracking where that norm is only estimated.
    """
    if isinstance(problem, DenoisingProblem):
        if step is not None or backtracking:
            raise ValueError(
                "options step and backtracking need an operator: without one FISTA works on the dual, whose step is known"
            )
        return dual_fast_gradient(problem.denoising, p, x, restart=restart)
    return _proximal_gradient(problem, x, p, step, backtracking, restart)


def _proximal_gradient(
    problem: Problem, x: Array, p: Array, step: float | None, backtracking: bool | None, restart: bool
) -> Steps:
    if not math.isfinite(problem.lipschitz):
        raise ValueError("method 'fista' needs a data term with a Lipschitz gradient; use 'chambolle-pock' or 'admm'")
    known = problem.operator is None or problem.operator.norm_is_bound
    backtracking = (not known and step is None) if backtracking is None else backtracking
    step = step or 1.0 / problem.lipschitz
    z, t = x, 1.0
    inner = _InnerProx(problem, p)
    iterations = yield x, inner.p
    while True:
        for _ in range(iterations):
            new, step = _forward_backward(problem, inner, z, step, backtracking)
            change = new - x
            if restart and total((z - new) * change) > 0:
                # gradient restart (O'Donoghue & Candes 2015, equation 13)
                x, z, t = new, new, 1.0
                continue
            following = (1 + math.sqrt(1 + 4 * t * t)) / 2
            z = new + x.dtype.type((t - 1) / following) * change
            x, t = new, following
        iterations = yield x, inner.p


def _forward_backward(problem: Problem, inner: _InnerProx, z: Array, step: float, backtracking: bool) -> tuple[Array, float]:
    """Prox of step P at z - step grad D(Az), and the step, halved until the quadratic bound holds."""
    az = problem.forward(z)
    gradient = problem.adjoint(problem.data.gradient(az))
    while True:
        new = inner(z - z.dtype.type(step) * gradient, step)
        change = new - z
        if not backtracking:
            return new, step
        moved = problem.forward(change)
        bound = total(np.square(change)) / step
        # D is quadratic: D(A new) <= its tangent + |change|^2 / (2 step) is this, without cancellation
        if total(problem.data.m * np.square(moved)) <= bound * (1 + 1e-6) or bound == 0:
            return new, step
        step *= 0.5


#: the share of the tolerance that an inner gap may take of the penalty
_NEGLIGIBLE = 0.02
#: inner iterations of one call at most
_MOST_INNER = 201


class _InnerProx:
    """argmin of 1/2 ||x - v||^2 + step P(x) within bounds, by the dual, warm-started.

    Each call brings the inner gap below a share of the squared length of the outer step, an accuracy that grows as the
    outer iteration converges (Schmidt, Le Roux & Bach, NeurIPS 2011); `p` is the inner dual in units of the weights.
    """

    _SHARE = 5e-3

    def __init__(self, problem: Problem, p: Array) -> None:
        self.problem, self.p = problem, p
        self.last: Array | None = None

    def __call__(self, v: Array, step: float) -> Array:
        problem = self.problem
        denoising = Denoising(v, [q * step for q in problem.parts], lo=problem.lo, hi=problem.hi)
        kept = denoising.select_dualised(problem.stack.split(self.p))
        start = denoising.dualised.join(kept, v.dtype) * v.dtype.type(step)
        allowed = math.inf

        def _look(reached: tuple[Array, Array], nit: int) -> Measure | None:
            nonlocal allowed
            if nit == 0:
                allowed = self._allowed(reached[0])
            return denoising.measure(*reached) if nit > 0 else None

        def _judge(found: Measure | None, nit: int) -> int | None:
            if found is None:
                return None
            # what is left of the gap counts in F over the step: far below the tolerance it is of no use to be better
            enough = max(allowed, _NEGLIGIBLE * problem.tol * (found.fun - found.data))
            return MET if found.gap - found.rounding <= enough else None

        steps = dual_fast_gradient(denoising, denoising.dualised.project(start))
        x: Array
        x, p = drive(steps, _look, _judge, lambda _, nit: 5 if nit > 0 else 1, _MOST_INNER).reached
        flat = problem.stack.join(denoising.duals(x, p), v.dtype)
        self.p = problem.stack.project(flat / v.dtype.type(step))
        return x

    def _allowed(self, x: Array) -> float:
        """A share of the squared length of the step that led here, but no less than rounding."""
        size = total(np.square(x))
        moved = size if self.last is None else total(np.square(x - self.last))
        self.last = x
        return max(self._SHARE * moved, 1e-2 * float(np.finfo(x.dtype).eps) ** 2 * size)
