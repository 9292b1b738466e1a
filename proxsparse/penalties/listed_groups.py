"""What `OverlappingGroupLasso` makes of groups that are lists of pixels, and of windows with weights of their own."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from typing import Any

import numpy as np

from ..arrays.numbers import Array, total
from ..arrays.roundoff import norm
from ..dual.term import Fused
from ..kernels import balls
from ..kernels import listed_groups as kernels
from ..linear.diagonal import Diagonalised
from .windows import OverlappingGroupLasso, WindowKernels


def _is_membership(groups: Any) -> bool:
    """Whether it is a dense matrix with a row a group and a column a pixel: of booleans, or of 0 and 1.

    Raises
    ------
    ValueError
        Where 0 and 1 could be the indices of pixels too.
    """
    if not isinstance(groups, np.ndarray) or groups.ndim != 2 or groups.dtype.kind not in "biuf":
        return False
    if groups.dtype == bool:
        return True
    if groups.size == 0 or not np.isin(groups, (0, 1)).all():
        return False
    if groups.dtype.kind in "iu" and groups.shape[1] <= 2 and all(len(set(row)) == len(row) for row in groups.tolist()):
        raise ValueError(
            "groups of 0 and 1 may be indices of pixels or a matrix with a column a pixel: give lists, or a boolean matrix"
        )
    return True


class Groups:
    """Lists of pixels, one after the other: flat indices of an image without channels, and where each list starts."""

    def __init__(self, indices: Array, starts: Array, pixels: int) -> None:
        self.indices, self.starts, self.pixels = indices, starts, pixels
        for array in (indices, starts):
            array.flags.writeable = False

    @classmethod
    def of(cls, groups: Any) -> Groups:
        """From lists of flat indices, or from a matrix with a row a group and a column a pixel."""
        if isinstance(groups, Groups):
            return groups
        if hasattr(groups, "tocsr") or _is_membership(groups):
            from scipy.sparse import csr_matrix

            matrix = csr_matrix(groups, copy=True)
            matrix.eliminate_zeros()
            matrix.sort_indices()
            indices, starts, pixels = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64), matrix.shape[1]
        else:
            lists = [np.asarray(group) for group in groups]
            if any(one.dtype == np.uint64 and one.size and one.max() > np.iinfo(np.int64).max for one in lists):
                raise ValueError("groups hold an index beyond any image's")
            if not lists or any(one.ndim != 1 or (one.size and one.dtype.kind not in "iu") for one in lists):
                raise TypeError(
                    "groups must be lists of flat pixel indices, or a matrix with a row a group and a column a pixel"
                )
            indices = np.concatenate(lists).astype(np.int64)
            starts = np.concatenate([[0], np.cumsum([one.size for one in lists])]).astype(np.int64)
            pixels = int(indices.max(initial=-1)) + 1
        if indices.size == 0 or indices.min() < 0:
            raise ValueError(f"groups must hold pixels, with indices >= 0, got {indices.min(initial=0)}")
        owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        if len(np.unique(owners * np.int64(pixels) + indices)) < len(indices):
            raise ValueError("a group holds a pixel twice")
        return cls(indices, starts, int(pixels))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Groups):
            return NotImplemented
        same = np.array_equal(self.indices, other.indices) and np.array_equal(self.starts, other.starts)
        return same and self.pixels == other.pixels

    def __hash__(self) -> int:
        return hash((self.indices.tobytes(), self.starts.tobytes(), self.pixels))

    def __repr__(self) -> str:
        if self.pixels > self.indices.max() + 1:
            # lists do not tell of pixels after the last
            dense = np.zeros((len(self.starts) - 1, self.pixels), bool)
            dense[np.repeat(np.arange(len(dense)), np.diff(self.starts)), self.indices] = True
            return f"np.array({dense.tolist()!r})"
        lists = [self.indices[a:b].tolist() for a, b in itertools.pairwise(self.starts.tolist())]
        return repr(lists)


@functools.lru_cache(maxsize=8)
def _pairs(spatial: tuple[int, ...]) -> Groups:
    """Every pixel with each of its neighbours, also across corners: (3^d - 1) / 2 pairs a pixel."""
    index = np.arange(math.prod(spatial)).reshape(spatial)
    pairs = []
    for step in itertools.product((-1, 0, 1), repeat=len(spatial)):
        if step > (0,) * len(spatial):
            here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, spatial, strict=True))
            there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, spatial, strict=True))
            pairs.append(np.stack([index[here].reshape(-1), index[there].reshape(-1)], axis=1))
    both = np.concatenate(pairs)
    if not len(both):
        # a single pixel has no neighbour, and is a group by itself
        return Groups(index.reshape(-1), np.arange(index.size + 1), index.size)
    return Groups(both.reshape(-1).astype(np.int64), np.arange(0, both.size + 1, 2), index.size)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ListedGroups(OverlappingGroupLasso):
    """P(x) = w sum_g a_g times the length of x on group g, of lists; see `OverlappingGroupLasso`."""

    _shown = "OverlappingGroupLasso"
    _leading_axes = 0
    _image_like = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window != (3, 3) or self.stride != 1:
            raise ValueError(f"groups are given, and windows too: window={self.window!r}, stride={self.stride!r}")
        if isinstance(self.groups, str) and self.groups != "pairs":
            raise ValueError(f"groups must be 'pairs', lists or a matrix, got {self.groups!r}")
        if not isinstance(self.groups, str):
            object.__setattr__(self, "groups", Groups.of(self.groups))

    def _lists(self, shape: tuple[int, ...]) -> Groups:
        """The groups of an image (channels, *spatial)."""
        return self.groups if isinstance(self.groups, Groups) else _pairs(shape[1:])

    def _starts(self, p: Array) -> Array:
        """Where the groups of a dual start."""
        if isinstance(self.groups, Groups):
            return self.groups.starts
        return np.append(np.arange(0, p.shape[1], 2), p.shape[1])

    def _radii(self, starts: Array) -> Array:
        """a_g."""
        if self.group_weight is None:
            return np.ones(len(starts) - 1)
        if isinstance(self.group_weight, str):
            return np.sqrt(np.diff(starts))
        if self.group_weight.shape != (len(starts) - 1,):
            raise ValueError(f"group_weight has shape {self.group_weight.shape}, there are {len(starts) - 1} groups")
        return np.asarray(self.group_weight)

    @functools.cached_property
    def _covers_all(self) -> bool:
        return not isinstance(self.groups, Groups) or len(np.unique(self.groups.indices)) == self.groups.pixels

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero, unless pixels are in no group, or in groups of weight 0."""
        weighted = not isinstance(self.group_weight, np.ndarray) or bool((self.group_weight > 0).all())
        return "zero" if weighted and self._covers_all else "unknown"

    @property
    def _clipping_lowers(self) -> bool:  # type: ignore[override]
        return self.null_space == "zero"

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        return self.norm == "linf"

    def _fits_dual(self, p: Array) -> bool:
        return p.ndim == 2 and (not isinstance(self.groups, Groups) or p.shape[1] == len(self.groups.indices))

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        groups = self._lists(shape)
        if groups.pixels != math.prod(shape[1:]):
            raise ValueError(
                f"groups are of images of {groups.pixels} pixels, this one has {math.prod(shape[1:])}; where pixels are in no "
                "group give a matrix with a column a pixel"
            )
        self._radii(groups.starts)
        return (shape[0], len(groups.indices))

    def _analysis(self, out: Array, x: Array) -> None:
        kernels.gather(out, x.reshape(len(x), -1), self._lists(x.shape).indices)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        kernels.scatter(out.reshape(len(out), -1), p, self._lists(out.shape).indices)

    def _project(self, p: Array, factor: float = 1.0) -> None:
        starts = self._starts(p)
        sizes = np.diff(starts)
        radii = float(self._radius(p, factor, int(sizes.max()) * len(p))) * self._radii(starts)
        if self.norm == "l2":
            kernels.project_l2(p, starts, radii.astype(p.dtype))
        else:
            balls.onto_l1_balls(p, np.arange(p.shape[1]), starts, radii)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        return self._gap_of(self._analysed(x), p)

    def _gap_of(self, z: Array, p: Array) -> tuple[float, float]:
        starts = self._starts(p)
        radii = self._w() * self._radii(starts)
        if self.norm == "l2":
            gap, value = kernels.gap_l2(z, p, starts, radii)
            return float(gap), float(value)
        # of an empty group nothing is the largest
        full = np.flatnonzero(np.diff(starts))
        lengths = radii[full] * np.maximum.reduceat(np.abs(z).max(axis=0), starts[full])
        products = np.add.reduceat((z * p).sum(axis=0), starts[full])
        return total(lengths - products), total(lengths)

    def _least_copies(self, out: Array, p: Array) -> None:
        kernels.least_copies(out.reshape(len(out), -1), p, self._lists(out.shape).indices)

    def _group_norms(self, p: Array) -> Array:
        """The dual length of each group."""
        owners, n = np.repeat(np.arange(len(self._starts(p)) - 1), np.diff(self._starts(p))), len(self._starts(p)) - 1
        if self.norm == "l2":
            return np.sqrt(np.bincount(owners, np.square(p, dtype=np.float64).sum(axis=0), n))
        return np.asarray(np.bincount(owners, np.abs(p).sum(axis=0, dtype=np.float64), n))

    def _dual_norm(self, p: Array) -> float:
        lengths, a = self._group_norms(p), self._radii(self._starts(p))
        return float(np.divide(lengths, a, out=np.where(lengths > 0, math.inf, 0.0), where=a > 0).max(initial=0.0))

    def _gram_diagonal(self, shape: tuple[int, ...]) -> Array:
        """The number of groups over each pixel."""
        groups = self._lists(shape)
        return np.bincount(groups.indices, minlength=groups.pixels).reshape(shape[1:]).astype(np.float64)

    def _group_size(self, shape: tuple[int, ...]) -> int:
        return shape[0] * int(np.diff(self._lists(shape).starts).max())

    def _dual_length(self, p: Array) -> float:
        return norm(p)

    def _pixel_costs(self, shape: tuple[int, ...]) -> Array:
        groups = self._lists(shape)
        a = np.zeros(groups.pixels)
        np.maximum.at(a, groups.indices, np.repeat(self._radii(groups.starts), np.diff(groups.starts)))
        return np.asarray(self._w() * a.reshape(shape[1:]))

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return float(self._gram_diagonal(shape).max())

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        return Diagonalised("pixel", self._gram_diagonal(shape))

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        x.reshape(len(x), -1)[:, self._lists(x.shape).indices[self._inside(p, margin)]] = 0

    def _inside(self, p: Array, margin: float) -> Array:
        """Which copies are of groups whose dual is shorter than (1 - margin) w a_g."""
        starts = self._starts(p)
        inside = self._group_norms(p) < (1.0 - margin) * self._w() * self._radii(starts)
        return np.repeat(inside, np.diff(starts))

    def _clear_inside(self, z: Array, p: Array, margin: float) -> None:
        z[:, self._inside(p, margin)] = 0


