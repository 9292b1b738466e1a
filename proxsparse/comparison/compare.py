"""Classical answers beside a model's outputs, on ground truth."""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import metrics as measures
from ..arrays.checks import unknown
from ..arrays.layout import normalise_channel_axis
from ..arrays.numbers import Array
from ..penalties.base import Penalty
from ..result import CollectedWarning, ConvergenceWarning, SolveResult, collect_warnings, warn, warn_of_collected
from ..runtime.progress import Steps
from ..runtime.workers import Workers
from ..solvers.options import parse
from .columns import METRICS, NEITHER
from .result import Comparison
from .rows import Row, require_rows, rows_of
from .task import Answer, Task

#: "wavelet" where PyWavelets is installed
PENALTIES_BY_DEFAULT: tuple[str, ...] = ("none", "l1", "tv", "tv-aniso", "l1+tv", "overlap", "regions")
if importlib.util.find_spec("pywt") is not None:
    PENALTIES_BY_DEFAULT += ("wavelet",)


def compare(
    truth: Any,
    outputs: Mapping[str, Any] | None = None,
    *,
    noisy: Any = None,
    noise_std: float | None = None,
    penalties: Sequence[str | Penalty] = PENALTIES_BY_DEFAULT,
    weight: Any = ("auto", "oracle"),
    data_range: float | None = None,
    support_tol: float | None = None,
    region: Any = None,
    channel_axis: int | None = None,
    spacing: Any = None,
    ndim: int | None = None,
    metrics: Sequence[str] | Mapping[str, Callable[[Any, Any], float]] | None = None,
    rng: Any = None,
    workers: int = 1,
    tol: float = 1e-4,
    disp: bool = False,
) -> Comparison:
    """Set certified classical answers beside a model's outputs, on ground truth: for one image, or a list of images.

    Parameters
    ----------
    truth : array_like, or list of array_like
        What the images should be. A list or a tuple means several images, of any sizes; an array is one image, but one of the
        shape ``(N, channels, rows, columns)`` with 1, 3 or 4 channels, as networks have it.
    outputs : dict of name to array_like, callable or torch.nn.Module, optional
        The model's images, of the truth's shape and units (for several images a list, or a batch ``(N, channels, *spatial)``),
        or a function that takes a noisy image and returns one, which is timed. A module is run in evaluation mode without
        gradients; tensors are read.
    noisy : array_like, or list, optional
        The images the answers start from. Left out, seeded noise of `noise_std` is added to the truth, unclipped.
    noise_std : float, optional
        The noise's standard deviation: of what is made, or, where `noisy` is given, what the rules may know.
    penalties : sequence of str or Penalty
        As in `solve`; "none" is the noisy image itself, "regions" takes every way to a weight but the oracle's. Names of other
        packages' denoisers stand beside them, labelled so: "nlm", "wavelet-bayes", "bilateral", "gaussian" (scikit-image),
        "bm3d" (where it is installed).
    weight : str, float, tuple of these, or dict
        How weights are found, one row each: "auto" or another rule without the truth, "oracle" with it, or a number for all
        penalties, of one part. A dict gives each penalty its own: a number (for a sum a tuple), or a rule: the published
        protocol, one weight a noise level, chosen on other images. Penalties that have their weight keep it.
    data_range : float, optional
        The range the images could take, for PSNR and SSIM. Only for uint8 (255) and bool (1) it may be left out.
    support_tol : float, optional
        A pixel belongs to the support where it is further than this from zero; ``data_range / 255`` by default, one for all.
    region : array_like of bool, optional
        Outside of it nothing is measured. Without a channel axis; one for all images.
    channel_axis : int, optional
        The axis of the channels.
    spacing : float or tuple of float, optional
        The distance of samples along each spatial axis, as in `solve`, for the certified answers.
    ndim : {1, 2, 3}, optional
        How many axes the images have beside the channels, as in `solve`.
    metrics : sequence of str, or dict, optional
        Some of the names in `proxsparse.metrics`, all by default; a dict adds functions of (truth, image) to all.
    rng : int or numpy Generator, optional
        Seed of the noise; 0 by default. Image number i has a generator seeded by (rng, i).
    workers : int
        Threads over the images, or within one image's solves, -1 for one a core; answers do not depend on it, the seconds do.
    tol : float
        Relative gap of the classical answers.
    disp : bool
        Show progress.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        Shapes or values that do not fit, named with the output they belong to; a data range that cannot be known.

    Warns
    -----
    ConvergenceWarning
        Once, where classical answers did not meet the tolerance.
    UserWarning
        Where an output's values are of another size than the truth's.

    Notes
    -----
    Rows marked "oracle" have seen the truth and are bounds, not answers. PSNR is the mean over images of each image's PSNR.

    Examples
    --------
    >>> import proxsparse
    >>> truth = proxsparse.phantoms.regions((48, 48))
    >>> found = proxsparse.compare(truth, noise_std=0.1, data_range=1.0, penalties=("none", "l1", "tv"), weight="auto")
    >>> [row["name"] for row in found.table]
    ['none', 'l1', 'tv']
    >>> found.best("psnr")
    'tv'
    """
    task = Task(
        truth,
        {} if outputs is None else outputs,
        noisy=noisy,
        noise_std=noise_std,
        data_range=data_range,
        support_tol=support_tol,
        region=region,
        channel_axis=channel_axis,
        spacing=spacing,
        ndim=ndim,
        rng=rng,
    )
    wanted = _metrics(metrics)
    rows = rows_of(penalties, weight)
    require_rows(rows, task)
    workers = parse("exact", {"workers": workers}).workers
    answered = _answered(task, rows, tol, workers, disp)
    results = [{name: a.result for name, a in answers.items() if a.result is not None} for answers in answered]
    _warn_of_gaps(results, tol)
    images = [{name: a.image for name, a in answers.items()} for answers in answered]
    about = [row.provenance([found[row.name] for found in results if row.name in found]) for row in rows]
    return Comparison(
        table=[_measured(i, n, a, task, wanted) for i, answers in enumerate(answered) for n, a in answers.items()],
        images=[{"truth": x, "noisy": y} | own for x, y, own in zip(task.truth, task.noisy, images, strict=True)],
        results=results,
        provenance=task.provenance() | {"tol": tol, "workers": workers, "rows": about},
        ways={name: METRICS.get(name, NEITHER) for name in wanted},
    )


