"""From what the user gave to the problem the solvers see, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.bounds import canonical_bounds
from ..arrays.layout import canonical_shape, from_canonical, normalise_channel_axis, to_canonical, user_shape
from ..arrays.numbers import Array, as_float, power_of_two, require_finite
from ..data_terms import DataTerm
from ..operators import Operator, as_operator
from ..penalties.base import Penalty
from ..penalties.lifted import Lifted
from ..result import SolveResult
from ..testing import require_sound
from .lifted import problem_of
from .problem import Channelwise, Problem, Returned, Whole
from .spec import ProblemSpec


@dataclasses.dataclass
class Posed:
    """A problem in the solver's layout and units: the image, weights and bounds multiplied by `scale`, a power of two.

    Where there is a background the solver's image is what x is beside it.
    """

    problem: Problem
    channel_axis: int | None
    scale: float
    background: Array | None = None
    #: the axis of the channels in the image given
    data_axis: int | None = None
    #: what the dual of each part is multiplied by for that of the part as it was given; see `Penalty._in_its_unit`
    units: tuple[float, ...] = ()

    def _restored(self, array: Array, axis: int | None, lead: int = 0) -> Array:
        """A fresh array in the user's layout, with channels along that axis, and units."""
        array = from_canonical(array, axis, lead)
        return np.array(array if self.scale == 1 else array * array.dtype.type(1 / self.scale), order="C")

    def image(self, x: Array) -> Array:
        """A fresh image in the user's layout and units, its background included."""
        return self.framed(self.problem.image_of(x))

    def framed(self, x: Array) -> Array:
        """An image of the solver's, as the user's; see `image`."""
        returned = self.problem.image_problem.returned
        return self._restored(x if returned is None else returned.stored(x), self.channel_axis)

    def dual(self, p: Array, part: Penalty, unit: float) -> Array:
        """A fresh dual of a part, whose unit that is, in the user's layout and units."""
        p = p if self.problem.data.degree == 2 else p * p.dtype.type(self.scale)
        p = p if unit == 1 else p * p.dtype.type(unit)
        return self._restored(p, part._dual_axis(self.channel_axis, p.ndim), part._lead)

    def unscaled(self, value: float) -> float:
        """An objective, or a gap, in the user's units."""
        # one by one: the square of the scale may be beyond the largest number
        return value / self.scale if self.problem.data.degree == 1 else value / self.scale / self.scale

    def start(self, x0: Any) -> tuple[Array, Array]:
        """The primal and the dual to start from."""
        problem = self.problem
        if x0 is None:
            return problem.start(), np.zeros(problem.stack.size, problem.dtype)
        earlier = isinstance(x0, SolveResult) and "dual" in x0
        x = as_float(x0.x if isinstance(x0, SolveResult) else x0, "x0").astype(problem.dtype)
        shape = user_shape(problem.image_problem.shape, self.channel_axis)
        if x.shape != shape:
            raise ValueError(f"x0 has shape {x.shape}, the answer {shape}")
        require_finite(x, "x0")
        factor = problem.dtype.type(self.scale)
        x = to_canonical(x, self.channel_axis) * factor
        x = x if self.background is None else x - self.background.astype(x.dtype)
        duals = None
        if earlier:
            duals = [d if problem.data.degree == 1 else d * factor for d in self._duals_of(x0)]
            problem.known_dual = self._data_dual_of(x0)
        return problem.begin(x, duals)

    def data_dual(self, q: Array) -> Array:
        """The dual of the data term in the user's layout and units, as the image given is."""
        whole = isinstance(self.problem.image_problem.operator, Whole)
        q = q if whole else from_canonical(q, self.data_axis)
        return np.array(q if self.problem.data.degree == 1 else q * q.dtype.type(1 / self.scale), order="C")

    def _data_dual_of(self, earlier: SolveResult) -> Array | None:
        q = earlier.get("data_dual")
        if q is None:
            return None
        q = q if isinstance(self.problem.image_problem.operator, Whole) else to_canonical(q, self.data_axis)
        if q.shape != self.problem.y.shape:
            return None
        factor = 1 if self.problem.data.degree == 1 else self.scale
        return np.asarray(q * self.problem.dtype.type(factor)).astype(self.problem.dtype)

    def _duals_of(self, earlier: SolveResult) -> list[Array]:
        problem = self.problem.image_problem
        parts = problem.parts
        if len(earlier.dual) != len(parts):
            raise ValueError(f"x0 was solved with a penalty of {len(earlier.dual)} parts, this one has {len(parts)}")
        duals = []
        for q, dual, unit in zip(parts, earlier.dual, self.units, strict=True):
            wanted = q._dual_shape(problem.shape)
            axis = q._dual_axis(self.channel_axis, len(wanted))
            if dual.shape != user_shape(wanted, axis, q._lead):
                raise ValueError(f"x0 was solved with another penalty: its dual does not fit {type(q).__name__}")
            dual = to_canonical(dual, axis, q._lead).astype(self.problem.dtype)
            duals.append(dual if unit == 1 else dual / dual.dtype.type(unit))
        return duals


