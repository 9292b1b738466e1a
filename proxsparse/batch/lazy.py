"""Dask arrays of images, solved chunk by chunk when an answer is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .._solve import solve_quietly
from ..arrays.numbers import Array
from ..penalties.base import with_weights
from ..problems.spec import ProblemSpec
from ..result import warn_of_collected
from ..weights.given import weights_of
from .result import NUMBERS, WORDS, BatchResult


def solve_lazily(images: Any, solve_some: Any) -> BatchResult:
    """Dask arrays of the answers to a Dask array, a task for each chunk along the first axis."""
    import dask
    from dask import array

    if images.ndim < 2 or any(math.isnan(n) for n in images.shape) or images.shape[0] == 0:
        raise ValueError(f"images must be at least one image along the first axis, of known shape; got shape {images.shape}")
    spec, search, chosen = (solve_some.keywords[name] for name in ("spec", "search", "chosen"))
    like = _like(images, spec, chosen, **search)
    images = images.rechunk(dict.fromkeys(range(1, images.ndim), -1))
    kinds: dict[str, Any] = {name: ((), np.asarray(bad).dtype) for name, bad in NUMBERS.items()}
    kinds |= dict.fromkeys(WORDS, ((), np.dtype(object))) | {"x": (like.shape, like.dtype)}
    if "rule" in search:
        kinds["weight"] = ((len(chosen.parts),) if len(chosen.parts) > 1 else (), np.dtype(float))
    fields: dict[str, list[Any]] = {name: [] for name in kinds}
    chunk_of = dask.delayed(_chunk)
    for chunk, n in zip(images.to_delayed().reshape(-1), images.chunks[0], strict=True):
        found = chunk_of(solve_some, chunk, kinds)
        for name, (after, kind) in kinds.items():
            fields[name].append(array.from_delayed(found[name], (n, *after), kind))
    lazy = {name: array.concatenate(chunks) for name, chunks in fields.items()}
    return BatchResult(**({"weight": weights_of(chosen)} | lazy))


def _chunk(solve_some: Callable[[Any], dict[str, Any]], images: Array, kinds: dict[str, Any]) -> dict[str, Any]:
    """The fields of the answers to a chunk, each an array."""
    found = solve_some(np.asarray(images))
    warn_of_collected(found["said"])
    for name, (shape, dtype) in kinds.items():
        if found[name] is None:
            found[name] = np.full((len(images), *shape), math.nan, dtype)
        found[name] = np.asarray(found[name], dtype)
    return {name: found[name] for name in kinds}


@np.errstate(all="ignore")
def _like(images: Any, spec: ProblemSpec, chosen: Any, *, rule: str | None = None, options: Any = None, **search: Any) -> Array:
    """An answer to such an image, after no iteration; raises what is wrong with the call."""
    # of a rule's weights any will do
    chosen = chosen if rule is None else with_weights(chosen, [1.0] * len(chosen.parts))
    rng = np.random.default_rng(0)
    whole = images.dtype.kind in "iub"
    image = (rng.integers(1, 100, images.shape[1:]) if whole else 2.0 + rng.random(images.shape[1:])).astype(images.dtype)
    options = options | {"maxiter": 0} if isinstance(options, dict) else {"maxiter": 0} if options is None else options
    return solve_quietly(spec.replace(image=image), chosen, options=options, **search).x