@functools.lru_cache(maxsize=16)
def _roots_of_sizes(window: Any, stride: Any, shape: tuple[int, ...]) -> Array:
    """The root of the number of pixels of each window."""
    windows = OverlappingGroupLasso(1.0, window=window, stride=stride)
    inside = np.zeros(windows._dual_shape(shape))
    windows._analysis(inside, np.ones(shape))
    roots = np.asarray(np.sqrt(inside.sum(axis=(0, 1))))
    roots.flags.writeable = False
    return roots


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class WeightedWindows(OverlappingGroupLasso):
    """P(x) = w sum over windows of a_g times the length of x on the window: K multiplies each window's copies by a_g."""

    _shown = "OverlappingGroupLasso"

    def _scales(self, windows: tuple[int, ...], shape: tuple[int, ...]) -> Array:
        """a_g of each window."""
        if isinstance(self.group_weight, str):
            return _roots_of_sizes(self.window, self.stride, (1, *shape[1:]))
        if self.group_weight.size != math.prod(windows):
            raise ValueError(
                f"group_weight has shape {self.group_weight.shape}, there are {math.prod(windows)} groups, {windows}"
            )
        return np.asarray(self.group_weight.reshape(windows))

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        dual = super()._dual_shape(shape)
        self._scales(dual[2:], shape)
        return dual

    def _fused(self, shape: tuple[int, ...]) -> Fused | None:
        fused = super()._fused(shape) if self.norm == "l2" else None
        if isinstance(fused, WindowKernels):
            fused.weights = self._scales(self._dual_shape(shape)[2:], shape)
        return fused

    def _analysis(self, out: Array, x: Array) -> None:
        super()._analysis(out, x)
        out *= self._scales(out.shape[2:], x.shape).astype(out.dtype)

    def _add_adjoint(self, out: Array, p: Array) -> None:
        super()._add_adjoint(out, p.astype(out.dtype, copy=False) * self._scales(p.shape[2:], out.shape).astype(out.dtype))

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        return self._gap_of(self._analysed(x), p)

    def _gram_diagonal(self, shape: tuple[int, ...]) -> Array:
        """K^T K of each pixel."""
        ones = np.ones((1, *shape[1:]))
        copies, over = np.zeros(self._dual_shape(ones.shape)), np.zeros(ones.shape)
        self._analysis(copies, ones)
        self._add_adjoint(over, copies)
        return np.asarray(over[0])

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero, unless windows have no weight."""
        return "zero" if isinstance(self.group_weight, str) or bool((self.group_weight > 0).all()) else "unknown"

    def _pixel_costs(self, shape: tuple[int, ...]) -> Array:
        # the largest weight over a pixel is at least the root of the mean square
        windows = math.prod(m for _, _, _, m in self._counts(shape))
        return np.asarray(self._w() * np.sqrt(self._gram_diagonal(shape) / windows))

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return float(self._gram_diagonal(shape).max())

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        inside = self._group_norms(p) < (1.0 - margin) * self._w()
        copies = np.zeros(super()._dual_shape((1, *x.shape[1:])))
        copies[:] = inside
        touched = np.zeros((1, *x.shape[1:]))
        super()._add_adjoint(touched, copies)
        x[:, touched[0] > 0] = 0
