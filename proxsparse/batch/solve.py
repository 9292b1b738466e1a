"""Many images in one call, the answers those of as many calls of `solve`, bit for bit, wherever they are computed."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from .._solve import check_call
from ..arrays.checks import explained
from ..arrays.kinds import of_its_kind
from ..arrays.numbers import Array
from ..problems.nothing_left import costs_nothing, nothing_left, too_large
from ..problems.spec import ProblemSpec, colour_axes
from ..result import ConvergenceWarning, warn, warn_of_collected
from ..runtime.progress import Steps
from ..runtime.workers import Workers
from ..solvers.options import parse
from ..weights.given import UNCERTIFIED, AnyPenalty, resolve_penalty, warn_of_integers, weights_of
from .images import Piece, Stacks, pays_to_share, solve_some
from .lazy import solve_lazily
from .result import BAD, Answers, BatchResult

#: pixels of all images that are worked together
_AT_ONCE = 1 << 22
#: what `solve` takes and a batch takes too
_SEARCH = ("method", "tol", "options")
#: takes the answers to the images of these indices
Put = Callable[[Array, dict[str, Any]], None]


@explained
@of_its_kind
def solve_batch(images: Any, penalty: AnyPenalty = "tv", weight: Any = None, *, workers: int = 1, **kwargs: Any) -> BatchResult:
    """Minimise ``D(A x; y) + sum_i w_i P_i(x - b)`` for every image by itself: the answers of `solve`, bit for bit.

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
        Threads that share the images, -1 for one a core; the answers do not depend on it. Inside
        ``joblib.parallel_config(...)`` the images are shared among its processes, threads or cluster, each with so many
        threads.
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
    workers = parse("exact", {"workers": workers}).workers
    # of the images' own specs all but the image
    spec, search = ProblemSpec.from_arguments(None, kwargs, _SEARCH, "solve_batch")
    check_call(search.get("method", "auto"), search.get("tol", 1e-4))
    search, shown = _without_display(search)
    chosen, rule = resolve_penalty(penalty, weight)
    if rule is not None:
        # for each image by itself
        search["rule"] = rule
    _warn_of_axes(spec, images)
    solver = functools.partial(solve_some, chosen=chosen, spec=spec, search=search, workers=workers)
    if hasattr(images, "dask"):
        return solve_lazily(images, solver)
    stacks, jobs = Stacks(images), _jobs()
    # enough pieces to share, and to show
    share = 4 * jobs if jobs > 1 else 20 if shown else 1
    pieces = stacks.pieces(_AT_ONCE, -(-len(stacks) // share))
    answers = Answers(len(stacks))
    with Steps(len(stacks), shown) as steps:

        def _put(index: Array, found: dict[str, Any]) -> None:
            answers.put(index, found)
            steps.step(f"image {index[-1]}", len(index))

        if jobs > 1:
            _with_joblib(solver, pieces, _put)
        else:
            # those of small images share the images of a piece, where that pays
            apart = workers > 1 and len(pieces) >= workers and all(map(pays_to_share, stacks.shapes))
            _with_threads(solver, pieces, _put, workers if apart else 1)
    result = answers.result(weights_of(chosen) if rule is None else None)
    for kind in stacks.dtypes:
        warn_of_integers(np.zeros(0, kind), chosen, spec.data)
    warn_of_collected(answers.said)
    if rule is None:
        _warn_of_nothing_left(spec, chosen, stacks, result)
    _warn(result, isinstance(chosen, UNCERTIFIED))
    return result


def _warn_of_axes(spec: ProblemSpec, images: Any) -> None:
    """Warn where an array is most likely one image, or images with channels that nobody names."""
    if isinstance(images, (list, tuple)):
        each = {np.shape(own) for own in images if hasattr(own, "shape")}
        shape: tuple[int, ...] = ()
    else:
        shape = np.shape(images)
        each = {shape[1:]}
    for own in sorted(each):
        spec.warn_of_axes(np.broadcast_to(0, own), "each image", "channel_axis=0 where axis 0 holds channels")
    one_in_colour = len(shape) == 3 and 2 in colour_axes(shape)
    if not spec.says_axes and (len(shape) == 2 or one_in_colour):
        what = "a signal" if len(shape) == 2 else f"an image of {shape[1]}x{shape[2]}"
        axis = ", channel_axis=-1" if one_in_colour else ""
        warn(
            f"images of shape {shape} are taken for {shape[0]} images along the first axis, each {what}: for one image call "
            f"solve(image{axis}, ...), else give ndim={len(shape) - 1}",
            UserWarning,
        )


def _warn_of_nothing_left(spec: ProblemSpec, chosen: Any, stacks: Stacks, result: BatchResult) -> None:
    """Warn of a weight that was given and leaves nothing of some of the images."""
    nothing: list[int] = []
    done = np.isin(result.status, (0, 6))
    for index, read in stacks.pieces(_AT_ONCE, len(stacks)):
        there = np.flatnonzero(done[index])
        if there.size:
            some = index[there]
            answers = result.x[some] if isinstance(result.x, np.ndarray) else np.stack([result.x[i] for i in some])
            flat = costs_nothing(spec, chosen, answers)
            if flat.any():
                # only of these are the images looked at again
                images = read()
                images = [images[k] for k in there[flat]]
                nothing += some[flat][nothing_left(spec, chosen, images, answers[flat])].tolist()
    if nothing:
        told = (
            f"image {nothing[0]}"
            if len(nothing) == 1
            else f"{len(nothing)} of {len(stacks)} images, the first image {nothing[0]}"
        )
        warn(f"nothing is left of {told}: {too_large(result.weight)}", UserWarning)


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


def _with_threads(solver: Any, pieces: list[Piece], put: Put, workers: int) -> None:
    """Solve the pieces, which so many threads share."""
    if workers == 1:
        for index, read in pieces:
            put(index, solver(read()))
        return
    lock = threading.Lock()

    def _solve(index: Array, read: Callable[[], Any]) -> None:
        found = solver(read(), workers=1)
        with lock:
            put(index, found)

    with Workers(workers) as pool:
        pool.run([functools.partial(_solve, *piece) for piece in pieces])


def _with_joblib(solver: Any, pieces: list[Piece], put: Put) -> None:
    """Solve the pieces in the surrounding joblib's processes, threads or cluster."""
    import joblib

    backend, _ = joblib.parallel.get_active_backend()
    kind = "generator" if getattr(backend, "supports_return_generator", False) else "list"
    calls = (joblib.delayed(solver)(read()) for _, read in pieces)
    for (index, _), found in zip(pieces, joblib.Parallel(return_as=kind)(calls), strict=True):
        put(index, found)


def _warn(result: BatchResult, asked: bool) -> None:
    """Warn of images that did not meet the tolerance; what is not convex is not certified, and no failure."""
    n = len(result.status)
    bad = np.flatnonzero(result.status == BAD)
    failed = np.flatnonzero(~result.success & (result.status != BAD) & ~((result.status == 6) & asked))
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
