"""A penalty on images of one shape: what the solvers, the certificates and the problems see of it.

A penalty says its formulas for images of any shape. A term is one penalty bound to one shape: what depends on the shape alone
is found once, when it is first asked for.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..arrays.kinds import is_own
from ..arrays.numbers import Array, total
from ..linear.diagonal import Diagonalised
from ..runtime.workers import Workers

if TYPE_CHECKING:
    from ..penalties.base import Penalty
    from ..penalties.formulas import Formulas


#: what a penalty is: its map, and all of it; a class that changes one of these makes the fast ways that it inherits those of
#: another penalty
_MAP = frozenset(("_dual_shape", "_analysis", "_add_adjoint"))
_FORMULAS = _MAP | {"_project", "_gap", "_dual_norm", "_conjugate", "_prox_conjugate"}

Limits = tuple[float, float, float]


class Fused(Protocol):
    """Kernels that run whole iterations of Chambolle-Pock for 1/2 ||x - y||^2 + P(x) + soft |x|_1, lo <= x <= hi."""

    def begin(self, x: Array, p: Array, y: Array, limits: Limits) -> Iterations:
        """Iterations from x and p, which are left as they are: limits = soft, lo, hi."""

    def begin_pixelwise(self, x: Array, p: Array, y: Array, limits: Limits, form: tuple[Any, ...]) -> Iterations | None:
        """Over-relaxed iterations with the data term of that form, soft 0; None where there are none."""

    def whole_run(self, shape: tuple[int, ...], dtype: np.dtype[Any], limits: Limits) -> Callable[..., bool] | None:
        """A kernel that solves images of that shape whole, see `whole_runs`; None where there is none."""

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """The five sums of `Denoising.measure`, in one pass; None where that takes the general way."""


class Iterations(Protocol):
    """Such iterations, in arrays of their own."""

    #: whether they are over-relaxed, which says what a row of steps is: see `running.Schedule`
    relaxed: bool

    def advance(self, steps: Array, workers: Workers) -> None:
        """Go on by as many iterations as there are rows."""

    def sums(self, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`: those of x and p here."""

    def pair(self) -> tuple[Array, Array]:
        """Copies of x and p."""

    def save(self) -> Any:
        """The state, for `restore` to go back to; for those that are over-relaxed."""

    def restore(self, state: Any) -> None:
        """Go back."""


class InPlace:
    """Iterations in the arrays of x, of the extrapolated xbar and of p, by `kernels.sweep` and `kernels.sums`."""

    relaxed = False

    def __init__(self, kernels: Any, x: Array, p: Array, y: Array, limits: Limits) -> None:
        self.kernels, self.y, self.limits = kernels, y, limits
        self.x, self.xbar, self.p = _own(x), x.copy(), _own(p)

    def advance(self, steps: Array, workers: Workers) -> None:
        """See `Iterations`."""
        self.kernels.sweep(self.x, self.xbar, self.p, self.y, self.limits, steps, workers)

    def sums(self, workers: Workers) -> tuple[float, ...] | None:
        """See `Iterations`."""
        found: tuple[float, ...] | None = self.kernels.sums(self.x, self.p, self.y, self.limits, workers)
        return found

    def pair(self) -> tuple[Array, Array]:
        """See `Iterations`."""
        return self.x.copy(), self.p.copy()

    def save(self) -> Any:
        """See `Iterations`."""
        return self.x.copy(), self.xbar.copy(), self.p.copy()

    def restore(self, state: Any) -> None:
        """See `Iterations`."""
        self.x[...], self.xbar[...], self.p[...] = state


def _own(array: Array) -> Array:
    """A copy, a view of an array of the user's shape where images are gray, so that answers need no more copies."""
    return array.reshape([n for n in array.shape if n > 1]).copy().reshape(array.shape)


@dataclasses.dataclass(frozen=True)
class Exact:
    """An algorithm that ends with the minimiser of 1/2 ||x - y||^2 + P(x)."""

    #: solve(x, p, y) writes the minimiser into x, and its dual into p, which comes as 0, unless it is None
    solve: Callable[[Array, Array | None, Array], None]
    #: whether its x stays the minimiser under soft-thresholding and clipping
    survives: bool = False


