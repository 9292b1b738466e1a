"""A penalty after a linear operator: P(W x)."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from .._arrays import Array
from ..gram import Gram
from ..operators import Operator, Wavelet, as_operator
from ..rounding import UNIT, norm
from .base import Penalty


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Composed(Penalty):
    """P(W x): made by ``penalty.of(operator)``. Where the image has channels, W works on each by itself."""

    inner: Penalty = None  # type: ignore[assignment]
    operator: Any = None

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero where the penalty's is and the operator loses nothing."""
        return "zero" if isinstance(self.operator, Wavelet) and self.inner.null_space == "zero" else "unknown"

    def _gram(self, shape: tuple[int, ...]) -> Gram | None:
        gram: Gram | None = self.operator.gram(shape[1:])
        inner = self.inner._gram(self._out_shape(shape))
        if gram is None or inner is None or inner.domain != "uniform" or np.ndim(inner.eigenvalues):
            return None
        return gram * float(inner.eigenvalues)

    def _spaced(self, spacing: Any) -> Penalty:
        if self.inner._spaced(spacing) is not self.inner:
            raise ValueError(f"spacing={spacing!r} is not passed on to {self!r}: give it where the penalty is made")
        return self

    def _in_its_unit(self) -> tuple[Penalty, float]:
        inner, unit = self.inner._in_its_unit()
        return inner.of(self.operator), unit

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.operator, Operator):
            object.__setattr__(self, "operator", as_operator(self.operator))
        object.__setattr__(self, "inner", dataclasses.replace(self.inner, weight=self.weight))

    @property
    def _lead(self) -> int:  # type: ignore[override]
        return self.inner._lead

    @property
    def _image_like(self) -> bool:  # type: ignore[override]
        # what maps images on something else says so by its shapes
        before, after = (getattr(self.operator, name, None) for name in ("in_shape", "out_shape"))
        return self.inner._image_like and (before is None or after is None or len(before) == len(after))

    def _fits_dual(self, p: Array) -> bool:
        return self.inner._fits_dual(p)

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        return self.inner._polyhedral(self._out_shape(shape))

    def __repr__(self) -> str:
        return f"{self.inner!r}.of({self.operator!r})"

    def _out_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], *self.operator.output_shape(shape[1:]))

    def _forward(self, x: Array) -> Array:
        return np.stack([np.asarray(self.operator.forward(c)) for c in x]).astype(x.dtype, copy=False)

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.inner._dual_shape(self._out_shape(shape))

    def _analysis(self, out: Array, x: Array) -> None:
        self.inner._analysis(out, self._forward(x))

    def _add_adjoint(self, out: Array, p: Array) -> None:
        image = np.zeros(self._out_shape(out.shape), out.dtype)
        self.inner._add_adjoint(image, p)
        for channel, part in zip(out, image, strict=True):
            channel += self.operator.adjoint(part, out.shape[1:])

    @property
    def degree(self) -> int | None:  # type: ignore[override]
        """That of the penalty without the operator."""
        return self.inner.degree

    def _near_null(self) -> Penalty | None:
        near = self.inner._near_null()
        return None if near is None else near.of(self.operator)

    def _conjugate(self, p: Array) -> float:
        return self.inner._conjugate(p)

    def _damp(self, p: Array, sigma: float) -> None:
        self.inner._damp(p, sigma)

    def _for_scale(self, factor: float, degree: int) -> Penalty:
        return self.inner._for_scale(factor, degree).of(self.operator)

    def _project(self, p: Array, factor: float = 1.0) -> None:
        self.inner._project(p, factor)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        return self.inner._gap(self._forward(x.astype(np.float64, copy=False)), p)

    def _dual_norm(self, p: Array) -> float:
        return self.inner._dual_norm(p)

    def _rounding(self, x: Array) -> float:
        moved = UNIT * self.operator.product_rounding(x.shape[1:]) * norm(x)
        own: float = super()._rounding(x) + self.inner._spread(moved, self._out_shape(x.shape))
        return own

    def _roundings(self, shape: tuple[int, ...]) -> float:
        of_inner = math.sqrt(self.inner._norm_squared(self._out_shape(shape)))
        own: float = super()._roundings(shape) + self.operator.product_rounding(shape[1:]) * of_inner
        return own

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return self.inner._group_size(self._out_shape(shape))

    def _dual_length(self, p: Array) -> float:
        return self.inner._dual_length(p)

    def _reach(self, value: float, shape: tuple[int, ...]) -> float:
        # orthogonal coefficients are as long as the image
        return self.inner._reach(value, self._out_shape(shape)) if self.null_space == "zero" else math.inf

    def _beside(self, shape: tuple[int, ...]) -> list[Array] | None:
        return [] if self.null_space == "zero" and self.inner._beside(self._out_shape(shape)) == [] else None

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return float(self.operator.norm_squared(shape[1:]) * self.inner._norm_squared(self._out_shape(shape)))
