"""Overlapping windows: their cover, their projections, their fused steps."""

import numpy as np
import pytest
from examples import draw, image_of
from iterations import by_formulas
from oracles import naive

from proxsparse import (
    L1,
    OverlappingGroupLasso,
    solve,
)
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.penalties import windows
from proxsparse.penalties.latent import _Balls
from proxsparse.runtime.workers import SERIAL

EPS = {np.float32: 1.2e-7, np.float64: 2.3e-16}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "window"), [((30, 20), 3), ((6, 9), (6, 2)), ((5, 40), (4, 7)), ((9, 9), (1, 3)), ((12, 5), 5)]
)
@pytest.mark.parametrize("kind", ["l2", "linf", "weights", "latent", "latent linf"])
def test_windows_do_not_depend_on_how_many_iterations_go_together(kind, shape, window, dtype, rng, monkeypatch):
    y = draw((1, *shape), dtype, rng)
    plain = OverlappingGroupLasso(0.3, window=window, norm="linf" if "linf" in kind else "l2")
    penalty = plain
    if kind == "weights":
        a = rng.uniform(0.5, 2, plain._dual_shape(y.shape)[2:])
        penalty = OverlappingGroupLasso(0.3, window=window, group_weight=a)
    if "latent" in kind:
        penalty = _Balls(0.3, inner=plain)
    problem = Denoising(y, [penalty, L1(0.05)], lo=-0.7)
    start = y.copy(), np.zeros(problem.dualised.size, dtype)
    bits = set()
    for depth in (1, 2, 8, 21):
        for most in (1, 1 << 25):
            monkeypatch.setattr(windows, "_DEPTH", depth)
            monkeypatch.setattr(windows, "_NUMBERS_PER_CALL", most)
            run = problem.fused.begin(start[0], problem.dualised.split(start[1])[0], y, problem.limits)
            steps = Schedule(problem, run.relaxed).next(21, dtype)
            run.advance(steps, SERIAL)
            x, p = (a.reshape(-1) for a in run.pair())
            bits.add((x.tobytes(), p.tobytes(), run.sums(SERIAL)))
    assert len(bits) == 1
    x = x.reshape(y.shape)
    np.testing.assert_allclose(x, by_formulas(problem, *start, steps)[0], atol=200 * EPS[dtype], rtol=0)
    if "latent" in kind:
        # whose certificate is that of the image behind it
        return
    own = problem.measure(x, p)
    general = problem.measure_by_formulas(x, p)
    assert own.gap == pytest.approx(general.gap, rel=1e-9, abs=1e-13)
    assert (own.fun, own.data, *own.values) == pytest.approx((general.fun, general.data, *general.values), rel=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "window", "stride"),
    [((6, 7), (3, 3), 1), ((6, 7), (3, 2), (2, 1)), ((9,), 4, 3), ((4, 5, 6), 2, 2), ((7, 5), (1, 5), 1), ((6, 9), 3, 2)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_fused_window_step_equals_the_general_path(channels, shape, window, stride, dtype, rng):
    penalty = OverlappingGroupLasso(0.4, window=window, stride=stride)
    x = draw((channels, *shape), dtype, rng)
    p = np.zeros(penalty._dual_shape(x.shape), dtype)
    penalty._analysis(p, draw(x.shape, dtype, rng))
    q, out, expected = p.copy(), np.zeros_like(x), np.zeros_like(x)
    penalty._dual_step(out, p, x, 0.3)
    super(OverlappingGroupLasso, penalty)._dual_step(expected, q, x, 0.3)
    np.testing.assert_allclose(p, q, atol=10 * EPS[dtype])
    np.testing.assert_allclose(out, expected, atol=50 * EPS[dtype])


@pytest.mark.parametrize(
    ("shape", "window", "stride"),
    [
        ((6, 7), (3, 3), (1, 1)),
        ((6, 7), (3, 2), (2, 1)),
        ((9,), (4,), (3,)),
        ((4, 5, 6), (2, 2, 2), (2, 1, 2)),
        ((10, 8), (4, 4), (2, 2)),
    ],
)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_windows_cover_every_pixel_as_listed(norm, shape, window, stride, rng):
    x = draw(shape, np.float64, rng)
    penalty = OverlappingGroupLasso(1.0, window=window, stride=stride, norm=norm)
    assert penalty.value(x) == pytest.approx(naive.overlap(x, window, stride, norm), rel=1e-13)
    listed = naive.groups(shape, window, stride)
    cover = np.zeros(shape)
    for group in listed:
        for index in group:
            cover[index] += 1
    assert cover.min() >= 1
    np.testing.assert_array_equal(penalty.adjoint(penalty.analysis(np.ones(shape)), shape), cover)
    assert int(np.prod(penalty.analysis(x).shape[1:])) == len(listed)


def test_linf_projection_equals_a_sorting_one(rng):
    """The l1 ball by sorting (Held, Wolfe & Crowder 1974), group by group."""
    penalty = OverlappingGroupLasso(0.7, window=3, norm="linf")
    p = rng.standard_normal((9, 5, 6)) * rng.choice([0.01, 1.0, 100.0], (1, 5, 6))
    projected = penalty.project(p)
    for index in np.ndindex(5, 6):
        v = p[(slice(None), *index)]
        if np.abs(v).sum() > 0.7:
            u = np.sort(np.abs(v))[::-1]
            excess = np.cumsum(u) - 0.7
            k = np.nonzero(u * np.arange(1, 10) > excess)[0][-1]
            v = np.sign(v) * np.maximum(np.abs(v) - excess[k] / (k + 1), 0)
        np.testing.assert_allclose(projected[(slice(None), *index)], v, atol=1e-12)


@pytest.mark.parametrize("window", [1, (1, 1)])
def test_windows_of_one_pixel_are_l1(window):
    y = image_of((6, 7))
    np.testing.assert_allclose(solve(y, OverlappingGroupLasso(0.2, window=window), tol=1e-12).x, solve(y, L1(0.2)).x, atol=1e-6)
