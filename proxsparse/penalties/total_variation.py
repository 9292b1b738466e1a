"""Total variation."""

from __future__ import annotations

import dataclasses
import math
from functools import partial
from typing import Any

import numpy as np

from ..arrays.checks import check_number, check_pixel_weight, check_spacing
from ..arrays.layout import to_4d
from ..arrays.numbers import Array, total
from ..dual.term import Exact, Fused, Half, Partition
from ..kernels import pointwise
from ..kernels import total_variation as kernels
from ..kernels.planes import fits
from .base import Penalty
from .differences import OfDifferences, planes
from .variation_kernels import Kernels, ScaledKernels, flatten, half_of, taut_strings


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TotalVariation(OfDifferences):
    """P(x) = w sum of the lengths of the forward differences of x: images become piecewise flat.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image.
    isotropic : bool
        True: the sum over pixels of ``sqrt(sum of squared differences)``, over all axes and channels together, so that
        edges of the channels fall in the same places. False: the sum of ``|difference|``; channels are then separate.
    spacing : float or tuple of float, optional
        The distance of samples along each spatial axis, by which differences are divided; 1 by default.
    pixel_weight : array_like, optional
        What each difference is multiplied by, >= 0: one number a pixel, of the image's shape without its channel axis, or with
        an axis before it one number a direction and pixel (directional total variation). Never modified, copied.
    huber : float
        Lengths up to this, in units of the image over the spacing, count as ``length^2 / (2 huber)``, longer ones as
        ``length - huber / 2``: slopes leave no stairs. 0 by default.
    coupled : bool
        False: channels are separate under isotropic total variation too.

    Notes
    -----
    ``K x`` has shape ``(axes, *image shape)``: ``x[i+1] - x[i]`` along each spatial axis, 0 at the last sample (Neumann
    edge), divided by the spacing, times the pixel weight. The dual ball holds each pixel's vector to a length of w (isotropic)
    or each number to ``|p| <= w``; Huber's subtracts ``c(p) = huber |p|^2 / (2w)``.
    ``||K||^2 <= 4`` per axis. Rudin, Osher & Fatemi, Physica D 1992; Chambolle, J. Math. Imaging Vis. 2004; Huber's:
    Chambolle & Pock, J. Math. Imaging Vis. 2011, section 6.2.2; directions: Ehrhardt & Betcke, SIAM J. Imaging Sci. 2016.
    """

    isotropic: bool = True
    spacing: Any = None
    pixel_weight: Any = None
    huber: float = 0.0
    coupled: bool = True

    _clipping_lowers = True

    @property
    def degree(self) -> int | None:  # type: ignore[override]
        """1; Huber's has none."""
        return None if self.huber > 0 else 1

    @property
    def is_plain(self) -> bool:
        """Whether the kernels know it: differences as they are, in lengths as they are."""
        return self.spacing is None and self.pixel_weight is None and self.huber == 0

    @property
    def _without_dual(self) -> tuple[bool, bool, bool]:
        """Whether the pixels of the last plane, row and column have no dual; see `InnerTotalVariation`."""
        return False, False, False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "isotropic", bool(self.isotropic))
        object.__setattr__(self, "spacing", check_spacing(self.spacing))
        object.__setattr__(self, "coupled", bool(self.coupled))
        object.__setattr__(self, "huber", check_number(self.huber, "huber"))
        if self.pixel_weight is not None:
            object.__setattr__(self, "pixel_weight", check_pixel_weight(self.pixel_weight))

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        # of a signal both kinds are the sum of absolute values
        channels = shape[0] if self.coupled else 1
        return self.huber == 0 and (not self.isotropic or channels * sum(n > 1 for n in shape[1:]) <= 1)

    def _first_order_norm(self) -> Penalty | None:
        return None if self.huber > 0 else self

    def _in_unit_spacing(self) -> tuple[Penalty, float]:
        if self.spacing is None:
            return self, 1.0
        unit = float(np.min(self.spacing))
        own = {"weight": self._w() / unit, "spacing": np.asarray(self.spacing) / unit, "huber": self.huber * unit}
        return type(self)(**(self._fields() | own)), unit

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        return dataclasses.replace(self, weight=self._w() * factor ** (degree - 1), huber=self.huber * factor)

    def _channel_slices(self, *arrays: Array) -> list[tuple[Array, ...]]:
        """Arrays (..., channels, *spatial), cut into channels where these are separate."""
        *_, last = arrays
        after = last.ndim - 1 - self._leading_axes
        channels = last.shape[self._leading_axes]
        if self.coupled or not self.isotropic or channels == 1:
            return [arrays]
        return [tuple(a[(slice(None),) * (a.ndim - 1 - after) + (slice(c, c + 1),)] for a in arrays) for c in range(channels)]

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        if self.huber > 0:
            w = self._w()
            p *= p.dtype.type(w / (w + sigma * self.huber))

    def _conjugate(self, p: Array) -> float:
        if self.huber == 0 or self._w() == 0:
            return 0.0
        return 0.5 * self.huber / self._w() * total(np.square(p, dtype=np.float64))

    def _project(self, p: Array, factor: float = 1.0) -> None:
        for (unit,) in self._channel_slices(p):
            radius = self._ball_radius(unit, unit.shape[0] * unit.shape[1], factor)
            if self.isotropic:
                _onto_balls(unit, radius)
            else:
                pointwise.clip(unit.reshape(-1), radius)

    def _ball_radius(self, p: Array, numbers: int, factor: float = 1.0) -> Any:
        """The radius in p's dtype: of a pixel's vector of so many numbers, or of each number by itself."""
        return self._radius(p, factor, size=numbers if self.isotropic else 1)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        if not self.is_plain:
            return self._general_gap(x, p)
        units = self._channel_slices(x, p)
        sums = [kernels.gap(to_4d(u), *planes(q), self.isotropic, self._without_dual, self._w()) for u, q in units]
        return float(sum(gap for gap, _ in sums)), float(sum(value for _, value in sums))

    def _general_gap(self, x: Array, p: Array) -> tuple[float, float]:
        z = self._analysed(x)
        costs, products = self._costs(self._lengths(z)), z * p
        if self.isotropic:
            products = products.sum(axis=self._vector_axes())
        # Fenchel's inequality, group by group: with c(p) each term is >= 0
        return total(self._w() * costs - products) + self._conjugate(p), self._w() * total(costs)

    def _costs(self, lengths: Array) -> Array:
        """The cost of differences of these lengths."""
        if self.huber == 0:
            return lengths
        return np.where(lengths <= self.huber, np.square(lengths) / (2 * self.huber), lengths - self.huber / 2)

    def _vector_axes(self) -> int | tuple[int, ...] | None:
        """The axes of the dual that make one length."""
        return () if not self.isotropic else (0, 1) if self.coupled else 0

    def _lengths(self, z: Array) -> Array:
        return np.abs(z) if not self.isotropic else np.sqrt(np.square(z).sum(axis=self._vector_axes()))

    def _dual_norm(self, p: Array) -> float:
        return float(self._lengths(p.astype(np.float64, copy=False)).max())

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return (len(shape) - 1) * shape[0] if self.isotropic else 1

    def _dual_length(self, p: Array) -> float:
        # a vector in its ball is no longer than w
        return self._w() * math.sqrt(math.prod(p.shape[2:]) if self.isotropic and self.coupled else p.size)

    def _bound_by_size(self, size: Array) -> float:
        return self._w() * total(self._costs(self._lengths(self._largest(size))))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        scales = self._scales(shape[1:])
        least = 1.0 if scales is None else float(np.min(scales))
        if not (least > 0 and self._w() > 0):
            return math.inf
        # from a pixel to any other along differences that are each taken once; lengths of d numbers are 1/sqrt(d) of their sum
        together = value / self._w() + self.huber / 2 * math.prod(self._dual_shape(shape))
        return together / least * math.sqrt(self._group_size(shape) * math.prod(shape))

    def _is_signal(self, shape: tuple[int, ...]) -> bool:
        """Whether channels are signals by themselves, which the taut string denoises."""
        return self.is_plain and self._polyhedral(shape) and sum(n > 1 for n in shape[1:]) <= 1

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        if self.is_plain:
            return Kernels(self, (False, False, False), self._is_signal(shape) and math.prod(shape[1:]) > 1)
        # gray images with a factor for each difference
        scaled = self.huber == 0 and len(shape) == 3 and fits(shape)
        return ScaledKernels(self, np.asarray(self._scales(shape[1:]))) if scaled else None

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(partial(taut_strings, self), survives=True) if self._is_signal(shape) else None

    _half = half_of

    def _partition(self, shape: tuple[int, ...]) -> Partition | None:
        return Partition(self, [(2, 1)] * (len(shape) - 1), partial(self._within, shape))

    def _within(self, shape: tuple[int, ...], region: tuple[slice, ...]) -> Penalty:
        without_dual = tuple(part.stop < n for part, n in zip(region, shape[1:], strict=True))
        if self.is_plain:
            return InnerTotalVariation(**self._fields(), without_dual=without_dual)
        index: Any = (..., *region)
        if self.pixel_weight is None:
            weight = np.ones([part.stop - part.start for part in region])
        else:
            weight = self.pixel_weight[index].copy()
        _clear_last(weight, without_dual)
        return dataclasses.replace(self, pixel_weight=weight)

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "regions" if self._polyhedral(shape) and self.null_space == "constants" else ""

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        if self.huber == 0 and self.null_space == "constants":
            flatten(self, x, p, margin)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class InnerTotalVariation(TotalVariation):
    """Total variation of a region of an image by the pixels whose differences lie wholly inside: the last have no dual.

    Along an axis where the region ends before the image, the last samples have no dual.
    """

    without_dual: tuple[bool, ...] = ()

    @property
    def _without_dual(self) -> tuple[bool, bool, bool]:
        planes, rows, columns = (False,) * (3 - len(self.without_dual)) + self.without_dual
        return planes, rows, columns

    def _analysis(self, out: Array, x: Array) -> None:
        super()._analysis(out, x)
        _clear_last(out, self.without_dual)

    def _clear_unused(self, p: Array) -> None:
        super()._clear_unused(p)
        _clear_last(p, self.without_dual)

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        return Kernels(self, self._without_dual, False)

    def _half(self, y: Array) -> Half | None:
        # that of total variation is as good a start here, where the last samples have no dual
        return super()._half(y)


def _onto_balls(p: Array, radius: Any) -> None:
    """Bring each pixel's vector, over all axes and channels, to that length at most, in place."""
    if 1 in p.shape[2:]:
        # the kernel passes over axes of one sample, whose dual may still hold numbers
        lengths = np.sqrt(np.square(p).sum(axis=(0, 1)))
        p *= np.divide(radius, lengths, out=np.ones_like(lengths), where=lengths > radius)
    else:
        kernels.project(*planes(p), radius)


def _clear_last(array: Array, without_dual: tuple[bool, ...]) -> None:
    """Set to 0, in place, the last samples along those of the last axes that have no dual."""
    for axis, is_still in enumerate(without_dual):
        if is_still:
            np.moveaxis(array, axis - len(without_dual), 0)[-1] = 0