def _answered(task: Task, rows: list[Row], tol: float, workers: int, disp: bool) -> list[dict[str, Answer]]:
    """For each image the answer of every row and output; threads share the images, or the solves of one."""
    answered: list[dict[str, Answer]] = [{} for _ in range(task.n)]
    said: list[CollectedWarning] = []
    inner = workers if task.n == 1 else 1

    def _one(i: int) -> None:
        for row in rows:
            with collect_warnings(said, i):
                answered[i][row.name] = row.answer(task.noisy[i], task.truth[i], task, tol, inner)
            progress.step(row.name)
        for name in task.outputs:
            answered[i][name] = task.output(name, i)
            progress.step(name)

    with Workers(workers if task.n > 1 else 1) as pool, Steps(task.n * (len(rows) + len(task.outputs)), disp) as progress:
        pool.run([functools.partial(_one, i) for i in range(task.n)])
    warn_of_collected(said)
    return answered


def _warn_of_gaps(results: list[dict[str, SolveResult]], tol: float) -> None:
    """Say once how many answers did not meet the tolerance, and the largest gap."""
    failed = [result.rel_gap for found in results for result in found.values() if result.status not in (0, 6)]
    if failed:
        warn(
            f"{len(failed)} answers did not meet tol={tol:g}; the largest relative gap is {max(failed):.2e}", ConvergenceWarning
        )


#: of every record, beside the metrics
_COLUMNS = ("image", "name", "kind", "weight", "rule", "rel_gap", "certified", "nit", "seconds")


def _metrics(wanted: Any) -> dict[str, Callable[[Any, Any], float] | None]:
    """Name -> the user's function, or None for ours."""
    own = dict(wanted) if isinstance(wanted, Mapping) else {}
    every = wanted is None or isinstance(wanted, Mapping)
    names = METRICS if every else ([wanted] if isinstance(wanted, str) else list(wanted))
    for name in names:
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
    for name, function in own.items():
        if name in _COLUMNS:
            raise ValueError(f"a metric cannot be named {name!r}: there is such a column")
        if not callable(function):
            raise TypeError(f"metrics[{name!r}] must be a function of the truth and the image, got {function!r}")
    return dict.fromkeys(names) | own


# -- the figures -----------------------------------------------------------------------------------------------------


def _measured(i: int, name: str, answer: Answer, task: Task, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The record of one image of one row."""
    result = answer.result
    record: dict[str, Any] = {"image": i, "name": name, "kind": answer.kind}
    record |= {"weight": None, "rule": "", "rel_gap": math.nan, "certified": False, "nit": 0, "seconds": answer.seconds}
    if result is not None:
        record |= {
            "weight": result.weight,
            "rule": result.weight_rule,
            "rel_gap": result.rel_gap if math.isfinite(result.rel_gap) else math.nan,
        }
        record |= {"certified": result.certified, "nit": result.nit}
    for metric, function in wanted.items():
        record[metric] = function(task.truth[i], answer.image) if function else _ours(metric, task.truth[i], answer.image, task)
    return record


def _ours(metric: str, truth: Array, image: Array, task: Task) -> float:
    where = {"region": task.region, "channel_axis": task.channel_axis}
    function = getattr(measures, metric)
    if metric in ("mse", "mae"):
        return float(function(truth, image, **where))
    if (
        metric == "ssim"
        and min(n for a, n in enumerate(truth.shape) if a != normalise_channel_axis(task.channel_axis, truth.ndim)) < 11
    ):
        # smaller than its window
        return math.nan
    if metric in ("psnr", "ssim"):
        return float(function(truth, image, task.data_range, **where))
    if metric == "zero_share":
        return float(function(image, **where))
    if metric in ("precision", "recall", "f1", "iou"):
        return float(function(truth, image, task.support_tol, **where))
    return float(function(image, task.support_tol, **where))
