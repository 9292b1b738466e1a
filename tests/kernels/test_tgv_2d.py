"""Total generalized variation in vectors: the same as its formulas, however rows and iterations are cut."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import TGV, solve
from proxsparse.kernels import tgv
from proxsparse.penalties import tgv_kernels
from proxsparse.penalties.tgv import _symmetrised_adjoint
from proxsparse.runtime.workers import SERIAL

SHAPES = [(3, 3), (3, 40), (40, 3), (9, 15), (6, 16), (7, 17), (33, 64)]
EPS = {np.float32: 1.2e-7, np.float64: 2.3e-16}


def begun(shape, dtype, weight=0.3):
    y = image_of(shape).astype(dtype)[None]
    lifted = TGV._lift(TGV(weight), y)
    return y, lifted, np.zeros((5, *shape), dtype)


def by_formulas(penalty, y, lifted, dual, steps):
    """The iterations by the penalty's formulas, in float64."""
    cost = penalty._lift_penalty()
    x, p = lifted.astype(float), dual.astype(float)[:, None]
    bar = x.copy()
    for tau, of_field, s1, s2, theta in steps:
        z = np.zeros_like(p)
        cost._analysis(z, bar)
        p[:2] += s1 * z[:2]
        p[2:] += s2 * z[2:]
        cost._project(p)
        kt = np.zeros_like(x)
        cost._add_adjoint(kt, p)
        new = np.concatenate([(x[:1] + tau * (y - kt[:1])) / (1 + tau), x[1:] - of_field * kt[1:]])
        bar = new + theta * (new - x)
        x = new
    return x, p[:, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_iterations_are_those_of_the_formulas(shape, dtype):
    penalty = TGV(0.3, ratio=1.5)
    y, lifted, dual = begun(shape, dtype)
    own = tgv_kernels.steps(penalty, y, lifted, dual, 0.4, 1.0, SERIAL)
    next(own)
    x, p = own.send(7)
    rows, tau = [], 0.4
    share, second = 0.4 * (2 / 1.5) ** 1.5, 3.0 * (1.5 / 2) ** 1.5
    least = 0.0098 * np.std(y.astype(float)) / 0.3
    for _ in range(7):
        sigma = tgv_kernels._sigma(tau, share * tau, second)
        theta = 1 / np.sqrt(1 + 2 * tau) if tau > least else 1.0
        rows.append((tau, share * tau, sigma, second * sigma, theta))
        tau *= theta
    expected = by_formulas(penalty, y, lifted, dual, rows)
    np.testing.assert_allclose(x, expected[0], atol=200 * EPS[dtype])
    np.testing.assert_allclose(p.reshape(5, *shape), expected[1], atol=200 * EPS[dtype])
    # in the balls in fact
    assert np.sqrt(np.square(p.reshape(5, -1)[:2].astype(float)).sum(axis=0)).max() <= 0.3
    assert np.sqrt(np.square(p.reshape(5, -1)[2:].astype(float)).sum(axis=0)).max() <= 0.45


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_do_not_depend_on_how_iterations_are_cut(dtype, monkeypatch):
    found = []
    for depth, pixels in ((8, 1 << 22), (1, 1 << 22), (3, 100)):
        monkeypatch.setattr(tgv_kernels, "_DEPTH", depth)
        monkeypatch.setattr(tgv_kernels, "_PIXELS_PER_CALL", pixels)
        own = tgv_kernels.steps(TGV(0.3), *begun((19, 22), dtype), None, None, SERIAL)
        next(own)
        own.send(5)
        found.append(np.concatenate([part.reshape(-1) for part in own.send(9)]))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_dual_is_drawn_in_and_its_largest_lengths_are_those_of_the_formulas(shape, dtype, rng):
    q = rng.standard_normal((3, 1, *shape)).astype(dtype)
    TGV()._clear_unused(q)
    own, first = tgv.largest(q[:, 0])
    of_map = np.square(_symmetrised_adjoint(q.astype(float))).sum(axis=(0, 1))
    assert own == pytest.approx(np.square(q.astype(float)).sum(axis=(0, 1)).max(), rel=1e-14)
    assert first == pytest.approx(of_map.max(), rel=1e-12)
    drawn = q.copy()
    tgv_kernels.draw_in(drawn[:, 0], dtype(0.5), dtype(1.0))
    assert np.sqrt(tgv.largest(drawn[:, 0])[0]) <= 1 + 8 * EPS[dtype]
    assert np.sqrt(tgv.largest(drawn[:, 0])[1]) < 0.5 + 0.2 * (np.sqrt(first) - 0.5)
    # a dual of its own, and nothing where there is none
    clear = drawn.copy()
    TGV()._clear_unused(clear)
    np.testing.assert_array_equal(clear, drawn)
    inside = (0.1 * q / np.sqrt(first + own)).astype(dtype)
    kept = inside.copy()
    tgv_kernels.draw_in(kept[:, 0], dtype(0.5), dtype(1.0))
    np.testing.assert_allclose(kept, inside, atol=8 * EPS[dtype])


@pytest.mark.parametrize("ratio", [0.1, 0.5, 2.0, 4.0])
@pytest.mark.parametrize("weight", [0.01, 0.1, 1.0])
def test_every_ratio_and_weight_is_certified_within_two_thousand_iterations(ratio, weight):
    y = image_of((40, 37))
    result = solve(y, TGV(weight, ratio=ratio), tol=1e-4, options={"maxiter": 2000})
    assert result.success
    other = solve(y, TGV(weight, ratio=ratio), tol=1e-3, method="admm", options={"maxiter": 2000})
    assert abs(result.fun - other.fun) <= max(result.gap, other.gap)
