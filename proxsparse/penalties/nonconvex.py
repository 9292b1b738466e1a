"""Penalties that are not convex, of pixels or blocks: no certificate, but a proximal operator that is the global minimiser."""

from __future__ import annotations

import abc
import dataclasses
import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..arrays.checks import check_number, check_weight
from ..arrays.layout import from_canonical, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float, require_finite, total
from .group_lasso import GroupLasso


@dataclasses.dataclass(frozen=True)
class Nonconvex(abc.ABC):
    """``P(x) = sum rho(|x_i|)`` with rho that grows ever slower: large pixels keep their size.

    With `block` it is ``sum rho(||x_g||_2)`` over the blocks g of `GroupLasso`, all channels of a block together: what is zero
    is zero in blocks. `solve` returns a stationary point, `certified=False`, with `stationarity` saying how nearly; without an
    operator each pixel, or block of pixels of one weight, is at its global minimum.
    """

    weight: float | None = None
    block: Any = dataclasses.field(default=None, kw_only=True)

    #: the weight is in units of the image to this power
    _power: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.weight is not None:
            object.__setattr__(self, "weight", check_weight(self.weight))
        if self.block is not None:
            object.__setattr__(self, "block", self._blocks.block)

    @property
    def parts(self) -> tuple[Nonconvex, ...]:
        """Itself: it takes part in no sum."""
        return (self,)

    def with_weight(self, weight: float) -> Nonconvex:
        """Return the same penalty with that weight."""
        return dataclasses.replace(self, weight=weight)

    def _rescaled(self, factor: float) -> Nonconvex:
        """The penalty P' with P'(factor x) = factor^2 P(x)."""
        weight = self._w()
        for _ in range(self._power):
            # beyond this every weight gives 0
            weight = min(weight * factor, 1e300)
        return self.with_weight(weight)

    def _w(self) -> float:
        if self.weight is None:
            raise ValueError(f"{self!r} has no weight: give one, as in {type(self).__name__}(0.1)")
        return self.weight

    @abc.abstractmethod
    def _costs(self, size: Array) -> Array:
        """rho of each size >= 0."""

    @abc.abstractmethod
    def _candidates(self, size: Array, step: Any) -> list[Array]:
        """Sizes among which argmin over z >= 0 of 1/2 (z - size)^2 + step rho(z) is."""

    @np.errstate(over="ignore")
    def value(self, x: Any, *, channel_axis: int | None = None) -> float:
        """Return P(x); of blocks the channels belong together."""
        x = as_float(x, "x")
        require_finite(x, "x")
        if self.block is None:
            return total(self._costs(np.abs(x, dtype=np.float64)))
        canonical = to_canonical(x, normalise_channel_axis(channel_axis, x.ndim))
        return total(self._costs(self._lengths(canonical, self._groups(canonical.shape))))

    @np.errstate(over="ignore")
    def prox(self, v: Any, step: Any = 1.0, *, channel_axis: int | None = None) -> Array:
        """Return argmin over x of 1/2 ||x - v||^2 + step P(x), a global minimiser.

        step >= 0 is a number, or without blocks one a pixel.
        """
        v = as_float(v, "v")
        require_finite(v, "v")
        step = np.asarray(step, np.float64)
        if self.block is None:
            best = self._shrunk(np.abs(v, dtype=np.float64), step)
            return np.asarray(np.where(best > 0, np.copysign(best, v), 0.0)).astype(v.dtype)
        if step.ndim:
            raise ValueError(f"{self!r} takes one step for all pixels, got an array of shape {step.shape}")
        axis = normalise_channel_axis(channel_axis, v.ndim)
        canonical = to_canonical(v, axis)
        groups = self._groups(canonical.shape)
        lengths = self._lengths(canonical, groups)
        kept = self._shrunk(lengths, step) / np.where(lengths > 0, lengths, 1.0)
        # 0 added, as zeros of negative pixels are negative
        return from_canonical((canonical * kept[groups].reshape(canonical.shape[1:]) + 0.0).astype(v.dtype), axis)

    def _shrunk(self, size: Array, step: Array) -> Array:
        """Argmin over z >= 0 of 1/2 (z - size)^2 + step rho(z)."""
        best, least = np.zeros_like(size), 0.5 * size * size
        for z in self._candidates(size, step):
            cost = 0.5 * np.square(z - size) + step * self._costs(z)
            better = (cost < least) & (z >= 0)
            best, least = np.where(better, z, best), np.where(better, cost, least)
        return best

    @cached_property
    def _blocks(self) -> GroupLasso:
        """The penalty whose groups the blocks are."""
        return GroupLasso(block=self.block)

    def _groups(self, shape: tuple[int, ...]) -> Array:
        """The block of each pixel of an image (channels, *spatial)."""
        # says what does not fit
        self._blocks._dual_shape(shape)
        return self._blocks._groups(shape)

    def _lengths(self, x: Array, groups: Array) -> Array:
        """The Euclidean length of each block, over all channels."""
        return self._blocks._lengths(x.astype(np.float64).reshape(len(x), -1), groups, dual=False)


