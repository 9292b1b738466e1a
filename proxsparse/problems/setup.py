"""From what the user gave to the problem the solvers see, and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.bounds import canonical_bounds
from ..arrays.layout import Layout, normalise_channel_axis, to_canonical, user_shape
from ..arrays.numbers import Array, as_float, power_of_two_scale, require_finite
from ..dual.term import Term
from ..operators import Operator, as_operator
from ..penalties.base import Penalty
from ..penalties.infimal import InfimalPenalty
from ..result import SolveResult
from ..testing import require_sound
from .channelwise import AllChannels, Channelwise
from .kinds import problem_of
from .pixelwise import dualised_problem
from .posed import Posed
from .problem import Problem, WithBackground
from .spec import ProblemSpec


@dataclasses.dataclass
class ProblemSetup:
    """A problem in canonical layout and units, and the layouts of the image given and of the answer.

    With a background b the solvers work on x - b.
    """

    problem: Problem
    given: Layout
    answer: Layout
    background: Array | None = None
    #: what the dual of each part is multiplied by for that of the part as it was given; see `Penalty._in_unit_spacing`
    units: tuple[float, ...] = ()

    @property
    def scale(self) -> float:
        """The power of two that the user's image, weights and bounds are multiplied by."""
        return self.answer.scale

    def image(self, x: Array, owned: bool = False) -> Array:
        """An image in the user's layout and units, its background included: a fresh one, unless x is `owned`."""
        return self.with_background(self.problem.image_of(x), owned)

    def with_background(self, x: Array, owned: bool = False) -> Array:
        """An image of the solver's, as the user's; see `image`."""
        returned = self.problem.image_problem.returned
        return self.answer.out(x if returned is None else returned.with_background(x), owned)

    def dual(self, p: Array, part: Term, unit: float, owned: bool) -> Array:
        """A dual of a part, whose unit that is, in the user's layout and units: a fresh one, unless p is `owned`."""
        p = p if self.problem.data.degree == 2 else p * p.dtype.type(self.scale)
        p = p if unit == 1 else p * p.dtype.type(unit)
        return self.answer.out_along(p, part.dual_axis(self.answer.axis), part.leading_axes, owned)

    def unscaled(self, value: Any) -> Any:
        """An objective, or a gap, in the user's units; a number or an array of them."""
        scale = self.answer.scale
        if scale == 1:
            return value
        # one by one: the square of the scale may be beyond the largest number
        return value / scale if self.problem.data.degree == 1 else value / scale / scale

    def start(self, x0: Any) -> tuple[Array, Array]:
        """The primal and the dual to start from."""
        problem = self.problem
        if x0 is None:
            return problem.start(), np.zeros(problem.stack.size, problem.dtype)
        earlier = isinstance(x0, SolveResult) and "dual" in x0
        x = as_float(x0.x if isinstance(x0, SolveResult) else x0, "x0").astype(problem.dtype)
        if x.shape != self.answer.shape:
            raise ValueError(f"x0 has shape {x.shape}, the answer {self.answer.shape}")
        require_finite(x, "x0")
        factor = problem.dtype.type(self.scale)
        x = self.answer.into(x, "x0") * factor
        x = x if self.background is None else x - self.background.astype(x.dtype)
        duals = None
        if earlier:
            duals = [d if problem.data.degree == 1 else d * factor for d in self._duals_of(x0)]
            problem.known_dual = self._data_dual_of(x0)
        return problem.start_from(x, duals)

    def data_dual(self, q: Array) -> Array:
        """The dual of the data term in the user's layout and units, as the image given is."""
        q = self.given.out(q)
        return q if self.problem.data.degree == 1 else q * q.dtype.type(1 / self.scale)

    def _data_dual_of(self, earlier: SolveResult) -> Array | None:
        q = earlier.get("data_dual")
        if q is None or q.shape != self.given.shape:
            return None
        factor = 1 if self.problem.data.degree == 1 else self.scale
        return np.asarray(self.given.into(q, "data_dual") * self.problem.dtype.type(factor)).astype(self.problem.dtype)

    def _duals_of(self, earlier: SolveResult) -> list[Array]:
        parts = self.problem.image_problem.terms
        if len(earlier.dual) != len(parts):
            raise ValueError(f"x0 was solved with a penalty of {len(earlier.dual)} parts, this one has {len(parts)}")
        duals = []
        for q, dual, unit in zip(parts, earlier.dual, self.units, strict=True):
            axis = q.dual_axis(self.answer.axis)
            if dual.shape != user_shape(q.dual_shape, axis, q.leading_axes):
                raise ValueError(f"x0 was solved with another penalty: its dual does not fit {type(q.penalty).__name__}")
            dual = to_canonical(dual, axis, q.leading_axes).astype(self.problem.dtype)
            duals.append(dual if unit == 1 else dual / dual.dtype.type(unit))
        return duals


