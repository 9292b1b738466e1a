"""Convolution with a kernel: in sums where it is small or a product, by transforms elsewhere."""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
from typing import Any

import numpy as np

from ..arrays.checks import check_number
from ..arrays.numbers import Array, as_float, require_finite
from ..kernels import convolution
from ..linear.diagonal import Diagonalised
from .base import Operator


def _spectrum(kernel: Array, shape: tuple[int, ...]) -> Array:
    """Real FFT of the kernel with its centre at index 0 of an image of that shape."""
    import scipy.fft

    padded = np.zeros(shape)
    padded[tuple(slice(k) for k in kernel.shape)] = kernel
    padded = np.roll(padded, [-(k // 2) for k in kernel.shape], tuple(range(len(shape))))
    return np.asarray(scipy.fft.rfftn(padded))


def _sources(n: int, size: int, boundary: str) -> Array:
    """Where each of n + size - 1 samples comes from, sample i of the image being number i + size - 1 - size // 2; -1: black."""
    at = np.arange(n + size - 1) - (size - 1 - size // 2)
    if boundary == "periodic":
        return at % n
    if boundary == "symmetric":
        return np.minimum(np.maximum(at, -1 - at), 2 * n - 1 - at)
    return np.where((at >= 0) & (at < n), at, -1)


def _separated(kernel: Array) -> list[Array]:
    """Kernels along single axes whose product is the kernel, but for a few roundings of each tap; else the kernel."""
    peak = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    along = [kernel[tuple(slice(None) if a == axis else slice(i, i + 1) for a, i in enumerate(peak))] for axis in range(3)]
    scale = kernel[peak] or 1.0
    first, *others = [own for own in along if own.size > 1] or along[:1]
    factors = [first, *(own / scale for own in others)]
    product = functools.reduce(np.multiply, factors)
    few = 8 * float(np.finfo(np.float64).eps)
    return factors if np.all(np.abs(product - kernel) <= few * np.abs(kernel)) else [kernel]


def _correlated(wide: Array, kernels: list[Array]) -> Array:
    """The array correlated with one kernel after the other, where they lie within it."""
    for kernel in kernels:
        (n, rows, columns), (k, height, width) = wide.shape, kernel.shape
        out = np.empty((n - k + 1, rows - height + 1, columns - width + 1), wide.dtype)
        convolution.correlate(out, wide, kernel)
        wide = out
    return wide


class _Convolution:
    """The products of a kernel with images of one shape, as arrays of three axes."""

    def __init__(self, kernel: Array, boundary: str, shape: tuple[int, ...]) -> None:
        import scipy.fft

        self.shape, self.boundary = shape, boundary
        self.kernel = kernel.reshape((1,) * (3 - kernel.ndim) + kernel.shape)
        self.canonical = (1,) * (3 - len(shape)) + shape
        self.factors = _separated(self.kernel)
        # a tap costs a hundredth of what the transforms do, and they take 30 microseconds more
        self.direct = sum(own.size for own in self.factors) <= 100 + 300_000 / math.prod(shape)
        self.sources = [_sources(n, k, boundary) for n, k in zip(self.canonical, self.kernel.shape, strict=True)]
        before = [k - 1 - k // 2 for k in self.kernel.shape]
        self.inside = tuple(slice(first, first + n) for n, first in zip(self.canonical, before, strict=True))
        if not self.direct:
            more = [scipy.fft.next_fast_len(len(own), real=True) - len(own) for own in self.sources]
            self.sources = [np.append(own, np.full(n, -1)) for own, n in zip(self.sources, more, strict=True)]
        self.wide = tuple(map(len, self.sources))
        # what is correlated with the kernel mirrored lies within zeros
        self.around = tuple(n + k - 1 for n, k in zip(self.wide, self.kernel.shape, strict=True))
        self.within = tuple(slice(k - 1, k - 1 + n) for n, k in zip(self.canonical, self.kernel.shape, strict=True))
        #: ||A||^2 as far as it was asked for
        self.norm_squared: float | None = None
        self._of_type: dict[Any, Any] = {}

    def _prepared(self, dtype: Any) -> Any:
        """The factors of the kernel mirrored and as they are, or its spectrum, in that type."""
        found = self._of_type.get(dtype)
        if found is None:
            if self.direct:
                found = [np.flip(own).astype(dtype) for own in self.factors], [own.astype(dtype) for own in self.factors]
            else:
                found = _spectrum(self.kernel, self.wide).astype(np.result_type(dtype, np.complex64))
            self._of_type[dtype] = found
        return found

    def forward(self, x: Array) -> Array:
        """A x."""
        wide = np.empty(self.wide, x.dtype)
        convolution.widen(wide, np.ascontiguousarray(x).reshape(self.canonical), *self.sources)
        if not self.direct:
            return np.ascontiguousarray(self._transformed(wide, False)[self.inside]).reshape(self.shape)
        return _correlated(wide, self._prepared(x.dtype)[0]).reshape(self.shape)

    def adjoint(self, q: Array) -> Array:
        """A^T q."""
        q = q.reshape(self.canonical)
        if self.direct:
            around = np.zeros(self.around, q.dtype)
            around[self.within] = q
            wide = _correlated(around, self._prepared(q.dtype)[1])
        else:
            wide = np.zeros(self.wide, q.dtype)
            wide[self.inside] = q
            wide = self._transformed(wide, True)
        out = np.empty(self.canonical, q.dtype)
        convolution.fold(out, wide, *self.sources)
        return out.reshape(self.shape)

    def _transformed(self, wide: Array, adjoint: bool) -> Array:
        """Periodic convolution, or correlation."""
        import scipy.fft

        spectrum = self._prepared(wide.dtype)
        product = scipy.fft.rfftn(wide)
        product *= spectrum.conj() if adjoint else spectrum
        return np.asarray(scipy.fft.irfftn(product, s=wide.shape, overwrite_x=True))

    @functools.cached_property
    def bound(self) -> float:
        """||A||_1 ||A||_inf >= ||A||^2, of the sizes of A's entries."""
        sizes, ones = _Convolution(np.abs(self.kernel), self.boundary, self.canonical), np.ones(self.canonical)
        return float(sizes.forward(ones).max() * sizes.adjoint(ones).max()) * (1 + 1e-12)

    @functools.cached_property
    def spectrum(self) -> Array:
        """Real FFT of the kernel on images of the shape itself, of their axes."""
        return np.asarray(_spectrum(self.kernel, self.canonical)[(0,) * (3 - len(self.shape))])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Blur(Operator):
    """Convolution with a kernel (a point spread function): ``(A x)_i = sum_k kernel_k x_{i - k}``.

    Parameters
    ----------
    kernel : array_like
        One axis for each spatial axis of the image; it may be neither larger than the image nor empty. Its centre is at
        ``size // 2`` along each axis. It is not normalised: a kernel that adds up to 1 keeps the brightness.
    boundary : {"symmetric", "periodic", "zero"}
        What lies beyond the border: the image mirrored at its edge, repeated, or black; the `reflect`, `wrap` and
        `constant` of `scipy.ndimage.convolve`.

    Notes
    -----
    Products with small kernels, and with those that are products of kernels along the axes, are sums; others are taken in the
    Fourier domain (scipy.fft). The adjoint is exact for every boundary. A^T A has a fast inverse for "periodic", and for
    "symmetric" where the kernel is even along each axis (DCT-II; Ng, Chan & Tang, SIAM J. Sci. Comput. 1999).
    """

    kernel: Any
    boundary: str = "symmetric"
    _last: dict[str, Any] = dataclasses.field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        kernel = as_float(self.kernel, "kernel").astype(np.float64)
        require_finite(kernel, "kernel")
        if not 1 <= kernel.ndim <= 3 or kernel.size == 0:
            raise ValueError(f"kernel must have 1 to 3 axes and not be empty, got shape {kernel.shape}")
        if self.boundary not in ("symmetric", "periodic", "zero"):
            raise ValueError(f"boundary must be 'symmetric', 'periodic' or 'zero', got {self.boundary!r}")
        kernel.flags.writeable = False
        object.__setattr__(self, "kernel", kernel)

    @classmethod
    def gaussian(cls, sigma: Any, boundary: str = "symmetric", *, ndim: int = 2, truncate: float = 4.0) -> Blur:
        """Return the blur with a Gaussian that adds up to 1, cut off at so many standard deviations.

        Of `scipy.ndimage.gaussian_filter` with mode "reflect", "wrap" or "constant".

        Parameters
        ----------
        sigma : float or tuple of float
            Standard deviation in pixels, > 0, one for all axes or one an axis.
        boundary : {"symmetric", "periodic", "zero"}
            As of any blur.
        ndim : int
            The number of spatial axes, where sigma is one number.
        truncate : float
            Where the Gaussian is cut off, in standard deviations, > 0.
        """
        sigmas = np.atleast_1d(np.asarray(sigma, dtype=np.float64))
        sigmas = np.broadcast_to(sigmas, ndim if sigmas.size == 1 else sigmas.size)
        if not (np.isfinite(sigmas).all() and (sigmas > 0).all() and truncate > 0):
            raise ValueError(f"sigma and truncate must be > 0, got {sigma!r} and {truncate!r}")
        kernel: Any = 1.0
        for one in sigmas:
            reach = int(truncate * one + 0.5)
            g = np.exp(-0.5 * (np.arange(-reach, reach + 1) / one) ** 2)
            kernel = np.multiply.outer(kernel, g / g.sum())
        return cls(kernel, boundary)

    @classmethod
    def motion(cls, length: float, angle: float = 0.0, boundary: str = "symmetric") -> Blur:
        """Return the blur of a camera that moves along a line while it looks.

        For images of two axes. Each pixel of the kernel holds the share of the line that lies in it, so that it adds up to 1;
        a horizontal line of an odd length is that many equal numbers.

        Parameters
        ----------
        length : float
            Of the line, in pixels, > 0.
        angle : float
            In degrees from the rows, counterclockwise as the image is shown; 90 is along the columns.
        boundary : {"symmetric", "periodic", "zero"}
            As of any blur.

        Examples
        --------
        >>> from proxsparse import Blur
        >>> Blur.motion(4, 90).kernel.round(3).tolist()
        [[0.125], [0.25], [0.25], [0.25], [0.125]]
        """
        if check_number(length, "length") == 0:
            raise ValueError(f"length must be > 0, got {length!r}")
        check_number(abs(angle) if isinstance(angle, numbers.Real) else angle, "angle")
        turn = math.radians(angle)
        # rows run down; whole turns of 90 degrees leave the other axis alone
        ends = 0.5 * length * np.array([-math.sin(turn), math.cos(turn)])
        ends[np.abs(ends) < 1e-9 * length] = 0.0
        # where along the line, from -1 to 1, it crosses from one pixel to the next; what is over by rounding is no pixel
        reach = np.maximum(np.ceil(np.abs(ends) - 0.5 - 1e-9), 0).astype(int)
        crossings = [(np.arange(-n, n + 1) + 0.5) / end for n, end in zip(reach, ends, strict=True) if end]
        cuts = np.unique(np.clip(np.concatenate([[-1.0, 1.0], *crossings]), -1.0, 1.0))
        pixels = np.rint(np.multiply.outer(ends, (cuts[1:] + cuts[:-1]) / 2)).astype(int)
        kernel = np.zeros(2 * reach + 1)
        np.add.at(kernel, tuple(np.clip(pixels, -reach[:, None], reach[:, None]) + reach[:, None]), np.diff(cuts) / 2)
        return cls(kernel, boundary)

    def gives_image(self, shape: tuple[int, ...]) -> bool:
        """Return True: noise is told by neighbouring pixels, whatever the kernel."""
        return True

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": {}}

    def __repr__(self) -> str:
        return f"Blur(np.array({self.kernel.tolist()!r}), boundary={self.boundary!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Blur):
            return NotImplemented
        return self.boundary == other.boundary and np.array_equal(self.kernel, other.kernel)

    def __hash__(self) -> int:
        return hash((self.boundary, self.kernel.tobytes()))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of A x; raise ValueError where A does not take x."""
        if len(shape) != self.kernel.ndim:
            raise ValueError(f"a kernel of {self.kernel.ndim} axes does not fit an image of shape {shape}")
        if any(k > n for k, n in zip(self.kernel.shape, shape, strict=True)):
            raise ValueError(f"kernel of shape {self.kernel.shape} is larger than the image {shape}")
        return shape

    def _convolution(self, shape: tuple[int, ...]) -> _Convolution:
        """The products with images of that shape, kept for the shape last used: a solver asks for them at every iteration."""
        last: _Convolution | None = self._last.get("products")
        if last is None or last.shape != tuple(shape):
            self.output_shape(shape)
            self._last["products"] = last = _Convolution(self.kernel, self.boundary, tuple(shape))
        return last

    def forward(self, x: Array) -> Array:
        """Return A x."""
        x = as_float(x, "x")
        return self._convolution(x.shape).forward(x)

    def adjoint(self, q: Array, shape: tuple[int, ...] | None = None) -> Array:
        """Return A^T q."""
        q = as_float(q, "q")
        return self._convolution(q.shape).adjoint(q)

    def _is_even(self) -> bool:
        return all(
            k % 2 == 1 and np.array_equal(self.kernel, np.flip(self.kernel, axis)) for axis, k in enumerate(self.kernel.shape)
        )

    def gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        """Return A^T A in the domain where it is diagonal, else None."""
        if self.boundary == "periodic":
            return Diagonalised("fft", np.abs(self._convolution(shape).spectrum) ** 2)
        if self.boundary == "symmetric" and self._is_even():
            return Diagonalised("dct", self._cosine_eigenvalues(shape) ** 2)
        return None

    def _cosine_eigenvalues(self, shape: tuple[int, ...]) -> Array:
        """Eigenvalues of an even kernel on the DCT-II basis: sum_k kernel_k cos(pi f k / n), axis by axis."""
        values = self.kernel
        for axis, (k, n) in enumerate(zip(self.kernel.shape, shape, strict=True)):
            cosines = np.cos(np.pi * np.outer(np.arange(n), np.arange(k) - k // 2) / n)
            values = np.moveaxis(np.tensordot(cosines, values, (1, axis)), 0, axis)
        return np.asarray(values)

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return ||A||^2 where a transform shows it, else the bound ||A||_1 ||A||_inf."""
        products = self._convolution(shape)
        if products.norm_squared is None:
            gram = self.gram(shape)
            products.norm_squared = products.bound if gram is None else float(np.max(gram.eigenvalues)) * (1 + 1e-12)
        return products.norm_squared

    def product_rounding(self, shape: tuple[int, ...]) -> float:
        """Return a bound on the rounding of a product in float64, in units of 2^-53 and the length of what is multiplied."""
        of_transform, products = super().product_rounding(shape), self._convolution(shape)
        if not products.direct:
            return of_transform
        # the taps of a row one after the other, then the rows; 24 for what separating the kernel and a product round
        added = sum(own.shape[0] * own.shape[1] + own.shape[2] for own in products.factors)
        of_sums: float = (added + 24.0) * math.sqrt(products.bound)
        return max(of_transform, of_sums)
