"""Total variation of a gray image by the kernels of two dimensions: how its rows are cut for caches and workers.

How they are cut changes no bit of what is computed.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np

from ..arrays.numbers import Array
from ..runtime.workers import Workers
from . import region_means
from . import total_variation_2d as kernels

#: pixels in a band of rows that is worked as one long row
_BAND = 4096
#: bytes of x, xbar, p and y from which on the image is read once for several iterations
_LARGE = 6 << 20
#: bytes of the rows at work in that case
_CACHE = 640 << 10
#: most pixels times iterations in one call of the kernel, some 20 ms
_PIXELS_PER_CALL = 1 << 25
#: most iterations between two meetings of the workers
_APART = 16


def fits(shape: tuple[int, ...]) -> bool:
    """Whether images (channels, *spatial) of that shape are gray images of two rows or more."""
    return len(shape) >= 3 and shape[-2] > 1 and all(n == 1 for n in shape[:-2])


class Strips:
    """An image of `rows` rows cut into bands of the same number of rows; differences are multiplied by `scales`, if given."""

    def __init__(
        self,
        x: Array,
        p: Array,
        y: Array,
        isotropic: bool,
        without_dual: tuple[bool, bool] = (False, False),
        scales: Array | None = None,
    ) -> None:
        self.rows, self.columns = x.shape[-2:]
        self.isotropic, self.without_dual = isotropic, without_dual
        self.band = max(1, _BAND // self.columns)
        self.x, self.y = x.reshape(-1), y.reshape(-1)
        self.py, self.px = p[-2].reshape(-1), p[-1].reshape(-1)
        self.scales = [self.x[:0]] * 2 if scales is None else [scales[-2].reshape(-1), scales[-1].reshape(-1)]

    # -- iterations ------------------------------------------------------------------------------------------------

    def sweep(self, xbar: Array, radius: Any, limits: tuple[Any, Any, Any], steps: Array, workers: Workers) -> None:
        """Chambolle-Pock iterations in place, one a row of `steps`; limits = soft, lo, hi."""
        arrays = [self.x, xbar.reshape(-1), self.py, self.px, self.y, *self.scales]
        scalars = (self.columns, self.isotropic, self.without_dual, radius, *limits)
        if workers.n == 1:
            _sweep_strip(arrays, scalars, steps, self.band)
            return
        for k in range(0, len(steps), _APART):
            self._in_parallel(arrays, scalars, steps[k : k + _APART], workers)

    def _in_parallel(self, arrays: list[Array], scalars: tuple[Any, ...], steps: Array, workers: Workers) -> None:
        """Each worker iterates on a strip of its own; the rows near a cut are computed again on copies around it."""
        n, columns = len(steps), self.columns
        # strips must be longer than what is found again around their cuts
        many = min(workers.n, self.rows // (8 * n + 8))
        if many < 2:
            _sweep_strip(arrays, scalars, steps, self.band)
            return
        # a seam costs about 3 n rows, and the last strip has none
        share = (self.rows - 3 * n) / many
        cuts = [round(i * share) for i in range(many)] + [self.rows]
        calls = [
            functools.partial(
                _sweep_strip, [q[a * columns : b * columns] for q in arrays], scalars, steps, self.band, (a > 0, b < self.rows)
            )
            for a, b in itertools.pairwise(cuts)
        ]
        seams = []
        for cut in cuts[1:-1]:
            first, last = max(0, cut - 2 * n - 1), min(self.rows, cut + 2 * n + 1)
            seam = [q[first * columns : last * columns] for q in arrays]
            seam[:4] = [q.copy() for q in seam[:4]]
            seams.append((cut, first, seam))
            calls.append(functools.partial(_sweep_strip, seam, scalars, steps, self.band, (first > 0, last < self.rows)))
        workers.run(calls)
        for cut, first, seam in seams:
            a, b = (cut - n) * columns, (cut + n) * columns
            for q, right in zip(arrays[:4], seam[:4], strict=True):
                q[a:b] = right[a - first * columns : b - first * columns]

    # -- the certificate -------------------------------------------------------------------------------------------

    def sums(self, radius: float, limits: tuple[float, float, float], workers: Workers) -> list[float]:
        """The five sums of `kernels.certificate` over the image."""
        bands = -(-self.rows // self.band)
        sums = np.empty((bands, 5))
        arrays = (self.x, self.py, self.px, self.y, *self.scales)
        scalars = (self.columns, self.isotropic, self.without_dual, radius, *limits, self.band)
        certify = functools.partial(kernels.certificate, sums, *arrays, *scalars)
        # calls that stay short, and some for every worker
        parts = max(workers.n, -(-2 * self.x.size // _PIXELS_PER_CALL))
        cuts = [bands * i // parts for i in range(parts + 1)]
        workers.run([functools.partial(certify, a, b) for a, b in itertools.pairwise(cuts)])
        return sums.sum(axis=0).tolist()  # type: ignore[no-any-return]


class SmallImages:
    """Gray images (N, rows, columns) under one penalty, each by itself, in one call of a kernel; workers share the images."""

    def __init__(self, y: Array, isotropic: bool, workers: Workers) -> None:
        self.shape, self.isotropic, self.workers = y.shape, isotropic, workers
        self.band = max(1, _BAND // y.shape[2])
        self.y = y.reshape(len(y), -1)

    def _run(self, kernel: Any, *arguments: Any, chosen: Array, iterations: int = 1) -> None:
        """Call the kernel on the chosen images, so many at a time that calls stay short and every worker has some."""
        pixels = self.y.shape[1] * max(iterations, 1)
        at_once = max(1, min(_PIXELS_PER_CALL // pixels, -(-len(chosen) // self.workers.n)))
        parts = [chosen[i : i + at_once] for i in range(0, len(chosen), at_once)]
        self.workers.run([functools.partial(kernel, *arguments, part) for part in parts])

    def sweep(
        self, x: Array, xbar: Array, p: Array, scalars: tuple[Any, ...], steps: Array, *range_of: Array, chosen: Array
    ) -> None:
        """Iterations in place on the flat images; range_of = how many were done before, and how many to go on, of each."""
        done, left = range_of[0].copy(), np.zeros_like(range_of[1])
        left[chosen] = range_of[1][chosen]
        # of one image too a call stays short
        together = max(1, _PIXELS_PER_CALL // self.y.shape[1])
        while (chosen := chosen[left[chosen] > 0]).size:
            now = np.minimum(left, together)
            common = (self.shape[2], self.isotropic, *scalars, steps, done, now, self.band)
            self._run(kernels.sweep_each, x, xbar, p, self.y, *common, chosen=chosen, iterations=int(now[chosen].max()))
            done, left = done + now, left - now

    def sums(self, x: Array, p: Array, scalars: tuple[Any, ...], chosen: Array) -> Array:
        """The five sums of `kernels.certificate` over each of the chosen images."""
        sums = np.zeros((len(x), -(-self.shape[1] // self.band), 5))
        self._run(
            kernels.certificate_each, sums, x, p, self.y, self.shape[2], self.isotropic, *scalars, self.band, chosen=chosen
        )
        return np.asarray(sums[chosen].sum(axis=1))

    def flatten(self, x: Array, joined: Array, chosen: Array) -> None:
        """Replace the chosen images by their means over regions, joined as `TotalVariation` says."""
        self._run(region_means.flatten_each, x, joined, self.isotropic, *self.shape[1:], chosen=chosen)


def _sweep_strip(
    arrays: list[Array], scalars: tuple[Any, ...], steps: Array, band: int, cuts: tuple[bool, bool] = (False, False)
) -> None:
    """Iterate on rows that may be cut off above or below, in calls that stay short."""
    size, columns = arrays[0].size, scalars[0]
    rows = size // columns
    depth, together = 1, max(1, _PIXELS_PER_CALL // size)
    many = sum(q.size > 0 for q in arrays)
    if many * arrays[0].nbytes > _LARGE:
        row = many * columns * arrays[0].itemsize
        depth = together = min(max(1, _CACHE // row - band), len(steps))
    for done in range(0, len(steps), together):
        some = steps[done : done + together]
        bands = -(-(rows + min(depth, len(some)) - 1) // band)
        # only iterations that go down the rows together can stop half way
        at_once = bands if len(some) > depth else max(1, _PIXELS_PER_CALL // (band * columns * len(some)))
        for begin in range(0, bands, at_once):
            end = min(begin + at_once, bands)
            kernels.sweep(*arrays, *scalars, some, cuts, depth, done, band, begin, end)
