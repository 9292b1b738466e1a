"""What a data term of one's own has to hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import norm
from ..data_terms import DataTerm
from .operators import ROUNDING

#: how far, relative, differences of values may be from what a gradient says of them
_SLOPE = 1e-4


def check_data_term(term: DataTerm, shape: tuple[int, ...], rng: np.random.Generator | None = None) -> None:
    """Check that a data term is convex, and its gradient, conjugate and proximal point its own, on random images.

    Parameters
    ----------
    term : DataTerm
        D, as it is given to `proxsparse.solve`.
    shape : tuple of int
        Of images.
    rng : numpy.random.Generator, optional
        Where the images are drawn from; seeded with 0 by default.

    Raises
    ------
    AssertionError
        Something is wrong; the message names the method, and by how much.

    See Also
    --------
    check_penalty : The same for penalties.

    Examples
    --------
    >>> from proxsparse import Huber
    >>> from proxsparse.testing import check_data_term
    >>> check_data_term(Huber(0.3), (6, 7))
    """
    rng = np.random.default_rng(0) if rng is None else rng
    for weighted in (False, True):
        for dtype in (np.float32, np.float64):
            draw = _Sample(term, (1, *shape), np.dtype(dtype), rng, weighted)
            for check in _EVERY:
                for told in check(draw):
                    on = f"on images of shape {shape} in {np.dtype(dtype)}, {'with' if weighted else 'without'} weights"
                    raise AssertionError(f"{type(term).__name__} {on}: {told}")


class _Sample:
    """A data term bound to an image and weights, and images inside its domain."""

    def __init__(
        self, term: DataTerm, shape: tuple[int, ...], dtype: np.dtype[Any], rng: np.random.Generator, weighted: bool
    ) -> None:
        self.rng, self.shape, self.dtype, self.near = rng, shape, dtype, ROUNDING[dtype]
        m = None
        if weighted:
            m = rng.uniform(0.2, 2.0, shape).astype(dtype)
            m.reshape(-1)[::5] = 0
        y = rng.standard_normal(shape).astype(dtype)
        try:
            term.check(y, m)
        except ValueError:
            # of counts
            y = np.abs(y)
        self.given, self.y, self.m = term, y, m
        self.term = term.bind(y, m)
        self.seen = np.ones(shape, bool) if m is None else m > 0

    def image(self) -> Array:
        """An image where D is finite."""
        z = self.term.nearest_inside(self.y + 0.5 * self.rng.standard_normal(self.shape))
        return np.asarray(z + 0.05 if not self.term.everywhere else z, np.float64)

    def direction(self) -> Array:
        return self.rng.standard_normal(self.shape)

    def dual(self) -> Array:
        """A dual inside the domain of D*, 0 where nothing was measured."""
        q = self.term.project(np.where(self.seen, self.rng.standard_normal(self.shape), 0.0))
        return np.asarray(0.9 * q if self.term.gauge(q) > 0 else q)


def _values(draw: _Sample) -> Iterator[str]:
    term, z, other = draw.term, draw.image(), draw.image()
    values = np.broadcast_to(term.values(z), draw.shape)
    if not (values >= 0).all():
        yield f"values are negative: {float(values.min()):.6g}"
    if values[~draw.seen].any():
        yield "values are not 0 where nothing was measured"
    if abs(total(values) - term.value(z)) > draw.near * term.value(z):
        yield f"value is {term.value(z):.6g}, the sum of values {total(values):.6g}"
    # pixel by pixel, which sees what sums hide
    above = term.values((z + other) / 2) - (values + term.values(other)) / 2
    if (above > draw.near * (values + term.values(other) + 1)).any():
        yield f"D is not convex: between two images a pixel has {float(np.max(above)):.6g} more than they on average"
    twice = draw.given.scaled(2.0).bind(2 * draw.y, draw.m).value(2 * z)
    if abs(twice - 2**term.degree * term.value(z)) > 10 * draw.near * twice:
        yield f"scaled(2) does not make 2^degree of the value: {twice:.6g}, and degree is {term.degree}"
    if term.value(np.asarray(term.nearest, np.float64)) > term.value(z) * (1 + draw.near):
        yield f"nearest is not the image of least D: it has {term.value(np.asarray(term.nearest, np.float64)):.6g}"


def _gradient(draw: _Sample) -> Iterator[str]:
    term, z, u = draw.term, draw.image(), draw.image()
    g = np.broadcast_to(term.gradient(z), draw.shape)
    below = term.values(z) + g * (u - z) - term.values(u)
    if (below > 10 * draw.near * (term.values(u) + term.values(z) + 1)).any():
        yield f"gradient is no subgradient: in a pixel D falls below the tangent by {float(np.max(below)):.6g}"
    if not term.smooth:
        return
    v, step = draw.direction(), 1e-5
    slope = (term.value(z + step * v) - term.value(z - step * v)) / (2 * step)
    if abs(slope - total(g * v)) > _SLOPE * (total(np.abs(g * v)) + 1):
        yield f"gradient is not that of value: <g, v> = {total(g * v):.6g}, differences say {slope:.6g}"
    h = np.broadcast_to(term.gradient(u), draw.shape)
    along, square = total((h - g) * (u - z)), total(np.square(u - z))
    if along > term.lipschitz * square * (1 + 1e-6):
        yield f"lipschitz = {term.lipschitz:.6g} is no bound: the gradient changes by {along / square:.6g} of the way"
    if along < term.mu * square * (1 - 1e-6):
        yield f"mu = {term.mu:.6g} is too large: the gradient changes by {along / square:.6g} of the way"


def _conjugate(draw: _Sample) -> Iterator[str]:
    term, z, q = draw.term, draw.image(), draw.dual()
    if term.gauge(term.project(3 * q)) > 1 + 10 * draw.near:
        yield f"project leaves the domain of the conjugate: its gauge is {term.gauge(term.project(3 * q)):.6g}"
    for t in (1.0, 0.5):
        own, product = term.conjugate(t * q), t * total(q * z)
        if term.value(z) + own < product - 10 * draw.near * (term.value(z) + abs(own) + abs(product)):
            yield f"the conjugate is too small: D(z) + D*(q) = {term.value(z) + own:.6g} < <q, z> = {product:.6g}"
    if not term.smooth:
        return
    g = np.where(draw.seen, term.gradient(z), 0.0)
    value, product = term.value(z) + term.conjugate(g), total(g * z)
    if math.isfinite(value) and abs(value - product) > 100 * draw.near * (term.value(z) + total(np.abs(g * z)) + 1):
        yield f"the conjugate is not that of value: D(z) + D*(grad D) = {value:.6g}, <grad D, z> = {product:.6g}"


def _minima(draw: _Sample) -> Iterator[str]:
    term, v, tau, c = draw.term, draw.image().astype(draw.dtype), 0.7, -0.5 * draw.dual()

    def _proximal(u: Array) -> Array:
        return np.asarray(0.5 * np.square(np.subtract(u, v, dtype=np.float64)) + tau * term.values(u))

    def _tilted(u: Array) -> Array:
        return np.asarray(term.values(u) + c * u)

    found: list[tuple[str, Any, Callable[[Array], Array]]] = [
        ("prox", term.prox(v, tau), _proximal),
        ("lowest", term.lowest(c), _tilted),
    ]
    for name, point, objective in found:
        point = np.asarray(point, np.float64)
        inside = np.isfinite(point)
        point = np.where(inside, point, draw.y)
        own = objective(point)
        for step in (0.1, -0.1, 0.01, -0.01):
            # pixel by pixel, as all of it is
            lower = np.where(inside, own - objective(point + step), 0.0)
            if (lower > 100 * draw.near * (np.abs(own) + 1)).any():
                yield f"{name} is not the minimiser: {step} further a pixel has {float(np.nanmax(lower)):.6g} less"


def _bounds(draw: _Sample) -> Iterator[str]:
    term, z, q = draw.term, draw.image(), draw.dual()
    length, reach = math.sqrt(total(np.asarray(term.m) * np.square(z))), term.reach(term.value(z))
    if length > reach * (1 + draw.near):
        yield f"reach is too small: an image of that value has length {length:.6g}, it says {reach:.6g}"
    size, own = term.conjugate_size(q), term.conjugate(q)
    if abs(own) > size * (1 + draw.near) + draw.near:
        yield f"conjugate_size is too small: it is {size:.6g}, the conjugate {own:.6g}"
    square, slope, limit = 0.3, 1.7, 1.0
    t, value = term.best_multiple(q, square, slope, limit)

    def _along(t: float) -> float:
        return t * slope - t * t * square - term.conjugate(t * q)

    if not 0 <= t <= limit or abs(value - _along(t)) > 10 * draw.near * (size + 2):
        yield f"best_multiple says {value:.6g} at t = {t:.6g}, where it is {_along(min(max(t, 0.0), limit)):.6g}"
    best = max(_along(s) for s in np.linspace(0, limit, 21))
    if best > value + 10 * draw.near * (size + 2):
        yield f"best_multiple is not the best: {value:.6g}, another multiple has {best:.6g}"
    square_of_it = 0.5 * total(np.asarray(term.m) * np.square(z - draw.y))
    if term.quadratic and abs(square_of_it - term.value(z)) > 10 * draw.near * square_of_it:
        yield f"quadratic is for least squares alone: sum m (z - y)^2 / 2 is {square_of_it:.6g}, the value {term.value(z):.6g}"


def _conjugate_prox(draw: _Sample) -> Iterator[str]:
    term, q, sigma = draw.term, draw.direction().astype(draw.dtype), 0.7
    found = np.asarray(term.conjugate_prox(q.copy(), sigma), np.float64)
    # Moreau's identity
    expected = q - sigma * np.asarray(term.prox((q / draw.dtype.type(sigma)), 1 / sigma), np.float64)
    off = norm(np.where(draw.seen, found - expected, 0.0))
    if off > 10 * draw.near * (norm(q) + norm(draw.y)):
        yield f"conjugate_prox is not q - sigma prox(q / sigma, 1 / sigma): it is off by {off:.2g}"


_EVERY: list[Callable[[_Sample], Iterator[str]]] = [_values, _gradient, _conjugate, _minima, _bounds, _conjugate_prox]