class Half(NamedTuple):
    """The same denoising problem at half the size, where its dual is a good start."""

    penalty: Penalty
    y: Array
    #: a dual of the whole from the dual of the half
    finer: Callable[[Array], Array]


@dataclasses.dataclass(frozen=True)
class Partition:
    """How the groups of a penalty stand among the pixels, so that images are worked block by block."""

    penalty: Penalty
    #: size and distance of the groups along each axis: group k begins at pixel k times the distance
    grid: list[tuple[int, int]]
    #: of a region, the penalty of the groups that lie wholly inside, for images of the region
    within: Callable[[tuple[slice, ...]], Penalty]


@lru_cache(maxsize=256)
def _is_for(cls: type, name: str, formulas: frozenset[str] = _FORMULAS) -> bool:
    """Whether the method of that name was written for the formulas that the class has, and not for those of a base class."""
    for base in cls.__mro__:
        if name in vars(base):
            return True
        if formulas & vars(base).keys():
            return False
    return False


@lru_cache(maxsize=256)
def _knows(cls: type, name: str, formulas: frozenset[str] = _FORMULAS) -> bool:
    """`_is_for` of a class of one's own; the package's know what they inherit."""
    return is_own(cls) or _is_for(cls, name, formulas)


def _leave(p: Array) -> None:
    """Leave p as it is."""


def dual_step(penalty: Formulas, out: Array, p: Array, x: Array, sigma: float) -> None:
    """p = project(prox_conjugate(p + sigma K x)); out += K^T p; by the formulas of the penalty, one after the other."""
    z = np.empty_like(p)
    penalty._analysis(z, x)
    z *= p.dtype.type(sigma)
    p += z
    penalty._prox_conjugate(p, sigma)
    penalty._project(p)
    penalty._add_adjoint(out, p)


