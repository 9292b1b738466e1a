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

from ._arrays import Array, as_float, require_finite
from .gram import Gram
from .kernels import convolution
from .rounding import transform


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
        return 0.0 if is_own(self) else once(self, f"mismatch {shape}", lambda: _check_adjoint(self, shape))

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of x where A x has that shape."""
        return shape

    def __matmul__(self, other: Any) -> Operator:
        """A @ B: first B, then A."""
        return Composition(self, other) if isinstance(other, Operator) else NotImplemented

    def gram(self, shape: tuple[int, ...]) -> Gram | None:
        """Return A^T A where a transform inverts it, else None."""
        return None

    def product_rounding(self, shape: tuple[int, ...]) -> float:
        """Return a bound on the rounding of a product in float64, in units of 2^-53 and the length of what is multiplied."""
        return transform(math.prod(shape)) * math.sqrt(self.norm_squared(shape))


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

    def product_rounding(self, shape: tuple[int, ...]) -> float:
        """Return that of each product, by the length that the other one gives it."""
        between = self.before.output_shape(shape)
        first = self.before.product_rounding(shape) * math.sqrt(self.after.norm_bound(between))
        return first + self.after.product_rounding(between) * math.sqrt(self.before.norm_bound(shape))

    def gram(self, shape: tuple[int, ...]) -> Gram | None:
        """Return B^T A^T A B where both are diagonal under one cosine or Fourier transform."""
        one, other = self.after.gram(self.before.output_shape(shape)), self.before.gram(shape)
        if one is None or other is None or one.domain != other.domain or one.domain not in ("dct", "fft"):
            return None
        return Gram(one.domain, one.eigenvalues * other.eigenvalues)


@functools.lru_cache(maxsize=16)
def _counts(shape: tuple[int, ...], factors: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The samples in each block."""
    counts: Any = 1.0
    for n, f in zip(shape, factors, strict=True):
        counts = np.multiply.outer(counts, np.diff(np.append(np.arange(0, n, f), n)))
    result: Array = np.asarray(counts).astype(dtype)
    result.flags.writeable = False
    return result


