"""Convex penalties solved several times, each time with weights from the last answer: concave functions of their lengths."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays.checks import check_number, unknown
from ..arrays.layout import normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float, total
from .base import Penalty, PenaltySum, with_weights
from .group_lasso import GroupLasso
from .l1 import L1
from .total_variation import TotalVariation
from .windows import OverlappingGroupLasso


class _Kind(NamedTuple):
    """How a part is reweighted: whether it can be, the lengths that are weighted, and the part with other weights of these."""

    fits: Callable[[Any], bool]
    lengths: Callable[[Any, Array, int | None], Array]
    reweighted: Callable[[Any, Array], Penalty]


def _pixel_lengths(part: Any, x: Array, channel_axis: int | None) -> Array:
    """Sizes of pixels, differences or vectors of these, over all channels: one a number of `pixel_weight`."""
    z = np.asarray(part.analysis(x, channel_axis=channel_axis), np.float64)
    lead = part._leading_axes
    square = z * z
    if channel_axis is not None:
        square = square.sum(axis=lead + channel_axis % x.ndim)
    if lead and part.isotropic:
        square = square.sum(axis=0)
    return np.asarray(np.sqrt(square))


def _canonical(x: Array, channel_axis: int | None) -> Array:
    return to_canonical(x.astype(np.float64), normalise_channel_axis(channel_axis, x.ndim))


def _block_lengths(part: GroupLasso, x: Array, channel_axis: int | None) -> Array:
    x = _canonical(x, channel_axis)
    return part._lengths(x.reshape(len(x), -1), part._groups(x.shape), dual=False)


def _group_lengths(part: OverlappingGroupLasso, x: Array, channel_axis: int | None) -> Array:
    # of Euclidean lengths the dual norm is the length
    return part._group_norms(part._analysed(_canonical(x, channel_axis))).reshape(-1)


def _with_group_weight(part: OverlappingGroupLasso, weights: Array) -> Penalty:
    own = {name: value for name, value in part._fields().items() if name != "group_weight"}
    return OverlappingGroupLasso(**own, group_weight=weights)


def _with_pixel_weight(part: L1 | TotalVariation, weights: Array) -> Penalty:
    return dataclasses.replace(part, pixel_weight=weights)


#: class -> how it is reweighted
_KINDS: dict[type, _Kind] = {
    L1: _Kind(lambda q: q.pixel_weight is None, _pixel_lengths, _with_pixel_weight),
    TotalVariation: _Kind(lambda q: q.pixel_weight is None and q.huber == 0, _pixel_lengths, _with_pixel_weight),
    GroupLasso: _Kind(
        lambda q: q.group_weight is None and q.norm == "l2",
        _block_lengths,
        lambda q, weights: dataclasses.replace(q, group_weight=weights),
    ),
    OverlappingGroupLasso: _Kind(
        lambda q: q.group_weight is None and q.norm == "l2" and q.kind == "overlap", _group_lengths, _with_group_weight
    ),
}


class Concave(NamedTuple):
    """A concave function rho of lengths with slope 1 at 0, and its slope, for a corner: where it bends."""

    value: Callable[[Array, float], Array]
    slope: Callable[[Array, float], Array]
    #: the corner in units of the weight where none is given
    corner: float


#: SCAD is the length itself up to this share of its corner
SCAD_LINEAR = 1 / 3.7


def _mcp(length: Array, corner: float) -> Array:
    short = np.minimum(length, corner)
    return np.asarray(short - short * (short / corner) / 2)


def _scad(length: Array, corner: float) -> Array:
    linear = SCAD_LINEAR * corner
    beyond = np.maximum(np.minimum(length, corner) - linear, 0)
    return np.asarray(np.minimum(length, corner) - beyond * (beyond / (corner - linear)) / 2)


def _log(length: Array, corner: float) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(corner * np.log1p(np.minimum(length / corner, np.finfo(np.float64).max)))


#: name -> the function
FUNCTIONS = {
    "log": Concave(_log, lambda length, corner: corner / (corner + length), 1.0),
    "mcp": Concave(_mcp, lambda length, corner: np.maximum(1 - length / corner, 0), 3.0),
    "scad": Concave(
        _scad, lambda length, corner: np.clip((corner - length) / (corner * (1 - SCAD_LINEAR)), 0, 1), 1 / SCAD_LINEAR
    ),
    "capped": Concave(np.minimum, lambda length, corner: np.asarray(length <= corner, np.float64), 1.5),
}


def _kind(part: Any) -> _Kind | None:
    kind = next((_KINDS[base] for base in type(part).__mro__ if base in _KINDS), None)
    return kind if kind is not None and kind.fits(part) else None


@dataclasses.dataclass(frozen=True)
class Reweighted:
    """A penalty solved several times, each time with weights ``rho'(length)`` from the last answer.

    What is made small is ``sum_i w_i sum rho(length)``, rho concave with slope 1 at 0: large lengths cost little more, or
    nothing, and keep their contrast. Every solve is certified by itself; the whole is not, and `stationarity` is the
    relative gap of the last answer under the weights that it gives itself.

    Parameters
    ----------
    penalty : L1, TotalVariation, GroupLasso, OverlappingGroupLasso, or a sum of these
        With or without weights; without weights of single pixels or groups, and groups of Euclidean length. A length is that of
        a pixel, a difference or its vector, a block, a window or a group, over all channels.
    solves : int
        How many convex solves, >= 1.
    epsilon : float or tuple of float, optional
        The corner of rho, in units of the image, > 0, of a sum one a part or one for all. By default 1, 3 and 3.7 times the
        weight of each part, and 1.5 times for "capped"; of differences over a distance, for that distance as the unit.
    function : {"log", "mcp", "scad", "capped"}
        rho: ``epsilon log(1 + length / epsilon)``, which always grows; or ``length - length^2 / (2 epsilon)`` up to epsilon and
        a constant beyond (Zhang 2010), where lengths cost nothing more and lose nothing; or the same with the length itself up
        to ``epsilon / 3.7`` (Fan & Li 2001); or ``min(length, epsilon)``, the nearest to counting lengths (Zhang 2010b): each
        solve penalises those up to epsilon, and no others.
    start : {"ones", "x0"}
        The weights of the first solve: 1, so that it is the convex penalty's, or those of the image that is given to `solve` as
        `x0`, such as another penalty's answer.

    Notes
    -----
    Majorisation-minimisation: rho is concave, and each solve is of its tangent at the last answer. Candes, Wakin & Boyd,
    J. Fourier Anal. Appl. 2008, section 2.2; capped and of groups Zhang, J. Mach. Learn. Res. 2010 (here 2010b).

    Examples
    --------
    >>> import numpy as np
    >>> from proxsparse import L1, Reweighted, TotalVariation, solve
    >>> y = np.array([0.1, -0.1, 0.0, 2.0, 2.1, 1.9, 0.1, 0.0])
    >>> solve(y, Reweighted(L1(0.2) + TotalVariation(0.2), epsilon=0.1)).x.round(2)
    array([0.  , 0.  , 0.  , 1.98, 1.98, 1.98, 0.  , 0.  ])
    """

    penalty: Any
    solves: int = 4
    epsilon: Any = None
    function: str = "log"
    start: str = "ones"

    def __post_init__(self) -> None:
        if not isinstance(self.penalty, Penalty) or any(_kind(part) is None for part in self.penalty.parts):
            known = ", ".join(kind.__name__ for kind in _KINDS)
            raise TypeError(f"Reweighted takes {known} or sums, without weights of pixels or groups; got {self.penalty!r}")
        if isinstance(self.solves, bool) or not isinstance(self.solves, (int, np.integer)) or self.solves < 1:
            raise ValueError(f"solves must be an integer >= 1, got {self.solves!r}")
        if self.function not in FUNCTIONS:
            raise unknown("function", self.function, FUNCTIONS)
        if self.start not in ("ones", "x0"):
            raise unknown("start", self.start, ("ones", "x0"))
        if self.epsilon is not None:
            several = isinstance(self.epsilon, (tuple, list))
            corners = [check_number(e, "epsilon") for e in (self.epsilon if several else [self.epsilon])]
            if 0 in corners:
                raise ValueError(f"epsilon must be > 0, got {self.epsilon!r}")
            if several and len(corners) != len(self.penalty.parts):
                raise ValueError(f"epsilon holds {len(corners)} numbers, there are {len(self.penalty.parts)} parts")
            object.__setattr__(self, "epsilon", tuple(corners) if several else corners[0])

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The parts of the penalty, whose weights are its own."""
        return self.penalty.parts  # type: ignore[no-any-return]

    @property
    def weight(self) -> Any:
        """That of the penalty, of a sum a tuple."""
        weights = tuple(part.weight for part in self.parts)
        return weights if len(weights) > 1 else weights[0]

    def with_weight(self, weight: float) -> Reweighted:
        """Return the same with that weight; of a sum see `with_weights`."""
        return dataclasses.replace(self, penalty=self.penalty.with_weight(weight))

    def with_weights(self, weights: Sequence[float]) -> Reweighted:
        """Return the same with these weights for the parts that have none, in their order."""
        return dataclasses.replace(self, penalty=with_weights(self.penalty, weights))

    def _spaced(self, spacing: Any) -> Reweighted:
        """The same for samples at these distances."""
        parts = [part._spaced(spacing) for part in self.parts]
        return dataclasses.replace(self, penalty=sum(parts[1:], parts[0]))

    def corners(self) -> list[float]:
        """Return the corner of each part; raise ValueError where neither it nor the part's weight was given."""
        if self.epsilon is None:
            # a weight is one of unit distances, as is a length times the distance
            units = [part._in_unit_spacing() for part in self.parts]
            return [FUNCTIONS[self.function].corner * part._w() / distance for part, distance in units]
        return list(self.epsilon) if isinstance(self.epsilon, tuple) else [self.epsilon] * len(self.parts)

    def lengths(self, x: Array, channel_axis: int | None = None) -> Any:
        """Return the lengths that are weighted, of a sum a list of one array a part."""
        found = [_kind(part).lengths(part, x, channel_axis) for part in self.parts]  # type: ignore[union-attr]
        return found if isinstance(self.penalty, PenaltySum) else found[0]

    def reweighted(self, lengths: Any) -> Any:
        """The convex penalty with the weights that these lengths give."""
        parts = []
        each = lengths if isinstance(self.penalty, PenaltySum) else [lengths]
        for part, corner, own in zip(self.parts, self.corners(), each, strict=True):
            weights = FUNCTIONS[self.function].slope(own, corner) if corner > 0 else np.ones_like(own)
            parts.append(_kind(part).reweighted(part, weights))  # type: ignore[union-attr]
        return sum(parts[1:], parts[0])

    def values(self, x: Any, *, channel_axis: int | None = None) -> list[float]:
        """Return ``w sum rho(length)`` for each part."""
        lengths = self.lengths(as_float(x, "x"), channel_axis)
        each = lengths if isinstance(self.penalty, PenaltySum) else [lengths]
        found = []
        for part, corner, own in zip(self.parts, self.corners(), each, strict=True):
            if corner == 0:
                found.append(0.0)
                continue
            found.append(float(part._w() * total(FUNCTIONS[self.function].value(own, corner))))
        return found

    def value(self, x: Any, *, channel_axis: int | None = None) -> float:
        """Return ``sum_i w_i sum rho(length)``."""
        return sum(self.values(x, channel_axis=channel_axis))
