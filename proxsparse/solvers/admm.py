"""The alternating direction method of multipliers: Boyd et al., Found. Trends Mach. Learn. 2011."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..arrays.numbers import Array, total
from ..dual.driver import Steps
from ..dual.stack import Stack
from ..linear.diagonal import Diagonalised, conjugate_gradients
from ..problems.problem import Problem

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
        self.problem, self.rho = problem, rho * problem.curvature
        self.stack: Stack = problem.full
        self.bounded = problem.bounded
        #: whether the data term has a copy A v of its own, and a multiplier, as the parts of the penalty do
        self.dualised = not problem.data.quadratic
        y = problem.y if problem.m is None else problem.m * problem.y
        self.aty = np.zeros_like(x) if self.dualised else problem.adjoint(y).astype(problem.dtype)
        self.v = self.c = x.copy()
        self.kv = self.stack.analysis(self.v)
        self.p = self.stack.join(problem.duals(x, p), x.dtype)
        self.u = -self.p / x.dtype.type(self.rho)
        self.t, self.s = np.zeros_like(x), np.zeros_like(x)
        self.d, self.spread = np.zeros(0, x.dtype), 0.0
        #: what rho is multiplied by for the copy of A v, so that it does not matter in which units A is
        self.share = 1.0 / (problem.norm_squared or 1.0)
        if self.dualised:
            self.av = problem.forward(x).astype(x.dtype)
            self.q = problem.first_dual(x).astype(x.dtype)
            self.d = -self.q / x.dtype.type(self.rho * self.share)
            # what A v is measured by, where the answer may be a constant
            self.spread = self.share * total(np.square(problem.y - np.mean(problem.y)))
        self._choose_solves()
        if self.split:
            residual = problem.data.gradient(problem.forward(x))
            self.s = (-problem.adjoint(residual) / x.dtype.type(self.rho)).astype(x.dtype)

    def _yielded(self) -> tuple[Array, ...]:
        # with bounds the copy c: it stands exactly at the bounds it touches, which the certificate needs
        pair = (self.c if self.bounded else self.v), self.problem.flat_dual(self.stack.split(self.p))
        return (*pair, self.q) if self.dualised else pair

    # -- the linear solves -----------------------------------------------------------------------------------------

    def _choose_solves(self) -> None:
        """One copy where A^T A + rho K^T K inverts, two where each does by itself, else conjugate gradients."""
        data, penalty = self.problem.linear.gram if self.dualised else self.problem.gram, self.stack.gram()
        if self.dualised and data is not None:
            data = data * self.share
        if penalty is not None and self.bounded:
            penalty = penalty + Diagonalised("uniform", 1.0)
        self.gram_data, self.gram_penalty = data, penalty
        joint = None if data is None or penalty is None else data + penalty
        self.split = joint is None and data is not None and penalty is not None and not self.dualised
        self.exact = self.split or joint is not None
        self._prepare()

    def _prepare(self) -> None:
        """The maps to invert, for the rho of now."""
        one = Diagonalised("uniform", 1.0)
        data, penalty, self.system_x = self.gram_data, self.gram_penalty, one
        if self.split:
            self.system_v, self.system_x = one + penalty, data + one * self.rho  # type: ignore[operator, assignment]
        elif self.exact:
            self.system_v = data * (self.rho if self.dualised else 1.0) + penalty * self.rho  # type: ignore[operator, assignment]

    def _solve_v(self, rhs: Array) -> Array:
        if not self.exact:
            return self._conjugate_gradients(rhs)
        if self.split:
            rhs /= rhs.dtype.type(self.rho)
        return self.system_v.solve(rhs)  # type: ignore[union-attr]

    def _system(self, v: Array) -> Array:
        """(A^T M A + rho (K^T K + bounds)) v; rho in place of M where the data term has a copy of its own."""
        problem = self.problem
        weight = self.rho * self.share if self.dualised else problem.data.m
        result = problem.adjoint(weight * problem.forward(v)).astype(v.dtype)
        scalar = v.dtype.type(self.rho)
        result += scalar * self.stack.add_adjoint(np.zeros_like(v), self.stack.analysis(v))
        return result + scalar * v if self.bounded else result

    def _conjugate_gradients(self, rhs: Array) -> Array:
        """Preconditioned conjugate gradients from the last v, to a hundredth of the first residual."""
        near = self.problem.preconditioner.near(
            self.rho * self.share if self.dualised else None, self.rho, self.rho * self.bounded
        )
        least = float(np.finfo(rhs.dtype).eps) ** 2 * total(np.square(rhs))
        return conjugate_gradients(self._system, rhs, self.v, near, 1e-4, least, 50)[0]

    # -- the iteration ---------------------------------------------------------------------------------------------

    def steps(self, adapt: bool, relaxation: float) -> Steps:
        """Iterate as sent, balancing rho ever more rarely."""
        nit, next_adapt = 0, 5
        iterations = yield self._yielded()
        while True:
            for _ in range(iterations):
                nit += 1
                due = adapt and nit >= next_adapt
                residuals = self._iterate(relaxation, due)
                if residuals is not None:
                    # rarer and rarer, so that rho settles
                    next_adapt = nit + max(5, nit // 4)
                    self._balance(*residuals)
            iterations = yield self._yielded()

    def _iterate(self, relaxation: float, measure: bool) -> tuple[float, float] | None:
        """One iteration; returns if asked the sizes of the primal and the dual residual, each relative to what it compares."""
        problem, v, kv = self.problem, self.v, self.kv
        scalar = v.dtype.type
        rho, keep = scalar(self.rho), scalar(relaxation)
        z = kv - self.u
        np.multiply(z, rho, out=self.p)
        self.stack.conjugate_prox(self.p, self.rho)
        z -= self.p / rho
        # the multiplier takes up the mixed copies now, and gives off the new image below
        self.u += keep * z
        self.u += (1 - keep) * kv
        image = self.stack.add_adjoint(np.zeros_like(v), self.u)
        copies = []
        if self.dualised:
            copy, own = self.av - self.d, scalar(self.rho * self.share)
            self.q = problem.data.conjugate_prox(own * copy, self.rho * self.share)
            copy -= self.q / own
            self.d += keep * copy + (1 - keep) * self.av
            image += scalar(self.share) * problem.adjoint(self.d)
        if self.bounded:
            self.c = problem.clip(v - self.t)
            self.t += keep * self.c + (1 - keep) * v
            image += self.t
        if self.split:
            x = self.system_x.solve(self.aty + rho * (v - self.s))
            self.s += keep * x + (1 - keep) * v
            image += self.s
        image *= rho
        if not self.split:
            image += self.aty
        self.v = new = self._solve_v(image).astype(v.dtype, copy=False)
        self.kv = self.stack.analysis(new)
        self.u -= self.kv
        if self.dualised:
            before, self.av = self.av, problem.forward(new).astype(v.dtype, copy=False)
            self.d -= self.av
            copies.append((copy, self.av, before, self.d, self.share))
        if self.bounded:
            self.t -= new
            copies.append((self.c, new, v, self.t, 1.0))
        if self.split:
            self.s -= new
            copies.append((x, new, v, self.s, 1.0))
        return self._residuals(z, kv, copies) if measure else None

    def _residuals(self, z: Array, kv: Array, copies: list[tuple[Array, Array, Array, Array, float]]) -> tuple[float, float]:
        """The relative primal and dual residuals of z = K v, with the K v before, and of the copies of v or A v.

        Each copy is (copy, now, before, multiplier, weight).
        """
        primal = total(np.square(z - self.kv))
        size = max(total(np.square(z)), total(np.square(self.kv))) + self.spread
        change = total(np.square(self.kv - kv))
        multiplier = total(np.square(self.u))
        for copy, now, before, scaled, weight in copies:
            primal += weight * total(np.square(copy - now))
            change += weight * total(np.square(now - before))
            multiplier += weight * total(np.square(scaled))
            size += weight * total(np.square(now - np.mean(now)))
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
        self._prepare()
        for multiplier in (self.u, self.t, self.s, self.d):
            multiplier /= multiplier.dtype.type(factor)