@dataclasses.dataclass(frozen=True)
class L0(Nonconvex):
    """P(x) = w times the number of pixels that are not 0; the proximal operator is hard thresholding at ``sqrt(2 step w)``.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image squared.
    block : int or tuple of int, optional
        Count blocks of so many pixels an axis that are not 0, instead of pixels.

    Notes
    -----
    Blumensath & Davies, Appl. Comput. Harmon. Anal. 2009.
    """

    _power = 2

    def _costs(self, size: Array) -> Array:
        return np.where(size > 0, self._w(), 0.0)

    def _candidates(self, size: Array, step: Any) -> list[Array]:
        return [size]


@dataclasses.dataclass(frozen=True)
class MCP(Nonconvex):
    """P(x) = sum of ``w |x| - x^2 / (2 gamma)`` up to ``|x| = gamma w``, the constant ``gamma w^2 / 2`` beyond.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    gamma : float
        > 0; 3 by default. L1 for large, L0 for small ones.
    block : int or tuple of int, optional
        Of the lengths of blocks of so many pixels an axis, instead of pixels.

    Notes
    -----
    The minimax concave penalty: Zhang, Ann. Statist. 2010. For ``gamma > step`` the proximal operator is firm thresholding.
    """

    gamma: float = 3.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if check_number(self.gamma, "gamma") == 0:
            raise ValueError(f"gamma must be > 0, got {self.gamma!r}")

    def _costs(self, size: Array) -> Array:
        # w s - s^2 / (2 gamma), s the size up to gamma w, without a square that could overflow
        w = self._w()
        held = np.minimum(size, self.gamma * w)
        return w * (held - held * (held / w) / (2 * self.gamma)) if w > 0 else np.zeros_like(size)

    def _candidates(self, size: Array, step: Any) -> list[Array]:
        w = self._w()
        with np.errstate(divide="ignore", invalid="ignore"):
            firm = (size - step * w) / (1 - step / self.gamma)
        inside = (step < self.gamma) & (firm >= 0) & (firm <= self.gamma * w)
        return [np.where(inside, firm, 0.0), size]


@dataclasses.dataclass(frozen=True)
class SCAD(Nonconvex):
    """``P(x) = sum of w|x|`` up to w, ``(2 a w |x| - x^2 - w^2) / (2 (a - 1))`` up to a w, ``w^2 (a + 1) / 2`` beyond.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    a : float
        > 2; 3.7 by default, after the paper.
    block : int or tuple of int, optional
        Of the lengths of blocks of so many pixels an axis, instead of pixels.

    Notes
    -----
    Smoothly clipped absolute deviation: Fan & Li, J. Am. Stat. Assoc. 2001, equation 2.8 for the proximal operator at step 1.
    """

    a: float = 3.7

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.a) and self.a > 2):
            raise ValueError(f"a must be > 2, got {self.a!r}")

    def _costs(self, size: Array) -> Array:
        # w s - (s - w)_+^2 / (2 (a - 1)), s the size up to a w, without a square that could overflow
        w, a = self._w(), self.a
        held = np.minimum(size, a * w)
        beyond = np.maximum(held - w, 0)
        return w * (held - beyond * (beyond / w) / (2 * (a - 1))) if w > 0 else np.zeros_like(size)

    def _candidates(self, size: Array, step: Any) -> list[Array]:
        w, a = self._w(), self.a
        soft = np.clip(size - step * w, 0, w)
        with np.errstate(divide="ignore", invalid="ignore"):
            middle = ((a - 1) * size - a * step * w) / (a - 1 - step)
        inside = (step < a - 1) & (middle >= w) & (middle <= a * w)
        return [soft, np.where(inside, middle, 0.0), size]
