"""The fast gradient of the dual of a denoising problem."""

from __future__ import annotations

import math

import numpy as np

from ..arrays.numbers import Array, total
from .denoising import Denoising
from .driver import Steps


def dual_fast_gradient(problem: Denoising, p: Array, x: Array | None = None, *, restart: bool = True) -> Steps:
    """Fast gradient projection on the dual (Beck & Teboulle 2009, algorithm FGP), restarted by the gradient test.

    The dual is smooth with constant ||K||^2 / mu; the restart is O'Donoghue & Candes 2015, equation 13.
    """
    rest = problem.dualised
    scalar = p.dtype.type
    step = problem.mu / rest.norm_squared if rest.size else 1.0
    t = 1.0
    # K^T p, and K^T q for q, which is p extrapolated
    ktp = rest.add_adjoint(np.zeros(problem.y.shape, p.dtype), p)
    q, ktq = p.copy(), ktp.copy()
    iterations = yield (problem.induced(p).astype(p.dtype) if x is None else x), p
    while True:
        for _ in range(iterations):
            x = problem._unconstrained(ktq)
            x = problem._threshold_and_clip(x, problem._per_weight(problem.soft))
            previous, before = p, ktp
            p, ktp = q.copy(), np.empty_like(ktp)
            rest.dual_step(ktp, p, x, step)
            change = p - previous
            if restart and total((q - p) * change) > 0:
                t, q, ktq = 1.0, p.copy(), ktp.copy()
                continue
            following = (1 + math.sqrt(1 + 4 * t * t)) / 2
            further = scalar((t - 1) / following)
            q, ktq = p + further * change, ktp + further * (ktp - before)
            t = following
        iterations = yield problem.induced(p).astype(p.dtype), p
