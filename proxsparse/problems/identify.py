"""Exact structure: zeros and flat regions that the duals show to be those of the minimiser."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..dual.whole_runs import FLAT_MARGIN
from .certificate import Certificate
from .problem import Problem

#: how much shorter than its ball a dual must be for its group to be identified; regions that one margin joins wrongly, all do
MARGINS = {"zero": (1e-4, 1e-2, 0.2, 0.5, 0.8), "constants": (FLAT_MARGIN,)}


def identified(problem: Problem, found: Certificate, tol: float) -> Certificate:
    """The image with exact zeros, where the gap still meets `tol`, and exactly flat regions, where the gap falls.

    What met `tol` goes on meeting it: an F as small as rounding makes of 0 is met by no gap once the image is another.
    """
    within = max(tol, found.rel_gap)
    kinds = {q.null_space for q in problem.terms}
    if "zero" in kinds:
        found = _identified(problem, found, "zero", lambda identified: identified.rel_gap <= within)
    # where no term shows its regions the gap gains little: only where it may decide, and kernels do not come nearer faster
    shown = any(q.null_space == "constants" and q.structure == "regions" for q in problem.terms)
    if shown or ("constants" in kinds and found.rel_gap > tol and not problem.is_denoising):
        most = within if found.rel_gap <= tol else math.inf
        found = _identified(problem, found, "constants", lambda flat: flat.gap <= found.gap and flat.rel_gap <= most)
    return found


def _identified(problem: Problem, found: Certificate, null_space: str, accept: Callable[[Certificate], bool]) -> Certificate:
    """Identify zeros or flat regions by the parts with that null space, with ever larger margins until one is accepted."""
    duals = problem.duals(found.x, found.p)
    parts = [(q, dual) for q, dual in zip(problem.terms, duals, strict=True) if q.null_space == null_space]
    keeps_zeros = any(q.null_space == "zero" for q in problem.terms)
    for margin in MARGINS[null_space]:
        x = found.x.copy()
        for q, dual in parts:
            q.identify(x, dual, margin)
        if keeps_zeros:
            x[found.x == 0] = 0
        if np.array_equal(x, found.x):
            break
        identified = problem.certificate(problem.clip(x), found.p, found.q)
        if identified.certified and accept(identified):
            # which takes over the dual
            identified.owned = found.owned
            return identified
    return found
