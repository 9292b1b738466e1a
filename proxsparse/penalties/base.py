"""What a penalty is: P(x) = w h(Kx), through its map K, the adjoint, the norm h and the projection on the dual ball.

A subclass writes the methods with a leading underscore, on arrays (channels, *spatial); everything public,
the sums, the proximal operator, the certificates and the solvers follow from them.
"""

from __future__ import annotations

import abc
import dataclasses
import math
import numbers
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from ..arrays.checks import check_weight, representable
from ..arrays.layout import canonical_shape, from_canonical, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float, as_scalar, power_of_two_scale, require_finite, total
from ..arrays.roundoff import UNIT, norm, transform_roundings
from ..dual.prox import ProxResult, max_weight, prox
from ..dual.term import Exact, Fused, Half, Partition, Term, dual_step
from ..linear.diagonal import Diagonalised
from ..operators import Operator, Wavelet, as_operator

#: methods that penalties of one's own may define, by the names they had
_RENAMED = {
    "_snap": "_identify",
    "_damp": "_prox_conjugate",
    "_near_null": "_first_order_norm",
    "_near_gram": "_approximate_gram",
    "_for_scale": "_rescaled",
}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return bool(a == b)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Penalty(abc.ABC):
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

    #: P(c x) = c^degree P(x) for c > 0; None where no degree is right
    degree: ClassVar[int | None] = 1
    #: the images that cost nothing: "zero", "constants" or "affine" ones (of each channel), or "unknown"
    null_space: ClassVar[str] = "zero"
    #: whether P(clip(x, lo, hi)) <= P(x): for all lo <= hi where constants cost nothing, else for lo <= 0 <= hi
    _clipping_lowers: ClassVar[bool] = False
    #: whether `_project` is the nearest point of the ball
    _projection_is_nearest: ClassVar[bool] = True
    #: the first step tau of accelerated Chambolle-Pock, in units of the data term's curvature
    _first_step: ClassVar[float] = 0.5
    #: the public class that made this one
    _shown: ClassVar[str] = ""
    #: whether K copies pixels and multiplies them, and nothing else: each number of K x is then right but for its own rounding
    _selects_pixels: ClassVar[bool] = False
    #: axes of the dual before (channels, *spatial)
    _leading_axes: ClassVar[int] = 0
    #: whether the dual has the image's spatial axes, among which channels keep their place; elsewhere they come last
    _image_like: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse methods under the names they had: nothing would call them."""
        super().__init_subclass__(**kwargs)
        for old, new in _RENAMED.items():
            if old in vars(cls):
                raise TypeError(f"{cls.__name__}.{old} is called {new} now")

    def __post_init__(self) -> None:
        if self.weight is not None:
            object.__setattr__(self, "weight", check_weight(self.weight))

    # -- what a subclass writes ------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of Kx for x of that shape; raises ValueError where the penalty does not fit the image."""

    @abc.abstractmethod
    def _analysis(self, out: Array, x: Array) -> None:
        """out = Kx."""

    @abc.abstractmethod
    def _add_adjoint(self, out: Array, p: Array) -> None:
        """out += K^T p; out may be float64 where p is float32."""

    @abc.abstractmethod
    def _project(self, p: Array, factor: float = 1.0) -> None:
        """p = the nearest point with ||p||_dual <= factor w, in place and feasible in fact (see `_radius`)."""

    @abc.abstractmethod
    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        """(w h(Kx) + c(p) - <p, Kx>, w h(Kx)), added up term by term in float64."""

    @abc.abstractmethod
    def _dual_norm(self, p: Array) -> float:
        """The dual norm of h at p, in units of the weight: p is in the ball where it is <= w."""

    @abc.abstractmethod
    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        """An upper bound on ||K||^2."""

    # -- what a subclass may write ---------------------------------------------------------------------------------

    def _first_order_norm(self) -> Penalty | None:
        """The norm that equals P to first order near the null space; None where P is smooth there."""
        return self

    def _conjugate(self, p: Array) -> float:
        """c(p), where P(x) = max over the ball of <p, Kx> - c(p); c(t p) = t^2 c(p)."""
        return 0.0

    def _prox_conjugate(self, p: Array, sigma: float) -> None:  # noqa: B027
        """p = argmin over q of 1/2 |q - p|^2 + sigma c(q), in place; `_project` then makes it the same in the ball."""

    def _in_unit_spacing(self) -> tuple[Penalty, float]:
        """The same penalty with distances in units of the least one, and the factor that takes its dual back."""
        return self, 1.0

    def _rescaled(self, factor: float, degree: int) -> Penalty:
        """The penalty P' with P'(factor x) = factor^degree P(x)."""
        return self * factor ** (degree - 1)

    def _group_size(self, shape: tuple[int, ...]) -> int:
        """The most numbers of K x in one group."""
        return 1

    def _dual_length(self, p: Array) -> float:
        """A bound on the Euclidean length of a p in the ball."""
        return norm(p)

    def _bound_by_length(self, length: float, shape: tuple[int, ...]) -> float:
        """A bound on P(e) over the images e of that Euclidean length: lengths of groups are at most sums of sizes."""
        square = self._norm_squared(shape)
        if self.degree == 2:
            return 0.5 * self._w() * square * length * length
        return self._w() * math.sqrt(math.prod(self._dual_shape(shape)) * square) * length

    def _bound_by_size(self, size: Array) -> float:
        """A bound on P(e) over the images with ``|e| <= size``; 0 where the null space is 0, which rounding leaves alone."""
        return 0.0 if self._selects_pixels or self.null_space == "zero" else self._bound_by_length(norm(size), size.shape)

    def _rounding(self, x: Array) -> float:
        """How far w h(K x), and <p, K x>, may be off in float64, beside what is relative to w h(K x)."""
        return 0.0 if self._selects_pixels else UNIT * transform_roundings(x.size) * self._bound_by_length(norm(x), x.shape)

    def _adjoint_roundings(self, shape: tuple[int, ...]) -> float:
        """Roundings in a number of K^T p: no more than ||K||^2 copies are added up where K copies."""
        return 2 + self._norm_squared(shape) + (0.0 if self._selects_pixels else transform_roundings(math.prod(shape)))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        """R so that every x with P(x) <= value is u + v, with |u| <= R and v in the span of `_null_space_basis`."""
        return math.inf

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        """A basis of the directions in which P stays bounded; None where it is not known."""
        return None

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        """Whether P is piecewise linear: Chambolle-Pock then converges linearly at a held step."""
        return False

    def _fits_dual(self, p: Array) -> bool:
        """Whether p could be K x of some image, as far as its shape tells."""
        return True

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """K^T K, where a division or a fast transform inverts it."""
        return None

    def _approximate_gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """A map near to K^T K that is inverted fast, where K^T K itself is not: a preconditioner; None where none is known."""
        return None

    def _threshold(self, shape: tuple[int, ...]) -> Any:
        """Where P is w|x| pixel by pixel: w, a number or an array; such parts are solved inside every primal step."""
        return None

    def _dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        """p = project(prox_conjugate(p + sigma K x)); out += K^T p."""
        dual_step(self, out, p, x, sigma)

    def _clear_unused(self, p: Array) -> None:  # noqa: B027
        """Set to 0, in place, the numbers of p that K^T ignores."""

    def _structure(self, shape: tuple[int, ...]) -> str:
        """The structure that answers show, on which they are refitted: their "support", their flat "regions", or none."""
        return ""

    def _identify(self, x: Array, p: Array, margin: float) -> None:  # noqa: B027
        """Set x, in place, so that (K x)_g = 0 for the groups whose dual is shorter than (1 - margin) w."""

    # -- fast ways, on images of one shape; a subclass that changes a formula above loses those it inherits ---------

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        """Kernels for whole iterations of Chambolle-Pock; None where none fit."""
        return None

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        """An algorithm that ends with the minimiser of 1/2 ||x - y||^2 + P(x), where there is one."""
        return None

    def _half(self, y: Array) -> Half | None:
        """The denoising problem of y at half the size, where its dual is a good start."""
        return None

    def _partition(self, shape: tuple[int, ...]) -> Partition | None:
        """How images are worked block by block; None where they are not."""
        return None

    # -- helpers for subclasses and those who work with them -------------------------------------------------------

    def _analysed(self, x: Array) -> Array:
        """K x in float64."""
        z = np.empty(self._dual_shape(x.shape))
        self._analysis(z, x.astype(np.float64, copy=False))
        return z

    def _product(self, p: Array, x: Array) -> float:
        """<p, K x> in float64."""
        return total(self._analysed(x) * p)

    def _value_in_float64(self, x: Array) -> float:
        """w h(K x) in float64."""
        return self._gap(x, np.zeros(self._dual_shape(x.shape), x.dtype))[1]

    def _w(self) -> float:
        """The weight; raises ValueError where the penalty has none."""
        if self.weight is None:
            raise ValueError(f"{self!r} has no weight: give one, as in {type(self).__name__}(0.1)")
        return self.weight

    def _radius(self, p: Array, factor: float = 1.0, size: int = 1) -> Any:
        """The ball's radius in p's dtype, less the rounding of a group of `size` numbers: feasible in fact."""
        return representable(self._w() * factor * (1.0 - (4.0 + size / 4.0) * float(np.finfo(p.dtype).eps)), p.dtype)

    def _dual_axis(self, channel_axis: int | None, ndim: int) -> int | None:
        """The axis of the channels in a dual of `ndim` axes, those before the image's not counted."""
        last = ndim - self._leading_axes - 1
        return channel_axis if channel_axis is None else min(channel_axis, last) if self._image_like else last

    # -- algebra ---------------------------------------------------------------------------------------------------

    def bind(self, shape: tuple[int, ...]) -> Term:
        """Return the penalty on images (channels, *spatial) of that shape, as the solvers see it.

        Raises
        ------
        ValueError
            Where the penalty does not fit such images.
        """
        return Term(self, shape)

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

    # -- public, on a user's arrays --------------------------------------------------------------------------------

    def _canonical(self, x: Any, name: str, channel_axis: int | None) -> tuple[Array, int | None]:
        x = as_float(x, name)
        require_finite(x, name)
        axis = normalise_channel_axis(channel_axis, x.ndim)
        if x.size == 0:
            raise ValueError(f"{name} is empty: shape {x.shape}")
        return to_canonical(x, axis), axis

    @np.errstate(over="ignore")
    def value(self, x: Any, *, channel_axis: int | None = None) -> float:
        """Return P(x) = w h(Kx).

        Parameters
        ----------
        x : array_like
            A signal, image or volume, optionally with a channel axis.
        channel_axis : int, optional
            The axis of the channels.

        Returns
        -------
        float
        """
        x, _ = self._canonical(x, "x", channel_axis)
        scale = power_of_two_scale(x)
        # in other units the same cost, for penalties of any degree
        scaled = self if scale == 1 else self._rescaled(scale, 1)
        x = x * x.dtype.type(scale)
        return scaled._value_in_float64(x) / scale

    def analysis(self, x: Any, *, channel_axis: int | None = None) -> Any:
        """Return Kx, of x's dtype; where there are channels, their axis keeps its place among the image's axes.

        Lists of groups, whose copies are no images, have them last.

        Parameters
        ----------
        x : array_like
            The image.
        channel_axis : int, optional
            The axis of the channels.
        """
        x, axis = self._canonical(x, "x", channel_axis)
        out = np.zeros(self._dual_shape(x.shape), x.dtype)
        self._analysis(out, x)
        return from_canonical(out, self._dual_axis(axis, out.ndim), self._leading_axes)

    def _canonical_dual(self, p: Any, channel_axis: int | None) -> tuple[Array, int | None]:
        p = as_float(p, "p")
        require_finite(p, "p")
        if p.ndim <= self._leading_axes or p.size == 0:
            raise ValueError(f"p of shape {p.shape} is no dual of {self!r}: see analysis")
        if channel_axis is not None and not self._image_like:
            channel_axis = -1
        axis = normalise_channel_axis(channel_axis, p.ndim - self._leading_axes)
        dual = to_canonical(p, axis, self._leading_axes)
        if not self._fits_dual(dual):
            raise ValueError(f"p of shape {p.shape} is no dual of {self!r}: see analysis")
        return dual, axis

    def adjoint(self, p: Any, shape: tuple[int, ...], *, channel_axis: int | None = None) -> Array:
        """Return K^T p, an image of that shape, for p of the shape `analysis` gives.

        Raises
        ------
        ValueError
            Where p has another shape than `analysis` gives for an image of `shape`.
        """
        shape = tuple(shape)
        axis = normalise_channel_axis(channel_axis, len(shape))
        canonical = canonical_shape(shape, axis)
        wanted = self._dual_shape(canonical)
        dual, _ = self._canonical_dual(p, self._dual_axis(axis, len(wanted)))
        if dual.shape != wanted:
            raise ValueError(f"p of shape {np.shape(p)} does not belong to an image of shape {shape}")
        out = np.zeros(canonical, dual.dtype)
        self._add_adjoint(out, dual)
        return from_canonical(out, axis)

    def project(self, p: Any, *, channel_axis: int | None = None) -> Any:
        """Return the point nearest to p with ||p||_dual <= w, less a few rounding errors so that it is inside in fact.

        Parameters
        ----------
        p : array_like
            A dual, of the shape `analysis` gives.
        channel_axis : int, optional
            The axis of the channels in the image p belongs to; in the duals of lists of groups they come last.
        """
        dual, axis = self._canonical_dual(p, channel_axis)
        dual = dual.copy()
        self._project(dual)
        return from_canonical(dual, axis, self._leading_axes)

    def dual_norm(self, p: Any, *, channel_axis: int | None = None) -> float:
        """Return the dual norm of h at p; p certifies where it is at most the weight."""
        return self._dual_norm(self._canonical_dual(p, channel_axis)[0])

    def prox(
        self,
        v: Any,
        step: float = 1.0,
        *,
        bounds: Any = None,
        channel_axis: int | None = None,
        tol: float | None = None,
        maxiter: int = 10000,
        full_output: bool = False,
    ) -> Array | ProxResult:
        """Return argmin over x of 1/2 ||x - v||^2 + step P(x), within bounds where given.

        Exact where an algorithm ends with it (L1; total variation of signals), otherwise the fast gradient projection on the
        dual (Beck & Teboulle, IEEE TIP 2009, sections 4 and 5) until the relative duality gap is at most `tol`.

        Parameters
        ----------
        v : array_like
            The image.
        step : float
            Multiplies the weight; >= 0.
        bounds : pair, optional
            (lo, hi), each None, a number or an array of v's shape.
        channel_axis : int, optional
            The axis of the channels.
        tol : float, optional
            Relative duality gap; 1e-8 in float64 and 1e-5 in float32 by default.
        maxiter : int
            Most dual steps taken.
        full_output : bool
            Return a `ProxResult` with x, its dual, gap, rel_gap and nit instead of x alone.

        Warns
        -----
        ConvergenceWarning
            Where maxiter was reached with a larger gap.
        """
        # not a decorator, which would stand between a warning and the caller
        with np.errstate(over="ignore"):
            return prox(self, v, step, bounds, channel_axis, tol, maxiter, full_output)

    @np.errstate(over="ignore")
    def max_weight(self, y: Any, *, channel_axis: int | None = None) -> float:
        """Return a weight from which on the solution of the denoising problem is trivial: y's projection on the null space.

        The least such weight for L1, for 1-D total variation and for an impulse under windows; otherwise a certified
        upper bound on it: the dual norm of the least-norm p with ``K^T p = y - projection of y``. The penalty's own
        weight plays no part; of a sum it is the number that multiplies the sum.

        Raises
        ------
        ValueError
            Where no such p is known (a penalty `of` an operator alone).
        """
        y, _ = self._canonical(y, "y", channel_axis)
        y = y.astype(np.float64)
        scale = power_of_two_scale(y)
        return max_weight(self, y * scale) / scale


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
        return self.inner._gap(self._forward(x.astype(np.float64, copy=False)), p)

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
