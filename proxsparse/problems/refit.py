"""Contrast given back: what shrinkage took away from an answer, on the structure that the answer shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays.numbers import Array, total
from ..linear.diagonal import Diagonalised, conjugate_gradients
from .problem import Problem

#: how far along the residual the answer is differentiated, and to what accuracy it is solved there
STEP, ACCURACY = 0.1, 1e-6


def refit(problem: Problem, x: Array, solved: Callable[[Array], Array]) -> Array:
    """The image refitted: x of the problem, `solved` the accurate answer for another image given in y's place.

    Least squares on the support and on the flat regions where all parts show theirs (L1, groups, anisotropic total variation);
    else covariant refitting.
    """
    kinds = {q.structure for q in problem.terms if q.weight > 0}
    if "" in kinds:
        return problem.clip(_covariant(problem, solved))
    return problem.clip(_on_pieces(problem, x, _pieces(x, "support" in kinds, "regions" in kinds)))


def _pieces(x: Array, zeros: bool, regions: bool) -> Array:
    """The piece of each pixel: a flat region, or the pixel alone; -1 where it is zero and zeros stay."""
    from skimage.measure import label

    if regions:
        # pixels of one channel that touch and are equal
        ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape) + 1
        pieces, found = np.empty(x.shape, np.int64), 0
        for channel, own in zip(ranks, pieces, strict=True):
            own[...] = label(channel, connectivity=1, background=0) + found - 1
            found = int(own.max()) + 1
    else:
        pieces = np.arange(x.size).reshape(x.shape)
    return np.where(x == 0, -1, pieces) if zeros else pieces


def _on_pieces(problem: Problem, x: Array, pieces: Array) -> Array:
    """Least squares over the images that are constant on each piece and 0 where there is none."""
    kept = pieces >= 0
    if not kept.any():
        return np.zeros_like(x)
    names, index = np.unique(pieces[kept], return_inverse=True)
    n, m = len(names), problem.data.m

    def _spread(values: Array) -> Array:
        image = np.zeros(problem.shape)
        image[kept] = values[index]
        return image

    def _summed(image: Array) -> Array:
        return np.bincount(index, image[kept], n)

    # the answer's own values, which pieces without a measured pixel keep
    start = _summed(x.astype(np.float64)) / _summed(np.ones(problem.shape))
    rhs = _summed(np.asarray(problem.adjoint(np.asarray(m * problem.y, np.float64))))
    if problem.operator is None:
        weights = _summed(np.broadcast_to(np.asarray(m, np.float64), problem.shape))
        return _spread(np.divide(rhs, weights, out=start, where=weights > 0)).astype(problem.dtype)

    def _normal(values: Array) -> Array:
        return _summed(np.asarray(problem.adjoint(m * problem.forward(_spread(values)))))

    least = 1e-16 * total(np.square(rhs))
    solution, _ = conjugate_gradients(_normal, rhs, start, Diagonalised("uniform", 1.0), 0.0, least, 500)
    return _spread(solution).astype(problem.dtype)


def _covariant(problem: Problem, solved: Callable[[Array], Array]) -> Array:
    """x + rho J d, d = y - A x, J the derivative of the answer by the image given, rho = <A J d, d> / |A J d|^2.

    Deledalle, Papadakis, Salmon & Vaiter, SIAM J. Imaging Sci. 2017, definition 3; J d by a finite difference of two answers.
    """
    x = solved(problem.y).astype(np.float64)
    left = problem.y - problem.forward(x)
    moved = solved((problem.y + STEP * left).astype(problem.dtype)).astype(np.float64)
    change = (moved - x) / STEP
    seen = problem.forward(change)
    square = total(problem.data.m * np.square(seen))
    rho = total(problem.data.m * seen * left) / square if square > 0 else 0.0
    return np.asarray(x + rho * change).astype(problem.dtype)
