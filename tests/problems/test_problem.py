"""Certificates where something is missing: masks, weights of zero, bounds by clipping, black images."""

import warnings

import numpy as np
import pytest
from examples import PENALTIES, fitted, image_of, loose

import proxsparse
from proxsparse import (
    L1,
    Blur,
    ConvergenceWarning,
    Huber,
    Poisson,
    TotalVariation,
    as_operator,
    solve,
)
from proxsparse.data_terms import LeastAbsoluteDeviations
from proxsparse.problems.reach import Reach

BLUR = Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)


@pytest.mark.parametrize("data", ["l1", Huber(0.1), "poisson"])
@pytest.mark.parametrize(("operator", "penalty"), [(BLUR, "tv"), pytest.param(None, "tv2", marks=pytest.mark.slow)])
def test_a_start_from_another_mask_certifies_nothing_false(operator, penalty, data):
    """The dual of the data term that comes with an earlier result may be no dual of this problem."""
    y, seen = np.abs(image_of((16, 16))) + 0.1, np.random.default_rng(0).random((16, 16)) < 0.5
    kw = {"data": data, "operator": operator, "method": "admm", "tol": 1e-3, "options": {"maxiter": 20000}}
    kw |= {"bounds": (0, None)} if data == "poisson" else {}
    earlier = solve(y, penalty, 0.3, **kw)
    cold = solve(y, penalty, 0.3, observed=seen, **kw)
    warm = solve(y, penalty, 0.3, observed=seen, x0=earlier, **kw)
    for one, other in ((warm, cold), (cold, warm)):
        assert one.fun - one.gap <= other.fun * (1 + 1e-9)


def test_a_start_far_from_an_answer_that_costs_nothing_is_left_at_once():
    """From there an iteration takes a small share of the way to an image whose F is 0, which no relative gap meets."""
    earlier = solve(image_of((32, 32)), "tv", 0.5)
    for x0 in (earlier, earlier.x):
        found = solve(np.ones((32, 32)), TotalVariation(0.01, pixel_weight=np.zeros((2, 32, 32))), x0=x0)
        assert (found.status, found.nit) == (0, 0)
        np.testing.assert_array_equal(found.x, 1.0)
    # the same where hardly anything weighs
    assert solve(image_of((32, 32)), "tv", 1e-7, x0=earlier).nit <= 40


def test_duals_where_nothing_was_measured_have_no_bound():
    m = np.array([1.0, 0.0])
    for term in (LeastAbsoluteDeviations(), Huber(0.1), Poisson()):
        bound = term.bind(np.ones(2), m)
        assert bound.conjugate(np.array([0.05, 0.0])) < np.inf
        assert bound.conjugate(np.array([0.05, -0.05])) == np.inf


def test_a_background_without_bounds_and_with_one():
    y = image_of((8, 9))
    free = solve(y, L1(0.2), background=0.3).x
    np.testing.assert_allclose(free, 0.3 + solve(y - 0.3, L1(0.2)).x, atol=1e-14)
    assert solve(y, L1(0.2), background=0.3, bounds=(0.1, None)).x.min() >= 0.1


METHODS = ["fista", "admm", "chambolle-pock"]


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


def test_a_dual_that_cannot_be_repaired_certifies_nothing():
    """Differences of a signal: constants cost nothing under A and under K, and the bound x >= 0 pulls on them."""
    n = 40
    matrix = np.diff(np.eye(n), axis=0)
    y = np.cumsum(-np.r_[-np.full(20, 0.05), np.full(20, 0.05)])[:-1]
    operator = as_operator(matrix, (n,), (n - 1,))
    best = solve(y, "tv", 0.6, operator=operator, bounds=(-100.0, 100.0), tol=1e-6, options={"maxiter": 100000})
    for method in METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            kw = {"operator": operator, "bounds": (0, None), "method": method, "options": {"maxiter": 300}}
            result = solve(y, "tv", 0.6, x0=np.zeros(n), **kw)
        assert result.fun - result.gap <= best.fun


