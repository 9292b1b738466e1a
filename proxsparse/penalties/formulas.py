"""What a penalty says to the solvers: P(x) = w h(Kx), through its map K, the adjoint, the norm h and the ball of its duals.

The methods with a leading underscore are what a class of penalties writes, on arrays (channels, *spatial) of any shape; see
docs/add-a-penalty.md. The solvers see them through `Penalty.bind`, on images of one shape.
"""

from __future__ import annotations

import abc
import math
from typing import Any, ClassVar

import numpy as np

from ..arrays.checks import representable
from ..arrays.numbers import Array
from ..arrays.roundoff import UNIT, norm, transform_roundings
from ..dual.term import Exact, Fused, Half, Partition, dual_step
from ..linear.diagonal import Diagonalised


class Formulas(abc.ABC):
    """The formulas of one penalty: seven that it must write, and what may be known beside."""

    weight: float | None

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
    #: whether K copies pixels and multiplies them, and nothing else: each number of K x is then right but for its own rounding
    _selects_pixels: ClassVar[bool] = False
    #: axes of the dual before (channels, *spatial)
    _leading_axes: ClassVar[int] = 0
    #: whether the dual has the image's spatial axes, among which channels keep their place; elsewhere they come last
    _image_like: ClassVar[bool] = True

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

    def _w(self) -> float:
        """The weight; raises ValueError where the penalty has none."""
        if self.weight is None:
            raise ValueError(f"{self!r} has no weight: give one, as in {type(self).__name__}(0.1)")
        return self.weight

    def _radius(self, p: Array, factor: float = 1.0, size: int = 1) -> Any:
        """The ball's radius in p's dtype, less the rounding of a group of `size` numbers: feasible in fact."""
        return representable(self._w() * factor * (1.0 - (4.0 + size / 4.0) * float(np.finfo(p.dtype).eps)), p.dtype)

    def _analysed(self, x: Array) -> Array:
        """K x in float64."""
        z = np.empty(self._dual_shape(x.shape))
        self._analysis(z, x.astype(np.float64, copy=False))
        return z

    # -- what a subclass may write ---------------------------------------------------------------------------------

    def _conjugate(self, p: Array) -> float:
        """c(p), where P(x) = max over the ball of <p, Kx> - c(p); c(t p) = t^2 c(p)."""
        return 0.0

    def _prox_conjugate(self, p: Array, sigma: float) -> None:  # noqa: B027
        """p = argmin over q of 1/2 |q - p|^2 + sigma c(q), in place; `_project` then makes it the same in the ball."""

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


class Bounds(Formulas):
    """How large a penalty and its numbers can be, from its formulas: what certificates add for rounding, and how far they look.

    A class may know better than these.
    """

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
