"""Accelerated proximal gradient: FISTA (Beck & Teboulle, SIAM J. Imaging Sci. 2009)."""

from __future__ import annotations

import math

import numpy as np

from .._arrays import Array, total
from ..penalties.denoising import Denoising, Steps, dual_fast_gradient
from ..problem import Problem


def steps(
    problem: Problem, x: Array, p: Array, *, step: float | None = None, backtracking: bool | None = None, restart: bool = True
) -> Steps:
    """Proximal gradient on F with an inner dual prox; with A = I, where that is one prox, the fast dual gradient projection.

    step is 1 / L, by default from the operator's norm, found by backtracking where that norm is only estimated.
    """
    if problem.denoising is not None:
        if step is not None or backtracking:
            raise ValueError(
                "options step and backtracking need an operator: without one FISTA works on the dual, whose step is known"
            )
        return dual_fast_gradient(problem.denoising, p, restart=restart)
    return _proximal_gradient(problem, x, p, step, backtracking, restart)


def _proximal_gradient(
    problem: Problem, x: Array, p: Array, step: float | None, backtracking: bool | None, restart: bool
) -> Steps:
    lipschitz = (problem.norm_squared * problem.data.lipschitz) or 1.0
    known = problem.operator is None or problem.operator.norm_is_bound
    backtracking = (not known and step is None) if backtracking is None else backtracking
    step = step or 1.0 / lipschitz
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


class _InnerProx:
    """argmin of 1/2 ||x - v||^2 + step P(x) within bounds, by the dual, warm-started.

    Each call brings the inner gap below a share of what the last outer step gained, as inexact proximal gradient
    methods ask for (Schmidt, Le Roux & Bach, NeurIPS 2011); `p` is the inner dual in units of the weights.
    """

    def __init__(self, problem: Problem, p: Array) -> None:
        self.problem, self.p = problem, p
        self.tol = 1e-2
        self.last: Array | None = None

    def __call__(self, v: Array, step: float) -> Array:
        problem = self.problem
        parts = [q * step for q in problem.parts]
        denoising = Denoising(v, parts, lo=problem.lo, hi=problem.hi)
        scalar = v.dtype.type
        split = self.problem.stack.split(self.p)
        inner = [d for q, d in zip(problem.parts, split, strict=True) if q._threshold(problem.shape) is None]
        flat = np.concatenate([np.zeros(0, v.dtype), *(d.reshape(-1) for d in inner)]) * scalar(step)
        dual = dual_fast_gradient(denoising, denoising.rest.project(flat))
        x, p = next(dual)
        allowed = self._allowed(x)
        for _ in range(40):
            gap, _, _ = denoising.gap(x, p)
            if gap <= allowed:
                break
            x, p = dual.send(5)
        self._keep(denoising, x, p, step)
        return x

    def _allowed(self, x: Array) -> float:
        """A hundredth of the squared length of the last step, halved at each call from a share of the image."""
        moved = total(np.square(x - self.last)) if self.last is not None else total(np.square(x))
        self.last = x
        return max(0.5 * self.tol * moved, 1e-2 * float(np.finfo(x.dtype).eps) ** 2 * total(np.square(x)))

    def _keep(self, denoising: Denoising, x: Array, p: Array, step: float) -> None:
        rest, own = iter(denoising.rest.split(p)), iter(denoising.pointwise_duals(x, p))
        duals = [next(rest if q._threshold(self.problem.shape) is None else own) for q in self.problem.parts]
        flat = np.concatenate([d.reshape(-1) for d in duals]) / p.dtype.type(step)
        self.p = self.problem.stack.project(flat)
