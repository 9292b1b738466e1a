"""A small denoising problem solved whole by a kernel, from its image: what `run.run` does, without Python between checks."""

from __future__ import annotations

import math
import time

from ..dual.whole_runs import WholeRuns
from ..kernels import whole_runs as kernels
from ..problems.certificate import Certificate
from ..problems.denoising import DenoisingProblem
from ..problems.problem import Problem
from .options import Options
from .run import Run

#: checks that are kept; they come at distances that grow by a share of a twenty-fourth at least
_CHECKS = 512


def whole_runs(problem: Problem, tol: float, options: Options, many: int = 1) -> WholeRuns | None:
    """Chambolle-Pock by a kernel for so many problems like this one; None where none fits, or does what the options ask for."""
    if not isinstance(problem, DenoisingProblem) or problem.returned is not None or problem.faint is not None:
        return None
    if math.isfinite(options.maxtime) or options.check_every is not None:
        return None
    return WholeRuns.of(problem.denoising, tol, options.maxiter, **options.method, many=many)


def run_whole(problem: Problem, tol: float, options: Options) -> Run | None:
    """How the iterations of Chambolle-Pock ended; None where no kernel fits or the image goes no usual way."""
    runs = whole_runs(problem, tol, options)
    if runs is None:
        return None
    begin, denoising = time.perf_counter(), runs.denoising
    x, p, found, history = runs.solve_own(_CHECKS if options.history else 0)
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
