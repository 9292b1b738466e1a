"""solve_blocks: the answer of the whole image, however it is cut, and a certificate that holds."""

import math

import numpy as np
import pytest
from examples import image_of
from oracles import naive

from proxsparse import (
    L1,
    L2,
    TGV,
    BlocksResult,
    GroupLasso,
    OverlappingGroupLasso,
    TotalVariation,
    WaveletL1,
    solve,
    solve_blocks,
)
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


def test_progress_is_shown(capsys):
    solve_blocks(image_of((40, 40)), "tv", 0.1, block=16, halo=4, disp=True)
    assert "relative gap" in capsys.readouterr().err


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
