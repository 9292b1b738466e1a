"""The larger problem behind a penalty that is a minimisation of its own, certified in the image's terms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import cached_property
from typing import cast

import numpy as np

from ..arrays.numbers import Array
from ..arrays.roundoff import UNIT
from ..dual.driver import Steps
from ..dual.term import Term
from ..linear.diagonal import Diagonalised
from ..penalties.infimal import InfimalPenalty, part_of_lift
from ..runtime.workers import Workers
from .certificate import Certificate
from .channelwise import Channelwise
from .inverse import InverseProblem
from .measured import Measured
from .pixelwise import dualised_problem
from .posed import Posed
from .problem import Costs, Problem, WithBackground
from .trivial import Trivial


class LiftedProblem(InverseProblem):
    """The problem of the larger X behind a part that is a minimisation of its own; answers are certified in the image's.

    The other parts, the data term and the bounds see S X. Where S selects channels of X, as for TGV, the others have the data
    weight 0.
    """

    def __init__(self, posed: Posed, returned: WithBackground | None = None) -> None:
        self.base = dualised_problem(posed, returned)
        y, parts, shape, operator, m = posed.y, posed.parts, posed.shape, posed.operator, posed.m
        lo, hi, data = posed.lo, posed.hi, posed.data
        lifted = [(i, q) for i, q in enumerate(parts) if isinstance(q, InfimalPenalty)]
        if len(lifted) > 1:
            raise ValueError(
                f"a sum takes one penalty that is a minimisation of its own, got {', '.join(repr(q) for _, q in lifted)}"
            )
        (self._index, self._part), large = lifted[0], lifted[0][1]._lift_shape(shape)
        behind = [part_of_lift(q, self._part, shape) for q in parts]
        lo = None if lo is None else self._part._lift_bounds(lo, shape, -math.inf).astype(y.dtype)
        hi = None if hi is None else self._part._lift_bounds(hi, shape, math.inf).astype(y.dtype)
        if operator is None and self._part._selects:
            m = self._part._synthesis_adjoint(np.ones_like(y) if m is None else np.broadcast_to(m, y.shape))
            data = data.laid_out(lambda array, name: self._part._synthesis_adjoint(array))
            y = self._part._synthesis_adjoint(y)
        else:
            operator = AfterSynthesis(operator, self._part, shape)
        larger = Posed(y, behind, large, operator, m, lo, hi, data)
        super().__init__(larger, Measured.of(larger))

    @property
    def image_problem(self) -> Problem:
        """The problem as the user gave it."""
        return self.base

    def configure(self, workers: Workers, tol: float) -> None:
        """Share these threads and this tolerance with the image's problem."""
        super().configure(workers, tol)
        self.base.configure(workers, tol)

    def image_of(self, x: Array) -> Array:
        """S X, rounded once."""
        return self._part._synthesis(x, self.base.shape, np.float64).astype(self.dtype)

    def floor(self, x: Array) -> float:
        """All that storing X in its dtype may add to F: each summand of S X was rounded by itself."""
        data, parts = self.base.rounding_floor.of(self._part._synthesis(np.abs(x), self.base.shape))
        return data + sum(parts)

    def start(self) -> Array:
        """A lift of the image to start from."""
        return self._part._lift(self.base.start())

    def start_from(self, x: Array, duals: Sequence[Array] | None) -> tuple[Array, Array]:
        """Where to start from an image and one dual a part."""
        lifted = self._lifted(np.array(self.base.clip(x)))
        if duals is None:
            return lifted, np.zeros(self.stack.size, self.dtype)
        return lifted, self.flat_dual(self._raised(duals))

    def _lifted(self, x: Array) -> Array:
        """An X behind an image to start from."""
        return self._part._null_lift(x)

    def certificate(self, x: Array, p: Array, q: Array | None = None, *, costs: Costs | None = None) -> Certificate:
        """That of S X, by the dual of the image's problem that goes with p."""
        x = self.clip(x)
        cost, exact = self.stack.terms[self._index], self._part._synthesis(x, self.base.shape, np.float64)
        image = exact.astype(self.dtype)
        value = cost.value(x)
        # the image is that of X but for rounding
        rounding = UNIT * 2 * (8 + cost.group_size) * value + cost.rounding(x)
        off = image - exact
        value += self._part._value_bound(off) if off.any() else 0.0
        flat = self.base.flat_dual(self._image_duals(p))
        # a copy of the image beside X is none of its dual
        own = None if q is None or q.shape != self.base.y.shape else q
        found = self.base.certificate(image, flat, own, costs={self._index: value})
        return dataclasses.replace(found, x=x, p=p, q=own, gap=found.gap + rounding, rounding=found.rounding + rounding)

    def _image_duals(self, p: Array) -> list[Array]:
        duals = self.stack.split(p)
        own = self._part._dual_of_lift(duals[self._index], self.base.shape)
        return [own if i == self._index else dual for i, dual in enumerate(duals)]

    def parts_and_duals(self, found: Certificate) -> tuple[tuple[Term, ...], list[Array]]:
        """The parts of the penalty and their duals."""
        flat = self.base.flat_dual(self._image_duals(found.p))
        return self.base.terms, self.base.stack.split(flat)

    @cached_property
    def trivial(self) -> Trivial:
        """A lift, of cost 0, of the best image in the null space."""
        return _TrivialLift(self)

    def _raised(self, duals: Sequence[Array]) -> list[Array]:
        return [self._part._lift_of_dual(dual) if i == self._index else dual for i, dual in enumerate(duals)]


