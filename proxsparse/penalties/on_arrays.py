"""Penalties on a user's arrays: value, map, ball and proximal operator, in any layout and units."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..arrays.kinds import is_own
from ..arrays.layout import canonical_shape, from_canonical, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float, power_of_two_scale, require_finite
from ..dual.prox import ProxResult, max_weight, prox
from ..dual.term import Term
from .formulas import Bounds

if TYPE_CHECKING:
    from .base import Penalty


#: the most pixels of images for whose shape a term is kept: many small ones may follow
_KEPT = 1 << 16
_bound = functools.lru_cache(maxsize=16)(Term)


class OnArrays(Bounds):
    """What a penalty does with the arrays that it is given: they are checked, and answered in their own layout."""

    def bind(self, shape: tuple[int, ...]) -> Term:
        """Return the penalty on images ``(channels, *spatial)`` of that shape, as the solvers see it; of a sum, part by part.

        Raises
        ------
        ValueError
            Where the penalty does not fit such images.
        """
        # classes of one's own may hold what changes
        small = math.prod(shape) <= _KEPT and is_own(type(self))
        return _bound(self._own, shape) if small else Term(self._own, shape)

    @property
    def _own(self) -> Penalty:
        return cast("Penalty", self)

    def _dual_axis(self, channel_axis: int | None, ndim: int) -> int | None:
        """The axis of the channels in a dual of `ndim` axes, those before the image's not counted."""
        last = ndim - self._leading_axes - 1
        return channel_axis if channel_axis is None else min(channel_axis, last) if self._image_like else last

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
        scaled = self._own if scale == 1 else self._own._rescaled(scale, 1)
        x = x * x.dtype.type(scale)
        return scaled.bind(x.shape).value(x) / scale

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
            return prox(self._own, v, step, bounds, channel_axis, tol, maxiter, full_output)

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
        return max_weight(self._own, y * scale) / scale
