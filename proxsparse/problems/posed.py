"""A problem in arrays, before anything is made of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ..arrays.numbers import Array
from ..data_terms import DataTerm, LeastSquares
from ..penalties.base import Penalty
from .channelwise import Channelwise


@dataclasses.dataclass(frozen=True, eq=False)
class Posed:
    """``D(A x; y) + sum_i w_i P_i(x)`` over lo <= x <= hi, x of that shape, all of one dtype and (channels, *spatial).

    m are the weights of y, None where all are 1.
    """

    y: Array
    parts: Sequence[Penalty]
    shape: tuple[int, ...]
    operator: Channelwise | None = None
    m: Array | None = None
    lo: Any = None
    hi: Any = None
    data: DataTerm = dataclasses.field(default_factory=LeastSquares)
