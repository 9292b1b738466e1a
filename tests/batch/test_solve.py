"""`solve_batch` against as many calls of `solve`: the same bits, whatever becomes of an image."""

import re
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    Blur,
    ConvergenceWarning,
    OverlappingGroupLasso,
    TotalVariation,
    solve,
    solve_batch,
)
from proxsparse.batch import images as _batch
from proxsparse.batch import solve as _door

FIELDS = ["fun", "gap", "rel_gap", "x_error_bound", "certified", "success", "status", "nit", "message", "method"]


def images(shape, dtype=np.float64, n=7):
    return np.stack([image_of(shape, seed, dtype) * (1 + seed % 3) for seed in range(n)])


def check(y, *arguments, workers=(1, 2, 3), **kwargs):
    """The answers of as many calls, bit for bit; returns those of the batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        single = [solve(image, *arguments, **kwargs) for image in y]
        for n in workers:
            batch = solve_batch(y, *arguments, workers=n, **kwargs)
            for i, one in enumerate(single):
                assert batch.x[i].tobytes() == one.x.tobytes(), i
                for name in FIELDS:
                    assert batch[name][i] == one[name], (i, name)
    assert batch.x.dtype == one.x.dtype
    assert batch.weight == one.weight
    assert batch.time.shape == (len(y),)
    return batch


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("shape", [(28, 28), (9, 14), (2, 3), (40, 1), (300, 60)])
def test_batches_equal_single_calls(shape, isotropic, dtype):
    for weight, tol in ((0.1, 1e-3), (0.3, 1e-4), (0.02, 1e-5)):
        batch = check(images(shape, dtype), TotalVariation(weight, isotropic=isotropic), tol=tol)
        assert batch.success.all()


@pytest.mark.parametrize(
    "options",
    [{"maxiter": 0}, {"maxiter": 30}, {"check_every": 7}, {"tau": 0.3, "gamma": 0.1, "maxiter": 400}, {"workers": 2}],
    ids=str,
)
def test_batches_take_the_options_of_single_calls(options):
    check(images((28, 28)), "tv", 0.2, tol=1e-6, options=options)


def test_unusual_images_in_a_batch_are_answered_as_by_themselves():
    """Constant, huge, tiny, trivial at this weight, at the rounding floor."""
    y = images((12, 13), np.float32)
    y[0] = 0.3
    y[1] *= 1e-36
    y[2] *= 1e30
    y[3] = 0.5 + 1e-3 * y[3]
    batch = check(y, "tv", 0.2, tol=1e-4)
    assert np.ptp(batch.x[0]) == 0
    assert np.ptp(batch.x[3]) == 0
    check(y[3:], "tv", 0.2, tol=1e-9, options={"maxiter": 3000})


@pytest.mark.parametrize(
    ("penalty", "kwargs"),
    [
        (L1(0.1), {}),
        (L1(0.05) + TotalVariation(0.1), {}),
        (OverlappingGroupLasso(0.1), {}),
        (TotalVariation(0.1), {"method": "admm"}),
        (TotalVariation(0.1), {"method": "fista", "tol": 1e-3}),
        (TotalVariation(0.1), {"bounds": (0, 1)}),
        (TotalVariation(0.01), {"operator": Blur(np.ones((3, 3)) / 9), "tol": 1e-2}),
        (TotalVariation(0.1), {"channel_axis": -1}),
    ],
    ids=str,
)
def test_whatever_solve_takes_a_batch_takes(penalty, kwargs):
    shape = (12, 13, 2) if "channel_axis" in kwargs else (12, 13)
    check(images(shape, n=4), penalty, **kwargs)


def test_parts_of_a_batch_and_arguments_that_say_nothing_change_nothing(monkeypatch):
    y = images((12, 13))
    whole = solve_batch(y, "tv", 0.2, bounds=None, channel_axis=None, nan_policy="raise")
    monkeypatch.setattr(_door, "_AT_ONCE", 3 * 12 * 13)
    y[4] = 0.5
    parts = check(y, "tv", 0.2)
    assert np.array_equal(np.delete(parts.x, 4, 0), np.delete(whole.x, 4, 0))


def test_signals_and_volumes_come_in_batches_too():
    assert check(images((50,)), "tv", 0.3, ndim=1).method == ["exact"] * 7
    check(images((5, 6, 7), n=3), "tv", 0.1)


def test_one_warning_counts_the_images_that_failed():
    y = images((28, 28))
    y[2] = 1
    with pytest.warns(ConvergenceWarning, match=re.escape("6 of 7 images did not meet the tolerance")) as caught:
        solve_batch(y, "tv", 0.2, tol=1e-9, options={"maxiter": 3})
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="not rescaled"):
        solve_batch(np.arange(32).reshape(2, 4, 4), "tv", 0.5)


def test_one_bad_image_does_not_lose_the_others():
    y = images((12, 13))
    y[4, 3, 2] = np.nan
    with pytest.warns(
        ConvergenceWarning, match="1 of 7 images could not be worked with, the first image 4: ValueError"
    ) as caught:
        batch = solve_batch(y, "tv", 0.2, workers=2)
    assert caught[0].filename == __file__
    assert batch.status.tolist() == [0, 0, 0, 0, -1, 0, 0]
    assert not batch.success[4]
    assert not batch.certified[4]
    assert np.isnan(batch.x[4]).all()
    assert np.isnan([batch.fun[4], batch.gap[4], batch.rel_gap[4]]).all()
    assert batch.error[4].startswith("ValueError: image has 1 NaN or infinite values, the first at index (3, 2)")
    assert batch.error[:4] == [None] * 4
    assert batch.message[4] == "The image could not be worked with."
    for i in (0, 3, 5):
        assert batch.x[i].tobytes() == solve(y[i], "tv", 0.2).x.tobytes()
    # with weights chosen for each, and where the first is bad
    with pytest.warns(ConvergenceWarning, match="the first image 0"):
        chosen = solve_batch(y[4:], "l1+tv", noise_std=0.2)
    assert chosen.weight.shape == (3, 2)
    assert np.isnan(chosen.weight[0]).all()
    assert chosen.weight[1].tolist() == list(solve(y[5], "l1+tv", noise_std=0.2).weight)


def test_lists_of_unequal_images():
    y = [image_of(shape, i, dtype) for i, (shape, dtype) in enumerate([((12, 13), np.float32), ((9, 30), np.float64)] * 3)]
    y += [image_of((20,)), np.arange(12.0).reshape(3, 4).tolist()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = solve_batch(y, "tv", 0.2, workers=2)
    assert isinstance(batch.x, list)
    for i, image in enumerate(y):
        one = solve(image, "tv", 0.2)
        assert batch.x[i].dtype == one.x.dtype
        np.testing.assert_array_equal(batch.x[i], one.x)
        for name in FIELDS:
            assert batch[name][i] == one[name], (i, name)
    bad = [y[0], y[1] + 1j, np.ma.masked_less(y[1], 0), "text", np.zeros((0, 3))]
    with pytest.warns(ConvergenceWarning, match="4 of 5 images could not be worked with, the first image 1: TypeError"):
        batch = solve_batch(bad, "tv", 0.2)
    np.testing.assert_array_equal(batch.x[0], solve(y[0], "tv", 0.2).x)
    assert [error and error.split(":")[0] for error in batch.error] == [
        None,
        "TypeError",
        "TypeError",
        "TypeError",
        "ValueError",
    ]


def test_whatever_has_slices_is_a_batch(tmp_path):
    y = images((12, 13), np.float32)
    expected = solve_batch(y, "tv", 0.2)
    memmap = np.memmap(tmp_path / "y", np.float32, "w+", shape=y.shape)
    memmap[...] = y
    zarr = pytest.importorskip("zarr")
    for source in (memmap, zarr.array(y, chunks=(2, 5, 13)), list(y), np.asfortranarray(y), y.astype(">f4")):
        assert solve_batch(source, "tv", 0.2).x.tobytes() == expected.x.tobytes()


def test_progress_counts_images(capsys):
    for workers in (1, 2):
        solve_batch(images((12, 13)), "l1+tv", (0.1, 0.2), workers=workers, options={"disp": True, "maxiter": 500})
        shown = capsys.readouterr().err
        assert "7/7" in shown
        # and not all at the end: tqdm shows what it has time for
        assert "0/7" in shown or "1/7" in shown


def test_unequal_and_large_images_are_shared_among_threads(monkeypatch):
    threads = set()
    solve_quietly = _batch.solve_quietly
    monkeypatch.setattr(
        _batch,
        "solve_quietly",
        lambda *a, **kw: (threads.add(threading.get_ident()), time.sleep(0.05), solve_quietly(*a, **kw))[2],
    )
    solve_batch([image_of((200, n)) for n in range(82, 86)], "overlap", 0.2, tol=0.1, workers=2)
    assert len(threads) == 2
    threads.clear()
    monkeypatch.setattr(_door, "_AT_ONCE", 1)
    solve_batch(images((128, 128), n=4), "overlap", 0.2, tol=0.1, workers=2)
    assert len(threads) == 2
    # of small ones the time is Python's, which one thread has at a time
    threads.clear()
    solve_batch(images((12, 13), n=4), "overlap", 0.2, tol=0.1, workers=2)
    assert len(threads) == 1


def test_whatever_goes_wrong_with_one_image_is_said_in_its_place(monkeypatch):
    solve_quietly, y = _batch.solve_quietly, images((12, 13), n=3)

    def failing(spec, *args, **kwargs):
        if np.array_equal(spec.image, y[1]):
            raise MemoryError("no room")
        return solve_quietly(spec, *args, **kwargs)

    monkeypatch.setattr(_batch, "solve_quietly", failing)
    with pytest.warns(ConvergenceWarning, match="MemoryError: no room"):
        batch = solve_batch(y, "tgv", 0.2)
    assert batch.status.tolist() == [0, -1, 0]
    assert batch.method[1] == ""
    with pytest.warns(ConvergenceWarning, match="image 1: ValueError: .*inhomogeneous"):
        batch = solve_batch([y[0], [[1, 2], [3]]], "tgv", 0.2)
    assert batch.status.tolist() == [0, -1]


class _Failing:
    """An array whose second image cannot be read, with an error that takes two arguments."""

    shape, dtype = (3, 12, 13), np.dtype(float)

    def __getitem__(self, index):
        if index == 1 or index == slice(0, 3):
            raise UnicodeEncodeError("utf-8", "x", 0, 1, "no disk")
        return image_of((12, 13))


def test_one_image_that_cannot_be_read_does_not_lose_the_others():
    with pytest.warns(ConvergenceWarning, match="image 1: UnicodeEncodeError"):
        batch = solve_batch(_Failing(), "tv", 0.2)
    assert batch.status.tolist() == [0, -1, 0]
    assert batch.x[2].tobytes() == solve(image_of((12, 13)), "tv", 0.2).x.tobytes()
    with pytest.raises(RuntimeError, match=r"image 0: UnicodeEncodeError: .*no disk"):
        solve_batch([_Broken(), _Broken()], "tv", 0.2)


class _Broken:
    def __array__(self, dtype=None, copy=None):
        raise UnicodeEncodeError("utf-8", "x", 0, 1, "no disk")


def test_tensors_are_images_too():
    torch, y = pytest.importorskip("torch"), images((12, 13))
    assert solve_batch(torch.from_numpy(y), "tv", 0.2).x.numpy().tobytes() == solve_batch(y, "tv", 0.2).x.tobytes()


#: what surrounds the call, and nothing in the call, says where it runs
AROUND = """
import sys
import numpy as np, proxsparse
def around(kind):
    import contextlib
    if kind in ("loky", "threading", "multiprocessing"):
        import joblib
        return joblib.parallel_config(kind, n_jobs=2)
    from distributed import Client, LocalCluster
    stack = contextlib.ExitStack()
    local = stack.enter_context(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))
    stack.enter_context(Client(local))
    if kind == "joblib on a cluster":
        import joblib
        stack.enter_context(joblib.parallel_config("dask", n_jobs=2))
    return stack
