"""Certificates in exact arithmetic: the gap that is told bounds F(x) - F* for the image that is returned, whatever rounding does."""

import itertools
import math
import warnings

import numpy as np
import pytest
from examples import image_of
from oracles import clarabel, exact, naive
from skimage import data as photographs

from proxsparse import (
    L1,
    L2,
    TGV,
    Blur,
    ElasticNet,
    GroupLasso,
    Huber,
    OverlappingGroupLasso,
    Poisson,
    SecondOrderTV,
    TotalVariation,
    as_operator,
    phantoms,
    solve,
)
from proxsparse.data_terms import LeastAbsoluteDeviations, LeastSquares
from proxsparse.problems import repair
from proxsparse.problems.channelwise import Channelwise
from proxsparse.problems.kinds import problem_of
from proxsparse.problems.pixelwise import dualised_problem
from proxsparse.problems.posed import Posed

PENALTIES = {
    "l1": L1(0.3),
    "tv": TotalVariation(0.1),
    "tv-aniso": TotalVariation(0.25, isotropic=False),
    "tv, spacing": TotalVariation(0.2, spacing=(0.5, 3.0)),
    "tv, weighted": TotalVariation(0.2, pixel_weight=np.linspace(0.1, 1.9, 42).reshape(6, 7)),
    "huber tv": TotalVariation(0.3, huber=0.1),
    "second order": SecondOrderTV(0.2),
    "windows": OverlappingGroupLasso(0.2, window=2),
    "windows linf": OverlappingGroupLasso(0.2, window=2, norm="linf"),
    "blocks": GroupLasso(0.4, block=2),
    "l1 + tv": L1(0.1) + TotalVariation(0.2),
    "ridge + tv": L2(0.3) + TotalVariation(0.2),
    "l1 + windows": L1(0.05) + OverlappingGroupLasso(0.15, window=2),
}


#: those whose dual is one of norms, which `exact.gap_of_pair` reads
PAIRS = [name for name in PENALTIES if "huber" not in name and "ridge" not in name]


SHAPE = (6, 7)


M = np.linspace(0.3, 2.0, 42).reshape(SHAPE)


BOX = (0.05, 0.75)


dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def solved(*args, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return solve(*args, **kw)


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "kind", ["plain", "weighted", "far from 0", *(pytest.param(k, marks=pytest.mark.slow) for k in ("bounded", "small"))]
)
@pytest.mark.parametrize("name", PAIRS)
def test_the_gap_is_no_smaller_than_that_of_its_pair(name, kind, dtype):
    y = image_of(SHAPE, dtype=dtype)
    penalty, kw, bounds, m = PENALTIES[name], {}, (None, None), None
    if kind == "weighted":
        m = kw["pixel_weight"] = M.astype(dtype)
    elif kind == "bounded":
        bounds = kw["bounds"] = BOX if dtype == np.float64 else (0.0, 0.75)
    elif kind == "far from 0":
        y = y + dtype(1000)
    elif kind == "small":
        y, penalty = y * dtype(1e-6), sum([1e-6 * q for q in penalty.parts[1:]], 1e-6 * penalty.parts[0])
    for method in ("auto", "chambolle-pock", "fista"):
        for maxiter in (0, 3, 300):
            result = solved(y, penalty, tol=1e-12, method=method, options={"maxiter": maxiter}, **kw)
            true = exact.gap_of_pair(penalty, result, y, m=m, bounds=bounds)
            assert true <= exact.Q(result.gap), (method, maxiter, float(true) / result.gap)
            # the allowance is small: nothing beside the gap itself, or rounding beside F
            u = float(np.finfo(float).eps)
            least = 300 * u * (result.fun + np.sqrt(result.fun) * np.sqrt(np.sum(np.square(y, dtype=float))))
            assert result.gap <= 1.01 * float(true) + least, (method, maxiter, float(true), result.gap)


@dtypes
def test_the_gap_of_a_larger_image(dtype):
    y = (phantoms.add_noise(phantoms.regions((32, 32)), 0.1)).astype(dtype)
    for tol in (1e-4, 1e-6) if dtype == np.float32 else (1e-4, 1e-9):
        result = solved(y, TotalVariation(0.1), tol=tol, options={"maxiter": 20000})
        true = exact.gap_of_pair(TotalVariation(0.1), result, y)
        assert true <= exact.Q(result.gap) <= exact.Q(1.001) * true


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 3.0, 1.0]) / 20


