"""The matrices A^T A and K^T K where a division or a fast transform inverts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ._arrays import Array

Domain = Literal["uniform", "pixel", "dct", "fft"]


@dataclass(frozen=True, eq=False)
class Gram:
    """A symmetric positive semidefinite map on (channels, *spatial) that is diagonal in a known domain.

    domain is "uniform" (a multiple of the identity), "pixel", "dct" (DCT-II of the spatial axes) or "fft"
    (real FFT of the spatial axes); eigenvalues is a number or an array that broadcasts in that domain.
    """

    domain: Domain
    eigenvalues: Any

    def __add__(self, other: Gram) -> Gram | None:
        """The sum where both are diagonal in one domain, else None."""
        if "uniform" in (self.domain, other.domain) or self.domain == other.domain:
            domain = other.domain if self.domain == "uniform" else self.domain
            return Gram(domain, self.eigenvalues + other.eigenvalues)
        return None

    def __mul__(self, factor: float) -> Gram:
        return Gram(self.domain, factor * self.eigenvalues)

    def solve(self, rhs: Array) -> Array:
        """The least-norm u with (this) u = rhs; components in the null space of this map are dropped."""
        axes = tuple(range(1, rhs.ndim))
        if self.domain in ("uniform", "pixel"):
            return _divide(rhs, self.eigenvalues)
        import scipy.fft

        spectrum: Array
        if self.domain == "dct":
            spectrum = scipy.fft.dctn(rhs, axes=axes, norm="ortho")
            return np.asarray(scipy.fft.idctn(_divide(spectrum, self.eigenvalues), axes=axes, norm="ortho"))
        spectrum = scipy.fft.rfftn(rhs, axes=axes)
        return np.asarray(scipy.fft.irfftn(_divide(spectrum, self.eigenvalues), s=rhs.shape[1:], axes=axes))


def _divide(values: Array, eigenvalues: Any) -> Array:
    eigenvalues = np.asarray(eigenvalues)
    # Neumann Laplacians have an eigenvalue that is 0 up to rounding: the constants.
    null = eigenvalues <= 1e-14 * np.max(eigenvalues, initial=0.0)
    safe = np.where(null, 1.0, eigenvalues).astype(values.real.dtype)
    quotient: Array = values / safe
    return np.where(null, values.dtype.type(0), quotient) if null.any() else quotient
