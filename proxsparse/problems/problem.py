"""The one problem every call solves, its objective and its certificate.

minimise over x:  F(x) = D(A x; y) + sum_i w_i P_i(x)   subject to  lo <= x <= hi
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import UNIT, norm
from ..dual.stack import Stack
from ..dual.term import Term
from ..linear.diagonal import Diagonalised
from ..penalties.infimal import InfimalPenalty
from ..runtime.workers import SERIAL, Workers
from .certificate import Certificate
from .channelwise import Channelwise, Unchanged
from .measured import Measured
from .posed import Posed
from .preconditioner import Preconditioner
from .reach import Reach
from .repair import DualRepair
from .rounding_floor import RoundingFloor
from .trivial import Trivial

#: the values of parts that are minimisations of their own, by their index
Costs = dict[int, float]


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


class Problem(abc.ABC):
    """The problem on arrays (channels, *spatial) of one dtype; what its kinds share, of which `kinds.problem_of` makes one.

    `full` holds all terms of the penalty, `stack` those whose dual the solvers work on.
    """

    #: whether gaps fall smoothly, from the image given, which is no answer yet
    smooth = False
    #: whether it is the problem of a proximal operator
    is_denoising = False
    #: whether an algorithm ends with the minimiser
    has_exact = False

    def __init__(self, posed: Posed, measured: Measured, returned: WithBackground | None = None) -> None:
        self.y, self.lo, self.hi = posed.y, posed.lo, posed.hi
        #: whether there is any bound
        self.bounded = posed.lo is not None or posed.hi is not None
        self.shape, self.dtype = posed.shape, posed.y.dtype
        #: the parts of the penalty, and the same on images of this shape
        self.parts, self.terms = tuple(posed.parts), measured.terms
        self.m, self.data, self.faint = measured.m, measured.data, measured.faint
        self.operator = posed.operator
        self.returned = returned
        linear: Channelwise = Unchanged(posed.shape) if posed.operator is None else posed.operator
        self.linear, self.forward, self.adjoint = linear, linear.forward, linear.adjoint
        self.tol = 0.0
        self.workers: Workers = SERIAL
        #: whether images are certified as they are, and not brought into the domain of the data term
        self.given = False
        #: iterations of conjugate gradients that the last certificate took
        self.effort = 0
        #: the dual of the data term that goes with the image to start from, where it is known
        self.known_dual: Array | None = None

    @cached_property
    def full(self) -> Stack:
        """All terms of the penalty."""
        return Stack(self.terms, self.shape)

    @property
    def stack(self) -> Stack:
        """The terms whose dual the solvers work on."""
        return self.full

    # -- what it owns ----------------------------------------------------------------------------------------------

    @cached_property
    def reach(self) -> Reach:
        """Where minimisers can be."""
        return Reach(self)

    @cached_property
    def repair(self) -> DualRepair:
        """The correction of infeasible duals, whose value then bounds the minimum."""
        return DualRepair(self)

    @cached_property
    def rounding_floor(self) -> RoundingFloor:
        """The bound on what storing an image adds to an objective of 0."""
        return RoundingFloor(self)

    @cached_property
    def trivial(self) -> Trivial:
        """The best image that costs nothing."""
        return Trivial(self)

    @cached_property
    def preconditioner(self) -> Preconditioner:
        """Maps near to A^T A + K^T K that are inverted fast."""
        return Preconditioner(self)

    def configure(self, workers: Workers, tol: float) -> None:
        """Let these threads share the work, and take more care of certificates that come near this relative gap."""
        self.workers, self.tol = workers, tol

    # -- the data term and its operator ----------------------------------------------------------------------------

    @property
    def mu(self) -> float:
        """Modulus of strong convexity of the data term in x, as far as it is known."""
        return self.data.mu if self.operator is None else 0.0

    @property
    def norm_squared(self) -> float:
        """Bound on (or estimate of) ||A||^2."""
        return self.linear.norm_squared

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
    def gram(self) -> Diagonalised | None:
        """A^T M A where a division or a transform inverts it."""
        if self.operator is None:
            return Diagonalised("uniform", 1.0) if self.m is None else Diagonalised("pixel", self.m)
        return self.operator.gram if self.m is None else None

    def clip(self, x: Array) -> Array:
        """The image within the bounds."""
        return np.clip(x, self.lo, self.hi) if self.bounded else x

    @abc.abstractmethod
    def start(self) -> Array:
        """A primal to start from."""

    # -- the certificate -------------------------------------------------------------------------------------------

    def certificate(self, x: Array, p: Array, q: Array | None = None, *, costs: Costs | None = None) -> Certificate:
        """How far x is from the optimum, by the dual p of `stack` (feasible part by part), and q of the data term if given.

        `costs` is for parts that are minimisations of their own (see `problems/lifted.py`).
        """
        if self.returned is not None:
            found = _certificate_of_returned(self, self.returned, x, p, q, costs)
        else:
            found = self._measured(x, p, q, costs)
            if self.faint is not None:
                extra = self.faint.value(self.forward(found.x.astype(np.float64)))
                found.fun, found.data, found.gap = found.fun + extra, found.data + extra, found.gap + extra * (1 + 1e-12)
        found.negligible = self.rounding_floor.is_negligible(found)
        if found.negligible and not found.certified:
            # no image costs less than 0: this one needs no dual
            found.certified, found.gap, found.residual = True, found.fun + self.floor(found.x), 0.0
        return found

    def certify(self, reached: Iterable[Array]) -> Certificate:
        """The certificate of what a solver has reached: (x, p) or (x, p, q)."""
        return self.certificate(*reached)

    @abc.abstractmethod
    def _measured(self, x: Array, p: Array, q: Array | None, costs: Costs | None) -> Certificate:
        """The certificate of an image that is returned as it is, without what `faint` adds."""

    def _inside(self, x: Array, costs: Costs | None) -> Array:
        """The image that is certified: within the bounds, and where D is infinite on the way to its domain."""
        return self.clip(x)

    @cached_property
    def energy(self) -> float:
        """The size of y in the data term's metric: sum m y^2 or sum m |y|."""
        size = np.abs(self.y if self.returned is None else self.returned.with_background(self.y), dtype=np.float64)
        return total(self.data.m * (size * size if self.data.degree == 2 else size))

    def floor(self, x: Array) -> float:
        """All that storing x in its dtype may add to F."""
        data, parts = self.rounding_floor.of(x)
        return data + sum(parts)

    # -- between the user's image and the solvers' -----------------------------------------------------------------

    @property
    def image_problem(self) -> Problem:
        """The problem as the user gave it; this one, unless a larger one is behind it."""
        return self

    def start_from(self, x: Array, duals: Sequence[Array] | None) -> tuple[Array, Array]:
        """The primal and the flat dual of a start from an image and one dual a part."""
        p = np.zeros(self.stack.size, self.dtype) if duals is None else self.flat_dual(duals)
        return np.array(self.clip(x)), p

    def image_of(self, x: Array) -> Array:
        """The image that belongs to the solver's variable x: x itself here, S X in a lifted problem."""
        return x

    def parts_and_duals(self, found: Certificate) -> tuple[tuple[Term, ...], list[Array]]:
        """The parts of the penalty and their duals."""
        return self.terms, self.duals(found.x, found.p)

    def duals(self, x: Array, p: Array) -> list[Array]:
        """The dual of every part, in the order of `terms`."""
        return self.stack.split(p)

    def flat_dual(self, duals: Sequence[Array]) -> Array:
        """The feasible dual of `stack` nearest to one array a part, in the order of `terms`."""
        p = self.stack.join(self._with_dual(duals), self.dtype)
        for q, dual in zip(self.stack.terms, self.stack.split(p), strict=True):
            q.clear_unused(dual)
        return self.stack.project(p)

    def _with_dual(self, one_a_part: Sequence[Any]) -> Sequence[Any]:
        """The entries of a list over `terms` of the terms in `stack`."""
        return one_a_part


def _certificate_of_returned(
    own: Problem, returned: WithBackground, x: Array, p: Array, q: Array | None, costs: Costs | None
) -> Certificate:
    """The certificate of the image x + b as it is returned, in float64, and a bound on the rounding of (x + b) - b."""
    # the certificate is of this very image
    x = own._inside(x, costs)
    problem, u = returned.problem, returned.less_background(x)
    problem.tol, problem.given = own.tol, True
    if costs is not None:
        # of what rounding made of the image too
        costs = {i: cost + cast(InfimalPenalty, own.parts[i])._value_bound(u - x) for i, cost in costs.items()}
    found = problem.certificate(u, p.astype(np.float64), None if q is None else q.astype(np.float64), costs=costs)
    own.effort = problem.effort
    off = UNIT * (norm(u) + norm(problem.y))
    left = problem.data.rounding(problem.forward(u), math.sqrt(own.norm_squared) * off)
    left += sum(q.bound_by_size(UNIT * np.abs(u)) + 8 * UNIT * v for q, v in zip(own.terms, found.values, strict=True))
    return dataclasses.replace(found, x=x, p=p, q=q, gap=found.gap + left, rounding=found.rounding + left)
