"""The rows of a comparison: penalties with ways to their weights, the noisy image, other packages' denoisers."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .._path import oracle
from .._solve import solve_quietly
from ..arrays.checks import unknown
from ..arrays.numbers import Array
from ..penalties.base import Penalty
from ..penalties.names import NAMES, known_as, penalty_named
from ..penalties.regions import Regions
from ..result import SolveResult
from ..weights.given import resolve_penalty
from ..weights.rules import RULES
from .baselines import BASELINES, denoised, require
from .task import Answer, Task


@dataclasses.dataclass
class Row:
    """One classical answer: a penalty with a way to its weight, the noisy image, or another package's denoiser."""

    name: str
    kind: str
    penalty: str | Penalty
    weight: Any = None

    def require_axes(self, axes: set[int]) -> None:
        """Raise ValueError where another package's denoiser does not take images of so many axes."""
        if self.kind == "baseline" and not axes <= set(BASELINES[self.name].axes):
            known = " or ".join(map(str, BASELINES[self.name].axes))
            raise ValueError(f"the baseline {self.name!r} takes images of {known} axes beside the channels, not {sorted(axes)}")

    def provenance(self, results: list[SolveResult]) -> dict[str, Any]:
        """The name and kind of the row, and the weights, rules and gaps of its images."""
        if self.kind == "input":
            return {"name": self.name, "what": "the noisy image"}
        if self.kind == "baseline":
            baseline = BASELINES[str(self.penalty)]
            return {"name": self.name, "what": f"{baseline.source}: {baseline.settings}"}
        found = {"weights": [r.weight for r in results], "rules": [r.weight_rule for r in results]}
        found |= {"noise_std": [r.noise_std for r in results], "rel_gaps": [r.rel_gap for r in results]}
        asked = "of its own" if self.weight is None else str(self.weight)
        return {"name": self.name, "what": str(self.penalty), "weight asked for": asked} | found

    def answer(self, y: Array, truth: Array, task: Task, tol: float, workers: int) -> Answer:
        """The row's image of y."""
        begin = time.perf_counter()
        if self.kind == "input":
            return Answer("input", y.copy(), 0.0)
        if self.kind == "baseline":
            image = denoised(str(self.penalty), y, task.noise(y), task.channel_axis)
            return Answer("baseline", image, time.perf_counter() - begin)
        options, spec = {"workers": workers, "history": False}, task.spec.replace(image=y)
        weight, rule = self.weight, self.weight
        if weight == "oracle":
            weight = oracle(spec, truth, self.penalty, tol=tol, options=options)
        chosen, by_rule = resolve_penalty(self.penalty, weight)
        result = solve_quietly(spec, chosen, by_rule, tol=tol, options=options)
        if rule == "oracle":
            result.weight_rule = "oracle"
        return Answer(self.kind, result.x, time.perf_counter() - begin, result)


def rows_of(penalties: Any, weight: Any) -> list[Row]:
    """The rows that are asked for, in order."""
    if isinstance(penalties, (str, Penalty, Regions)):
        penalties = (penalties,)
    rows = [row for penalty in penalties for row in _rows_for(penalty, weight)]
    if isinstance(weight, Mapping):
        for key in weight:
            if key not in list(penalties):
                raise ValueError(f"weight has {key!r}, which is not among penalties {tuple(penalties)!r}")
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise ValueError(f"rows of one name: {sorted({n for n in names if names.count(n) > 1})}")
    return rows


def _rows_for(penalty: str | Penalty, weight: Any) -> list[Row]:
    if isinstance(penalty, str):
        if known_as(penalty) == "none":
            return [Row("none", "input", "none")]
        if penalty in BASELINES:
            require(penalty)
            return [Row(penalty, "baseline", penalty)]
        if known_as(penalty) is None:
            raise unknown("penalty", penalty, [*NAMES, *BASELINES])
    chosen = penalty_named(penalty) if isinstance(penalty, str) else penalty
    name = penalty if isinstance(penalty, str) else repr(penalty)
    if all(q.weight is not None for q in chosen.parts):
        return [Row(name, "classical", penalty)]
    ways = _ways_to(penalty, name, weight)
    if isinstance(chosen, Regions):
        # of what is not convex no weight of the truth is known
        ways = [way for way in ways if way != "oracle"] or ["auto"]
    rows: list[Row] = []
    for way in ways:
        _require_way(penalty, way)
        kind = "oracle" if _is_oracle(way) else "classical"
        plain = kind == "classical" and not any(row.kind == "classical" for row in rows)
        rows.append(Row(name if plain else f"{name} ({way})", kind, penalty, way))
    return rows


def _ways_to(penalty: str | Penalty, name: str, weight: Any) -> Sequence[Any]:
    """The weights, or the rules for one, that are asked for of a penalty."""
    if isinstance(weight, Mapping):
        if penalty not in weight:
            raise ValueError(f"weight gives no weight for the penalty {name!r}")
        return [weight[penalty]]
    return weight if isinstance(weight, (tuple, list)) else [weight]


def _require_way(penalty: str | Penalty, way: Any) -> None:
    """Raise unless it is a rule, or a weight that the penalty takes."""
    if isinstance(way, str):
        if way not in (*RULES, "oracle"):
            raise unknown("way to a weight", way, [*RULES, "oracle"])
        return
    try:
        resolve_penalty(penalty, way)
    except ValueError as error:
        raise ValueError(f"{error}; a dict gives a weight of its own to each penalty") from error


def _is_oracle(way: Any) -> bool:
    # an array is no word
    return isinstance(way, str) and way == "oracle"


def require_rows(rows: Sequence[Row], task: Task) -> None:
    """Raise ValueError where the rows cannot stand beside the outputs, or do not take the images."""
    if not rows and not task.outputs:
        raise ValueError("there is nothing to compare: no penalty and no output")
    for row in rows:
        row.require_axes({x.ndim - (task.channel_axis is not None) for x in task.truth})
    taken = {"truth", "noisy", *(row.name for row in rows)} & set(task.outputs)
    if taken:
        raise ValueError(f"an output cannot be named {sorted(taken)[0]!r}: there is such a row")
