"""Kernels kept between processes: found again, made anew after any change, and never in the way of an answer."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import proxsparse

PACKAGE = Path(proxsparse.__file__).parent


SOLVE = """
import hashlib, logging, os, sys
logging.basicConfig(level=logging.DEBUG if os.environ.get("SAY") else logging.WARNING)
logging.getLogger("numba").setLevel(logging.WARNING)
import numpy as np
import proxsparse
result = proxsparse.solve(np.random.default_rng(0).random((12, 13)), "tv", 0.1)
assert result.success
print(hashlib.sha256(result.x.tobytes()).hexdigest())
"""


def run(cache, *, before="", path=PACKAGE.parent, say=False, **environment):
    """The digest of an answer found in a new process, and what it said."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment = {**kept, "PROXSPARSE_CACHE_DIR": str(cache), "PYTHONPATH": str(path), **environment}
    if say:
        environment["SAY"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", before + SOLVE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tempfile.gettempdir(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache that one process has filled, and the digest of its answer."""
    cache = tmp_path_factory.mktemp("cache")
    digest, said = run(cache)
    assert said == ""
    return cache, digest


def files(cache):
    return sorted(cache.glob("kernels-*/*.nbc"))


def test_a_second_process_compiles_nothing(filled):
    cache, digest = filled
    before = {f: f.stat().st_mtime_ns for f in files(cache)}
    assert before
    # with a compiler that fails
    broken = "import numba.core.compiler as c\nc.compile_extra = lambda *a, **k: 1 / 0\n"
    assert run(cache, before=broken, say=True) == (digest, "")
    assert {f: f.stat().st_mtime_ns for f in files(cache)} == before


EVERY = """
import sys, warnings
sys.path.insert(0, {support!r})
warnings.simplefilter("ignore")
import numpy as np
import proxsparse
from examples import PENALTIES
y = np.random.default_rng(0).random((9, 8))
for name, penalty in PENALTIES.items():
    for dtype in (np.float32, np.float64):
        for shape in ((9, 8), (72,), (4, 3, 6)):
            for data in ("least_squares", "l1"):
                try:
                    proxsparse.solve(y.reshape(shape).astype(dtype), penalty, data=data, options={{"maxiter": 20}})
                except (ValueError, TypeError):
                    pass
                except ZeroDivisionError:
                    print("compiles", name, dtype.__name__, shape, data)
"""


@pytest.mark.slow
def test_kept_kernels_need_nothing_that_compiling_imports(tmp_path):
    """A symbol that is not there would end the process."""
    script = EVERY.format(support=str(Path(__file__).parents[1] / "support"))
    environment = {**os.environ, "PROXSPARSE_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=900)
    broken = "import numba.core.compiler as c\nc.compile_extra = lambda *a, **k: 1 / 0\n"
    told = "import sys\nprint('numba.np.linalg' in sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", broken + script + told], env=environment, check=True, timeout=300, capture_output=True, text=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("damage", ["a bit", *(pytest.param(d, marks=pytest.mark.slow) for d in ("empty", "cut", "text"))])
def test_a_damaged_file_is_made_anew(damage, filled, tmp_path):
    cache, digest = filled
    copy = shutil.copytree(cache, tmp_path / "copy")
    whole = {f: f.read_bytes() for f in files(copy)}
    for file, content in whole.items():
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 4
        file.write_bytes(
            {"empty": b"", "cut": content[: len(content) // 2], "a bit": bytes(flipped), "text": b"hello" * 99}[damage]
        )
    found, said = run(copy, say=True)
    assert found == digest
    assert "cannot be used" in said
    assert all(line.startswith("DEBUG:proxsparse:") for line in said.splitlines())
    assert run(copy, say=True) == (digest, "")


@pytest.mark.slow
def test_another_source_is_another_cache(filled, tmp_path):
    """A change in a kernel that is called from another file."""
    cache, _ = filled
    copy = shutil.copytree(cache, tmp_path / "cache")
    package = shutil.copytree(PACKAGE, tmp_path / "site" / "proxsparse", ignore=shutil.ignore_patterns("__pycache__"))
    jit = package / "kernels" / "_jit.py"
    times = jit.stat().st_atime_ns, jit.stat().st_mtime_ns
    # of the same size and age
    jit.write_text(jit.read_text().replace("The array itself.", "The array as is.."))
    os.utime(jit, ns=times)
    before = files(copy)
    run(copy, path=package.parent)
    assert len(files(copy)) == 2 * len(before)
    assert len(list(copy.iterdir())) == 2


@pytest.mark.parametrize("place", ["a file", "read-only", "relative", "nowhere"])
@pytest.mark.slow
def test_without_a_place_kernels_are_compiled_and_the_log_says_so(place, filled, tmp_path):
    _, digest = filled
    cache, before = tmp_path / "cache", ""
    if place == "a file":
        cache.write_text("no folder")
    if place == "read-only":
        cache.mkdir(mode=0o500)
        # of no use against root
        before = "import pathlib\ndef no(*a, **k): raise PermissionError(13, 'read-only')\npathlib.Path.mkdir = no\n"
    if place == "relative":
        cache = "somewhere"
    if place == "nowhere":
        cache = "/proc/nowhere"
    found, said = run(cache, before=before, say=True)
    assert found == digest
    assert "not kept" in said
    assert not (Path(tempfile.gettempdir()) / "somewhere").exists()


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_file(filled, tmp_path):
    _, digest = filled
    full = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    found, said = run(tmp_path, before=full, say=True)
    assert found == digest
    assert "not kept" in said
    assert not [f for f in tmp_path.rglob("*") if f.is_file()]


@pytest.mark.slow
def test_a_package_that_cannot_be_written_to(filled, tmp_path):
    """As in an image that is mounted read-only: nothing is written beside the sources."""
    cache, digest = filled
    package = shutil.copytree(PACKAGE, tmp_path / "site" / "proxsparse", ignore=shutil.ignore_patterns("__pycache__"))
    for path in [*package.rglob("*"), package]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {p for p in package.rglob("*") if p.suffix != ".pyc"}
    try:
        found, _ = run(cache, path=package.parent, PYTHONDONTWRITEBYTECODE="1")
        assert found == digest
        # nor is there a home to write to
        found, said = run("", path=package.parent, say=True, HOME="/proc/none", XDG_CACHE_HOME="", PYTHONDONTWRITEBYTECODE="1")
        assert found == digest
        assert "not kept" in said
        assert {p for p in package.rglob("*") if p.suffix != ".pyc"} == before
    finally:
        for path in [*package.rglob("*"), package]:
            path.chmod(0o755)


@pytest.mark.slow
def test_several_processes_fill_one_cache(tmp_path, filled):
    _, digest = filled
    environment = {**os.environ, "PROXSPARSE_CACHE_DIR": str(tmp_path)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SOLVE], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in running:
        out, error = process.communicate(timeout=120)
        assert (out.strip(), error) == (digest, "")
    assert files(tmp_path)
    assert not list(tmp_path.rglob(".new-*"))


@pytest.mark.slow
def test_the_first_call_is_no_long_wait(tmp_path):
    """Measured by benchmarks/start.py: 3.7 s cold, 0.7 s with a warm cache. The guards are for a busy machine."""
    for most in (20.0, 5.0):
        begin = time.perf_counter()
        run(tmp_path)
        assert time.perf_counter() - begin < most
