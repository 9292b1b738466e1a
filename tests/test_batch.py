"""`solve_batch` against as many calls of `solve`: the same bits, whatever becomes of an image."""

import re
import warnings

import numpy as np
import pytest
from conftest import image_of

from proxsparse import L1, Blur, ConvergenceWarning, OverlappingGroupLasso, TotalVariation, _batch, solve, solve_batch

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
    monkeypatch.setattr(_batch, "_AT_ONCE", 3 * 12 * 13)
    y[4] = 0.5
    parts = check(y, "tv", 0.2)
    assert np.array_equal(np.delete(parts.x, 4, 0), np.delete(whole.x, 4, 0))


def test_signals_and_volumes_come_in_batches_too():
    assert check(images((50,)), "tv", 0.3).method == ["exact"] * 7
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


@pytest.mark.parametrize(
    ("y", "kwargs", "message"),
    [
        (np.zeros((0, 4, 4)), {}, "at least one image"),
        (np.zeros(4), {}, "at least one image"),
        (np.zeros((2, 4, 4)), {"workers": 0}, "workers"),
        (np.zeros((2, 4, 4)), {"x0": np.zeros((4, 4))}, "no 'x0'"),
        (np.zeros((2, 4, 4)), {"callback": print}, "no 'callback'"),
        (np.zeros((2, 4, 4)), {"options": {"tua": 1}}, "did you mean 'tau'"),
        (np.zeros((2, 4, 4)), {"method": "none"}, "unknown method"),
        (np.zeros((2, 4, 4)), {"tol": -1}, "tol"),
        (np.zeros((2, 4, 4)), {"mask": True}, "no 'mask'"),
        (np.array([np.zeros((4, 4)), np.full((4, 4), np.nan)]), {}, "image 1: image has 16 NaN"),
        (np.ma.masked_array(np.zeros((2, 4, 4))), {}, "masked"),
    ],
)
def test_bad_batches_are_refused(y, kwargs, message):
    with pytest.raises((ValueError, TypeError), match=message):
        solve_batch(y, "tv", 0.1, **kwargs)


def test_a_batch_is_never_modified():
    y = images((9, 8))
    y.flags.writeable = False
    before = y.tobytes()
    batch = solve_batch(y, "tv", 0.1)
    assert y.tobytes() == before
    assert batch.x.flags.writeable
    assert batch.x.flags.c_contiguous
    assert not np.shares_memory(batch.x, y)
