"""Small images of a batch, solved whole by one kernel: no Python for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays.numbers import Array, as_float
from ..kernels import whole_runs as kernels
from ..penalties import Penalty
from ..problems.setup import set_up
from ..problems.spec import ProblemSpec
from ..runtime.workers import Workers
from ..solvers.options import parse
from ..solvers.registry import auto_method
from ..solvers.whole import whole_runs


def solve_small(
    spec: ProblemSpec, chosen: Penalty, pool: Workers, search: Mapping[str, Any], found: dict[str, Any]
) -> Array | None:
    """Solve the images stacked in the spec and put the answers in their places; returns the indices of those that are left.

    None where there is no such kernel for what is asked.
    """
    given, method = spec.image, search.get("method", "auto")
    if given.ndim != 3 or not given.size or given.dtype.kind not in "biuf" or not isinstance(chosen, Penalty):
        return None
    if spec.names_given() - {"bounds"} or search.keys() - {"method", "tol", "options"}:
        return None
    if any(q.weight is None for q in chosen.parts) or spec.ndim not in (None, 2):
        return None
    y = as_float(given, "images")
    # what the images share, by one that nothing is wrong with
    try:
        problem = set_up(spec.replace(image=np.zeros(given.shape[1:], y.dtype)), chosen.parts).problem
    except (TypeError, ValueError):
        # which says more of a single image
        return None
    if (auto_method(problem) if method == "auto" else method) != "chambolle-pock":
        return None
    tol = search.get("tol", 1e-4)
    runs = whole_runs(problem, tol, parse("chambolle-pock", search.get("options")), len(y))
    if runs is None:
        return None
    solved = runs.solve(y, np.arange(len(y)), pool, duals=False)
    fun, gap, nit, status = (solved.found[:, k] for k in (kernels.FUN, kernels.GAP, kernels.NIT, kernels.STATUS))
    rel_gap = np.divide(gap, fun, out=np.full(gap.shape, np.inf), where=fun > 0)
    rel_gap[gap == 0] = 0.0
    met = rel_gap <= tol
    answers = {"fun": fun, "gap": gap, "rel_gap": rel_gap, "x_error_bound": np.sqrt(2 * gap), "nit": nit.astype(int)}
    told = np.where(met, 0, status).astype(int)
    for name, values in (answers | {"status": told, "success": told == 0, "certified": True}).items():
        found[name][:] = values
    found["x"], found["method"] = solved.x, ["chambolle-pock"] * len(y)
    return np.flatnonzero(status == kernels.LEFT)
