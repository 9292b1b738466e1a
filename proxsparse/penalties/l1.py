"""The L1 norm."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.checks import check_pixel_weight, check_weight
from ..arrays.numbers import Array, as_float, total
from ..dual.null_space import free_pixels
from ..dual.term import Partition
from ..kernels import pointwise
from ..linear.diagonal import Diagonalised
from .base import Penalty

if TYPE_CHECKING:
    from ..dual.prox import ProxResult


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class L1(Penalty):
    """``P(x) = w sum_i a_i |x_i|``: single pixels become zero.

    Parameters
    ----------
    weight : float, optional
        w >= 0.
    pixel_weight : array_like, optional
        a_i >= 0, of the image's shape without its channel axis; 1 by default. Never modified, copied.

    Notes
    -----
    K is the identity, the dual ball is ``|p_i| <= w a_i``, and the proximal operator is soft-thresholding,
    ``sign(v_i) max(|v_i| - step w a_i, 0)`` (Donoho, IEEE Trans. Inf. Theory 1995). Channels are separate.
    """

    pixel_weight: Any = None

    _clipping_lowers = True
    _selects_pixels = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixel_weight is not None:
            object.__setattr__(self, "pixel_weight", check_pixel_weight(self.pixel_weight))

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.pixel_weight is not None and self.pixel_weight.shape != shape[1:]:
            raise ValueError(f"pixel_weight of L1 has shape {self.pixel_weight.shape}, the image {shape[1:]}")
        return shape

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = x

    def _add_adjoint(self, out: Array, p: Array) -> None:
        out += p

    def _project(self, p: Array, factor: float = 1.0) -> None:
        radius = self._radius(p, factor)
        if self.pixel_weight is None:
            pointwise.clip(p.reshape(-1), radius)
        else:
            radii = (radius * self.pixel_weight).astype(p.dtype)
            np.clip(p, -radii, radii, out=p)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        if self.pixel_weight is None:
            gap, value = pointwise.l1_gap(x.reshape(-1), p.reshape(-1), self._w())
            return float(gap), float(value)
        terms = self._w() * self.pixel_weight * np.abs(x)
        return total(terms - x.astype(np.float64) * p), total(terms)

    def _dual_norm(self, p: Array) -> float:
        size = np.abs(p, dtype=np.float64) if p.dtype != np.float64 else np.abs(p)
        if self.pixel_weight is not None:
            free = np.where(size > 0, np.inf, 0.0)
            size = np.divide(size, self.pixel_weight, out=free, where=self.pixel_weight > 0)
        return float(size.max())

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return 1.0

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        return True

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("uniform", 1.0)

    def _threshold(self, shape: tuple[int, ...]) -> Any:
        return self._w() if self.pixel_weight is None else self._w() * self.pixel_weight

    def _bound_by_size(self, size: Array) -> float:
        return 0.0

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        weights = self._pixel_costs(shape)
        return value / float(weights.min(where=weights > 0, initial=math.inf))

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return free_pixels(self._pixel_costs(shape), shape)

    def _pixel_costs(self, shape: tuple[int, ...]) -> Array:
        """Per pixel of one channel, the least c with P(x) >= c |x_j|."""
        a = np.ones(shape[1:]) if self.pixel_weight is None else self.pixel_weight
        return np.asarray(self._w() * a)

    def _partition(self, shape: tuple[int, ...]) -> Partition | None:
        return Partition(self, [(1, 1)] * (len(shape) - 1), self._within)

    def _within(self, region: tuple[slice, ...]) -> Penalty:
        return self if self.pixel_weight is None else dataclasses.replace(self, pixel_weight=self.pixel_weight[region])

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "support"

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        x[np.abs(p) < (1.0 - margin) * np.asarray(self._threshold(x.shape))] = 0

    def prox(self, v: Any, step: float = 1.0, **kwargs: Any) -> Array | ProxResult:
        """Return the soft-thresholded image, as `Penalty.prox`."""
        if self.pixel_weight is not None or kwargs:
            return super().prox(v, step, **kwargs)
        v = as_float(v, "v")
        largest = v.dtype.type(np.finfo(v.dtype).max)
        # a threshold that the dtype cannot hold means the same as any other beyond reach
        cut = v.dtype.type(min(check_weight(step) * self._w(), float(largest) / 4))
        out = np.empty_like(v)
        plain = 1 <= v.ndim <= 3 and v.size > 0
        if not plain or pointwise.soft_threshold(out.reshape(-1), v.reshape(-1), cut, largest) > 0:
            # says what is wrong
            return super().prox(v, step)
        return np.asarray(out)
