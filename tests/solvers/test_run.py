"""Statuses, callbacks, histories, and the iterate that is returned."""

import dataclasses
import math

import numpy as np
import pytest
from examples import PENALTIES, fitted, image_of, loose

import proxsparse
from proxsparse import Blur, ConvergenceWarning, TotalVariation, as_operator, solve
from proxsparse.problems.setup import set_up
from proxsparse.problems.spec import ProblemSpec
from proxsparse.result import MESSAGES
from proxsparse.solvers.run import _Best

METHODS = ["fista", "admm", "chambolle-pock"]


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


MILD = np.array([[0.0, 0.05, 0.0], [0.05, 0.8, 0.05], [0.0, 0.05, 0.0]])


every_method = pytest.mark.parametrize("method", METHODS)


@every_method
@pytest.mark.parametrize("name", [n for n in PENALTIES if n != "l1"])  # whose answer is there before the first step
def test_the_answer_does_not_depend_on_when_it_is_checked(method, name):
    """Iterations in one go or one by one give the same bits."""
    penalty = TotalVariation(0.3).of(Blur(KERNEL)) if name == "tv of a blur" else fitted(PENALTIES[name], (12, 13))
    y = image_of((12, 13))
    runs = [loose(y, penalty, method=method, tol=0, options={"maxiter": 24, "check_every": n}) for n in (1, 24)]
    if runs[0].history["gap"].argmin() == len(runs[0].history["gap"]) - 1:
        np.testing.assert_array_equal(runs[0].x, runs[1].x)
    assert runs[0].history["objective"][-1] == runs[1].history["objective"][-1]


def test_every_status_has_its_way_in():
    y = image_of((64, 64))
    ended = {solve(y, "tv", 0.2).status}
    ended.add(loose(y, "tv", 0.2, tol=1e-9, options={"maxiter": 5}).status)
    ended.add(loose(y, "tv", 0.2, tol=0, options={"maxtime": 1e-3, "maxiter": 10**6}).status)

    def stop(intermediate_result):
        raise StopIteration

    ended.add(loose(y, "tv", 0.2, callback=stop).status)
    ended.add(loose(y.astype(np.float32), "tv", 0.2, tol=1e-12, options={"maxiter": 10**5}).status)
    small = y[:8, :8]
    ended.add(loose(small, "tv", 0.2, operator=_overflowing(small.shape), method="fista", options={"step": 1e300}).status)
    ended.add(loose(y, _uncertifiable(), operator=UNEVEN, method="admm").status)
    assert ended == set(MESSAGES) - {-1}


def _overflowing(shape):
    return as_operator(np.eye(int(np.prod(shape))), shape, shape)


def _uncertifiable():
    """How large minimisers may be is not known: images that neither the penalty nor the operator sees may be any."""
    return TotalVariation(0.3).of(Blur(MILD, "zero"))


#: whose least eigenvalue no transform shows
UNEVEN = Blur(np.array([[0.1, 0.2], [0.3, 0.4]]))


def test_what_cannot_be_certified_says_so():
    y = image_of((20, 21))
    result = loose(y, _uncertifiable(), operator=UNEVEN, method="admm")
    assert (result.status, result.certified, result.success) == (6, False, False)
    assert result.gap == result.rel_gap == result.x_error_bound == np.inf
    # the same problem within bounds is certified, and they do not bind
    bounded = solve(y, _uncertifiable(), operator=UNEVEN, method="admm", bounds=(-3.0, 3.0))
    assert bounded.certified
    assert result.fun == pytest.approx(bounded.fun, rel=1e-3)


def test_the_warning_names_the_gap_and_the_tolerance():
    with pytest.warns(ConvergenceWarning, match=r"gap \d\.\d+e-\d+, tol 1\.00e-09") as caught:
        result = solve(image_of((20, 21)), "tv", 0.2, tol=1e-9, options={"maxiter": 10})
    assert caught[0].filename == __file__
    assert f"{result.rel_gap:.2e}" in str(caught[0].message)


