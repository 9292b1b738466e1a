"""Total variation of second order of gray images by kernels: whole iterations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.term import Iterations, Limits
from ..kernels import second_order_2d as kernels
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

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> None:
        """See `Fused.sums`: that takes the general way."""


class OnPadded:
    """Over-relaxed iterations."""

    relaxed = True

    def __init__(self, penalty: SecondOrderTV, x: Array, p: Array, y: Array, limits: Limits) -> None:
        self.state, self.shape, self.dual_shape = Padded(6, y.shape[1:], x.dtype), x.shape, p.shape
        for first, arrays in ((0, x), (2, p[:, 0]), (5, y)):
            self.state.write(first, arrays)
        rates = tuple(x.dtype.type(rate) for rate in penalty._rates(2))
        own = rounded(None if limits == FREE else limits, x.dtype)
        self.settings = (*self.state.planes, self.state.mask, self.state.width, rates, penalty._radius(p, size=3), own)

    def advance(self, steps: Array, workers: Workers) -> None:
        """See `Iterations`."""
        for k in range(0, len(steps), _DEPTH):
            some = steps[k : k + _DEPTH]
            end = self.state.rows + 1 + 2 * (len(some) - 1)
            for begin, stop in short_calls(end, self.state.width * len(some), _PIXELS_PER_CALL):
                kernels.sweep(*self.settings, some, begin, stop)

    def sums(self, workers: Workers) -> None:
        """See `Iterations`: that takes the general way."""

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
