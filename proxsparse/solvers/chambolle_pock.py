"""The primal-dual algorithm of Chambolle & Pock, J. Math. Imaging Vis. 2011."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, total
from ..dual.accelerated import accelerated
from ..dual.driver import Steps
from ..dual.running import Constant, UnderWay
from ..dual.term import Iterations
from ..kernels import pointwise
from ..problems.denoising import DenoisingProblem
from ..problems.lifted import LiftedDenoisingProblem
from ..problems.pixelwise import PixelwiseProblem
from ..problems.problem import Problem


def steps(problem: Problem, x: Array | None, p: Array | None, *, tau: float | None = None, gamma: float | None = None) -> Steps:
    """Algorithm 2 (accelerated) where the data term is strongly convex in x, algorithm 1 with the data dualised elsewhere.

    tau is the first primal step, gamma the strong convexity used for the acceleration, both in units of the smallest
    data weight, with an operator in units of the data term's curvature in x; 0 does not accelerate.
    """
    if isinstance(problem, DenoisingProblem):
        return accelerated(problem.denoising, x, p, tau, gamma)
    if isinstance(problem, LiftedDenoisingProblem):
        own = problem.own_steps(x, p, tau, gamma)
        if own is not None:
            return own
    if gamma:
        raise ValueError(f"option gamma={gamma} needs a data term that is strongly convex; this problem's is not")
    x, p = problem.start() if x is None else x, np.zeros(problem.stack.size, problem.dtype) if p is None else p
    iterations = problem.iterations(x, p) if isinstance(problem, PixelwiseProblem) else None
    if iterations is not None:
        return _by_kernels(problem, iterations, tau)
    return _dualised(problem, x, p, tau)


#: how far beyond what an iteration finds the next one starts, below 2: the more the sooner, but that behind an operator what
#: is oscillating does so for longer beyond the second number
_RELAXATION, _RELAXATION_BEHIND = 1.9, 1.5


def _by_kernels(problem: Problem, iterations: Iterations, tau: float | None) -> Steps:
    """`_dualised` without an operator, by kernels for whole iterations."""
    tau = balanced_step(problem) if tau is None else tau / problem.curvature
    schedule = Constant(tau, problem.stack.norm_squared, _RELAXATION)
    running = UnderWay(iterations, schedule, problem.dtype, problem.workers)
    while True:
        n = yield running
        running.advance(n)


def _dualised(problem: Problem, x: Array, p: Array, tau: float | None) -> Steps:
    """Algorithm 1 on the stacked map (A, K), over-relaxed: the data term and the penalty both by their conjugates.

    Steps as in Pock & Chambolle, ICCV 2011: tau (sigma_A ||A||^2 + sigma_K ||K||^2) <= 1, each half of it, where tau, unless
    it is given, is balanced, rarer and rarer, until primal and dual move equally far in the metric of the algorithm (after
    Goldstein, Li & Yuan, NeurIPS 2015). Without an operator the data term stays in the primal step and K has it all.
    Relaxation as in Condat, J. Optim. Theory Appl. 2013, algorithm 3.1.
    """
    stack, data = problem.stack, problem.data
    norm_data, norm = problem.norm_squared or 1.0, stack.norm_squared or 1.0
    dualised = problem.operator is not None
    share = 0.5 if dualised else 1.0
    # lifted problems are not strongly convex, so tau is balanced
    balanced = tau is None and (dualised or problem.image_problem is not problem)
    first = 0.25 if tau is None else tau
    tau = first / problem.curvature if tau is not None or dualised else balanced_step(problem)
    # balanced alone it falls below what the scale says: six times the iterations of TGV on camera at weight 0.03
    least = 0.0 if dualised else tau
    relaxation = x.dtype.type(_RELAXATION_BEHIND if dualised else _RELAXATION)
    x, p = x.copy(), p.copy()
    q = np.array(problem.first_dual(x), x.dtype, order="C")
    kt = stack.add_adjoint(np.zeros_like(x), p)
    if dualised:
        kt += problem.adjoint(q)
    nit, next_balance = 0, 10
    # from the last iteration on the next one is over-relaxed where it begins, so that these are certified in between
    new, xbar, new_p, new_kt, new_q = x.copy(), np.empty_like(x), p.copy(), kt.copy(), q
    iterations = yield _yielded_pair(problem, x.copy(), p.copy(), q.copy())
    while True:
        for _ in range(iterations):
            nit += 1
            sigma_data, sigma = share / (tau * norm_data), share / (tau * norm)
            pointwise.relax_both(p, new_p, relaxation)
            _primal_step(problem, x, new, xbar, kt, new_kt, tau, relaxation)
            stack.dual_step(new_kt, new_p, xbar, sigma)
            if dualised:
                if new_q is not q:
                    pointwise.relax(q.reshape(-1), new_q.reshape(-1), relaxation)
                new_q = q + x.dtype.type(sigma_data) * problem.forward(xbar).astype(x.dtype, copy=False)
                new_q = data.conjugate_prox(new_q, sigma_data)
                new_kt += problem.adjoint(new_q)
            if balanced and nit == next_balance:
                next_balance = nit + max(10, nit // 4)
                primal = total(np.square(new - x)) / tau
                dual = total(np.square(new_q - q)) / sigma_data + total(np.square(new_p - p)) / sigma
                if primal > 0 and dual > 0:
                    tau = max(tau * min(max(math.sqrt(primal / dual), 0.3), 3.0), least)
        iterations = yield _yielded_pair(problem, new, new_p, new_q)


def _yielded_pair(problem: Problem, x: Array, p: Array, q: Array) -> tuple[Array, ...]:
    """(x, p), or (x, p, q) where the data term is dualised and its gradient is no better a dual."""
    return (x, p) if problem.data.quadratic or problem.operator is None else (x, p, q)


def balanced_step(problem: Problem) -> float:
    """The step tau by the ratio of primal to dual sizes: the spread of the measured pixels over the largest weight."""
    seen = problem.y[np.broadcast_to(np.greater(problem.data.m, 0), problem.y.shape)]
    spread = float(np.std(seen, dtype=np.float64)) if seen.size else 0.0
    weight = max((q.weight for q in problem.terms), default=0.0)
    if not (spread > 0 and weight > 0):
        return 0.25 / problem.curvature
    # beyond reach of the weight any step will do whose inverse is a number
    return max(0.06 * problem.stack.first_step * spread / weight, math.sqrt(float(np.finfo(problem.dtype).tiny)))


def _primal_step(
    problem: Problem, x: Array, new: Array, xbar: Array, kt: Array, new_kt: Array, tau: float, relaxation: Any
) -> None:
    """Relax x and kt; new is the proximal step from there, of bounds and a data term without an operator, xbar beyond it."""
    scalar, lo, hi = x.dtype.type(tau), problem.lo, problem.hi
    if problem.operator is None and problem.data.quadratic and problem.m is not None and np.ndim(lo) == np.ndim(hi) == 0:
        limits = (x.dtype.type(-math.inf if lo is None else lo), x.dtype.type(math.inf if hi is None else hi))
        flat = [a.reshape(-1) for a in (x, new, xbar, kt, new_kt, problem.y, problem.m)]
        pointwise.weighted_step(*flat, *limits, scalar, relaxation)
        return
    pointwise.relax(x.reshape(-1), new.reshape(-1), relaxation)
    pointwise.relax(kt.reshape(-1), new_kt.reshape(-1), relaxation)
    np.multiply(kt, -scalar, out=new)
    new += x
    if problem.operator is None:
        new[...] = problem.data.prox(new, tau)
    if problem.bounded:
        np.clip(new, problem.lo, problem.hi, out=new)
    np.subtract(new, x, out=xbar)
    xbar += new