@every_method
def test_the_best_iterate_is_returned(method):
    y = image_of((20, 21))
    result = loose(y, "tv", 0.2, method=method, tol=0, options={"maxiter": 37, "check_every": 1})
    assert result.gap <= result.history["gap"].min()


def test_the_callback_sees_each_check_and_cannot_write():
    y = image_of((20, 21))
    seen = []

    def watch(intermediate_result):
        seen.append((intermediate_result.nit, intermediate_result.fun, intermediate_result.gap))
        intermediate_result.x[...] = np.nan

    watched = solve(y, "tv", 0.2, callback=watch, options={"check_every": 7})
    plain = solve(y, "tv", 0.2, options={"check_every": 7})
    np.testing.assert_array_equal(watched.x, plain.x)
    history = plain.history
    assert [s[0] for s in seen] == history["iteration"].tolist() == list(range(0, plain.nit + 1, 7))
    assert [s[1] for s in seen] == history["objective"].tolist()
    assert [s[2] for s in seen] == history["gap"].tolist()
    assert (np.diff(history["seconds"]) >= 0).all()


def test_an_exception_in_the_callback_comes_out_unchanged():
    error = RuntimeError("mine")

    def fail(intermediate_result):
        raise error

    with pytest.raises(RuntimeError) as caught:
        solve(image_of((20, 21)), "tv", 0.2, callback=fail)
    assert caught.value is error


def test_history_can_be_left_out():
    assert len(solve(image_of((20, 21)), "tv", 0.2, options={"history": False}).history["gap"]) == 0


@pytest.mark.parametrize(("dtype", "tol"), [(np.float64, 1e-6), (np.float32, 1e-5)], ids=["float64 to 1e-6", "float32 to 1e-5"])
def test_camera_reaches_its_tolerance(dtype, tol):
    """512x512, noise 0.1, weight 0.1, isotropic; and no worse than scikit-image's answer by our objective."""
    from skimage import data

    y = proxsparse.phantoms.add_noise(data.camera() / 255.0, 0.1).astype(dtype)
    result = solve(y, "tv", 0.1, tol=tol)
    assert result.success
    assert result.rel_gap <= tol
    assert solve(y, "tv", 0.1).rel_gap <= 1e-4


def test_flat_regions_end_a_long_run_under_a_piecewise_linear_penalty():
    y = image_of((300, 300))
    found = solve(y, "tv-aniso", 0.1, tol=1e-8)
    regions = np.unique(found.x).size
    assert found.success
    assert found.rel_gap < 1e-8
    assert found.history["gap"][-1] == found.gap
    assert regions < 0.5 * y.size


@pytest.mark.parametrize("worse", [4.0, math.nan])
def test_of_large_images_what_rose_is_kept_unless_it_is_no_number(worse):
    """No copy is made as long as the gap falls."""
    problem = set_up(ProblemSpec(image_of((300, 300))), [TotalVariation(0.1)]).problem
    start, zero = problem.start(), np.zeros(problem.stack.size)
    best = _Best(problem, None)
    first = problem.certificate(start, zero)
    best(first, (start, zero))
    found = dataclasses.replace(first, gap=worse * first.gap)
    kept = best(found, (start, zero))
    assert math.isfinite(kept.gap)
    assert np.isfinite(kept.x).all()
    assert best(dataclasses.replace(first, gap=5.0 * first.gap), (start, zero)) is kept


def test_a_limit_of_time_changes_no_iteration_between_checks():
    """With checks at fixed distances, which go on from before what was certified."""
    y = image_of((64, 70))
    runs = [loose(y, "tv", 0.3, tol=0, options={"maxiter": 24, "check_every": 5, **limit}) for limit in ({}, {"maxtime": 1e6})]
    np.testing.assert_array_equal(runs[0].x, runs[1].x)
    assert runs[0].history["objective"].tolist() == runs[1].history["objective"].tolist()
