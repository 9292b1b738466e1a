"""Folders and files of a call: gone on from, mended, never written over."""

import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    ConvergenceWarning,
    OverlappingGroupLasso,
    TotalVariation,
    solve,
    solve_blocks,
)
from proxsparse.dual.denoising import Denoising

SHAPE = (45, 38)


def whole(y, penalty, result, **about):
    """The problem on the whole image, its x and its dual, from what came back."""
    problem = Denoising(y[None], [part.bind((1, *y.shape)).partition.penalty for part in penalty.parts], **about)
    p = problem.dualised.join([dual[:, None] for dual in result.dual], y.dtype)
    return problem, result.x[None], p


def assert_certified(y, penalty, result, rtol, **about):
    """The gap is that of the whole image, by the code of `solve`, and the dual is feasible."""
    problem, x, p = whole(y, penalty, result, **about)
    measured = problem.measure(np.ascontiguousarray(x), p)
    assert result.fun == pytest.approx(measured.fun, rel=1e-12)
    assert result.gap == pytest.approx(measured.gap, rel=rtol, abs=1e-13 * result.fun)
    assert problem.dualised.gauge(p) <= 1


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.2, None)])
def test_zeros_and_folders_keep_within_bounds(bounds, tmp_path):
    """Windows whose zeros lie outside, and an image left by a call without bounds."""
    y, penalty = image_of(SHAPE), OverlappingGroupLasso(0.3, window=3)
    solve_blocks(y, penalty, block=16, halo=4, dual_store=tmp_path)
    for store in (None, tmp_path):
        result = solve_blocks(y, penalty, tol=1e-6, block=16, halo=4, bounds=bounds, dual_store=store)
        expected = solve(y, penalty, tol=1e-6, bounds=bounds)
        assert result.x.min() >= bounds[0]
        assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap) + 1e-12 * result.fun
        assert_certified(y, penalty, result, 1e-6, lo=bounds[0], hi=math.inf if bounds[1] is None else bounds[1])
    dark = solve_blocks(-np.ones((40, 40)), OverlappingGroupLasso(1e-6), block=16, halo=5, bounds=(0.2, None))
    np.testing.assert_array_equal(dark.x, 0.2)


def test_a_folder_holds_the_dual_and_is_gone_on_from(tmp_path):
    y = image_of((50, 40))
    with pytest.warns(ConvergenceWarning, match="1 sweeps"):
        first = solve_blocks(y, "tv", 0.2, block=16, halo=5, tol=1e-7, max_sweeps=1, dual_store=tmp_path / "new" / "here")
    assert first.status == 1
    assert isinstance(first.x, np.memmap)
    assert isinstance(first.dual[0], np.memmap)
    again = solve_blocks(y, "tv", 0.2, block=16, halo=5, tol=1e-7, dual_store=tmp_path / "new" / "here")
    assert again.history["gap"][0] == pytest.approx(first.gap, rel=1e-9)
    assert again.success
    out = np.zeros_like(y)
    # another cut, the answer in an array
    done = solve_blocks(y, "tv", 0.2, block=20, halo=4, tol=1e-7, dual_store=tmp_path / "new" / "here", out=out)
    assert done.nit == 0
    assert done.x is out
    np.testing.assert_array_equal(out, again.x)
    # another weight: the dual is drawn into its ball, and what comes is certified
    less = solve_blocks(y, "tv", 0.1, block=20, halo=4, tol=1e-7, dual_store=tmp_path / "new" / "here")
    assert_certified(y, TotalVariation(0.1), less, 1e-5)
    with pytest.raises(ValueError, match="give another dual_store"):
        solve_blocks(y[:40], "tv", 0.1, block=20, halo=4, dual_store=tmp_path / "new" / "here")


@pytest.mark.parametrize("penalty", [TotalVariation(0.2), OverlappingGroupLasso(0.2, window=4, stride=3)])
def test_whatever_the_files_hold_the_answer_is_certified(penalty, tmp_path):
    y = image_of((50, 40))
    rng = np.random.default_rng(0)
    solve_blocks(y, penalty, block=16, halo=5, dual_store=tmp_path)
    for path in tmp_path.glob("*.npy"):
        kept = np.load(path, mmap_mode="r+")
        kept[...] = rng.standard_normal(kept.shape)
        kept[..., 3, 5] = np.nan
        kept[..., 3, 6] = np.inf
    result = solve_blocks(y, penalty, block=16, halo=5, dual_store=tmp_path)
    assert result.success
    assert_certified(y, penalty, result, 1e-5)


KILLED = """
import sys
import numpy as np, proxsparse
from proxsparse.blocks import schwarz as _blocks
_blocks.Progress.show = lambda self, nit, rel_gap: print(nit, rel_gap, flush=True)
y = np.load(sys.argv[1])
proxsparse.solve_blocks(y, "tv", 0.5, block=48, halo=4, tol=0, max_sweeps=1000, dual_store=sys.argv[2])
"""


def test_a_killed_run_loses_at_most_the_sweep_in_hand(tmp_path):
    y = image_of((150, 140))
    np.save(tmp_path / "y.npy", y)
    call = [sys.executable, "-c", KILLED, str(tmp_path / "y.npy"), str(tmp_path / "store")]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as run:
        # in the fifth sweep
        gaps = [float(run.stdout.readline().split()[1]) for _ in range(5)]
        time.sleep(0.05)
        run.send_signal(signal.SIGKILL)
    assert run.returncode == -signal.SIGKILL
    again = solve_blocks(y, "tv", 0.5, block=48, halo=12, tol=1e-5, dual_store=tmp_path / "store")
    first = again.history["gap"][0] / again.history["objective"][0]
    # blocks that the fifth had done have moved the seams of others
    assert first < 2 * gaps[-1] < gaps[-2] < gaps[0]
    assert again.success
    assert_certified(y, TotalVariation(0.5), again, 1e-5)


