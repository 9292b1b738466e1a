"""Edges of the family: starts from other problems, extreme units, what was not measured, what cannot be combined."""

import functools

import cvxpy as cp
import numpy as np
import pytest
from examples import image_of, loose
from oracles import naive

import proxsparse
from proxsparse import (
    L1,
    TGV,
    Blur,
    SecondOrderTV,
    TotalVariation,
    phantoms,
    solve,
)
from proxsparse.penalties.base import Penalty


@pytest.mark.parametrize("shape", [(3, 3), (32, 32), (1, 2, 2), (4, 5, 6), (9,)])
def test_tgv_meets_its_tolerance_on_small_images_and_large_weights(shape):
    for weight in (0.1, 2.0):
        assert solve(image_of(shape), TGV(weight)).success


METHODS = ["fista", "admm", "chambolle-pock"]


def symmetrised(u, spacing=1.0):
    """E u by its definition, of fields (axes, *shape): backward differences, and half the sums of the mixed forward ones."""
    spacing = np.broadcast_to(spacing, len(u))
    axes, shape = len(u), u.shape[1:]
    out = []
    for a in range(axes):
        z = np.zeros(shape)
        for i in np.ndindex(shape):
            if 0 < i[a] < shape[a] - 1:
                before = tuple(v - (b == a) for b, v in enumerate(i))
                z[i] = (u[(a, *i)] - u[(a, *before)]) / spacing[a]
        out.append(z)
    for a in range(axes):
        for b in range(a + 1, axes):
            z = np.zeros(shape)
            for i in np.ndindex(shape):
                if i[a] < shape[a] - 1 and i[b] < shape[b] - 1:
                    on_b = tuple(v + (c == b) for c, v in enumerate(i))
                    on_a = tuple(v + (c == a) for c, v in enumerate(i))
                    a_along_b, b_along_a = u[(a, *on_b)] - u[(a, *i)], u[(b, *on_a)] - u[(b, *i)]
                    z[i] = np.sqrt(2) * 0.5 * (a_along_b / spacing[b] + b_along_a / spacing[a])
            out.append(z)
    return np.stack(out)