BLUR = Blur(KERNEL)


MATRIX = np.random.default_rng(5).standard_normal((30, 42)) / 6


#: weights of pixels, of a column none
HELD = np.random.default_rng(1).uniform(0, 2, SHAPE) * (np.arange(7) != 3)


def rows_of_blur():
    """The blur's matrix as rationals, mirrored at the edge."""
    rows = []
    for a in range(SHAPE[0]):
        for b in range(SHAPE[1]):
            row = [exact.Q(0)] * 42
            for i in range(3):
                for j in range(3):
                    at = [a - i + 1, b - j + 1]
                    at = [-v - 1 if v < 0 else 2 * n - 1 - v if v >= n else v for v, n in zip(at, SHAPE, strict=True)]
                    row[at[0] * SHAPE[1] + at[1]] += exact.Q(float(KERNEL[i, j]))
            rows.append(row)
    return rows


OPERATORS = {
    "none": (None, None),
    "blur": (BLUR, rows_of_blur()),
    "matrix": (as_operator(MATRIX, SHAPE, (5, 6)), [exact.rationals(row) for row in MATRIX]),
}


DATA = {"l2": LeastSquares(), "l1": LeastAbsoluteDeviations(), "huber": Huber(0.2), "poisson": Poisson(0.5)}


EVERY = list(
    itertools.product(
        ["l1", "tv", "second order", "windows", "l1 + tv", "huber tv"],
        OPERATORS,
        DATA,
        ["", "bounds", "holes", "background"],
        [np.float32, np.float64],
    )
)


#: one in 17, one in 85 by default; both are prime to the numbers of names, operators, data terms and types
SOME = [case if k % 85 == 0 else pytest.param(*case, marks=pytest.mark.slow) for k, case in enumerate(EVERY) if k % 17 == 0]


#: where the conjugate of the penalty is in the bound of a bounded problem
SOME += [("huber tv", "blur", "l2", "bounds", np.float64), ("huber tv", "matrix", "l2", "bounds", np.float32)]


def clarabels(y, penalty, operator, data, m, bounds, level):
    """The best image as Clarabel finds it, within the bounds."""
    linear = OPERATORS[operator][0]
    if level is not None:
        behind = level.astype(float) if linear is None else linear.forward(level.astype(float))
        y, data = (y, Poisson(data.background + behind)) if isinstance(data, Poisson) else (y - behind, data)
    matrix = None if linear is None else naive.matrix_of(linear.forward, SHAPE)
    x, _ = clarabel.minimise(y, penalty, matrix=matrix, shape=SHAPE, pixel_weight=m, bounds=bounds, data=data)
    x = x if level is None else x + level
    return x if bounds is None else np.clip(x, *bounds)


@pytest.mark.parametrize(("name", "operator", "data", "around", "dtype"), SOME)
def test_nothing_is_better_by_more_than_the_gap(name, operator, data, around, dtype):
    """F(x) - gap is at most F of any other image: here of Clarabel's."""
    linear, matrix = OPERATORS[operator]
    rng = np.random.default_rng(3)
    truth = np.abs(image_of(SHAPE))
    y = np.abs(truth if linear is None else linear.forward(truth)) + 0.05 * np.abs(
        rng.standard_normal(SHAPE if operator != "matrix" else (5, 6))
    )
    y, penalty = y.astype(dtype), PENALTIES[name]
    kw, m, level = {}, None, None
    if around == "bounds":
        kw["bounds"] = (0.0, 0.75)
    elif around == "holes":
        # of float64, which float32 does not hold
        m = kw["pixel_weight"] = (rng.random(y.shape) < 0.7) * rng.uniform(1.4, 1.6, y.shape)
    elif around == "background":
        level = kw["background"] = rng.uniform(1, 1.5, SHAPE).astype(dtype)
        y = (y + (level if linear is None else np.abs(linear.forward(level)))).astype(dtype)
    kw |= {"data": DATA[data], "operator": linear}
    best = clarabels(y.astype(float), penalty, operator, DATA[data], m, kw.get("bounds"), level)

    def below(x):
        return exact.objective(penalty, x, y, data=DATA[data], m=m, matrix=matrix, background=level)

    try:
        least = below(best)[1]
    except ValueError:
        pytest.skip("the best image is outside the domain by rounding")
    for method in ("auto", "chambolle-pock"):
        for maxiter in (0, 60, 500):
            result = solved(y, penalty, tol=1e-8, method=method, options={"maxiter": maxiter}, **kw)
            if not np.isfinite(result.fun):
                continue
            f = below(result.x)
            assert abs(float(f[0]) - result.fun) <= 1e-9 * abs(result.fun) + 1e-13
            if result.certified and np.isfinite(result.gap):
                assert f[0] - exact.Q(result.gap) <= least, (method, maxiter, float(f[0] - least), result.gap)