def set_up(spec: ProblemSpec, parts: Sequence[Penalty]) -> ProblemSetup:
    """Check everything a user gave about the problem, and pose it; raises TypeError or ValueError naming the value."""
    y, missing = _image(spec.image, spec.nan_policy)
    given, answer, linear = _layouts(y.shape, spec.operator, spec.channel_axis)
    y, shape = given.into(y, "image"), answer.canonical
    if spec.ndim is not None and spec.ndim != len(shape) - 1:
        beside = "" if spec.channel_axis is None else " beside its channels"
        raise ValueError(f"ndim={spec.ndim}, but the answer of shape {answer.shape} has {len(shape) - 1} axes{beside}")
    require_sound(parts, None if linear is None else linear.operator, shape)
    m = _pixel_weight(spec.pixel_weight, spec.observed, missing, y.dtype, given)
    lo, hi = canonical_bounds(spec.bounds, answer, y.dtype)
    data = spec.term.laid_out(given.into_all_channels)
    data.check(y, m)
    level = _background(spec.background, answer, y.dtype)
    # of the larger one: what is left of the image is their difference
    scale = power_of_two_scale(y if level is None else np.array([np.abs(y).max(), np.abs(level).max()], y.dtype))
    if scale != 1:
        factor = y.dtype.type(scale)
        y, data = y * factor, data.scaled(scale)
        # beyond this every weight gives the trivial answer
        parts = [q._rescaled(min(scale, 1e300 / max(q._w(), 1.0)), data.degree) for q in parts]
        lo, hi, level = (None if b is None else b * (factor if isinstance(b, np.ndarray) else scale) for b in (lo, hi, level))
    if scale != 1:
        answer = dataclasses.replace(answer, scale=scale)
    both = [q._in_unit_spacing() for q in parts]
    parts, units = [q for q, _ in both], tuple(unit for _, unit in both)
    posed = Posed(y, parts, shape, linear, m, lo, hi, data)
    if level is not None:
        level = np.asarray(level)
        returned = WithBackground(_less_background(np.float64, posed, level), level, lo, hi)
        problem = _less_background(y.dtype, posed, level, returned)
        return ProblemSetup(problem, given, answer, level, units)
    return ProblemSetup(problem_of(posed), given, answer, level, units)


def _less_background(dtype: Any, posed: Posed, level: Array, returned: WithBackground | None = None) -> Problem:
    """The problem of x - b in that dtype: the one to solve, or without `returned` the one that certifies, in float64."""
    y, level, linear = posed.y.astype(dtype), level.astype(dtype), posed.operator
    whole = np.ascontiguousarray(np.broadcast_to(level, posed.shape))
    data, y = posed.data.around(y, whole if linear is None else linear.forward(whole))
    lo, hi = (None if b is None else _plain(np.asarray(b, dtype) - level) for b in (posed.lo, posed.hi))
    less = dataclasses.replace(posed, y=np.ascontiguousarray(y), lo=lo, hi=hi, data=data)
    if returned is None:
        # parts that are minimisations of their own are handed their costs
        lifted = any(isinstance(q, InfimalPenalty) for q in posed.parts)
        return dualised_problem(less) if lifted else problem_of(less)
    return problem_of(less, returned)


def _background(background: Any, answer: Layout, dtype: Any) -> Array | float | None:
    """The level that is penalised as 0 otherwise is, in float64: a number, or an image in canonical form."""
    if background is None:
        return None
    level = as_float(background, "background").astype(np.float64)
    with np.errstate(over="ignore"):
        require_finite(level.astype(dtype), "background")
    if level.ndim and level.shape != answer.shape:
        raise ValueError(f"background has shape {level.shape}, the answer {answer.shape}")
    return answer.into(level, "background") if level.ndim else float(level)


def _plain(bound: Array) -> Array | float:
    """A bound as `canonical_bounds` gives it: one number is a float."""
    return bound if bound.ndim else float(bound)


