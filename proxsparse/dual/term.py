"""A penalty on images of one shape: what the solvers, the certificates and the problems see of it.

A penalty says its formulas for images of any shape. A term is one penalty bound to one shape: what depends on the shape alone
is found once, when it is first asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ..arrays.numbers import Array
from ..linear.diagonal import Diagonalised
from ..runtime.workers import Workers

if TYPE_CHECKING:
    from ..penalties.base import Penalty


#: what a penalty is; a class that changes one of these makes the fast ways that it inherits those of another penalty
_FORMULAS = frozenset(
    ("_dual_shape", "_analysis", "_add_adjoint", "_project", "_gap", "_dual_norm", "_conjugate", "_prox_conjugate")
)

Limits = tuple[float, float, float]


class Fused(Protocol):
    """Kernels that run whole iterations of Chambolle-Pock for 1/2 ||x - y||^2 + P(x) + soft |x|_1, lo <= x <= hi."""

    def sweep(self, x: Array, xbar: Array, p: Array, y: Array, limits: Limits, steps: Array, workers: Workers) -> None:
        """Several iterations in place: limits = soft, lo, hi; steps[k] = tau, sigma, theta, 1 / (1 + tau)."""

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """The five sums of `Denoising.measure`, in one pass; None where that takes the general way."""


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
def _is_for(cls: type, name: str) -> bool:
    """Whether the method of that name was written for the formulas that the class has, and not for those of a base class."""
    for base in cls.__mro__:
        if name in vars(base):
            return True
        if _FORMULAS & vars(base).keys():
            return False
    return False


def dual_step(penalty: Penalty, out: Array, p: Array, x: Array, sigma: float) -> None:
    """p = project(prox_conjugate(p + sigma K x)); out += K^T p; by the formulas of the penalty, one after the other."""
    z = np.empty_like(p)
    penalty._analysis(z, x)
    z *= p.dtype.type(sigma)
    p += z
    penalty._prox_conjugate(p, sigma)
    penalty._project(p)
    penalty._add_adjoint(out, p)


class Term:
    """``w h(K x)`` for images x of shape (channels, *spatial); see `Penalty` for what each method is."""

    def __init__(self, penalty: Penalty, shape: tuple[int, ...]) -> None:
        self.penalty, self.shape = penalty, shape
        #: the shape of K x
        self.dual_shape = penalty._dual_shape(shape)

    def bind(self, shape: tuple[int, ...]) -> Term:
        """Return the term of the same penalty for that shape: this one, unless it is another."""
        return self if shape == self.shape else Term(self.penalty, shape)

    def __repr__(self) -> str:
        return f"{self.penalty!r}.bind({self.shape})"

    # -- the map K -------------------------------------------------------------------------------------------------

    def apply(self, out: Array, x: Array) -> None:
        """Write K x into out."""
        self.penalty._analysis(out, x)

    def add_adjoint(self, out: Array, p: Array) -> None:
        """Add K^T p to out, which may be float64 where p is float32."""
        self.penalty._add_adjoint(out, p)

    @cached_property
    def norm_squared(self) -> float:
        """An upper bound on ||K||^2."""
        return self.penalty._norm_squared(self.shape)

    @cached_property
    def gram(self) -> Diagonalised | None:
        """K^T K, where a division or a fast transform inverts it."""
        return self.penalty._gram(self.shape)

    @cached_property
    def approximate_gram(self) -> Diagonalised | None:
        """A map near to K^T K that is inverted fast, where K^T K itself is not."""
        return self.penalty._approximate_gram(self.shape)

    def clear_unused(self, p: Array) -> None:
        """Set to 0, in place, the numbers of p that K^T ignores."""
        self.penalty._clear_unused(p)

    @property
    def leading_axes(self) -> int:
        """Axes of the dual before (channels, *spatial)."""
        return self.penalty._leading_axes

    def dual_axis(self, channel_axis: int | None) -> int | None:
        """The axis of the channels in the user's dual, those before the image's axes not counted."""
        return self.penalty._dual_axis(channel_axis, len(self.dual_shape))

    def product(self, p: Array, x: Array) -> float:
        """<p, K x> in float64."""
        return self.penalty._product(p, x)

    # -- the norm h and its dual ball ------------------------------------------------------------------------------

    @cached_property
    def weight(self) -> float:
        """The weight w."""
        return self.penalty._w()

    def project(self, p: Array, factor: float = 1.0) -> None:
        """Bring p into the ball of radius factor w, in place."""
        self.penalty._project(p, factor)

    def dual_norm(self, p: Array) -> float:
        """The dual norm of h at p, in units of the weight."""
        return self.penalty._dual_norm(p)

    def conjugate(self, p: Array) -> float:
        """c(p), where w h(z) = max over the ball of <p, z> - c(p)."""
        return self.penalty._conjugate(p)

    def prox_conjugate(self, p: Array, sigma: float) -> None:
        """The proximal step of sigma c, in place; `project` then makes it the same in the ball."""
        self.penalty._prox_conjugate(p, sigma)

    def dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        """p = project(prox_conjugate(p + sigma K x)); out += K^T p."""
        self._step(out, p, x, sigma)

    @cached_property
    def _step(self) -> Callable[[Array, Array, Array, float], None]:
        fits = _is_for(type(self.penalty), "_dual_step")
        return self.penalty._dual_step if fits else partial(dual_step, self.penalty)

    def gap(self, x: Array, p: Array) -> tuple[float, float]:
        """(w h(K x) + c(p) - <p, K x>, w h(K x)), added up term by term in float64."""
        return self.penalty._gap(x, p)

    def value(self, x: Array) -> float:
        """The value w h(K x) in float64."""
        return self.gap(x, np.zeros(self.dual_shape, x.dtype))[1]

    # -- what is known of it ---------------------------------------------------------------------------------------

    @cached_property
    def null_space(self) -> str:
        """The images that cost nothing: "zero", "constants" or "affine" ones (of each channel), or "unknown"."""
        return self.penalty.null_space

    @cached_property
    def null_basis(self) -> list[Array] | None:
        """A basis of the directions in which the value stays bounded; None where it is not known."""
        return self.penalty._null_space_basis(self.shape)

    @property
    def degree(self) -> int | None:
        """The k of P(c x) = c^k P(x); None where there is none."""
        return self.penalty.degree

    @property
    def clipping_lowers(self) -> bool:
        """Whether clipping an image never makes it cost more."""
        return self.penalty._clipping_lowers

    @property
    def first_step(self) -> float:
        """The first step tau of accelerated Chambolle-Pock, in units of the data term's curvature."""
        return self.penalty._first_step

    @cached_property
    def polyhedral(self) -> bool:
        """Whether it is piecewise linear."""
        return self.penalty._polyhedral(self.shape)

    @cached_property
    def threshold(self) -> Any:
        """Where it is w|x| pixel by pixel: w, a number or an array; else None."""
        return self.penalty._threshold(self.shape)

    # -- bounds ----------------------------------------------------------------------------------------------------

    @cached_property
    def group_size(self) -> int:
        """The most numbers of K x in one group."""
        return self.penalty._group_size(self.shape)

    def dual_length(self, p: Array) -> float:
        """A bound on the Euclidean length of a p in the ball."""
        return self.penalty._dual_length(p)

    def bound_by_length(self, length: float) -> float:
        """A bound on the value at images of that Euclidean length."""
        return self.penalty._bound_by_length(length, self.shape)

    def bound_by_size(self, size: Array) -> float:
        """A bound on the value at images with ``|e| <= size``."""
        return self.penalty._bound_by_size(size)

    def length_bound(self, value: float) -> float:
        """R so that every x of that value at most is no longer than R, but for what is in the span of `null_basis`."""
        return self.penalty._length_bound(value, self.shape)

    def rounding(self, x: Array) -> float:
        """How far the value, and <p, K x>, may be off in float64, beside what is relative to the value."""
        return self.penalty._rounding(x)

    @cached_property
    def adjoint_roundings(self) -> float:
        """Roundings in a number of K^T p."""
        return self.penalty._adjoint_roundings(self.shape)

    # -- the structure of answers ----------------------------------------------------------------------------------

    @cached_property
    def structure(self) -> str:
        """What answers show, on which they are refitted: their "support", their flat "regions", or nothing."""
        return self.penalty._structure(self.shape)

    def identify(self, x: Array, p: Array, margin: float) -> None:
        """Set x, in place, so that (K x)_g = 0 for the groups whose dual is shorter than (1 - margin) w."""
        self.penalty._identify(x, p, margin)

    # -- fast ways, where there are any ----------------------------------------------------------------------------

    def _own(self, name: str) -> Any:
        return getattr(self.penalty, name)(self.shape) if _is_for(type(self.penalty), name) else None

    @cached_property
    def fused(self) -> Fused | None:
        """Kernels for whole iterations."""
        own: Fused | None = self._own("_fused")
        return own

    @cached_property
    def exact(self) -> Exact | None:
        """An algorithm that ends with the minimiser."""
        own: Exact | None = self._own("_exact")
        return own

    def half(self, y: Array) -> Half | None:
        """The problem at half the size, where that start pays."""
        return self.penalty._half(y) if _is_for(type(self.penalty), "_half") else None

    @cached_property
    def partition(self) -> Partition | None:
        """The groups of blocks of the image."""
        own: Partition | None = self._own("_partition")
        return own
