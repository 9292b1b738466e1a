"""Data terms beside least squares: identities, agreement with an independent solver, what each is for; backgrounds."""

import itertools
import warnings

import independent
import naive
import numpy as np
import pytest
from conftest import image_of

from proxsparse import (
    L1,
    L2,
    Blur,
    GroupLasso,
    Huber,
    LeastAbsoluteDeviations,
    LeastSquares,
    OverlappingGroupLasso,
    Poisson,
    SecondOrderTV,
    TotalVariation,
    metrics,
    phantoms,
    solve,
    solve_batch,
)

SHAPE = (9, 8)
KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16
TERMS = {
    "l2": LeastSquares(),
    "l1": LeastAbsoluteDeviations(),
    "huber": Huber(0.2),
    "poisson": Poisson(),
    "poisson, background": Poisson(0.3),
}
ROBUST = [name for name in TERMS if name != "l2"]
PENALTIES = {
    "tv": TotalVariation(0.3),
    "huber tv": TotalVariation(0.3, huber=0.2),
    "l1 + tv": L1(0.1) + TotalVariation(0.2),
    "second order": SecondOrderTV(0.2),
    "windows": OverlappingGroupLasso(0.2, window=2),
    "ridge": L2(0.3),
}
METHODS = ["admm", "chambolle-pock", "fista"]


def given(name, shape=SHAPE, dtype=np.float64):
    """An image that the term is for; counts where it is Poisson's."""
    y = image_of(shape)
    return (np.random.default_rng(3).poisson(5 * np.abs(y)) if "poisson" in name else y).astype(dtype)


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TERMS)
def test_prox_conjugate_and_gradient_belong_together(name, dtype, weights, rng):
    y = given(name, dtype=dtype)
    m = rng.uniform(0.3, 2, SHAPE).astype(dtype) if weights else None
    term = TERMS[name].bind(y, m)
    eps = np.finfo(dtype).eps
    v = (y + rng.standard_normal(SHAPE)).astype(dtype)
    z = term.prox(v, 0.7)
    assert z.dtype == dtype
    # no neighbour is better
    best = 0.5 * np.sum((z - v).astype(float) ** 2) + 0.7 * term.value(z)
    for scale in (1.0, 0.1, 1e-3):
        for _ in range(10):
            u = z + scale * rng.standard_normal(SHAPE)
            assert best <= 0.5 * np.sum((u - v) ** 2) + 0.7 * term.value(u) + 20 * eps * (1 + best)
    # Moreau: v = prox_D(v) + tau prox_(D*/tau)(v / tau)
    q = term.conjugate_prox(v / dtype(0.7), 1 / 0.7)
    np.testing.assert_allclose(z + dtype(0.7) * q, v, atol=50 * eps * (1 + np.abs(v).max()))
    # Fenchel: D(z) + D*(q) = <q, z> for that q, which is a gradient at z
    q = (v.astype(float) - z) / 0.7
    q *= (1 - 1e-15) / max(1.0, term.gauge(q))
    assert term.value(z) + term.conjugate(q) == pytest.approx(np.sum(q * z), abs=1e3 * eps * (1 + abs(np.sum(q * z))))
    if term.smooth:
        # where no counts are, none may be the answer, and many gradients are there
        inside = z + getattr(TERMS[name], "background", 1.0) > 1e-3
        np.testing.assert_allclose(term.gradient(z)[inside], q[inside], atol=1e4 * eps * (1 + np.abs(q).max()))
    # the least of D(z) + <c, z>, for a c inside the domain
    c = -0.5 * q
    lowest = term.lowest(c)
    least = term.value(lowest) + np.sum(c * lowest)
    assert least == pytest.approx(-term.conjugate(-c), abs=1e3 * eps * (1 + abs(least)))
    assert (term.project(3 * q) <= 3 * np.abs(q)).all()
    assert term.gauge(term.project(100 * q)) <= 1 + 4 * eps


