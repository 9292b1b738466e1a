"""One image larger than memory: overlapping blocks in turn, each solved with the duals around it held still, one certificate.

The dual of the denoising problem is smooth but for one ball a group. A block takes the groups that lie wholly inside its
region, the block and a halo around it, and maximises the dual over them while all others stay: that is again a denoising
problem, of the region's pixels less what the groups that stand still make of them. So the dual value never falls, and the
optimum is left as it is. Blocks of one colour share no pixel and may be worked at the same time.
"""

from __future__ import annotations

import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.numbers import Array, power_of_two_scale
from ..arrays.roundoff import UNIT, norm, rounding_of
from ..data_terms import LeastSquares
from ..dual.accelerated import accelerated
from ..dual.denoising import Denoising
from ..dual.driver import ENDED, MET, Steps, drive
from ..dual.prox import relative_gap
from ..dual.stack import of_part
from ..dual.term import Term
from ..kernels.rounding import of_loss
from ..problems.identify import MARGINS
from ..runtime.progress import Progress
from ..runtime.workers import Workers
from .partition import Cut, Part, Region, crop, last_axes, shape_of
from .store import Image, kept_array

#: a visit to a block makes its gap this many times smaller, or as small as its share of the tolerance, in so many iterations
_FALL, _MOST_ITERATIONS = 100.0, 3000


