"""solve_blocks: the answer of the whole image, however it is cut, and a certificate that holds."""

import itertools
import math
import os
import signal
import subprocess
import sys
import time
import tracemalloc

import naive
import numpy as np
import pytest
from conftest import image_of

from proxsparse import (
    L1,
    L2,
    TGV,
    BlocksResult,
    ConvergenceWarning,
    GroupLasso,
    OverlappingGroupLasso,
    TotalVariation,
    WaveletL1,
    solve,
    solve_blocks,
)
from proxsparse.blocks import sweeps as blocks
from proxsparse.blocks.partition import Cut, Part
from proxsparse.blocks.store import Image
from proxsparse.dual.denoising import Denoising

SHAPE = (45, 38)
A = np.linspace(0.0, 2.0, 45 * 38).reshape(SHAPE)
PENALTIES = {
    "tv": TotalVariation(0.2),
    "tv-aniso": TotalVariation(0.15, isotropic=False),
    "tv, spacing": TotalVariation(0.2, spacing=(0.5, 2.0)),
    "tv, weights": TotalVariation(0.2, pixel_weight=A),
    "tv, directions": TotalVariation(0.2, pixel_weight=np.stack([A, A[::-1]])),
    "huber": TotalVariation(0.2, huber=0.3),
    "l1": L1(0.1),
    "l1, weights": L1(0.1, pixel_weight=A),
    "windows": OverlappingGroupLasso(0.1, window=3),
    "windows, linf": OverlappingGroupLasso(0.1, window=2, norm="linf"),
    "windows, stride": OverlappingGroupLasso(0.2, window=(4, 3), stride=(3, 2)),
    "blocks": GroupLasso(0.4, block=(2, 3)),
    "l1 + tv": L1(0.05) + TotalVariation(0.15),
    "l1 + tv + windows": L1(0.03) + TotalVariation(0.1) + OverlappingGroupLasso(0.05, window=3),
    "two windows": OverlappingGroupLasso(0.05, window=3, stride=2) + OverlappingGroupLasso(0.05, window=5, stride=2),
}
each = pytest.mark.parametrize("name", PENALTIES)


def whole(y, penalty, result, **about):
    """The problem on the whole image, its x and its dual, from what came back."""
    problem = Denoising(y[None], [part._blockwise((1, *y.shape)) for part in penalty.parts], **about)
    p = problem.rest.join([dual[:, None] for dual in result.dual], y.dtype)
    return problem, result.x[None], p


def assert_certified(y, penalty, result, rtol, **about):
    """The gap is that of the whole image, by the code of `solve`, and the dual is feasible."""
    problem, x, p = whole(y, penalty, result, **about)
    measured = problem.measure(np.ascontiguousarray(x), p)
    assert result.fun == pytest.approx(measured.fun, rel=1e-12)
    assert result.gap == pytest.approx(measured.gap, rel=rtol, abs=1e-13 * result.fun)
    assert problem.rest.gauge(p) <= 1


@each
@pytest.mark.parametrize("dtype", [pytest.param(np.float32, marks=pytest.mark.slow), np.float64])
def test_the_answer_is_that_of_the_whole_image(name, dtype):
    y, penalty, tol = image_of(SHAPE, dtype=dtype), PENALTIES[name], 1e-5
    expected = solve(y, penalty, tol=tol)
    result = solve_blocks(y, penalty, tol=tol, block=16, halo=7)
    assert isinstance(result, BlocksResult)
    assert result.success
    assert result.rel_gap <= tol
    assert result.x.dtype == dtype
    assert result.x.shape == SHAPE
    # both are certified to be as near to the minimum
    assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap) + 1e-12 * result.fun
    assert np.linalg.norm(result.x - expected.x) <= result.x_error_bound + expected.x_error_bound
    assert_certified(y, penalty, result, 1e-6)


