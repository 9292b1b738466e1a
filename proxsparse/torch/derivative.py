"""The derivative of a proximal point: implicit differentiation on the structure that its dual certifies.

With x = argmin 1/2 ||x - v||^2 + P(x), a group with (Kx)_g = 0 imposes (Ku)_g = 0 on the derivative u, and every other group g
adds the Hessian ``K_g^T (w / |z_g|) (I - n n^T) K_g``, where z_g = K_g x and n = z_g / |z_g|. The derivative takes a direction
to the u among the tied images with ``u + H u`` = direction, as far as tied images see it.

H is as large as lengths are small. Where most pixels are free its diagonal is near to it under windows, and differences of
colours: 10 to 50 steps of conjugate gradients, 4 to 17 times less than a sparse factorisation (256x256, windows of 3: 0.4 s for
2.5 s). Where many are tied the factorisation is cheap, and lengths are small: hundreds of steps (2.5 s for 0.15 s), as under
differences of gray images always.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import block_array, coo_array, csr_array, diags_array, vstack
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from ..arrays.numbers import Array
from ..linear.diagonal import Diagonalised, conjugate_gradients
from ..penalties import L1, L2, ElasticNet, GroupLasso, OverlappingGroupLasso, Penalty, TotalVariation
from ..penalties.listed_groups import WeightedWindows

#: how much shorter than its ball a dual must be for its group to be held at 0; those of other groups are on it to rounding
_MARGIN = 1e-6
#: lengths below this, over the largest number of the images, bend as if they were as long: they are rounding
_LEAST = 1e-10
#: conjugate gradients end with a residual of this share of what it was
_RESIDUAL = 1e-10
#: a group of more numbers than these gets an unknown of its own, which keeps its part of the system sparse
_LONG = 64


def derivative(
    penalty: Penalty,
    x: torch.Tensor,
    weights: torch.Tensor,
    labels: torch.Tensor,
    direction: torch.Tensor,
    with_slopes: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """J direction, and its product with grad P(x) for each image, for images (batch, channels, *spatial); see `ProxLayer`.

    P is multiplied by one of the weights for each image; `labels` are of `tied_pixels`. Without slopes the products are 0.
    In NumPy: inside an operator of PyTorch's nothing is differentiated.
    """
    images, directions = (t.detach().cpu().double().numpy().reshape(-1) for t in (x, direction))
    # numbers of their own for each image
    own = labels.cpu().numpy().astype(np.int64).reshape(len(x), math.prod(x.shape[1:]))
    most = own.max(axis=1, initial=0)
    before = np.cumsum(most) - most
    tied = np.where(own > 0, own + before[:, None], 0).reshape(-1)
    scales = weights.detach().cpu().double().numpy()
    sizes = np.bincount(tied, minlength=1)
    # what the dual says is 0 is 0 in fact
    means = np.bincount(tied, images, len(sizes)) / np.maximum(sizes, 1)
    means[0] = 0
    at = means[tied]
    per_pixel = np.repeat(scales, at.size // max(len(scales), 1))
    ridge = sum(part._w() * _RIDGES[type(part)](part) for part in penalty.parts if type(part) in _RIDGES)
    diagonal = np.bincount(tied, 1 + per_pixel * ridge, len(sizes))[1:]
    least = _LEAST * float(np.abs(at).max(initial=0.0))
    bent = [groups.hessian(at, tied, scales, least) for groups in _curved_parts(penalty, tuple(x.shape[1:]))]
    found = _solved(
        diagonal,
        bent,
        np.bincount(tied, directions, len(sizes))[1:],
        _steps(penalty, x.shape[1], len(diagonal) / max(at.size, 1)),
    )
    u = np.append(0.0, found)[tied]
    slopes = np.zeros(len(x))
    if with_slopes:
        pairs = at.reshape(own.shape), u.reshape(own.shape)
        slopes += sum(part._w() * _slope(part, tuple(x.shape[1:]), *pairs) for part in penalty.parts)
    return torch.from_numpy(u.reshape(tuple(x.shape))).to(x), torch.from_numpy(slopes).to(weights)


def _slope(part: Penalty, shape: tuple[int, ...], x: Array, u: Array) -> Array:
    """The derivative of a part without its weight at flat images x along u, for each; 0 for what has length 0."""
    if isinstance(part, L2):
        return np.asarray((x * u).sum(axis=1))
    if isinstance(part, ElasticNet):
        r = part.l1_ratio
        return np.asarray(((r * np.sign(x) + (1 - r) / part.unit * x) * u).sum(axis=1))
    if isinstance(part, L1):
        slopes = np.sign(x) * u
        weight = 1.0 if part.pixel_weight is None else np.tile(part.pixel_weight.reshape(-1), shape[0])
        return np.asarray((slopes * weight).sum(axis=1))
    return _GROUPS[type(part)](part.with_weight(1.0), shape).slope(x, u)


def tied_pixels(penalties: Sequence[Penalty], shape: tuple[int, ...], duals: Sequence[Any]) -> torch.Tensor:
    """A number for each pixel of an image, the same where its duals say that pixels are equal, 0 where that they are 0."""
    labels = np.zeros((len(duals), *shape), np.int32)
    for image, penalty, own in zip(labels, penalties, duals, strict=True):
        image[...] = _labels(penalty, shape, own).reshape(shape)
    return torch.from_numpy(labels)


def _curved_parts(penalty: Penalty, shape: tuple[int, ...]) -> list[_Groups]:
    """The groups of the parts with a second derivative; L1 and anisotropic total variation are piecewise linear."""
    parts = [part for part in penalty.parts if type(part) in _GROUPS and part._w() > 0]
    straight = [isinstance(part, TotalVariation) and not part.isotropic and part.huber == 0 for part in parts]
    return [_GROUPS[type(part)](part, shape) for part, is_straight in zip(parts, straight, strict=True) if not is_straight]


def _steps(penalty: Penalty, channels: int, untied: float) -> int:
    """How many steps of conjugate gradients are tried before the system is factorised; of the share of pixels not tied."""
    differences = any(isinstance(part, TotalVariation) for part in penalty.parts)
    return 60 if untied > 0.75 and (channels > 1 or not differences) else 0


def _solved(diagonal: Array, bent: list[_Hessian], b: Array, steps: int) -> Array:
    """The c with (diagonal + H) c = b; a long group's rank one is an unknown v = -D C c of its own, D its curvature."""
    if not bent or not len(b):
        return b / diagonal
    if steps:
        own = [hessian.factors() for hessian in bent]
        factors, signs = vstack([rows for rows, _ in own]).tocsr(), np.concatenate([sign for _, sign in own])
        # of the system that has ones on its diagonal
        scale = 1 / np.sqrt(np.maximum(diagonal + factors.multiply(factors).T @ signs, diagonal))
        factors = (factors @ diags_array(scale)).tocsr()
        transposed, ridge, ones = factors.T.tocsr(), diagonal * scale**2, Diagonalised("uniform", 1.0)

        def scaled(c: Array) -> Array:
            return np.asarray(ridge * c + transposed @ (signs * (factors @ c)))

        found, taken = conjugate_gradients(scaled, scale * b, np.zeros_like(b), ones, _RESIDUAL**2, 0.0, steps)
        left = np.linalg.norm(scaled(found) - scale * b)
        if taken < steps and left <= 10 * _RESIDUAL * np.linalg.norm(scale * b):
            return np.asarray(scale * found)
    parts = [own.assembled() for own in bent]
    system: Any = sum((sparse for sparse, _, _ in parts), diags_array(diagonal))
    border = vstack([long for _, long, _ in parts]).tocsr()
    if border.shape[0]:
        slack = np.concatenate([own for _, _, own in parts])
        system = block_array([[system, border.T], [border, diags_array(slack)]])
        b = np.concatenate([b, np.zeros(len(slack))])
    options = {"SymmetricMode": True}
    solution = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(b)
    return np.asarray(solution[: len(diagonal)])


