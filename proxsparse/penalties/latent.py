"""Latent overlapping groups: what `OverlappingGroupLasso(kind="latent")` makes."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any, cast

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import norm
from ..dual.accelerated import accelerated
from ..dual.denoising import Denoising
from ..dual.driver import Steps
from ..dual.term import Fused
from ..linear.diagonal import Diagonalised
from ..runtime.workers import Workers
from .base import Identity, Penalty
from .infimal import InfimalPenalty
from .listed_groups import ListedGroups
from .windows import OverlappingGroupLasso, WindowKernels

#: the least weight, in units of the image's spread, at which the point nearest to it is sought
_LEAST_SHARE = 0.01


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LatentGroups(InfimalPenalty, Identity, OverlappingGroupLasso):
    """``P(x) = w min sum_g a_g |v_g|`` over the v_g on the groups that add up to x: supports are unions of groups.

    X holds the v_g, S adds them up. In the dual ``P(x) = max <p, x>`` over the p whose length on every group is at most w a_g:
    K is the identity. Jacob, Obozinski & Vert, ICML 2009; Obozinski, Jacob & Vert 2011.
    """

    _shown = "OverlappingGroupLasso"
    _leading_axes = 0
    _clipping_lowers = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups is None and self.group_weight is not None:
            raise ValueError("latent windows take no group_weight: give the groups as lists")
        inner = self._groups
        if inner.null_space != "zero":
            raise ValueError("latent groups must cover every pixel, with weights > 0")
        object.__setattr__(self, "groups", inner.groups)

    @functools.cached_property
    def _groups(self) -> OverlappingGroupLasso:
        """The same groups, overlapping: gathers and scatters, and knows the balls."""
        window, stride = self.window, self.stride
        return OverlappingGroupLasso(self.weight, window, stride, self.norm, self.groups, self.group_weight)

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero."""
        return "zero"

    @property
    def _first_step(self) -> float:  # type: ignore[override]
        return 0.5

    # -- to the certificate ------------------------------------------------------------------------------------------

    def _fits_dual(self, p: Array) -> bool:
        return True

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        self._groups._dual_shape(shape)
        return shape

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        # zeros are those of the v_g
        return None

    def _project(self, p: Array, factor: float = 1.0) -> None:
        # no pixel larger than on the nearest point of any of its groups' balls: its groups are inside theirs
        copies = np.empty(self._groups._dual_shape(p.shape), p.dtype)
        self._groups._analysis(copies, p)
        self._groups._project(copies, factor)
        size = np.abs(p)
        self._groups._least_copies(size, copies)
        np.copysign(size, p, out=p)

    def _dual_norm(self, p: Array) -> float:
        return self._groups._dual_norm(self._groups._analysed(p))

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return self._groups._group_size(shape)

    def _dual_length(self, p: Array) -> float:
        return norm(p)

    def _pixel_costs(self, shape: tuple[int, ...]) -> Array:
        # x is a sum of parts that together cost no more
        return np.full(shape[1:], self._w() * float(self._weights(shape).min()))

    def _weights(self, shape: tuple[int, ...]) -> Array:
        """a_g, of all windows one."""
        groups = self._groups
        return groups._radii(groups._lists(shape).starts) if isinstance(groups, ListedGroups) else np.ones(1)

    # -- the problem of the dual: the point of the balls that is nearest to y, whose multipliers are the v_g ----------

    def _denoising_steps(
        self, y: Array, lifted: Array, dual: Array, tau: float | None, gamma: float | None, workers: Workers
    ) -> Steps | None:
        # the point of small balls is found soon, the multipliers, as large as the image, are not
        if self._w() * float(self._weights(y.shape).max()) < _LEAST_SHARE * float(np.std(y, dtype=np.float64)):
            return None
        nearest = Denoising(y, [_Balls(self.weight, inner=self._groups)])
        nearest.workers = workers
        point, summands = self._dual_of_lift(dual.reshape(lifted.shape), y.shape), lifted.reshape(-1)
        if not dual.any():
            point, summands = y, np.zeros_like(summands)
        steps = accelerated(nearest, point, summands, 1.0 if tau is None else tau, 1.0 if gamma is None else gamma)
        return _as_lift(steps, lifted.shape)

    # -- the larger problem ------------------------------------------------------------------------------------------

    def _lift_penalty(self) -> Penalty:
        return _Copies(self.weight, inner=self._groups)

    def _lift_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        dual = self._groups._dual_shape(shape)
        # all copies of a window are its channels
        return dual if self._groups._leading_axes == 0 else (dual[0] * dual[1], *dual[2:])

    def _synthesis(self, lifted: Array, shape: tuple[int, ...], dtype: Any = None) -> Array:
        groups = self._groups
        out = np.zeros(shape, lifted.dtype if dtype is None else dtype)
        groups._add_adjoint(out, lifted.reshape(groups._dual_shape(shape)))
        return out

    def _synthesis_adjoint(self, x: Array) -> Array:
        groups = self._groups
        copies = np.zeros(groups._dual_shape(x.shape), x.dtype)
        groups._analysis(copies, x)
        return copies.reshape(self._lift_shape(x.shape))

    def _synthesis_gram(self, shape: tuple[int, ...]) -> Any:
        return cast(Diagonalised, self._groups._gram(shape)).eigenvalues

    def _lift(self, x: Array) -> Array:
        return self._synthesis_adjoint((x / self._synthesis_gram(x.shape)).astype(x.dtype))

    def _dual_of_lift(self, dual: Array, shape: tuple[int, ...]) -> Array:
        return np.asarray(self._synthesis(dual, shape) / self._synthesis_gram(shape)).astype(dual.dtype)

    def _value_bound(self, x: Array) -> float:
        # each pixel by itself, in any of its groups
        return self._w() * float(self._weights(x.shape).max()) * total(np.abs(x))

    def _lift_of_dual(self, p: Array) -> Array:
        return self._synthesis_adjoint(p)


