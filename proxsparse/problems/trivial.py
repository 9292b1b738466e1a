"""The best image that costs nothing: what denoising gives where the weight is large."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np

from ..arrays.numbers import Array, total
from ..kernels.moments import moments
from .certificate import Certificate
from .owned import Owned


class Trivial(Owned):
    """The minimiser of the data term of a problem over the null space of its penalty."""

    @cached_property
    def image(self) -> Array | None:
        """The minimiser of the data term over the null space of the penalty; None where the bounds forbid it."""
        problem = self.problem
        if self._is_mean:
            shape = (-1, *(1,) * (len(problem.shape) - 1))
            return np.array(np.broadcast_to(np.array(self._channel_means, problem.dtype).reshape(shape), problem.shape))
        if not problem.data.quadratic:
            return None
        basis, images, matrix = problem.repair.null_images
        x = np.zeros(problem.shape)
        if basis:
            b = np.array([total(np.asarray(problem.data.m * problem.y) * a) for a in images])
            x += sum(c * n for c, n in zip(np.linalg.lstsq(matrix, b, rcond=None)[0], basis, strict=True))
        x = x.astype(problem.dtype)
        if problem.operator is None:
            # what fits the image but for a few roundings is the image
            seen = np.broadcast_to(np.greater(problem.data.m, 0), problem.shape)
            largest = np.max(np.abs(problem.y), where=seen, initial=0.0)
            x = np.where(seen & (np.abs(x - problem.y) <= 8 * np.finfo(problem.dtype).eps * largest), problem.y, x)
        return x if np.array_equal(problem.clip(x), x) else None

    @property
    def _is_mean(self) -> bool:
        """Whether `image` is the mean of each channel, or 0, without any linear system."""
        problem = self.problem
        plain = problem.operator is None and problem.m is None and not problem.bounded and problem.data.quadratic
        return plain and not problem.full.costs_nothing("affine")

    @cached_property
    def _channel_means(self) -> list[float]:
        """The value of each channel of `image` without an operator, weights or bounds: its mean, or 0."""
        problem = self.problem
        free = problem.full.costs_nothing("constants")
        # as the image holds it
        n = problem.y[0].size
        return [float(problem.dtype.type(first + off / n)) if free else 0.0 for first, off, _ in self.moments]

    @property
    def moments(self) -> list[tuple[float, float, float]]:
        """`kernels.moments` of each channel of the image."""
        return [moments(np.ascontiguousarray(channel).reshape(-1)) for channel in self.problem.y]

    @cached_property
    def fun(self) -> float:
        """F at the trivial image."""
        problem = self.problem
        if self._is_mean:
            n, total = problem.y[0].size, 0.0
            for (first, off, squares), mean in zip(self.moments, self._channel_means, strict=True):
                moved = mean - first
                total += max(squares - moved * (2 * off - n * moved), 0.0)
            return 0.5 * total
        return math.inf if self.image is None else problem.data.value(problem.forward(self.image))

    @cached_property
    def certificate(self) -> Certificate | None:
        """The trivial image with the least-norm dual: closed where the weight is at or above `max_weight`."""
        problem = self.problem
        duals = self.duals()
        return None if self.image is None or duals is None else problem.certificate(self.image, problem.flat_dual(duals))

    def duals(self) -> list[Array] | None:
        """The dual of each part, of least norm, for the trivial image."""
        problem = self.problem
        if self.image is None:
            return None
        q = problem.data.gradient(problem.forward(self.image.astype(np.float64)))
        d = -problem.adjoint(np.broadcast_to(q, problem.y.shape))
        p = problem.full.least_norm_dual(problem.full.without_null(d))
        return None if p is None else problem.full.split(p)
