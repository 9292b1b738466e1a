"""Agreement with an independent solver for every penalty and sum, with bounds, weights, a blur and a matrix."""

import itertools

import numpy as np
import pytest
from examples import PENALTIES, image_of
from oracles import clarabel, naive

from proxsparse import Blur, as_operator, solve

SHAPE = (9, 8)


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


SKEW = np.array([[0.0, 0.1, 0.3], [0.1, 0.2, 0.1], [0.2, 0.0, 0.0]])


METHODS = ["fista", "admm", "chambolle-pock"]


def fit(penalty):
    """The penalty as it applies to 2-D images (the 1-D blur of the battery made two-dimensional)."""
    return penalty.inner.of(Blur(KERNEL)) if hasattr(penalty, "operator") else penalty


def check(result, x_star, f_star, objective):
    """Objective within 1e-6 relative, F - F* within the gap, x within its bound; and fun is F(x) in fact."""
    fun = objective(result.x)
    # Clarabel's own accuracy, about 1e-9 relative, is the only slack
    slack = 1e-8 * max(1.0, f_star)
    assert result.success, result.message
    assert fun == pytest.approx(result.fun, rel=1e-9)
    assert fun - f_star <= 1e-6 * f_star + slack
    assert fun - f_star <= result.gap + slack
    assert fun - f_star >= -slack
    if np.isfinite(result.x_error_bound):
        assert np.linalg.norm(result.x - x_star) <= result.x_error_bound + 1e-4  # sqrt of Clarabel's accuracy


def objective_of(y, penalty, matrix=None, m=1.0):
    def objective(x):
        ax = x if matrix is None else (matrix @ x.reshape(-1)).reshape(y.shape)
        return 0.5 * np.sum(m * (ax - y) ** 2) + penalty.value(x)

    return objective


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bounds", [None, (0.0, 0.7)], ids=["free", "bounded"])
@pytest.mark.parametrize("name", PENALTIES)
def test_denoising_agrees(name, bounds, method):
    penalty, y = fit(PENALTIES[name]), image_of(SHAPE)
    x_star, f_star = clarabel.minimise(y, penalty, bounds=bounds)
    result = solve(y, penalty, bounds=bounds, method=method, tol=1e-7, options={"maxiter": 20000})
    check(result, x_star, f_star, objective_of(y, penalty))
    if bounds:
        assert result.x.min() >= 0
        assert result.x.max() <= 0.7


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PENALTIES)
def test_pixel_weights_agree(name, method, rng):
    penalty, y = fit(PENALTIES[name]), image_of(SHAPE)
    m = rng.uniform(0.4, 2.0, SHAPE)
    x_star, f_star = clarabel.minimise(y, penalty, pixel_weight=m)
    result = solve(y, penalty, pixel_weight=m, method=method, tol=1e-7, options={"maxiter": 20000})
    check(result, x_star, f_star, objective_of(y, penalty, m=m))


BLURS = {
    "symmetric": Blur(KERNEL),
    "periodic": Blur(SKEW, "periodic"),
    "zero": Blur(SKEW, "zero"),
    "symmetric, skew": Blur(SKEW),
}


BLURS_TESTED = ("symmetric", "zero")


BOUNDS = (("free", None), ("bounded", (0.0, 0.7)), ("non-negative", (0.0, None)))


def deblurring():
    """Each penalty, blur, bounds and method; the long tests have most of the bounds."""
    every = itertools.product(BLURS_TESTED, BOUNDS, (n for n in PENALTIES if n != "tv of a blur"), METHODS)
    for blur, (bounded, bounds), name, method in every:
        short = bounded == "free" and method != "fista" if blur == "symmetric" else (bounded, method) == ("bounded", "admm")
        marks = [] if short else [pytest.mark.slow]
        yield pytest.param(blur, bounds, name, method, marks=marks, id=f"{blur}-{name}-{bounded}-{method}")


@pytest.mark.parametrize(("blur", "bounds", "name", "method"), list(deblurring()))
def test_deblurring_agrees(name, bounds, method, blur):
    penalty, y = PENALTIES[name], image_of(SHAPE)
    matrix = naive.matrix_of(lambda u: naive.blur(u, BLURS[blur].kernel, BLURS[blur].boundary), SHAPE)
    x_star, f_star = clarabel.minimise(y, penalty, matrix=matrix, bounds=bounds)
    result = solve(y, penalty, operator=BLURS[blur], bounds=bounds, method=method, tol=1e-6, options={"maxiter": 100000})
    check(result, x_star, f_star, objective_of(y, penalty, matrix))


@pytest.mark.parametrize("name", ["l1", "tv", "windows 2", "l1 + tv"])
@pytest.mark.parametrize("method", METHODS)
def test_a_wide_matrix_agrees(name, method, rng):
    """Compressed sensing: fewer numbers than pixels, another shape of y."""
    penalty, shape = PENALTIES[name], (6, 5)
    matrix = rng.standard_normal((20, 30)) / np.sqrt(20)
    y = matrix @ image_of(shape).reshape(-1)
    x_star, f_star = clarabel.minimise(y, penalty, matrix=matrix, shape=shape)
    result = solve(y, penalty, operator=as_operator(matrix, shape, (20,)), method=method, tol=1e-6, options={"maxiter": 100000})
    assert result.x.shape == shape
    check(result, x_star, f_star, objective_of(y, penalty, matrix))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["tv", "tv-aniso", "windows 2", "l1 + tv"])
def test_pixels_of_weight_zero_agree(name, method, rng):
    """Inpainting: a third of the pixels not measured."""
    penalty, y = PENALTIES[name], image_of(SHAPE)
    m = (rng.random(SHAPE) > 0.33).astype(float)
    x_star, f_star = clarabel.minimise(y, penalty, pixel_weight=m)
    result = solve(y, penalty, pixel_weight=m, method=method, tol=1e-6, options={"maxiter": 100000})
    assert result.x_error_bound == np.inf
    check(result, x_star, f_star, objective_of(y, penalty, m=m))