@pytest.mark.parametrize("bounds", [None, (0.05, None), (None, 0.5), BOX], ids=["free", "low", "high", "box"])
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("operator", ["none", "blur", pytest.param("matrix", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["huber tv", *(pytest.param(k, marks=pytest.mark.slow) for k in ("tv", "l1 + tv"))])
def test_no_pair_claims_more_than_the_minimum(name, operator, data, bounds):
    """F(x) - gap is a lower bound whatever the pair: here pairs about the optimal one, the image on its bounds here and there."""
    linear, matrix = OPERATORS[operator]
    rng = np.random.default_rng(4)
    truth = np.abs(image_of(SHAPE))
    y = np.abs(truth if linear is None else linear.forward(truth)) + 0.05
    penalty, kw = PENALTIES[name], {"data": DATA[data], "operator": linear, "bounds": bounds}
    best = clarabels(y, penalty, operator, DATA[data], None, bounds, None)
    least = float(exact.objective(penalty, best, y, data=DATA[data], matrix=matrix)[1])
    near = solved(y, penalty, method="chambolle-pock", tol=1e-8, options={"maxiter": 1000}, **kw)
    duals, q, claimed = near.dual, near.get("data_dual"), []
    for size in (1e-6, 1e-3, 0.1, 1.0):
        for _ in range(4):
            near.x = best + size * rng.standard_normal(SHAPE)
            near.x = near.x if bounds is None else np.clip(near.x, *bounds)
            near.dual = tuple(d * (1 + size * rng.standard_normal(d.shape)) for d in duals)
            if q is not None:
                near.data_dual = q * (1 + size * rng.standard_normal(q.shape))
            pair = solved(y, penalty, x0=near, method="chambolle-pock", options={"maxiter": 0}, **kw)
            if pair.certified and np.isfinite(pair.fun):
                claimed.append(pair.fun - pair.gap)
    assert max(claimed, default=-np.inf) <= least + 1e-11 * (1 + least)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("data", ["l2", "huber"])
@pytest.mark.parametrize("operator", ["blur", "matrix"])
@pytest.mark.parametrize("name", ["tv", "huber tv", "l1 + tv"])
def test_a_bound_that_nothing_pulls_on_balances_nothing(name, operator, data, side):
    """The image stands on a bound that the minimiser is within, the dual is the optimal one: F(x) is no bound of the minimum."""
    linear = OPERATORS[operator][0]
    y, penalty = linear.forward(np.abs(image_of(SHAPE))), PENALTIES[name]
    best = solved(y, penalty, data=DATA[data], operator=linear, tol=1e-9, options={"maxiter": 20000})
    bound = best.x + (0.05 if side else -0.05)
    best.x, least = bound, best.fun
    kw = {"data": DATA[data], "operator": linear, "bounds": (None, bound) if side else (bound, None)}
    pair = solved(y, penalty, x0=best, method="chambolle-pock", options={"maxiter": 0}, **kw)
    assert not pair.certified or pair.fun - pair.gap <= least


def lower_bound(result, best):
    """Whether F - gap is no more than the best objective that is known."""
    return not result.certified or result.fun - result.gap <= best * (1 + 1e-9)


@pytest.mark.parametrize("weights", [None, "holes"])
@pytest.mark.parametrize("bounds", [(0, None), (None, 0.3)])
@pytest.mark.parametrize("data", ["l2", "l1", Huber(0.3)])
@pytest.mark.parametrize(
    "penalty", [ElasticNet(0.3), TotalVariation(0.2), TotalVariation(0.3, huber=0.5), L1(0.05) + TotalVariation(0.3, huber=0.5)]
)
def test_smooth_penalties_under_bounds_claim_no_more_than_is_reached(penalty, data, bounds, weights):
    """A multiplier is admissible at a bound that x touches, on its side, and nowhere else."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((8, 8)) + 0.3
    m = None if weights is None else (rng.random((8, 8)) < 0.7).astype(float)
    kw = {"data": data, "operator": Blur(np.ones((3, 3)) / 9, "zero"), "bounds": bounds, "pixel_weight": m, "tol": 1e-7}
    ends = [("admm", 150), ("chambolle-pock", 150), ("admm", 10), ("chambolle-pock", 10)]
    results = [solved(y, penalty, method=method, options={"maxiter": n}, **kw) for method, n in ends]
    best = min(r.fun for r in results)
    assert all(lower_bound(r, best) for r in results)


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("data", ["l2", "l1", Huber(0.3), "poisson"])
@pytest.mark.parametrize("penalty", [L1(0.6) + TotalVariation(0.2), OverlappingGroupLasso(0.5, window=2), L1(0.5)])
def test_the_range_of_minimisers_holds_0_where_constants_cost(penalty, data, observed):
    rng = np.random.default_rng(0)
    y, seen = rng.random((8, 8)) + 1, rng.random((8, 8)) < 0.7
    kw = {"data": data, "observed": seen if observed else None, "tol": 1e-7}
    ends = [("admm", 500), ("chambolle-pock", 500), ("admm", 10)]
    results = [solved(y, penalty, method=method, options={"maxiter": n}, **kw) for method, n in ends]
    best = min(r.fun for r in results)
    assert all(lower_bound(r, best) for r in results)


@pytest.mark.parametrize(
    ("dtype", "unit"), [(np.float32, 1e-30), (np.float32, 1e30), (np.float64, 1e-200), (np.float64, 1e200)]
)
def test_the_error_bound_is_in_the_units_of_the_image(dtype, unit):
    y = image_of(SHAPE, dtype=dtype)
    one, other = (solved(y * dtype(c), TotalVariation(0.2 * c), tol=1e-4, options={"maxiter": 30}) for c in (1.0, unit))
    assert other.x_error_bound / unit == pytest.approx(one.x_error_bound, rel=0.5)
    exact_one = solved(y.astype(float), TotalVariation(0.2), tol=1e-10, options={"maxiter": 20000})
    assert np.linalg.norm(other.x / dtype(unit) - exact_one.x) <= other.x_error_bound / unit * (1 + 1e-6)


@pytest.mark.parametrize(("dtype", "noise"), [(np.float64, 4e-15), (np.float32, 2e-6)])
def test_what_is_above_rounding_is_not_nothing(dtype, noise):
    """Some twenty steps of the type: F has to be made small, and is not taken for 0."""
    y = (1 + noise * np.random.default_rng(0).standard_normal((16, 16))).astype(dtype)
    result = solved(y, TotalVariation(0.5 * noise), tol=1e-3, options={"maxiter": 0})
    assert result.rel_gap > 0.05
    assert not result.success
    assert result.rel_gap == pytest.approx(result.gap / result.fun, rel=1e-6)


@pytest.mark.parametrize("operator", ["blur", "matrix"])
@pytest.mark.parametrize(("dtype", "noise"), [(np.float64, 1e-13), (np.float32, 5e-5)])
def test_what_is_above_rounding_is_not_nothing_behind_an_operator(operator, dtype, noise):
    """A few hundred steps of the type."""
    linear, rng = OPERATORS[operator][0], np.random.default_rng(0)
    y = linear.forward(np.ones(SHAPE))
    y = (y + noise * rng.standard_normal(y.shape)).astype(dtype)
    x0 = (1 + noise * rng.standard_normal(SHAPE)).astype(dtype)
    result = solved(y, TotalVariation(0.5 * noise), operator=linear, x0=x0, tol=1e-3, options={"maxiter": 0})
    assert result.rel_gap > 0.01
    assert not result.success
    assert result.rel_gap == pytest.approx(result.gap / result.fun, rel=1e-6)


@dtypes
def test_what_rounding_hides_is_said(dtype):
    """Sixteen steps of float32: success only where it is true, and status 4 where nothing more is to be had."""
    y = (1e-3 * np.random.default_rng(0).standard_normal((24, 24)) + 1000).astype(dtype)
    result = solved(y, TotalVariation(5e-4), tol=1e-3)
    best = exact.objective(TotalVariation(5e-4), solved(y.astype(float), TotalVariation(5e-4), tol=1e-6).x, y)[0]
    true = float(exact.objective(TotalVariation(5e-4), result.x, y)[1] - best)
    assert true <= result.gap
    assert result.rel_gap == pytest.approx(result.gap / result.fun)
    assert (result.status, result.success) == ((4, False) if dtype == np.float32 else (0, True))


@pytest.mark.parametrize("observed", [None, "a hole"])
@pytest.mark.parametrize("name", ["tv2", "tgv"])
@dtypes
def test_a_slope_is_its_own_answer_and_the_minimum_is_0(name, observed, dtype):
    slope = np.add.outer(np.linspace(0, 1, 32), np.linspace(0, 0.5, 32)).astype(dtype)
    seen = np.ones(slope.shape, bool)
    seen[10:20, 10:20] = observed is None
    result = solved(slope, name, 0.01, observed=seen, options={"maxiter": 1000})
    np.testing.assert_allclose(result.x, slope, atol=4 * np.finfo(dtype).eps)
    assert (result.success, result.rel_gap) == (True, 0)
    assert "as far as" in result.message


@pytest.mark.parametrize("iterations", [0, 1, 3])
@pytest.mark.parametrize("data", ["l2", Huber(0.3)])
@pytest.mark.parametrize("level", [0, 1e4])
def test_what_is_left_of_the_dual_is_paid_for(iterations, data, level, monkeypatch):
    """A repair that is broken off: the bound is worse, and still one."""
    monkeypatch.setattr(repair, "_MOST_ITERATIONS", iterations)
    # at a level the minimiser is as long as what costs nothing makes it
    second = SecondOrderTV(0.05) if level else L1(0.05).of(BLUR)
    penalty = TotalVariation(0.2, pixel_weight=HELD + (level > 0)) + second
    y = image_of(SHAPE) + level
    kw = {"operator": Blur.gaussian(0.4), "data": data, "tol": 1e-9}
    results = [solved(y, penalty, options={"maxiter": n}, method="chambolle-pock", **kw) for n in (5, 50, 3000)]
    assert all(r.certified for r in results)
    assert all(lower_bound(r, results[-1].fun) for r in results)


@pytest.mark.parametrize(
    ("penalty", "operator", "bounds", "most"),
    [
        (TotalVariation(0.2, pixel_weight=HELD) + L1(0.05).of(BLUR), Blur.gaussian(0.4), None, 900),
        (TotalVariation(0.2, pixel_weight=HELD), Blur.gaussian(0.4), (0.3, None), 300),
        (TotalVariation(0.1), OPERATORS["matrix"][0], (0.3, None), 400),
    ],
)
def test_a_repair_leaves_little(penalty, operator, bounds, most):
    """By iterations, and beside what a bound on one side balances: otherwise the gap is right, and long in coming."""
    y = operator.forward(np.abs(image_of(SHAPE)))
    kw = {"operator": operator, "bounds": bounds, "method": "chambolle-pock", "options": {"maxiter": most}}
    result = solve(y, penalty, tol=1e-6, **kw)
    assert result.success
    assert bounds is None or np.any(result.x == bounds[0])


def reach(y, penalty, operator, fun):
    shape = (1, *SHAPE)
    posed = problem_of(Posed(y[None], penalty.parts, shape, Channelwise(operator, shape)))
    return posed.reach.length_bound(fun)


@pytest.mark.parametrize("name", ["tv", "second order", "l1", "l1 + tv"])
@pytest.mark.parametrize("level", [0.0, 1e4])
def test_no_minimiser_is_longer_than_it_can_reach(name, level):
    """At a level nearly all of its length is of images that cost nothing."""
    y, penalty = BLUR.forward(image_of(SHAPE)) + level, PENALTIES[name]
    best = solved(y, penalty, operator=BLUR, tol=1e-6)
    assert np.linalg.norm(best.x) <= reach(y, penalty, BLUR, best.fun) < np.inf


@pytest.mark.parametrize("shape", [(9,), (12, 12), (2, 15), (5, 30), (3, 3), (2, 2, 9), (6, 6, 6)], ids=str)
def test_an_image_of_small_second_differences_is_near_an_affine_one(shape):
    """Within `_length_bound` of its value: noise, one pixel, a kink, what second differences of noise at single pixels add up to."""
    rng, at, penalty = np.random.default_rng(0), np.indices(shape), SecondOrderTV(1.0)
    slopes = [axis.ravel() for axis, n in zip(at, shape, strict=True) if n > 1]
    affine = np.stack([np.ones(math.prod(shape)), *slopes], axis=1)
    for _ in range(20):
        point = np.zeros(shape)
        point[tuple(rng.integers(shape))] = 1
        kink = np.maximum(np.tensordot(rng.standard_normal(len(shape)), at, 1) - rng.uniform(0, max(shape) / 2), 0)
        summed = rng.standard_normal(shape) * (rng.random(shape) < 0.2)
        for axis in range(len(shape)):
            summed = summed.cumsum(axis).cumsum(axis)
        for x in (rng.standard_normal(shape), point, kink, summed):
            off = x.ravel() - affine @ np.linalg.lstsq(affine, x.ravel(), rcond=None)[0]
            value = penalty.value(x)
            assert np.linalg.norm(off) <= penalty._length_bound(value, (1, *shape)) + 1e-12 * np.linalg.norm(x)


@pytest.mark.parametrize("penalty", [TGV(0.002), SecondOrderTV(0.002)], ids=["TGV", "second order"])
def test_half_the_pixels_of_a_photograph(penalty):
    """Minimisers were taken to be up to 1e9 long, which made a thousandth of F of the rounding of duals."""
    y = photographs.camera()[::8, ::8] / 255.0
    observed = np.random.default_rng(0).random(y.shape) < 0.5
    result = solve(np.where(observed, y, 0), penalty, observed=observed, tol=1e-3, options={"maxiter": 2000})
    assert result.success
    setup = dualised_problem(Posed(y[None], (penalty,), (1, *y.shape), m=observed[None].astype(float)))
    assert np.linalg.norm(result.x) < setup.reach.length_bound(result.fun) < 1e6


def test_no_minimiser_is_longer_than_the_operator_lets_it_be():
    """Where the penalty bounds nothing: of a pixel that is hardly measured."""
    diagonal = np.r_[np.ones(41), 0.01]
    operator, y = as_operator(np.diag(diagonal), SHAPE, SHAPE), np.zeros(SHAPE)
    y[-1, -1] = 1.0
    penalty = TotalVariation(1e-9).of(Blur(KERNEL, "zero"))
    best = solved(y, penalty, operator=operator, tol=1e-6)
    assert 99 < np.linalg.norm(best.x) <= reach(y, penalty, operator, best.fun) < 110


def test_what_weighs_hardly_anything_is_in_the_gap():
    """Weights of 1e-30 beside 1 are left out of the work, and not out of the objective."""
    rng = np.random.default_rng(0)
    y, m = rng.random(SHAPE), np.ones(SHAPE)
    m[2:4], y[2:4] = 1e-30, 1e8 * rng.standard_normal((2, 7))
    for maxiter in (30, 3000):
        result = solved(y, TotalVariation(0.1), pixel_weight=m, tol=1e-13, options={"maxiter": maxiter})
        f = exact.objective(TotalVariation(0.1), result.x, y, m=m)
        assert abs(float(f[0]) - result.fun) <= 1e-15 * result.fun
        # the bound knows nothing of them
        assert result.gap >= 0.5 * np.sum(1e-30 * np.square(result.x - y)[2:4])


@pytest.mark.parametrize("operator", ["none", "blur"])
def test_the_certificate_is_under_the_weights_as_they_are_given(operator):
    """Float64 weights beside a float32 image, each a third of a unit of float32 off what that holds."""
    linear, matrix = OPERATORS[operator]
    y = np.abs(image_of(SHAPE, dtype=np.float32))
    m = 1.0 + np.finfo(np.float32).eps * (np.arange(42).reshape(SHAPE) % 7 + 1 / 3)
    assert (m.astype(np.float32) < m).any()
    result = solved(y, "tv", 0.05, operator=linear, pixel_weight=m, tol=1e-12, options={"maxiter": 2000})
    below, above = exact.objective(TotalVariation(0.05), result.x, y, m=m, matrix=matrix)
    assert float(below) * (1 - 1e-12) <= result.fun <= float(above) * (1 + 1e-12)
    rounded, _ = exact.objective(TotalVariation(0.05), result.x, y, m=m.astype(np.float32).astype(float), matrix=matrix)
    assert abs(float(rounded) / float(below) - 1) > 1e-9


def test_what_is_as_good_as_nothing_costs_what_it_costs():
    """No dual certifies this problem; no image costs less than 0, and this one hardly more."""
    operator = Blur(np.array([[0.1, 0.2], [0.3, 0.4]]))
    y = operator.forward(np.full((20, 21), 1 / 3))
    y[::2] = np.nextafter(y[::2], 1.0)
    result = solved(y, TotalVariation(1e-3).of(BLUR), operator=operator, x0=np.full((20, 21), 1 / 3))
    assert result.certified
    assert 0 < result.fun <= result.gap


LEVEL = np.random.default_rng(7).uniform(100, 200, (16, 16))


@pytest.mark.parametrize("given", [LEVEL, LEVEL.astype(np.float32), 100.1], ids=["float64", "float32", "a number"])
@dtypes
@pytest.mark.parametrize("penalty", [L1(0.1), TotalVariation(0.1), L1(0.02) + TotalVariation(0.1)])
def test_the_certificate_is_of_the_image_with_its_background(penalty, dtype, given):
    """x = u + b is rounded to the image's type: at level 100 in float32 to 4e-6; b is as it is stored, or as it is given."""
    level = np.full(LEVEL.shape, given) if np.ndim(given) == 0 else given
    y = (level + 0.1 * np.random.default_rng(0).standard_normal(level.shape) + (np.arange(16) > 8)[:, None]).astype(dtype)
    for bounds in (None, (0, 150.05)):
        result = solved(y, penalty, background=given, tol=1e-7, bounds=bounds)
        best = solved(
            y.astype(float), penalty, background=level.astype(float), tol=1e-10, bounds=bounds, options={"maxiter": 50000}
        )
        f = exact.objective(penalty, result.x, y, background=level)
        assert abs(float(f[0]) - result.fun) <= 1e-12 * result.fun
        assert f[0] - exact.Q(result.gap) <= exact.objective(penalty, best.x, y, background=level)[1]
        assert np.linalg.norm(result.x.astype(float) - best.x) <= result.x_error_bound + best.x_error_bound


@pytest.mark.parametrize("penalty", [TotalVariation(0.3), TotalVariation(0.3, huber=0.2, isotropic=False)])
def test_bounds_keep_what_nothing_else_sees(penalty):
    """Constants cost nothing under A and under K, but x >= 100 keeps them from being taken out of a minimiser."""
    n = 12
    differences = np.vstack([np.diff(np.eye(n), axis=0), np.zeros(n)])
    y = 3 * np.random.default_rng(0).standard_normal(n)
    kw = {"operator": differences, "bounds": (100, None), "tol": 1e-10}
    results = [solved(y, penalty, options={"maxiter": k}, **kw) for k in (0, 5, 20, 100, 5000)]
    best = min(r.fun for r in results)
    assert all(lower_bound(r, best) for r in results)


@pytest.mark.parametrize("operator", [None, BLUR])
def test_what_is_brought_into_the_domain_stays_within_bounds(operator):
    y = np.full((6, 7), 1000.0)
    result = solved(
        y, "tv", 0.1, data="poisson", operator=operator, bounds=(-5, 0.5), x0=np.full((6, 7), -1.0), options={"maxiter": 0}
    )
    assert result.x.max() <= 0.5
    assert result.x.min() >= -5