@dataclasses.dataclass(frozen=True)
class Downsample(Operator):
    """Fewer samples along each axis: the means of blocks, or every so many-th sample.

    Parameters
    ----------
    factor : int or tuple of int
        Samples of x along each axis for one of A x; the blocks begin at the first sample, the last are clipped.
    mean : bool
        True: the mean of each block, as a detector of larger pixels. False: its first sample.
    shape : tuple of int, optional
        The shape of x. Left out it is that of A x times the factor.

    Notes
    -----
    ``||A||^2`` is one over the number of samples in the smallest block for means, 1 for samples.
    """

    factor: Any
    mean: bool = True
    shape: Any = None

    def __post_init__(self) -> None:
        factors = self.factor if isinstance(self.factor, (tuple, list)) else (self.factor,)
        if not factors or any(isinstance(f, bool) or not isinstance(f, (int, np.integer)) or f < 1 for f in factors):
            raise ValueError(f"factor must be integers >= 1, got {self.factor!r}")
        object.__setattr__(self, "factor", tuple(map(int, factors)) if len(factors) > 1 else int(factors[0]))
        if self.shape is not None:
            shape = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
            object.__setattr__(self, "shape", tuple(int(n) for n in shape))

    def _factors(self, axes: int) -> tuple[int, ...]:
        if not isinstance(self.factor, tuple):
            return (self.factor,) * axes
        if len(self.factor) != axes:
            raise ValueError(f"factor {self.factor!r} has {len(self.factor)} axes, the image {axes}")
        return self.factor

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of A x."""
        if self.shape is not None and tuple(shape) != self.shape:
            raise ValueError(f"{self!r} takes images of shape {self.shape}, got {tuple(shape)}")
        return tuple(-(-n // f) for n, f in zip(shape, self._factors(len(shape)), strict=True))

    def input_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of x where A x has that shape."""
        if self.shape is not None:
            return tuple(self.shape)
        return tuple(n * f for n, f in zip(shape, self._factors(len(shape)), strict=True))

    def _counts(self, shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
        """The samples in each block."""
        return _counts(tuple(shape), self._factors(len(shape)), np.dtype(dtype))

    def forward(self, x: Array) -> Array:
        """Return A x."""
        x = as_float(x, "x")
        self.output_shape(x.shape)
        factors = self._factors(x.ndim)
        if not self.mean:
            return np.ascontiguousarray(x[tuple(slice(None, None, f) for f in factors)])
        sums = x
        for axis, f in enumerate(factors):
            sums = np.add.reduceat(sums, np.arange(0, x.shape[axis], f), axis)
        return np.asarray(sums / self._counts(x.shape, x.dtype))

    def adjoint(self, q: Array, shape: tuple[int, ...]) -> Array:
        """Return A^T q, an image of that shape."""
        q = as_float(q, "q")
        factors = self._factors(len(shape))
        if not self.mean:
            out = np.zeros(shape, q.dtype)
            out[tuple(slice(None, None, f) for f in factors)] = q
            return out
        spread = q / self._counts(shape, q.dtype)
        for axis, (f, n) in enumerate(zip(factors, shape, strict=True)):
            spread = np.repeat(spread, f, axis).take(np.arange(n), axis)
        return np.ascontiguousarray(spread)

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return ||A||^2."""
        return 1.0 / float(self._counts(shape).min()) if self.mean else 1.0

    def gram(self, shape: tuple[int, ...]) -> Gram | None:
        """Return A^T A where it is diagonal: for samples."""
        if self.mean:
            return None
        seen = np.zeros(shape)
        seen[tuple(slice(None, None, f) for f in self._factors(len(shape)))] = 1
        return Gram("pixel", seen)


@dataclasses.dataclass(frozen=True)
class Wavelet(Operator):
    """The orthogonal wavelet coefficients of an image, as an image: for penalties of them, ``GroupLasso(w).of(Wavelet())``.

    Parameters
    ----------
    wavelet, level
        As in `WaveletL1`; needs PyWavelets.

    Notes
    -----
    Periodised, the averages of each level in the first corner; the image is padded with zeros to a multiple of ``2^level``.
    ``A^T A = I``.
    """

    wavelet: str = "db2"
    level: int = 3

    def __post_init__(self) -> None:
        # says what is wrong with the wavelet
        _ = self._penalty

    @functools.cached_property
    def _penalty(self) -> Any:
        # penalties are built on operators
        from .penalties.transforms import WaveletL1

        return WaveletL1(1.0, self.wavelet, self.level)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the coefficients."""
        return tuple(self._penalty._dual_shape((1, *shape))[1:])

    def forward(self, x: Array) -> Array:
        """Return A x."""
        x = as_float(x, "x")
        out = np.zeros((1, *self.output_shape(x.shape)), x.dtype)
        self._penalty._analysis(out, x[None])
        return np.asarray(out[0])

    def adjoint(self, q: Array, shape: tuple[int, ...]) -> Array:
        """Return A^T q, an image of that shape."""
        q = as_float(q, "q")
        out = np.zeros((1, *shape), q.dtype)
        self._penalty._add_adjoint(out, q[None])
        return np.asarray(out[0])

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return ||A||^2, with the rounding of single precision."""
        return 1.0 + 1e-6

    def gram(self, shape: tuple[int, ...]) -> Gram | None:
        """Return the identity."""
        return Gram("uniform", 1.0)


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
        out = np.empty([n - k + 1 for n, k in zip(wide.shape, kernel.shape, strict=True)], wide.dtype)
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
            around = np.zeros([n + k - 1 for n, k in zip(self.wide, self.kernel.shape, strict=True)], q.dtype)
            around[tuple(slice(k - 1, k - 1 + n) for n, k in zip(q.shape, self.kernel.shape, strict=True))] = q
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

    def gram(self, shape: tuple[int, ...]) -> Gram | None:
        """Return A^T A in the domain where it is diagonal, else None."""
        if self.boundary == "periodic":
            return Gram("fft", np.abs(self._convolution(shape).spectrum) ** 2)
        if self.boundary == "symmetric" and self._is_even():
            return Gram("dct", self._cosine_eigenvalues(shape) ** 2)
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


def is_own(thing: Any) -> bool:
    """Whether its class is the package's own."""
    return type(thing).__module__.partition(".")[0] == "proxsparse"


#: of an operator what takes products to find, each of which may take seconds: name -> its fingerprint, the number
_FOUND: weakref.WeakKeyDictionary[Any, dict[str, tuple[bytes, float]]] = weakref.WeakKeyDictionary()


def _entries(matrix: Any) -> Any:
    """The matrix, dense or sparse, whose products a LinearOperator is; None where it is no matrix."""
    import scipy.sparse.linalg

    # a LinearOperator of another kind may keep a matrix that is not all it multiplies by
    of_matrix = type(scipy.sparse.linalg.aslinearoperator(np.eye(1)))
    return matrix.A if type(matrix) is of_matrix else None


def once(matrix: Any, name: str, find: Callable[[], float]) -> float:
    """The number, found once for an operator; of a matrix, which may be written into, while a product stays the same."""
    mark = b""
    if _entries(matrix) is not None:
        mark = np.asarray(matrix.matvec(np.linspace(1.0, 2.0, matrix.shape[1]))).tobytes()
    try:
        found = _FOUND.setdefault(matrix, {})
    except TypeError:
        # neither hashed nor referred to weakly
        return find()
    if name not in found or found[name][0] != mark:
        found[name] = mark, find()
    return found[name][1]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class MatrixOperator(Operator):
    """A linear operator given by its products: made by `as_operator`."""

    matrix: Any
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]

    norm_is_bound = False

    def __repr__(self) -> str:
        entries = _entries(self.matrix)
        matrix = self.matrix if entries is None else entries
        text = f"np.array({matrix.tolist()!r})" if isinstance(matrix, np.ndarray) else repr(matrix)
        return f"as_operator({text}, {self.in_shape}, {self.out_shape})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MatrixOperator):
            return NotImplemented
        if (self.in_shape, self.out_shape) != (other.in_shape, other.out_shape):
            return False
        a, b = (_entries(op.matrix) for op in (self, other))
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
        entries = _entries(self.matrix)
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
        return once(self.matrix, "mismatch", lambda: _check_adjoint(self, self.in_shape))

    def norm_squared(self, shape: tuple[int, ...]) -> float:
        """Return an estimate of ||A||^2: 5 % above what 30 steps of the power iteration found, once for an operator."""
        return once(self.matrix, "norm", self._estimated_norm)

    def norm_bound(self, shape: tuple[int, ...]) -> float:
        """Return the square of the Frobenius norm of a matrix; of products alone four times the estimate."""
        entries = _entries(self.matrix)
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


def _check_adjoint(operator: Operator, shape: tuple[int, ...]) -> float:
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
