"""The values of penalties by PyTorch's operations, for images (batch, channels, *spatial)."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..arrays.checks import per_axis
from ..penalties import (
    L1,
    L2,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    Nonconvex,
    OverlappingGroupLasso,
    Penalty,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
)
from ..penalties.reweighted import SCAD_LINEAR


def check_loss(penalty: Any) -> None:
    """Raise unless it is one whose value is here, convex or not."""
    if isinstance(penalty, Nonconvex):
        if not isinstance(penalty, (MCP, SCAD)):
            raise TypeError(f"{penalty!r} has no gradient: MCP, SCAD and Reweighted have")
        penalty._w()
        return
    check_penalty(penalty.penalty if isinstance(penalty, Reweighted) else penalty)


def check_penalty(penalty: Any) -> None:
    """Raise unless it is a convex one whose forms are here."""
    if not isinstance(penalty, Penalty):
        raise TypeError(f"penalty must be a Penalty, got {penalty!r}")
    for part in penalty.parts:
        if type(part) not in VALUES:
            known = ", ".join(kind.__name__ for kind in VALUES)
            raise TypeError(f"{part!r} has no form in PyTorch; known are {known} (windows without weights) and sums of them")
        part._w()


def brief(penalty: Penalty) -> str:
    """Its repr, without the arrays that it may hold."""
    text = repr(penalty)
    return text if len(text) <= 200 else f"{text[:197]}..."


def check_spatial_ndim(spatial_ndim: Any) -> int | None:
    """1, 2, 3 or None."""
    if spatial_ndim is not None and (isinstance(spatial_ndim, bool) or spatial_ndim not in (1, 2, 3)):
        raise ValueError(f"spatial_ndim must be 1, 2 or 3, got {spatial_ndim!r}")
    return None if spatial_ndim is None else int(spatial_ndim)


def check_images(image: torch.Tensor, penalty: Penalty, spatial_ndim: int | None = None) -> None:
    """Raise unless they are images that the penalty fits, of so many spatial axes."""
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"the images must be a tensor, got {type(image).__name__}")
    if not image.is_floating_point():
        raise TypeError(f"the images must be floating, got {image.dtype}")
    if not 3 <= image.ndim <= 5:
        raise ValueError(f"the images must be (batch, channels, *spatial) with 1 to 3 spatial axes, got {tuple(image.shape)}")
    if spatial_ndim is not None and image.ndim != spatial_ndim + 2:
        raise ValueError(f"the images must have 2 + spatial_ndim = {spatial_ndim + 2} axes, got {tuple(image.shape)}")
    if image.ndim == 3 and spatial_ndim is None:
        raise ValueError(
            f"{tuple(image.shape)} may be an image without its batch, or a batch of signals: "
            "give (batch, channels, rows, columns), or say spatial_ndim=1"
        )
    if 0 in image.shape[1:]:
        raise ValueError(f"the images are empty: shape {tuple(image.shape)}")
    for part in penalty.parts:
        part = GroupLasso(block=part.block) if isinstance(part, Nonconvex) and part.block is not None else part
        if isinstance(part, Penalty):
            # says what does not fit
            part._dual_shape(tuple(image.shape[1:]))


def value_of(penalty: Any, image: torch.Tensor, eps: float, reference: torch.Tensor | None = None) -> torch.Tensor:
    """P of each image, or where P is not convex its tangent at the lengths of a reference image."""
    # a number that is not finite makes its image's value NaN, also where P is bounded or takes no notice of a pixel
    found = _each(0.0 * image)
    for weight, lengths, rho in _concave_terms(penalty, eps):
        if reference is None:
            found = found + weight * _each(rho(lengths(image)))
            continue
        with torch.enable_grad():
            held = lengths(reference.detach()).detach().requires_grad_()
            value = rho(held)
            (slope,) = torch.autograd.grad(value.sum(), held)
        found = found + weight * _each(value.detach() + slope * (lengths(image) - held.detach()))
    if isinstance(penalty, Penalty):
        found = sum((part._w() * VALUES[type(part)](part, image, eps) for part in penalty.parts), found)
    return found


#: weight, the lengths of images, and what is paid for them
_Term = tuple[float, Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]


def _concave_terms(penalty: Any, eps: float) -> list[_Term]:
    """The parts of a penalty that is not convex; of one that is there are none."""
    if isinstance(penalty, (MCP, SCAD)):
        bend, linear = (penalty.gamma, 0.0) if isinstance(penalty, MCP) else (penalty.a, 1 / penalty.a)
        lengths = functools.partial(_absolute, eps=eps)
        if penalty.block is not None:
            lengths = _lengths_of(GroupLasso(block=penalty.block), eps)
        return [(penalty._w(), lengths, functools.partial(_bent, corner=bend * penalty._w(), linear=linear))]
    if not isinstance(penalty, Reweighted):
        return []
    return [
        (part._w(), _lengths_of(part, eps), functools.partial(_concave, penalty.function, corner=corner))
        for part, corner in zip(penalty.parts, penalty.corners(), strict=True)
    ]


def _lengths_of(part: Penalty, eps: float) -> Any:
    return lambda image: LENGTHS[type(part)](part, image, eps)


def _bent(length: torch.Tensor, corner: float, linear: float) -> torch.Tensor:
    """The length up to a share of the corner, from there on flatter, and constant beyond the corner."""
    if corner == 0:
        return 0.0 * length
    short = length.clamp(max=corner)
    beyond = (short - linear * corner).clamp(min=0)
    return short - beyond * beyond / (2 * (1 - linear) * corner)


def _concave(function: str, length: torch.Tensor, *, corner: float) -> torch.Tensor:
    """The function of `Reweighted`; see `penalties/reweighted.py`."""
    if function == "log":
        return 0.0 * length if corner == 0 else corner * torch.log1p(length / corner)
    if function == "capped":
        return length.clamp(max=corner)
    return _bent(length, corner, 0.0 if function == "mcp" else SCAD_LINEAR)


def _each(values: torch.Tensor) -> torch.Tensor:
    """The sum of each image."""
    return values.flatten(1).sum(1)


def _absolute(z: torch.Tensor, eps: float) -> torch.Tensor:
    return z.abs() if eps == 0 else _root(z * z, eps)


def _euclidean(z: torch.Tensor, axes: tuple[int, ...], eps: float) -> torch.Tensor:
    """Lengths over these axes."""
    return _root((z * z).sum(axes), eps)


def _root(square: torch.Tensor, eps: float) -> torch.Tensor:
    """Lengths from their squares, with gradient 0 where they are 0."""
    # an eps whose square is beyond the dtype smooths nothing
    if eps * eps >= torch.finfo(square.dtype).tiny:
        shift = torch.full((), eps * eps, dtype=square.dtype, device=square.device)
        return _root(square + shift, 0.0) - shift.sqrt()
    # NaN is there too
    there = ~(square <= 0)
    # the root of 0 is never taken: its gradient, and the gradient's, would be NaN
    return torch.where(there, torch.where(there, square, 1.0).sqrt(), 0.0)


def _like(array: Any, image: torch.Tensor) -> torch.Tensor:
    # a copy: what a penalty holds is read-only
    return torch.as_tensor(np.array(array), dtype=image.dtype, device=image.device)


def _l1(part: L1, image: torch.Tensor, eps: float) -> torch.Tensor:
    sizes = _absolute(image, eps)
    return _each(sizes if part.pixel_weight is None else sizes * _like(part.pixel_weight, image))


def _l2(part: L2, image: torch.Tensor, eps: float) -> torch.Tensor:
    return _each(image * image) / 2


def _elastic_net(part: ElasticNet, image: torch.Tensor, eps: float) -> torch.Tensor:
    r = part.l1_ratio
    return _each(r * _absolute(image, eps) + (1 - r) / (2 * part.unit) * image * image)


def _differences(part: TotalVariation, image: torch.Tensor) -> torch.Tensor:
    """K x, (batch, axes, channels, *spatial)."""
    spatial = range(2, image.ndim)
    # Neumann edge: the last difference is 0
    z = torch.stack([torch.diff(image, dim=a, append=image.narrow(a, image.shape[a] - 1, 1)) for a in spatial], 1)
    scales = part._scales(tuple(image.shape[2:]))
    return z if scales is None else z * _like(scales, image).unsqueeze(1)


def _total_variation(part: TotalVariation, image: torch.Tensor, eps: float) -> torch.Tensor:
    z = _differences(part, image)
    axes = (1, 2) if part.coupled else (1,)
    lengths = _euclidean(z, axes, eps) if part.isotropic else _absolute(z, eps)
    if part.huber > 0:
        # from the squares, so that it bends where lengths are 0
        squares = lengths * lengths if eps > 0 else (z * z).sum(axes) if part.isotropic else z * z
        lengths = torch.where(lengths <= part.huber, squares / (2 * part.huber), lengths - part.huber / 2)
    return _each(lengths)


def _padded(z: torch.Tensor, ends: dict[int, tuple[int, int]]) -> torch.Tensor:
    """Zeros before and after z along these axes."""
    widths = [w for axis in range(z.ndim - 1, -1, -1) for w in ends.get(axis, (0, 0))]
    return torch.nn.functional.pad(z, widths)


def _second_order(part: SecondOrderTV, image: torch.Tensor, eps: float) -> torch.Tensor:
    """K x is (batch, pairs of axes, channels, *spatial), 0 where a stencil leaves the image."""
    axes = range(2, image.ndim)
    rows = [
        _padded(torch.diff(image, n=2, dim=a), {a: (1, 1)}) if image.shape[a] > 2 else torch.zeros_like(image) for a in axes
    ]
    for a, b in itertools.combinations(axes, 2):
        mixed = torch.diff(torch.diff(image, dim=a), dim=b)
        rows.append(_padded(math.sqrt(2) * mixed, {a: (0, 1), b: (0, 1)}))
    scaled = [row * float(rate) for row, rate in zip(rows, part._rates(len(axes)), strict=True)]
    return _each(_euclidean(torch.stack(scaled, 1), (1, 2), eps))


def _group_lengths(part: GroupLasso, image: torch.Tensor, eps: float, norm: str | None = None) -> torch.Tensor:
    """By the part's norm or another one, (batch, groups)."""
    norm = part.norm if norm is None else norm
    if part.labels is None:
        # blocks are windows that do not overlap
        blocks = per_axis(part.block, image.ndim - 2, "block")
        return _lengths_of_windows(image, norm, blocks, blocks, eps).flatten(1)
    inside, index, n = (own.to(image.device) for own in _indices(part))
    values = image.flatten(2).index_select(2, inside)
    of_each = torch.zeros_like(n, dtype=image.dtype).expand(image.shape[0], -1)
    if norm == "l2":
        return _root(of_each.index_add(1, index, (values * values).sum(1)), eps)
    sizes = _absolute(values, eps).amax(1)
    return of_each.scatter_reduce(1, index.expand(image.shape[0], -1), sizes, "amax")


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def _indices(part: GroupLasso) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The pixels that are in a group, the group of each, and one number a group."""
    labels = np.array(part.labels).reshape(-1)
    inside = np.flatnonzero(labels >= 0)
    return torch.from_numpy(inside), torch.from_numpy(labels[inside]), torch.zeros(int(labels.max()) + 1)


def _groups(part: GroupLasso, image: torch.Tensor, eps: float) -> torch.Tensor:
    lengths = _group_lengths(part, image, eps)
    if part.group_weight is None:
        return _each(lengths)
    if isinstance(part.group_weight, str):
        # the Euclidean length of ones is the root of their number
        return _each(lengths * _group_lengths(part, torch.ones_like(image[:1, :1]), 0.0, "l2"))
    return _each(lengths * _like(part._weights_of(lengths.shape[1]), image))


def _lengths_of_windows(
    image: torch.Tensor, norm: str, sides: tuple[int, ...], steps: tuple[int, ...], eps: float
) -> torch.Tensor:
    """Sums or maxima over windows, an axis at a time; those at the end are clipped: filled up with zeros."""
    euclidean = norm == "l2"
    over = (image * image).sum(1, keepdim=True) if euclidean else _absolute(image, eps).amax(1, keepdim=True)
    for axis, (k, s) in enumerate(zip(sides, steps, strict=True), start=2):
        n = over.shape[axis]
        # as many as cover all pixels
        beyond = (k - n) % s if n >= k else k - n
        pieces = _padded(over, {axis: (0, beyond)}).unfold(axis, k, s)
        over = pieces.sum(-1) if euclidean else pieces.amax(-1)
    return _root(over, eps) if euclidean else over


def _window_lengths(part: OverlappingGroupLasso, image: torch.Tensor, eps: float) -> torch.Tensor:
    axes = image.ndim - 2
    sides, steps = per_axis(part.window, axes, "window"), per_axis(part.stride, axes, "stride")
    return _lengths_of_windows(image, part.norm, sides, steps, eps)


def _windows(part: OverlappingGroupLasso, image: torch.Tensor, eps: float) -> torch.Tensor:
    return _each(_window_lengths(part, image, eps))


def _difference_lengths(part: TotalVariation, image: torch.Tensor, eps: float) -> torch.Tensor:
    """The lengths of differences over all channels, which `Reweighted` weights."""
    return _euclidean(_differences(part, image), (1, 2) if part.isotropic else (2,), eps)


#: the lengths that `Reweighted` weights
LENGTHS: dict[type[Penalty], Callable[[Any, torch.Tensor, float], torch.Tensor]] = {
    L1: lambda part, image, eps: _euclidean(image, (1,), eps),
    TotalVariation: _difference_lengths,
    GroupLasso: _group_lengths,
    OverlappingGroupLasso: _window_lengths,
}


VALUES: dict[type[Penalty], Callable[[Any, torch.Tensor, float], torch.Tensor]] = {
    L1: _l1,
    L2: _l2,
    ElasticNet: _elastic_net,
    TotalVariation: _total_variation,
    SecondOrderTV: _second_order,
    GroupLasso: _groups,
    OverlappingGroupLasso: _windows,
}
