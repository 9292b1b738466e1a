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
    images = denoising.y.reshape(1, *denoising.y.shape[-2:])
    x, p, (found,), history = runs.solve(images, np.zeros(1, np.intp), SERIAL, duals=True, checks=_CHECKS)
    status, nit, checks = (int(found[k]) for k in (kernels.STATUS, kernels.NIT, kernels.CHECKS))
    if status == kernels.LEFT:
        return None
    seconds = time.perf_counter() - begin
    pointwise = [float(q.threshold) * found[kernels.SIZE] for q in denoising.pointwise]
    values = denoising.in_order_of_parts([float(found[kernels.VALUE])], pointwise)
    fun, gap, data, rounding = (float(found[k]) for k in (kernels.FUN, kernels.GAP, kernels.DATA, kernels.ROUNDING))
    best = Certificate(x.reshape(problem.shape), p.reshape(-1), None, fun, gap, data, values, rounding=rounding)
    rows = history[:checks].tolist() if options.history else []
    # no clock runs in a kernel: as many seconds for each iteration
    told = [(int(k), f, g, seconds * (k + 1) / (nit + 1)) for k, f, g in rows]
    return Run(best, 0 if status == kernels.MET else 1, nit, told, identified=runs.identifies, seconds=seconds)
