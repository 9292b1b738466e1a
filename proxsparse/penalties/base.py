"""What a penalty is: P(x) = w h(Kx); its weight, its algebra, sums, and penalties after an operator.

A subclass writes the methods of `Formulas` (formulas.py); everything public (on_arrays.py), sums, the proximal operator, the
certificates and the solvers follow from them.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..arrays.checks import check_weight
from ..arrays.numbers import Array, as_scalar
from ..arrays.roundoff import UNIT, norm
from ..dual.term import Exact
from ..linear.diagonal import Diagonalised
from ..operators import Operator, Wavelet, as_operator
from .on_arrays import OnArrays

#: methods that penalties of one's own may define, by the names they had
_RENAMED = {
    "_snap": "_identify",
    "_damp": "_prox_conjugate",
    "_near_null": "_first_order_norm",
    "_near_gram": "_approximate_gram",
    "_for_scale": "_rescaled",
    "_sweep": "_fused",
    "_certificate": "_fused",
    "_has_exact": "_exact",
    "_coarser": "_half",
    "_finer": "_half",
    "_blockwise": "_partition",
    "_grid": "_partition",
}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Penalty(OnArrays):
    """P(x) = w h(Kx) with a linear map K and a norm h; frozen and stateless.

    Parameters
    ----------
    weight : float, optional
        The number w >= 0 that multiplies the penalty. Left out, it is given in the call to `proxsparse.solve`.

    Notes
    -----
    The dual of P is the set of p with ``||p||_dual <= w``, where ``||.||_dual`` is the dual norm of h: then
    ``P(x) = max <p, Kx>``. Penalties that are no norms (`L2`, Huber's) subtract a ``c(p)`` of
    degree two. Algebra: ``2 * p`` multiplies the weight (of a penalty without one: gives it),
    ``p + q`` is the sum of both, ``p.of(operator)`` puts a linear map before K.
    """

    weight: float | None = None

    #: the public class that made this one
    _shown: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse methods under the names they had: nothing would call them."""
        super().__init_subclass__(**kwargs)
        for old, new in _RENAMED.items():
            if old in vars(cls):
                raise TypeError(f"{cls.__name__}.{old} is called {new} now")
        if "_exact" in vars(cls) and cls._exact.__code__.co_argcount > 2:
            raise TypeError(f"{cls.__name__}._exact takes a shape now, and returns an Exact with what it was")

    def __post_init__(self) -> None:
        if self.weight is not None:
            object.__setattr__(self, "weight", check_weight(self.weight))

    # -- the same penalty in other units, which a subclass may write --------------------------------------------------

    def _first_order_norm(self) -> Penalty | None:
        """The norm that equals P to first order near the null space; None where P is smooth there."""
        return self

    def _in_unit_spacing(self) -> tuple[Penalty, float]:
        """The same penalty with distances in units of the least one, and the factor that takes its dual back."""
        return self, 1.0

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        """The penalty P' with P'(factor x) = factor^degree P(x)."""
        return self * factor ** (degree - 1)

    # -- algebra ---------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The penalties whose sum this is; of a single penalty, itself."""
        return (self,)

    def with_weight(self, weight: float) -> Penalty:
        """Return the same penalty with that weight."""
        return dataclasses.replace(self, weight=weight)

    def _spaced(self, spacing: Any) -> Penalty:
        """The same penalty for samples at these distances; itself where it knows no differences."""
        own = self._fields()
        if "spacing" not in own:
            return self
        if own["spacing"] is not None:
            raise ValueError(f"spacing={spacing!r} was given, but {self!r} has a spacing of its own")
        return type(self)(**(own | {"spacing": spacing}))

    def __mul__(self, factor: Any) -> Penalty:
        factor = as_scalar(factor)
        if not isinstance(factor, numbers.Real):
            return NotImplemented
        factor = check_weight(factor)
        return self.with_weight(factor if self.weight is None else factor * self.weight)

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Penalty:
        if not isinstance(other, Penalty):
            return NotImplemented
        return PenaltySum(penalties=(*self.parts, *other.parts))

    def __radd__(self, other: Any) -> Penalty:
        # sum() starts from 0
        return self if other == 0 else NotImplemented

    def of(self, operator: Any) -> Penalty:
        """Return x -> P(W x) for a linear operator W: a proxsparse operator, or anything `as_operator` takes."""
        return Composed(self.weight, inner=self, operator=operator)

    def _fields(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other) or not isinstance(other, Penalty):
            return NotImplemented
        a, b = self._fields(), other._fields()
        return all(_same(a[name], b[name]) for name in a)

    def __hash__(self) -> int:
        return hash((type(self), repr(self)))

    def __repr__(self) -> str:
        """An expression that builds this penalty again (with numpy imported as np where it holds arrays)."""
        shown: list[str] = []
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if f.default is not dataclasses.MISSING and _same(value, f.default):
                continue
            text = f"np.array({value.tolist()!r})" if isinstance(value, np.ndarray) else repr(value)
            shown.append(text if f.name == "weight" else f"{f.name}={text}")
        return f"{self._shown or type(self).__name__}({', '.join(shown)})"


class Identity(Penalty):
    """What penalties of the image itself share: K is the identity."""

    _selects_pixels = True

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = x

    def _add_adjoint(self, out: Array, p: Array) -> None:
        out += p

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return 1.0

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("uniform", 1.0)


# -- sums, and penalties after an operator ------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PenaltySum(Penalty):
    """P(x) = sum of P_i(x), solved jointly. Made by ``+``; `analysis`, `project` and the dual are tuples, one a part."""

    penalties: tuple[Penalty, ...] = ()

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The penalties that are added up."""
        return self.penalties

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """The images that cost nothing under every part."""
        kinds = {q.null_space for q in self.penalties}
        if "unknown" in kinds and "zero" not in kinds:
            return "unknown"
        # they are nested: the smallest
        return next(kind for kind in ("zero", "constants", "affine") if kind in kinds)

    @property
    def degree(self) -> int | None:  # type: ignore[override]
        """That of the parts, where they have the same."""
        degrees = {q.degree for q in self.penalties}
        return degrees.pop() if len(degrees) == 1 else None

    def with_weight(self, weight: float) -> Penalty:
        """Refused: the parts of a sum have their own weights."""
        raise ValueError("a sum has one weight a part: give a tuple of weights, or multiply the sum by a number")

    def __mul__(self, factor: Any) -> Penalty:
        factor = as_scalar(factor)
        if not isinstance(factor, numbers.Real):
            return NotImplemented
        factor = check_weight(factor)
        return PenaltySum(penalties=tuple(factor * q for q in self.penalties))

    __rmul__ = __mul__

    def of(self, operator: Any) -> Penalty:
        """Return x -> P(W x): each part of the sum after the operator W."""
        return PenaltySum(penalties=tuple(q.of(operator) for q in self.penalties))

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.penalties))

    def value(self, x: Any, *, channel_axis: int | None = None) -> float:
        """Return the sum of the parts' values."""
        return sum(q.value(x, channel_axis=channel_axis) for q in self.penalties)

    def analysis(self, x: Any, *, channel_axis: int | None = None) -> tuple[Array, ...]:
        """Return K_i x for each part."""
        return tuple(q.analysis(x, channel_axis=channel_axis) for q in self.penalties)

    def adjoint(self, p: Any, shape: tuple[int, ...], *, channel_axis: int | None = None) -> Array:
        """Return the sum of K_i^T p_i."""
        self._one_a_part(p)
        total = self.penalties[0].adjoint(p[0], shape, channel_axis=channel_axis)
        for q, dual in zip(self.penalties[1:], p[1:], strict=True):
            total = total + q.adjoint(dual, shape, channel_axis=channel_axis)
        return total

    def project(self, p: Any, *, channel_axis: int | None = None) -> tuple[Array, ...]:
        """Return each part's dual projected on its ball."""
        self._one_a_part(p)
        return tuple(q.project(dual, channel_axis=channel_axis) for q, dual in zip(self.penalties, p, strict=True))

    def dual_norm(self, p: Any, *, channel_axis: int | None = None) -> float:
        """Return the largest of the parts' dual norms, each divided by the part's weight: feasible where <= 1."""
        self._one_a_part(p)
        norms = [q.dual_norm(dual, channel_axis=channel_axis) for q, dual in zip(self.penalties, p, strict=True)]
        weights = [q._w() for q in self.penalties]
        return max((norm / w if w else math.inf) if norm else 0.0 for norm, w in zip(norms, weights, strict=True))

    def _one_a_part(self, p: Any) -> None:
        if not isinstance(p, (tuple, list)) or len(p) != len(self.penalties):
            raise ValueError(f"the dual of a sum is a tuple of {len(self.penalties)} arrays, one a part")

    def _none(self, *args: Any) -> Any:
        raise NotImplementedError("a sum is worked part by part: see dual/stack.py")

    _dual_shape = _analysis = _add_adjoint = _project = _gap = _dual_norm = _norm_squared = _none  # type: ignore[assignment]


def with_weights(penalty: Penalty, weights: Iterable[Any]) -> Penalty:
    """The penalty with these weights for the parts that have none, in their order."""
    given = iter(weights)
    parts = [part if part.weight is not None else part.with_weight(next(given)) for part in penalty.parts]
    return sum(parts[1:], parts[0])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Composed(Penalty):
    """P(W x): made by ``penalty.of(operator)``. Where the image has channels, W works on each by itself."""

    inner: Penalty = None  # type: ignore[assignment]
    operator: Any = None

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero where the penalty's is and the operator loses nothing."""
        return "zero" if isinstance(self.operator, Wavelet) and self.inner.null_space == "zero" else "unknown"

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        gram: Diagonalised | None = self.operator.gram(shape[1:])
        inner = self.inner._gram(self._out_shape(shape))
        if gram is None or inner is None or inner.domain != "uniform" or np.ndim(inner.eigenvalues):
            return None
        return gram * float(inner.eigenvalues)

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        # orthogonal and square: the answer is that of the coefficients
        square = isinstance(self.operator, Wavelet) and self._out_shape(shape) == shape
        own = self.inner.bind(shape).exact if square else None
        return None if own is None else Exact(functools.partial(_by_coefficients, self.operator, own))

    def _spaced(self, spacing: Any) -> Penalty:
        if self.inner._spaced(spacing) is not self.inner:
            raise ValueError(f"spacing={spacing!r} is not passed on to {self!r}: give it where the penalty is made")
        return self

    def _in_unit_spacing(self) -> tuple[Penalty, float]:
        inner, unit = self.inner._in_unit_spacing()
        return inner.of(self.operator), unit

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.operator, Operator):
            object.__setattr__(self, "operator", as_operator(self.operator))
        object.__setattr__(self, "inner", dataclasses.replace(self.inner, weight=self.weight))

    @property
    def _leading_axes(self) -> int:  # type: ignore[override]
        return self.inner._leading_axes

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

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.inner._dual_shape(self._out_shape(shape))

    def _analysis(self, out: Array, x: Array) -> None:
        self.inner._analysis(out, _each_channel(self.operator, x))

    def _add_adjoint(self, out: Array, p: Array) -> None:
        image = np.zeros(self._out_shape(out.shape), out.dtype)
        self.inner._add_adjoint(image, p)
        for channel, part in zip(out, image, strict=True):
            channel += self.operator.adjoint(part, out.shape[1:])

    @property
    def degree(self) -> int | None:  # type: ignore[override]
        """That of the penalty without the operator."""
        return self.inner.degree

    def _first_order_norm(self) -> Penalty | None:
        near = self.inner._first_order_norm()
        return None if near is None else near.of(self.operator)

    def _conjugate(self, p: Array) -> float:
        return self.inner._conjugate(p)

    def _prox_conjugate(self, p: Array, sigma: float) -> None:
        self.inner._prox_conjugate(p, sigma)

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        return self.inner._rescaled(factor, degree).of(self.operator)

    def _project(self, p: Array, factor: float = 1.0) -> None:
        self.inner._project(p, factor)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        return self.inner._gap(_each_channel(self.operator, x.astype(np.float64, copy=False)), p)

    def _dual_norm(self, p: Array) -> float:
        return self.inner._dual_norm(p)

    def _rounding(self, x: Array) -> float:
        moved = UNIT * self.operator.product_rounding(x.shape[1:]) * norm(x)
        own: float = super()._rounding(x) + self.inner._bound_by_length(moved, self._out_shape(x.shape))
        return own

    def _adjoint_roundings(self, shape: tuple[int, ...]) -> float:
        of_inner = math.sqrt(self.inner._norm_squared(self._out_shape(shape)))
        own: float = super()._adjoint_roundings(shape) + self.operator.product_rounding(shape[1:]) * of_inner
        return own

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return self.inner._group_size(self._out_shape(shape))

    def _dual_length(self, p: Array) -> float:
        return self.inner._dual_length(p)

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        # orthogonal coefficients are as long as the image
        return self.inner._length_bound(value, self._out_shape(shape)) if self.null_space == "zero" else math.inf

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return [] if self.null_space == "zero" and self.inner._null_space_basis(self._out_shape(shape)) == [] else None

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return float(self.operator.norm_squared(shape[1:]) * self.inner._norm_squared(self._out_shape(shape)))


def _each_channel(operator: Operator, x: Array) -> Array:
    return np.stack([np.asarray(operator.forward(c)) for c in x]).astype(x.dtype, copy=False)


def _by_coefficients(operator: Operator, own: Exact, x: Array, p: Array | None, y: Array) -> None:
    """See `Exact.solve`: what solves it for the coefficients, behind an orthogonal operator."""
    found = np.empty(y.shape, y.dtype)
    own.solve(found, p, np.ascontiguousarray(_each_channel(operator, y)))
    for image, coefficients in zip(x, found, strict=True):
        image[...] = operator.adjoint(coefficients, y.shape[1:])
