"""The alternating direction method of multipliers: Boyd et al., Found. Trends Mach. Learn. 2011."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np

from .._arrays import Array, total
from ..gram import Gram
from ..penalties.denoising import Steps
from ..penalties.stack import Stack
from ..problem import Problem

Solve = Callable[[Array, Array], Array]


def steps(
    problem: Problem, x: Array, p: Array, *, rho: float | None = None, adapt: bool = True, relaxation: float = 1.7
) -> Steps:
    """Split z = K v, where bounded c = v, and where only that makes both solves exact x = v; over-relaxed, rho by residuals.

    Each iteration updates z (a projection), c (clipping) and x (the data term) from v, then v by a linear solve: by
    division or one transform wherever `Problem.gram` and `Stack.gram` allow it, else by conjugate gradients.
    """
    return _Splitting(problem, x, p, 1.0 if rho is None else rho).steps(adapt, relaxation)


class _Splitting:
    """The variables of the splitting; u, t, s are the scaled multipliers of z = K v, c = v, x = v."""

    def __init__(self, problem: Problem, x: Array, p: Array, rho: float) -> None:
        self.problem, self.rho = problem, rho * problem.lipschitz
        self.stack: Stack = problem.full
        self.bounded = problem.bounded
        y = problem.y if problem.m is None else problem.m * problem.y
        self.aty = problem.adjoint(y).astype(problem.dtype)
        self.v = self.c = x.copy()
        self.kv = self.stack.analysis(self.v)
        self.p = self.stack.join(problem.duals(x, p), x.dtype)
        self.u = -self.p / x.dtype.type(self.rho)
        self.t, self.s = np.zeros_like(x), np.zeros_like(x)
        self._choose_solves()
        if self.split:
            residual = problem.data.gradient(problem.forward(x))
            self.s = (-problem.adjoint(residual) / x.dtype.type(self.rho)).astype(x.dtype)

    def _yielded(self) -> tuple[Array, Array]:
        # with bounds the copy c: it stands exactly at the bounds it touches, which the certificate needs
        return (self.c if self.bounded else self.v), self.problem.flat_dual(self.stack.split(self.p))

    # -- the linear solves -----------------------------------------------------------------------------------------

    def _choose_solves(self) -> None:
        """One copy where A^T A + rho K^T K inverts, two where each does by itself, else conjugate gradients."""
        data, penalty = self.problem.gram, self.stack.gram()
        if penalty is not None and self.bounded:
            penalty = penalty + Gram("uniform", 1.0)
        self.gram_data, self.gram_penalty = data, penalty
        joint = None if data is None or penalty is None else data + penalty
        self.split = joint is None and data is not None and penalty is not None
        self.exact = self.split or joint is not None

    def _solve_v(self, rhs: Array) -> Array:
        if self.split:
            return (Gram("uniform", 1.0) + self.gram_penalty).solve(rhs / rhs.dtype.type(self.rho))  # type: ignore[union-attr, operator]
        if self.exact:
            return (self.gram_data + self.gram_penalty * self.rho).solve(rhs)  # type: ignore[union-attr, operator]
        return self._conjugate_gradients(rhs)

    def _system(self, v: Array) -> Array:
        """(A^T M A + rho (K^T K + bounds)) v."""
        problem = self.problem
        result = problem.adjoint(problem.data.m * problem.forward(v)).astype(v.dtype)
        scalar = v.dtype.type(self.rho)
        result += scalar * self.stack.add_adjoint(np.zeros_like(v), self.stack.analysis(v))
        return result + scalar * v if self.bounded else result

    def _preconditioner(self) -> Gram:
        """The system with what is not diagonal in the penalty's domain replaced by a multiple of the identity."""
        problem = self.problem
        result = Gram("uniform", self._gain + self.rho * self.bounded)
        for q in self.stack.parts:
            gram = q._gram(problem.shape)
            if gram is None:
                gram = Gram("uniform", 0.5 * q._norm_squared(problem.shape))
            both = result + gram * self.rho
            result = both if both is not None else result + Gram("uniform", self.rho * float(np.mean(gram.eigenvalues)))  # type: ignore[assignment]
        return result

    @cached_property
    def _gain(self) -> float:
        """||A v||^2 / ||v||^2 for a random v."""
        problem = self.problem
        probe = np.random.default_rng(0).standard_normal(problem.shape).astype(problem.dtype)
        return total(problem.data.m * np.square(problem.forward(probe))) / total(np.square(probe))

    def _conjugate_gradients(self, rhs: Array) -> Array:
        """Preconditioned conjugate gradients from the last v, to a hundredth of the first residual."""
        precondition = self._preconditioner()
        v = self.v.copy()
        residual = rhs - self._system(v)
        least = max(1e-4 * total(np.square(residual)), float(np.finfo(v.dtype).eps) ** 2 * total(np.square(rhs)))
        direction = z = precondition.solve(residual)
        slope = total(residual * z)
        for _ in range(50):
            if total(np.square(residual)) <= least or slope <= 0:
                break
            image = self._system(direction)
            step = v.dtype.type(slope / total(direction * image))
            v += step * direction
            residual = residual - step * image
            z = precondition.solve(residual)
            slope, last = total(residual * z), slope
            direction = z + v.dtype.type(slope / last) * direction
        return v

    # -- the iteration ---------------------------------------------------------------------------------------------

    def steps(self, adapt: bool, relaxation: float) -> Steps:
        """Iterate as sent, balancing rho ever more rarely."""
        nit, next_adapt = 0, 5
        iterations = yield self._yielded()
        while True:
            for _ in range(iterations):
                primal, dual = self._iterate(relaxation)
                nit += 1
                if adapt and nit >= next_adapt:
                    # rarer and rarer, so that rho settles
                    next_adapt = nit + max(5, nit // 4)
                    self._balance(primal, dual)
            iterations = yield self._yielded()

    def _iterate(self, relaxation: float) -> tuple[float, float]:
        """One iteration; returns the sizes of the primal and the dual residual, each relative to what it compares."""
        problem, v = self.problem, self.v
        scalar = v.dtype.type
        rho, keep = scalar(self.rho), scalar(relaxation)
        w = self.kv - self.u
        self.p = self.stack.project(rho * w)
        z = w - self.p / rho
        mixed = keep * z + (1 - keep) * self.kv
        image = rho * self.stack.add_adjoint(np.zeros_like(v), mixed + self.u)
        if self.bounded:
            self.c = problem.clip(v - self.t)
            mixed_c = keep * self.c + (1 - keep) * v
            image += rho * (mixed_c + self.t)
        if self.split:
            x = (self.gram_data + Gram("uniform", self.rho)).solve(self.aty + rho * (v - self.s))  # type: ignore[operator, union-attr]
            mixed_x = keep * x + (1 - keep) * v
            image += rho * (mixed_x + self.s)
        else:
            image += self.aty
        self.v = new = self._solve_v(image).astype(v.dtype, copy=False)
        kv, self.kv = self.kv, self.stack.analysis(new)
        self.u += mixed - self.kv
        primal = total(np.square(z - self.kv))
        size = max(total(np.square(z)), total(np.square(self.kv)))
        change = total(np.square(self.kv - kv))
        multiplier = total(np.square(self.u))
        if self.bounded:
            self.t += mixed_c - new
            primal += total(np.square(self.c - new))
            change += total(np.square(new - v))
            multiplier += total(np.square(self.t))
            size += total(np.square(new - np.mean(new)))
        if self.split:
            self.s += mixed_x - new
            primal += total(np.square(x - new))
            change += total(np.square(new - v))
            multiplier += total(np.square(self.s))
            size += total(np.square(new - np.mean(new)))
        tiny = float(np.finfo(np.float64).tiny)
        return math.sqrt(primal / max(size, tiny)), math.sqrt(change / max(multiplier, tiny))

    def _balance(self, primal: float, dual: float) -> None:
        """Residual balancing (Boyd et al. 2011, section 3.4.1), with relative residuals (Wohlberg 2017)."""
        if primal == 0 or dual == 0:
            return
        ratio = math.sqrt(primal / dual)
        if 1 / 1.5 <= ratio <= 1.5:
            return
        factor = min(max(ratio, 0.2), 5.0)
        self.rho *= factor
        for multiplier in (self.u, self.t, self.s):
            multiplier /= multiplier.dtype.type(factor)