@pytest.mark.parametrize("name", ROBUST)
def test_the_best_multiple_of_a_dual_is_the_best(name, rng):
    term = TERMS[name].bind(given(name))
    q = 0.3 * term.gradient(given(name) + 0.5 * rng.random(SHAPE))
    limit = 1 / term.gauge(q)
    t, value = term.best_multiple(q, 0.4, 0.8, limit)
    every = [-term.conjugate(u * q) - 0.4 * u * u + 0.8 * u for u in np.linspace(0, min(limit, 2.0), 401)[:-1]]
    assert value == pytest.approx(-term.conjugate(t * q) - 0.4 * t * t + 0.8 * t)
    assert value >= max(every) - 1e-9


def problems():
    """Each term, penalty, operator, bounds and method; the long tests have most of the deblurring."""
    for name, penalty, blurred, bounds, method in itertools.product(
        ROBUST, PENALTIES, (False, True), (None, (0.0, 0.7)), METHODS
    ):
        short = (not blurred and method != "admm") or (penalty in ("tv", "l1 + tv") and method != "fista" and bounds is None)
        label = f"{name}-{penalty}-{'deblur' if blurred else 'denoise'}-{'bounded' if bounds else 'free'}-{method}"
        marks = [] if short else [pytest.mark.slow]
        yield pytest.param(name, penalty, Blur(KERNEL) if blurred else None, bounds, method, marks=marks, id=label)


@pytest.mark.parametrize(("name", "penalty", "operator", "bounds", "method"), list(problems()))
def test_every_data_term_agrees_with_an_independent_solver(name, penalty, operator, bounds, method):
    if method == "fista" and name != "huber":
        with pytest.raises(ValueError, match="Lipschitz gradient; use 'chambolle-pock' or 'admm'"):
            solve(given(name), PENALTIES[penalty], data=TERMS[name], operator=operator, method=method)
        return
    y, p = given(name), PENALTIES[penalty]
    matrix = None if operator is None else naive.matrix_of(lambda u: naive.blur(u, KERNEL, "symmetric"), SHAPE)
    if bounds is None and "poisson" in name:
        bounds = (0.0, None)
    _, best = independent.minimise(y, p, matrix=matrix, bounds=bounds, data=TERMS[name])
    options = {"maxiter": 20000}
    result = solve(y, p, data=TERMS[name], operator=operator, bounds=bounds, method=method, tol=1e-5, options=options)
    assert result.success
    assert result.certified
    fun = TERMS[name].bind(y).value(result.x if operator is None else operator.forward(result.x)) + p.value(result.x)
    assert fun == pytest.approx(result.fun, rel=1e-9)
    # Clarabel's accuracy on cones that are not quadratic is the slack
    assert -1e-6 * best <= fun - best <= result.gap + 1e-6 * best


@pytest.mark.parametrize("method", ["admm", "chambolle-pock"])
@pytest.mark.parametrize("name", TERMS)
def test_pixels_not_observed_are_filled_under_every_data_term(name, method):
    y, seen = given(name), np.random.default_rng(1).random(SHAPE) < 0.6
    result = solve(y, "tv", 0.2, data=TERMS[name], observed=seen, method=method, tol=1e-5, options={"maxiter": 20000})
    _, best = independent.minimise(y, TotalVariation(0.2), pixel_weight=seen.astype(float), data=TERMS[name])
    assert result.success
    assert -1e-6 * best <= result.fun - best <= result.gap + 1e-6 * best
    wild = np.where(seen, y, 1e3)
    other = solve(wild, "tv", 0.2, data=TERMS[name], observed=seen, method=method, tol=1e-5, options={"maxiter": 20000})
    assert other.fun == pytest.approx(result.fun, rel=3e-5)


@pytest.mark.parametrize("name", ROBUST)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_and_extreme_images(name, dtype):
    """D and the penalty scale together, also where the image is brought into range first."""
    y, term = given(name, (16, 17), dtype), TERMS[name]
    penalty = TotalVariation(0.2) + L1(0.05)
    one = solve(y, penalty, data=term, tol=1e-3)
    for exponent in (10, -20, 60 if dtype == np.float32 else 300):
        factor = 2.0**exponent
        parts = [q._rescaled(factor, term.degree) for q in penalty.parts]
        many = solve(y * dtype(factor), parts[0] + parts[1], data=term.scaled(factor), tol=1e-3)
        assert many.success
        assert many.fun / factor**term.degree == pytest.approx(one.fun, rel=2e-3)
        assert metrics.mse(many.x / factor, one.x) < 1e-3 * np.mean(y.astype(float) ** 2)
        again = solve(y * dtype(factor), parts[0] + parts[1], data=term.scaled(factor), tol=2e-3, x0=many)
        assert again.nit == 0


