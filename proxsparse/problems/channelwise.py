"""Operators on images in canonical form: on each channel by itself, or on all at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..arrays.layout import from_canonical, to_canonical, user_shape
from ..arrays.numbers import Array
from ..linear.diagonal import Diagonalised
from ..operators import Operator


class Channelwise:
    """An operator on (channels, *spatial), each channel by itself."""

    def __init__(self, operator: Operator, shape: tuple[int, ...]) -> None:
        self.operator, self.shape = operator, shape
        #: of what the operator takes
        self.own_shape = shape[1:]
        self.norm_is_bound = operator.norm_is_bound

    def forward(self, x: Array) -> Array:
        """A x."""
        return self.operator.forward(x[0])[None] if len(x) == 1 else np.stack([self.operator.forward(c) for c in x])

    def adjoint(self, q: Array) -> Array:
        """A^T q."""
        if len(q) == 1:
            return self.operator.adjoint(q[0], self.own_shape)[None]
        return np.stack([self.operator.adjoint(c, self.own_shape) for c in q])

    @cached_property
    def norm_squared(self) -> float:
        """Bound on or estimate of ||A||^2."""
        return self.operator.norm_squared(self.own_shape)

    @cached_property
    def norm_bound(self) -> float:
        """Bound on ||A||^2, however loose."""
        return self.operator.norm_bound(self.own_shape)

    @cached_property
    def mismatch(self) -> float:
        """How far A and A^T are from being adjoint, relative to ||A||."""
        return self.operator.mismatch(self.own_shape)

    @cached_property
    def product_rounding(self) -> float:
        """Bound on the rounding of a product in float64, in units of 2^-53 and the length of what is multiplied."""
        return self.operator.product_rounding(self.own_shape)

    @cached_property
    def gram(self) -> Diagonalised | None:
        """A^T A where a transform inverts it."""
        return self.operator.gram(self.own_shape)


class Unchanged(Channelwise):
    """A = I."""

    norm_is_bound = True
    norm_squared = norm_bound = 1.0
    mismatch = product_rounding = 0.0

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def forward(self, x: Array) -> Array:
        """x."""
        return x

    def adjoint(self, q: Array) -> Array:
        """q."""
        return q

    @cached_property
    def gram(self) -> Diagonalised | None:
        """The identity."""
        return Diagonalised("uniform", 1.0)


class AllChannels(Channelwise):
    """An operator that takes the channels all at once, in the user's layout."""

    def __init__(self, operator: Operator, shape: tuple[int, ...], channel_axis: int) -> None:
        super().__init__(operator, shape)
        self.axis = channel_axis
        self.own_shape = user_shape(shape, channel_axis)

    def forward(self, x: Array) -> Array:
        """A x."""
        return self.operator.forward(from_canonical(x, self.axis))

    def adjoint(self, q: Array) -> Array:
        """A^T q."""
        return to_canonical(self.operator.adjoint(q, self.own_shape), self.axis)

    @cached_property
    def gram(self) -> Diagonalised | None:
        """None: no transform inverts it."""
        return None
