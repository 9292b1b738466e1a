"""Linear operators A between images: blur, and anything with products by A and its adjoint."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays.kinds import is_own
from ..arrays.numbers import Array
from ..arrays.roundoff import transform_roundings
from ..linear.diagonal import Diagonalised


class Operator(abc.ABC):
    """A linear map on images without a channel axis; where there are channels it works on each by itself."""

    @abc.abstractmethod
    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of A x for x of that shape; raise ValueError where A does not take it."""

    @abc.abstractmethod
    def forward(self, x: Array) -> Array:
        """Return A x."""

    @abc.abstractmethod
    def adjoint(self, q: Array, shape: tuple[int, ...]) -> Array:
        """Return A^T q, an image of that shape."""

    @abc.abstractmethod
    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return an upper bound on ||A||^2, or an estimate of it where `norm_is_bound` is False."""

    def norm_bound(self, shape: tuple[int, ...]) -> float:
        """Return an upper bound on ||A||^2, however loose; where nothing but products is known, four times the estimate."""
        return self.norm_squared(shape) * (1.0 if self.norm_is_bound else 4.0)

    #: so that an array times an operator is refused by this class, and not taken apart by NumPy
    __array_ufunc__ = None

    #: whether `norm_squared` is a proven bound; where not, FISTA finds its step by backtracking
    norm_is_bound: bool = True

    def mismatch(self, shape: tuple[int, ...]) -> float:
        """Return how far `forward` and `adjoint` are from being adjoint, relative to ||A||.

        0 for the package's own; else found on random images, once for an operator, as of products in single precision.
        """
        return 0.0 if is_own(type(self)) else once(self, f"mismatch {shape}", lambda: check_adjoint(self, shape))

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of x where A x has that shape."""
        return shape

    def gives_image(self, shape: tuple[int, ...]) -> bool:
        """Return whether A x is an image of the same pixels, whose noise and regions tell something of those of x.

        So it is where A gives as many pixels along each axis and keeps a flat image flat, but for a quarter along each border,
        as blurs do. The noise is then estimated from the image given, and weights are chosen by it.
        """
        if 0 in shape or self.output_shape(shape) != tuple(shape):
            return False
        flat = np.asarray(self.forward(np.ones(shape)))[tuple(slice(n // 4, n - n // 4) for n in shape)]
        level, least = float(flat.flat[0]), 1e-6 * math.sqrt(self.norm_squared(shape))
        return abs(level) > least and bool((np.abs(flat - level) <= 1e-6 * abs(level)).all())

    def __matmul__(self, other: Any) -> Operator:
        """A @ B: first B, then A."""
        return Composition(self, other) if isinstance(other, Operator) else NotImplemented

    def gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """Return A^T A where a transform inverts it, else None."""
        return None

    def product_rounding(self, shape: tuple[int, ...]) -> float:
        """Return a bound on the rounding of a product in float64, in units of 2^-53 and the length of what is multiplied."""
        return transform_roundings(math.prod(shape)) * math.sqrt(self.norm_squared(shape))


@dataclasses.dataclass(frozen=True)
class Composition(Operator):
    """A B: made by ``A @ B``."""

    after: Operator
    before: Operator

    def __repr__(self) -> str:
        return f"{self.after!r} @ {self.before!r}"

    @property
    def norm_is_bound(self) -> bool:  # type: ignore[override]
        """Whether the product of the norms is one of bounds."""
        return self.after.norm_is_bound and self.before.norm_is_bound

    def mismatch(self, shape: tuple[int, ...]) -> float:
        """Return the sum of those of A and B."""
        return self.after.mismatch(self.before.output_shape(shape)) + self.before.mismatch(shape)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of A B x; raise ValueError where A or B does not take what it gets."""
        return self.after.output_shape(self.before.output_shape(shape))

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of x where A B x has that shape."""
        return self.before.input_shape(self.after.input_shape(shape))

    def forward(self, x: Array) -> Array:
        """Return A (B x)."""
        return self.after.forward(self.before.forward(x))

    def adjoint(self, q: Array, shape: tuple[int, ...]) -> Array:
        """Return B^T (A^T q), an image of that shape."""
        return self.before.adjoint(self.after.adjoint(q, self.before.output_shape(shape)), shape)

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return the product of the bounds on both norms."""
        return self.after.norm_squared(self.before.output_shape(shape)) * self.before.norm_squared(shape)

    def norm_bound(self, shape: tuple[int, ...]) -> float:
        """Return the product of the bounds on both norms."""
        return self.after.norm_bound(self.before.output_shape(shape)) * self.before.norm_bound(shape)

    def gives_image(self, shape: tuple[int, ...]) -> bool:
        """Return whether B x is an image of the same pixels, and A of that."""
        return self.before.gives_image(shape) and self.after.gives_image(shape)

    def product_rounding(self, shape: tuple[int, ...]) -> float:
        """Return that of each product, by the length that the other one gives it."""
        between = self.before.output_shape(shape)
        first = self.before.product_rounding(shape) * math.sqrt(self.after.norm_bound(between))
        return first + self.after.product_rounding(between) * math.sqrt(self.before.norm_bound(shape))

    def gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """Return B^T A^T A B where both are diagonal under one cosine or Fourier transform."""
        one, other = self.after.gram(self.before.output_shape(shape)), self.before.gram(shape)
        if one is None or other is None or one.domain != other.domain or one.domain not in ("dct", "fft"):
            return None
        return Diagonalised(one.domain, one.eigenvalues * other.eigenvalues)


#: by the id of an operator that lives: what takes products to find, name -> its fingerprint, the number
_FOUND: dict[int, dict[str, tuple[bytes, float]]] = {}


@functools.cache
def _scipys_of_a_matrix() -> Any:
    """SciPy's class for the products of a matrix."""
    import scipy.sparse.linalg

    return type(scipy.sparse.linalg.aslinearoperator(np.eye(1)))


def entries_of(matrix: Any) -> Any:
    """The matrix, dense or sparse, whose products a LinearOperator is; None where it is no matrix."""
    # a LinearOperator of another kind may keep a matrix that is not all it multiplies by
    return matrix.A if type(matrix) is _scipys_of_a_matrix() else None


def once(matrix: Any, name: str, find: Callable[[], float]) -> float:
    """The number, found once for an operator; of a matrix, which may be written into, while a product stays the same."""
    mark = b""
    if entries_of(matrix) is not None:
        mark = np.asarray(matrix.matvec(np.linspace(1.0, 2.0, matrix.shape[1]))).tobytes()
    if id(matrix) not in _FOUND:
        try:
            weakref.finalize(matrix, _FOUND.pop, id(matrix), None)
        except TypeError:
            # not to be referred to weakly
            return find()
    found = _FOUND.setdefault(id(matrix), {})
    if name not in found or found[name][0] != mark:
        found[name] = mark, find()
    return found[name][1]


def check_adjoint(operator: Operator, shape: tuple[int, ...]) -> float:
    """By how much, relative, the products were found not to be those of a matrix and its transpose; raises where by much."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape)
    q = rng.standard_normal(operator.output_shape(shape))
    try:
        left, right = operator.forward(x) * q, x * operator.adjoint(q, shape)
    except NotImplementedError:
        raise ValueError("the operator has no adjoint: give a LinearOperator with rmatvec") from None
    scale = float(np.abs(left).sum() + np.abs(right).sum())
    # single precision inside the operator is allowed
    if not abs(float(left.sum() - right.sum())) <= 1e-5 * scale:
        raise ValueError(f"the adjoint is not one: <Ax, q> = {left.sum():.6g} but <x, A^T q> = {right.sum():.6g}")
    # products of random images nearly cancel and hide a wrong scale; ||Ax||^2 does not
    image = operator.forward(x)
    square, product = float(np.sum(image * image)), float(np.sum(x * operator.adjoint(image, shape)))
    if not abs(square - product) <= 1e-4 * square:
        raise ValueError(f"the adjoint is not one: <Ax, Ax> = {square:.6g} but <x, A^T A x> = {product:.6g}")
    found = max(abs(float(left.sum() - right.sum())) / (scale or 1.0), abs(square - product) / (square or 1.0))
    # of double precision it is the rounding of the sums
    return 0.0 if found < 1e-13 else 4 * found