def test_salt_and_pepper_goes_under_absolute_deviations_and_contrast_stays():
    """Under TV-L1 a disc of radius R > 2w keeps its contrast entirely (Chan & Esedoglu 2005)."""
    v, u = np.mgrid[-32:32, -32:32] + 0.5
    truth = (u**2 + v**2 < 15**2).astype(float)
    noisy = phantoms.add_salt_and_pepper(truth, 0.2)
    robust, square = solve(noisy, "tv", 1.2, data="l1"), solve(noisy, "tv", 0.5)
    assert robust.success
    assert robust.x_error_bound == np.inf
    assert metrics.psnr(truth, robust.x, 1.0) > metrics.psnr(truth, square.x, 1.0) + 5
    clean = solve(truth, "tv", 1.2, data="l1")
    assert clean.x[32, 32] == pytest.approx(1.0, abs=1e-3)
    assert solve(truth, "tv", 30.0, data="l1").x[32, 32] == pytest.approx(0.0, abs=1e-2)


def test_counts_keep_their_sum_and_are_not_negative():
    """Of constants the best is the mean: sum (1 - y / x) = 0 at the optimum under total variation; no bounds are needed."""
    counts = np.random.default_rng(0).poisson(8 + 20 * phantoms.blobs((48, 48))).astype(float)
    x = solve(counts, "tv", 0.3, data="poisson", tol=1e-7, options={"maxiter": 50000}).x
    assert x.min() > 1
    assert abs(np.sum(1 - counts / x)) < 1e-3 * np.sum(np.abs(1 - counts / x))
    few = np.random.default_rng(0).poisson(0.2 + 20 * phantoms.blobs((48, 48))).astype(float)
    assert solve(few, "tv", 0.3, data="poisson").x.min() >= 0
    blur = Blur.gaussian(1.0)
    blurred = np.random.default_rng(0).poisson(np.maximum(blur.forward(20 * phantoms.blobs((64, 64))), 0)).astype(float)
    sharp = solve(blurred, "tv", 0.05, data="poisson", operator=blur, bounds=(0, None), tol=1e-3)
    assert sharp.certified
    assert sharp.x.min() >= 0
    assert metrics.mse(20 * phantoms.blobs((64, 64)), sharp.x) < metrics.mse(20 * phantoms.blobs((64, 64)), blurred)


def test_hubers_corner_is_found_from_the_noise():
    truth = phantoms.rectangles((48, 48))
    noisy = phantoms.add_noise(truth, 0.1)
    named = solve(noisy, "tv", 0.1, data="huber", noise_std=0.1)
    given = solve(noisy, "tv", 0.1, data=Huber(0.1345))
    np.testing.assert_array_equal(named.x, given.x)
    found = solve(noisy, "tv", 0.1, data="huber")
    assert metrics.mse(found.x, given.x) < 1e-4


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("operator", [None, pytest.param(Blur(KERNEL), marks=pytest.mark.slow)], ids=["denoise", "deblur"])
def test_a_background_moves_the_level_that_costs_nothing(name, operator):
    """x - b is penalised: the answer of y - A b, moved back."""
    y, term = given(name), TERMS[name]
    level = 0.4 if name != "poisson" else 2.0
    image = np.full(SHAPE, level)
    moved, data = (y, Poisson(getattr(term, "background", 0) + image)) if "poisson" in name else (y - level, term)
    kw = {"operator": operator, "tol": 1e-3, "options": {"maxiter": 20000}}
    for penalty in (L1(0.3), GroupLasso(0.5, block=3)):
        with_level = solve(y, penalty, data=term, background=level, bounds=(-1, 9), **kw)
        without = solve(moved, penalty, data=data, bounds=(-1 - level, 9 - level), **kw)
        np.testing.assert_allclose(with_level.x, without.x + level, atol=1e-12)
        array = solve(y, penalty, data=term, background=image, bounds=(-1, 9), **kw)
        np.testing.assert_allclose(array.x, with_level.x, atol=1e-12)
        assert with_level.fun == pytest.approx(without.fun)
    again = solve(y, penalty, data=term, background=level, x0=with_level, bounds=(-1, 9), **{**kw, "tol": 2e-3})
    assert again.nit == 0


