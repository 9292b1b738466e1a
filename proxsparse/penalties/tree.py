"""Group lasso over a tree: the quadtree of an image."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..arrays.checks import check_pixel_weight
from ..arrays.numbers import Array
from ..dual.term import Exact
from ..linear.diagonal import Diagonalised
from .base import Penalty
from .group_lasso import GroupLasso


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TreeGroupLasso(Penalty):
    """P(x) = w sum over levels k of a_k times the sum over blocks of 2^k pixels an axis of the length of x there.

    Whole blocks become zero, of every size: pixels, blocks of 2 x 2, of 4 x 4, ... (in three dimensions an octree).

    Parameters
    ----------
    weight : float, optional
        w >= 0.
    levels : int
        Blocks of 1, 2, 4, ..., ``2^(levels - 1)`` pixels along each axis, from the first pixel on, the last ones clipped.
    level_weight : array_like, optional
        a_k >= 0, one number a level from the finest on; 1 by default.

    Notes
    -----
    K copies the image, one copy a level: ``K^T K = levels I``. Blocks hold all channels. The groups are nested, so that the
    proximal operator is exact in one pass, block soft-thresholding from the finest level to the coarsest (Jenatton, Mairal,
    Obozinski & Bach, JMLR 2011, algorithm 2); what each level takes away is its dual.
    """

    levels: int = 4
    level_weight: Any = None

    _leading_axes = 1
    _selects_pixels = True
    _first_step = 2.0
    _clipping_lowers = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.levels, bool) or not isinstance(self.levels, (int, np.integer)) or not 1 <= self.levels <= 30:
            raise ValueError(f"levels must be an integer from 1 to 30, got {self.levels!r}")
        if self.level_weight is not None:
            a = check_pixel_weight(self.level_weight, "level_weight")
            if a.shape != (self.levels,):
                raise ValueError(f"level_weight must hold {self.levels} numbers, got shape {a.shape}")
            object.__setattr__(self, "level_weight", a)

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero, unless no level has a weight."""
        return "zero" if self.level_weight is None or self.level_weight.any() else "unknown"

    def _level(self, k: int) -> GroupLasso:
        """The blocks of level k."""
        a = 1.0 if self.level_weight is None else float(self.level_weight[k])
        return GroupLasso(self._w() * a, block=1 << k)

    def _fits_dual(self, p: Array) -> bool:
        return bool(p.shape[0] == self.levels)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.levels, *shape)

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = x

    def _add_adjoint(self, out: Array, p: Array) -> None:
        for level in p:
            out += level

    def _project(self, p: Array, factor: float = 1.0) -> None:
        for k, level in enumerate(p):
            self._level(k)._project(level, factor)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        found = [self._level(k)._gap(x, level) for k, level in enumerate(p)]
        return sum(gap for gap, _ in found), sum(value for _, value in found)

    def _dual_norm(self, p: Array) -> float:
        a = np.ones(self.levels) if self.level_weight is None else self.level_weight
        norms = np.array([GroupLasso(1.0, block=1 << k)._dual_norm(level) for k, level in enumerate(p)])
        return float(np.divide(norms, a, out=np.where(norms > 0, np.inf, 0.0), where=a > 0).max())

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return int(shape[0] * (1 << (self.levels - 1)) ** (len(shape) - 1))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        a = self.levels if self.level_weight is None else float(self.level_weight.sum())
        return value / (self._w() * a) if self._w() * a > 0 else math.inf

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return []

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return float(self.levels)

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("uniform", float(self.levels))

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._shrink)

    def _shrink(self, x: Array, p: Array | None, y: Array) -> None:
        x[...] = y
        for k in range(self.levels):
            taken = np.zeros_like(x)
            self._level(k)._shrink(x, taken, x.copy())
            if p is not None:
                p[k] = taken

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "support"

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        for k, level in enumerate(p):
            self._level(k)._identify(x, level, margin)