def pose(spec: ProblemSpec, parts: Sequence[Penalty]) -> Posed:
    """Check everything a user gave about the problem, and pose it; raises TypeError or ValueError naming the value."""
    channel_axis = spec.channel_axis
    y, missing = _image(spec.image, spec.nan_policy)
    given = y.shape
    y, axis, linear, shape = _image_and_operator(y, spec.operator, channel_axis)
    require_sound(parts, None if linear is None else linear.operator, shape)
    layout = _Layout(given, y.shape, _axis_of_image(linear, channel_axis, given), isinstance(linear, Whole))
    m = _pixel_weight(spec.pixel_weight, spec.observed, missing, y, layout)
    lo, hi = canonical_bounds(spec.bounds, user_shape(shape, axis), y.dtype, axis)
    data = spec.data.laid_out(layout.place)
    data.check(y, m)
    level = _background(spec.background, user_shape(shape, axis), y.dtype, axis)
    # of the larger one: what is left of the image is their difference
    scale = power_of_two(y if level is None else np.array([np.abs(y).max(), np.abs(level).max()], y.dtype))
    if scale != 1:
        factor = y.dtype.type(scale)
        y, data = y * factor, data.scaled(scale)
        # beyond this every weight gives the trivial answer
        parts = [q._for_scale(min(scale, 1e300 / max(q._w(), 1.0)), data.degree) for q in parts]
        lo, hi, level = (None if b is None else b * (factor if isinstance(b, np.ndarray) else scale) for b in (lo, hi, level))
    kept = (lo, hi)
    both = [q._in_its_unit() for q in parts]
    parts, units = [q for q, _ in both], tuple(unit for _, unit in both)
    problem: Problem
    if level is not None:
        level = np.asarray(level)
        returned = Returned(_beside(np.float64, y, level, parts, shape, linear, m, kept, data), level, *kept)
        problem = _beside(y.dtype, y, level, parts, shape, linear, m, kept, data, returned)
        return Posed(problem, axis, scale, level, layout.axis, units)
    problem = problem_of(y, parts, shape, operator=linear, m=m, lo=lo, hi=hi, data=data)
    return Posed(problem, axis, scale, level, layout.axis, units)


def _beside(
    dtype: Any,
    y: Array,
    level: Array,
    parts: Sequence[Penalty],
    shape: tuple[int, ...],
    linear: Channelwise | None,
    m: Array | None,
    bounds: tuple[Any, Any],
    data: DataTerm,
    returned: Returned | None = None,
) -> Problem:
    """The problem of the image less the background, in that dtype; of float64 the image's own, without what is behind it."""
    y, level = y.astype(dtype), level.astype(dtype)
    whole = np.ascontiguousarray(np.broadcast_to(level, shape))
    data, y = data.around(y, whole if linear is None else linear.forward(whole))
    lo, hi = (None if b is None else _plain(np.asarray(b, dtype) - level) for b in bounds)
    y = np.ascontiguousarray(y)
    if returned is None:
        apart = not any(isinstance(q, Lifted) for q in parts)
        return Problem(y, parts, shape, operator=linear, m=m, lo=lo, hi=hi, data=data, apart=apart)
    return problem_of(y, parts, shape, operator=linear, m=m, lo=lo, hi=hi, data=data, returned=returned)


def _background(background: Any, shape: tuple[int, ...], dtype: Any, axis: int | None) -> Array | float | None:
    """The level that is penalised as 0 otherwise is, in float64: a number, or an image in the solver's layout."""
    if background is None:
        return None
    level = as_float(background, "background").astype(np.float64)
    with np.errstate(over="ignore"):
        require_finite(level.astype(dtype), "background")
    if level.ndim and level.shape != shape:
        raise ValueError(f"background has shape {level.shape}, the answer {shape}")
    return to_canonical(level, axis) if level.ndim else float(level)


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
    require_finite(y)
    return y, missing


