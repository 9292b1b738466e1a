"""Forward differences of images: the map of total variation."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays.checks import inverse_spacing
from ..arrays.layout import to_4d
from ..arrays.numbers import Array
from ..dual.null_space import constant_images
from ..kernels import total_variation as kernels
from ..linear.diagonal import Diagonalised, neumann_laplacian
from .base import Penalty


class OfDifferences(Penalty):
    """Penalties ``w h(D x)`` of the forward differences along each axis, over the spacing, times the pixel weight."""

    spacing: Any
    pixel_weight: Any

    _leading_axes = 1

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Constants, unless differences of weight 0 cut the image in pieces."""
        return "constants" if self.pixel_weight is None or (self.pixel_weight > 0).all() else "unknown"

    def _fits_dual(self, p: Array) -> bool:
        return bool(p.shape[0] == p.ndim - 2)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._scales(shape[1:])
        return (len(shape) - 1, *shape)

    def _scales(self, spatial: tuple[int, ...]) -> Array | None:
        """The factors of the differences, (axes, *spatial) or broadcasting to it; None where all are 1."""
        axes, rates = len(spatial), inverse_spacing(self.spacing, len(spatial))
        scales = None if rates is None else rates.reshape(axes, *(1,) * axes)
        if self.pixel_weight is not None:
            if self.pixel_weight.shape not in (spatial, (axes, *spatial)):
                raise ValueError(
                    f"pixel_weight has shape {self.pixel_weight.shape}; the image {spatial}, with directions {(axes, *spatial)}"
                )
            scales = self.pixel_weight * (1.0 if scales is None else scales)
            scales = np.broadcast_to(scales, (axes, *spatial))
        return scales

    @property
    def _unscaled(self) -> bool:
        return self.spacing is None and self.pixel_weight is None

    @cached_property
    def _weight_single(self) -> Array:
        """The pixel weight in float32."""
        return np.asarray(self.pixel_weight, np.float32)

    def _scale(self, p: Array) -> None:
        """Multiply each difference by its scale, in place."""
        rates = inverse_spacing(self.spacing, len(p))
        if rates is not None:
            p *= rates.astype(p.dtype).reshape(-1, *(1,) * (p.ndim - 1))
        if self.pixel_weight is not None:
            weight = self._weight_single if p.dtype == np.float32 else self.pixel_weight
            p *= weight[:, None] if weight.ndim == p.ndim - 1 else weight

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = 0
        kernels.gradient(*planes(out), to_4d(x))
        if not self._unscaled:
            self._scale(out)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        if not self._unscaled:
            # in the accuracy asked for, as the certificate relies on
            p = p.astype(out.dtype)
            self._scale(p)
        kernels.add_adjoint(to_4d(out), *planes(p))

    def _clear_unused(self, p: Array) -> None:
        # Neumann edge: the dual of the last difference takes no part
        for axis in range(p.shape[0]):
            np.moveaxis(p[axis], 1 + axis, 0)[-1] = 0

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        scales = self._scales(shape[1:])
        largest = [1.0] * (len(shape) - 1) if scales is None else [float(s.max()) for s in scales]
        return sum((2.0 * s * math.cos(math.pi / (2 * n))) ** 2 for s, n in zip(largest, shape[1:], strict=True)) or 1.0

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return self._approximate_gram(shape) if self.pixel_weight is None else None

    def _approximate_gram(self, shape: tuple[int, ...]) -> Diagonalised:
        scales = self._scales(shape[1:])
        typical = None if scales is None else np.sqrt([np.square(s).mean() for s in scales])
        return Diagonalised("dct", neumann_laplacian(shape, typical))

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return constant_images(shape)

    def _largest(self, size: Array) -> Array:
        """A bound on ``|D x|``, number by number, where ``|x| <= size``; in float64."""
        z = np.zeros(self._dual_shape(size.shape))
        for axis in range(1, size.ndim):
            before, after = (np.moveaxis(size, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
            np.moveaxis(z[axis - 1], axis, 0)[:-1] = np.add(before, after, dtype=np.float64)
        self._scale(z)
        return z

    def _rounding(self, x: Array) -> float:
        # the difference of two numbers is right but for its own rounding
        return 0.0

    def _adjoint_roundings(self, shape: tuple[int, ...]) -> float:
        return 2.0 + 4 * len(shape)


def planes(p: Array) -> list[Array]:
    """The duals along planes, rows, columns; an axis the image lacks gets a stand-in that is never touched."""
    p = to_4d(p, lead=1)
    return [p[-1]] * (3 - len(p)) + list(p)
