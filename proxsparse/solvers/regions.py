"""`Regions`: total variation, the set of pixels that are not zero cut out, its values, the cut again, the values again.

Arrays are canonical, (channels, *spatial) in units where the largest pixel is near 1, and sets of pixels are of shape spatial.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from ..arrays.numbers import Array, total
from ..metrics.noise import estimate
from ..penalties.regions import Regions
from ..penalties.total_variation import TotalVariation
from ..problems.problem import Problem
from ..problems.setup import set_up
from ..problems.spec import ProblemSpec
from ..result import MESSAGES, SolveResult
from .pixel_sets import (
    MOST,
    boundary_of,
    differences,
    gains_of,
    interior_of,
    largest_around,
    least_gain,
    levels_around,
    size_of,
    touching,
)
from .stages import Stages

ALTERNATING = "Every stage is convex and met its tolerance; the whole is not convex, and nothing is certified."
#: a pixel is looked at where total variation leaves this many sigma, beside one that reaches the second
_DETECTION = (0.5, 0.8)
#: relative gap of what is only cut or looked at
_LOOSE = 3e-3
#: a pixel below this share of its largest neighbour, or below so many sigma, is judged by that neighbour's level
_HALF, _FAINT = 0.5, 0.6
#: the weight, in sigma, at which total variation leaves hardly anything of noise, and how much it must leave of a region
_CLEARING, _SHOWN = 2.0, 0.2
#: the standard deviation, in pixels, of the means that tell faint regions from what total variation makes of zeros
_BLUR = 3.0
#: how often the range of values behind an operator is widened fourfold where one reaches its end
_WIDENINGS = 6


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
    if not spec.term.quadratic:
        raise ValueError(f"'regions' is for least squares, not for data={spec.data!r}")
    if debias:
        raise ValueError("'regions' keeps the contrast of what is not zero: there is nothing to debias")
    if method == "exact":
        raise ValueError("'regions' solves several problems, for which there is no method='exact'")
    regions = _Regions(solve_quietly, spec, penalty, method, Stages(options, callback))
    with contextlib.suppress(_OverError):
        _in_turn(regions, rule, x0, tol)
    return regions.result()


class _OverError(Exception):
    """No stage may follow."""


def _in_turn(regions: _Regions, rule: str | None, x0: Any, tol: float) -> None:
    """Total variation, the set cut out, its values, the set again, its values again."""
    first = regions.begin(rule, x0, tol)
    if regions.sigma == 0:
        return
    x = regions.canonical(first.x)
    detected = regions.detected(x)
    inside = regions.cut(regions.evidence_by_levels(x, detected), detected)
    inside = regions.with_dark_parts(detected, inside)
    values = regions.values(inside, None, _LOOSE)
    if inside.any():
        evidence = regions.evidence_nearby(regions.canonical(values.x), inside)
        inside = regions.kept(evidence, regions.cut(evidence, inside))
        for left in reversed(range(regions.penalty.stages)):
            values = regions.values(inside, values, _LOOSE if left else tol)
        if not regions.penalty.stages:
            regions.values(inside, None, tol)


class _Regions:
    """One image and what is done with it, stage by stage."""

    def __init__(
        self,
        solve_quietly: Callable[..., SolveResult],
        spec: ProblemSpec,
        penalty: Regions,
        method: str,
        stages: Stages,
    ) -> None:
        self._solve, self.spec, self.penalty, self._stages = solve_quietly, spec, penalty, stages
        self.call = {"method": method, "callback": stages.callback}
        self.setup = set_up(spec, [])
        problem = self.setup.problem
        self.shape, self.dtype, self.channels = problem.shape, problem.dtype, problem.shape[0]
        self.data_sigma = self.sigma = 0.0
        #: how each convex problem was called and ended
        self.done: list[tuple[str, SolveResult]] = []
        #: the set of the last values, if there are any yet
        self.inside: Array | None = None
        #: of a pixel of all channels, each of which has a level that follows noise
        self.area = penalty.area * self.channels
        #: the mean weight of a measured pixel, and what the data term gains by the square of a pixel of x alone
        m = np.broadcast_to(problem.data.m, problem.y.shape)
        self.mean_weight = float(np.mean(m, where=m > 0, dtype=np.float64)) if (m > 0).any() else 1.0
        self.curvature = self.mean_weight if problem.operator is None else _mean_curvature(problem)

    def begin(self, rule: str | None, x0: Any, tol: float) -> SolveResult:
        """Total variation, and by it the noise and what is judged."""
        problem = self.setup.problem
        given = TotalVariation(self.penalty.weight)
        first = self._stage("total variation", self.spec, given, rule=rule, x0=x0, tol=tol, **self.call)
        self.data_sigma = self._noise(first) * self.setup.scale
        #: of x, of which an operator may see more or less
        self.sigma = self.data_sigma * math.sqrt(self.mean_weight / self.curvature) if self.curvature > 0 else 0.0
        x = self.canonical(first.x)
        if problem.operator is None:
            y, m = problem.y, problem.m
        else:
            # where a single pixel of x changes, the data term changes as that of this image does
            gradient = problem.adjoint(np.asarray(problem.data.gradient(problem.forward(x))))
            y, m = x - gradient / (self.curvature or 1.0), None
        #: the weights of the pixels, 1 in the mean, and the image that is judged; what was not measured is not looked at
        self.m = None if m is None else np.asarray(m / self.mean_weight, self.dtype)
        self.y = np.asarray(y if m is None else np.where(m > 0, y, 0), self.dtype)
        return first

    @property
    def first(self) -> SolveResult:
        """The answer of total variation."""
        return self.done[0][1]

    @functools.cached_property
    def smooth(self) -> Array:
        """Total variation with a weight that leaves hardly anything of noise, and shows what is faint and large."""
        # differences are divided by the spacing, and noise by none; channels share one length
        spacing = 1.0 if self.spec.spacing is None else float(np.mean(self.spec.spacing))
        weight = _CLEARING * spacing * math.sqrt(self.channels) * self.sigma * self.curvature / self.setup.scale
        return self.canonical(self._stage("smooth", self.spec, TotalVariation(weight), unseen=True, tol=_LOOSE).x)

    def _stage(self, name: str, spec: ProblemSpec, convex: TotalVariation, *, unseen: bool = False, **call: Any) -> SolveResult:
        """Solve a convex problem, in the time that is left; of images that nobody sees nothing is displayed."""
        options = self._stages.options(*(("workers", "maxiter", "maxtime") if unseen else ()))
        found = self._solve(spec, convex, options=options, **call)
        self.done.append((name, found))
        if self._stages.over(found):
            raise _OverError
        return found

    def _noise(self, first: SolveResult) -> float:
        """The standard deviation of the noise: given, found by the rule, or estimated."""
        for known in (self.spec.noise_std, first.noise_std):
            if known is not None:
                return known
        problem = self.setup.problem
        if problem.operator is None:
            seen = None if problem.m is None else np.broadcast_to(problem.m > 0, problem.y.shape)
            std = estimate(problem.y, channel_axis=0, seen=seen).std
        else:
            weights = total(np.broadcast_to(problem.data.m, problem.y.shape))
            residual = 2 * problem.data.value(problem.forward(self.canonical(first.x)))
            std = math.sqrt(residual / weights) if weights > 0 else 0.0
        return std / self.setup.scale if math.isfinite(std) else 0.0

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

    def _level(self) -> Array:
        level = np.zeros(()) if self.spec.background is None else np.asarray(self.spec.background, np.float64)
        lo, hi = (None, None) if self.spec.bounds is None else self.spec.bounds
        return level if lo is None and hi is None else np.clip(level, lo, hi)

    # -- which pixels are not zero ---------------------------------------------------------------------------------

    def detected(self, x: Array) -> Array:
        """Pixels where total variation leaves something, in connected pieces that reach the second threshold."""
        low, high = (share * self.sigma for share in _DETECTION)
        size = size_of(x)
        # beside regions it is the penalty, and not the image, that lifts the smooth answer above zero
        mean = self._mean_nearby()
        faint = (size_of(self.smooth) > _SHOWN * self.sigma) & (size_of(mean) > _HALF * size_of(self.smooth))
        labels, _ = scipy.ndimage.label((size > low) | faint, touching(size.ndim))
        reached = np.zeros(labels.max() + 1, bool)
        reached[labels[(size > high) | faint]] = True
        reached[0] = False
        return reached[labels]

    def _mean_nearby(self) -> Array:
        """The mean of the pixels measured nearby."""
        blur = functools.partial(scipy.ndimage.gaussian_filter, sigma=(0, *(_BLUR,) * (self.y.ndim - 1)), mode="nearest")
        if self.m is None:
            return np.asarray(blur(self.y))
        seen = np.broadcast_to(self.m > 0, self.y.shape).astype(self.dtype)
        weight = blur(seen)
        return np.asarray(np.where(weight > 1e-3, blur(self.y) / np.maximum(weight, 1e-3), 0))

    def _ratio(self, v: Array, at: Any = ...) -> Array:
        """The logarithm of the likelihood ratio of the levels v to 0, pixel by pixel, of all pixels or those at a mask."""
        at = at if at is ... else (slice(None), at)
        ratio = v * (self.y[at] - v / 2) / (self.sigma * self.sigma)
        if self.m is not None:
            ratio *= np.broadcast_to(self.m, self.y.shape)[at]
        return np.asarray(ratio.sum(axis=0))

    def evidence_by_levels(self, x: Array, inside: Array) -> Array:
        """The evidence against zero, a pixel that is much smaller than its neighbours, or at the rim, by their largest level.

        Total variation leaves a pixel beside a region, or between two, a part of their level.
        """
        known, own, faint = np.where(inside, x, 0), size_of(x), _FAINT * self.sigma
        largest = largest_around(size_of(known))
        interior = interior_of(inside)
        by_itself = interior & (((own >= _HALF * largest) & (own >= faint)) | (largest < faint))
        others = (largest > 0) & ~by_itself
        levels = levels_around(known, others)
        best = np.argmax(size_of(levels), axis=0)
        evidence = np.where(by_itself, self._own(x), -math.inf)
        evidence[others] = self._ratio(np.take_along_axis(levels, best[None, None], 1)[:, 0], others) - self.area
        return evidence

    def with_dark_parts(self, detected: Array, inside: Array) -> Array:
        """The set, with what was cut off by a level above its own and stands by itself, boundary and all."""
        rest = detected & ~inside
        evidence = self._ratio(self.canonical(self.first.x)) - self.area
        return inside | self.cut(np.where(rest, evidence, -MOST), inside | rest)

    def evidence_nearby(self, x: Array, inside: Array) -> Array:
        """The evidence against zero, at the rim of the set and beside it by the level there that fits the pixel best."""
        interior = interior_of(inside)
        known = np.where(inside, x, 0)
        size = size_of(known)
        # a level at the rim far below another there is what the image shows of zero, unless there is more of it inside
        beside = largest_around(np.where(interior, size, 0))
        sure = interior | ((beside > 0) & (size >= _HALF * beside))
        others = largest_around(inside) & ~interior
        levels = levels_around(known, others)
        sizes = size_of(levels)
        usable = (sizes > 0) & (levels_around(sure[None], others)[0] | (sizes >= _HALF * sizes.max(axis=0)))
        best = np.full(sizes.shape[1], -math.inf)
        for k in range(len(sizes)):
            best = np.where(usable[k], np.maximum(best, self._ratio(levels[:, k], others)), best)
        evidence = np.where(interior, self._own(x), -math.inf)
        evidence[others] = best - self.area
        return evidence

    def _own(self, x: Array) -> Array:
        """The evidence of a pixel by its own level, or by the smooth one, which hardly follows noise and is charged less."""
        return np.maximum(self._ratio(x) - self.area, self._ratio(self.smooth) - 0.1 * self.area)

    def cut(self, evidence: Array, inside: Array) -> Array:
        """The set that is likeliest by this evidence and its boundary: a level set of total variation denoising."""
        near = largest_around(inside)
        # beyond this no boundary outweighs a pixel: a set has no more of it than its pixels have by themselves
        most = 2 * inside.ndim * self.penalty.contour
        image = np.where(near, np.clip(evidence, -most, most), -most).astype(np.float32)
        found = self._stage("cut", ProblemSpec(image), TotalVariation(self.penalty.contour), unseen=True, tol=_LOOSE)
        return np.asarray(found.x > 0)

    def kept(self, evidence: Array, inside: Array) -> Array:
        """The connected pieces, and the holes, whose evidence outweighs their boundary by more than noise does."""
        least = least_gain(inside.shape, self.channels, self.penalty.false_alarms)
        for pieces, sign, connected in ((~inside, -1, None), (inside, 1, touching(inside.ndim))):
            labels, n = scipy.ndimage.label(pieces, connected)
            gains = gains_of(sign * evidence, labels, n, self.penalty.contour)
            faint = np.concatenate([[False], gains <= least])[labels]
            inside = inside ^ faint
        return inside

    # -- values ----------------------------------------------------------------------------------------------------

    def values(self, inside: Array, before: SolveResult | None, tol: float) -> SolveResult:
        """Total variation inside the set, with 0 outside; edges of the values before count less."""
        penalty, weight = self.penalty, float(self.first.weight)
        scales = np.zeros((inside.ndim, *inside.shape), self.dtype)
        for axis, (ahead, here) in enumerate(differences(inside.ndim)):
            scales[(axis, *here)] = inside[ahead] & inside[here]
        if before is not None:
            x, lengths = self.canonical(before.x), np.zeros(inside.shape)
            for axis, (ahead, here) in enumerate(differences(inside.ndim)):
                step = x[(slice(None), *ahead)] - x[(slice(None), *here)]
                lengths[here] += np.where(scales[(axis, *here)] > 0, np.square(step, dtype=np.float64).mean(axis=0), 0)
            corner = penalty.corner * self.sigma
            scales *= (corner / (corner + np.sqrt(lengths))).astype(self.dtype)
            weight *= penalty.factor
        convex, start, self.inside = TotalVariation(weight, pixel_weight=scales), before or self.first, inside
        reach = 3 * float(np.abs(self.first.x).max())
        for _ in range(_WIDENINGS):
            found = self._stage("values", self._outside_held(inside, reach), convex, x0=start, tol=tol, **self.call)
            if self.spec.operator is None or float(np.abs(found.x).max()) <= 0.99 * reach:
                break
            start, reach = found, 4 * reach
        return found

    def _outside_held(self, inside: Array, reach: float) -> ProblemSpec:
        """The problem whose answer is the background outside the set: there nothing but the data term is left of it."""
        inside, spec = self.in_channels(inside), self.spec
        if spec.operator is None:
            image = np.where(inside, np.asarray(spec.image), self._level()).astype(self.dtype)
            return spec.replace(image=image)
        lo, hi = (None, None) if spec.bounds is None else spec.bounds
        # so that there is a certificate where A sees little
        lo = np.where(inside, -reach if lo is None else lo, self._level())
        hi = np.where(inside, reach if hi is None else hi, self._level())
        return spec.replace(bounds=(lo.astype(self.dtype), hi.astype(self.dtype)))

    # -- the result ------------------------------------------------------------------------------------------------

    def result(self) -> SolveResult:
        """The answer in the user's layout, with its stages; the last of them is the problem that it solves."""
        axis, level, first = self.setup.answer.axis, self._level(), self.first
        held = self.inside
        last = next(found for name, found in reversed(self.done) if held is None or name == "values")
        x = first.x if held is None else np.where(self.in_channels(held), last.x, level.astype(last.x.dtype))
        inside = x != level if axis is None else (x != level).any(axis=axis)
        fields: dict[str, Any] = {"stages": [_record(name, found) for name, found in self.done]}
        fields["regions"], _ = scipy.ndimage.label(inside, touching(inside.ndim))
        if len(self.done) > 1:
            unit = self.data_sigma / self.setup.scale
            terms = {"data": self._data_term(x), "TotalVariation": last.terms["TotalVariation"]}
            cost = unit * unit * self.mean_weight
            terms["contour"] = cost * self.penalty.contour * float(boundary_of(inside).sum())
            terms["area"] = cost * self.area * int(np.count_nonzero(inside))
            status = next((found.status for _, found in self.done if not found.success), 6)
            fields |= {"x": np.ascontiguousarray(x), "fun": sum(terms.values()), "terms": terms, "noise_std": unit}
            fields |= {"gap": math.inf, "rel_gap": math.inf, "x_error_bound": math.inf, "certified": False}
            fields |= {"stationarity": None, "success": False, "status": status, "method": "alternating"}
            fields |= {"message": ALTERNATING if status == 6 else MESSAGES[status]}
            fields |= {"weight": first.weight, "weight_rule": first.weight_rule, "weight_path": first.weight_path}
            fields |= {"nit": sum(found.nit for _, found in self.done)}
        if self._stages.stopped and self.done[-1][1].success:
            # at the end of its stage, but not of the whole
            fields |= {"success": False, "status": 3, "message": MESSAGES[3]}
        return SolveResult(**(dict(last) | fields | {"time": self._stages.seconds}))

    def _data_term(self, x: Array) -> float:
        problem = self.setup.problem
        return float(self.setup.unscaled(problem.data.value(problem.forward(self.canonical(x).astype(np.float64)))))


def _record(name: str, found: SolveResult) -> dict[str, Any]:
    """The figures of a convex problem and of its solve, for the result's `stages`."""
    fields = ("weight", "fun", "gap", "rel_gap", "certified", "success", "nit", "method", "time")
    return {"name": name} | {field: found[field] for field in fields}


def _mean_curvature(problem: Problem) -> float:
    """The mean of the diagonal of A^T M A, by one image of noise (Hutchinson, Commun. Stat. 1990)."""
    noise = np.random.default_rng(0).standard_normal(problem.shape).astype(problem.dtype)
    return total(problem.data.m * np.square(problem.forward(noise), dtype=np.float64)) / noise.size
