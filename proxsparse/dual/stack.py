"""The parts of a penalty on images of one shape, their maps stacked: what the solvers see.

The dual of all parts is one flat vector, so that an algorithm's arithmetic is written once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import SUM, UNIT, norm
from ..kernels import rounding
from ..linear.diagonal import Diagonalised, conjugate_gradients
from .null_space import affine_images, constant_images
from .term import Term

if TYPE_CHECKING:
    from ..penalties.base import Penalty


class Stack:
    """h(Kx) = sum_i w_i h_i(K_i x) for images (channels, *spatial) of one shape."""

    def __init__(self, parts: Sequence[Penalty | Term], shape: tuple[int, ...]) -> None:
        self.terms = tuple([q.bind(shape) for q in parts])
        self.shape = shape
        self.dual_shapes = [q.dual_shape for q in self.terms]
        self.offsets = [*itertools.accumulate(map(math.prod, self.dual_shapes), initial=0)]
        self.size = self.offsets[-1]
        norms = [q.norm_squared for q in self.terms]
        self.norm_squared = sum(norms)
        self._factors = [2.0 * math.sqrt(norm) for norm in norms]
        self.first_step = min([q.penalty._first_step for q in self.terms], default=0.5)
        #: iterations that the last `least_norm_dual` took
        self.effort = 0
        self.polyhedral = all(q.polyhedral for q in self.terms)

    def split(self, p: Array) -> list[Array]:
        """Views of the parts' duals in the flat p."""
        if len(self.terms) == 1:
            return [p.reshape(self.dual_shapes[0])]
        bounds = zip(self.offsets[:-1], self.offsets[1:], self.dual_shapes, strict=True)
        return [p[a:b].reshape(s) for a, b, s in bounds]

    def join(self, duals: Sequence[Array], dtype: Any) -> Array:
        """One dual a part as a new flat vector: undoes `split`."""
        return np.concatenate([np.zeros(0, dtype), *(np.asarray(dual, dtype).reshape(-1) for dual in duals)])

    def analysis(self, x: Array) -> Array:
        """Kx, flat."""
        out = np.zeros(self.size, x.dtype)
        for q, z in zip(self.terms, self.split(out), strict=True):
            q.apply(z, x)
        return out

    def add_adjoint(self, out: Array, p: Array) -> Array:
        """out += K^T p; returns out."""
        for q, dual in zip(self.terms, self.split(p), strict=True):
            q.add_adjoint(out, dual)
        return out

    def adjoint(self, p: Array) -> Array:
        """K^T p in float64."""
        return self.add_adjoint(np.zeros(self.shape), p)

    def project(self, p: Array, factor: float = 1.0) -> Array:
        """Project each part of p on its ball, scaled by factor, in place; returns p."""
        for q, dual in zip(self.terms, self.split(p), strict=True):
            q.project(dual, factor)
        return p

    def conjugate_prox(self, p: Array, sigma: float) -> Array:
        """p = argmin over q in the balls of 1/2 |q - p|^2 + sigma c(q), in place; returns p."""
        for q, dual in zip(self.terms, self.split(p), strict=True):
            q.prox_conjugate(dual, sigma)
            q.project(dual)
        return p

    def conjugate(self, p: Array) -> float:
        """The sum of c_i(p_i)."""
        return sum([q.conjugate(dual) for q, dual in zip(self.terms, self.split(p), strict=True)])

    def dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        """p = conjugate_prox(p + sigma K x); out = K^T p."""
        out[...] = 0
        for q, dual in zip(self.terms, self.split(p), strict=True):
            q.dual_step(out, dual, x, sigma)

    def gaps(self, x: Array, p: Array) -> list[tuple[float, float]]:
        """For each part (w h(Kx) + c(p) - <p, Kx>, w h(Kx)) in float64."""
        return [q.gap(x, dual) for q, dual in zip(self.terms, self.split(p), strict=True)]

    def rounding(self, x: Array, p: Array, gaps: Sequence[tuple[Any, Any]]) -> Any:
        """How far the gaps of x and p, and with them the values, may be too small in float64."""
        off: Any = 0.0
        for q, dual, (gap, value) in zip(self.terms, self.split(p), gaps, strict=True):
            off = off + of_part(q, x, dual, gap, value)
        return off

    def dual_length(self, p: Array, measured: bool = False) -> float:
        """A bound on the length of the images K_i^T p_i, added up, that no cancelling makes shorter."""
        return sum(
            factor * (norm(dual) if measured else q.dual_length(dual))
            for q, dual, factor in zip(self.terms, self.split(p), self._factors, strict=True)
        )

    @cached_property
    def roundings(self) -> float:
        """Roundings in a number of K^T p."""
        return 2.0 + sum([q.adjoint_roundings for q in self.terms])

    def gauge(self, p: Array) -> float:
        """The least t with p in t times the ball of each part; infinite where a part of weight 0 has a dual."""
        largest = 0.0
        for q, dual in zip(self.terms, self.split(p), strict=True):
            norm = q.dual_norm(dual)
            if norm > 0:
                largest = max(largest, norm / q.weight if q.weight > 0 else math.inf)
        return largest

    def gram(self) -> Diagonalised | None:
        """K^T K where it can be inverted exactly."""
        return _sum_of([q.gram for q in self.terms])

    def costs_nothing(self, images: str) -> bool:
        """Whether these images cost nothing under any part that has a weight; see `Penalty.null_space`."""
        return all(q.null_space in _HOLDING[images] for q in self.terms if q.weight > 0)

    def null_basis(self) -> list[Array]:
        """An orthogonal basis of the images that cost nothing (the null spaces of the parts are nested)."""
        if not self.costs_nothing("constants"):
            return []
        return affine_images(self.shape) if self.costs_nothing("affine") else constant_images(self.shape)

    def least_norm_dual(self, d: Array, enough: float = 0.0) -> Array | None:
        """A p with K^T p = d for d orthogonal to the null space, of least norm where K^T K inverts; None where unknown.

        Where that takes iterations, what is left of d may be `enough` long.
        """
        self.effort = 0
        chosen, gram = self._inverse
        u = gram.solve(d) if gram is not None else self._iterated(d, enough)
        if u is None:
            return None
        p = np.zeros(self.size)
        duals = self.split(p)
        for i in chosen:
            self.terms[i].apply(duals[i], u)
        return p

    def _iterated(self, d: Array, enough: float) -> Array | None:
        """A u with K_i^T K_i u = d, for the part of `_inverse`: conjugate gradients to rounding; None where they stall."""
        chosen, _ = self._inverse
        if not chosen:
            return None
        part, shape = self.terms[chosen[0]], self.dual_shapes[chosen[0]]
        near = part.approximate_gram
        if near is None:
            return None

        def _system(u: Array) -> Array:
            kd, image = np.empty(shape), np.zeros(self.shape)
            part.apply(kd, u)
            part.add_adjoint(image, kd)
            return self.without_null(image)

        d = self.without_null(d.astype(np.float64))
        least = max(1e-20 * total(np.square(d)), enough * enough)
        u, self.effort = conjugate_gradients(_system, d, np.zeros(self.shape), near, 0.0, least, _MOST_ITERATIONS)
        return u if total(np.square(d - _system(u))) <= 1e4 * least else None

    def without_null(self, d: Array) -> Array:
        """d less its projection on the images that cost nothing."""
        for n in self._orthogonal:
            d = d - n * (total(n * d) / total(n * n))
        return d

    @cached_property
    def _orthogonal(self) -> list[Array]:
        return self.null_basis()

    @property
    def inverts_fast(self) -> bool:
        """Whether `least_norm_dual` takes one transform."""
        return self._inverse[1] is not None

    @cached_property
    def _inverse(self) -> tuple[list[int], Diagonalised | None]:
        """The parts by which `least_norm_dual` corrects, and the sum of their K^T K; a part of weight 0 has no dual."""
        grams = {i: q.gram for i, q in enumerate(self.terms) if q.weight > 0}
        gram = _sum_of(list(grams.values()))
        if gram is not None:
            return list(grams), gram
        # one part by itself, if it can
        kinds = [self.terms[i].null_space for i in grams]
        smallest = next((kind for kind in ("zero", *_HOLDING) if kind in kinds), None)
        alone = (i for i, g in grams.items() if g is not None and self.terms[i].null_space == smallest)
        first = next(alone, None)
        if first is not None:
            return [first], grams[first]
        near = (i for i in grams if self.terms[i].null_space == smallest and self.terms[i].approximate_gram is not None)
        return list(near)[:1], None


def stack_of(terms: Sequence[Term], shape: tuple[int, ...]) -> Stack:
    """The stack of these terms, one of a single term, as most are, found once."""
    if len(terms) != 1:
        return Stack(terms, shape)
    memo = terms[0].memo
    if Stack not in memo:
        memo[Stack] = Stack(terms, shape)
    found: Stack = memo[Stack]
    return found


def of_part(q: Term, x: Array, dual: Array, gap: float, value: float) -> float:
    """How far a part's gap, and with it its value, may be too small in float64."""
    own: float = rounding.of_part(value, gap, q.group_size, dual.size)
    return own + UNIT * SUM * q.conjugate(dual) + 2.0 * q.rounding(x)


#: of conjugate gradients; a thousand pixels along an axis take some 150
_MOST_ITERATIONS = 1000
#: the null spaces that hold these images
_HOLDING = {"constants": ("constants", "affine"), "affine": ("affine",)}


def _sum_of(grams: Sequence[Diagonalised | None]) -> Diagonalised | None:
    total: Diagonalised | None = Diagonalised("uniform", 0.0)
    for gram in grams:
        total = None if total is None or gram is None else total + gram
    return total
