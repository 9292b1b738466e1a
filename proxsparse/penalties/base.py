"""What a penalty is: P(x) = w h(Kx), through its map K, the adjoint, the norm h and the projection on the dual ball.

A subclass writes the methods with a leading underscore, on arrays (channels, *spatial); everything public,
the sums, the proximal operator, the certificates and the solvers follow from them.
"""

from __future__ import annotations

import abc
import dataclasses
import math
import numbers
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .._arrays import (
    Array,
    as_float,
    as_scalar,
    canonical_shape,
    from_canonical,
    normalise_channel_axis,
    power_of_two,
    require_finite,
    to_canonical,
    total,
)
from .._workers import Workers
from ..gram import Gram
from ..rounding import UNIT, norm, transform

if TYPE_CHECKING:
    from .denoising import ProxResult


def check_number(value: Any, name: str) -> float:
    """Return a finite number >= 0 as a float, else raise naming the value."""
    value = as_scalar(value)
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be finite and >= 0, got {value!r}")
    return number


def check_weight(weight: Any) -> float:
    """Return a valid weight as a float, else raise naming the value."""
    return check_number(weight, "weight")


def check_sizes(value: Any, name: str) -> tuple[int, ...]:
    """Return one to three integers >= 1 as a tuple, else raise naming the value."""
    value = as_scalar(value)
    values = value if isinstance(value, (tuple, list, np.ndarray)) else (value,)
    if not 1 <= len(values) <= 3 or any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) for v in values):
        raise TypeError(f"{name} must be one to three integers, got {value!r}")
    if min(values) < 1:
        raise ValueError(f"{name} must be >= 1, got {value!r}")
    return tuple(int(v) for v in values)


def check_spacing(value: Any) -> float | tuple[float, ...] | None:
    """Return a length > 0 or one an axis, or None where all are 1, else raise naming the value."""
    if value is None:
        return None
    value = as_scalar(value)
    values = value if isinstance(value, (tuple, list, np.ndarray)) else (value,)
    if not 1 <= len(values) <= 3 or any(isinstance(v, (bool, np.bool_)) or not isinstance(v, numbers.Real) for v in values):
        raise TypeError(f"spacing must be one to three numbers, got {value!r}")
    if not all(math.isfinite(v) and v > 0 for v in values):
        raise ValueError(f"spacing must be finite and > 0, got {value!r}")
    lengths = tuple(float(v) for v in values)
    # of 1 it is none, and takes the kernels
    return None if set(lengths) == {1.0} else lengths if len(lengths) > 1 else lengths[0]


def per_spacing(spacing: float | tuple[float, ...] | None, axes: int) -> Array | None:
    """What differences along each axis are multiplied by; None where that is 1."""
    if spacing is None:
        return None
    if np.size(spacing) not in (1, axes):
        raise ValueError(f"spacing {spacing!r} has {np.size(spacing)} axes, the image {axes}")
    return 1.0 / np.broadcast_to(np.asarray(spacing), axes)


def held(weight: float, dtype: np.dtype[Any]) -> Any:
    """The weight as a number of the dtype: one that it cannot hold means the same as any other beyond reach."""
    return dtype.type(min(weight, float(np.finfo(dtype).max) / 4))


def check_pixel_weight(value: Any, name: str = "pixel_weight") -> Array:
    """Return numbers >= 0 as a read-only copy in float64, else raise naming the value."""
    weights = np.array(as_float(value, name), np.float64)
    require_finite(weights, name)
    if (weights < 0).any():
        raise ValueError(f"{name} must be >= 0, got {weights.min()}")
    weights.flags.writeable = False
    return weights


def check_group_weight(value: Any) -> Array | str | None:
    """Return None, "sqrt" or numbers >= 0 as a read-only copy, else raise naming the value."""
    if isinstance(value, str) and value != "sqrt":
        raise ValueError(f"group_weight must be None, 'sqrt' or numbers, got {value!r}")
    return value if value is None or isinstance(value, str) else check_pixel_weight(value, "group_weight")


