"""Sums of penalties: the maps stacked, the norms added."""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterable
from typing import Any

from .._arrays import Array, as_scalar
from .base import Penalty, check_weight


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PenaltySum(Penalty):
    """P(x) = sum of P_i(x), solved jointly. Made by ``+``; `analysis`, `project` and the dual are tuples, one a part."""

    penalties: tuple[Penalty, ...] = ()

    @property
    def parts(self) -> tuple[Penalty, ...]:
        """The penalties that are added up."""
        return self.penalties

    @property
    def null_space(self) -> str:  # type: ignore[override]
        """The images that cost nothing under every part."""
        kinds = {q.null_space for q in self.penalties}
        if "unknown" in kinds and "zero" not in kinds:
            return "unknown"
        # they are nested: the smallest
        return next(kind for kind in ("zero", "constants", "affine") if kind in kinds)

    @property
    def degree(self) -> int | None:  # type: ignore[override]
        """That of the parts, where they have the same."""
        degrees = {q.degree for q in self.penalties}
        return degrees.pop() if len(degrees) == 1 else None

    def with_weight(self, weight: float) -> Penalty:
        """Refused: the parts of a sum have their own weights."""
        raise ValueError("a sum has one weight a part: give a tuple of weights, or multiply the sum by a number")

    def __mul__(self, factor: Any) -> Penalty:
        factor = as_scalar(factor)
        if not isinstance(factor, numbers.Real):
            return NotImplemented
        factor = check_weight(factor)
        return PenaltySum(penalties=tuple(factor * q for q in self.penalties))

    __rmul__ = __mul__

    def of(self, operator: Any) -> Penalty:
        """Return x -> P(W x): each part of the sum after the operator W."""
        return PenaltySum(penalties=tuple(q.of(operator) for q in self.penalties))

    def __repr__(self) -> str:
        return " + ".join(map(repr, self.penalties))

    def value(self, x: Any, *, channel_axis: int | None = None) -> float:
        """Return the sum of the parts' values."""
        return sum(q.value(x, channel_axis=channel_axis) for q in self.penalties)

    def analysis(self, x: Any, *, channel_axis: int | None = None) -> tuple[Array, ...]:
        """Return K_i x for each part."""
        return tuple(q.analysis(x, channel_axis=channel_axis) for q in self.penalties)

    def adjoint(self, p: Any, shape: tuple[int, ...], *, channel_axis: int | None = None) -> Array:
        """Return the sum of K_i^T p_i."""
        self._one_a_part(p)
        total = self.penalties[0].adjoint(p[0], shape, channel_axis=channel_axis)
        for q, dual in zip(self.penalties[1:], p[1:], strict=True):
            total = total + q.adjoint(dual, shape, channel_axis=channel_axis)
        return total

    def project(self, p: Any, *, channel_axis: int | None = None) -> tuple[Array, ...]:
        """Return each part's dual projected on its ball."""
        self._one_a_part(p)
        return tuple(q.project(dual, channel_axis=channel_axis) for q, dual in zip(self.penalties, p, strict=True))

    def dual_norm(self, p: Any, *, channel_axis: int | None = None) -> float:
        """Return the largest of the parts' dual norms, each divided by the part's weight: feasible where <= 1."""
        self._one_a_part(p)
        norms = [q.dual_norm(dual, channel_axis=channel_axis) for q, dual in zip(self.penalties, p, strict=True)]
        weights = [q._w() for q in self.penalties]
        return max((norm / w if w else math.inf) if norm else 0.0 for norm, w in zip(norms, weights, strict=True))

    def _one_a_part(self, p: Any) -> None:
        if not isinstance(p, (tuple, list)) or len(p) != len(self.penalties):
            raise ValueError(f"the dual of a sum is a tuple of {len(self.penalties)} arrays, one a part")

    def _none(self, *args: Any) -> Any:
        raise NotImplementedError("a sum is worked part by part: see penalties/stack.py")

    _dual_shape = _analysis = _add_adjoint = _project = _gap = _dual_norm = _norm_squared = _none  # type: ignore[assignment]


def with_weights(penalty: Penalty, weights: Iterable[Any]) -> Penalty:
    """The penalty with these weights for the parts that have none, in their order."""
    given = iter(weights)
    parts = [part if part.weight is not None else part.with_weight(next(given)) for part in penalty.parts]
    return sum(parts[1:], parts[0])