class _Hessian(NamedTuple):
    """tied^T (curvature of each row's group) tied - along^T (curvature) along."""

    tied: csr_array
    group: Array
    along: csr_array
    curvature: Array

    def factors(self) -> tuple[csr_array, Array]:
        """(F, signs): it is F^T (signs) F."""
        root = np.sqrt(self.curvature)
        rows = [diags_array(root[self.group]) @ self.tied, diags_array(root) @ self.along]
        return vstack(rows).tocsr(), np.repeat([1.0, -1.0], [own.shape[0] for own in rows])

    def assembled(self) -> tuple[csr_array, csr_array, Array]:
        """(sparse, long, slack): it is sparse - long^T (1 / slack) long, the groups of many numbers apart."""
        long = (np.bincount(self.group, minlength=len(self.curvature)) > _LONG) & (self.curvature > 0)
        sparse = self.tied.T @ (diags_array(self.curvature[self.group]) @ self.tied)
        sparse = sparse - self.along.T @ (diags_array(np.where(long, 0.0, self.curvature)) @ self.along)
        return sparse, self.along[long], 1 / self.curvature[long]


class _Groups(NamedTuple):
    """The groups of a part on one image: K as a matrix on flat images, the group of each of its rows, and their weights."""

    analysis: coo_array
    group: Array
    weight: Array
    #: lengths up to this cost their square
    corner: float = 0.0

    def hessian(self, x: Array, labels: Array, scales: Array, least: float) -> _Hessian:
        """The Hessian of P at the images x, times their scales: a matrix over the labels from 1 on, image after image."""
        n, images = len(self.weight), len(scales)
        rows, pixels = self.analysis.shape
        # the same for every image
        first = np.arange(images)[:, None]
        row = (self.analysis.row + rows * first).reshape(-1)
        column = labels[(self.analysis.col + pixels * first).reshape(-1)]
        data = np.tile(self.analysis.data, images)
        group = (self.group + n * first).reshape(-1)
        z = np.bincount(row, data * x[(self.analysis.col + pixels * first).reshape(-1)], rows * images)
        lengths = np.sqrt(np.bincount(group, z * z, n * images))
        bends = (lengths > 0) | (self.corner > 0)
        slack = np.where(bends, np.maximum(lengths, max(self.corner, least)), 1.0)
        curvature = np.where(bends, np.repeat(scales, n) * np.tile(self.weight, images) / slack, 0.0)
        kept = column > 0
        tied = csr_array((data[kept], (row[kept], column[kept] - 1)), (rows * images, int(labels.max(initial=0))))
        straight = (lengths > self.corner)[group]
        unit = np.where(straight, z / np.where(lengths > 0, lengths, 1.0)[group], 0.0)
        along = csr_array((unit, (group, np.arange(len(z)))), (n * images, len(z))) @ tied
        return _Hessian(tied, group, along, curvature)

    def slope(self, x: Array, u: Array) -> Array:
        """The derivative of P at each of the images x along u."""
        analysis = self.analysis.tocsr()
        z, along = analysis @ x.T, analysis @ u.T
        gather = csr_array((np.ones(len(self.group)), (self.group, np.arange(len(self.group)))), (len(self.weight), len(z)))
        lengths = np.maximum(np.sqrt(gather @ (z * z)), self.corner)
        return np.asarray(
            self.weight @ np.where(lengths > 0, (gather @ (z * along)) / np.where(lengths > 0, lengths, 1.0), 0.0)
        )


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
    matrix = coo_array((values.reshape(-1), (rows.reshape(-1), columns.reshape(-1))), (columns.shape[1], pixels.size))
    group = np.concatenate(groups)
    return _Groups(matrix, group, np.full(int(group.max(initial=-1)) + 1, part._w()), part.huber)