class Blocks:
    """The image, the dual and what is done with them block by block."""

    def __init__(
        self,
        image: Image,
        parts: Sequence[Part],
        cut: Cut,
        bounds: tuple[Any, Any],
        out: Any,
        folder: Path | None,
        client: Any,
        pool: Workers,
    ) -> None:
        self.image, self.cut, self.bounds, self.client, self.pool = image, cut, bounds, client, pool
        self.parts, self.dtype, self.channels = parts, image.dtype, image.shape[0]
        self.with_dual = [part for part in parts if part.has_dual]
        shapes = [part.dual_shape for part in self.with_dual]
        names = [f"dual-{i}.npy" for i in range(len(shapes))]
        #: whether an earlier call left duals, and its image
        self.resumed = folder is not None and any((folder / name).exists() for name in names)
        self.has_image = folder is not None and (folder / "x.npy").exists()
        self.dual = [kept_array(folder, name, shape, self.dtype) for name, shape in zip(names, shapes, strict=True)]
        self.x = Image(kept_array(folder, "x.npy", image.array.shape, self.dtype) if folder or out is None else out, image.axis)
        # files in chunks are not for two threads at once
        self.lock = threading.Lock()
        self.floor, self.moved = 0.0, False
        self.pixels = sum(math.prod(shape_of(region)) for regions in cut.colours for region in regions)

    def run(self, tol: float, most: int, display: Progress, begin: float) -> tuple[list[tuple[int, float, float, float]], int]:
        """Sweep until the gap meets `tol`: the checks (sweeps, objective, gap, seconds since `begin`), and the status."""
        self.prepare()
        history: list[tuple[int, float, float, float]] = []

        def _sweeps() -> Steps:
            yield None
            while True:
                self.sweep(0.5 * tol * history[-1][1])
                yield None

        def _look(_: Any, nit: int) -> float:
            history.append((nit, *self.measure(), time.perf_counter() - begin))
            rel_gap = self.relative_gap(*history[-1][2:0:-1])
            display.show(nit, rel_gap)
            return rel_gap

        def _judge(rel_gap: float, nit: int) -> int | None:
            return MET if rel_gap <= tol else ENDED if 0 < nit < most and not self.moved else None

        return history, drive(_sweeps(), _look, _judge, lambda *_: 1, most).status

    # -- the certificate -------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Look at every block, mend what an earlier call left, and give each an image to begin with."""
        looked = self.each(self._look)
        largest, floors = (np.array(column) for column in zip(*looked, strict=True))
        if power_of_two_scale(largest) != 1:
            raise ValueError(f"source holds numbers of the size {largest.max():.1e}: bring them nearer to 1")
        self.floor = float(floors.sum())
        self.each(self._begin)

    def _look(self, block: Region) -> tuple[Any, float]:
        """The largest number of a block that is finite, and what storing it makes of a data term of 0; its dual mended."""
        y = self._read(self.image, block)
        finite = np.isfinite(y)
        if not finite.all():
            place = np.argwhere(~finite)[0][1:]
            first = tuple(int(i) + part.start for i, part in zip(place, block, strict=True))
            raise ValueError(f"source has NaN or infinite values, the first in its block at index {first}")
        if self.resumed:
            for part, dual in zip(self.with_dual, self.dual, strict=True):
                self._mend(part, dual, part.beginning(block))
        return np.abs(y).max(), LeastSquares().bind(y).off_by(rounding_of(y))

    def _mend(self, part: Part, dual: Array, region: Region) -> None:
        """Make feasible what a call that was killed may have left half written."""
        p, on = part.dual_on(dual, region), part.on(region)
        np.nan_to_num(p, copy=False, posinf=0, neginf=0)
        if on.null_space == "zero":
            # windows that are clipped hold numbers of no pixel
            copies = np.empty_like(p)
            on.apply(copies, np.ones((self.channels, *shape_of(region)), p.dtype))
            p *= copies
        on.clear_unused(p)
        on.project(p)
        part.put(dual, region, p)

    def _begin(self, block: Region) -> None:
        """The image that the dual induces; of an earlier call the one it left, within bounds, where its dual says anything."""
        y = self._read(self.image, block)
        if not self.resumed:
            induced = self._denoising(y, block).start()
        else:
            ktp, left = self._ktp(block), self._read(self.x, block)
            induced = self._denoising(y, block).primal_from_adjoint(ktp).astype(self.dtype)
            if self.has_image and ktp.any() and np.isfinite(left).all():
                induced = self._clipped(left)
        self._write(block, induced)

    def _clipped(self, x: Array) -> Array:
        lo, hi = self.bounds
        return x if lo is None and hi is None else np.clip(x, lo, hi)

    def measure(self, margin: float | None = None) -> tuple[float, float]:
        """F(x) and the duality gap, both added up over blocks; of the image as it is, or identified with that margin."""
        self._flush()
        sums = np.array(self.each(functools.partial(self._measure, margin)))
        fun, gap = (float(column) for column in sums.sum(axis=0))
        return fun, gap

    def _measure(self, margin: float | None, block: Region) -> tuple[float, float]:
        y = self._read(self.image, block)
        groups = [part.beginning(block) for part in self.parts]
        # read, and identified, once for all
        wide = tuple(
            slice(own.start, max(along.stop for along in ends)) for own, *ends in zip(block, block, *groups, strict=True)
        )
        x = self._identified(margin, wide)

        def _on(region: Region) -> Array:
            return np.ascontiguousarray(x[last_axes(crop(region, wide))])

        denoising, ktp, own = self._denoising(y, block), self._ktp(block), _on(block)
        loss, data = denoising.data_gap(own, ktp)
        gap = loss = max(loss, 0.0)
        fun, far, roundings, duals = data, 0.0, 2.0, iter(self.dual)
        for part, region in zip(self.parts, groups, strict=True):
            if not part.has_dual:
                fun += part.on(region).value(own)
                continue
            term, x_there, dual = part.on(region), _on(region), part.dual_on(next(duals), region)
            excess, value = term.gap(x_there, dual)
            gap, fun = gap + max(excess, 0.0) + of_part(term, x_there, dual, excess, value), fun + value
            far += 2 * math.sqrt(term.norm_squared) * max(term.weight, norm(dual))
            roundings += term.adjoint_roundings
        if gap > 0 or ktp.any():
            gap += UNIT * own.size * loss + of_loss(loss, data, norm(y), far, denoising.cut, roundings)
        return fun, float(gap)

    def relative_gap(self, gap: float, fun: float) -> float:
        """gap / F(x), 0 where the gap is 0 or F(x) as far as the dtype can tell."""
        return 0.0 if fun <= self.floor else relative_gap(gap, fun)

    def identify(self, fun: float, gap: float, tol: float) -> tuple[float, float]:
        """Make 0 what the dual says is, where the gap still meets `tol`; the objective and the gap of the image then."""
        if not any(part.penalty.null_space == "zero" for part in self.with_dual):
            return fun, gap
        for margin in MARGINS["zero"]:
            found = self.measure(margin)
            if self.relative_gap(*found[::-1]) <= tol:
                self.each(functools.partial(self._identify, margin))
                return found
        return fun, gap

    def _identify(self, margin: float, block: Region) -> None:
        # again and again makes no difference: it is the dual that says where
        self._write(block, self._identified(margin, block))

    def _identified(self, margin: float | None, region: Region) -> Array:
        """The image on the region, 0 where the dual of a group is shorter than (1 - margin) w."""
        x = self._read(self.x, region)
        if margin is None:
            return x
        for part, dual in zip(self.with_dual, self.dual, strict=True):
            if part.penalty.null_space == "zero":
                near = part.touched(region)
                zeros = np.ones((self.channels, *shape_of(near)), self.dtype)
                part.on(near).identify(zeros, part.dual_on(dual, near), margin)
                x = np.where(zeros[last_axes(crop(region, near))] == 0, x.dtype.type(0), x)
        return self._clipped(x)

    def each(self, function: Callable[[Region], Any]) -> list[Any]:
        """The function of every block, the blocks shared among the threads."""
        found: list[Any] = [None] * len(self.cut.blocks)

        def _one(i: int) -> None:
            found[i] = function(self.cut.blocks[i])

        self.pool.run([functools.partial(_one, i) for i in range(len(found))])
        return found

    def _denoising(self, y: Array, region: Region) -> Denoising:
        """The parts without a dual, the bounds and the data."""
        lo, hi = self.bounds
        return Denoising(y, [part.on(region) for part in self.parts if not part.has_dual], lo=lo, hi=hi)

    def _ktp(self, region: Region, without: Region | None = None) -> Array:
        """K^T p on the region, in float64; only of the groups that do not lie wholly inside `without`."""
        ktp = np.zeros((self.channels, *shape_of(region)))
        for part, dual in zip(self.with_dual, self.dual, strict=True):
            part.add_adjoint(ktp, dual, region, without)
        return ktp

    # -- sweeps ----------------------------------------------------------------------------------------------------

    def sweep(self, allowed: float) -> None:
        """Visit every block; the gaps that are left as they are add up to no more than what is allowed."""
        self.moved = False
        for regions in self.cut.colours:
            targets = [allowed * math.prod(shape_of(region)) / self.pixels for region in regions]
            if self.client is not None:
                self._on_cluster(regions, targets)
                continue
            visits = zip(regions, targets, strict=True)
            self.pool.run([functools.partial(self._visit, region, target) for region, target in visits])

    def _visit(self, region: Region, target: float) -> None:
        self._take(region, improve(*self._task(region, target)))

    def _task(self, region: Region, target: float) -> tuple[Any, ...]:
        """The arguments of `improve` for a block."""
        y = self._read(self.image, region) - self._ktp(region, without=region)
        duals = [part.dual_on(dual, region) for part, dual in zip(self.with_dual, self.dual, strict=True)]
        return y, self._read(self.x, region), duals, [part.on(region) for part in self.parts], self.bounds, target

    def _take(self, region: Region, found: tuple[Array, list[Array]] | None) -> None:
        if found is None:
            return
        x, duals = found
        for part, dual, p in zip(self.with_dual, self.dual, duals, strict=True):
            part.put(dual, region, p)
        self._write(region, x)
        self.moved = True

    def _on_cluster(self, regions: list[Region], targets: list[float]) -> None:
        """Visits on the cluster, two at a time for each of its threads; dask works again what is lost with a worker."""
        from dask import config
        from distributed import as_completed

        waiting = deque(zip(regions, targets, strict=True))
        running = as_completed(loop=self.client.loop)
        many = 2 * max(1, sum(self.client.nthreads().values()))
        # a task holds its pixels, so that it can be worked again anywhere
        with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            at_work: dict[str, Region] = {}
            while waiting or at_work:
                while waiting and len(at_work) < many:
                    region, target = waiting.popleft()
                    future = self.client.submit(improve, *self._task(region, target), pure=False)
                    at_work[future.key] = region
                    running.add(future)
                future = next(running)
                self._take(at_work.pop(future.key), future.result())

    # -- arrays ----------------------------------------------------------------------------------------------------

    def _read(self, image: Image, region: Region) -> Array:
        with self.lock:
            return image.read(region)

    def _write(self, region: Region, x: Array) -> None:
        with self.lock:
            self.x.write(region, x)

    def _flush(self) -> None:
        for array in (self.x.array, *self.dual):
            if isinstance(array, np.memmap):
                array.flush()

    def answer(self, out: Any) -> Any:
        """The image, in `out` where that was given."""
        if out is not None and out is not self.x.array:
            for block in self.cut.blocks:
                Image(out, self.image.axis).write(block, self.x.read(block))
        return self.x.array if out is None else out

    def duals(self) -> tuple[Array, ...]:
        """The dual of each part that has one, in the user's layout."""
        axis = self.image.axis
        return tuple(dual[:, 0] if axis is None else np.moveaxis(dual, 1, 1 + axis) for dual in self.dual)


