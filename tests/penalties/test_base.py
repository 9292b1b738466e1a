"""The battery every penalty passes; a new penalty joins by one line in examples.PENALTIES."""

import math

import numpy as np
import pytest
from examples import PENALTIES, draw, fits, fitted, image_of
from iterations import by_formulas
from oracles import naive

from proxsparse import (
    DCTL1,
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    WaveletL1,
    solve,
)
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.runtime.workers import SERIAL

SHAPES = [(6, 7), (13,), (1, 9), (5, 4, 6), (1,)]


#: smooth where they are 0: no weight is large enough
SMOOTH = ["huber tv", "huber tv-aniso", "ridge"]


EPS = {np.float32: 1.2e-7, np.float64: 2.3e-16}


def cases():
    for name, penalty in PENALTIES.items():
        for shape in (shape for shape in SHAPES if fits(penalty, shape)):
            for dtype in (np.float32, np.float64):
                label = f"{name}-{'x'.join(map(str, shape))}-{dtype.__name__}"
                yield pytest.param(fitted(penalty, shape), shape, dtype, id=label)


each = pytest.mark.parametrize(("penalty", "shape", "dtype"), list(cases()))


def parts_of(z):
    return z if isinstance(z, tuple) else (z,)


def inner(a, b):
    return sum(float(np.sum(u.astype(float) * v)) for u, v in zip(parts_of(a), parts_of(b), strict=True))


def like(z, rng, scale=1.0):
    made = tuple((scale * rng.standard_normal(u.shape)).astype(u.dtype) for u in parts_of(z))
    return made if isinstance(z, tuple) else made[0]


def supported(penalty, p, shape):
    """p without the copies that clipped windows hold outside the image."""
    mask = parts_of(penalty.analysis(np.ones(shape)))
    kept = []
    for q, part, m in zip(penalty.parts, parts_of(p), mask, strict=True):
        kept.append(part * (m != 0) if isinstance(q, OverlappingGroupLasso) else part)
    return tuple(kept) if isinstance(p, tuple) else kept[0]


@each
def test_value_is_even_convex_and_of_its_degree(penalty, shape, dtype, rng):
    x, z = draw(shape, dtype, rng), draw(shape, dtype, rng)
    value = penalty.value(x)
    # each pixel's rounding enters with its weight: a few eps relative
    tol = 50 * EPS[dtype] * (value + penalty.value(z) + 1)
    assert (value > 0) == any(np.any(part) for part in parts_of(penalty.analysis(x)))
    assert penalty.value(-x) == pytest.approx(value, abs=tol)
    assert penalty.value((x + z) / 2) <= (value + penalty.value(z)) / 2 + tol
    if penalty.degree is not None:
        assert penalty.value(dtype(2.5) * x) == pytest.approx(2.5**penalty.degree * value, abs=10 * tol)
    if penalty.degree == 1:
        assert penalty.value(x + z) <= value + penalty.value(z) + tol
    # in other units the same cost
    for degree in (1, 2):
        scaled = [part._rescaled(4.0, degree) for part in penalty.parts]
        assert sum(q.value(4 * x) for q in scaled) == pytest.approx(4.0**degree * value, abs=20 * tol)
    assert penalty.value(np.zeros(shape, dtype)) == 0


@each
def test_the_null_space_costs_nothing_and_is_all_that_does(penalty, shape, dtype, rng):
    constant = np.full(shape, dtype(0.7))
    if all(part.null_space in ("constants", "affine") for part in penalty.parts):
        assert penalty.value(constant) == 0
        slope = sum(
            np.arange(n, dtype=dtype).reshape([n if a == b else 1 for b in range(len(shape))]) for a, n in enumerate(shape)
        )
        costs = penalty.value(dtype(0.5) * slope + constant)
        assert (costs <= 20 * EPS[dtype] * slope.size * (slope.max() + 1)) == (
            penalty.null_space == "affine" or slope.max() == 0
        )
    else:
        assert penalty.value(constant) > 0 or penalty.null_space == "unknown"
    # two samples lie on a line
    if constant.size > 2 or (constant.size > 1 and penalty.null_space != "affine"):
        assert penalty.value(draw(shape, dtype, rng)) > 0


