"""`Regions`: total variation, the set of pixels that are not zero cut out, its values, the cut again, the values again.

Arrays are canonical, (channels, *spatial) in units where the largest pixel is near 1, and sets of pixels are of shape spatial.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import ndimage

from ..arrays.numbers import Array
from ..metrics.noise import estimate
from ..penalties.regions import Regions
from ..penalties.total_variation import TotalVariation
from ..problems.setup import ProblemSetup, set_up
from ..problems.spec import ProblemSpec
from ..result import MESSAGES, SolveResult

ALTERNATING = "Every stage is convex and met its tolerance; the whole is not convex, and nothing is certified."
#: a pixel is looked at where total variation leaves this many sigma, beside one that reaches the second
_DETECTION = (0.5, 0.8)
#: the most evidence for or against one pixel of a piece
_MOST = 50.0
#: relative gaps of the cuts, and of the values between them
_OF_CUTS, _LOOSE = 1e-3, 3e-3
#: a pixel below this share of its largest neighbour, or below so many sigma, is judged by that neighbour's level
_HALF, _FAINT = 0.5, 0.6
#: the weight, in sigma, at which total variation leaves nothing of noise, and how much it must leave of anything
_CLEARING, _SHOWN = 2.0, 0.2
#: dimensions -> the law of the largest gain on noise: location for one pixel, its growth with their logarithm, and scale
_GUMBEL = {1: (-9.25, 2.54, 2.2), 2: (-5.14, 0.92, 0.95), 3: (-1.14, 0.34, 1.1)}
#: the standard deviation, in pixels, of the means that tell faint regions from what total variation makes of zeros
_BLUR = 3.0


def solve_regions(
    solve_quietly: Callable[..., SolveResult],
    spec: ProblemSpec,
    penalty: Regions,
    rule: str | None,
    x0: Any,
    *,
    method: str,
    tol: float,
    callback: Any,
    options: dict[str, Any] | None,
    debias: bool,
) -> SolveResult:
    """The regions of an image and their values; see `Regions`."""
    begin = time.perf_counter()
    if not spec.term.quadratic:
        raise ValueError(f"'regions' is for least squares, not for data={spec.data!r}")
    if debias:
        raise ValueError("'regions' keeps the contrast of what is not zero: there is nothing to debias")
    call = {"method": method, "callback": callback, "options": options}
    first = solve_quietly(spec, TotalVariation(penalty.weight), rule, x0=x0, tol=tol, **call)
    setup = set_up(spec, [])
    task = _Task(spec, setup, penalty, first, solve_quietly, call)
    result = first
    if task.sigma > 0 and first.status not in (2, 3, 5):
        inside = task.detected(task.canonical(first.x))
        inside = task.with_dark_parts(inside, task.cut(task.evidence_by_levels(task.canonical(first.x), inside), inside))
        values = task.values(inside, None, _LOOSE)
        evidence = task.evidence_nearby(task.canonical(values.x), inside)
        inside = task.kept(evidence, task.cut(evidence, inside))
        for _ in range(penalty.stages - 1):
            values = task.values(inside, values, _LOOSE)
        result = task.values(inside, values if penalty.stages else None, tol)
        x = task.zeroed(result.x, inside)
    else:
        x, inside = first.x, np.any(task.canonical(first.x) != 0, axis=0)
    return task.result(x, inside, result, begin)


class _Task:
    """One image and what is done with it, stage by stage."""

    def __init__(
        self,
        spec: ProblemSpec,
        setup: ProblemSetup,
        penalty: Regions,
        first: SolveResult,
        solve_quietly: Callable[..., SolveResult],
        call: dict[str, Any],
    ) -> None:
        self.spec, self.setup, self.penalty, self.first = spec, setup, penalty, first
        self._solve, self.call = solve_quietly, call
        self.shape, self.dtype = setup.problem.shape, setup.problem.dtype
        self.stages = [("total variation", first)]
        self.sigma = self._sigma() * setup.scale
        #: what is judged: the image, or where there is an operator the answer of total variation
        plain = setup.problem.operator is None
        self.y = np.asarray(setup.problem.y if plain else self.canonical(first.x), self.dtype)
        self.m = setup.problem.m if plain else None
        #: of a pixel of all channels, each of which has a level that follows noise
        self.area = penalty.area * len(self.y)
        #: total variation with a weight that leaves nothing of noise
        self.smooth = self._smoothed() if self.sigma > 0 else np.zeros_like(self.y)

    def _sigma(self) -> float:
        """The standard deviation of the noise: given, found by the rule, or estimated."""
        for known in (self.spec.noise_std, self.first.noise_std):
            if known is not None:
                return known
        problem = self.setup.problem
        if problem.operator is None:
            seen = None if problem.m is None else np.broadcast_to(problem.m > 0, problem.y.shape)
            std = estimate(problem.y, channel_axis=0, seen=seen).std
        else:
            residual = 2 * problem.data.value(problem.forward(self.canonical(self.first.x)))
            std = math.sqrt(residual / max(int(np.count_nonzero(np.broadcast_to(problem.data.m, problem.y.shape))), 1))
        return std / self.setup.scale if math.isfinite(std) else 0.0

    def _smoothed(self) -> Array:
        """Total variation with a weight that leaves nothing of noise, and shows what is faint and large."""
        call = {"tol": _LOOSE, **self._own_options()}
        # differences are divided by the spacing, and noise by none
        spacing = 1.0 if self.spec.spacing is None else float(np.mean(self.spec.spacing))
        found = self._solve(self.spec, TotalVariation(_CLEARING * spacing * self.sigma / self.setup.scale), **call)
        self.stages.append(("smooth", found))
        return self.canonical(found.x)

    # -- layouts ---------------------------------------------------------------------------------------------------

    def canonical(self, x: Array) -> Array:
        """An image of the user's, less the background, as the cuts see it."""
        x = self.setup.answer.into(x, "x") * x.dtype.type(self.setup.scale)
        return x if self.setup.background is None else (x - self.setup.background).astype(x.dtype)

    def in_channels(self, inside: Array) -> Array:
        """The set in the layout of the answer."""
        axis = self.setup.answer.axis
        whole = inside if axis is None else np.expand_dims(inside, axis)
        return np.broadcast_to(whole, self.setup.answer.shape)

    def zeroed(self, x: Array, inside: Array) -> Array:
        """The image with the background outside the set, exactly."""
        return np.where(self.in_channels(inside), x, self._level().astype(x.dtype))

    def _level(self) -> Array:
        level = np.zeros(()) if self.spec.background is None else np.asarray(self.spec.background, np.float64)
        lo, hi = (None, None) if self.spec.bounds is None else self.spec.bounds
        return level if lo is None and hi is None else np.clip(level, lo, hi)

    # -- which pixels are not zero ---------------------------------------------------------------------------------

    def detected(self, x: Array) -> Array:
        """Pixels where total variation leaves something, in connected pieces that reach the second threshold."""
        low, high = (share * self.sigma for share in _DETECTION)
        size = _size(x)
        # beside regions it is the penalty, and not the image, that lifts the smooth answer above zero
        mean = ndimage.gaussian_filter(self.y, (0, *(_BLUR,) * size.ndim), mode="nearest")
        faint = (_size(self.smooth) > _SHOWN * self.sigma) & (_size(mean) > _HALF * _size(self.smooth))
        labels, _ = ndimage.label((size > low) | faint, _block(size.ndim))
        reached = np.zeros(labels.max() + 1, bool)
        reached[labels[(size > high) | faint]] = True
        reached[0] = False
        return reached[labels]

    def _ratio(self, v: Array) -> Array:
        """The logarithm of the likelihood ratio of the level v to 0, pixel by pixel."""
        ratio = v * (self.y - v / 2) / (self.sigma * self.sigma)
        return np.asarray((ratio if self.m is None else ratio * self.m).sum(axis=0))

    def evidence_by_levels(self, x: Array, inside: Array) -> Array:
        """The evidence against zero, a pixel that is much smaller than its neighbours, or at the rim, by their largest level.

        Total variation leaves a pixel beside a region, or between two, a part of their level.
        """
        largest = np.where(inside, x, 0)
        size = _size(largest)
        for other, its_size in zip(_around(largest, inside.ndim), _around(size, inside.ndim), strict=True):
            taken = its_size > size
            size = np.where(taken, its_size, size)
            largest = np.where(taken, other, largest)
        own, faint = _size(x), _FAINT * self.sigma
        interior = ndimage.binary_erosion(inside, _block(inside.ndim), border_value=1)
        by_itself = interior & (((own >= _HALF * size) & (own >= faint)) | (size < faint))
        return self._judged(x, largest, by_itself)

    def with_dark_parts(self, detected: Array, inside: Array) -> Array:
        """The set, with what was cut off by a level above its own and stands by itself, boundary and all."""
        rest = detected & ~inside
        evidence = self._ratio(self.canonical(self.first.x)) - self.area
        return inside | self.cut(np.where(rest, evidence, -_MOST), inside | rest)

    def evidence_nearby(self, x: Array, inside: Array) -> Array:
        """The evidence against zero, at the rim of the set and beside it by the level there that fits the pixel best."""
        interior = ndimage.binary_erosion(inside, _block(inside.ndim), border_value=1)
        known = np.where(inside, x, 0)
        levels = [known, *_around(known, inside.ndim)]
        sizes = [_size(level) for level in levels]
        # a level at the rim far below another there is what the image shows of zero, unless there is more of it inside
        least = _HALF * np.maximum.reduce(sizes)
        beside = np.maximum.reduce([*_around(np.where(interior, sizes[0], 0), inside.ndim)])
        sure = interior | ((beside > 0) & (sizes[0] >= _HALF * beside))
        best = np.full(inside.shape, -math.inf)
        for level, size, known_there in zip(levels, sizes, [sure, *_around(sure, inside.ndim)], strict=True):
            best = np.where((known_there | (size >= least)) & (size > 0), np.maximum(best, self._ratio(level)), best)
        return np.where(interior, self._own(x), best - self.area)

    def _own(self, x: Array) -> Array:
        """The evidence of a pixel by its own level, or by the smooth one, which hardly follows noise and is charged less."""
        return np.maximum(self._ratio(x) - self.area, self._ratio(self.smooth) - 0.1 * self.area)

    def _judged(self, x: Array, largest: Array, by_itself: Array) -> Array:
        return np.where(by_itself, self._own(x), self._ratio(largest) - self.area)

    def cut(self, evidence: Array, inside: Array) -> Array:
        """The set that is likeliest by this evidence and its boundary: a level set of total variation denoising."""
        near = ndimage.binary_dilation(inside, _block(inside.ndim))
        # beyond this no boundary outweighs a pixel: a set has no more of it than its pixels have by themselves
        most = 4 * self.penalty.contour
        image = np.where(near, np.clip(evidence, -most, most), -most).astype(self.dtype)
        found = self._solve(ProblemSpec(image), TotalVariation(self.penalty.contour), tol=_OF_CUTS, **self._own_options())
        self.stages.append(("cut", found))
        return np.asarray(found.x > 0)

    def kept(self, evidence: Array, inside: Array) -> Array:
        """The connected pieces, and the holes, whose evidence outweighs their boundary by more than noise does."""
        least = least_gain(inside.size, inside.ndim, len(self.y), self.penalty.false_alarms)
        for pieces, sign, connected in ((~inside, -1, None), (inside, 1, _block(inside.ndim))):
            labels, n = ndimage.label(pieces, connected)
            gains = gains_of(sign * evidence, labels, n, self.penalty.contour)
            faint = np.concatenate([[False], gains <= least])[labels]
            inside = inside ^ faint
        return inside

    # -- values ----------------------------------------------------------------------------------------------------

    def values(self, inside: Array, before: SolveResult | None, tol: float) -> SolveResult:
        """Total variation inside the set, with 0 outside; edges of the values before count less."""
        penalty, weight = self.penalty, float(self.first.weight)
        scales = np.zeros((inside.ndim, *inside.shape), self.dtype)
        for axis in range(inside.ndim):
            ahead, here = (_cut(inside.ndim, axis, part) for part in (slice(1, None), slice(None, -1)))
            scales[(axis, *here)] = inside[ahead] & inside[here]
        if before is not None:
            x, lengths = self.canonical(before.x), np.zeros(inside.shape)
            for axis in range(inside.ndim):
                ahead, here = (_cut(inside.ndim, axis, part) for part in (slice(1, None), slice(None, -1)))
                step = x[(slice(None), *ahead)] - x[(slice(None), *here)]
                lengths[here] += np.where(scales[(axis, *here)] > 0, np.square(step, dtype=np.float64).mean(axis=0), 0)
            corner = penalty.corner * self.sigma
            scales *= (corner / (corner + np.sqrt(lengths))).astype(self.dtype)
            weight *= penalty.factor
        convex = TotalVariation(weight, pixel_weight=scales)
        found = self._solve(self._outside_held(inside), convex, x0=before, tol=tol, **self._call_with_time_left())
        self.stages.append(("values", found))
        return found

    def _outside_held(self, inside: Array) -> ProblemSpec:
        """The problem whose answer is the background outside the set: there nothing but the data term is left of it."""
        inside, spec = self.in_channels(inside), self.spec
        if spec.operator is None and spec.bounds is None:
            given = np.asarray(spec.image)
            return spec.replace(image=np.where(inside, given, self._level()).astype(self.dtype))
        lo, hi = (None, None) if spec.bounds is None else spec.bounds
        # out of reach of any minimiser, so that there is a certificate where A sees little
        reach = 3 * float(np.abs(self.first.x).max())
        lo = np.where(inside, -reach if lo is None else lo, self._level())
        hi = np.where(inside, reach if hi is None else hi, self._level())
        return spec.replace(bounds=(lo.astype(self.dtype), hi.astype(self.dtype)))

    def _call_with_time_left(self) -> dict[str, Any]:
        options = self.call["options"]
        if not isinstance(options, dict) or "maxtime" not in options:
            return self.call
        left = max(options["maxtime"] - sum(found.time for _, found in self.stages), 1e-9)
        return self.call | {"options": options | {"maxtime": left}}

    def _own_options(self) -> dict[str, Any]:
        options = self.call["options"] or {}
        return {"options": {name: options[name] for name in ("workers",) if name in options}}

    # -- the result ------------------------------------------------------------------------------------------------

    def result(self, x: Array, inside: Array, last: SolveResult, begin: float) -> SolveResult:
        """The answer in the user's layout, with its stages; `last` is the problem that x solves."""
        labels, _ = ndimage.label(inside, _block(inside.ndim))
        unit = self.sigma / self.setup.scale
        contour = unit * unit * self.penalty.contour * float(_boundary(inside).sum())
        terms = {"data": self._data_term(x), "TotalVariation": last.terms["TotalVariation"], "contour": contour}
        terms["area"] = unit * unit * self.area * int(np.count_nonzero(inside))
        failed = next((found for _, found in self.stages if not found.success), None)
        status = 6 if failed is None else failed.status
        fields = {name: value for name, value in last.items() if name not in ("debiased",)}
        fields |= {
            "x": np.ascontiguousarray(x),
            "fun": sum(terms.values()),
            "terms": terms,
            "gap": math.inf,
            "rel_gap": math.inf,
        }
        fields |= {"x_error_bound": math.inf, "certified": False, "stationarity": None, "success": False, "status": status}
        fields |= {"message": ALTERNATING if failed is None else MESSAGES[status], "method": "alternating", "debiased": None}
        fields |= {"weight": self.first.weight, "weight_rule": self.first.weight_rule, "weight_path": self.first.weight_path}
        fields |= {"noise_std": unit, "nit": sum(found.nit for _, found in self.stages)}
        fields |= {"stages": [_stage(name, found) for name, found in self.stages], "time": time.perf_counter() - begin}
        fields["regions"] = labels
        return SolveResult(**fields)

    def _data_term(self, x: Array) -> float:
        problem = self.setup.problem
        return self.setup.unscaled(problem.data.value(problem.forward(self.canonical(x).astype(np.float64))))