@pytest.mark.parametrize(
    ("shape", "channel_axis", "block", "halo"),
    [
        ((19, 17, 14), None, 8, 3),
        ((40, 33, 2), -1, 16, 4),
        ((3, 40, 33), 0, 16, 4),
        ((12, 13, 11, 2), 3, 8, 3),
        ((2, 50), None, 8, 3),
    ],
)
@pytest.mark.parametrize("penalty", [TotalVariation(0.2), TotalVariation(0.2, isotropic=False), L1(0.05) + TotalVariation(0.1, coupled=False)])  # fmt: skip
def test_volumes_and_colours(shape, channel_axis, block, halo, penalty):
    y = image_of(shape)
    expected = solve(y, penalty, tol=1e-6, channel_axis=channel_axis)
    result = solve_blocks(y, penalty, tol=1e-6, block=block, halo=halo, channel_axis=channel_axis)
    assert result.success
    assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap) + 1e-12 * result.fun
    data = 0.5 * np.sum((result.x - y) ** 2)
    assert result.fun == pytest.approx(data + penalty.value(result.x, channel_axis=channel_axis), rel=1e-12)
    assert result.dual[0].shape == penalty.parts[-1].analysis(y, channel_axis=channel_axis).shape


def test_windows_in_volumes():
    y = image_of((20, 14, 15))
    penalty = OverlappingGroupLasso(0.1, window=(2, 3, 2), stride=(2, 1, 1))
    expected, result = solve(y, penalty, tol=1e-6), solve_blocks(y, penalty, tol=1e-6, block=8, halo=3)
    assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap) + 1e-12 * result.fun
    assert_certified(y, penalty, result, 1e-6)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (None, 0.5), (0.2, None)])
def test_bounds(bounds):
    y, penalty = image_of(SHAPE), L1(0.05) + TotalVariation(0.1)
    expected = solve(y, penalty, tol=1e-6, bounds=bounds)
    result = solve_blocks(y, penalty, tol=1e-6, block=16, halo=4, bounds=bounds)
    lo, hi = (-math.inf if bounds[0] is None else bounds[0]), (math.inf if bounds[1] is None else bounds[1])
    assert result.x.min() >= lo
    assert result.x.max() <= hi
    assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap) + 1e-12 * result.fun
    assert_certified(y, penalty, result, 1e-6, lo=bounds[0], hi=bounds[1])


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


@pytest.mark.parametrize("n", [33, 34, 37, *(pytest.param(n, marks=pytest.mark.slow) for n in (35, 36, 38, 39, 40, 41))])
@pytest.mark.parametrize(
    "penalty",
    [
        GroupLasso(0.4, block=2),
        GroupLasso(0.4, block=(3, 2)),
        OverlappingGroupLasso(0.2, window=5, stride=3),
        OverlappingGroupLasso(0.1, window=6, stride=5),
        OverlappingGroupLasso(0.1, window=3) + OverlappingGroupLasso(0.1, window=4, stride=2),
    ],
    ids=str,
)
def test_whatever_is_left_at_the_end(penalty, n):
    y = image_of((n, 2 * n + 3))
    result = solve_blocks(y, penalty, tol=1e-5, block=16, halo=7, workers=2)
    expected = solve(y, penalty, tol=1e-5)
    assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap) + 1e-12 * result.fun
    assert_certified(y, penalty, result, 1e-6)


def test_thin_images_and_dark_blocks():
    for shape in ((1, 50), (50, 1), (40, 40, 1)):
        y = image_of(shape)
        result, expected = solve_blocks(y, "tv", 0.2, block=16, halo=4), solve(y, "tv", 0.2)
        assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap)
    y = image_of((20, 20))
    result, expected = solve_blocks(y, GroupLasso(0.4, block=32)), solve(y, GroupLasso(0.4, block=32))
    assert abs(result.fun - expected.fun) <= result.gap
    y = image_of((40, 40), dtype=np.float32)
    y[:20, :20] *= np.float32(1e-11)
    assert solve_blocks(y, "tv", 0.2, block=20, halo=4).success


@pytest.mark.parametrize("name", ["tv", "tv-aniso", "huber", "windows", "windows, stride", "l1 + tv + windows"])
def test_the_dual_value_never_falls(name, monkeypatch):
    y, penalty, values = image_of(SHAPE), PENALTIES[name], []
    problem = Denoising(y[None], [part._blockwise((1, *y.shape)) for part in penalty.parts])
    take = blocks.Blocks._take

    def taking(work, region, found):
        take(work, region, found)
        p = problem.rest.join(work.dual, y.dtype)
        values.append(problem.dual_value(problem.rest.adjoint(p)) - problem.rest.conjugate(p))

    monkeypatch.setattr(blocks.Blocks, "_take", taking)
    result = solve_blocks(y, penalty, tol=1e-8, block=16, halo=6)
    assert len(values) >= 9 * result.nit
    # float64 adds up some 2000 terms of size one
    assert np.diff(values).min() >= -1e-12
    assert values[-1] == pytest.approx(result.fun - result.gap, rel=1e-8)