def test_white_regions_are_exactly_white():
    y = 1 - np.abs(phantoms.add_noise(phantoms.blobs((48, 48)), 0.05))
    result = solve(y, "overlap", 0.05, background=1.0, bounds=(0, 1))
    assert 0.2 < np.mean(result.x == 1) < 0.9
    assert result.x.max() <= 1
    assert np.mean(solve(y, "overlap", 0.05, bounds=(0, 1)).x == 1) < 0.2


def test_batches_take_data_terms_and_backgrounds():
    images = np.stack([image_of((12, 13), seed) for seed in range(3)])
    batch = solve_batch(images, "l1+tv", (0.1, 0.2), data="l1", background=0.5)
    for image, x in zip(images, batch.x, strict=True):
        np.testing.assert_array_equal(x, solve(image, "l1+tv", (0.1, 0.2), data="l1", background=0.5).x)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"data": "L1"}, ValueError, "unknown data term 'L1'; did you mean 'l1'"),
        ({"data": 3}, TypeError, "data must be a name or a DataTerm, got 3"),
        ({"data": "poisson"}, ValueError, "takes counts >= 0, got -"),
        ({"data": "l1", "weight": None}, ValueError, "data='l1' needs a weight"),
        ({"data": "huber", "operator": Blur(KERNEL)}, ValueError, "needs noise_std="),
        ({"background": np.zeros(3)}, ValueError, r"background has shape \(3,\)"),
        ({"background": np.nan}, ValueError, "background has 1 NaN"),
    ],
)
def test_what_does_not_fit_is_named(kwargs, error, message):
    with pytest.raises(error, match=message):
        solve(image_of((12, 13)), "tv", **{"weight": 0.1, **kwargs})


def test_terms_say_what_is_wrong_with_them():
    with pytest.raises(ValueError, match="delta must be finite and > 0, got 0"):
        Huber(0)
    with pytest.raises(ValueError, match="background must be >= 0, got -1"):
        solve(np.ones((4, 4)), "tv", 0.1, data=Poisson(-1.0))
    with pytest.raises(ValueError, match="no noise was found"):
        solve(np.ones((4, 4)), "tv", 0.1, data="huber")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float16, bool])