def _stage(name: str, found: SolveResult) -> dict[str, Any]:
    """What one convex problem was and how it ended."""
    fields = ("weight", "fun", "gap", "rel_gap", "certified", "success", "nit", "method", "time")
    return {"name": name} | {field: found[field] for field in fields}


# -- sets of pixels ----------------------------------------------------------------------------------------------------


def _size(x: Array) -> Array:
    """The root of the mean square over the channels."""
    return np.asarray(np.abs(x[0]) if len(x) == 1 else np.sqrt(np.square(x).mean(axis=0)))


def _block(ndim: int) -> Array:
    """Neighbours that touch, at corners too."""
    return np.ones((3,) * ndim, bool)


def _cut(ndim: int, axis: int, part: slice) -> Any:
    return tuple(part if a == axis else slice(None) for a in range(ndim))


def _around(x: Array, ndim: int) -> Iterator[Array]:
    """For each neighbour that touches a pixel along the last `ndim` axes the array of these, zero beyond the image."""
    padded = np.pad(x, [(0, 0)] * (x.ndim - ndim) + [(1, 1)] * ndim)
    for offset in itertools.product((0, 1, 2), repeat=ndim):
        if any(o != 1 for o in offset):
            index: Any = (..., *(slice(o, o + n) for o, n in zip(offset, x.shape[x.ndim - ndim :], strict=True)))
            yield padded[index]


