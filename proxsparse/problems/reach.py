"""How far from 0 minimisers can be: a range that holds one, and a bound on the length of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..arrays.numbers import Array
from ..arrays.roundoff import norm
from .owned import Owned

#: pixels up to which A is looked at as a matrix
_SMALL = 256


class Reach(Owned):
    """What is known of where the minimisers of a problem are."""

    @cached_property
    def box(self) -> tuple[Any, Any] | None:
        """(lo, hi) of each channel that hold a minimiser: the bounds given on both sides, or those that clipping implies."""
        problem = self.problem
        if problem.lo is not None and problem.hi is not None and not (np.isinf(problem.lo).any() or np.isinf(problem.hi).any()):
            return problem.lo, problem.hi
        lowered = problem.operator is None and all(q.penalty._clipping_lowers for q in problem.terms)
        if not lowered or np.ndim(problem.lo) or np.ndim(problem.hi):
            return None
        seen = np.ones(problem.shape, bool) if problem.m is None else np.broadcast_to(problem.m > 0, problem.shape)
        axes = tuple(range(1, len(problem.shape)))
        # unmeasured channels are free, and 0 is an answer for them
        nearest = problem.data.nearest
        lo = np.where(seen, nearest, math.inf).min(axis=axes, keepdims=True, initial=math.inf)
        hi = np.where(seen, nearest, -math.inf).max(axis=axes, keepdims=True, initial=-math.inf)
        lo, hi = np.where(np.isfinite(lo), lo, 0.0), np.where(np.isfinite(hi), hi, 0.0)
        if not problem.full.costs_nothing("constants"):
            lo, hi = np.minimum(lo, 0.0), np.maximum(hi, 0.0)
        # a bound on one side cuts the interval: each pixel's distance falls towards it
        return problem.clip(lo), problem.clip(hi)

    def length_bound(self, fun: float) -> float:
        """A bound on the length of every minimiser, of which F <= fun is known; infinite where none is."""
        problem = self.problem
        far = math.inf if self.box is None else self.length_in_box
        if not math.isfinite(fun):
            return far
        inside, bound = problem.data.reach(fun), problem.linear.norm_bound
        for i, q in enumerate(problem.terms):
            own = q.length_bound(fun) if q.weight > 0 else math.inf
            beside = self._null_space_bounds[i] if math.isfinite(own) else None
            if beside is not None:
                size, least = beside
                # multiples c of images n_k: the least eigenvalue times |c|^2 is at most |A sum c_k n_k|^2 in the data's metric
                left = inside + math.sqrt(bound * float(np.max(problem.data.m))) * own
                far = min(far, own + left * size / math.sqrt(least))
        if math.isinf(far) and self._least_eigenvalue > 0:
            far = inside / math.sqrt(self._least_eigenvalue)
        return far

    @cached_property
    def length_in_box(self) -> float:
        """The length of the longest image within the range."""
        largest = np.maximum(*(np.abs(bound, dtype=np.float64) for bound in cast(tuple[Any, Any], self.box)))
        return norm(np.broadcast_to(largest, self.problem.shape))

    @cached_property
    def _null_space_bounds(self) -> list[tuple[float, float] | None]:
        """For each part the length of the images it leaves free, per coefficient, and the least eigenvalue of their products.

        None where they are not known, or cost nothing under A too.
        """
        terms = self.problem.terms
        return [None if q.null_basis is None else self._unbounded_part(i, q.null_basis) for i, q in enumerate(terms)]

    def _unbounded_part(self, i: int, images: list[Array]) -> tuple[float, float] | None:
        problem = self.problem
        if not images:
            return 0.0, 1.0
        # of length one, as a slope is far larger than a constant
        images = [n / norm(n) for n in images]
        values, vectors = np.linalg.eigh(self.products([problem.forward(n) for n in images]))
        flat = np.array([n.reshape(-1) for n in images])
        size, largest = math.sqrt(np.linalg.eigvalsh(flat @ flat.T)[-1]), max(float(values[-1]), 0.0)
        seen = values > 1e-12 * largest
        others = [q for k, q in enumerate(problem.terms) if k != i and q.weight > 0]
        if problem.bounded and not seen.all():
            # within bounds nothing may be taken out of a minimiser
            return None
        for vector in vectors.T[~seen]:
            # what neither A nor any other part sees may be taken out of a minimiser; as far as rounding tells
            n = sum(c * image for c, image in zip(vector, images, strict=True))
            if norm(problem.forward(n)) > 1e-14 * math.sqrt(problem.norm_squared) * norm(n) or any(
                q.value(n) > 0 for q in others
            ):
                return None
        return (size, float(values[seen].min())) if seen.any() else (0.0, 1.0)

    @cached_property
    def _least_eigenvalue(self) -> float:
        """A lower bound on the least eigenvalue of A^T M A; 0 where none is known."""
        problem = self.problem
        gram = problem.gram
        if gram is not None:
            values = np.asarray(gram.eigenvalues) * (float(np.min(problem.data.m)) if gram.domain != "pixel" else 1.0)
        elif math.prod(problem.shape) <= _SMALL:
            images = [problem.forward(one) for one in np.eye(math.prod(problem.shape)).reshape(-1, *problem.shape)]
            values = np.linalg.eigvalsh(self.products(images))
        else:
            return 0.0
        least, largest = float(np.min(values)), float(np.max(values))
        return 0.99 * least if least > 1e-12 * largest else 0.0

    def products(self, images: Sequence[Array]) -> Array:
        """The matrix <a, M b> of images of A."""
        problem = self.problem
        flat = np.array([np.asarray(image, np.float64).reshape(-1) for image in images]).reshape(len(images), problem.y.size)
        m = np.broadcast_to(np.asarray(problem.data.m, np.float64), problem.y.shape).reshape(-1)
        return np.asarray(np.einsum("ik,k,jk->ij", flat, m, flat))
