"""Every data term: identities, agreement with an independent solver, masks and weights."""

import itertools

import numpy as np
import pytest
from examples import image_of
from oracles import clarabel, naive

from proxsparse import (
    L1,
    L2,
    Blur,
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
    _, best = clarabel.minimise(y, p, matrix=matrix, bounds=bounds, data=TERMS[name])
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
    _, best = clarabel.minimise(y, TotalVariation(0.2), pixel_weight=seen.astype(float), data=TERMS[name])
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


def test_batches_take_data_terms_and_backgrounds():
    images = np.stack([image_of((12, 13), seed) for seed in range(3)])
    batch = solve_batch(images, "l1+tv", (0.1, 0.2), data="l1", background=0.5)
    for image, x in zip(images, batch.x, strict=True):
        np.testing.assert_array_equal(x, solve(image, "l1+tv", (0.1, 0.2), data="l1", background=0.5).x)


def test_terms_say_what_is_wrong_with_them():
    with pytest.raises(ValueError, match="delta must be finite and > 0, got 0"):
        Huber(0)
    with pytest.raises(ValueError, match="background must be >= 0, got -1"):
        solve(np.ones((4, 4)), "tv", 0.1, data=Poisson(-1.0))
    with pytest.raises(ValueError, match="no noise was found"):
        solve(np.ones((4, 4)), "tv", 0.1, data="huber")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_weights_of_single_pixels_are_worked_with(dtype):
    """L1 alone is a formula for every pixel, whatever the others weigh."""
    y, m = np.ones(3, dtype), np.array([1.0, 1e-8, 1e-17], dtype)
    result = solve(y, L1(1e-9), pixel_weight=m)
    np.testing.assert_allclose(result.x, [1.0, 0.9, 0.0], atol=1e-6)
    assert result.success


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