def _boundary(inside: Array) -> Array:
    """The isotropic total variation of the set, pixel by pixel."""
    square = np.zeros(inside.shape)
    for axis in range(inside.ndim):
        ahead, here = (_cut(inside.ndim, axis, part) for part in (slice(1, None), slice(None, -1)))
        square[here] += inside[ahead] != inside[here]
    return np.sqrt(square)


def gains_of(evidence: Array, labels: Array, n: int, contour: float) -> Array:
    """For each piece of a set, numbered from 1 on, the evidence for it, less the cost of its boundary."""
    inside = labels > 0
    total_evidence = np.bincount(labels.reshape(-1), np.clip(evidence, -_MOST, _MOST).reshape(-1), n + 1)
    # a difference belongs to the piece at either end; no two pieces touch
    owner = labels.copy()
    for axis in range(inside.ndim):
        ahead, here = (_cut(inside.ndim, axis, part) for part in (slice(1, None), slice(None, -1)))
        owner[here] = np.maximum(owner[here], labels[ahead])
    cost = np.bincount(owner.reshape(-1), _boundary(inside).reshape(-1), n + 1)
    return np.asarray(total_evidence - contour * cost)[1:]


def least_gain(pixels: int, ndim: int, channels: int, false_alarms: float) -> float:
    """The gain that no piece of an image of noise has but with that probability; see benchmarks/false_alarms.py."""
    start, slope, scale = _GUMBEL[ndim]
    # as many levels follow noise as there are channels
    return channels * (start + slope * math.log(pixels) - scale * math.log(-math.log1p(-false_alarms)))
