"""The parts of a penalty on images of one shape, their maps stacked: what the solvers see.

The dual of all parts is one flat vector, so that an algorithm's arithmetic is written once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .._arrays import Array, total
from ..gram import Gram
from .base import Penalty


class Stack:
    """h(Kx) = sum_i w_i h_i(K_i x) for images (channels, *spatial) of one shape."""

    def __init__(self, parts: Sequence[Penalty], shape: tuple[int, ...]) -> None:
        self.parts = tuple(parts)
        self.shape = shape
        self.dual_shapes = [q._dual_shape(shape) for q in self.parts]
        self.offsets = np.cumsum([0, *(math.prod(s) for s in self.dual_shapes)]).tolist()
        self.size: int = self.offsets[-1]
        self.norm_squared = sum(q._norm_squared(shape) for q in self.parts)
        self.first_step = min((q._first_step for q in self.parts), default=0.5)
        self.polyhedral = all(q._polyhedral(shape) for q in self.parts)

    def split(self, p: Array) -> list[Array]:
        """Views of the parts' duals in the flat p."""
        bounds = zip(self.offsets[:-1], self.offsets[1:], self.dual_shapes, strict=True)
        return [p[a:b].reshape(s) for a, b, s in bounds]

    def join(self, duals: Sequence[Array], dtype: Any) -> Array:
        """One dual a part as a new flat vector: undoes `split`."""
        return np.concatenate([np.zeros(0, dtype), *(np.asarray(dual, dtype).reshape(-1) for dual in duals)])

    def analysis(self, x: Array) -> Array:
        """Kx, flat."""
        out = np.zeros(self.size, x.dtype)
        for q, z in zip(self.parts, self.split(out), strict=True):
            q._analysis(z, x)
        return out

    def add_adjoint(self, out: Array, p: Array) -> Array:
        """out += K^T p; returns out."""
        for q, dual in zip(self.parts, self.split(p), strict=True):
            q._add_adjoint(out, dual)
        return out

    def adjoint(self, p: Array) -> Array:
        """K^T p in float64."""
        return self.add_adjoint(np.zeros(self.shape), p)

    def project(self, p: Array, factor: float = 1.0) -> Array:
        """Project each part of p on its ball, scaled by factor, in place; returns p."""
        for q, dual in zip(self.parts, self.split(p), strict=True):
            q._project(dual, factor)
        return p

    def conjugate_prox(self, p: Array, sigma: float) -> Array:
        """p = argmin over q in the balls of 1/2 |q - p|^2 + sigma c(q), in place; returns p."""
        for q, dual in zip(self.parts, self.split(p), strict=True):
            q._damp(dual, sigma)
            q._project(dual)
        return p

    def conjugate(self, p: Array) -> float:
        """The sum of c_i(p_i)."""
        return sum(q._conjugate(dual) for q, dual in zip(self.parts, self.split(p), strict=True))

    def dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        """p = conjugate_prox(p + sigma K x); out = K^T p."""
        out[...] = 0
        for q, dual in zip(self.parts, self.split(p), strict=True):
            q._dual_step(out, dual, x, sigma)

    def gaps(self, x: Array, p: Array) -> list[tuple[float, float]]:
        """For each part (w h(Kx) + c(p) - <p, Kx>, w h(Kx)) in float64."""
        return [q._gap(x, dual) for q, dual in zip(self.parts, self.split(p), strict=True)]

    def gauge(self, p: Array) -> float:
        """The least t with p in t times the ball of each part; infinite where a part of weight 0 has a dual."""
        largest = 0.0
        for q, dual in zip(self.parts, self.split(p), strict=True):
            norm = q._dual_norm(dual)
            if norm > 0:
                largest = max(largest, norm / q._w() if q._w() > 0 else math.inf)
        return largest

    def gram(self) -> Gram | None:
        """K^T K where it can be inverted exactly."""
        return _sum_of([q._gram(self.shape) for q in self.parts])

    def costs_nothing(self, images: str) -> bool:
        """Whether these images cost nothing under any part that has a weight; see `Penalty.null_space`."""
        return all(q.null_space in _HOLDING[images] for q in self.parts if q._w() > 0)

    def null_basis(self) -> list[Array]:
        """An orthogonal basis of the images that cost nothing (the null spaces of the parts are nested)."""
        if not self.costs_nothing("constants"):
            return []
        functions = [np.ones(self.shape[1:])]
        if self.costs_nothing("affine"):
            for axis, n in enumerate(self.shape[1:]):
                if n > 1:
                    along = np.arange(n) - (n - 1) / 2
                    functions.append(along.reshape([n if a == axis else 1 for a in range(len(self.shape) - 1)]) * functions[0])
        channels = np.eye(self.shape[0]).reshape(self.shape[0], self.shape[0], *(1,) * (len(self.shape) - 1))
        return [channel * function for function in functions for channel in channels]

    def least_norm_dual(self, d: Array) -> Array | None:
        """A p with K^T p = d for d orthogonal to the null space, of least norm where K^T K inverts; None where unknown."""
        chosen, gram = self._inverse
        u = gram.solve(d) if gram is not None else self._iterated(d)
        if u is None:
            return None
        p = np.zeros(self.size)
        duals = self.split(p)
        for i in chosen:
            self.parts[i]._analysis(duals[i], u)
        return p

    def _iterated(self, d: Array) -> Array | None:
        """A u with K_i^T K_i u = d, for the part of `_inverse`: conjugate gradients to rounding; None where they stall."""
        chosen, _ = self._inverse
        if not chosen:
            return None
        part, shape = self.parts[chosen[0]], self.dual_shapes[chosen[0]]
        near = part._near_gram(self.shape)
        if near is None:
            return None
        u, residual = np.zeros(self.shape), self.without_null(d.astype(np.float64))
        least = 1e-20 * total(np.square(residual))
        direction, slope = np.zeros(self.shape), 1.0
        for k in range(_MOST_ITERATIONS):
            if total(np.square(residual)) <= least:
                return u
            z = self.without_null(near.solve(residual))
            slope, before = total(residual * z), slope
            direction = z + (slope / before if k else 0.0) * direction
            kd, image = np.empty(shape), np.zeros(self.shape)
            part._analysis(kd, direction)
            part._add_adjoint(image, kd)
            step = slope / total(direction * image)
            u += step * direction
            residual = residual - self.without_null(step * image)
        return None

    def without_null(self, d: Array) -> Array:
        """What is left of d without the images that cost nothing."""
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
    def _inverse(self) -> tuple[list[int], Gram | None]:
        """The parts by which `least_norm_dual` corrects, and the sum of their K^T K; a part of weight 0 has no dual."""
        grams = {i: q._gram(self.shape) for i, q in enumerate(self.parts) if q._w() > 0}
        gram = _sum_of(list(grams.values()))
        if gram is not None:
            return list(grams), gram
        # one part by itself, if it can
        kinds = [self.parts[i].null_space for i in grams]
        smallest = next((kind for kind in ("zero", *_HOLDING) if kind in kinds), None)
        alone = (i for i, g in grams.items() if g is not None and self.parts[i].null_space == smallest)
        first = next(alone, None)
        if first is not None:
            return [first], grams[first]
        near = (i for i in grams if self.parts[i].null_space == smallest and self.parts[i]._near_gram(self.shape) is not None)
        return list(near)[:1], None


#: of conjugate gradients; a thousand pixels along an axis take some 150
_MOST_ITERATIONS = 1000
#: the null spaces that hold these images
_HOLDING = {"constants": ("constants", "affine"), "affine": ("affine",)}


def _sum_of(grams: Sequence[Gram | None]) -> Gram | None:
    total: Gram | None = Gram("uniform", 0.0)
    for gram in grams:
        total = None if total is None or gram is None else total + gram
    return total
