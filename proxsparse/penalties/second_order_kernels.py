"""Total variation of second order of gray images by kernels: whole iterations."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.term import Iterations, Limits
from ..kernels import second_order_2d as kernels
from ..kernels import strips
from ..kernels.padded import Padded
from ..kernels.planes import FREE, rounded
from ..runtime.workers import Workers, short_calls

if TYPE_CHECKING:
    from .second_order import SecondOrderTV

#: iterations that go down the rows together, pixels times iterations of a call, some 20 ms
_DEPTH, _PIXELS_PER_CALL = 8, 1 << 23


class Kernels:
    """Whole iterations for gray images of three rows and columns at least."""

    def __init__(self, penalty: SecondOrderTV) -> None:
        self.penalty = penalty

    def begin(self, x: Array, p: Array, y: Array, limits: Limits) -> Iterations:
        """See `Fused.begin`."""
        return OnPadded(self.penalty, x, p, y, limits)

    def begin_pixelwise(self, x: Array, p: Array, y: Array, limits: Limits, form: tuple[Any, ...]) -> None:
        """See `Fused.begin_pixelwise`."""

    def whole_run(self, shape: tuple[int, ...], dtype: np.dtype[Any], limits: Limits) -> None:
        """See `Fused.whole_run`."""

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`."""
        return self.begin(x, p, y, limits).sums(workers) if x.dtype == p.dtype else None


class OnPadded:
    """Over-relaxed iterations."""

    relaxed = True
    # of the image to its dual, and of that to the image
    spread = 2

    def __init__(self, penalty: SecondOrderTV, x: Array, p: Array, y: Array, limits: Limits) -> None:
        self.state, self.shape, self.dual_shape = Padded(6, y.shape[1:], x.dtype), x.shape, p.shape
        for first, arrays in ((0, x), (2, p[:, 0]), (5, y)):
            self.state.write(first, arrays)
        self.penalty, self.limits = penalty, None if limits == FREE else limits
        rates = tuple(x.dtype.type(rate) for rate in penalty._rates(2))
        radius, own = penalty._radius(p, size=3), rounded(self.limits, x.dtype)
        self.settings = rates, radius, own

    def advance(self, steps: Array, workers: Workers) -> None:
        """See `Iterations`."""
        strips.advance(self, steps, workers)

    @property
    def rows(self) -> int:
        """See `strips.InRows`."""
        return self.state.rows

    @property
    def size(self) -> int:
        """See `strips.InRows`."""
        return self.state.size

    def part(self, rows: int) -> OnPadded:
        """See `strips.InRows`."""
        made = copy.copy(self)
        made.state = Padded(6, (rows, self.state.columns), self.state.planes[0].dtype)
        return made

    def take(self, other: OnPadded, begin: int, stop: int, start: int, whole: bool) -> None:
        """See `strips.InRows`."""
        self.state.take(other.state, begin, stop, start, 6 if whole else 5)

    def sweep(self, steps: Array, first: int, last: int) -> None:
        """See `strips.InRows`."""
        state, planes = self.state, self.state.strip(first, last)
        for k in range(0, len(steps), _DEPTH):
            some = steps[k : k + _DEPTH]
            end = last - first + 1 + 2 * (len(some) - 1)
            for begin, stop in short_calls(end, state.width * len(some), _PIXELS_PER_CALL):
                kernels.sweep(*planes, state.mask, state.width, *self.settings, some, begin, stop)

    def sums(self, workers: Workers) -> tuple[float, ...]:
        """See `Iterations`."""
        state = self.state
        x, _, *others = state.planes
        rates, sums = tuple(self.penalty._rates(2).tolist()), np.empty((state.rows, 5))
        settings = x, *others, state.mask, state.width, rates, self.penalty._w(), self.limits
        # calls that stay short, and some for every worker
        at_once = -(-state.rows // strips.sharing(state.size, workers))
        most = min(_PIXELS_PER_CALL // 4, at_once * state.width)
        parts = short_calls(state.rows, state.width, most)
        workers.run([partial(kernels.certificate, sums, *settings, begin, stop) for begin, stop in parts])
        return tuple(sums.sum(axis=0).tolist())

    def pair(self) -> tuple[Array, Array]:
        """See `Iterations`."""
        return np.stack(self.state.images(0, 1)), np.stack(self.state.images(2, 5)).reshape(self.dual_shape)

    def save(self) -> Any:
        """See `Iterations`; the extrapolation is made anew."""
        return [self.state.planes[i].copy() for i in (0, 2, 3, 4)]

    def restore(self, state: Any) -> None:
        """See `Iterations`."""
        for i, kept in zip((0, 2, 3, 4), state, strict=True):
            self.state.planes[i][...] = kept
