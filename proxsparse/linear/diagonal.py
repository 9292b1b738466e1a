"""The matrices A^T A and K^T K where a division or a fast transform inverts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..arrays.numbers import Array, total

Domain = Literal["uniform", "pixel", "dct", "fft"]


@dataclass(frozen=True, eq=False)
class Diagonalised:
    """A symmetric positive semidefinite map on (channels, *spatial) that is diagonal in a known domain.

    domain is "uniform" (a multiple of the identity), "pixel", "dct" (DCT-II of the spatial axes) or "fft"
    (real FFT of the spatial axes); eigenvalues is a number or an array that broadcasts in that domain.
    """

    domain: Domain
    eigenvalues: Any
    _inverses: dict[np.dtype[Any], Array] = field(default_factory=dict, repr=False)

    def __add__(self, other: Diagonalised) -> Diagonalised | None:
        """The sum where both are diagonal in one domain, else None."""
        if "uniform" in (self.domain, other.domain) or self.domain == other.domain:
            domain = other.domain if self.domain == "uniform" else self.domain
            return Diagonalised(domain, self.eigenvalues + other.eigenvalues)
        return None

    def __mul__(self, factor: float) -> Diagonalised:
        return Diagonalised(self.domain, factor * self.eigenvalues)

    def solve(self, rhs: Array) -> Array:
        """The least-norm u with (this) u = rhs; components in the null space of this map are dropped."""
        axes = tuple(range(1, rhs.ndim))
        inverse = self._inverse(rhs.dtype)
        if self.domain in ("uniform", "pixel"):
            return np.asarray(rhs * inverse)
        import scipy.fft

        spectrum: Array
        if self.domain == "dct":
            spectrum = scipy.fft.dctn(rhs, axes=axes, norm="ortho")
            spectrum *= inverse
            return np.asarray(scipy.fft.idctn(spectrum, axes=axes, norm="ortho", overwrite_x=True))
        spectrum = scipy.fft.rfftn(rhs, axes=axes)
        spectrum *= inverse
        return np.asarray(scipy.fft.irfftn(spectrum, s=rhs.shape[1:], axes=axes, overwrite_x=True))

    def _inverse(self, dtype: np.dtype[Any]) -> Array:
        """1 / eigenvalues, 0 in the null space; kept, for a map that is inverted many times."""
        if dtype not in self._inverses:
            eigenvalues = np.asarray(self.eigenvalues, np.float64)
            # Neumann Laplacians have an eigenvalue that is 0 up to rounding: the constants.
            null = eigenvalues <= 1e-14 * np.max(eigenvalues, initial=0.0)
            inverse = np.divide(1.0, eigenvalues, out=np.zeros_like(eigenvalues), where=~null)
            self._inverses[dtype] = inverse.astype(dtype)
        return self._inverses[dtype]


def conjugate_gradients(
    system: Callable[[Array], Array], rhs: Array, start: Array, near: Diagonalised, share: float, least: float, most: int
) -> tuple[Array, int]:
    """A v with ``system(v) = rhs``, preconditioned by what is near to the system, and the iterations taken.

    Ends where the residual's square is at most `share` of the first one's or at most `least`, and where the system shows no
    more curvature. Hestenes & Stiefel 1952.
    """
    v, nit = start.copy(), 0
    residual = rhs - system(v)
    enough = max(share * total(np.square(residual)), least)
    direction = z = near.solve(residual)
    slope = total(residual * z)
    while nit < most and slope > 0 and total(np.square(residual)) > enough:
        nit += 1
        image = system(direction)
        curvature = total(direction * image)
        if not curvature > 0:
            break
        step = v.dtype.type(slope / curvature)
        v += step * direction
        residual = residual - step * image
        z = near.solve(residual)
        slope, last = total(residual * z), slope
        direction = z + v.dtype.type(slope / last) * direction
    return v, nit


def neumann_laplacian(shape: tuple[int, ...], scales: Array | None = None) -> Array:
    """The eigenvalues under the DCT-II of K^T K for forward differences of images (channels, *spatial), scaled axis by axis."""
    eigenvalues: Any = np.zeros((1,) * (len(shape) - 1))
    for axis, n in enumerate(shape[1:]):
        one = (2.0 * np.sin(np.pi * np.arange(n) / (2 * n)) * (1.0 if scales is None else scales[axis])) ** 2
        eigenvalues = eigenvalues + one.reshape([n if a == axis else 1 for a in range(len(shape) - 1)])
    return np.asarray(eigenvalues)
