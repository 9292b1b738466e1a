"""A small denoising problem solved whole by a kernel, from its image: what `driver.run` does, without Python between checks."""

from __future__ import annotations

import math
import time

import numpy as np

from ..dual.whole_runs import WholeRuns
from ..kernels import whole_runs as kernels
from ..problems.certificate import Certificate
from ..problems.denoising import DenoisingProblem
from ..problems.problem import Problem
from ..runtime.workers import SERIAL
from .driver import Run
from .options import Options

#: checks that are kept; they come at distances that grow by a share of a twenty-fourth at least
_CHECKS = 512
#: the place of the only image
_ONE = np.zeros(1, np.intp)


def run_whole(problem: Problem, tol: float, options: Options) -> Run | None:
    """How the iterations of Chambolle-Pock ended; None where no kernel fits or the image goes no usual way."""
    if not isinstance(problem, DenoisingProblem) or problem.returned is not None or problem.faint is not None:
        return None
    if math.isfinite(options.maxtime) or options.check_every is not None:
        return None
    denoising = problem.denoising
    runs = WholeRuns.of(denoising, tol, options.maxiter, **options.method)
    if runs is None:
        return None
    begin = time.perf_counter()
    images = denoising.y.reshape(1, *denoising.y.shape[1:])
    x, p, found, history = runs.solve(images, _ONE, SERIAL, duals=True, checks=_CHECKS if options.history else 0)
    fun, gap, data, value, size, rounding, nit, status, checks = found[0].tolist()
    if status == kernels.LEFT:
        return None
    seconds = time.perf_counter() - begin
    pointwise = [float(q.threshold) * size for q in denoising.pointwise]
    values = denoising.in_order_of_parts([value], pointwise) if pointwise else [value]
    best = Certificate(x.reshape(problem.shape), p.reshape(-1), None, fun, gap, data, values, rounding=rounding)
    # no clock runs in a kernel: as many seconds for each iteration
    each = seconds / (nit + 1)
    told = [(int(k), f, g, each * (k + 1)) for k, f, g in history[: int(checks)].tolist()]
    return Run(best, 0 if status == kernels.MET else 1, int(nit), told, identified=True, seconds=seconds)