def improve(
    y: Array, x: Array, duals: Sequence[Array], parts: Sequence[Term], bounds: tuple[Any, Any], target: float
) -> tuple[Array, list[Array]] | None:
    """A better dual of a region and the image that goes with it; None where its gap is within the target.

    y, in float64, is the region less what the groups that stand still make of it. The dual value rises, in fact.
    """
    lo, hi = bounds
    problem, accurate = (Denoising(data, parts, lo=lo, hi=hi) for data in (y.astype(x.dtype), y))
    rest = problem.dualised

    def _value(p: Array) -> float:
        return accurate.dual_value(rest.adjoint(p)) - rest.conjugate(p)

    first = rest.join(duals, x.dtype)
    gap = problem.measure(x, first).gap
    if gap <= target:
        return None
    before, goal = _value(first), max(target, gap / _FALL)

    def _look(reached: Iterable[Array], nit: int) -> tuple[Array, float]:
        if nit == 0:
            return first, math.inf
        image, p = reached
        return p, problem.measure(image, p).gap

    def _judge(found: tuple[Array, float], _: int) -> int | None:
        nonlocal goal
        if found[1] > goal:
            return None
        # near the optimum the dual may first fall
        goal /= _FALL
        return MET if _value(found[0]) > before else None

    ended = drive(accelerated(problem, x, first), _look, _judge, lambda _, nit: max(10, nit // 4), _MOST_ITERATIONS)
    x, p = ended.reached
    if ended.status != MET:
        p = p if _value(p) > before else first
        if problem.measure(x, p).gap >= gap:
            return None
    return x, rest.split(p)