def expression(x, shape, ratio, spacing=1.0):
    """TGV as a CVXPY expression of the flat x: over a field of its own."""
    n, axes = int(np.prod(shape)), len(shape)
    each = np.broadcast_to(spacing, axes).reshape(-1, *(1,) * axes)
    d = naive.matrix_of(lambda u: naive.differences(u) / each, shape)
    e = naive.matrix_of(functools.partial(symmetrised, spacing=spacing), (axes, *shape))
    u = cp.Variable(n * axes)
    first, second = d @ x - u, e @ u
    rows = [cp.vstack([v[k * n : (k + 1) * n] for k in range(v.shape[0] // n)]) for v in (first, second)]
    return cp.sum(cp.norm(rows[0], 2, axis=0)) + ratio * cp.sum(cp.norm(rows[1], 2, axis=0))


def minimise(y, weight, ratio, spacing=1.0):
    x = cp.Variable(y.size)
    cost = 0.5 * cp.sum_squares(x - y.reshape(-1)) + weight * expression(x, y.shape, ratio, spacing)
    problem = cp.Problem(cp.Minimize(cost))
    problem.solve(solver=cp.CLARABEL)
    return problem.value, x.value.reshape(y.shape)


@pytest.mark.parametrize(
    ("shape", "ratio", "spacing"),
    [
        ((7, 6), 2.0, 1.0),
        ((7, 6), 0.8, 1.0),
        ((12,), 2.0, 1.0),
        ((5, 4), 1.3, (0.6, 1.7)),
        pytest.param((7, 6), 1.3, (0.6, 1.7), marks=pytest.mark.slow),
        pytest.param((3, 4, 4), 1.5, 1.0, marks=pytest.mark.slow),
        pytest.param((3, 4, 4), 2.0, (3.0, 1.0, 0.8), marks=pytest.mark.slow),
    ],
)
def test_value_agrees_with_an_independent_solver_and_is_a_seminorm(shape, ratio, spacing, rng):
    penalty, x, z = TGV(0.7, ratio=ratio, spacing=spacing), rng.standard_normal(shape), rng.standard_normal(shape)
    problem = cp.Problem(cp.Minimize(0.7 * expression(x.reshape(-1), shape, ratio, spacing)))
    problem.solve(solver=cp.CLARABEL)
    value = penalty.value(x)
    assert problem.value * (1 - 1e-7) <= value <= problem.value * (1 + 3e-6)
    assert penalty.value(-x) == pytest.approx(value, rel=3e-6)
    assert penalty.value(2.5 * x) == pytest.approx(2.5 * value, rel=3e-6)
    assert penalty.value(x + z) <= value + penalty.value(z) * (1 + 1e-5)
    # below both of what it is between
    assert value <= 0.7 * min(
        TotalVariation(1.0, spacing=spacing).value(x),
        ratio * SecondOrderTV(1.0, spacing=spacing).value(x) + 10 * TotalVariation(1.0).value(x),
    )


def test_a_ramp_costs_nothing_and_comes_back():
    slope = np.add.outer(np.arange(20.0), -0.5 * np.arange(31.0))
    assert TGV(1.0).value(slope) < 1e-9
    result = solve(slope, TGV(5.0), tol=1e-6, options={"maxiter": 20000})
    assert result.success
    np.testing.assert_allclose(result.x, slope, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bounds", [None, pytest.param((0.0, 0.7), marks=pytest.mark.slow)])
def test_denoising_agrees_with_an_independent_solver(bounds, dtype, method):
    y = image_of((9, 8), dtype=dtype)
    x = cp.Variable(72)
    limits = [] if bounds is None else [x >= bounds[0], x <= bounds[1]]
    cost = 0.5 * cp.sum_squares(x - y.reshape(-1).astype(float)) + 0.2 * expression(x, (9, 8), 2.0)
    problem = cp.Problem(cp.Minimize(cost), limits)
    problem.solve(solver=cp.CLARABEL)
    tol = 1e-4 if dtype == np.float32 else 1e-5
    result = solve(y, TGV(0.2), bounds=bounds, method=method, tol=tol, options={"maxiter": 30000})
    assert result.success
    assert result.x.dtype == dtype
    slack = 1e-6 * problem.value
    assert -slack <= result.fun - problem.value <= result.gap + slack
    assert np.linalg.norm(result.x - x.value.reshape(9, 8)) <= result.x_error_bound + 1e-3
    # the dual certifies by itself: both of its bounds hold
    q = result.dual[0]
    assert TGV(1.0).dual_norm(q) <= 0.2
    assert q.shape == TGV(1.0).analysis(y).shape
    if bounds is None:
        lower = 0.5 * np.sum(y.astype(float) ** 2) - 0.5 * np.sum((y - TGV(1.0).adjoint(q.astype(float), y.shape)) ** 2)
        assert result.fun - lower <= result.gap * (1 + 1e-4) + 1e-6


@pytest.mark.parametrize(
    "kw", [{"operator": Blur(np.ones((3, 3)) / 9)}, {"observed": True}, {"data": "l1"}, {"pixel_weight": 2.0}]
)
def test_it_goes_with_operators_masks_weights_and_data_terms(kw):
    y = image_of((16, 15))
    if "observed" in kw:
        kw = {"observed": np.random.default_rng(0).random(y.shape) < 0.7}
    if "pixel_weight" in kw:
        kw = {"pixel_weight": np.linspace(0.5, 2, 240).reshape(16, 15)}
    result = solve(y, TGV(0.1), tol=1e-3, options={"maxiter": 20000}, **kw)
    assert result.certified
    assert result.success
    assert np.isfinite(result.x_error_bound) == ("pixel_weight" in kw)


def test_sums_starts_channels_and_batches():
    y = image_of((12, 13))
    both = solve(y, TGV(0.1) + L1(0.05), tol=1e-4, options={"maxiter": 20000})
    assert both.success
    assert sum(both.terms.values()) == pytest.approx(both.fun)
    assert set(both.terms) == {"data", "TGV", "L1"}
    colour = image_of((12, 13, 3))
    result = solve(colour, TGV(0.2), channel_axis=-1, tol=1e-3, options={"maxiter": 20000})
    assert result.success
    assert result.x.shape == colour.shape
    moved = solve(np.moveaxis(colour, -1, 0), TGV(0.2), channel_axis=0, tol=1e-3, options={"maxiter": 20000})
    np.testing.assert_array_equal(np.moveaxis(moved.x, 0, -1), result.x)
    volume = solve(image_of((6, 7, 8)), TGV(0.2), tol=1e-3, options={"maxiter": 20000})
    assert volume.success
    batch = proxsparse.solve_batch(y[None], "tgv", 0.1, tol=1e-3)
    np.testing.assert_array_equal(batch.x[0], solve(y, "tgv", 0.1, tol=1e-3).x)
    with pytest.raises(ValueError, match="a sum takes one penalty that is a minimisation of its own"):
        solve(y, TGV(0.1) + TGV(0.2))
    with pytest.raises(ValueError, match="ratio must be > 0, got 0"):
        TGV(1.0, ratio=0)


@pytest.mark.parametrize("method", ["chambolle-pock", *(pytest.param(m, marks=pytest.mark.slow) for m in ("fista", "admm"))])
def test_spacing_agrees_with_an_independent_solver(method):
    y, spacing = image_of((7, 6)), (1.6, 0.7)
    best, x = minimise(y, 0.2, 2.0, spacing)
    result = solve(y, "tgv", 0.2, spacing=spacing, method=method, tol=1e-5, options={"maxiter": 30000})
    assert result.success
    assert -1e-6 * best <= result.fun - best <= result.gap + 1e-6 * best
    assert np.linalg.norm(result.x - x) <= result.x_error_bound + 1e-3
    assert TGV(1.0, spacing=spacing).dual_norm(result.dual[0]) <= 0.2
    slope = np.add.outer(np.arange(20.0), -0.5 * np.arange(31.0))
    assert TGV(1.0, spacing=spacing).value(slope) < 1e-9
    # positional as before
    assert TGV(0.3, 1.5) == TGV(0.3, ratio=1.5)


def test_prox_has_a_certificate_and_the_weight_is_found():
    y = image_of((9, 8))
    found = TGV(0.3).prox(y, 0.5, full_output=True)
    assert found.rel_gap <= 1e-4
    best, x = minimise(y, 0.15, 2.0)
    assert found.fun - best <= found.gap + 1e-6
    assert np.linalg.norm(found.x - x) <= np.sqrt(2 * found.gap) + 1e-3
    np.testing.assert_array_equal(TGV(0.3).prox(y, 0.0), y)
    v, u = np.mgrid[0:48, 0:48] / 48
    truth = np.minimum(u + 0.3 * v, 1.1 - u) + 0.5 * ((u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.06)
    noisy = phantoms.add_noise(truth, 0.1)
    chosen = {name: solve(noisy, name, tol=1e-3) for name in ("tv", "tgv")}
    assert chosen["tgv"].weight_rule == "sure"
    mse = {name: proxsparse.metrics.mse(truth, r.x) for name, r in chosen.items()}
    # slopes with an edge: no stairs
    assert mse["tgv"] < 0.8 * mse["tv"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 3), (4, 9), (17, 5), (40, 41)])
def test_the_fused_step_equals_the_general_path(shape, dtype, rng):
    cost = TGV(0.3, ratio=1.7)._lift_penalty()
    x = rng.standard_normal((3, *shape)).astype(dtype)
    duals, outs = ([np.zeros((5, 1, *shape), dtype) for _ in range(2)], [np.ones_like(x) for _ in range(2)])
    for _ in range(5):
        cost._dual_step(outs[0], duals[0], x, 0.1)
        Penalty._dual_step(cost, outs[1], duals[1], x, 0.1)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(duals[0], duals[1], atol=50 * eps, rtol=0)
        np.testing.assert_allclose(outs[0], outs[1], atol=500 * eps, rtol=0)
        assert cost._dual_norm(duals[0]) <= 0.3
    assert np.abs(duals[0]).max() > 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("ratio", [1e7, 1e18])
def test_under_a_ratio_beyond_size_no_image_is_its_own_answer(ratio, dtype):
    """What rounding may make of a cost of 0 grows with the ratio, but not beyond what the image costs."""
    y = image_of((20, 21), dtype=dtype)
    result = loose(y, TGV(0.3, ratio=ratio), options={"maxiter": 200})
    assert result.rel_gap == pytest.approx(result.gap / result.fun)
    assert result.success == (result.rel_gap <= 1e-4)
    assert not np.array_equal(result.x, y)


def test_a_dual_beyond_squares_is_projected_to_numbers():
    for dtype, size in ((np.float32, 1e25), (np.float64, 1e160)):
        p = (size * np.random.default_rng(0).standard_normal((3, 8, 8))).astype(dtype)
        q = TGV(1.0).project(p)
        assert np.isfinite(q).all()
        assert TGV(1.0).dual_norm(q) <= 1