def test_nothing_is_written_over_while_it_is_read(tmp_path):
    y = image_of((60, 50))
    first = solve_blocks(y, "tv", 0.3, block=32, halo=6, dual_store=tmp_path / "store")
    with pytest.raises(ValueError, match="a file of dual_store"):
        solve_blocks(first.x, "tv", 0.3, dual_store=tmp_path / "store")
    np.save(tmp_path / "y.npy", y)
    source, out = (np.load(tmp_path / "y.npy", mmap_mode=mode) for mode in ("r", "r+"))
    with pytest.raises(ValueError, match="the same memory"):
        solve_blocks(source, "tv", 0.3, out=out[:])
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), y)


def test_the_source_under_another_handle_is_not_written_over(tmp_path):
    zarr, array = pytest.importorskip("zarr"), pytest.importorskip("dask.array")
    y = image_of((60, 50))
    store = str(tmp_path / "y.zarr")
    zarr.save(store, y)
    for source in (zarr.open(store, mode="r"), array.from_zarr(store)):
        with pytest.raises(ValueError, match="the same memory"):
            solve_blocks(source, "tv", 0.3, out=zarr.open(store, mode="r+"), block=32, halo=6)
    np.testing.assert_array_equal(zarr.open(store, mode="r")[:], y)
    other = str(tmp_path / "other.zarr")
    zarr.save(other, y)
    solve_blocks(zarr.open(store, mode="r"), "tv", 0.3, out=zarr.open(other, mode="r+"), block=32, halo=6)
    np.testing.assert_array_equal(zarr.open(other, mode="r")[:], solve_blocks(y, "tv", 0.3, block=32, halo=6).x)


def test_the_image_is_not_written_into_a_dual(tmp_path):
    y = image_of((60, 50))
    first = solve_blocks(y, "tv", 0.3, block=32, halo=6, dual_store=tmp_path / "store")
    (tmp_path / "link").symlink_to(tmp_path / "store")
    for out in (first.dual[0][0], np.asarray(first.dual[0])[1], np.load(tmp_path / "link" / "x.npy", mmap_mode="r+")):
        with pytest.raises(ValueError, match="out is a file of dual_store"):
            solve_blocks(y, "tv", 0.3, out=out, block=32, halo=6, dual_store=tmp_path / "store")


@pytest.mark.parametrize("broken", [b"", b"no array", b"\x93NUMPY\x01\x00"])
def test_a_broken_file_is_named_with_its_remedy(broken, tmp_path):
    y = image_of((60, 50))
    solve_blocks(y, "tv", 0.3, block=32, halo=6, dual_store=tmp_path)
    (tmp_path / "dual-0.npy").write_bytes(broken)
    with pytest.raises(ValueError, match=r"dual-0.npy is no array of an earlier call .*remove it, or give another"):
        solve_blocks(y, "tv", 0.3, block=32, halo=6, dual_store=tmp_path)


def test_a_short_file_is_named_with_its_remedy(tmp_path):
    y = image_of((60, 50))
    solve_blocks(y, "tv", 0.3, block=32, halo=6, dual_store=tmp_path)
    os.truncate(tmp_path / "dual-0.npy", 1000)
    with pytest.raises(ValueError, match=r"dual-0.npy is no array of an earlier call"):
        solve_blocks(y, "tv", 0.3, block=32, halo=6, dual_store=tmp_path)


@pytest.mark.parametrize("name", ["dual_store", "an earlier dual_store", "out"])
def test_a_full_disk_is_an_error(name, tmp_path, monkeypatch):
    """Where no room is set aside the process dies of a signal, in the middle of a sweep."""
    y = image_of((60, 50))
    store, file = tmp_path / "store", tmp_path / "out.npy"
    out = np.lib.format.open_memmap(file, "w+", y.dtype, y.shape)
    about = {"out": {"out": out}}.get(name, {"dual_store": store})
    if name.startswith("an earlier"):
        solve_blocks(y, "tv", 0.3, block=32, halo=6, **about)

    def no_room(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(OSError, match="no room for"):
        solve_blocks(y, "tv", 0.3, block=32, halo=6, **about)
    monkeypatch.undo()
    assert not list(tmp_path.glob("store/*.new"))
    # the files that it set aside are whole
    assert solve_blocks(y, "tv", 0.3, block=32, halo=6, **about).success
    for path in [*store.glob("*.npy"), *([file] if name == "out" else [])]:
        assert path.stat().st_blocks * 512 >= path.stat().st_size


@pytest.mark.parametrize("gone", ["x.npy", "dual-0.npy"])
def test_a_file_of_the_folder_may_be_gone(gone, tmp_path):
    y, penalty = image_of((60, 50)), TotalVariation(0.1)
    solve_blocks(y, "tv", 0.5, block=32, halo=6, dual_store=tmp_path)
    (tmp_path / gone).unlink()
    result = solve_blocks(y, penalty, block=32, halo=6, dual_store=tmp_path)
    assert result.success
    assert_certified(y, penalty, result, 1e-5)
