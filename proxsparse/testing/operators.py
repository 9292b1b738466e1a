"""What an operator of one's own has to hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays.kinds import is_own
from ..arrays.numbers import total
from ..arrays.roundoff import norm
from ..operators import Composition, Operator, once

#: how far, relative, what must be equal may be apart: by the rounding of the type
ROUNDING = {np.dtype(np.float32): 1e-4, np.dtype(np.float64): 1e-9}
#: products that look for the norm
POWER = 30


def check_operator(operator: Operator, shape: tuple[int, ...], rng: np.random.Generator | None = None) -> None:
    """Check that an operator is linear, that its adjoint is one, and its bound on the norm, on random images of that shape.

    Parameters
    ----------
    operator : Operator
        A.
    shape : tuple of int
        Of x.
    rng : numpy.random.Generator, optional
        Where the images are drawn from; seeded with 0 by default.

    Raises
    ------
    AssertionError
        Something is wrong; the message names the method, by how much, the shape and the type.

    See Also
    --------
    check_penalty : The same for penalties.

    Examples
    --------
    >>> from proxsparse import Blur
    >>> from proxsparse.testing import check_operator
    >>> check_operator(Blur.gaussian(1.0), (16, 17))
    """
    rng = np.random.default_rng(0) if rng is None else rng
    for dtype in (np.float32, np.float64):
        for told in _of_operator(operator, tuple(shape), np.dtype(dtype), rng):
            raise AssertionError(f"{type(operator).__name__} on images of shape {tuple(shape)} in {np.dtype(dtype)}: {told}")


def require_adjoint(operator: Any, shape: tuple[int, ...]) -> None:
    """Raise ValueError where the adjoint of an operator of the user's own, or of one inside a composition, is none."""
    if isinstance(operator, Composition):
        require_adjoint(operator.before, shape)
        require_adjoint(operator.after, operator.before.output_shape(shape))
    elif operator is not None and not is_own(type(operator)):
        once(operator, f"adjoint {shape}", lambda: _refuse_no_adjoint(operator, shape))


def _refuse_no_adjoint(operator: Operator, shape: tuple[int, ...]) -> float:
    """Raise ValueError where the products of the operator are not adjoint; else 0."""
    for told in _adjoint_of_operator(operator, shape, np.dtype(np.float64), np.random.default_rng(0)):
        raise ValueError(f"{type(operator).__name__} on images of shape {shape}: {told}")
    return 0.0


def _adjoint_of_operator(
    operator: Operator, shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator
) -> Iterator[str]:
    near = max(ROUNDING[dtype], 1e-6)
    x = rng.standard_normal(shape).astype(dtype)
    image = np.asarray(operator.forward(x))
    if image.shape != operator.output_shape(shape):
        yield f"forward gives shape {image.shape}, output_shape says {operator.output_shape(shape)}"
        return
    q = rng.standard_normal(image.shape).astype(dtype)
    back = np.asarray(operator.adjoint(q, shape))
    if back.shape != shape:
        yield f"adjoint gives shape {back.shape}, the image has {shape}"
        return
    left, right = total(image.astype(np.float64) * q), total(x.astype(np.float64) * back)
    if not abs(left - right) <= near * norm(image) * norm(q):
        yield f"the adjoint is not one: <Ax, q> = {left:.6g}, <x, A^T q> = {right:.6g}"
    square, product = total(np.square(image, dtype=np.float64)), total(x.astype(np.float64) * operator.adjoint(image, shape))
    if not abs(square - product) <= near * square:
        yield f"the adjoint is not one: <Ax, Ax> = {square:.6g}, <x, A^T A x> = {product:.6g}"


def _of_operator(operator: Operator, shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator) -> Iterator[str]:
    yield from _adjoint_of_operator(operator, shape, dtype, rng)
    near = max(ROUNDING[dtype], 1e-6)
    x, other = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    image = np.asarray(operator.forward(x))
    if image.dtype != dtype or np.asarray(operator.adjoint(image, shape)).dtype != dtype:
        yield f"the products do not keep the type of the image: {image.dtype}"
    if operator.output_shape(operator.input_shape(image.shape)) != image.shape:
        yield f"input_shape({image.shape}) is {operator.input_shape(image.shape)}, which A maps on another shape"
    apart = 2 * image + np.asarray(operator.forward(other))
    if norm(np.asarray(operator.forward(2 * x + other)) - apart) > near * norm(apart):
        yield "forward is not linear"
    v, largest = x.astype(np.float64), 0.0
    for _ in range(POWER):
        length = norm(v)
        if length == 0:
            break
        v = np.asarray(operator.adjoint(np.asarray(operator.forward(v / length)), shape))
        largest = max(largest, norm(v))
    bound = operator.norm_squared(shape)
    if largest > bound * (1 + 1e-6):
        yield f"norm_squared = {bound:.6g} is no bound: ||A||^2 >= {largest:.6g}"
    gram = operator.gram(shape)
    if gram is not None:
        # A^T A u = A^T A x has the solution x, but for what A does not see
        right = np.asarray(operator.adjoint(image, shape), np.float64)[None]
        u = gram.solve(right)[0]
        again = np.asarray(operator.adjoint(np.asarray(operator.forward(u)), shape))
        if norm(again - right[0]) > 1e-3 * norm(right):
            yield f"gram is not A^T A: A^T A (gram^-1 b) is off b by {norm(again - right[0]) / norm(right):.2g}"
    if not math.isfinite(bound):
        yield "norm_squared is not finite"
