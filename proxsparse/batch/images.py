"""Many images in one call, the answers those of as many calls of `solve`, bit for bit, wherever they are computed."""

from __future__ import annotations

import collections
import functools
import math
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import OptimizeResult

from .._solve import AnyPenalty, check_call, resolve_penalty, solve_quietly, warn_of_integers, weights_of
from ..arrays.numbers import Array, as_float, has_slices
from ..penalties import Nonconvex, Reweighted
from ..penalties.base import with_weights
from ..problems.spec import FIELDS, ProblemSpec
from ..result import MESSAGES, CollectedWarning, ConvergenceWarning, collect_warnings, warn, warn_of_collected
from ..runtime.progress import Steps
from ..runtime.workers import Workers
from ..solvers.options import parse
from .small import SmallBatch

#: pixels of all images that are worked together
_AT_ONCE = 1 << 22
#: the status of an image that could not be worked with
_BAD = -1


class BatchResult(OptimizeResult):
    """The answers of `proxsparse.solve_batch`: the fields of `SolveResult`, each an array over the images.

    Of a Dask array they are Dask arrays, which nothing computes before it is asked to: `compute` computes all at once.

    Attributes
    ----------
    x : ndarray or list of ndarray
        The images, one after the other along the first axis; a list where they differ in shape or type. NaN, in a list None,
        for an image that could not be worked with.
    fun, gap, rel_gap, x_error_bound : ndarray of float
        As in `SolveResult`.
    certified, success : ndarray of bool
        As in `SolveResult`.
    status, nit : ndarray of int
        As in `SolveResult`; status is -1 for an image that could not be worked with.
    message : list of str
        The statuses in words.
    error : list of str or None
        What was wrong with an image that could not be worked with; None for all others.
    method : list of str
        The algorithm that ran.
    time : ndarray of float
        Seconds; images that were worked together share theirs equally.
    weight : float, tuple or ndarray
        The weight of each part of the penalty; an array over the images where a rule chose them.
    weight_rule : list of str
        How the weight of each image was chosen; see `SolveResult`.
    """

    x: Any
    fun: Array
    gap: Array
    rel_gap: Array
    x_error_bound: Array
    certified: Array
    success: Array
    status: Array
    message: list[str]
    error: list[str | None]
    nit: Array
    method: list[str]
    time: Array
    weight: Any
    weight_rule: list[str]

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...

    def compute(self) -> BatchResult:
        """Return the same result with every Dask array computed, all in one go; itself where there is none."""
        lazy = {name: value for name, value in self.items() if hasattr(value, "dask")}
        if not lazy:
            return self
        import dask

        computed = dict(zip(lazy, dask.compute(*lazy.values()), strict=True))
        computed |= {name: computed[name].tolist() for name in _WORDS}
        return BatchResult(**(dict(self) | computed))


