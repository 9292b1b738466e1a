"""Denoising: least squares without an operator, the problem that every proximal operator is too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..arrays.numbers import Array
from ..dual.denoising import Denoising
from ..dual.running import Running
from ..dual.stack import Stack
from ..runtime.workers import Workers
from .certificate import Certificate, LiveCertificate
from .measured import Measured
from .posed import Posed
from .problem import Costs, Problem, WithBackground
from .trivial import Trivial


class DenoisingProblem(Problem):
    """A = I and least squares that measure every pixel, or parts that are all w|x| pixel by pixel.

    Parts that are w|x| are left to the primal step (see `Denoising`): `stack` holds the others.
    """

    is_denoising = smooth = True

    def __init__(self, posed: Posed, measured: Measured, returned: WithBackground | None = None) -> None:
        super().__init__(posed, measured, returned)
        y, m = self.y, self.m
        if self.data.mu == 0 and m is not None:
            # what was not measured may hold anything
            y = np.where(m > 0, y, np.mean(y, where=np.broadcast_to(m > 0, y.shape), dtype=np.float64).astype(y.dtype))
        self.denoising = Denoising(y, self.terms, m, self.lo, self.hi)

    @cached_property
    def trivial(self) -> Trivial:
        """The best image that costs nothing."""
        return _Trivial(self)

    def configure(self, workers: Workers, tol: float) -> None:
        """Let these threads share the work, and take more care of certificates that come near this relative gap."""
        super().configure(workers, tol)
        self.denoising.workers = workers

    @property
    def stack(self) -> Stack:
        """The terms that no primal step solves."""
        return self.denoising.dualised

    @cached_property
    def full(self) -> Stack:
        """All terms of the penalty."""
        return Stack(self.terms, self.shape) if self.denoising.pointwise else self.stack

    @property
    def has_exact(self) -> bool:  # type: ignore[override]
        """Whether an algorithm ends with the minimiser."""
        return self.denoising.has_exact

    def start(self) -> Array:
        """The answer to the w|x| parts and the bounds."""
        return self.denoising.start()

    def _measured(self, x: Array, p: Array, q: Array | None, costs: Costs | None) -> Certificate:
        gap, fun, data, values, off = self.denoising.measure(x, p)
        return Certificate(x, p, None, fun, gap, data, values, rounding=off)

    def certify(self, reached: Iterable[Array]) -> Certificate:
        """The certificate of what a solver has reached, of which no copy is made where kernels have it."""
        if not isinstance(reached, Running) or self.returned is not None or self.faint is not None:
            return super().certify(reached)
        gap, fun, data, values, off = reached.measure()
        found = LiveCertificate(reached, fun, gap, data, values, rounding=off)
        found.negligible = self.rounding_floor.is_negligible(found)
        return found

    @cached_property
    def energy(self) -> float:
        """The size of y in the data term's metric: sum m y^2."""
        return self.denoising.size * self.denoising.size if self.returned is None else super().energy

    def start_from(self, x: Array, duals: Sequence[Array] | None) -> tuple[Array, Array]:
        """The primal and the flat dual of a start from an image and one dual a part."""
        x, p = super().start_from(x, duals)
        # under weights much smaller than those of an earlier answer the dual knows better than its image
        induced = self.denoising.induced(p).astype(self.dtype)
        measure = self.denoising.measure
        return min(x, induced, key=lambda start: measure(start, p)[0]), p

    def duals(self, x: Array, p: Array) -> list[Array]:
        """The dual of every part, in the order of `terms`."""
        return self.denoising.duals(x, p)

    def _with_dual(self, one_a_part: Sequence[Any]) -> Sequence[Any]:
        return self.denoising.select_dualised(one_a_part)


class _Trivial(Trivial):
    """That of a problem whose image's sums are known to `Denoising`."""

    @property
    def moments(self) -> list[tuple[float, float, float]]:
        """`kernels.moments` of each channel of the image."""
        problem = cast(DenoisingProblem, self.problem)
        return problem.denoising.moments if problem.denoising.y is problem.y else super().moments