@each
def test_adjoint_is_the_adjoint(penalty, shape, dtype, rng):
    x = draw(shape, dtype, rng)
    kx = penalty.analysis(x)
    p = like(kx, rng)
    scale = sum(float(np.abs(u * v).sum()) for u, v in zip(parts_of(kx), parts_of(p), strict=True)) + 1
    assert inner(kx, p) == pytest.approx(inner(x, penalty.adjoint(p, shape)), abs=30 * EPS[dtype] * scale)


@pytest.mark.parametrize("name", PENALTIES)
def test_norm_bound_holds_and_is_not_loose(name, rng):
    shape = (12, 11)
    from proxsparse.dual.stack import Stack

    stack = Stack(fitted(PENALTIES[name], shape).parts, (1, *shape))
    x = rng.standard_normal((1, *shape))
    for _ in range(300):
        x /= np.linalg.norm(x)
        x = stack.adjoint(stack.analysis(x))
    largest = np.linalg.norm(x)
    assert largest <= stack.norm_squared * (1 + 1e-12)
    # there the bound is the product of the norms of two maps, here of the largest weight
    if name not in ("tv of a blur", "tv, weighted"):
        # the bound of a sum adds the parts' bounds, which different images attain
        # of second differences the bound of frequencies is only neared at the highest
        assert largest >= (0.9 if name == "second order" else 0.95 if len(stack.terms) == 1 else 0.4) * stack.norm_squared


@each
def test_projection_is_the_nearest_feasible_point(penalty, shape, dtype, rng):
    kx = penalty.analysis(draw(shape, dtype, rng))
    p = supported(penalty, like(kx, rng), shape)
    projected = penalty.project(p)
    for q, part in zip(penalty.parts, parts_of(projected), strict=True):
        assert q.dual_norm(part) <= q.weight
    again = penalty.project(projected)
    scale = 1 + max(q.weight for q in penalty.parts)
    for a, b in zip(parts_of(again), parts_of(projected), strict=True):
        np.testing.assert_allclose(a, b, atol=20 * EPS[dtype] * scale, rtol=0)
    for _ in range(20):
        z = penalty.project(supported(penalty, like(kx, rng, 0.5), shape))
        difference = [a.astype(float) - b for a, b in zip(parts_of(p), parts_of(projected), strict=True)]
        toward = [a.astype(float) - b for a, b in zip(parts_of(z), parts_of(projected), strict=True)]
        product = sum(float((a * b).sum()) for a, b in zip(difference, toward, strict=True))
        assert product <= 100 * EPS[dtype] * scale * sum(u.size for u in parts_of(p))


@each
def test_the_best_dual_gives_the_value(penalty, shape, dtype, rng):
    """<p, z> - c(p) -> P for z = Kx and the p that huge multiples of z are led to: the ball, c and the norm belong together."""
    x = draw(shape, dtype, rng)
    z = penalty.analysis(x)
    best = [dtype(1e6) * u for u in parts_of(z)]
    for q, dual in zip(penalty.parts, best, strict=True):
        q._prox_conjugate(dual, 1e6)
    projected = penalty.project(tuple(best) if isinstance(z, tuple) else best[0])
    cost = sum(q._conjugate(p.astype(float)) for q, p in zip(penalty.parts, parts_of(projected), strict=True))
    assert inner(projected, z) - cost == pytest.approx(penalty.value(x), rel=1e-3, abs=1e-6)


@each
def test_prox_satisfies_moreau_with_its_dual(penalty, shape, dtype, rng):
    v = draw(shape, dtype, rng)
    tol = 1e-4 if dtype == np.float32 else 1e-9
    found = penalty.prox(v, 0.7, tol=tol, full_output=True)
    dual = found.dual if len(found.dual) > 1 else found.dual[0]
    assert 0 <= found.rel_gap <= tol
    for q, part in zip(penalty.parts, found.dual, strict=True):
        assert q.dual_norm(part) <= 0.7 * q.weight * (1 + 2 * EPS[dtype])
    # x and y - K^T p are each within sqrt(2 gap) of the prox
    distance = np.linalg.norm((found.x + penalty.adjoint(dual, shape) - v).astype(float))
    assert distance <= 2 * np.sqrt(2 * found.gap) + 50 * EPS[dtype] * np.linalg.norm(v)