@pytest.mark.parametrize("name", ["l1", "poisson"])
def test_counts_of_any_dtype_are_taken_as_they_are(name, dtype):
    """No warning that a weight below 1 is in units of the image: here it is not."""
    y = np.random.default_rng(0).poisson(3.0, (12, 13)).clip(0, 1 if dtype is bool else 99)
    result = solve(y.astype(dtype), "tv", 0.3, data=name)
    expected = np.float32 if dtype == np.float16 else np.float64
    assert result.x.dtype == expected
    np.testing.assert_array_equal(result.x, solve(y.astype(expected), "tv", 0.3, data=name).x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_weights_of_single_pixels_are_worked_with(dtype):
    """L1 alone is a formula for every pixel, whatever the others weigh."""
    y, m = np.ones(3, dtype), np.array([1.0, 1e-8, 1e-17], dtype)
    result = solve(y, L1(1e-9), pixel_weight=m)
    np.testing.assert_allclose(result.x, [1.0, 0.9, 0.0], atol=1e-6)
    assert result.success


def test_a_small_weight_may_hold_a_large_outlier():
    """What is nothing is so by what it does to F."""
    y = phantoms.add_noise(phantoms.regions((24, 24)), 0.05).astype(np.float32)
    y[3, 4], m = 1e6, np.ones(y.shape, np.float32)
    m[3, 4] = 5e-8
    result = solve(y, "tv", 0.1, pixel_weight=m, options={"maxiter": 20000})
    expected = solve(y.astype(float), "tv", 0.1, pixel_weight=m.astype(float), method="admm", options={"maxiter": 20000})
    assert result.success
    assert result.fun == pytest.approx(expected.fun, rel=1e-3)


def test_weights_of_many_sizes_end():
    """A Gaussian aperture: from 1 down to 1e-28."""
    v, u = np.mgrid[:48, :48] - 23.5
    m = np.exp(-(u**2 + v**2) / (2 * 3.0**2))
    y = phantoms.add_noise(phantoms.regions((48, 48)), 0.1)
    for dtype in (np.float32, np.float64):
        result = solve(y.astype(dtype), "tv", 0.1, pixel_weight=m.astype(dtype), tol=1e-3)
        assert result.success
        cut = solve(y, "tv", 0.1, pixel_weight=np.where(m < 1e-7, 0, m), method="admm", tol=1e-3)
        assert result.fun <= cut.fun * 1.003 + 0.5 * np.sum(np.where(m < 1e-7, m, 0))


@pytest.mark.parametrize("name", TERMS)
def test_what_an_image_that_is_off_costs_is_bounded_and_near(name, rng):
    """Off in length, in any direction: the bound holds, and for counts is no larger than that of the curvature."""
    y = np.r_[np.zeros(3), rng.poisson(60, 39)].astype(float)
    term = TERMS[name].bind(y, rng.uniform(0.5, 2, y.shape))
    for off in (1e-6, 1e-2, 1.0):
        bound = term.off_by_length(off)
        for _ in range(30):
            e = rng.standard_normal(y.shape)
            e[:3] = np.abs(e[:3])
            z = term.nearest + off / np.linalg.norm(e) * e
            assert term.value(z) <= bound * (1 + 1e-9) + 1e-12
        # of degree two beside counts of some tens; two dark pixels may cost what they are off by
        assert bound <= {"l1": 14 * off}.get(name, off * off if "poisson" not in name else off * off + 4 * off)


def test_a_small_weight_of_counts_is_no_minimum_of_0():
    """Behind a blur in float32: the floor was of degree one in the rounding, four times the least objective."""
    truth = np.full((32, 32), 50.0)
    truth[8:20, 10:24] = 150
    blur = Blur.gaussian(1.0)
    y = blur.forward(truth).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = solve(y, "tv", 3e-7, data="poisson", operator=blur, options={"maxiter": 1500})
    assert result.rel_gap > 0
    s = blur.forward(truth.astype(np.float32).astype(float))
    other = np.sum(s - y + y * np.log(y / s)) + 3e-7 * TotalVariation(1.0).value(truth)
    assert result.fun - result.gap <= other


@pytest.mark.parametrize(("dtype", "faint"), [(np.float64, 1e-20), (np.float32, 1e-10)])
@pytest.mark.parametrize("bounds", [None, (0, None)])
def test_counts_that_weigh_hardly_anything_are_held_in_the_domain(dtype, faint, bounds):
    """Left out of the work they were infinite at 0, for 5000 iterations."""
    y = (np.random.default_rng(0).poisson(5, (16, 16)) + 1).astype(dtype)
    m = np.ones(y.shape)
    m[3:5, 4:7] = faint
    kw = {"data": "poisson", "bounds": bounds, "options": {"maxiter": 300}}
    result = solve(y, "l1", 0.5, pixel_weight=m, **kw)
    assert result.success
    assert result.fun == pytest.approx(solve(y, "l1", 0.5, observed=m == 1, **kw).fun, rel=2e-4)


@pytest.mark.parametrize("method", ["auto", "admm", "chambolle-pock"])
def test_counts_of_zero_are_held_in_the_type_of_the_image(method):
    """-0.3 in float32 is below -0.3, where the divergence is infinite."""
    y = np.where(np.indices((6, 7)).sum(axis=0) % 3, np.float32(0), np.float32(2))
    result = solve(y, "l1", 0.03, data=Poisson(0.3), method=method, options={"maxiter": 200})
    assert result.certified
    assert np.isfinite(result.gap)
    assert (result.x.astype(np.float64) + 0.3 >= 0).all()
    assert (result.x < -0.29).any()
