"""One screen for a bug report: versions, threads, the kernel cache, and problems with known answers solved here."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import __version__
from ..kernels import _cache

#: what answers depend on, and what extras need
PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "scikit-image", "matplotlib", "PyWavelets", "tqdm", "torch")


def main(say: Callable[[str], object]) -> bool:
    """Say it line by line; returns whether every answer was right and certified."""
    say(f"proxsparse {__version__} in {Path(__file__).parents[1]}")
    say(f"Python {platform.python_version()} ({platform.python_implementation()}), {platform.platform()}")
    known = "  ".join(f"{name}\u00a0{version}" for name in PACKAGES if (version := _version(name)))
    say(textwrap.fill(known, 100).replace("\u00a0", " "))
    import llvmlite.binding

    say(f"processor {llvmlite.binding.get_host_cpu_name()}, {os.cpu_count()} logical cores, {_usable()} of them usable")
    settings = {k: v for k, v in sorted(os.environ.items()) if k.startswith(("NUMBA_", "PROXSPARSE_", "OMP_"))}
    say("environment " + (", ".join(f"{k}={v}" for k, v in settings.items()) or "says nothing"))
    say("")
    faults = _Faults()
    _cache.log.addHandler(faults)
    level = _cache.log.level
    _cache.log.setLevel(logging.DEBUG)
    try:
        right = [_tried(name, problem, say) for name, problem in PROBLEMS.items()]
    finally:
        _cache.log.setLevel(level)
        _cache.log.removeHandler(faults)
    say("")
    _say_cache(say)
    for line in faults.lines[:5]:
        say(f"  {line}")
    say("")
    say("all is well" if all(right) else "an answer is wrong: please report this, with all of the above")
    return all(right)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _usable() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class _Faults(logging.Handler):
    """What the cache has to say."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message; that a kernel is compiled is no fault."""
        if record.levelno < logging.INFO:
            self.lines.append(record.getMessage())


def _say_cache(say: Callable[[str], object]) -> None:
    place = _cache.folder()
    if place is None:
        say("kernel cache: none; every new process compiles what it needs")
        return
    try:
        kept = list(place.glob("*.nbc")) if place.is_dir() else []
        others = [p for p in place.parent.glob("kernels-*") if p != place] if place.parent.is_dir() else []
        size = sum(p.stat().st_size for p in kept) / 1e6
    except OSError as error:
        say(f"kernel cache: {place} cannot be read: {error}")
        return
    say(f"kernel cache: {place}, {len(kept)} files, {size:.1f} MB")
    if others:
        say(f"  beside it {len(others)} of other versions, which may be deleted")


def _rectangle() -> tuple[float, float, bool]:
    """Anisotropic total variation of a rectangle: inside it is lower by 2 w (a + b) / (a b)."""
    from .._solve import solve

    image = np.zeros((64, 64))
    image[16:48, 20:44] = 1.0
    result = solve(image, "tv-aniso", 0.5, tol=1e-8, options={"maxiter": 20000})
    return float(result.x[32, 32]), 1 - 2 * 0.5 * (32 + 24) / (32 * 24), bool(result.success)


def _signal() -> tuple[float, float, bool]:
    """Total variation of a step of n and n samples, exactly: each half moves by w / n."""
    from .._solve import solve

    result = solve(np.repeat([0.0, 1.0], 50), "tv", 5.0)
    return float(result.x[0]), 5.0 / 50, bool(result.success)


def _impulse() -> tuple[float, float, bool]:
    """An impulse under 3 x 3 windows: it drops by 9 w."""
    from .._solve import solve

    image = np.zeros((21, 21), np.float32)
    image[10, 10] = 1.0
    result = solve(image, "overlap", 0.05, tol=1e-6)
    return float(result.x[10, 10]), 1 - 9 * 0.05, bool(result.success)


def _sharp() -> tuple[float, float, bool]:
    """A constant behind a blur: it comes back."""
    from .._solve import solve
    from ..operators import Blur

    result = solve(np.full((32, 32), 0.25), "tv", 0.01, operator=Blur(np.ones((3, 3)) / 9), bounds=(0, 1), tol=1e-6)
    return float(result.x[5, 5]), 0.25, bool(result.success)


PROBLEMS = {
    "rectangle under anisotropic total variation": _rectangle,
    "step of a signal under total variation": _signal,
    "impulse under overlapping windows, float32": _impulse,
    "constant behind a blur, bounds": _sharp,
}


def _tried(name: str, problem: Callable[[], tuple[float, float, bool]], say: Callable[[str], object]) -> bool:
    begin = time.perf_counter()
    try:
        found, known, certified = problem()
    except Exception as error:  # whatever it is belongs in the report
        say(f"  FAILED  {name}: {error!r}")
        return False
    right = certified and abs(found - known) < 1e-4
    seconds, proof = time.perf_counter() - begin, ", certified" if certified else ""
    say(f"  {'ok' if right else 'WRONG':6}  {name}: {found:.4f} for {known:.4f}{proof}, {seconds:.2f} s")
    return right