@pytest.mark.parametrize(
    "name", ["tv", "tv-aniso", "windows, stride", pytest.param("l1 + tv + windows", marks=pytest.mark.slow)]
)
def test_the_optimum_is_left_as_it_is(name, tmp_path):
    """The dual of the whole image, by `solve`, cut in blocks: a sweep changes no bit of it."""
    y, penalty = image_of(SHAPE), PENALTIES[name]
    exact = solve(y, penalty, tol=1e-11, options={"maxiter": 100000})
    duals = [dual for part, dual in zip(penalty.parts, exact.dual, strict=True) if not isinstance(part, L1)]
    np.save(tmp_path / "x.npy", exact.x)
    for i, dual in enumerate(duals):
        np.save(tmp_path / f"dual-{i}.npy", dual[:, None])
    parts = [Part(part, (1, *SHAPE)) for part in penalty.parts]
    cut = Cut(parts, (1, *SHAPE), 16, 6)
    image = Image(y, None)
    with blocks.Workers(1) as pool:
        work = blocks.Blocks(image, parts, cut, (None, None), None, tmp_path, None, pool)
        work.prepare()
        before = [array.copy() for array in (work.x.array, *work.dual)]
        work.sweep(1e-9 * exact.fun)
        assert not work.moved
        fun, gap = work.measure()
        for array, old in zip((work.x.array, *work.dual), before, strict=True):
            np.testing.assert_array_equal(array, old)
        assert fun == pytest.approx(exact.fun, rel=1e-12)
        assert gap == pytest.approx(exact.gap, rel=1e-3, abs=1e-13)
        # and where blocks are worked all the same, nothing is lost
        work.sweep(0.0)
        after, left = work.measure()
    assert after - left >= fun - gap - 1e-12 * fun
    np.testing.assert_allclose(work.x.array, before[0], atol=2 * math.sqrt(2 * exact.gap))


GRIDS = [[(1, 1)], [(2, 1)], [(3, 1)], [(3, 3)], [(4, 3)], [(3, 1), (3, 2)], [(3, 2), (5, 2)], [(4, 2), (6, 4)]]
GRIDS += [[(6, 5)], [(8, 6)], [(11, 10)], [(9, 7)]]


@pytest.mark.parametrize("grids", GRIDS, ids=str)
def test_blocks_tile_colours_are_apart_and_every_group_is_whole_in_a_region(grids):
    tried = refused = 0
    for n, block, halo in itertools.product(range(12, 70, 3), (8, 13, 20, 31), (3, 6, 9, 15)):
        shape = (1, n, 12)
        parts = [Part(OverlappingGroupLasso(1.0, window=size, stride=stride), shape) for size, stride in grids]
        try:
            cut = Cut(parts, shape, block, halo)
        except ValueError:
            refused += 1
            continue
        tried += 1
        pixels = np.zeros(shape[1:], int)
        for own in cut.blocks:
            pixels[own] += 1
        assert (pixels == 1).all()
        for regions in cut.colours:
            pixels[...] = 0
            for region in regions:
                pixels[region] += 1
            assert pixels.max() == 1
        for part in parts:
            begun, inside = np.zeros(part.dual_shape[2:], int), np.zeros(part.dual_shape[2:], int)
            for own in cut.blocks:
                begun[part.inside(part.beginning(own))] += 1
            for region in itertools.chain(*cut.colours):
                inside[part.inside(region)] += 1
                assert (
                    part.on(region)._dual_shape((1, *(r.stop - r.start for r in region)))[2:]
                    == inside[part.inside(region)].shape
                )
            assert (begun == 1).all()
            assert inside.min() >= 1
    # refused are halos of half a block, and those that are too short for the groups
    assert tried > 20
    assert refused < 250