def _windows(part: OverlappingGroupLasso, shape: tuple[int, ...]) -> _Groups:
    # the number of the pixel that each copy is of, 0 beyond the border
    copies = np.zeros(part._dual_shape(shape))
    OverlappingGroupLasso(1.0, part.window, part.stride)._analysis(copies, np.arange(1.0, np.prod(shape) + 1).reshape(shape))
    factors = part._scales(copies.shape[2:], shape) if isinstance(part, WeightedWindows) else np.ones(copies.shape[2:])
    copies = copies.reshape(copies.shape[0] * shape[0], -1)
    group = np.broadcast_to(np.arange(copies.shape[1]), copies.shape)[copies > 0]
    return _selected(copies[copies > 0].astype(int) - 1, shape, group, part._w() * factors.reshape(-1))


def _blocks(part: GroupLasso, shape: tuple[int, ...]) -> _Groups:
    group = np.tile(part._groups(shape), shape[0])
    chosen = np.flatnonzero(group >= 0)
    return _selected(chosen, shape, group[chosen], part._w() * part._radii(shape))


def _selected(pixels: Array, shape: tuple[int, ...], group: Array, weight: Array) -> _Groups:
    """Groups that hold pixels as they are."""
    matrix = coo_array((np.ones(len(pixels)), (np.arange(len(pixels)), pixels)), (len(pixels), int(np.prod(shape))))
    return _Groups(matrix, group, weight)


#: what bends; L1 and what lies along an axis of its own are straight
_GROUPS: dict[type[Penalty], Callable[[Any, tuple[int, ...]], _Groups]] = {
    TotalVariation: _total_variation,
    GroupLasso: _blocks,
    OverlappingGroupLasso: _windows,
    WeightedWindows: _windows,
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
            identified = drawn.copy()
            # of a group of many numbers the ball is smaller by their rounding
            rounding = (64 + _largest_group(part, p)) * float(np.finfo(p.dtype).eps)
            part._identify(identified, p, max(_MARGIN, rounding))
            made.append(identified.reshape(-1))
    names = _components([np.unique(identified, return_inverse=True)[1] for identified in made], drawn.size)
    # whoever is tied to a 0 is 0
    kept = np.ones(int(names.max(initial=-1)) + 1, bool)
    for identified in made:
        kept[names[identified == 0]] = False
    return np.where(kept, np.cumsum(kept), 0)[names]


def _largest_group(part: Penalty, p: Array) -> int:
    """Numbers in the largest group of a part, from its dual: the matrices of `_GROUPS` are not made for that."""
    if isinstance(part, GroupLasso):
        return len(p) * int(np.bincount(part._groups(p.shape) + 1)[1:].max(initial=1))
    if isinstance(part, TotalVariation):
        return p.shape[0] * (p.shape[1] if part.coupled else 1) if part.isotropic else 1
    return p.shape[0] * p.shape[1] if isinstance(part, OverlappingGroupLasso) else 1


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
