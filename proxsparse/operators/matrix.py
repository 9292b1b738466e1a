"""Operators given by a matrix, or by products: what `as_operator` makes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float
from .base import Operator, check_adjoint, entries_of, once


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MatrixOperator(Operator):
    """A linear operator given by its products: made by `as_operator`."""

    matrix: Any
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    norm_is_bound = False

    def __repr__(self) -> str:
        entries = entries_of(self.matrix)
        matrix = self.matrix if entries is None else entries
        text = f"np.array({matrix.tolist()!r})" if isinstance(matrix, np.ndarray) else repr(matrix)
        return f"as_operator({text}, {self.in_shape}, {self.out_shape})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MatrixOperator):
            return NotImplemented
        if (self.in_shape, self.out_shape) != (other.in_shape, other.out_shape):
            return False
        a, b = (entries_of(op.matrix) for op in (self, other))
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return np.array_equal(a, b)
        return self.matrix is other.matrix if a is None else a is b

    def __hash__(self) -> int:
        return hash((self.in_shape, self.out_shape))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of A x; raise ValueError where A does not take x."""
        if tuple(shape) != self.in_shape:
            raise ValueError(f"the operator takes images of shape {self.in_shape}, got {tuple(shape)}")
        return self.out_shape

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of x where A x has that shape."""
        if tuple(shape) != self.out_shape:
            raise ValueError(f"the operator gives images of shape {self.out_shape}, but the image given has {tuple(shape)}")
        return self.in_shape

    def forward(self, x: Array) -> Array:
        """Return A x."""
        return self._product(self.matrix.matvec, x, self.out_shape)

    def adjoint(self, q: Array, shape: tuple[int, ...] | None = None) -> Array:
        """Return A^T q."""
        entries = entries_of(self.matrix)
        # not the transpose of SciPy's operator, which is a copy that stays what it was where the matrix is written into
        return self._product(self.matrix.rmatvec if entries is None else entries.T.dot, q, self.in_shape)

    @staticmethod
    def _product(product: Any, x: Array, shape: tuple[int, ...]) -> Array:
        x = as_float(x, "the image")
        result = np.asarray(product(x.reshape(-1))).reshape(shape)
        if np.iscomplexobj(result):
            raise TypeError("the operator returned complex numbers; proxsparse works on real images")
        # a fresh array: an operator may return its own memory
        return np.array(result, dtype=x.dtype)

    def mismatch(self, shape: tuple[int, ...]) -> float:
        """Return how far the products are from being adjoint, relative to ||A||; found once for a LinearOperator."""
        return once(self.matrix, "mismatch", lambda: check_adjoint(self, self.in_shape))

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return an estimate of ||A||^2: 5 % above what 30 steps of the power iteration found, once for an operator."""
        return once(self.matrix, "norm", self._estimated_norm)

    def norm_bound(self, shape: tuple[int, ...]) -> float:
        """Return the square of the Frobenius norm of a matrix; of products alone four times the estimate."""
        entries = entries_of(self.matrix)
        if entries is None:
            return super().norm_bound(shape)

        def square() -> float:
            if isinstance(entries, np.ndarray):
                numbers = entries
            else:
                # numbers of one place add up
                own = entries.tocsr().astype(np.float64)
                own.sum_duplicates()
                numbers = own.data
            return float(np.sum(np.square(numbers, dtype=np.float64))) * (1 + 1e-9)

        return once(self.matrix, "bound", square)

    def _estimated_norm(self) -> float:
        x = np.random.default_rng(0).standard_normal(self.in_shape)
        largest = 0.0
        for _ in range(30):
            size = math.sqrt(float(np.sum(x * x)))
            if size == 0:
                break
            x = self.adjoint(self.forward(x / size))
            largest = math.sqrt(float(np.sum(x * x)))
        return 1.05 * largest


def as_operator(operator: Any, in_shape: tuple[int, ...] | None = None, out_shape: tuple[int, ...] | None = None) -> Operator:
    """Return `operator` as a proxsparse operator between images.

    Parameters
    ----------
    operator : Operator, array, sparse matrix or LinearOperator
        A proxsparse operator comes back unchanged. The products of a LinearOperator are taken to stay what they are: its norm
        is found once. A matrix, or anything with `shape`, `matvec` and `rmatvec` (scipy's
        LinearOperator, PyLops), works on the flattened image.
    in_shape, out_shape : tuple of int, optional
        Shapes of x and of A x. Left out they are read from `dims` and `dimsd` (PyLops).

    Raises
    ------
    TypeError
        The operator has no products, or complex ones.
    ValueError
        The shapes do not fit; the operator has no adjoint, or one that is not its adjoint: ``<A x, q> = <x, A^T q>`` is
        checked on seeded random images.
    """
    if isinstance(operator, Operator):
        return operator
    import scipy.sparse.linalg

    dims, dimsd = getattr(operator, "dims", None), getattr(operator, "dimsd", None)
    if in_shape is None and dims is not None and dimsd is not None:
        in_shape, out_shape = tuple(dims), tuple(dimsd) if out_shape is None else out_shape
    try:
        matrix = scipy.sparse.linalg.aslinearoperator(operator)
    except TypeError:
        raise TypeError(
            f"operator must be a matrix, a LinearOperator or one of proxsparse's operators, got {type(operator).__name__}"
        ) from None
    if np.issubdtype(matrix.dtype or np.float64, np.complexfloating):
        raise TypeError("the operator is complex; proxsparse works on real images")
    rows, columns = matrix.shape
    if in_shape is None or out_shape is None:
        raise ValueError(
            f"an operator of shape {matrix.shape} does not say which images it maps: use as_operator(op, in_shape, out_shape)"
        )
    in_shape, out_shape = tuple(int(n) for n in in_shape), tuple(int(n) for n in out_shape)
    if (rows, columns) != (math.prod(out_shape), math.prod(in_shape)):
        raise ValueError(f"an operator of shape {matrix.shape} does not map images {in_shape} to {out_shape}")
    result = MatrixOperator(matrix, in_shape, out_shape)
    result.mismatch(in_shape)
    return result
