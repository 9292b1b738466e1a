"""The three algorithms: agreement, their own steps, starts."""

import numpy as np
import pytest
from examples import PENALTIES, fitted, image_of, loose

from proxsparse import Blur, OverlappingGroupLasso, TotalVariation, solve

METHODS = ["fista", "admm", "chambolle-pock"]


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


every_method = pytest.mark.parametrize("method", METHODS)


def agreements():
    """Each penalty, dtype and operator; deblurring is among the long tests but for the common penalties."""
    for name in PENALTIES:
        for dtype in (np.float32, np.float64):
            for label, operator in (("denoise", None), ("deblur", Blur(KERNEL))):
                common = name in ("tv", "tv-aniso", "windows 2", "l1 + tv", "huber tv", "tree")
                marks = [] if common or operator is None else [pytest.mark.slow]
                if name not in ("l1", "tv of a blur"):
                    yield pytest.param(name, dtype, operator, marks=marks, id=f"{label}-{dtype.__name__}-{name}")


@pytest.mark.parametrize(("name", "dtype", "operator"), list(agreements()))
def test_the_methods_agree_by_steps_of_their_own(name, dtype, operator):
    y = image_of((20, 21), dtype=dtype)
    tol = 1e-4 if dtype == np.float32 else 1e-6
    penalty = fitted(PENALTIES[name], y.shape)
    results = [solve(y, penalty, operator=operator, method=m, tol=tol, options={"maxiter": 50000}) for m in METHODS]
    for a in results:
        assert a.success
        assert a.nit > 1
        assert a.x.dtype == dtype
        for b in results:
            # each is within its gap of the minimum: neither can lie below the other's lower bound
            assert a.fun >= b.fun - b.gap - 1e-12 * b.fun
            if operator is None:
                assert np.linalg.norm((a.x - b.x).astype(float)) <= a.x_error_bound + b.x_error_bound
    # three algorithms, three ways: from one start they do not pass through the same images
    early = [loose(y, penalty, operator=operator, method=m, tol=0, options={"maxiter": 3}) for m in METHODS]
    assert len({r.fun for r in early}) == 3
    assert [r.nit for r in early] == [3, 3, 3]


@every_method
@pytest.mark.parametrize("operator", [None, Blur(KERNEL), Blur(KERNEL, "zero")], ids=["none", "symmetric", "zero"])
@pytest.mark.parametrize("bounds", [None, (0.0, 0.8)])
@pytest.mark.parametrize("name", ["tv", "windows 2", "l1 + tv"])
def test_a_start_from_the_answer_stops_at_once(name, bounds, operator, method):
    """Whichever method found it, whichever goes on."""
    y = image_of((20, 21))
    kw = {"operator": operator, "bounds": bounds, "tol": 1e-5, "options": {"maxiter": 50000}}
    first = solve(y, PENALTIES[name], method=method, **kw)
    assert first.nit > 0
    for other in METHODS:
        again = solve(y, PENALTIES[name], x0=first, method=other, **kw)
        assert again.nit == 0
        assert again.success


@every_method
def test_an_array_to_start_from_changes_the_start_alone(method):
    y = image_of((20, 21))
    plain = solve(y, "tv", 0.2, method=method, tol=1e-6)
    other = solve(y, "tv", 0.2, method=method, tol=1e-6, x0=np.ones_like(y))
    assert np.linalg.norm(plain.x - other.x) <= plain.x_error_bound + other.x_error_bound
    near = plain.x + 0.01
    first = loose(y, "tv", 0.2, x0=near, method=method, options={"maxiter": 0})
    start = 0.5 * np.sum((near - y) ** 2) + TotalVariation(0.2).value(near)
    assert first.history["objective"][0] == pytest.approx(start, rel=1e-12)


def test_a_start_from_another_weight_is_made_feasible():
    y = image_of((20, 21))
    heavy = solve(y, "tv", 0.5)
    light = solve(y, "tv", 0.2, x0=heavy)
    assert light.success
    assert light.fun == pytest.approx(solve(y, "tv", 0.2).fun, rel=2e-4)


@every_method
@pytest.mark.parametrize("maxiter", [0, 1])
def test_few_iterations_behave(method, maxiter):
    y = image_of((20, 21))
    result = loose(y, "tv", 0.2, method=method, options={"maxiter": maxiter})
    assert (result.nit, result.status, result.success) == (maxiter, 1, False)
    assert result.gap > 0
    assert result.fun >= solve(y, "tv", 0.2, tol=1e-6).fun * (1 - 1e-6)


def test_pixel_weights_enter_the_error_bound():
    y = image_of((20, 21))
    m = np.full(y.shape, 2.0)
    m[0] = 0.25
    result = solve(y, "tv", 0.2, pixel_weight=m, tol=1e-3)
    assert result.x_error_bound == pytest.approx(np.sqrt(2 * result.gap / 0.25))


def test_pixel_weights_of_very_different_size_converge():
    y = image_of((20, 21))
    m = np.where(y > 0.3, 1e4, 1.0)
    assert solve(y, "tv", 0.2, pixel_weight=m).success


def test_groups_without_an_operator_converge_in_few_steps():
    result = solve(image_of((64, 64)), OverlappingGroupLasso(0.1))
    assert result.nit <= 60


@pytest.mark.parametrize("operator", [None, Blur(KERNEL)], ids=["none", "symmetric"])
def test_one_penalty_object_may_stand_twice_in_a_sum(operator):
    y = image_of((20, 21))
    windows, tv = OverlappingGroupLasso(0.05, window=2), TotalVariation(0.1)
    twice = solve(y, windows + windows + tv, operator=operator, tol=1e-5)
    once = solve(y, 2 * windows + tv, operator=operator, tol=1e-5)
    assert twice.success
    assert twice.fun == pytest.approx(once.fun, rel=2e-5)
    assert (windows + windows + tv).max_weight(y) <= (windows + tv).max_weight(y) * (1 + 1e-12)
