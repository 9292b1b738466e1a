"""Total generalized variation of gray images by kernels: whole iterations, and duals brought near to their balls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..dual.driver import Steps
from ..kernels import tgv_2d as kernels
from ..kernels.padded import Padded
from ..runtime.workers import short_calls

if TYPE_CHECKING:
    from .tgv import TGV

#: the first step of the image, and where it is held, in units of the spread over the weight; at a ratio of 2 the field's step
#: in units of that, the dual step of second differences in units of that of first ones; and the power of the ratio in both
_STEP, _LEAST_STEP, _FIELD_SHARE, _SECOND, _POWER = 0.3, 0.0098, 0.4, 3.0, 1.5
#: iterations that bring a dual nearer to its balls, iterations that go down the rows together, pixels times iterations a call
_DRAWN_IN, _DEPTH, _PIXELS_PER_CALL = 25, 8, 1 << 22


def steps(penalty: TGV, y: Array, lifted: Array, dual: Array, tau: float | None, gamma: float | None) -> Steps:
    """Chambolle & Pock 2011, algorithm 2, with steps of their own for the image and its field.

    The image's step falls, as its data term is strongly convex, to where the weight would have it, and is held there.
    """
    weight, ratio = penalty._w(), penalty.ratio
    state = Padded(12, y.shape[1:], lifted.dtype)
    for first, arrays in ((0, lifted), (3, lifted), (6, dual), (11, y)):
        state.write(first, arrays)
    first_ball, second_ball = penalty._radius(dual, size=2), penalty._radius(dual, size=3) * dual.dtype.type(ratio)
    settings = (*state.planes, state.mask, state.width, first_ball, second_ball)
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
        for some in np.array_split(rows.astype(y.dtype), -(-n // _DEPTH)):
            end = state.rows + 1 + 2 * (len(some) - 1)
            for begin, stop in short_calls(end, state.width * len(some), _PIXELS_PER_CALL):
                kernels.sweep(*settings, some, begin, stop)
        n = yield np.stack(state.images(0, 3)), np.stack(state.images(6, 11)).reshape(-1)


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
