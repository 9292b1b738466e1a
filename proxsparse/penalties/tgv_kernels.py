"""Total generalized variation of gray images by kernels: whole iterations, and duals brought near to their balls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.driver import Steps
from ..kernels import strips
from ..kernels import tgv_2d as kernels
from ..kernels.padded import Padded
from ..runtime.workers import Workers, short_calls

if TYPE_CHECKING:
    from .tgv import TGV

#: the first step of the image, and where it is held, in units of the spread over the weight; at a ratio of 2 the field's step
#: in units of that, the dual step of second differences in units of that of first ones; and the power of the ratio in both
_STEP, _LEAST_STEP, _FIELD_SHARE, _SECOND, _POWER = 0.3, 0.0098, 0.4, 3.0, 1.5
#: iterations that bring a dual nearer to its balls, iterations that go down the rows together, pixels times iterations a call
_DRAWN_IN, _DEPTH, _PIXELS_PER_CALL = 25, 8, 1 << 22


def steps(
    penalty: TGV, y: Array, lifted: Array, dual: Array, tau: float | None, gamma: float | None, workers: Workers
) -> Steps:
    """Chambolle & Pock 2011, algorithm 2, with steps of their own for the image and its field.

    The image's step falls, as its data term is strongly convex, to where the weight would have it, and is held there.
    """
    weight, ratio = penalty._w(), penalty.ratio
    first_ball, second_ball = penalty._radius(dual, size=2), penalty._radius(dual, size=3) * dual.dtype.type(ratio)
    state = _State(y.shape[1:], lifted.dtype, (first_ball, second_ball))
    for first, arrays in ((0, lifted), (3, lifted), (6, dual), (11, y)):
        state.write(first, arrays)
    least = _LEAST_STEP * (float(np.std(y, dtype=np.float64)) or weight) / weight
    tau, gamma = max(_STEP, least) if tau is None else tau, 1.0 if gamma is None else gamma
    share, second_share = _FIELD_SHARE * (2.0 / ratio) ** _POWER, _SECOND * (ratio / 2.0) ** _POWER
    n = yield lifted, dual.reshape(-1)
    # they are in the planes
    del lifted, dual
    while True:
        rows = np.empty((n, 5))
        for k in range(n):
            sigma = _sigma(tau, share * tau, second_share)
            theta = 1 / math.sqrt(1 + 2 * gamma * tau) if tau > least else 1.0
            rows[k] = tau, share * tau, sigma, second_share * sigma, theta
            tau *= theta
        strips.advance(state, rows.astype(y.dtype), workers)
        n = yield np.stack(state.images(0, 3)), np.stack(state.images(6, 11)).reshape(-1)


class _State(Padded):
    """The image, its field and both extrapolated, the dual, and the image given."""

    # of x and u to their dual, and of that to them
    spread = 2

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], radii: tuple[Any, Any]) -> None:
        super().__init__(12, shape, dtype)
        self.radii = radii

    def part(self, rows: int) -> _State:
        """See `strips.InRows`."""
        return _State((rows, self.columns), self.planes[0].dtype, self.radii)

    def take(self, other: Padded, begin: int, stop: int, start: int, whole: int) -> None:
        """See `strips.InRows`."""
        super().take(other, begin, stop, start, 12 if whole else 11)

    def sweep(self, steps: Array, first: int, last: int) -> None:
        """See `strips.InRows`."""
        planes = self.strip(first, last)
        for some in np.array_split(steps, -(-len(steps) // _DEPTH)):
            end = last - first + 1 + 2 * (len(some) - 1)
            for begin, stop in short_calls(end, self.width * len(some), _PIXELS_PER_CALL):
                kernels.sweep(*planes, self.mask, self.width, *self.radii, some, begin, stop)


def _sigma(tau: float, of_field: float, second_share: float) -> float:
    """The dual step of the first differences: 1.3 over the largest eigenvalue of what the others make of it.

    Of ((8 tau + t, -sqrt(8 r) t), (-sqrt(8 r) t, 8 r t)), t the field's step and r the share of the second differences.
    """
    a, b, c = 8 * tau + of_field, math.sqrt(8 * second_share) * of_field, 8 * second_share * of_field
    return 1.3 / (0.5 * (a + c) + math.hypot(0.5 * (a - c), b))


def draw_in(q: Array, first: Any, second: Any) -> None:
    """q (3, rows, columns) nearer to |q| <= second, |E^T q| <= first, in place."""
    state = Padded(8, q.shape[1:], q.dtype)
    state.write(0, q)
    state.write(3, q)
    planes = state.planes
    kernels.draw_in(
        tuple(planes[:3]), tuple(planes[3:6]), planes[6], planes[7], state.mask, state.width, first, second, _DRAWN_IN
    )
    for out, image in zip(q, state.images(0, 3), strict=True):
        out[...] = image