@each
def test_prox_is_firmly_nonexpansive(penalty, shape, dtype, rng):
    v, u = draw(shape, dtype, rng), draw(shape, dtype, rng)
    tol = 1e-4 if dtype == np.float32 else 1e-8
    a, b = penalty.prox(v, tol=tol, full_output=True), penalty.prox(u, tol=tol, full_output=True)
    error = (np.sqrt(2 * a.gap) + np.sqrt(2 * b.gap)) * 4 * (np.linalg.norm(v - u) + 1) + 1e-6
    moved = (a.x - b.x).astype(float)
    assert float((moved * moved).sum()) <= float((moved * (v - u)).sum()) + error


@pytest.mark.parametrize("name", PENALTIES)
def test_prox_exchanges_step_and_weight(name, rng):
    shape = (6, 7)
    penalty, v = fitted(PENALTIES[name], shape), draw(shape, np.float64, rng)
    np.testing.assert_array_equal(penalty.prox(v, 0.5), (0.5 * penalty).prox(v, 1.0))


@each
def test_prox_beats_every_neighbour(penalty, shape, dtype, rng):
    v = draw(shape, dtype, rng)
    found = penalty.prox(v, tol=1e-4 if dtype == np.float32 else 1e-9, full_output=True)
    x = found.x.astype(float)

    def objective(z):
        return 0.5 * float(np.sum((z - v) ** 2)) + penalty.value(z)

    best = objective(x)
    for scale in (1.0, 1e-1, 1e-2, 1e-3):
        for _ in range(5):
            assert best <= objective(x + scale * rng.standard_normal(shape)) + found.gap + 1e-12


@each
def test_prox_of_weight_zero_is_the_identity(penalty, shape, dtype, rng):
    v = draw(shape, dtype, rng)
    np.testing.assert_array_equal(penalty.prox(v, 0.0), v)


@pytest.mark.parametrize("name", [n for n in PENALTIES if n not in ("tv of a blur", *SMOOTH)])
@pytest.mark.parametrize("shape", [(6, 7), (13,), (5, 4, 6)])
def test_from_max_weight_on_the_answer_is_trivial(name, shape, rng):
    """At the certified bound the solution is the projection on the null space; for L1 a hair below it is not."""
    penalty, y = fitted(PENALTIES[name], shape), draw(shape, np.float64, rng)
    sum_of = len(penalty.parts) > 1
    least = penalty.max_weight(y)
    # the projection on what costs nothing
    places = np.indices(shape).reshape(len(shape), -1)
    slopes = {"zero": places[:0], "constants": np.ones((1, y.size)), "affine": np.vstack([places, np.ones(y.size)])}
    columns = slopes[penalty.null_space].T
    trivial = (columns @ np.linalg.lstsq(columns, y.reshape(-1), rcond=None)[0]).reshape(shape)
    result = solve(y, (least * (1 + 1e-9)) * penalty if sum_of else penalty.with_weight(least * (1 + 1e-9)), tol=1e-10)
    # the mean is computed in another order than np.mean's
    np.testing.assert_allclose(result.x, trivial, atol=1e-13)
    assert result.success
    if name in ("l1",) or (name in ("tv", "tv-aniso") and len(shape) == 1):
        below = solve(y, penalty.with_weight(least * 0.99), tol=1e-10).x
        assert np.abs(below - trivial).max() > 1e-4


@pytest.mark.parametrize("name", SMOOTH)
def test_what_is_smooth_has_no_largest_weight(name, rng):
    y = draw((6, 7), np.float64, rng)
    assert PENALTIES[name].max_weight(y) == math.inf
    assert np.ptp(solve(y, PENALTIES[name].with_weight(100.0), tol=1e-6).x) > 0


@pytest.mark.parametrize("name", [n for n in PENALTIES if "of a" not in n])
def test_value_equals_the_oracle(name):
    shape = (6, 7)
    x = image_of(shape, seed=3)
    penalty = fitted(PENALTIES[name], shape)
    assert penalty.value(x) == pytest.approx(naive.value(penalty, x), rel=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(6, 7), (9,), (1, 9), (9, 1), (4, 5, 6), (2, 1, 3)])
