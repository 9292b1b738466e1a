"""Certified classical reference solutions for sparse and structured image problems.

``proxsparse.solve(image, penalty="tv", weight=0.1)`` minimises ``1/2 ||A x - y||^2 + w P(x)`` and returns the image with
a duality gap that bounds how far it is from the exact minimiser.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import penalties

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import metrics, phantoms, testing
    from ._path import oracle_weight, path
    from ._solve import denoise, solve
    from .batch.result import BatchResult
    from .batch.solve import solve_batch
    from .blocks.solve import BlocksResult, solve_blocks
    from .comparison.compare import compare
    from .comparison.result import Comparison
    from .data_terms import DataTerm, Huber, LeastAbsoluteDeviations, LeastSquares, Poisson
    from .operators import Blur, Downsample, Operator, Wavelet, as_operator
    from .penalties.registry import *  # noqa: F403
    from .result import ConvergenceWarning, SolveResult

# public name -> the module that holds it, imported when the name is first used
_HOME = dict.fromkeys(penalties.__all__, "penalties") | {
    "solve": "_solve",
    "denoise": "_solve",
    "path": "_path",
    "compare": "comparison.compare",
    "Comparison": "comparison.result",
    "oracle_weight": "_path",
    "solve_batch": "batch.solve",
    "BatchResult": "batch.result",
    "solve_blocks": "blocks.solve",
    "BlocksResult": "blocks.solve",
    "DataTerm": "data_terms",
    "LeastSquares": "data_terms",
    "LeastAbsoluteDeviations": "data_terms",
    "Huber": "data_terms",
    "Poisson": "data_terms",
    "Blur": "operators",
    "Downsample": "operators",
    "Wavelet": "operators",
    "Operator": "operators",
    "as_operator": "operators",
    "SolveResult": "result",
    "ConvergenceWarning": "result",
    "metrics": "",
    "phantoms": "",
    "testing": "",
    "torch": "",
}

__all__ = [
    "BatchResult",
    "BlocksResult",
    "Blur",
    "Comparison",
    "ConvergenceWarning",
    "DataTerm",
    "Downsample",
    "Huber",
    "LeastAbsoluteDeviations",
    "LeastSquares",
    "Operator",
    "Poisson",
    "SolveResult",
    "Wavelet",
    "as_operator",
    "compare",
    "denoise",
    "metrics",
    "oracle_weight",
    "path",
    "phantoms",
    "solve",
    "solve_batch",
    "solve_blocks",
    "testing",
]
__all__ += penalties.__all__


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'proxsparse' has no attribute {name!r}")
    home = _HOME[name]
    value = (
        getattr(importlib.import_module(f".{home}", __name__), name) if home else importlib.import_module(f".{name}", __name__)
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
