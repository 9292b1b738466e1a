"""The accelerated primal-dual algorithm of Chambolle & Pock, J. Math. Imaging Vis. 2011, for denoising problems."""

from __future__ import annotations

import numpy as np

from ..arrays.numbers import Array
from ..kernels import pointwise
from .denoising import Denoising, Measure
from .driver import MET, Steps, drive
from .running import Running, Schedule

#: pixels beyond which a solve starts from half the size or ends with flat regions where that pays
LARGE = 1 << 16

#: iterations of a coarse start at each size, and how often these are looked at
_COARSE, _EVERY = 200, 20


def accelerated(
    denoising: Denoising, x: Array | None, p: Array | None, tau: float | None = None, gamma: float | None = None
) -> Steps:
    """Algorithm 2; from the image and the dual 0 where neither is given, or from the problem at half the size."""
    fresh = x is None or p is None or (not p.any() and np.array_equal(x, denoising.start()))
    coarse = fresh and tau is None and denoising.y.size > LARGE
    if x is None:
        x = denoising.y if denoising.is_free else denoising.start()
    p = denoising.no_dual if p is None else p
    fused = denoising.fused
    if fused is None or not denoising.uniform:
        advance = _by_term if denoising.uniform else _in_numpy
        x, p = x.copy(), p.copy()
        n = yield x, p
        schedule, xbar = Schedule(denoising, False, tau, gamma), x.copy()
        while True:
            advance(denoising, x, xbar, p, schedule.next(n, x.dtype))
            n = yield x, p
    dual = denoising.dualised.split(p)[0]
    iterations = fused.begin(x, dual, denoising.y, denoising.limits)
    running = Running(denoising, iterations, Schedule(denoising, iterations.relaxed, tau, gamma))
    running.no_dual = fresh or not p.any()
    n = yield running
    found = _coarse_start(denoising, gamma) if coarse else None
    relaxed = iterations.relaxed
    del iterations
    if found is not None:
        x, p = found
        running.iterations = fused.begin(x, denoising.dualised.split(p)[0], denoising.y, denoising.limits)
        running.schedule = Schedule(denoising, relaxed, 0.3, gamma)
    while True:
        running.advance(n)
        n = yield running


def _coarse_start(denoising: Denoising, gamma: float | None) -> tuple[Array, Array] | None:
    """A start from the problem at half the size, and that from its half, where weights are large.

    What has to travel far does so at a quarter of the cost for each halving. At most 200 iterations a size, not counted.
    """
    found = denoising.half()
    if found is None:
        return None
    half, finer = found
    start = _coarse_start(half, gamma)
    z, q = start or (None, None)
    steps = accelerated(half, z, q, 0.3 if start else None, gamma)

    def _look(reached: Running, nit: int) -> Measure | None:
        return reached.measure() if nit > 0 else None

    def _judge(found: Measure | None, nit: int) -> int | None:
        return MET if found is not None and found.gap <= 1e-3 * found.fun else None

    ended = drive(steps, _look, _judge, lambda *_: _EVERY, _COARSE)
    p = finer(ended.reached.pair()[1])
    return denoising.induced(p).astype(denoising.y.dtype), p


def _by_term(denoising: Denoising, x: Array, xbar: Array, p: Array, steps: Array) -> None:
    """The iterations in place by the terms' own steps, where all pixels have the same data weight, threshold and bounds."""
    soft, lo, hi = (x.dtype.type(v) for v in denoising.limits)
    ktp = np.empty_like(x)
    flat = [a.reshape(-1) for a in (x, xbar, ktp, denoising.y)]
    for step in steps:
        denoising.dualised.dual_step(ktp, p, xbar, step[1])
        pointwise.primal_step(*flat, soft, lo, hi, step)


def _in_numpy(denoising: Denoising, x: Array, xbar: Array, p: Array, steps: Array) -> None:
    """The iterations in NumPy."""
    ktp = np.empty_like(x)
    for tau, sigma, theta, _ in steps:
        denoising.dualised.dual_step(ktp, p, xbar, sigma)
        new = denoising.primal_step(x - tau * ktp, tau)
        xbar[...] = new + theta * (new - x)
        x[...] = new