@pytest.mark.parametrize("isotropic", [True, False])
def test_the_sweep_equals_the_general_path(isotropic, shape, channels, dtype, rng):
    """The fused kernel against the same iteration from analysis, projection and adjoint."""
    parts = [TotalVariation(0.3, isotropic=isotropic), L1(0.1)]
    y = draw((channels, *shape), dtype, rng)
    problem = Denoising(y, parts, lo=-0.8, hi=0.9)
    start = y.copy(), np.zeros(problem.dualised.size, dtype)
    iterations = problem.fused.begin(start[0], problem.dualised.split(start[1])[0], y, problem.limits)
    steps = Schedule(problem, iterations.relaxed).next(25, dtype)
    if iterations.relaxed:
        steps[-1, 3] = 1
    iterations.advance(steps, SERIAL)
    x, p = iterations.pair()
    fused, plain = (x, p.reshape(-1)), by_formulas(problem, *start, steps)
    for a, b in zip(fused, plain, strict=True):
        np.testing.assert_allclose(a, b, atol=200 * EPS[dtype], rtol=0)
    assert np.abs(fused[0] - y).max() > 0.1
    # the certificate in one pass, where there is one, against the sums part by part
    own = problem.measure(*fused)
    general = problem.measure_by_formulas(*fused)
    assert own.gap == pytest.approx(general.gap, rel=1e-9, abs=1e-13)
    assert (own.fun, own.data, *own.values) == pytest.approx((general.fun, general.data, *general.values), rel=1e-12)


@pytest.mark.parametrize("name", ["tv", "windows 2", "l1 + tv"])
@pytest.mark.parametrize("channel_axis", [0, 1, -1])
def test_channels_are_coupled_as_written(name, channel_axis, rng):
    """Isotropic differences and windows take all channels in one length."""
    x = draw((6, 7, 3), np.float64, rng)
    penalty = PENALTIES[name]
    moved = np.moveaxis(x, -1, channel_axis)
    if name == "tv":
        d = np.stack([naive.differences(x[..., c]) for c in range(3)])
        expected = 0.3 * np.sqrt((d**2).sum(axis=(0, 1))).sum()
        assert penalty.value(moved, channel_axis=channel_axis) == pytest.approx(expected)
    reference = solve(x, penalty, channel_axis=-1, tol=1e-8)
    result = solve(moved, penalty, channel_axis=channel_axis, tol=1e-8)
    np.testing.assert_array_equal(np.moveaxis(result.x, channel_axis, -1), reference.x)
    kx = penalty.analysis(moved, channel_axis=channel_axis)
    for dual, z in zip(result.dual, parts_of(kx), strict=True):
        assert dual.shape == z.shape


@pytest.mark.parametrize(("size", "dtype"), [(1e-12, np.float32), (1e12, np.float32), (1e-80, np.float64)])
def test_values_of_any_degree_do_not_depend_on_the_units(size, dtype):
    x = (size * np.array([1.0, -2.0, 3.0])).astype(dtype)
    v = x.astype(float)
    assert L2(1.0).value(x) == pytest.approx(0.5 * np.sum(v**2), rel=1e-5)
    assert ElasticNet(1.0).value(x) == pytest.approx(0.5 * np.abs(v).sum() + 0.25 * np.sum(v**2), rel=1e-5)
    d = np.abs(np.diff(v))
    expected = np.sum(np.where(d <= 1, d**2 / 2, d - 0.5))
    assert TotalVariation(1.0, huber=1.0).value(x) == pytest.approx(expected, rel=1e-5)
    assert TotalVariation(1.0).value(x) == pytest.approx(d.sum(), rel=1e-5)


def test_sums_across_the_families_have_a_certificate():
    y = image_of((16, 17))
    for penalty in (
        TotalVariation(0.1) + WaveletL1(0.1, level=1),
        GroupLasso(0.2, block=4) + OverlappingGroupLasso(0.05) + L1(0.05),
        SecondOrderTV(0.1) + DCTL1(0.1),
    ):
        result = solve(y, penalty, tol=1e-4)
        assert result.success
        assert penalty.value(result.x) == pytest.approx(result.fun - result.terms["data"])
