"""Group lasso over overlapping windows."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ..arrays.checks import check_group_weight, check_sizes, per_axis
from ..arrays.layout import to_4d
from ..arrays.numbers import Array
from ..dual.null_space import free_pixels
from ..dual.term import Fused, InPlace, Iterations, Limits, Partition
from ..kernels import strips, windows_2d
from ..kernels import windows as kernels
from ..linear.diagonal import Diagonalised
from ..runtime.workers import Workers, short_calls
from .base import Penalty
from .registry import load

Triple = tuple[int, int, int]

#: most iterations that go down an image together, and bytes of the rows at work
_DEPTH, _CACHE = 8, 4 << 20
#: most numbers of the dual times iterations in one call of a kernel, some 20 ms
_NUMBERS_PER_CALL = 1 << 25


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class OverlappingGroupLasso(Penalty):
    """P(x) = w sum over windows of the length of x on the window: whole regions become zero.

    Parameters
    ----------
    weight : float, optional
        w >= 0.
    window : int or tuple of int
        Pixels along each spatial axis; one number or as many as the image has spatial axes.
    stride : int or tuple of int
        Distance of windows along each axis, at most the window.
    norm : {"l2", "linf"}
        Length of a group: Euclidean, or the largest absolute value.
    groups : list, matrix or "pairs", optional
        Instead of windows: lists of flat pixel indices (C order, without channels), a matrix (sparse, or dense and boolean)
        with a row a group and a column a pixel, or "pairs", each pixel with each of its neighbours, across corners too. Copied.
    group_weight : {None, "sqrt"} or array_like, optional
        a_g >= 0, which multiplies the length of group g: 1, the root of the number of pixels, or one number a group.
    kind : {"overlap", "latent"}
        "overlap": zeros are unions of groups. "latent": what is *not* zero is one, ``P(x) = w min sum_g a_g |v_g|`` over images
        v_g on group g that add up to x.

    Notes
    -----
    Windows stand on the stride's grid, as many as cover every pixel; the last ones are clipped at the border. A window
    holds all channels of its pixels. ``K x`` copies the pixels of each window: shape ``(pixels of a window, *windows)``,
    0 where a clipped window leaves the image. The dual ball holds each group to ``||p_g||_2 <= w`` ("l2") or
    ``||p_g||_1 <= w`` ("linf"); ``K^T K`` is the number of windows over each pixel. Jacob, Obozinski & Vert, ICML 2009;
    Jenatton, Audibert & Bach, JMLR 2011.
    """

    window: Any = (3, 3)
    stride: Any = 1
    norm: str = "l2"
    groups: Any = None
    group_weight: Any = None
    kind: str = "overlap"

    _leading_axes = 1
    # K^T K is all but a multiple of the identity: nothing has far to travel
    _clipping_lowers = True
    _selects_pixels = True
    _first_step = 2.0

    def __new__(
        cls,
        weight: Any = None,
        window: Any = (3, 3),
        stride: Any = 1,
        norm: Any = "l2",
        groups: Any = None,
        group_weight: Any = None,
        kind: Any = "overlap",
    ) -> OverlappingGroupLasso:
        """Make the class for what is given, as `pathlib.Path` does."""
        if cls is not OverlappingGroupLasso:
            return object.__new__(cls)
        if kind not in ("overlap", "latent"):
            raise ValueError(f"kind must be 'overlap' or 'latent', got {kind!r}")
        if kind == "latent":
            own = load("latent", "LatentGroups")
        elif groups is not None:
            own = load("listed_groups", "ListedGroups")
        else:
            own = cls if group_weight is None else load("listed_groups", "WeightedWindows")
        made: OverlappingGroupLasso = object.__new__(own)
        return made

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "group_weight", check_group_weight(self.group_weight))
        window, stride = check_sizes(self.window, "window"), check_sizes(self.stride, "stride")
        if len(stride) not in (1, len(window)) and len(window) != 1:
            raise ValueError(f"window {self.window!r} and stride {self.stride!r} differ in their number of axes")
        wide = np.broadcast_arrays(window, stride)
        if (wide[1] > wide[0]).any():
            raise ValueError(f"a stride beyond the window would leave pixels out: window {window}, stride {stride}")
        if self.norm not in ("l2", "linf"):
            raise ValueError(f"norm must be 'l2' or 'linf', got {self.norm!r}")
        object.__setattr__(self, "window", window if len(window) > 1 else window[0])
        object.__setattr__(self, "stride", stride if len(stride) > 1 else stride[0])

    def _partition(self, shape: tuple[int, ...]) -> Partition | None:
        axes = len(shape) - 1
        return Partition(self, list(zip(*self._geometry(axes), strict=True))[3 - axes :], functools.partial(_anywhere, self))

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        return self.norm == "linf"

    def _geometry(self, axes: int) -> tuple[Triple, Triple]:
        """Window and stride along planes, rows, columns for an image of that many spatial axes."""
        return _triples(self.window, self.stride, axes)

    def _counts(self, shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
        """Samples, window, stride and number of windows along each axis."""
        return _counts(self.window, self.stride, shape)

    def _fits_dual(self, p: Array) -> bool:
        window = np.atleast_1d(self.window)
        axes = p.ndim - 2
        return len(window) in (1, axes) and p.shape[0] == int(np.prod(np.broadcast_to(window, axes)))

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        counts = self._counts(shape)
        return (math.prod([k for _, k, _, _ in counts]), shape[0], *(m for _, _, _, m in counts))

    def _analysis(self, out: Array, x: Array) -> None:
        kernels.gather(to_4d(out, lead=1), to_4d(x), *self._geometry(x.ndim - 1))

    def _add_adjoint(self, out: Array, p: Array) -> None:
        kernels.add_adjoint(to_4d(out), to_4d(p, lead=1), *self._geometry(out.ndim - 1))

    def _group_radius(self, p: Array, factor: float = 1.0) -> Any:
        return self._radius(p, factor, size=p.shape[0] * p.shape[1])

    def _project(self, p: Array, factor: float = 1.0) -> None:
        project = kernels.project_l2 if self.norm == "l2" else kernels.project_l1
        project(to_4d(p, lead=1), self._group_radius(p, factor))

    def _dual_step(self, out: Array, p: Array, x: Array, sigma: float) -> None:
        if self.norm != "l2":
            super()._dual_step(out, p, x, sigma)
            return
        geometry = self._geometry(x.ndim - 1)
        kernels.dual_step(to_4d(out), to_4d(p, lead=1), to_4d(x), *geometry, p.dtype.type(sigma), self._group_radius(p))

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        gray = len(shape) == 3 and shape[0] == 1
        if not (gray and np.all(np.atleast_1d(self.stride) == 1)):
            return None
        return WindowKernels(self, *self._geometry(2)[0][1:])

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        geometry = self._geometry(x.ndim - 1)
        gap, value = kernels.gap(to_4d(x), to_4d(p, lead=1), *geometry, self.norm == "l2", self._w())
        return float(gap), float(value)

    def _gap_of(self, z: Array, p: Array) -> tuple[float, float]:
        """`_gap` from K x."""
        gap, value = kernels.gap_of_copies(to_4d(z, lead=1), to_4d(p, lead=1), self.norm == "l2", self._w())
        return float(gap), float(value)

    def _clear_inside(self, z: Array, p: Array, margin: float) -> None:
        """Make 0 the copies of the groups whose dual is shorter than (1 - margin) w."""
        if self.norm == "l2":
            kernels.clear_copies_inside(to_4d(z, lead=1), to_4d(p, lead=1), (1.0 - margin) * self._w())
            return
        z[:, :, self._group_norms(p) < (1.0 - margin) * self._w()] = 0

    def _least_copies(self, out: Array, p: Array) -> None:
        """Out = the least of each pixel and the sizes of its copies p."""
        kernels.least_copies(to_4d(out), to_4d(p, lead=1), *self._geometry(out.ndim - 1))

    def _group_norms(self, p: Array) -> Array:
        if self.norm == "l2":
            return np.sqrt(np.square(p, dtype=np.float64).sum(axis=(0, 1)))  # type: ignore[no-any-return]
        return np.abs(p).sum(axis=(0, 1), dtype=np.float64)  # type: ignore[no-any-return]

    def _dual_norm(self, p: Array) -> float:
        return float(self._group_norms(p).max())

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return shape[0] * math.prod(k for _, k, _, _ in self._counts(shape))

    def _dual_length(self, p: Array) -> float:
        # a group in its ball is no longer than w, in either norm
        return self._w() * math.sqrt(math.prod(p.shape[2:]))

    def _gram_diagonal(self, shape: tuple[int, ...]) -> Array:
        """K^T K of each pixel, of the shape of one channel."""
        return np.asarray(functools.reduce(np.multiply.outer, _covers(self.window, self.stride, shape)))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        weights = self._pixel_costs(shape)
        # the most that a group may be longer than what it costs
        stretch = 1.0 if self.norm == "l2" else math.sqrt(self._group_size(shape))
        return value / float(weights.min(where=weights > 0, initial=math.inf)) * stretch

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return free_pixels(self._pixel_costs(shape), shape)

    def _pixel_costs(self, shape: tuple[int, ...]) -> Array:
        """Per pixel of one channel, the least c with P(x) >= c |x_j|."""
        return np.full(shape[1:], self._w())

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return math.prod(float(over.max()) for over in _covers(self.window, self.stride, shape))

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("pixel", self._gram_diagonal(shape))

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "support"

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        if self.norm == "l2":
            geometry = self._geometry(x.ndim - 1)
            kernels.zero_inside(to_4d(x), to_4d(p, lead=1), *geometry, (1.0 - margin) * self._w())
            return
        inside = self._group_norms(p) < (1.0 - margin) * self._w()
        copies = np.zeros(self._dual_shape((1, *x.shape[1:])))
        copies[:] = inside
        touched = np.zeros((1, *x.shape[1:]))
        self._add_adjoint(touched, copies)
        x[:, touched[0] > 0] = 0


class WindowKernels:
    """Whole iterations for gray images under windows of that height and width at stride 1."""

    def __init__(
        self,
        penalty: OverlappingGroupLasso,
        height: int,
        width: int,
        *,
        shrinking: bool = False,
        weights: Array | None = None,
    ) -> None:
        self.penalty, self.height, self.width = penalty, height, width
        #: the factors of the windows' copies
        self.weights = weights
        #: whether the dual is drawn towards 0, instead of projected: the conjugate's step
        self.shrinking, self.linf = True if shrinking else None, True if penalty.norm == "linf" else None

    def begin(self, x: Array, p: Array, y: Array, limits: Limits) -> Iterations:
        """See `Fused.begin`."""
        return OnWindows(self, x, p, y, limits)

    def begin_pixelwise(self, x: Array, p: Array, y: Array, limits: Limits, form: tuple[Any, ...]) -> None:
        """See `Fused.begin_pixelwise`."""

    def whole_run(self, shape: tuple[int, ...], dtype: Any, limits: Limits) -> None:
        """See `Fused.whole_run`."""

    def sweep_rows(
        self, x: Array, xbar: Array, p: Array, y: Array, limits: Limits, steps: Array, first: int, last: int
    ) -> None:
        """Iterations in place on the rows `first` to `last`."""
        radius = self.penalty._group_radius(p) if self.shrinking is None else p.dtype.type(self.penalty._w())
        scalars = (self.width, self.linf, self.shrinking, self._weights(x.dtype), radius, *(x.dtype.type(v) for v in limits))
        columns, height = x.shape[2], self.height
        # so many iterations together that the rows at work stay in a cache, and calls that stay short
        depth = max(1, min(_DEPTH, _CACHE // ((len(p) + 4) * max(1, height - 1) * columns * x.itemsize)))
        for k in range(0, len(steps), depth):
            some = steps[k : k + depth]
            ring = np.zeros((len(some), height, columns), x.dtype)
            end = last - first + (len(some) - 1) * (height - 1)
            for begin, stop in short_calls(end, len(p) * columns * len(some), _NUMBERS_PER_CALL):
                windows_2d.sweep(x[0], xbar[0], p[:, 0], y[0], ring, *scalars, some, first, last, begin, stop)

    def _weights(self, dtype: Any) -> Array | None:
        return None if self.weights is None else np.ascontiguousarray(self.weights, dtype)

    def sums(self, x: Array, p: Array, y: Array, limits: Limits, workers: Workers) -> tuple[float, ...] | None:
        """See `Fused.sums`."""
        if x.dtype != p.dtype or self.shrinking is not None:
            return None
        weights, (rows, columns) = self._weights(np.float64), x.shape[1:]
        sums = np.empty((rows, 5))
        certify = functools.partial(
            windows_2d.certificate, sums, x[0], p[:, 0], y[0], self.width, self.linf, weights, self.penalty._w(), *limits
        )
        # calls that stay short, and some for every worker
        share = -(-rows // strips.sharing(x.size, workers)) * len(p) * columns
        parts = short_calls(rows, len(p) * columns, min(_NUMBERS_PER_CALL, share))
        workers.run([functools.partial(certify, begin, stop) for begin, stop in parts])
        return tuple(sums.sum(axis=0).tolist())


class OnWindows(InPlace):
    """Iterations under windows, by several workers too."""

    kernels: WindowKernels

    def advance(self, steps: Array, workers: Workers) -> None:
        """See `Iterations`."""
        strips.advance(self, steps, workers)

    @property
    def rows(self) -> int:
        """See `strips.InRows`."""
        return int(self.x.shape[1])

    @property
    def size(self) -> int:
        """See `strips.InRows`."""
        return int(self.x.size)

    @property
    def spread(self) -> int:
        """See `strips.InRows`."""
        return max(1, self.kernels.height - 1)

    def part(self, rows: int) -> OnWindows:
        """See `strips.InRows`."""
        made, (columns, dtype) = copy.copy(self), (self.x.shape[2], self.x.dtype)
        made.x, made.xbar, made.y = (np.empty((1, rows, columns), dtype) for _ in range(3))
        made.p = np.empty((len(self.p), 1, rows - self.kernels.height + 1, self.p.shape[3]), dtype)
        return made

    def take(self, other: OnWindows, begin: int, stop: int, start: int, whole: bool) -> None:
        """See `strips.InRows`; a window belongs to its first row."""
        for name in ("x", "xbar", "y") if whole else ("x", "xbar"):
            getattr(self, name)[:, begin:stop] = getattr(other, name)[:, start : start + stop - begin]
        last = min(stop, self.p.shape[2], other.p.shape[2] - start + begin)
        self.p[:, :, begin:last] = other.p[:, :, start : start + last - begin]

    def sweep(self, steps: Array, first: int, last: int) -> None:
        """See `strips.InRows`."""
        self.kernels.sweep_rows(self.x, self.xbar, self.p, self.y, self.limits, steps, first, last)


def _anywhere(penalty: OverlappingGroupLasso, region: tuple[slice, ...]) -> Penalty:
    """The penalty on a region: the same, as regions begin where a window does."""
    return penalty


# -- the grid of windows, found once for each shape: a small solve asks for it some seventy times -------------------------


def check_fit(sides: tuple[int, ...], spatial: tuple[int, ...]) -> None:
    """Raise unless a window of these sides lies within the image."""
    if any(k > n for k, n in zip(sides, spatial, strict=True)):
        raise ValueError(f"window {sides} is larger than the image {spatial}")


@functools.lru_cache(maxsize=256)
def _triples(window: Any, stride: Any, axes: int) -> tuple[Triple, Triple]:
    lead = (1,) * (3 - axes)
    return (*lead, *per_axis(window, axes, "window")), (*lead, *per_axis(stride, axes, "stride"))


def _counts(window: Any, stride: Any, shape: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    # not kept: compiled losses trace through this
    axes, spatial = len(shape) - 1, shape[1:]
    sides, steps = per_axis(window, axes, "window"), per_axis(stride, axes, "stride")
    check_fit(sides, spatial)
    return [(n, k, s, -(-(n - k) // s) + 1) for n, k, s in zip(spatial, sides, steps, strict=True)]


@functools.lru_cache(maxsize=256)
def _covers(window: Any, stride: Any, shape: tuple[int, ...]) -> list[Array]:
    covers = []
    for n, k, s, m in _counts(window, stride, shape):
        first = s * np.arange(m)
        begun, ended = (np.bincount(edge, minlength=n + 1) for edge in (first, np.minimum(first + k, n)))
        cover = np.cumsum(begun - ended)[:n].astype(np.float64)
        cover.flags.writeable = False
        covers.append(cover)
    return covers