if __name__ == "__main__":
    y, kind = np.load(sys.argv[1]), sys.argv[2]
    if kind == "cluster":
        import dask.array
        y = dask.array.from_array(y, chunks=(2, *y.shape[1:]))
    with around(kind):
        result = proxsparse.solve_batch(y, "tv", 0.2).compute()
    assert result.success.sum() == len(y) - 1 and result.error[3]
    np.save(sys.argv[3], result.x)
"""


#: the others take their turn among the long tests
_SLOW = ("threading", "multiprocessing", "cluster", "joblib on a cluster")


@pytest.mark.parametrize("kind", ["loky", *(pytest.param(kind, marks=pytest.mark.slow) for kind in _SLOW)])
def test_processes_threads_and_clusters_change_no_bit(kind, tmp_path):
    pytest.importorskip("distributed" if "cluster" in kind else "joblib")
    y = images((30, 31), np.float32, n=9)
    y[3, 0, 0] = np.inf
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "around.py").write_text(AROUND)
    call = [sys.executable, str(tmp_path / "around.py"), str(tmp_path / "y.npy"), kind, str(tmp_path / "x.npy")]
    ran = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    for i, x in enumerate(np.load(tmp_path / "x.npy")):
        if i != 3:
            np.testing.assert_array_equal(x, solve(y[i], "tv", 0.2).x)


def test_a_batch_is_never_modified():
    y = images((9, 8))
    y.flags.writeable = False
    before = y.tobytes()
    batch = solve_batch(y, "tv", 0.1)
    assert y.tobytes() == before
    assert batch.x.flags.writeable
    assert batch.x.flags.c_contiguous
    assert not np.shares_memory(batch.x, y)
