"""One image larger than memory: what is asked of it checked, and its result; the work is that of `schwarz.py`."""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._solve import check_call
from ..arrays.bounds import canonical_bounds
from ..arrays.checks import explained
from ..arrays.layout import Layout
from ..arrays.numbers import Array, has_slices
from ..arrays.record import Record
from ..dual.term import Partition
from ..penalties import Penalty
from ..problems.spec import ProblemSpec
from ..result import MESSAGES, ConvergenceWarning, warn
from ..runtime.progress import Progress
from ..runtime.workers import Workers
from ..solvers.options import integer, parse
from ..weights.given import AnyPenalty, resolve_penalty, warn_of_integers, weights_of
from .partition import Cut, Part
from .schwarz import Blocks
from .store import Image, allocate, file_of, is_of, share_memory


class BlocksResult(Record):
    """The answer of `proxsparse.solve_blocks`; the fields are those of `SolveResult`.

    Attributes
    ----------
    x : array
        The image: `out` where it was given, else an array in memory, or a memory-mapped one in `dual_store`.
    fun, gap, rel_gap, x_error_bound : float
        As in `SolveResult`, of the whole image.
    certified, success : bool
        As in `SolveResult`.
    status : int
        0 gap met, 1 as many sweeps as allowed, 4 no block gets any better.
    message : str
        The status in words.
    nit : int
        Sweeps over all blocks.
    method : str
        "dual-schwarz".
    weight : float or tuple
        The weight of each part of the penalty.
    dual : tuple of ndarray
        The dual of each part but L1, whose dual follows from the image; of blocks that of the same windows. Memory-mapped in
        `dual_store`.
    history : dict of ndarray
        iteration, objective, gap and seconds after each sweep.
    time : float
        Seconds.
    """

    x: Any
    fun: float
    gap: float
    rel_gap: float
    x_error_bound: float
    certified: bool
    success: bool
    status: int
    message: str
    nit: int
    method: str
    weight: Any
    dual: tuple[Array, ...]
    history: dict[str, Array]
    time: float

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None: ...


