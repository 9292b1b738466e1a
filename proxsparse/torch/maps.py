"""Maps of weights: a weight for each pixel, difference or window of each image, which a network may predict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..arrays.numbers import Array, require_finite
from ..penalties import L1, OverlappingGroupLasso, Penalty, TotalVariation
from .derivative import derivative
from .losses import brief


def weighted_penalties(penalty: Penalty, shape: tuple[int, ...], weights: torch.Tensor) -> Sequence[Penalty]:
    """The penalty of each image (channels, *spatial): multiplied by weights (batch,), or by maps (batch, k, *places)."""
    if weights.ndim == 1:
        return [own * penalty for own in weights.tolist()]
    maps = weights.detach().cpu().double().numpy()
    require_finite(maps, "weight")
    if maps.min(initial=0.0) < 0:
        raise ValueError(f"weight must be >= 0, got {maps.min()}")
    weighted = [[_kind(part).weighted(part, own, shape) for part in penalty.parts] for own in maps]
    return [sum(parts[1:], parts[0]) for parts in weighted]


def derivative_of_maps(
    penalty: Penalty, x: torch.Tensor, maps: torch.Tensor, labels: torch.Tensor, direction: torch.Tensor, with_slopes: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """J direction, and the derivative of <grad P(x), J direction> in each number of the maps; see `derivative`."""
    shape, one = tuple(x.shape[1:]), torch.ones(1, dtype=torch.float64)
    u, slopes = torch.empty_like(x), torch.zeros_like(maps)
    for i, own in enumerate(weighted_penalties(penalty, shape, maps)):
        at = slice(i, i + 1)
        u[at] = derivative(own, x[at], one, labels[at], direction[at], False)[0]
        if with_slopes:
            flat = [t[i].detach().cpu().double().numpy() for t in (maps, x, u)]
            for part in penalty.parts:
                slopes[i] += torch.from_numpy(part._w() * _kind(part).slopes(part, *flat)).to(slopes)
    return u, slopes


class _Kind(NamedTuple):
    """What a map is for one kind of penalty."""

    #: of a part, a map and the image's shape: the part that it is multiplied to
    weighted: Callable[[Any, Array, tuple[int, ...]], Penalty]
    #: of a part, a map, an image and a direction u: the derivative in the map of the part's derivative along u, over w
    slopes: Callable[[Any, Array, Array, Array], Array]


def _kind(part: Penalty) -> _Kind:
    kind = _KINDS.get(type(part))
    if kind is None or getattr(part, "huber", 0.0) > 0:
        raise TypeError(f"maps of weights are for L1, total variation and windows, not for {brief(part)}")
    return kind


def _require_shape(own: Array, *shapes: tuple[int, ...]) -> None:
    if own.shape not in shapes:
        wanted = " or ".join(str(("batch", *shape)).replace("'", "") for shape in shapes)
        raise ValueError(f"weight is a map of shape (batch, {', '.join(map(str, own.shape))}), and must be {wanted}")


def _require_positive(own: Array) -> None:
    if own.min() <= 0:
        raise ValueError(
            f"a map of weights must be > 0 where it multiplies differences or windows, got {own.min()}: one of weight 0 has no "
            "derivative that is known here (softplus instead of relu)"
        )


def _analysed(part: Penalty, x: Array) -> Array:
    z = np.zeros(part._dual_shape(x.shape))
    part._analysis(z, x)
    return z


def _weighted_l1(part: L1, own: Array, shape: tuple[int, ...]) -> Penalty:
    _require_shape(own, (1, *shape[1:]))
    return L1(part.weight, pixel_weight=own[0] if part.pixel_weight is None else own[0] * part.pixel_weight)


def _slopes_of_l1(part: L1, own: Array, x: Array, u: Array) -> Array:
    slopes = (np.sign(x) * u).sum(axis=0, keepdims=True)
    return np.asarray(slopes if part.pixel_weight is None else slopes * part.pixel_weight)


def _weighted_differences(part: TotalVariation, own: Array, shape: tuple[int, ...]) -> Penalty:
    _require_shape(own, (1, *shape[1:]), (len(shape) - 1, *shape[1:]))
    _require_positive(own)
    factors = own[0] if len(own) == 1 else own
    return TotalVariation(
        **(part._fields() | {"pixel_weight": factors if part.pixel_weight is None else factors * part.pixel_weight})
    )


def _slopes_of_differences(part: TotalVariation, own: Array, x: Array, u: Array) -> Array:
    z, along = _analysed(part, x), _analysed(part, u)
    # (directions, 1, *spatial)
    m = np.broadcast_to(own, (len(z), *own.shape[1:]))[:, None]
    if part.isotropic:
        axes = (0, 1) if part.coupled else (0,)
        lengths = np.sqrt(((m * z) ** 2).sum(axis=axes, keepdims=True))
        divisor = np.where(lengths > 0, lengths, np.inf)
        slope = (m * m * z * along).sum(axis=axes, keepdims=True)
        each = 2 * m * z * along / divisor - slope * m * z * z / divisor**3
    else:
        each = np.sign(z) * along
    by_direction = each.sum(axis=1)
    return np.asarray(by_direction if len(own) > 1 else by_direction.sum(axis=0, keepdims=True))


def _weighted_windows(part: OverlappingGroupLasso, own: Array, shape: tuple[int, ...]) -> Penalty:
    _require_shape(own, (1, *part._dual_shape(shape)[2:]))
    _require_positive(own)
    return OverlappingGroupLasso(part.weight, part.window, part.stride, group_weight=own[0])


def _slopes_of_windows(part: OverlappingGroupLasso, own: Array, x: Array, u: Array) -> Array:
    z, along = _analysed(part, x), _analysed(part, u)
    lengths = np.sqrt((z * z).sum(axis=(0, 1)))
    return np.asarray(((z * along).sum(axis=(0, 1)) / np.where(lengths > 0, lengths, np.inf))[None])


_KINDS: dict[type[Penalty], _Kind] = {
    L1: _Kind(_weighted_l1, _slopes_of_l1),
    TotalVariation: _Kind(_weighted_differences, _slopes_of_differences),
    OverlappingGroupLasso: _Kind(_weighted_windows, _slopes_of_windows),
}