def _as_lift(steps: Steps, shape: tuple[int, ...]) -> Steps:
    """Points and their multipliers as the summands, X, and a dual of the image."""
    point, summands = next(steps)
    while True:
        n = yield summands.reshape(shape), point.reshape(-1)
        point, summands = steps.send(n)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Copies(Identity):
    """w sum_g a_g |v_g| of the v_g themselves."""

    inner: Any = None

    _first_step = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "inner", self.inner.with_weight(self.weight))

    def _groups_of(self, p: Array) -> Array:
        """The v_g as the dual of `inner` is shaped."""
        if self.inner._leading_axes == 0:
            return p
        size = int(np.prod(np.broadcast_to(self.inner.window, p.ndim - 1)))
        return p.reshape(size, len(p) // size, *p.shape[1:])

    def _project(self, p: Array, factor: float = 1.0) -> None:
        self.inner._project(self._groups_of(p), factor)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        gap, value = self.inner._gap_of(self._groups_of(x), self._groups_of(p))
        return float(gap), float(value)

    def _group_size(self, shape: tuple[int, ...]) -> int:
        if self.inner._leading_axes:
            return int(shape[0])
        return int(shape[0] * np.diff(self.inner._starts(np.empty(shape[:2], bool))).max())

    def _dual_norm(self, p: Array) -> float:
        return float(self.inner._dual_norm(self._groups_of(p)))

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        self.inner._clear_inside(self._groups_of(x), self._groups_of(p), margin)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Balls(Penalty):
    """0 for images q whose dual length on every group g is at most w a_g, infinite for others; its dual is the v_g.

    K copies the pixels of each group, and the conjugate is w sum_g a_g |v_g|, whose step draws the v_g towards 0.
    """

    inner: OverlappingGroupLasso = None  # type: ignore[assignment]

    null_space = "unknown"
    _first_step = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "inner", self.inner.with_weight(self._w()))

    @property
    def _leading_axes(self) -> int:  # type: ignore[override]
        return self.inner._leading_axes

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.inner._dual_shape(shape)

    def _analysis(self, out: Array, x: Array) -> None:
        self.inner._analysis(out, x)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        self.inner._add_adjoint(out, p)

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        # Moreau: less the nearest point of the balls sigma times as large
        nearest = p.copy()
        self.inner._project(nearest, sigma)
        p -= nearest

    def _project(self, p: Array, factor: float = 1.0) -> None:
        # multipliers may be any
        return None

    def _conjugate(self, p: Array) -> float:
        return self.inner._gap_of(p, np.zeros_like(p))[1]

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        inside = self.inner._dual_norm(self._analysed(x)) <= self._w()
        value = 0.0 if inside else math.inf
        return value + self._conjugate(p) - total(self._analysed(x) * p), value

    def _dual_norm(self, p: Array) -> float:
        return 0.0

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return self.inner._norm_squared(shape)

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        fused = self.inner.bind(shape).fused
        return (
            WindowKernels(self.inner, fused.height, fused.width, shrinking=True) if isinstance(fused, WindowKernels) else None
        )