def test_workers_change_no_bit():
    y = image_of((90, 70), dtype=np.float32)
    for penalty in (L1(0.02) + TotalVariation(0.2), OverlappingGroupLasso(0.2, window=6, stride=4)):
        one, two = (solve_blocks(y, penalty, block=16, halo=7, workers=n) for n in (1, 2))
        np.testing.assert_array_equal(one.x, two.x)
        assert one.gap == two.gap


def test_whatever_has_slices_is_a_source(tmp_path):
    y = image_of((50, 40), dtype=np.float32)
    expected = solve_blocks(y, "tv", 0.2, block=16, halo=5)
    memmap = np.memmap(tmp_path / "y", np.float32, "w+", shape=y.shape)
    memmap[...] = y
    sources = [memmap, y[::-1, ::-1].copy()[::-1, ::-1], np.asfortranarray(y), y.astype(">f4")]
    dask = pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr")
    sources += [dask.from_array(y, chunks=(13, 40)), zarr.array(y, chunks=(11, 17))]
    for source in sources:
        out = zarr.zeros(shape=y.shape, chunks=(9, 9), dtype="f4")
        result = solve_blocks(source, "tv", 0.2, block=16, halo=5, workers=2, out=out)
        assert result.x is out
        np.testing.assert_array_equal(out[:], expected.x)
        assert result.gap == expected.gap
    for kept in (y.tolist(), np.round(10 * y).astype(int)):
        assert solve_blocks(kept, "tv", 2.0, block=16, halo=5).x.dtype == np.float64


def test_zeros_are_exact():
    y, penalty = image_of((60, 60)), OverlappingGroupLasso(0.25, window=3)
    expected, result = solve(y, penalty, tol=1e-10), solve_blocks(y, penalty, tol=1e-6, block=20, halo=5)
    assert np.count_nonzero(expected.x == 0) > 2000
    # near the tolerance some that are zero may be left
    assert np.mean((result.x == 0) != (expected.x == 0)) < 0.01
    assert np.abs(expected.x[result.x == 0]).max() < 1e-3
    assert not np.signbit(result.x[result.x == 0]).any()
    assert_certified(y, penalty, result, 1e-6)


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
from proxsparse.blocks import sweeps as _blocks
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


def test_where_no_cut_is_needed_nothing_is_refused():
    penalty = GroupLasso(0.1, block=33) + GroupLasso(0.1, block=32)
    y = image_of((100, 90))
    result, expected = solve_blocks(y, penalty), solve(y, penalty)
    assert abs(result.fun - expected.fun) <= max(result.gap, expected.gap)


def test_trivial_images():
    assert solve_blocks(np.zeros((40, 40)), "tv", 0.1, block=16, halo=3).rel_gap == 0
    flat = solve_blocks(np.full((40, 40), 3.0, np.float32), "tv", 0.1, block=16, halo=3)
    np.testing.assert_array_equal(flat.x, 3.0)
    assert flat.nit == 0
    y = image_of((40, 40))
    assert solve_blocks(y, "tv", 0.0, block=16, halo=3).rel_gap <= 1e-4
    mean = solve_blocks(y, "tv", 1000.0, block=16, halo=7, tol=1e-4)
    np.testing.assert_allclose(mean.x, y.mean(), atol=0.02)
    np.testing.assert_array_equal(solve_blocks(y, "l1", 10.0).x, 0)