def constant_images(shape: tuple[int, ...]) -> list[Array]:
    """An orthogonal basis of the images (channels, *spatial) that are constant in each channel."""
    return [np.multiply.outer(channel, np.ones(shape[1:])) for channel in np.eye(shape[0])]


def affine_images(shape: tuple[int, ...]) -> list[Array]:
    """An orthogonal basis of the images (channels, *spatial) that are affine in each channel."""
    functions = [np.ones(shape[1:])]
    for axis, n in enumerate(shape[1:]):
        if n > 1:
            along = np.arange(n) - (n - 1) / 2
            functions.append(along.reshape([n if a == axis else 1 for a in range(len(shape) - 1)]) * functions[0])
    return [np.multiply.outer(channel, function) for function in functions for channel in np.eye(shape[0])]


#: most pixels that cost nothing and are looked at one by one: for each a product by the operator is taken
_MOST_FREE = 64


def free_pixels(weights: Array, shape: tuple[int, ...]) -> list[Array] | None:
    """An image for each pixel of weight 0; None where they are many."""
    free = np.argwhere(np.broadcast_to(weights <= 0, shape))
    if len(free) > _MOST_FREE:
        return None
    images = np.zeros((len(free), *shape))
    for image, index in zip(images, free, strict=True):
        image[tuple(index)] = 1
    return list(images)


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
    #: P(clip(x, lo, hi)) <= P(x) for all lo <= hi, between which 0 stands unless constants cost nothing
    _shrinks: ClassVar[bool] = False
    #: whether `_project` is the nearest point of the ball
    _projects: ClassVar[bool] = True
    #: the first step tau of accelerated Chambolle-Pock, in units of the data term's curvature
    _first_step: ClassVar[float] = 0.5
    #: the public class that made this one
    _shown: ClassVar[str] = ""
    #: whether K copies pixels and multiplies them, and nothing else: each number of K x is then right but for its own rounding
    _copies: ClassVar[bool] = False
    #: axes of the dual before (channels, *spatial)
    _lead: ClassVar[int] = 0
    #: whether the dual has the image's spatial axes, among which channels keep their place; elsewhere they come last
    _image_like: ClassVar[bool] = True

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

    def _near_null(self) -> Penalty | None:
        """The norm that P is to first order near what costs nothing; None where P is smooth there."""
        return self

    def _conjugate(self, p: Array) -> float:
        """c(p), where P(x) = max over the ball of <p, Kx> - c(p); c(t p) = t^2 c(p)."""
        return 0.0

    def _damp(self, p: Array, sigma: float) -> None:  # noqa: B027
        """p = argmin over q of 1/2 |q - p|^2 + sigma c(q), in place; `_project` then makes it the same in the ball."""

    def _in_its_unit(self) -> tuple[Penalty, float]:
        """The same penalty with distances in units of the least one, and what its dual is to be multiplied by."""
        return self, 1.0

    def _for_scale(self, factor: float, degree: int) -> Penalty:
        """The penalty P' with P'(factor x) = factor^degree P(x)."""
        return self * factor ** (degree - 1)

    def _group_size(self, shape: tuple[int, ...]) -> int:
        """The most numbers of K x that make one length."""
        return 1

    def _dual_length(self, p: Array) -> float:
        """A bound on the Euclidean length of a p in the ball."""
        return norm(p)

    def _spread(self, length: float, shape: tuple[int, ...]) -> float:
        """A bound on P(e) over the images e of that Euclidean length: lengths of groups are at most sums of sizes."""
        square = self._norm_squared(shape)
        if self.degree == 2:
            return 0.5 * self._w() * square * length * length
        return self._w() * math.sqrt(math.prod(self._dual_shape(shape)) * square) * length

    def _worst(self, size: Array) -> float:
        """A bound on P(e) over the images with ``|e| <= size``; 0 where what costs nothing is 0, which is stored as it is."""
        return 0.0 if self._copies or self.null_space == "zero" else self._spread(norm(size), size.shape)

    def _rounding(self, x: Array) -> float:
        """How far w h(K x), and <p, K x>, may be off in float64, beside what is relative to w h(K x)."""
        return 0.0 if self._copies else UNIT * transform(x.size) * self._spread(norm(x), x.shape)

    def _roundings(self, shape: tuple[int, ...]) -> float:
        """Roundings in a number of K^T p: no more than ||K||^2 copies are added up where K copies."""
        return 2 + self._norm_squared(shape) + (0.0 if self._copies else transform(math.prod(shape)))

    def _reach(self, value: float, shape: tuple[int, ...]) -> float:
        """R so that every x with P(x) <= value is one of length at most R beside a sum of multiples of `_beside`."""
        return math.inf

    def _beside(self, shape: tuple[int, ...]) -> list[Array] | None:
        """The images, few, whose multiples may be of any size where P is bounded; None where they are not known."""
        return None

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        """Whether P is piecewise linear: Chambolle-Pock then converges linearly at a held step."""
        return False

    def _fits_dual(self, p: Array) -> bool:
        """Whether p could be K x of some image, as far as its shape tells."""
        return True

    def _gram(self, shape: tuple[int, ...]) -> Gram | None:
        """K^T K, where a division or a fast transform inverts it."""
        return None

    def _near_gram(self, shape: tuple[int, ...]) -> Gram | None:
        """What is near to K^T K and is inverted fast, where K^T K itself is not: a preconditioner."""
        return None

    def _threshold(self, shape: tuple[int, ...]) -> Any:
        """Where P is w|x| pixel by pixel: w, a number or an array; such parts are solved inside every primal step."""
        return None

    def _dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        """p = project(damp(p + sigma K x)); out += K^T p."""
        z = np.empty_like(p)
        self._analysis(z, x)
        z *= p.dtype.type(sigma)
        p += z
        self._damp(p, sigma)
        self._project(p)
        self._add_adjoint(out, p)

    def _sweep(
        self, x: Array, xbar: Array, p: Array, y: Array, limits: tuple[float, float, float], steps: Array, workers: Workers
    ) -> bool:
        """Several Chambolle-Pock iterations in place for 1/2 ||x - y||^2 + P(x) + soft |x|_1; False where no kernel does.

        limits = soft, lo, hi; steps[k] = tau, sigma, theta, 1 / (1 + tau).
        """
        return False

    def _certificate(
        self, x: Array, p: Array, y: Array, limits: tuple[float, float, float], workers: Workers
    ) -> tuple[float, ...] | None:
        """All that `Denoising.measure` adds up, in one pass: see there; None where no kernel does."""
        return None

    def _has_exact(self, shape: tuple[int, ...], alone: bool) -> bool:
        """Whether `_exact` is there; unless alone, whether its x stays the minimiser under soft-thresholding and clipping."""
        return False

    def _exact(self, x: Array, p: Array | None, y: Array) -> None:
        """Write the minimiser of 1/2 ||x - y||^2 + P(x) into x, and its dual into p, which comes as 0, if it is asked for."""
        raise NotImplementedError

    def _coarser(self, y: Array) -> tuple[Penalty, Array] | None:
        """The penalty and the image of the same problem at half the size, where its dual is a good start; else None."""
        return None

    def _finer(self, p: Array, shape: tuple[int, ...]) -> Array:
        """A dual for images of that shape from the dual p of the problem that `_coarser` made of one."""
        raise NotImplementedError

    def _clear_unused(self, p: Array) -> None:  # noqa: B027
        """Set to 0, in place, the numbers of p that K^T ignores."""

    def _shows(self, shape: tuple[int, ...]) -> str:
        """The structure that answers show, on which they are refitted: their "support", their flat "regions", or none."""
        return ""

    def _snap(self, x: Array, p: Array, margin: float) -> None:  # noqa: B027
        """Make exact, in place, what the dual says: (K x)_g = 0 for groups whose dual is shorter than (1 - margin) w."""

    def _blockwise(self, shape: tuple[int, ...]) -> Penalty | None:
        """The same penalty on images of that shape as `_grid` and `_within` cut it into regions; None where they do not."""
        return None

    def _grid(self, axes: int) -> list[tuple[int, int]]:
        """Size and stride of the groups along each of so many spatial axes; the first begins at the first sample."""
        raise NotImplementedError

    def _within(self, region: tuple[slice, ...], shape: tuple[int, ...]) -> Penalty:
        """The penalty of the groups that lie wholly inside that region of images of that shape, for images of the region."""
        raise NotImplementedError

    # -- helpers for subclasses and those who work with them -------------------------------------------------------

    def _analysed(self, x: Array) -> Array:
        """K x in float64."""
        z = np.empty(self._dual_shape(x.shape))
        self._analysis(z, x.astype(np.float64, copy=False))
        return z

    def _product(self, p: Array, x: Array) -> float:
        """<p, K x> in float64."""
        return total(self._analysed(x) * p)

    def _worth(self, x: Array) -> float:
        """w h(K x) in float64."""
        return self._gap(x, np.zeros(self._dual_shape(x.shape), x.dtype))[1]

    def _w(self) -> float:
        if self.weight is None:
            raise ValueError(f"{self!r} has no weight: give one, as in {type(self).__name__}(0.1)")
        return self.weight

    def _radius(self, p: Array, factor: float = 1.0, size: int = 1) -> Any:
        """The ball's radius in p's dtype, less the rounding of a group of `size` numbers: feasible in fact."""
        return held(self._w() * factor * (1.0 - (4.0 + size / 4.0) * float(np.finfo(p.dtype).eps)), p.dtype)

    def _dual_axis(self, channel_axis: int | None, ndim: int) -> int | None:
        """The axis of the channels in a dual of `ndim` axes, those before the image's not counted."""
        last = ndim - self._lead - 1
        return channel_axis if channel_axis is None else min(channel_axis, last) if self._image_like else last

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
        from .sums import PenaltySum

        if not isinstance(other, Penalty):
            return NotImplemented
        return PenaltySum(penalties=(*self.parts, *other.parts))

    def __radd__(self, other: Any) -> Penalty:
        # sum() starts from 0
        return self if other == 0 else NotImplemented

    def of(self, operator: Any) -> Penalty:
        """Return x -> P(W x) for a linear operator W: a proxsparse operator, or anything `as_operator` takes."""
        from .composed import Composed

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
        scale = power_of_two(x)
        # in other units the same cost, for penalties of any degree
        scaled = self if scale == 1 else self._for_scale(scale, 1)
        x = x * x.dtype.type(scale)
        return scaled._worth(x) / scale

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
        return from_canonical(out, self._dual_axis(axis, out.ndim), self._lead)

    def _canonical_dual(self, p: Any, channel_axis: int | None) -> tuple[Array, int | None]:
        p = as_float(p, "p")
        require_finite(p, "p")
        if p.ndim <= self._lead or p.size == 0:
            raise ValueError(f"p of shape {p.shape} is no dual of {self!r}: see analysis")
        if channel_axis is not None and not self._image_like:
            channel_axis = -1
        axis = normalise_channel_axis(channel_axis, p.ndim - self._lead)
        dual = to_canonical(p, axis, self._lead)
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
        return from_canonical(dual, axis, self._lead)

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
        from .denoising import prox

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
        from .denoising import max_weight

        y, _ = self._canonical(y, "y", channel_axis)
        y = y.astype(np.float64)
        scale = power_of_two(y)
        return max_weight(self, y * scale) / scale


class Identity(Penalty):
    """What penalties of the image itself share: K is the identity."""

    _copies = True

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = x

    def _add_adjoint(self, out: Array, p: Array) -> None:
        out += p

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return 1.0

    def _gram(self, shape: tuple[int, ...]) -> Gram | None:
        return Gram("uniform", 1.0)