class Term:
    """``w h(K x)`` for images x of shape (channels, *spatial).

    What is no method here is the penalty's own; see `Formulas` for what it is.
    """

    def __init__(self, penalty: Penalty, shape: tuple[int, ...]) -> None:
        self.penalty, self.shape = penalty, shape
        #: what others find once for all images of this shape, by a key of theirs
        self.memo: dict[Any, Any] = {}
        #: the shape of K x, and its axes before (channels, *spatial)
        self.dual_shape, self.leading_axes = penalty._dual_shape(shape), penalty._leading_axes
        #: apply(out, x): out = K x; add_adjoint(out, p): out += K^T p, which may be float64 where p is float32
        self.apply, self.add_adjoint = penalty._analysis, penalty._add_adjoint
        #: project(p, factor) into the ball of radius factor w; dual_norm(p) in units of the weight
        self.project, self.dual_norm = penalty._project, penalty._dual_norm
        #: conjugate(p): c(p), where w h(z) = max over the ball of <p, z> - c(p); prox_conjugate(p, sigma): its proximal step
        self.conjugate, self.prox_conjugate = penalty._conjugate, penalty._prox_conjugate
        #: gap(x, p): (w h(K x) + c(p) - <p, K x>, w h(K x)), added up term by term in float64
        self.gap = penalty._gap
        #: dual_step(out, p, x, sigma): p = project(prox_conjugate(p + sigma K x)); out += K^T p
        self.dual_step = penalty._dual_step if _is_for(type(penalty), "_dual_step") else partial(dual_step, penalty)
        #: clear_unused(p) sets to 0 the numbers that K^T ignores
        self.clear_unused = penalty._clear_unused if _knows(type(penalty), "_clear_unused", _MAP) else _leave
        #: identify(x, p, margin) makes (K x)_g = 0 for the groups whose dual is shorter than (1 - margin) w
        self.identify = penalty._identify
        #: bounds on p in the ball, dual_length(p), on the value where |x| <= size, bound_by_size(size), and on its rounding(x)
        self.dual_length, self.bound_by_size, self.rounding = penalty._dual_length, penalty._bound_by_size, penalty._rounding

    def bind(self, shape: tuple[int, ...]) -> Term:
        """Return the term of the same penalty for that shape: this one, unless it is another."""
        return self if shape == self.shape else Term(self.penalty, shape)

    def __repr__(self) -> str:
        return f"{self.penalty!r}.bind({self.shape})"

    def value(self, x: Array) -> float:
        """The value w h(K x) in float64."""
        return self.gap(x, np.zeros(self.dual_shape, x.dtype))[1]

    def product(self, p: Array, x: Array) -> float:
        """<p, K x> in float64."""
        return total(self.penalty._analysed(x) * p)

    def dual_axis(self, channel_axis: int | None) -> int | None:
        """The axis of the channels in the user's dual, those before the image's axes not counted."""
        return self.penalty._dual_axis(channel_axis, len(self.dual_shape))

    def bound_by_length(self, length: float) -> float:
        """A bound on the value at images of that Euclidean length."""
        return self.penalty._bound_by_length(length, self.shape)

    def length_bound(self, value: float) -> float:
        """R so that every x of that value at most is no longer than R, but for what is in the span of `null_basis`."""
        return self.penalty._length_bound(value, self.shape) if self._knows("_length_bound") else math.inf

    @property
    def weight(self) -> float:
        """The weight w."""
        return self.penalty._w()

    @property
    def null_space(self) -> str:
        """The images that cost nothing: "zero", "constants" or "affine" ones (of each channel), or "unknown"."""
        return self.penalty.null_space

    # -- what depends on the penalty and the shape alone, found once -------------------------------------------------

    @cached_property
    def null_basis(self) -> list[Array] | None:
        """A basis of the directions in which the value stays bounded; None where it is not known."""
        return self.penalty._null_space_basis(self.shape) if self._knows("_null_space_basis") else None

    @cached_property
    def norm_squared(self) -> float:
        """An upper bound on ||K||^2."""
        return self.penalty._norm_squared(self.shape)

    @cached_property
    def gram(self) -> Diagonalised | None:
        """K^T K, where a division or a fast transform inverts it."""
        return self.penalty._gram(self.shape) if self._knows("_gram", _MAP) else None

    @cached_property
    def approximate_gram(self) -> Diagonalised | None:
        """A map near to K^T K that is inverted fast, where K^T K itself is not."""
        return self.penalty._approximate_gram(self.shape) if self._knows("_approximate_gram", _MAP) else None

    @property
    def polyhedral(self) -> bool:
        """Whether it is piecewise linear."""
        return self.penalty._polyhedral(self.shape)

    @cached_property
    def threshold(self) -> Any:
        """Where it is w|x| pixel by pixel: w, a number or an array; else None."""
        return self.penalty._threshold(self.shape) if self._knows("_threshold") else None

    @cached_property
    def group_size(self) -> int:
        """The most numbers of K x in one group."""
        return self.penalty._group_size(self.shape)

    @property
    def adjoint_roundings(self) -> float:
        """Roundings in a number of K^T p."""
        return self.penalty._adjoint_roundings(self.shape)

    @cached_property
    def structure(self) -> str:
        """The structure of answers, on which they are refitted: their "support", their flat "regions", or "" for none."""
        return self.penalty._structure(self.shape)

    def _knows(self, name: str, formulas: frozenset[str] = _FORMULAS) -> bool:
        return _knows(type(self.penalty), name, formulas)

    # -- fast ways, where there are any ----------------------------------------------------------------------------

    def _fast(self, name: str) -> Any:
        return getattr(self.penalty, name)(self.shape) if _is_for(type(self.penalty), name) else None

    @cached_property
    def fused(self) -> Fused | None:
        """Kernels for whole iterations, and for certificates, whose rounding goes by the shape alone."""
        known = _is_for(type(self.penalty), "_fused", _FORMULAS | {"_dual_length", "_rounding"})
        return self.penalty._fused(self.shape) if known else None

    @cached_property
    def exact(self) -> Exact | None:
        """An algorithm that ends with the minimiser."""
        own: Exact | None = self._fast("_exact")
        return own

    @cached_property
    def partition(self) -> Partition | None:
        """The groups of blocks of the image."""
        own: Partition | None = self._fast("_partition")
        return own

    def half(self, y: Array) -> Half | None:
        """The problem at half the size, where that start pays."""
        return self.penalty._half(y) if _is_for(type(self.penalty), "_half") else None