class LiftedDenoisingProblem(LiftedProblem):
    """Least squares without an operator under a part alone that is a minimisation of its own.

    Its own iterations may yield X with a dual of the image in place of one of the part's.
    """

    smooth = True

    def own_steps(self, x: Array | None, p: Array | None, tau: float | None, gamma: float | None) -> Steps | None:
        """Iterations of the part's own, from X and its dual; None where it has none."""
        x = self.start() if x is None else x
        p = np.zeros(self.stack.size, self.dtype) if p is None else p
        steps = self._part._denoising_steps(self.base.y, x, p, tau, gamma, self.workers)
        self.effort = 0 if steps is None else self._part._effort
        return steps

    def _lifted(self, x: Array) -> Array:
        # found sooner from the field 0
        return self._part._lift(x)

    def duals(self, x: Array, p: Array) -> list[Array]:
        """The dual of the part behind which X is."""
        return super().duals(x, p) if p.size == self.stack.size else self._raised(self._image_duals(p))

    def _image_duals(self, p: Array) -> list[Array]:
        return super()._image_duals(p) if p.size == self.stack.size else self.base.stack.split(p)


class _TrivialLift(Trivial):
    """The trivial image lifted, with the least-norm dual of the image's problem."""

    @property
    def problem(self) -> LiftedProblem:
        """The lifted problem."""
        return cast(LiftedProblem, super().problem)

    @cached_property
    def image(self) -> Array | None:
        """A lift of the best image in the null space."""
        image = self.problem.base.trivial.image
        return None if image is None else self.problem._part._null_lift(image)

    def duals(self) -> list[Array] | None:
        """The dual of each part, of least norm."""
        duals = self.problem.base.trivial.duals()
        return None if duals is None else self.problem._raised(duals)


class AfterSynthesis(Channelwise):
    """A S: the image's operator after S."""

    def __init__(self, operator: Channelwise | None, part: InfimalPenalty, shape: tuple[int, ...]) -> None:
        self.after, self.part, self.shape = operator, part, shape
        self.norm_is_bound = operator is None or operator.norm_is_bound

    def forward(self, x: Array) -> Array:
        """A S X."""
        image = self.part._synthesis(x, self.shape)
        return image if self.after is None else self.after.forward(image)

    def adjoint(self, q: Array) -> Array:
        """S^T A^T q."""
        return self.part._synthesis_adjoint(q if self.after is None else self.after.adjoint(q))

    @cached_property
    def norm_squared(self) -> float:
        """The product of the bounds."""
        return (1.0 if self.after is None else self.after.norm_squared) * float(np.max(self.part._synthesis_gram(self.shape)))

    @cached_property
    def norm_bound(self) -> float:
        """The product of the bounds, however loose."""
        return (1.0 if self.after is None else self.after.norm_bound) * float(np.max(self.part._synthesis_gram(self.shape)))

    @cached_property
    def mismatch(self) -> float:
        """The mismatch of A and A^T: S and S^T are adjoint exactly."""
        return 0.0 if self.after is None else self.after.mismatch

    @cached_property
    def product_rounding(self) -> float:
        """Bound on the rounding of A S X: of the sums of S, and of A."""
        copies = float(np.max(self.part._synthesis_gram(self.shape)))
        own = copies * math.sqrt(copies)
        if self.after is None:
            return own
        return own * math.sqrt(self.after.norm_bound) + math.sqrt(copies) * self.after.product_rounding

    @cached_property
    def gram(self) -> Diagonalised | None:
        """None: no transform inverts it."""
        return None
