"""Backgrounds."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    Blur,
    GroupLasso,
    Huber,
    LeastAbsoluteDeviations,
    LeastSquares,
    Poisson,
    phantoms,
    solve,
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


def given(name, shape=SHAPE, dtype=np.float64):
    """An image that the term is for; counts where it is Poisson's."""
    y = image_of(shape)
    return (np.random.default_rng(3).poisson(5 * np.abs(y)) if "poisson" in name else y).astype(dtype)


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
