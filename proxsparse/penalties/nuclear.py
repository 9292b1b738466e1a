"""The nuclear norm of images."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import UNIT, norm
from ..dual.term import Exact
from .base import Identity


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Nuclear(Identity):
    """``P(x) = w sum_i s_i(x)``, the singular values of the image as a matrix: few rows and columns explain all others.

    Parameters
    ----------
    weight : float, optional
        w >= 0, in units of the image. The largest singular value of noise of standard deviation s is about
        ``s (sqrt(rows) + sqrt(columns))``.

    Notes
    -----
    For images of two axes; channels are separate. K is the identity and the dual ball holds the largest singular value to
    ``s_1(p) <= w``. The proximal operator is exact, soft-thresholding of the singular values (Cai, Candes & Shen, SIAM J.
    Optim. 2010, theorem 2.1). With `L1`, ``Nuclear(v) + L1(w)`` is the convex form of a matrix of low rank plus few outliers
    (Candes, Li, Ma & Wright, J. ACM 2011).

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> y = np.diag([3.0, 1.0, 0.2])
    >>> proxsparse.solve(y, "nuclear", 0.5).x.round(3)
    array([[2.5, 0. , 0. ],
           [0. , 0.5, 0. ],
           [0. , 0. , 0. ]])
    """

    _first_step = 2.0

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 3:
            raise ValueError(f"Nuclear is for images of two axes, got {len(shape) - 1} beside the channels")
        return shape

    def _fits_dual(self, p: Array) -> bool:
        return p.ndim == 3

    def _project(self, p: Array, factor: float = 1.0) -> None:
        radius = float(self._radius(p, factor, size=sum(p.shape[1:])))
        for channel in p:
            u, s, vt = _svd(channel)
            if s[0] > radius:
                channel[...] = (u * np.minimum(s, radius)) @ vt

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        gap = value = 0.0
        for image, dual in zip(x, p, strict=True):
            u, s, vt = _svd(image)
            # each term is >= 0, as no p in the ball makes more of a pair of unit vectors than w
            gap += total(s * (self._w() - np.einsum("ik,ij,kj->k", u, dual, vt)))
            value += self._w() * total(s)
        return gap, value

    def _dual_norm(self, p: Array) -> float:
        return max(float(_svd(channel)[1][0]) for channel in p)

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape[1:])

    def _dual_length(self, p: Array) -> float:
        return self._bound_by_length(1.0, p.shape)

    def _bound_by_length(self, length: float, shape: tuple[int, ...]) -> float:
        # a sum of so many numbers whose squares add up to the squared length
        return float(self._w() * math.sqrt(shape[0] * min(shape[1:])) * length)

    def _rounding(self, x: Array) -> float:
        # a singular value is off by a multiple of the largest
        return float(UNIT * 8 * sum(x.shape[1:]) * min(x.shape[1:]) * self._w() * norm(x))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        return value / self._w() if self._w() > 0 else math.inf

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return []

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._shrink)

    def _shrink(self, x: Array, p: Array | None, y: Array) -> None:
        for out, image in zip(x, y, strict=True):
            u, s, vt = _svd(image)
            # less what is taken away: nothing is where the weight is 0, and nothing is left beyond the largest
            out[...] = image - (u * np.minimum(s, self._w())) @ vt if s[0] > self._w() else 0.0
        if p is not None:
            p[...] = y
            self._project(p)


def _svd(image: Array) -> tuple[Array, Array, Array]:
    """The singular value decomposition in float64, singular values falling."""
    u, s, vt = np.linalg.svd(image.astype(np.float64, copy=False), full_matrices=False)
    return u, s, vt
