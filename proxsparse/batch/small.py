"""Small gray images under one total variation, worked together in compiled code, so that Python costs little."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float, power_of_two_scale, total
from ..dual.denoising import Denoising
from ..kernels.row_strips import SmallImages, fits
from ..penalties import Penalty, TotalVariation
from ..penalties.variation_kernels import joined
from ..problems.identify import MARGINS
from ..problems.kinds import problem_of
from ..problems.posed import Posed
from ..problems.problem import LARGE
from ..problems.spec import ProblemSpec
from ..runtime.workers import Workers
from ..solvers.chambolle_pock import Schedule
from ..solvers.driver import Pace
from ..solvers.options import Options, parse


class SmallBatch:
    """Small gray images under one total variation, every one as `driver.run` and `Problem.identified` take it, all at once.

    An image that does not go the usual way, a gap that falls until it meets the tolerance, is left to be solved by itself, and
    so are those of `alone`.
    """

    def __init__(self, y: Array, alone: Array, penalty: TotalVariation, tol: float, options: Options, pool: Workers) -> None:
        self.alone = alone
        self.y, self.penalty, self.tol, self.options = y, penalty, tol, options
        # what the images share, from one of them
        self.problem = problem_of(Posed(y[:1], [penalty], (1, *y.shape[1:])))
        (term,) = self.problem.terms
        self.denoising = Denoising(y[:1], [term])
        self.images = SmallImages(y, penalty.isotropic, pool)
        scalar = y.dtype.type
        limits = (0.0, -math.inf, math.inf)
        self.in_sweep = (penalty._ball_radius(y, 2), *map(scalar, limits))
        self.in_sums = (term.weight, *limits)
        # images that cost nothing: F at the mean of each
        flat = y.reshape(len(y), -1)
        means = flat.mean(axis=1, dtype=np.float64, keepdims=True)
        self.trivial_fun = 0.5 * np.square(flat - means).sum(axis=1)
        #: the length of each image
        self.sizes = np.sqrt([total(np.square(image, dtype=np.float64)) for image in y])
        self.spread = term.bound_by_length(1.0)
        self.reach = self.denoising.dualised.dual_length(np.zeros(self.denoising.dualised.size, y.dtype))

    @classmethod
    def of(
        cls,
        spec: ProblemSpec,
        chosen: Penalty,
        pool: Workers,
        search: Mapping[str, Any],
    ) -> SmallBatch | None:
        """The images, stacked in the spec, if nothing is said that the compiled loop does not know."""
        given, method = spec.image, search.get("method", "auto")
        if spec.names_given() or search.keys() - {"method", "tol", "options"} or method not in ("auto", "chambolle-pock"):
            return None
        if spec.ndim not in (None, given.ndim - 1):
            return None
        if type(chosen) is not TotalVariation or not chosen.is_plain:
            return None
        shape = (1, *given.shape[1:])
        if (
            given.ndim != 3
            or given.dtype.kind not in "biuf"
            or not 0 < given[0].size <= LARGE
            or not fits(shape)
            or chosen.bind(shape).exact is not None
        ):
            return None
        parsed = parse("chambolle-pock", search.get("options"))
        if math.isfinite(parsed.maxtime):
            return None
        y = as_float(given, "images")
        # an image that is not finite is named, one that has to be scaled is scaled, by itself
        largest = np.maximum(y.max(axis=(1, 2)), -y.min(axis=(1, 2)))
        sizes = np.sort(largest[largest > 0])
        alone = np.zeros(len(y), bool)
        if not np.isfinite(largest).all() or (
            sizes.size and not power_of_two_scale(sizes[:1]) == power_of_two_scale(sizes[-1:]) == 1
        ):
            alone = np.array([not math.isfinite(size) or power_of_two_scale(size[None]) != 1 for size in largest])
            y = np.where(alone[:, None, None], y.dtype.type(0), y)
        return cls(y, alone, chosen, search.get("tol", 1e-4), parsed, pool)

    def run(self, found: dict[str, Any]) -> Array:
        """Solve, and put the answers in their places; returns the indices of the images left."""
        n, dtype, options = len(self.y), self.y.dtype, self.options
        x = self.images.y.copy()
        xbar, p = x.copy(), np.zeros((n, 2, x.shape[1]), dtype)
        schedule = Schedule(self.denoising, options.method.get("tau"), options.method.get("gamma"))
        paces = [Pace(self.problem) for _ in range(n)]
        nit, count = np.zeros(n, int), np.zeros(n, int)
        fun, gap, status = np.zeros(n), np.full(n, np.inf), np.where(self.alone, -2, -1)
        active = np.flatnonzero(~self.alone)
        while active.size:
            before = gap[active]
            fun[active], gap[active] = self._measure(x, p, active)
            rel_gap = self._relative(gap, fun)
            unusual = self._unusual(active, before, gap, fun, rel_gap, nit)
            ended = np.where(rel_gap[active] <= self.tol, 0, np.where(nit[active] >= options.maxiter, 1, -1))
            status[active] = np.where(unusual, -2, ended)
            active = active[status[active] == -1]
            for i in active.tolist():
                steps = options.check_every or paces[i](int(nit[i]), float(rel_gap[i]), self.tol)
                count[i] = min(steps, options.maxiter - nit[i])
            if active.size:
                steps = schedule.table(int((nit + count)[active].max()), dtype)
                self.images.sweep(x, xbar, p, self.in_sweep, steps, nit, count, chosen=active)
                nit[active] += count[active]
        done = np.flatnonzero(status >= 0)
        self._identify(x, p, fun, gap, done)
        rel_gap = self._relative(gap, fun)
        met = rel_gap <= self.tol
        answers = {"fun": fun, "gap": gap, "rel_gap": rel_gap, "x_error_bound": np.sqrt(2 * gap), "nit": nit}
        told = np.where(met, 0, status)
        for name, values in (answers | {"status": told, "success": told == 0, "certified": True}).items():
            found[name][:] = values
        found["x"], found["method"] = x.reshape(self.y.shape), ["chambolle-pock"] * n
        return np.flatnonzero(status < 0)

    def _measure(self, x: Array, p: Array, chosen: Array) -> tuple[Array, Array]:
        """The objective and the gap, as `Denoising.measure`."""
        own, value, loss, data, _ = self.images.sums(x, p, self.in_sums, chosen).T
        loss = np.maximum(loss, 0.0)
        gap = loss + np.maximum(own, 0.0)
        like = self.denoising.y, np.zeros(self.denoising.dualised.size, self.y.dtype)
        off = self.denoising.rounding(*like, [(own, value)], loss, data, self.sizes[chosen])
        exact = (gap == 0) & ~p[chosen].any(axis=(1, 2)) if (gap == 0).any() else np.zeros(len(gap), bool)
        return data + value, np.where(exact, 0.0, gap + off)

    def _relative(self, gap: Array, fun: Array) -> Array:
        """The relative gaps, formed as `Certificate.rel_gap`."""
        quotient = np.divide(gap, fun, out=np.full(gap.shape, np.inf), where=fun > 0)
        return np.where(gap == 0, 0.0, quotient)

    def _unusual(self, active: Array, before: Array, gap: Array, fun: Array, rel_gap: Array, nit: Array) -> Array:
        """Not finite; a gap that rose; an image no better than its mean; a gap, or an objective, of the size of rounding."""
        eps = float(np.finfo(self.y.dtype).eps)
        rounding, sizes = 1e3 * eps, self.sizes[active]
        return np.asarray(
            ~np.isfinite(fun[active])
            | ~(gap[active] <= before)
            | ((nit[active] > 0) & (self.trivial_fun[active] <= fun[active] * (1 + 1e-6)))
            | ((rel_gap[active] > self.tol) & (rel_gap[active] <= rounding))
            # the weight is beyond what matters, see `Denoising.rounding`
            | (self.reach > 16 * sizes)
            # as little as what is stored may make of 0, see `Problem._is_negligible`
            | ((fun[active] > 0) & (fun[active] <= 4 * eps * sizes * (self.spread + eps * sizes)))
        )

    def _identify(self, x: Array, p: Array, fun: Array, gap: Array, left: Array) -> None:
        """Make flat regions exact where that lowers the gap, like `Problem.identified`."""
        for margin in MARGINS["constants"]:
            if not left.size:
                return
            identified = x.copy()
            same = np.ascontiguousarray(joined(self.penalty, p.swapaxes(0, 1), margin).swapaxes(0, 1))
            self.images.flatten(identified, same, left)
            left = left[(identified[left] != x[left]).any(axis=1)]
            new_fun, new_gap = self._measure(identified, p, left)
            better = new_gap <= gap[left]
            accepted = left[better]
            x[accepted], fun[accepted], gap[accepted] = identified[accepted], new_fun[better], new_gap[better]
            left = left[~better]
