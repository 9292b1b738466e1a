"""Classical answers beside a model's outputs, on ground truth."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import importlib.util
import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import __version__, metrics
from .._path import oracle_weight
from .._solve import PENALTIES, attempt, resolve_penalty
from ..arrays.checks import check_number, unknown
from ..arrays.layout import normalise_channel_axis
from ..arrays.numbers import Array, as_float, require_finite
from ..penalties.base import Penalty
from ..problems.spec import ProblemSpec
from ..result import ConvergenceWarning, Said, SolveResult, heard, say, warn
from ..runtime.progress import Steps
from ..runtime.workers import Workers
from ..solvers.options import parse
from ..weights.rules import RULES
from .baselines import BASELINES, denoised, require
from .columns import METRICS, NEITHER
from .result import Comparison

#: "wavelet" where PyWavelets is installed
PENALTIES_BY_DEFAULT: tuple[str, ...] = ("none", "l1", "tv", "tv-aniso", "l1+tv", "overlap")
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
        What the images should be. A list or a tuple means several images, of any sizes; an array is one image.
    outputs : dict of name to array_like or callable, optional
        The model's images, of the truth's shape and units (for several images a list), or a function that takes a noisy image
        and returns one, which is timed.
    noisy : array_like, or list, optional
        The images the answers start from. Left out, seeded noise of `noise_std` is added to the truth, unclipped.
    noise_std : float, optional
        The noise's standard deviation: of what is made, or, where `noisy` is given, what the rules may know.
    penalties : sequence of str or Penalty
        As in `solve`; "none" is the noisy image itself. Names of other packages' denoisers stand beside them, labelled so:
        "nlm", "wavelet-bayes", "bilateral", "gaussian" (scikit-image), "bm3d" (where it is installed).
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
    metrics : sequence of str, or dict, optional
        Some of the names in `proxsparse.metrics`, all by default; a dict adds functions of (truth, image) to all.
    rng : int or numpy Generator, optional
        Seed of the noise; 0 by default. Image number i has a generator seeded by (rng, i).
    workers : int
        Threads over the images, or within one image's solves; answers do not depend on it, the seconds do.
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
    task = _Task(
        truth,
        outputs or {},
        noisy=noisy,
        noise_std=noise_std,
        data_range=data_range,
        support_tol=support_tol,
        region=region,
        channel_axis=channel_axis,
        rng=rng,
    )
    wanted = _metrics(metrics)
    rows = _rows(penalties, weight)
    task.require_rows(rows)
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


def _answered(task: _Task, rows: list[_Row], tol: float, workers: int, disp: bool) -> list[dict[str, _Answer]]:
    """For each image the answer of every row and output; threads share the images, or the solves of one."""
    answered: list[dict[str, _Answer]] = [{} for _ in range(task.n)]
    said: list[Said] = []
    inner = workers if task.n == 1 else 1

    def _one(i: int) -> None:
        for row in rows:
            with heard(said, i):
                answered[i][row.name] = row.answer(task.noisy[i], task.truth[i], task, tol, inner)
            progress.step(row.name)
        for name in task.outputs:
            answered[i][name] = task.output(name, i)
            progress.step(name)

    with Workers(workers if task.n > 1 else 1) as pool, Steps(task.n * (len(rows) + len(task.outputs)), disp) as progress:
        pool.run([functools.partial(_one, i) for i in range(task.n)])
    say(said)
    return answered


def _warn_of_gaps(results: list[dict[str, SolveResult]], tol: float) -> None:
    """Say once how many answers did not meet the tolerance, and the largest gap."""
    failed = [result.rel_gap for found in results for result in found.values() if not result.success]
    if failed:
        warn(
            f"{len(failed)} answers did not meet tol={tol:g}; the largest relative gap is {max(failed):.2e}", ConvergenceWarning
        )


@dataclasses.dataclass
class _Answer:
    """One image of a row, how long it took, and what is known about it."""

    kind: str
    image: Array
    seconds: float
    result: SolveResult | None = None


# -- what was given --------------------------------------------------------------------------------------------------


class _Task:
    """The images, checked: lists over the images, of floats."""

    def __init__(
        self,
        truth: Any,
        outputs: Mapping[str, Any],
        *,
        noisy: Any,
        noise_std: Any,
        data_range: Any,
        support_tol: Any,
        region: Any,
        channel_axis: int | None,
        rng: Any,
    ) -> None:
        self.single = not isinstance(truth, (list, tuple))
        given = [truth] if self.single else list(truth)
        if not given:
            raise ValueError("truth is an empty list")
        self.truth = [_image(x, self._named("truth", i)) for i, x in enumerate(given)]
        self.n = len(given)
        self.channel_axis = channel_axis
        for x in self.truth:
            normalise_channel_axis(channel_axis, x.ndim)
        self.noise_std = None if noise_std is None else check_number(noise_std, "noise_std")
        self.data_range = _range(data_range, [np.asarray(x).dtype for x in given])
        self.support_tol = self.data_range / 255 if support_tol is None else check_number(support_tol, "support_tol")
        self.region = region
        for x in self.truth:
            metrics.support(x, region=region, channel_axis=channel_axis)
        self.seed, self.made = rng, noisy is None
        self.noisy = self._made() if noisy is None else self._images("noisy", noisy)
        self.outputs = dict(outputs)
        for name, output in self.outputs.items():
            if not isinstance(name, str):
                raise TypeError(f"outputs must be a dict of names to images or functions, got the name {name!r}")
            if not callable(output):
                self.outputs[name] = self._images(name, output)

    def require_rows(self, rows: list[_Row]) -> None:
        """Raise ValueError where the rows cannot stand beside the outputs, or do not take the images."""
        if not rows and not self.outputs:
            raise ValueError("there is nothing to compare: no penalty and no output")
        for row in rows:
            row.require_axes({x.ndim - (self.channel_axis is not None) for x in self.truth})
        taken = {"truth", "noisy", *(row.name for row in rows)} & set(self.outputs)
        if taken:
            raise ValueError(f"an output cannot be named {sorted(taken)[0]!r}: there is such a row")

    def _named(self, name: str, i: int) -> str:
        return name if self.single else f"{name}[{i}]"

    def _made(self) -> list[Array]:
        if self.noise_std is None:
            raise ValueError("give noisy=, or noise_std= for noise to be made")
        seed = 0 if self.seed is None else self.seed
        made = []
        for i, x in enumerate(self.truth):
            generator = seed if isinstance(seed, np.random.Generator) else np.random.default_rng([seed, i])
            made.append(x + self.noise_std * generator.standard_normal(x.shape).astype(x.dtype))
        return made

    def _images(self, name: str, given: Any) -> list[Array]:
        """One image for each truth."""
        images = [given] if self.single else given
        if not self.single and (not isinstance(images, (list, tuple)) or len(images) != self.n):
            what = f"a list of {len(images)}" if isinstance(images, (list, tuple)) else type(images).__name__
            raise ValueError(f"{name} must be a list of {self.n} images, as truth is; got {what}")
        return [self.fitted(self._named(name, i), image, i) for i, image in enumerate(images)]

    def fitted(self, name: str, image: Any, i: int) -> Array:
        """An image of the i-th truth's shape."""
        image, shape = _image(image, name), self.truth[i].shape
        if image.shape != shape:
            squeezed = tuple(n for n in image.shape if n != 1) == tuple(n for n in shape if n != 1)
            remedy = f": reshape it, as in array.reshape{shape}" if squeezed else ""
            raise ValueError(f"{name} has shape {image.shape}, the truth {shape}{remedy}")
        largest, true = float(np.abs(image).max()), float(np.abs(self.truth[i]).max())
        if true > 0.1 * self.data_range and not 0.02 * true < largest < 10 * (true + self.data_range):
            warn(f"{name} reaches {largest:.3g}, the truth {true:.3g}: are they in one unit?", UserWarning)
        return np.asarray(image)

    def output(self, name: str, i: int) -> _Answer:
        """The i-th image of a model, from its function where it is one."""
        output = self.outputs[name]
        if not callable(output):
            return _Answer("output", output[i], math.nan)
        y = self.noisy[i].copy()
        begin = time.perf_counter()
        image = output(y)
        seconds = time.perf_counter() - begin
        return _Answer("output", self.fitted(f"the image that {name} returned", image, i), seconds)

    def noise(self, y: Array) -> float:
        """The standard deviation of the noise, as given or estimated."""
        return metrics.noise_std(y, channel_axis=self.channel_axis) if self.noise_std is None else self.noise_std

    def provenance(self) -> dict[str, Any]:
        """Versions, seeds and parameters that reproduce the figures."""
        seed = "a Generator" if isinstance(self.seed, np.random.Generator) else (0 if self.seed is None else self.seed)
        return {
            "versions": {"proxsparse": __version__, "python": platform.python_version()}
            | {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba", "scikit-image")},
            "images": self.n,
            "shapes": sorted({x.shape for x in self.truth}),
            "noise": f"made, standard deviation {self.noise_std:g}, seed {seed}, unclipped" if self.made else "given",
            "noise_std": self.noise_std,
            "data_range": self.data_range,
            "channel_axis": self.channel_axis,
            "support_tol": self.support_tol,
            "region": None if self.region is None else f"{np.count_nonzero(self.region)} pixels",
            "ssim": "Gaussian window of sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03",
            "seconds": "wall clock; the first solve of a kind in a process compiles, workers share the cores",
            "protocol": "PSNR: mean over images; rows marked oracle have seen the truth; images are not clipped",
        }


def _image(given: Any, name: str) -> Array:
    try:
        image = as_float(given, name)
    except (RuntimeError, TypeError) as error:
        if hasattr(given, "detach"):
            raise TypeError(f"{name} is a tensor that NumPy cannot read: give {name}.detach().cpu().numpy()") from error
        raise
    if image.size == 0:
        raise ValueError(f"{name} is empty: shape {image.shape}")
    require_finite(image, name)
    # what a caller or a model goes on writing into is no longer ours
    return np.array(image)


def _range(data_range: Any, dtypes: list[np.dtype[Any]]) -> float:
    """The range given, or that of bytes: 16 bits may hold 12, and 64 anything."""
    if data_range is None:
        if set(dtypes) == {np.dtype(np.uint8)}:
            return 255.0
        if set(dtypes) == {np.dtype(bool)}:
            return 1.0
        raise ValueError("give data_range=, the range the images could take, such as 1.0: only of uint8 and bool is it known")
    value = check_number(data_range, "data_range")
    if value == 0:
        raise ValueError("data_range must be > 0, got 0")
    return value


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


# -- the rows --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Row:
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

    def answer(self, y: Array, truth: Array, task: _Task, tol: float, workers: int) -> _Answer:
        """The row's image of y."""
        begin = time.perf_counter()
        if self.kind == "input":
            return _Answer("input", y.copy(), 0.0)
        if self.kind == "baseline":
            image = denoised(str(self.penalty), y, task.noise(y), task.channel_axis)
            return _Answer("baseline", image, time.perf_counter() - begin)
        options = {"workers": workers, "history": False}
        weight, rule = self.weight, self.weight
        if weight == "oracle":
            known: dict[str, Any] = {"channel_axis": task.channel_axis, "noise_std": task.noise_std}
            weight = oracle_weight(y, truth, self.penalty, tol=tol, options=options, **known)
        chosen, by_rule = resolve_penalty(self.penalty, weight)
        spec = ProblemSpec(y, noise_std=task.noise_std, channel_axis=task.channel_axis)
        result = attempt(spec, chosen, by_rule, tol=tol, options=options)
        if rule == "oracle":
            result.weight_rule = "oracle"
        return _Answer(self.kind, result.x, time.perf_counter() - begin, result)


def _rows(penalties: Any, weight: Any) -> list[_Row]:
    """The rows that are asked for, in order."""
    if isinstance(penalties, (str, Penalty)):
        penalties = (penalties,)
    rows = [row for penalty in penalties for row in _rows_of(penalty, weight)]
    if isinstance(weight, Mapping):
        for key in weight:
            if key not in list(penalties):
                raise ValueError(f"weight has {key!r}, which is not among penalties {tuple(penalties)!r}")
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise ValueError(f"rows of one name: {sorted({n for n in names if names.count(n) > 1})}")
    return rows


def _rows_of(penalty: str | Penalty, weight: Any) -> list[_Row]:
    if isinstance(penalty, str) and penalty == "none":
        return [_Row("none", "input", penalty)]
    if isinstance(penalty, str) and penalty in BASELINES:
        require(penalty)
        return [_Row(penalty, "baseline", penalty)]
    if isinstance(penalty, str) and penalty not in PENALTIES:
        raise unknown("penalty", penalty, [*PENALTIES, *BASELINES])
    name = penalty if isinstance(penalty, str) else repr(penalty)
    if not isinstance(penalty, str) and all(q.weight is not None for q in penalty.parts):
        return [_Row(name, "classical", penalty)]
    if isinstance(weight, Mapping):
        if penalty not in weight:
            raise ValueError(f"weight gives no weight for the penalty {name!r}")
        ways: Sequence[Any] = [weight[penalty]]
    else:
        ways = weight if isinstance(weight, (tuple, list)) else [weight]
    rows: list[_Row] = []
    for way in ways:
        if isinstance(way, str) and way not in (*RULES, "oracle"):
            raise unknown("way to a weight", way, [*RULES, "oracle"])
        if not isinstance(way, str):
            try:
                resolve_penalty(penalty, way)
            except ValueError as error:
                raise ValueError(f"{error}; a dict gives a weight of its own to each penalty") from error
        kind = "oracle" if isinstance(way, str) and way == "oracle" else "classical"
        plain = kind == "classical" and not any(row.kind == "classical" for row in rows)
        rows.append(_Row(name if plain else f"{name} ({way})", kind, penalty, way))
    return rows


# -- the figures -----------------------------------------------------------------------------------------------------


def _measured(i: int, name: str, answer: _Answer, task: _Task, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The record of one image of one row."""
    result = answer.result
    record: dict[str, Any] = {"image": i, "name": name, "kind": answer.kind}
    record |= {"weight": None, "rule": "", "rel_gap": math.nan, "certified": False, "nit": 0, "seconds": answer.seconds}
    if result is not None:
        record |= {"weight": result.weight, "rule": result.weight_rule, "rel_gap": result.rel_gap}
        record |= {"certified": result.certified, "nit": result.nit}
    for metric, function in wanted.items():
        record[metric] = function(task.truth[i], answer.image) if function else _ours(metric, task.truth[i], answer.image, task)
    return record


def _ours(metric: str, truth: Array, image: Array, task: _Task) -> float:
    where = {"region": task.region, "channel_axis": task.channel_axis}
    function = getattr(metrics, metric)
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