def _image(image: Any, nan_policy: str) -> tuple[Array, Array | None]:
    """The image as floats, and where it is NaN if that is allowed."""
    y = as_float(image)
    if y.size == 0:
        raise ValueError(f"image is empty: shape {y.shape}")
    missing = np.isnan(y) if nan_policy == "omit" else None
    if missing is not None and missing.any():
        y = np.where(missing, y.dtype.type(0), y)
    else:
        missing = None
    try:
        require_finite(y)
    except ValueError as error:
        if nan_policy == "omit" or not np.isnan(y).any():
            raise
        raise ValueError(f"{error}; nan_policy='omit' takes NaN for pixels that were not measured") from None
    return y, missing


def _layouts(given: tuple[int, ...], operator: Any, channel_axis: int | None) -> tuple[Layout, Layout, Channelwise | None]:
    """The layouts of the image given and of the answer, and the operator between their canonical forms."""
    if operator is None:
        layout = Layout(given, normalise_channel_axis(channel_axis, len(given)))
        return layout, layout, None
    if not isinstance(operator, Operator):
        operator = np.asarray(operator) if isinstance(operator, (list, tuple)) else operator
        operator = _square_operator(operator, given)
    colour = channel_axis is not None
    if colour and getattr(operator, "out_shape", None) == given:
        shape = operator.input_shape(given)
        axis = normalise_channel_axis(channel_axis, len(shape))
        answer = Layout(shape, axis)
        # of images of another shape it is not known which axis holds channels
        return (
            Layout(given, axis if shape == given else None, kept=True),
            answer,
            AllChannels(operator, answer.canonical, int(axis or 0)),
        )
    image = Layout(given, normalise_channel_axis(channel_axis, len(given)) if colour else None)
    channels, *spatial = image.canonical
    inside = operator.input_shape(tuple(spatial))
    _check_output(operator, inside, tuple(spatial))
    # counted among the axes of the image there, of the answer here: a negative axis means the same in both
    axis = normalise_channel_axis(channel_axis, len(inside) + colour)
    return image, Layout(user_shape((channels, *inside), axis), axis), Channelwise(operator, (channels, *inside))


def _square_operator(operator: Any, given: tuple[int, ...]) -> Operator:
    shape = getattr(operator, "shape", None)
    if hasattr(operator, "dims") and hasattr(operator, "dimsd"):
        return as_operator(operator)
    if shape is not None and tuple(shape) != (math.prod(given),) * 2:
        if isinstance(operator, np.ndarray) and max(shape) <= max(given):
            raise ValueError(
                f"an operator of shape {tuple(shape)} is not square on the image's {math.prod(given)} pixels: of a point-"
                "spread function it is Blur(array), of a matrix as_operator(op, in_shape, out_shape)"
            )
        raise ValueError(
            f"an operator of shape {tuple(shape)} is not square on the image's {math.prod(given)} pixels: "
            "say which images it maps with as_operator(op, in_shape, out_shape)"
        )
    return as_operator(operator, given, given)


def _check_output(operator: Operator, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
    given = operator.output_shape(in_shape)
    if given != out_shape:
        raise ValueError(f"the operator gives images of shape {given}, but the image given has {out_shape}")


def _pixel_weight(pixel_weight: Any, observed: Any, missing: Array | None, dtype: Any, layout: Layout) -> Array | None:
    """Data weights as given, in canonical form: 0 where a pixel was not observed or is NaN."""
    m: Array | None = None
    if pixel_weight is not None:
        given = as_float(pixel_weight, "pixel_weight")
        require_finite(given, "pixel_weight")
        if (given < 0).any():
            raise ValueError(f"pixel_weight must be >= 0, got {given.min()}")
        m = layout.into_all_channels(given, "pixel_weight")
        if given.max(initial=0.0) > np.finfo(dtype).max:
            raise ValueError(f"pixel_weight {given.max()} is beyond the range of {dtype}")
    if observed is not None:
        seen = np.asarray(observed)
        if seen.dtype != np.bool_:
            raise TypeError(f"observed must be boolean, True where a pixel was measured; got dtype {seen.dtype}")
        seen = layout.into_all_channels(seen, "observed").astype(dtype)
        m = seen if m is None else m * seen
    if missing is not None:
        measured = layout.into_all_channels(~missing, "image").astype(dtype)
        m = measured if m is None else m * measured
    if m is not None and not m.max(initial=0.0) >= np.finfo(dtype).smallest_subnormal:
        raise ValueError("no pixel was measured: pixel_weight, observed and NaN leave nothing")
    return m