def test_a_part_of_weight_zero_does_not_stand_in_the_way():
    y = image_of((20, 21))
    alone = solve(y, "tv", 0.1, operator=Blur(KERNEL), tol=1e-5)
    beside = solve(y, "l1+tv", (0.0, 0.1), operator=Blur(KERNEL), tol=1e-5)
    assert beside.success
    assert beside.fun == pytest.approx(alone.fun, rel=2e-5)


@pytest.mark.parametrize("boundary", ["symmetric", "periodic", "zero"])
@pytest.mark.parametrize("bounds", [None, (0.0, None)])
def test_duals_drawn_together_bound_the_same_optimum(boundary, bounds, monkeypatch):
    """What is drawn together certifies sooner, and no more than is true."""
    from proxsparse.problems import inverse

    blur = Blur(np.outer([1, 2, 1], [1, 2, 1]) / 16, boundary=boundary)
    y = image_of((24, 25)) * 0.5
    drawn = solve(y, "tv", 0.02, operator=blur, bounds=bounds, tol=1e-5, options={"maxiter": 20000})
    assert drawn.success
    monkeypatch.setattr(inverse, "_WITHIN_REACH", 0.0)
    plain = solve(y, "tv", 0.02, operator=blur, bounds=bounds, tol=1e-7, method="chambolle-pock", options={"maxiter": 200000})
    assert plain.fun - plain.gap <= drawn.fun <= plain.fun + drawn.gap
    usual = solve(y, "tv", 0.02, operator=blur, bounds=bounds, tol=1e-5, options={"maxiter": 20000})
    assert drawn.nit < usual.nit


@pytest.mark.parametrize(
    "kwargs", [{"operator": Blur(np.ones((3, 3)) / 9)}, {"observed": np.arange(81).reshape(9, 9) % 2 == 0}]
)
def test_a_black_image_is_its_own_answer(kwargs):
    result = solve(np.zeros((9, 9)), "tv", 0.1, **kwargs)
    assert result.success
    assert not result.x.any()


def test_an_offset_does_not_hide_the_trivial_answer():
    """Far from 0 the data term of the mean is a small difference of large squares."""
    y = (1000 + 1e-2 * np.random.default_rng(0).standard_normal((64, 64))).astype(np.float32)
    for stack in (y, np.stack([y, y])):
        result = solve(stack, "tv", 10.0) if stack is y else proxsparse.solve_batch(stack, "tv", 10.0)
        assert np.all(result.success)
        assert np.ptp(result.x) == 0


@pytest.mark.parametrize("name", [n for n in PENALTIES if n != "tv of a blur"])
@pytest.mark.parametrize("offset", [0.0, *(pytest.param(v, marks=pytest.mark.slow) for v in (5.0, -5.0))])
def test_what_clipping_implies_bounds_the_same_optimum(name, offset, monkeypatch):
    """Where pixels are not measured: the range of the measured ones holds a minimiser, and 0 unless constants cost nothing."""
    rng = np.random.default_rng(3)
    y, seen = image_of((11, 13)) + offset, rng.random((11, 13)) < 0.5
    y[~seen] = 1e6
    early = loose(y, fitted(PENALTIES[name], y.shape), observed=seen, tol=0, method="chambolle-pock", options={"maxiter": 60})
    late = solve(y, fitted(PENALTIES[name], y.shape), observed=seen, tol=1e-6, options={"maxiter": 50000})
    assert early.fun - early.gap <= late.fun + 1e-12 * late.fun
    monkeypatch.setattr(Reach, "box", None)
    without = solve(y, fitted(PENALTIES[name], y.shape), observed=seen, tol=1e-5, options={"maxiter": 50000})
    assert late.fun - late.gap <= without.fun + 1e-12 * without.fun
    assert without.fun - without.gap <= late.fun + 1e-12 * late.fun


def test_a_channel_never_measured_is_filled_and_certified():
    y, seen = image_of((9, 10, 2)), np.ones((9, 10, 2), bool)
    seen[..., 1] = False
    result = solve(y, "tv", 0.1, observed=seen, channel_axis=-1)
    assert result.success
    # flat up to the tolerance: total variation of 1e-4 F / w in all
    assert np.ptp(result.x[..., 1]) <= 1e-4 * result.fun / 0.1