@explained
def solve_blocks(
    source: Any,
    penalty: AnyPenalty = "tv",
    weight: Any = None,
    *,
    out: Any = None,
    block: int = 1024,
    halo: int = 32,
    tol: float = 1e-4,
    max_sweeps: int = 50,
    bounds: Any = None,
    channel_axis: int | None = None,
    dual_store: str | os.PathLike[str] | None = None,
    client: Any = None,
    workers: int = 1,
    disp: bool = False,
) -> BlocksResult:
    """Minimise ``1/2 ||x - y||^2 + sum_i w_i P_i(x)`` within bounds, a block of the image at a time, with one certificate.

    Parameters
    ----------
    source : array
        y: an image or a volume, optionally with a channel axis; numpy, memory-mapped, zarr, Dask or anything else with a
        shape, a dtype and slices. Read block by block, never modified.
    penalty : str or Penalty
        Total variation of any kind, L1, windows or blocks of pixels without weights of their own, and sums of these.
    weight : float or tuple of float
        As in `solve`; it has to be given, here or in the penalty.
    out : array, optional
        Where the image is written, of the source's shape and of float32 or float64 as the source gives.
    block : int
        Pixels along each axis of a block.
    halo : int
        Pixels by which blocks overlap into their neighbours on each side, fewer than half a block. The larger the weight the
        more a wide halo saves sweeps.
    tol : float
        The relative duality gap of the whole image to reach.
    max_sweeps : int
        Most sweeps over all blocks.
    bounds : pair of float, optional
        (lo, hi), each None or a number.
    channel_axis : int, optional
        The axis of the channels.
    dual_store : path, optional
        A folder for the dual and the image (which `out` then gets at the end): memory-mapped files instead of memory. A call
        that finds files there goes on from them; whatever they hold, the certificate is computed anew.
    client : dask.distributed.Client, optional
        The blocks of a colour are worked on its cluster; a block whose worker dies is worked again.
    workers : int
        Threads that share the blocks of a colour, -1 for one a core; beside a client they look after the certificate only. The
        answer does not depend on it.
    disp : bool
        Show progress on standard error.

    Returns
    -------
    BlocksResult
        x, fun, gap, rel_gap, success, status, message, nit (sweeps), dual, history and more.

    Raises
    ------
    ValueError, TypeError
        What was given cannot be worked with; the message names the value.
    OSError
        The disk has no room for the files of `dual_store`, or for `out`.

    Warns
    -----
    ConvergenceWarning
        The tolerance was not met; the best iterate is returned all the same.

    Notes
    -----
    Block coordinate ascent on the dual, multiplicative Schwarz with overlap (Chang, Tai, Wang & Yang, SIAM J. Numer. Anal.
    2015), in four colours, eight in volumes. The dual on the whole image is feasible after every block, and the gap is the sum
    over pixels and groups of the whole image as in `solve`, added up block by block: what comes back is certified however the
    image was cut. Zeros are exact, as in `solve`; the flat regions of total variation are flat up to the gap only, as making
    them exact takes the whole image.

    Examples
    --------
    >>> import numpy as np, proxsparse
    >>> noisy = proxsparse.phantoms.add_noise(proxsparse.phantoms.regions((300, 200)), 0.1)
    >>> result = proxsparse.solve_blocks(noisy, "tv", 0.1, block=128, halo=16)
    >>> whole = proxsparse.solve(noisy, "tv", 0.1)
    >>> result.success, abs(result.fun - whole.fun) <= max(result.gap, whole.gap)
    (True, True)
    """
    begin = time.perf_counter()
    tol = check_call("auto", tol)
    most, threads = (parse("exact", {name: n}) for name, n in (("maxiter", max_sweeps), ("workers", workers)))
    chosen, rule = resolve_penalty(penalty, weight)
    if rule is not None:
        raise ValueError(f"{penalty!r} needs a weight: no rule chooses one block by block")
    source = source if has_slices(source) else np.asarray(source)
    spec = ProblemSpec(source, bounds=bounds, channel_axis=channel_axis)
    image = Image(source, spec.channel_axis)
    parts = [Part(partition, image.shape) for partition in _partitions(chosen, image.shape)]
    cut = Cut(parts, image.shape, integer("block", block), integer("halo", halo))
    folder = None if dual_store is None else Path(dual_store)
    _check_out(out, image, folder)
    with Workers(threads.workers) as pool, contextlib.closing(Progress(tol, disp)) as display:
        work = Blocks(image, parts, cut, _bounds(spec.bounds, image.dtype), out, folder, client, pool)
        history, status = work.run(tol, most.maxiter, display, begin)
        nit, fun, gap, _ = history[-1]
        fun, gap = work.identify(fun, gap, tol) if status == 0 else (fun, gap)
    rel_gap = work.relative_gap(gap, fun)
    warn_of_integers(np.zeros(0, source.dtype), chosen, spec.data)
    if status != 0:
        warn(f"{MESSAGES[status]} Relative gap {rel_gap:.2e}, tol {tol:.2e}, after {nit} sweeps.", ConvergenceWarning)
    columns = (np.array(column) for column in zip(*history, strict=True))
    return BlocksResult(
        x=work.answer(out),
        fun=fun,
        gap=gap,
        rel_gap=rel_gap,
        x_error_bound=math.sqrt(2 * gap),
        certified=math.isfinite(gap),
        success=status == 0,
        status=status,
        message=MESSAGES[status],
        nit=nit,
        method="dual-schwarz",
        weight=weights_of(chosen),
        dual=work.duals(),
        history=dict(zip(("iteration", "objective", "gap", "seconds"), columns, strict=True)),
        time=time.perf_counter() - begin,
    )


def _check_out(out: Any, image: Image, folder: Path | None) -> None:
    """Raise before anything is made, or written over."""
    for name, array in (("source", image.array), ("out", out)):
        if folder is not None and is_of(array, folder):
            raise ValueError(f"{name} is a file of dual_store, {file_of(array)}: it would be written over")
    if out is None:
        return
    shape = tuple(image.array.shape)
    if not has_slices(out) or tuple(out.shape) != shape or out.dtype != image.dtype:
        given = f"{out.shape} and {out.dtype}" if has_slices(out) else repr(type(out))
        raise ValueError(f"out must be an array of shape {shape} and {image.dtype}, got {given}")
    if share_memory(out, image.array):
        raise ValueError("out and source must not be the same memory: the source is read in every sweep")
    file = file_of(out)
    if file is not None:
        allocate(Path(file))


def _partitions(penalty: Any, shape: tuple[int, ...]) -> list[Partition]:
    """How the parts are cut."""
    found = []
    for part in penalty.parts:
        partition = part.bind(shape).partition if isinstance(part, Penalty) else None
        if partition is None:
            raise TypeError(
                f"{part!r} is not worked block by block; total variation, L1, windows, blocks without weights of their own, "
                "and sums of these are"
            )
        found.append(partition)
    return found


def _bounds(bounds: Any, dtype: Any) -> tuple[float | None, float | None]:
    if bounds is not None and any(np.ndim(bound) for bound in bounds):
        raise ValueError("bounds must be numbers, the same for all blocks")
    lo, hi = canonical_bounds(bounds, Layout((), None), dtype)
    return None if lo is None else float(lo), None if hi is None else float(hi)
