"""Small images solved whole by a kernel: the same bits as by the driver, check by check."""

import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import L1, ConvergenceWarning, TotalVariation, phantoms, solve, solve_batch
from proxsparse.batch import images as batch_images
from proxsparse.dual import whole_runs
from proxsparse.kernels import planes
from proxsparse.kernels import whole_runs as kernels
from proxsparse.solvers import convex

PENALTIES = [
    TotalVariation(0.1),
    TotalVariation(0.3, isotropic=False),
    L1(0.05) + TotalVariation(0.1),
    L1(0.05) + TotalVariation(0.1, isotropic=False),
]


@pytest.fixture(autouse=True)
def compiled_at_once(monkeypatch):
    monkeypatch.setattr(whole_runs, "PATIENCE", 1)
    monkeypatch.setattr(whole_runs, "_LEFT", {})


def same(one, other):
    for name in ("x", "fun", "gap", "nit", "status"):
        np.testing.assert_array_equal(one[name], other[name])
    for name in ("iteration", "objective", "gap"):
        np.testing.assert_array_equal(one.history[name], other.history[name])
    for p, q in zip(one.dual, other.dual, strict=True):
        np.testing.assert_array_equal(p, q)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bounds", [None, (0, 0.8)])
@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("shape", [(28, 28), (7, 3), (33, 64), (2, 50)])
def test_kernels_do_what_the_driver_does(shape, penalty, bounds, dtype):
    """A callback is told of every check: then the driver has to be there."""
    y = image_of(shape, dtype=dtype)
    for tol, maxiter in ((1e-3, 5000), (1e-5, 5000), (1e-7, 40)):
        asked = {"tol": tol, "bounds": bounds, "options": {"maxiter": maxiter}}
        told = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            same(solve(y, penalty, **asked), solve(y, penalty, callback=lambda r, told=told: told.append(r.nit), **asked))
        assert len(told) > 1


def test_no_usual_image_falls_out_of_the_kernel(monkeypatch):
    """Of noisy images of any kind, at loose and tight tolerances and whose gap rises on the way, none is solved by the driver."""
    monkeypatch.setattr(convex, "run_auto", None)
    monkeypatch.setattr(batch_images, "_solve_one", None)
    for k, name in enumerate(("regions", "rectangles", "blobs", "curves")):
        truth = getattr(phantoms, name)((48, 56))
        y = truth + 0.1 * np.random.default_rng(k).standard_normal((8, *truth.shape))
        for penalty in (TotalVariation(0.1), TotalVariation(0.2, isotropic=False)):
            for tol in (1e-2, 1e-4, 1e-6):
                batch = solve_batch(y, penalty, tol=tol)
                assert batch.success.all()
                assert solve(y[0], penalty, tol=tol).x.tobytes() == batch.x[0].tobytes()


def test_calls_end_soon_and_go_on(monkeypatch):
    """However small the budget of a call, and however many workers share the images."""
    from proxsparse.dual import whole_runs

    y = image_of((20, 30)) + 0.1 * np.random.default_rng(0).standard_normal((7, 20, 30))
    wanted = solve_batch(y, "tv", 0.2, tol=1e-6)
    for budget in (1, 600, 5000):
        monkeypatch.setattr(whole_runs, "_BUDGET", budget)
        for workers in (1, 2, 5):
            found = solve_batch(y, "tv", 0.2, tol=1e-6, workers=workers)
            assert (found.x.tobytes(), found.gap.tobytes()) == (wanted.x.tobytes(), wanted.gap.tobytes())


def test_few_images_wait_for_no_large_kernel(monkeypatch):
    """Where it would have to be compiled the first so many are solved check by check; then, and where it is kept, it is taken."""
    y, taken = image_of((12, 13)), []
    own = kernels.total_variation
    monkeypatch.setattr(kernels, "total_variation", lambda *arguments: taken.append(1) or own(*arguments))
    for at_hand, first in ((False, 4), (True, 1)):
        monkeypatch.setattr(whole_runs, "PATIENCE", 4)
        monkeypatch.setattr(whole_runs, "_LEFT", {})
        monkeypatch.setattr(planes, "at_hand", lambda *_, known=at_hand: known)
        answers = []
        for k in range(1, 6):
            taken.clear()
            answers.append(solve(y, TotalVariation(0.2)).x.tobytes())
            assert bool(taken) == (k >= first)
        assert len(set(answers)) == 1
    monkeypatch.setattr(whole_runs, "_LEFT", {})
    monkeypatch.setattr(planes, "at_hand", lambda *_: False)
    for many in (2, 3):
        taken.clear()
        solve_batch([y] * many, TotalVariation(0.2))
        # of the second batch the fourth image is one
        assert bool(taken) == (many == 3)