def solve_batch(images: Any, penalty: AnyPenalty = "tv", weight: Any = None, *, workers: int = 1, **kwargs: Any) -> BatchResult:
    """Minimise, for every image by itself, what `solve` minimises; the answers are those of `solve`, bit for bit.

    Small gray images under total variation are worked together in compiled code, so that Python costs little; others
    one by one.

    Parameters
    ----------
    images : array, list or dask.array.Array
        Images along the first axis, (N, H, W) for gray ones, of an array in memory, memory-mapped, or of zarr, which is read a
        part at a time; a list of images of any shapes; or a Dask array, which gives lazy answers, a task for each of its
        chunks along the first axis. `channel_axis` counts without the first.
    penalty, weight
        As in `solve`; a weight is the same for all images, one that a rule chooses is chosen for each by itself.
    workers : int
        Threads that share the images; the answers do not depend on it. Inside ``joblib.parallel_config(...)`` the images are
        shared among its processes, threads or cluster, each with so many threads.
    **kwargs
        The other arguments of `solve`, the same for all images, but for `x0`, `callback` and `debias`. The option `disp` shows
        how many images are done.

    Returns
    -------
    BatchResult
        x, fun, gap, rel_gap, success, status, message, error, nit, time and more, over the images.

    Raises
    ------
    ValueError, TypeError
        As `solve`, about the call, or where no image at all can be worked with. An image that cannot be while others can has
        status -1 and its error in its place.

    Warns
    -----
    ConvergenceWarning
        Once, with the number of images whose tolerance was not met or that could not be worked with. Of a Dask array there is
        no warning: look at `success`.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> images = np.zeros((100, 28, 28), np.float32)
    >>> images[:, 8:20, 8:20] = 1
    >>> noisy = proxsparse.phantoms.add_noise(images, 0.1)
    >>> result = proxsparse.solve_batch(noisy, "tv", 0.1, tol=1e-3)
    >>> result.x.shape, bool(result.success.all())
    ((100, 28, 28), True)
    """
    kwargs = {name: value for name, value in kwargs.items() if value is not None}
    for name in kwargs.keys() - _ARGUMENTS:
        raise TypeError(f"solve_batch takes no {name!r}; beside the images, penalty, weight and workers it takes {_ARGUMENTS}")
    workers = parse("exact", {"workers": workers}).workers
    # of the images' own specs all but the image
    spec, search = ProblemSpec.from_arguments(None, kwargs)
    check_call(search.get("method", "auto"), search.get("tol", 1e-4))
    search, shown = _without_display(search)
    chosen, rule = resolve_penalty(penalty, weight)
    if rule is not None:
        # for each image by itself
        search["rule"] = rule
    solve_some = functools.partial(_solve_some, chosen=chosen, spec=spec, search=search, workers=workers)
    if hasattr(images, "dask"):
        return _lazily(images, solve_some)
    stacks, jobs = _Stacks(images), _jobs()
    # enough pieces to share, and to show
    share = 4 * jobs if jobs > 1 else 20 if shown else 1
    pieces = stacks.pieces(_AT_ONCE, -(-len(stacks) // share))
    answers = _Answers(len(stacks))
    with Steps(len(stacks), shown) as steps:

        def _put(index: Array, found: dict[str, Any]) -> None:
            answers.put(index, found)
            steps.step(f"image {index[-1]}", len(index))

        if jobs > 1:
            _with_joblib(solve_some, pieces, _put)
        else:
            _with_threads(solve_some, pieces, _put, workers)
    result = answers.result(weights_of(chosen) if rule is None else None)
    for kind in stacks.dtypes:
        warn_of_integers(np.zeros(0, kind), chosen, spec.data)
    warn_of_collected(answers.said)
    _warn(result, isinstance(chosen, (Nonconvex, Reweighted)))
    return result


def _without_display(search: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The arguments without the display of single calls, and whether it is asked for."""
    options = search.get("options")
    if not isinstance(options, dict) or "disp" not in options:
        return search, False
    shown = parse("exact", {"disp": options["disp"]}).disp
    return search | {"options": {name: value for name, value in options.items() if name != "disp"}}, shown


def _jobs() -> int:
    """How many jobs the surrounding `joblib.parallel_config` asks for; 1 without one."""
    joblib = sys.modules.get("joblib")
    return 1 if joblib is None else int(joblib.effective_n_jobs(None))


#: indices of images, and what reads them
_Piece = tuple[Array, Callable[[], Any]]
_Put = Callable[[Array, dict[str, Any]], None]


def _with_threads(solve_some: Any, pieces: list[_Piece], put: _Put, workers: int) -> None:
    """Solve the pieces, which threads share; where there are few, the images of each."""
    if len(pieces) < workers:
        for index, read in pieces:
            put(index, solve_some(read()))
        return
    lock = threading.Lock()

    def _solve(index: Array, read: Callable[[], Any]) -> None:
        found = solve_some(read(), workers=1)
        with lock:
            put(index, found)

    with Workers(workers) as pool:
        pool.run([functools.partial(_solve, *piece) for piece in pieces])


def _with_joblib(solve_some: Any, pieces: list[_Piece], put: _Put) -> None:
    """Solve the pieces in the surrounding joblib's processes, threads or cluster."""
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    kind = "generator" if getattr(backend, "supports_return_generator", False) else "list"
    calls = (joblib.delayed(solve_some)(read()) for _, read in pieces)
    for (index, _), found in zip(pieces, joblib.Parallel(return_as=kind)(calls), strict=True):
        put(index, found)


def _warn(result: BatchResult, asked: bool) -> None:
    """Warn of images that did not meet the tolerance; what is not convex is not certified, and no failure."""
    n = len(result.status)
    bad = np.flatnonzero(result.status == _BAD)
    failed = np.flatnonzero(~result.success & (result.status != _BAD) & ~((result.status == 6) & asked))
    told = []
    if bad.size:
        told.append(f"{bad.size} of {n} images could not be worked with, the first image {bad[0]}: {result.error[bad[0]]}")
    if failed.size:
        worst = failed[np.argmax(result.rel_gap[failed])]
        told.append(
            f"{failed.size} of {n} images did not meet the tolerance; the largest relative gap is {result.rel_gap[worst]:.2e}, "
            f"of image {worst}: {result.message[worst]}"
        )
    if told:
        warn("; ".join(told), ConvergenceWarning)


#: what `solve` takes and a batch takes too
_ARGUMENTS = {"method", "tol", "options", *FIELDS}
#: the fields over the images, and what they hold of one that could not be worked with
_NUMBERS: dict[str, Any] = {
    "fun": math.nan,
    "gap": math.nan,
    "rel_gap": math.nan,
    "x_error_bound": math.inf,
    "certified": False,
    "success": False,
    "status": _BAD,
    "nit": 0,
    "time": 0.0,
}
_WORDS = ("message", "error", "method", "weight_rule")


class _Stacks:
    """The images: stacked along the first axis of an array, or a list, whose images of one shape and type are stacked."""

    def __init__(self, images: Any) -> None:
        if isinstance(images, (list, tuple)):
            self.given: Any = [_array(images, i) for i in range(len(images))]
            stacks = collections.defaultdict(list)
            for i, image in enumerate(self.given):
                stacks[image.shape, image.dtype, type(image)].append(i)
            self.stacks = [np.array(index) for index in stacks.values()]
        else:
            self.given = images if has_slices(images) else np.asarray(images)
            as_float(images[:0] if isinstance(images, np.ma.MaskedArray) else np.zeros(0, self.given.dtype), "images")
            self.stacks = [np.arange(self.given.shape[0])] if len(self.given.shape) > 1 else []
        if not len(self):
            raise ValueError(f"images must be at least one image along the first axis, got shape {np.shape(self.given)}")

    def __len__(self) -> int:
        return sum(len(index) for index in self.stacks)

    @property
    def dtypes(self) -> set[Any]:
        """The types of the images."""
        return {image.dtype for image in self.given} if isinstance(self.given, list) else {self.given.dtype}

    def pieces(self, pixels: int, most: int) -> list[_Piece]:
        """Indices, and what reads their images stacked: no more than so many pixels and so many images at a time."""
        pieces: list[_Piece] = []
        for index in self.stacks:
            shape = self.given[index[0]].shape if isinstance(self.given, list) else self.given.shape[1:]
            at_once = max(1, min(most, pixels // max(math.prod(shape), 1)))
            for first in range(0, len(index), at_once):
                some = index[first : first + at_once]
                pieces.append((some, functools.partial(self._stacked, some)))
        return pieces

    def _stacked(self, index: Array) -> Any:
        if not isinstance(self.given, list):
            try:
                return np.asarray(self.given[int(index[0]) : int(index[-1]) + 1])
            except Exception:
                # one by one, so that only those are lost that cannot be read
                return [_array(self.given, int(i)) for i in index]
        images = [self.given[i] for i in index]
        return np.stack(images) if type(images[0]) is np.ndarray else images


class _Unreadable:
    """Stands where an image should, and holds what became of it."""

    def __init__(self, error: Exception) -> None:
        self.error, self.shape, self.dtype = error, (), np.dtype(object)


def _array(images: Any, i: int) -> Any:
    """The image as an array, or as what it could not be read for."""
    try:
        image = images[i]
        # a mask is refused, not lost
        return image if isinstance(image, np.ma.MaskedArray) else np.asarray(image)
    except Exception as error:
        return _Unreadable(error)


def _named(raised: tuple[type[Exception], str], where: str) -> Exception:
    """The error with the image's name before its text; some kinds take no text."""
    kind, text = raised
    try:
        return kind(where + text)
    except TypeError:
        return RuntimeError(f"{where}{kind.__name__}: {text}")


class _Answers:
    """The answers put in their places."""

    def __init__(self, n: int) -> None:
        self.found: list[tuple[Array, dict[str, Any]]] = []
        #: what was warned of, by the images
        self.said: list[CollectedWarning] = []
        self.n = n

    def put(self, index: Array, found: dict[str, Any]) -> None:
        """The answers to the images of these indices."""
        self.found.append((index, found))
        self.said += [(int(index[i]), message, category) for i, message, category in found["said"]]

    def result(self, weight: Any) -> BatchResult:
        """All of them; raises where there is none."""
        fields: dict[str, Any] = {}
        for name, bad in _NUMBERS.items():
            fields[name] = np.full(self.n, bad)
        for name in _WORDS:
            fields[name] = [None] * self.n
        for index, found in self.found:
            for name in _NUMBERS:
                fields[name][index] = found[name]
            for name in _WORDS:
                for i, word in zip(index.tolist(), found[name], strict=True):
                    fields[name][i] = word
        if (fields["status"] == _BAD).all():
            index, found = min(self.found, key=lambda each: int(each[0][0]))
            raise _named(found["raised"], f"image {index[0]}: ")
        fields["weight"] = self._weights() if weight is None else weight
        return BatchResult(x=self._images(), **fields)

    def _weights(self) -> Array:
        shapes = [found["weight"].shape[1:] for _, found in self.found if found["weight"] is not None]
        weights = np.full((self.n, *shapes[0]), math.nan)
        for index, found in self.found:
            if found["weight"] is not None:
                weights[index] = found["weight"]
        return weights

    def _images(self) -> Any:
        kinds = {(found["x"].shape[1:], found["x"].dtype) for _, found in self.found if found["x"] is not None}
        if len(kinds) == 1:
            shape, dtype = kinds.pop()
            x = np.full((self.n, *shape), math.nan, dtype)
            while self.found:
                index, found = self.found.pop()
                if found["x"] is not None:
                    x[index] = found["x"]
            return x
        images: list[Array | None] = [None] * self.n
        for index, found in self.found:
            for place, i in enumerate(index.tolist()):
                if found["status"][place] != _BAD:
                    images[i] = found["x"][place].copy()
        return images


def _solve_some(images: Any, chosen: Any, spec: ProblemSpec, search: dict[str, Any], workers: int) -> dict[str, Any]:
    """The fields of the answers to these images, of one shape and type; x and weight are None where there is no answer."""
    n = len(images)
    found: dict[str, Any] = {name: np.full(n, bad) for name, bad in _NUMBERS.items()}
    found |= {"x": None, "method": [""] * n, "error": [None] * n, "weight": None, "raised": None, "said": []}
    found["message"] = [None] * n
    found["weight_rule"] = [search.get("rule", "given")] * n
    begin, left = time.perf_counter(), np.arange(n)
    with Workers(workers) as pool:
        together = None
        if isinstance(images, np.ndarray):
            together = SmallBatch.of(spec.replace(image=images), chosen, pool, search)
        if together is not None:
            left = together.run(found)
            found["time"][:] = (time.perf_counter() - begin) / n
        calls = [functools.partial(_solve_one, spec, images[i], i, n, chosen, search, found) for i in left.tolist()]
        while calls and found["x"] is None:
            # the first says how large answers are
            calls.pop(0)()
        pool.run(calls)
    found["message"] = [
        told or MESSAGES[status] for told, status in zip(found["message"], found["status"].tolist(), strict=True)
    ]
    return found


def _solve_one(
    spec: ProblemSpec, image: Any, i: int, n: int, chosen: Any, search: dict[str, Any], found: dict[str, Any]
) -> None:
    """Solve one of n images, and put what comes of it in its place."""
    try:
        if isinstance(image, _Unreadable):
            raise image.error
        with collect_warnings(found["said"], i):
            one = solve_quietly(spec.replace(image=image), chosen, **search)
    except Exception as error:
        # whatever it is, the others are not lost; where all fail it is raised
        found["error"][i] = f"{type(error).__name__}: {error}"
        found["method"][i] = ""
        for name, bad in _NUMBERS.items():
            found[name][i] = bad
        if found["x"] is not None:
            found["x"][i] = math.nan
        found["raised"] = found["raised"] or (type(error), str(error))
        return
    if found["x"] is None:
        found["x"] = np.full((n, *one.x.shape), math.nan, one.x.dtype)
    for name in ("x", *_NUMBERS, "method", "message"):
        found[name][i] = one[name]
    if "rule" in search:
        if found["weight"] is None:
            found["weight"] = np.full((n, *np.shape(one.weight)), math.nan)
        found["weight"][i], found["weight_rule"][i] = one.weight, one.weight_rule


def _lazily(images: Any, solve_some: Any) -> BatchResult:
    """Dask arrays of the answers to a Dask array, a task for each chunk along the first axis."""
    import dask
    from dask import array

    if images.ndim < 2 or any(math.isnan(n) for n in images.shape) or images.shape[0] == 0:
        raise ValueError(f"images must be at least one image along the first axis, of known shape; got shape {images.shape}")
    spec, search, chosen = (solve_some.keywords[name] for name in ("spec", "search", "chosen"))
    like = _like(images, spec, chosen, **search)
    images = images.rechunk(dict.fromkeys(range(1, images.ndim), -1))
    kinds: dict[str, Any] = {name: ((), np.asarray(bad).dtype) for name, bad in _NUMBERS.items()}
    kinds |= dict.fromkeys(_WORDS, ((), np.dtype(object))) | {"x": (like.shape, like.dtype)}
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