def _image_and_operator(
    y: Array, operator: Any, channel_axis: int | None
) -> tuple[Array, int | None, Channelwise | None, tuple[int, ...]]:
    """The image in the solver's layout, the channel axis, the operator between such layouts, and x's shape."""
    if operator is None:
        axis = normalise_channel_axis(channel_axis, y.ndim)
        y = to_canonical(y, axis)
        return y, axis, None, y.shape
    if not isinstance(operator, Operator):
        operator = _square_operator(operator, y)
    colour = channel_axis is not None
    if colour and getattr(operator, "out_shape", None) == y.shape:
        in_shape = operator.input_shape(y.shape)
        axis = normalise_channel_axis(channel_axis, len(in_shape))
        shape = canonical_shape(in_shape, axis)
        return y, axis, Whole(operator, shape, int(axis or 0)), shape
    y = to_canonical(y, normalise_channel_axis(channel_axis, y.ndim) if colour else None)
    shape = (y.shape[0], *operator.input_shape(y.shape[1:]))
    _check_output(operator, shape[1:], y.shape[1:])
    # counted among the axes of y there, of x here: a negative axis means the same in both
    axis = normalise_channel_axis(channel_axis, len(shape) if colour else len(shape) - 1)
    return y, axis, Channelwise(operator, shape), shape


def _axis_of_image(linear: Channelwise | None, channel_axis: int | None, given: tuple[int, ...]) -> int | None:
    """The axis of the channels in the image given; None where an operator that takes them all gives images of another shape."""
    if isinstance(linear, Whole) and linear.own_shape != given:
        return None
    return normalise_channel_axis(channel_axis, len(given))


def _square_operator(operator: Any, y: Array) -> Operator:
    shape = getattr(operator, "shape", None)
    if hasattr(operator, "dims") and hasattr(operator, "dimsd"):
        return as_operator(operator)
    if shape is not None and tuple(shape) != (y.size, y.size):
        raise ValueError(
            f"an operator of shape {tuple(shape)} is not square on the image's {y.size} pixels: "
            "say which images it maps with as_operator(op, in_shape, out_shape)"
        )
    return as_operator(operator, y.shape, y.shape)


def _check_output(operator: Operator, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
    given = operator.output_shape(in_shape)
    if given != out_shape:
        raise ValueError(f"the operator gives images of shape {given}, but the image given has {out_shape}")


@dataclasses.dataclass
class _Layout:
    """Shape of the image as given and in the solver's layout, and the channel axis of the former.

    `whole` images are those of an operator that takes all channels at once: they keep the user's layout.
    """

    given: tuple[int, ...]
    canonical: tuple[int, ...]
    axis: int | None
    whole: bool

    def place(self, array: Array, name: str) -> Array:
        """An array of the image's shape, with or without its channel axis, in the solver's layout."""
        if array.shape == self.given:
            return array if self.whole else to_canonical(array, self.axis)
        if self.axis is not None and array.shape == tuple(np.delete(self.given, self.axis).tolist()):
            wide = np.expand_dims(array, self.axis) if self.whole else array
            return np.ascontiguousarray(np.broadcast_to(wide, self.canonical))
        raise ValueError(f"{name} has shape {array.shape}, the image {self.given}")


def _pixel_weight(pixel_weight: Any, observed: Any, missing: Array | None, y: Array, layout: _Layout) -> Array | None:
    """Data weights as given, in the layout of y: 0 where a pixel was not observed or is NaN."""
    m: Array | None = None
    if pixel_weight is not None:
        given = as_float(pixel_weight, "pixel_weight")
        require_finite(given, "pixel_weight")
        if (given < 0).any():
            raise ValueError(f"pixel_weight must be >= 0, got {given.min()}")
        m = layout.place(given, "pixel_weight")
        if given.max(initial=0.0) > np.finfo(y.dtype).max:
            raise ValueError(f"pixel_weight {given.max()} is beyond the range of {y.dtype}")
    if observed is not None:
        seen = np.asarray(observed)
        if seen.dtype != np.bool_:
            raise TypeError(f"observed must be boolean, True where a pixel was measured; got dtype {seen.dtype}")
        seen = layout.place(seen, "observed").astype(y.dtype)
        m = seen if m is None else m * seen
    if missing is not None:
        measured = layout.place(~missing, "image").astype(y.dtype)
        m = measured if m is None else m * measured
    if m is not None and not m.max(initial=0.0) >= np.finfo(y.dtype).smallest_subnormal:
        raise ValueError("no pixel was measured: pixel_weight, observed and NaN leave nothing")
    return m