def test_what_is_wrong_is_said():
    y = image_of((40, 40))
    for text, call in {
        "halo must be > 0 and less than half of block=16, got 8": {"block": 16, "halo": 8},
        "got 0": {"halo": 0},
        "needs a weight": {"weight": None},
        "given, but": {"penalty": TotalVariation(0.1)},
        "halo=4 holds no whole groups, of up to 9": {"penalty": OverlappingGroupLasso(window=9), "block": 16, "halo": 4},
        "block=4 is too small": {"penalty": OverlappingGroupLasso(window=9, stride=7), "block": 4, "halo": 1},
        "that end together": {"penalty": OverlappingGroupLasso(0.1, 3, 2) + GroupLasso(0.1, 2), "weight": None},
        "bounds must be numbers": {"bounds": (y, None)},
        "bounds cross": {"bounds": (1, 0)},
        "tol must be": {"tol": -1},
        "must be >= 1": {"workers": 0},
        "out must be an array of shape": {"out": np.zeros((40, 41))},
        "got <class 'list'>": {"out": y.tolist()},
        "must not be the same memory": {"out": y},
        "the same memory": {"out": y[:]},
        "halo=6 must be less than half of blocks of 10": {
            "penalty": OverlappingGroupLasso(window=6, stride=5),
            "block": 13,
            "halo": 6,
        },
    }.items():
        with pytest.raises(ValueError, match=text):
            solve_blocks(y, **({"penalty": "tv", "weight": 0.1, "block": 16, "halo": 4} | call))
    for penalty in (
        TGV(0.1),
        L2(0.1),
        WaveletL1(0.1),
        OverlappingGroupLasso(0.1, groups="pairs"),
        GroupLasso(0.1, group_weight="sqrt"),
    ):
        with pytest.raises(TypeError, match="not worked block by block"):
            solve_blocks(y, penalty)
    with pytest.raises(TypeError, match="block must be an integer"):
        solve_blocks(y, "tv", 0.1, block=16.5)
    with pytest.raises(ValueError, match="use solve"):
        solve_blocks(y[0], "tv", 0.1)
    with pytest.raises(ValueError, match="empty"):
        solve_blocks(y[:0], "tv", 0.1)
    with pytest.raises(TypeError, match="source must be real"):
        solve_blocks(y + 0j, "tv", 0.1)
    with pytest.raises(TypeError, match="masked"):
        solve_blocks(np.ma.masked_less(y, 0), "tv", 0.1)
    with pytest.raises(ValueError, match="nearer to 1"):
        solve_blocks(np.float32(1e30) * y.astype(np.float32), "tv", 0.1)
    y[30, 7] = np.nan
    with pytest.raises(ValueError, match=r"NaN.*index \(30, 7\)"):
        solve_blocks(y, "tv", 0.1, block=16, halo=4)
    with pytest.warns(UserWarning, match="integers"):
        solve_blocks(np.zeros((20, 20), np.uint8), "tv", 0.1)


def test_a_region_takes_no_memory_of_the_image():
    penalty, shape = TotalVariation(0.1, huber=0.1), (1, 4000, 4000)
    part = Part(penalty, shape)
    tracemalloc.start()
    part.on((slice(0, 64), slice(64, 128)))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_progress_is_shown(capsys):
    solve_blocks(image_of((40, 40)), "tv", 0.1, block=16, halo=4, disp=True)
    assert "relative gap" in capsys.readouterr().err


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_changes_no_bit_and_may_lose_a_worker(cluster, monkeypatch):
    y = image_of((120, 100), dtype=np.float32)
    expected = solve_blocks(y, "tv", 0.3, block=32, halo=6, tol=1e-5)
    result = solve_blocks(y, "tv", 0.3, block=32, halo=6, tol=1e-5, client=cluster)
    np.testing.assert_array_equal(result.x, expected.x)
    assert result.gap == expected.gap
    pids = cluster.run(os.getpid)
    take, taken = blocks.Blocks._take, []

    def taking(work, region, found):
        take(work, region, found)
        taken.append(region)
        if len(taken) == 2:
            os.kill(next(iter(pids.values())), signal.SIGKILL)

    monkeypatch.setattr(blocks.Blocks, "_take", taking)
    result = solve_blocks(y, "tv", 0.3, block=32, halo=6, tol=1e-5, client=cluster)
    assert set(cluster.run(os.getpid).values()) != set(pids.values())
    np.testing.assert_array_equal(result.x, expected.x)
    assert result.gap == expected.gap


def test_an_independent_certificate():
    """Everything from the formulas alone, in plain Python: the value of the penalty, the dual value, feasibility."""
    y = image_of((22, 19))
    result = solve_blocks(y, "tv", 0.2, block=8, halo=3, tol=1e-6)
    p = result.dual[0]
    assert np.sqrt((p**2).sum(axis=0)).max() <= 0.2
    fun = 0.5 * np.sum((result.x - y) ** 2) + 0.2 * naive.tv(result.x)
    differences = naive.matrix_of(lambda x: np.stack(naive.differences(x)), y.shape)
    ktp = (differences.T @ p.reshape(-1)).reshape(y.shape)
    dual_value = 0.5 * np.sum(y**2) - 0.5 * np.sum((y - ktp) ** 2)
    assert result.fun == pytest.approx(fun, rel=1e-12)
    assert result.gap == pytest.approx(fun - dual_value, rel=1e-6)
