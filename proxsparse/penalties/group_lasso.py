"""Group lasso over disjoint groups."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..arrays.checks import check_group_weight, check_sizes, per_axis
from ..arrays.numbers import Array
from ..dual.null_space import free_pixels
from ..dual.term import Exact, Partition
from ..kernels import balls
from ..linear.diagonal import Diagonalised
from .base import Penalty
from .windows import OverlappingGroupLasso


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GroupLasso(Penalty):
    """P(x) = w sum over disjoint groups of a_g times the length of x on the group: whole groups become zero.

    Parameters
    ----------
    weight : float, optional
        w >= 0.
    block : int or tuple of int
        Groups are the blocks of so many pixels along each spatial axis, from the first pixel on, the last ones clipped.
    labels : array_like of int, optional
        Instead of blocks: the group of each pixel, of the image's shape without its channel axis; negative for none, which
        costs nothing. Never modified, copied.
    group_weight : {None, "sqrt"} or array_like, optional
        a_g >= 0: 1, the root of the number of pixels (Yuan & Lin 2006), or one number for each label from 0 on, or for each
        block in C order.
    norm : {"l2", "linf"}
        Length of a group: Euclidean, or the largest absolute value.

    Notes
    -----
    K is the identity on the pixels of groups, a group holds all channels of its pixels, and the dual ball holds each group to
    ``||p_g||_2 <= w a_g`` ("l2") or ``||p_g||_1 <= w a_g`` ("linf"). The proximal operator is exact:
    ``x_g = v_g - project(v_g)``, block soft-thresholding for "l2". Yuan & Lin, J. R. Stat. Soc. B 2006.
    """

    block: Any = 4
    labels: Any = None
    group_weight: Any = None
    norm: str = "l2"

    _selects_pixels = True
    _first_step = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        block = check_sizes(self.block, "block")
        object.__setattr__(self, "block", block if len(block) > 1 else block[0])
        if self.norm not in ("l2", "linf"):
            raise ValueError(f"norm must be 'l2' or 'linf', got {self.norm!r}")
        object.__setattr__(self, "group_weight", check_group_weight(self.group_weight))
        if self.labels is not None:
            self._freeze("labels", self._checked_labels())
        if isinstance(self.group_weight, np.ndarray) and self.group_weight.ndim != 1:
            raise ValueError(f"group_weight must be one number for each group, got shape {self.group_weight.shape}")

    def _checked_labels(self) -> Array:
        labels = np.asarray(self.labels)
        if labels.dtype.kind not in "iu" or not 1 <= labels.ndim <= 3:
            raise TypeError(f"labels must be integers of one to three axes, got {labels.dtype} of {labels.ndim}")
        if self.group_weight is None or isinstance(self.group_weight, str):
            # only which pixels go together matters: names of any size become 0, 1, 2, ...
            names, index = np.unique(labels, return_inverse=True)
            return np.where(labels < 0, -1, index.reshape(labels.shape) - np.count_nonzero(names < 0)).astype(np.int64)
        if labels.size and int(labels.max()) >= np.size(self.group_weight):
            raise ValueError(f"group_weight holds {np.size(self.group_weight)} numbers, there are labels up to {labels.max()}")
        return labels.astype(np.int64)

    def _freeze(self, name: str, array: Array) -> None:
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _partition(self, shape: tuple[int, ...]) -> Partition | None:
        if self.labels is not None or self.group_weight is not None:
            return None
        # says what does not fit
        self._dual_shape(shape)
        window = tuple(int(k) for k in np.minimum(self.block, shape[1:]))
        return OverlappingGroupLasso(self.weight, window=window, stride=window, norm=self.norm)._partition(shape)

    # pixels in no group cost nothing, and are no space of the known kinds
    @property
    def null_space(self) -> str:  # type: ignore[override]
        """Zero, unless pixels are in no group."""
        return "unknown" if self.labels is not None and (self.labels < 0).any() else "zero"

    @property
    def _clipping_lowers(self) -> bool:  # type: ignore[override]
        return self.null_space == "zero"

    def _polyhedral(self, shape: tuple[int, ...]) -> bool:
        return self.norm == "linf"

    def _dual_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.labels is not None and self.labels.shape != shape[1:]:
            raise ValueError(f"labels have shape {self.labels.shape}, the image {shape[1:]}")
        if self.labels is None:
            blocks = per_axis(self.block, len(shape) - 1, "block")
            if isinstance(self.group_weight, np.ndarray):
                # says what does not fit; of labels they were looked at when it was made; in a way that compiled losses trace
                groups = 1
                for n, k in zip(shape[1:], blocks, strict=True):
                    groups *= -(-n // k)
                self._weights_of(groups)
        return shape

    def _groups(self, shape: tuple[int, ...]) -> Array:
        """The group of each pixel of one channel, flat; negative for none."""
        if self.labels is not None:
            return np.asarray(self.labels.reshape(-1))
        index: Any = 0
        for axis, (n, k) in enumerate(zip(shape[1:], per_axis(self.block, len(shape) - 1, "block"), strict=True)):
            along = np.arange(n) // k
            index = index * (int(along[-1]) + 1) + along.reshape([-1 if a == axis else 1 for a in range(len(shape) - 1)])
        return np.asarray(np.broadcast_to(index, shape[1:]).reshape(-1))

    def _radii(self, shape: tuple[int, ...]) -> Array:
        """a_g of each group."""
        sizes = np.bincount(np.maximum(self._groups(shape), -1) + 1)[1:]
        if self.group_weight is None:
            return np.ones(len(sizes))
        if isinstance(self.group_weight, str):
            return np.sqrt(sizes)
        return np.asarray(self._weights_of(len(sizes)))

    def _weights_of(self, n: int) -> Any:
        """The weights given, of n groups; raise unless there are as many, or with labels as many at least."""
        weights: Any = self.group_weight
        if len(weights) < n or (self.labels is None and len(weights) > n):
            raise ValueError(f"group_weight holds {len(weights)} numbers, there are {n} groups")
        return weights[:n]

    def _analysis(self, out: Array, x: Array) -> None:
        out[...] = x
        out.reshape(len(x), -1)[:, self._groups(x.shape) < 0] = 0

    def _add_adjoint(self, out: Array, p: Array) -> None:
        flat, groups = p.reshape(len(p), -1), self._groups(p.shape)
        out.reshape(len(p), -1)[...] += np.where(groups < 0, p.dtype.type(0), flat)

    def _lengths(self, values: Array, groups: Array, dual: bool) -> Array:
        """The length, or the dual length, of each group of (channels, pixels), in float64."""
        inside = groups >= 0
        index, n = groups[inside], int(groups.max(initial=-1)) + 1
        values = np.abs(values[:, inside], dtype=np.float64)
        if self.norm == "l2":
            return np.sqrt(np.bincount(index, np.square(values).sum(axis=0), n))
        if dual:
            return np.asarray(np.bincount(index, values.sum(axis=0), n))
        largest = np.zeros(n)
        np.maximum.at(largest, index, values.max(axis=0))
        return largest

    def _project(self, p: Array, factor: float = 1.0) -> None:
        flat, groups = p.reshape(len(p), -1), self._groups(p.shape)
        if not (groups >= 0).any():
            return
        sizes = np.bincount(groups[groups >= 0])
        radii = float(self._radius(p, factor, int(sizes.max()) * len(p))) * self._radii(p.shape)
        if self.norm == "linf":
            order = np.argsort(groups, kind="stable")[np.count_nonzero(groups < 0) :]
            balls.onto_l1_balls(flat, order, np.append(0, np.cumsum(sizes)), radii)
            return
        lengths = self._lengths(flat, groups, dual=True)
        scale = np.divide(radii, lengths, out=np.ones_like(lengths), where=lengths > radii)
        flat *= np.where(groups >= 0, scale[groups], 1.0).astype(p.dtype)

    def _gap(self, x: Array, p: Array) -> tuple[float, float]:
        groups = self._groups(x.shape)
        values = x.reshape(len(x), -1).astype(np.float64)
        lengths = self._w() * self._radii(x.shape) * self._lengths(values, groups, dual=False)
        inside = groups >= 0
        products = np.bincount(groups[inside], (values * p.reshape(len(p), -1))[:, inside].sum(axis=0), len(lengths))
        return float(np.sum(lengths - products)), float(np.sum(lengths))

    def _dual_norm(self, p: Array) -> float:
        lengths, a = self._lengths(p.reshape(len(p), -1), self._groups(p.shape), dual=True), self._radii(p.shape)
        largest = np.divide(lengths, a, out=np.where(lengths > 0, math.inf, 0.0), where=a > 0)
        return float(largest.max(initial=0.0))

    def _group_size(self, shape: tuple[int, ...]) -> int:
        if self.labels is None:
            return shape[0] * int(math.prod(per_axis(self.block, len(shape) - 1, "block")))
        return shape[0] * int(np.bincount(np.maximum(self._groups(shape), -1) + 1)[1:].max(initial=1))

    def _length_bound(self, value: float, shape: tuple[int, ...]) -> float:
        weights = self._pixel_costs(shape)
        stretch = 1.0 if self.norm == "l2" else math.sqrt(self._group_size(shape))
        return value / float(weights.min(where=weights > 0, initial=math.inf)) * stretch

    def _null_space_basis(self, shape: tuple[int, ...]) -> list[Array] | None:
        return free_pixels(self._pixel_costs(shape), shape)

    def _pixel_costs(self, shape: tuple[int, ...]) -> Array:
        """Per pixel of one channel, the least c with P(x) >= c |x_j|."""
        a = np.append(self._radii(shape), 0.0)[np.maximum(self._groups(shape), -1)]
        return np.asarray(self._w() * a.reshape(shape[1:]))

    def _norm_squared(self, shape: tuple[int, ...]) -> float:
        return 1.0

    def _gram(self, shape: tuple[int, ...]) -> Diagonalised | None:
        if self.null_space == "zero":
            return Diagonalised("uniform", 1.0)
        return Diagonalised("pixel", (self.labels >= 0)[None].astype(np.float64))

    def _exact(self, shape: tuple[int, ...]) -> Exact | None:
        return Exact(self._shrink)

    def _shrink(self, x: Array, p: Array | None, y: Array) -> None:
        dual = np.zeros(y.shape, y.dtype)
        self._analysis(dual, y)
        self._project(dual)
        np.subtract(y, dual, out=x)
        if self.norm == "l2":
            # what is projected onto itself is exactly zero, and only that
            x[self._inside(y, y, 0.0)] = 0
        if p is not None:
            p[...] = dual

    def _clear_unused(self, p: Array) -> None:
        p.reshape(len(p), -1)[:, self._groups(p.shape) < 0] = 0

    def _inside(self, image: Array, p: Array, margin: float) -> Array:
        """Where groups have a dual within (1 - margin) of the ball."""
        groups = self._groups(image.shape)
        radii = (1 - margin) * self._w() * self._radii(image.shape)
        # a group without a weight costs nothing, whatever it holds
        within = (self._lengths(p.reshape(len(p), -1), groups, dual=True) <= radii) & (radii > 0)
        zero = (groups >= 0) & np.append(within, False)[groups]
        return np.broadcast_to(zero.reshape(image.shape[1:]), image.shape)

    def _structure(self, shape: tuple[int, ...]) -> str:
        return "support"

    def _identify(self, x: Array, p: Array, margin: float) -> None:
        x[self._inside(x, p, margin)] = 0
