"""The derivative of a proximal point: implicit differentiation on the structure that its dual certifies.

With x = argmin 1/2 ||x - v||^2 + P(x), groups that are 0 tie pixels together, or to 0, and every other group g bends with the
Hessian ``K_g^T (w / |z_g|) (I - n n^T) K_g``, where z_g = K_g x and n = z_g / |z_g|. The derivative takes a direction to the u
among the tied images with ``u + H u`` = direction, as far as tied images see it.

H is as large as lengths are small: conjugate gradients take thousands of steps (3 s for sixteen images of 64x64 under total
variation at a relative gap of 1e-7, 14 s under windows), a sparse factorisation of the tied system of each image 0.1 s in all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from ._arrays import Array
from ._forms import VALUES
from .penalties import L2, ElasticNet, GroupLasso, OverlappingGroupLasso, Penalty, TotalVariation

#: how much shorter than its ball a dual must be for its group to be held at 0; those of other groups are on it to rounding
_MARGIN = 1e-6


def derivative(
    penalty: Penalty, x: torch.Tensor, weights: torch.Tensor, duals: list[Any], direction: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """J direction, and grad P(x) along the groups that are not 0, for images (batch, channels, *spatial); see `ProxLayer`.

    P is multiplied by one of the weights for each image; `duals` holds those of each image, one a part.
    """
    shape = tuple(x.shape[1:])
    groups = [_GROUPS[type(part)](part, shape) for part in penalty.parts if type(part) in _GROUPS and part._w() > 0]
    ridge = sum(part._w() * _RIDGES[type(part)](part) for part in penalty.parts if type(part) in _RIDGES)
    images, directions = (t.detach().cpu().double().numpy() for t in (x, direction))
    at, u = np.empty_like(images), np.empty_like(images)
    for i, scale in enumerate(weights.tolist()):
        labels = _labels(scale * penalty, shape, duals[i]).reshape(-1)
        sizes = np.bincount(labels)
        # what the dual says is 0 is 0 in fact
        means = np.bincount(labels, images[i].reshape(-1)) / np.maximum(sizes, 1)
        means[0] = 0
        at[i] = means[labels].reshape(shape)
        seen = np.bincount(labels, directions[i].reshape(-1))[1:]
        bent = [own.hessian(at[i].reshape(-1), labels, scale) for own in groups]
        system = sum(bent, diags_array((1 + scale * ridge) * sizes[1:].astype(np.float64)))
        found = _solved(system.tocsc(), seen) if bent else seen / system.diagonal()
        u[i] = np.append(0.0, found)[labels].reshape(shape)
    with torch.enable_grad():
        point = torch.from_numpy(at).requires_grad_()
        value = sum(part._w() * VALUES[type(part)](part, point, 0.0).sum() for part in penalty.parts)
        (slope,) = torch.autograd.grad(value, point)
    return torch.from_numpy(u).to(x), slope.to(x)


def _solved(system: Any, b: Array) -> Array:
    """The solution of a symmetric positive definite system."""
    if not len(b):
        return b
    options = {"SymmetricMode": True}
    return np.asarray(splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(b))


class _Groups(NamedTuple):
    """The groups of a part: K as a matrix on flat images, the group of each of its rows, and their weights."""

    analysis: csr_array
    group: Array
    weight: Array
    #: lengths up to this cost their square
    corner: float = 0.0

    def hessian(self, x: Array, labels: Array, scale: float) -> csr_array:
        """Of scale P at x, as a matrix on the numbers of the labels from 1 on."""
        z, n = self.analysis @ x, len(self.weight)
        lengths = np.sqrt(np.bincount(self.group, z * z, n))
        # beyond what the square of a number can tell from 0 nothing bends
        bends = (lengths > 0) | (self.corner > 0)
        slack = np.where(bends, np.maximum(lengths, self.corner), 1.0)
        curvature = np.where(bends, scale * self.weight / slack, 0.0)
        straight = np.where(lengths > self.corner, 1.0, 0.0)
        rows = self.analysis.tocoo()
        columns = labels[rows.col]
        kept = columns > 0
        shape = (len(z), int(labels.max(initial=0)))
        tied = csr_array((rows.data[kept], (rows.row[kept], columns[kept] - 1)), shape)
        along = z / np.where(lengths > 0, lengths, 1.0)[self.group] * straight[self.group]
        along = csr_array((along, (self.group, np.arange(len(z)))), (n, len(z))) @ tied
        bent: csr_array = tied.T @ (diags_array(curvature[self.group]) @ tied)
        return bent - along.T @ (diags_array(curvature) @ along)  # type: ignore[no-any-return]


def _total_variation(part: TotalVariation, shape: tuple[int, ...]) -> _Groups:
    pixels = np.arange(int(np.prod(shape))).reshape(shape)
    spatial = int(np.prod(shape[1:]))
    scales = part._scales(shape[1:])
    scales = np.ones((len(shape) - 1, *shape[1:])) if scales is None else np.broadcast_to(scales, (len(shape) - 1, *shape[1:]))
    ends, data, groups = [], [], []
    for axis, own in enumerate(scales):
        inner = np.moveaxis(pixels, 1 + axis, 0)
        ends.append(np.stack([inner[:-1].reshape(-1), inner[1:].reshape(-1)]))
        rates = np.moveaxis(np.broadcast_to(own, shape), 1 + axis, 0)[:-1].reshape(-1)
        data.append(np.stack([-rates, rates]))
        # the group of a difference: its pixel, of all channels or its own; by itself where there are no lengths
        first = ends[-1][0] % spatial if part.coupled else ends[-1][0]
        groups.append(first if part.isotropic else axis * pixels.size + ends[-1][0])
    columns, values = np.concatenate(ends, 1), np.concatenate(data, 1)
    rows = np.broadcast_to(np.arange(columns.shape[1]), columns.shape)
    matrix = csr_array((values.reshape(-1), (rows.reshape(-1), columns.reshape(-1))), (columns.shape[1], pixels.size))
    group = np.concatenate(groups)
    return _Groups(matrix, group, np.full(int(group.max(initial=-1)) + 1, part._w()), part.huber)


def _windows(part: OverlappingGroupLasso, shape: tuple[int, ...]) -> _Groups:
    # the number of the pixel that each copy is of, 0 beyond the border
    copies = np.zeros(part._dual_shape(shape))
    part._analysis(copies, np.arange(1.0, np.prod(shape) + 1).reshape(shape))
    copies = copies.reshape(copies.shape[0] * shape[0], -1)
    group = np.broadcast_to(np.arange(copies.shape[1]), copies.shape)[copies > 0]
    return _selected(copies[copies > 0].astype(int) - 1, shape, group, np.full(copies.shape[1], part._w()))


def _blocks(part: GroupLasso, shape: tuple[int, ...]) -> _Groups:
    group = np.tile(part._groups(shape), shape[0])
    chosen = np.flatnonzero(group >= 0)
    return _selected(chosen, shape, group[chosen], part._w() * part._radii(shape))


def _selected(pixels: Array, shape: tuple[int, ...], group: Array, weight: Array) -> _Groups:
    """Groups that hold pixels as they are."""
    matrix = csr_array((np.ones(len(pixels)), (np.arange(len(pixels)), pixels)), (len(pixels), int(np.prod(shape))))
    return _Groups(matrix, group, weight)


#: what bends; L1 and what lies along an axis of its own are straight
_GROUPS: dict[type[Penalty], Callable[[Any, tuple[int, ...]], _Groups]] = {
    TotalVariation: _total_variation,
    GroupLasso: _blocks,
    OverlappingGroupLasso: _windows,
}
#: the curvature of a square, in units of the weight
_RIDGES: dict[type[Penalty], Any] = {L2: lambda part: 1.0, ElasticNet: lambda part: (1 - part.l1_ratio) / part.unit}


def _labels(penalty: Penalty, shape: tuple[int, ...], duals: Any) -> Array:
    """A number from 1 on for each pixel, the same where the duals say that pixels are equal; 0 where that they are 0."""
    # what is made equal or 0 of numbers that are all different
    drawn = np.random.default_rng(0).random(shape) + 1.0
    made = []
    for part, p in zip(penalty.parts, duals, strict=True):
        if part._w() > 0:
            snapped = drawn.copy()
            part._snap(snapped, p, max(_MARGIN, 64 * float(np.finfo(p.dtype).eps)))
            made.append(snapped.reshape(-1))
    names = _components([np.unique(snapped, return_inverse=True)[1] for snapped in made], drawn.size)
    # whoever is tied to a 0 is 0
    kept = np.ones(int(names.max(initial=-1)) + 1, bool)
    for snapped in made:
        kept[names[snapped == 0]] = False
    return np.where(kept, np.cumsum(kept), 0)[names]


def _components(numbers: list[Array], pixels: int) -> Array:
    """The component of each pixel, pixels of the same number in one of these lists being in one."""
    if len(numbers) < 2:
        return numbers[0] if numbers else np.arange(pixels)
    # pixels and numbers are the nodes of a graph
    firsts = np.cumsum([pixels, *(int(own.max()) + 1 for own in numbers)])
    columns = np.concatenate([own + first for own, first in zip(numbers, firsts, strict=False)])
    rows = np.tile(np.arange(pixels), len(numbers))
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), (firsts[-1], firsts[-1]))
    return np.asarray(connected_components(graph, directed=False)[1][:pixels])
