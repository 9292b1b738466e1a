"""Colours and volumes under total variation: the same bits however iterations are cut, and those of the formulas."""

import numpy as np
import pytest
from examples import draw
from iterations import by_formulas

from proxsparse import L1, TotalVariation, solve
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.dual.term import InPlace
from proxsparse.kernels import units
from proxsparse.penalties.variation_kernels import OnPlanes, OnUnits
from proxsparse.runtime.workers import SERIAL, Workers

EPS = {np.float32: 1.2e-7, np.float64: 2.3e-16}
SHAPES = [
    (3, 6, 7),
    (2, 1, 9),
    (3, 9, 1),
    (4, 5, 33),
    (1, 4, 5, 6),
    (2, 3, 4, 16),
    (1, 1, 5, 6),
    (1, 5, 1, 17),
    (1, 3, 17, 1),
    (2, 9),
    # wider than what lies between two arrays
    (1, 3, 4, 1000),
    (2, 3, 1100),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", [{}, {"isotropic": False}, {"coupled": False}])
def test_iterations_are_those_of_the_formulas(kind, shape, dtype, rng, monkeypatch):
    y = draw(shape, dtype, rng)
    penalty = TotalVariation(0.3, **kind)
    for problem in (Denoising(y, [penalty]), Denoising(y, [penalty, L1(0.05)], lo=-0.7, hi=0.8)):
        start = y.copy(), np.zeros(problem.dualised.size, dtype)
        if problem.fused is None:
            continue
        bits = set()
        for depth, pixels in ((8, 1 << 23), (1, 1 << 23), (3, 1)):
            monkeypatch.setattr(units, "_DEPTH", depth)
            monkeypatch.setattr(units, "_PIXELS_PER_CALL", pixels)
            run = problem.fused.begin(start[0], problem.dualised.split(start[1])[0], y, problem.limits)
            if not isinstance(run, OnUnits):
                # gray images, all of whose channels are by themselves, have planes; signals are exact
                is_signal = sum(n > 1 for n in shape[1:]) <= 1
                assert isinstance(run, InPlace if is_signal else OnPlanes)
                assert shape[0] == 1 or not kind.get("coupled", True) or not kind.get("isotropic", True)
                return
            steps = Schedule(problem, True).next(13, dtype)
            steps[-1, 3] = 1
            run.advance(steps[:6], SERIAL)
            kept = run.save()
            run.advance(steps[6:], SERIAL)
            x, p = run.pair()
            bits.add((x.tobytes(), p.tobytes()))
            run.restore(kept)
            with Workers(2) as pool:
                run.advance(steps[6:], pool)
            bits.add(tuple(a.tobytes() for a in run.pair()))
            with Workers(2) as pool:
                sums = run.sums(pool)
            assert run.sums(SERIAL) == sums
        assert len(bits) == 1
        expected = by_formulas(problem, *start, steps)
        np.testing.assert_allclose(x, expected[0], atol=300 * EPS[dtype])
        np.testing.assert_allclose(p.reshape(-1), expected[1], atol=300 * EPS[dtype])
        x, p = (a.reshape(s) for a, s in zip((x, p), (y.shape, -1), strict=True))
        for found in (problem.measure_of(sums, lambda p=p: p), problem.measure(x, p)):
            general = problem.measure_by_formulas(x, p)
            assert found.gap == pytest.approx(general.gap, rel=1e-9, abs=1e-12)
            assert (found.fun, found.data, *found.values) == pytest.approx(
                (general.fun, general.data, *general.values), rel=1e-11
            )
        # feasible in fact, and 0 where there is no difference
        assert problem.dualised.gauge(p.reshape(-1)) <= 1
        clear = problem.dualised.split(p.copy())[0]
        penalty._clear_unused(clear)
        np.testing.assert_array_equal(clear.reshape(-1), p)


def test_colours_and_volumes_go_by_them():
    colour, volume = (np.zeros(shape) for shape in ((3, 5, 6), (1, 4, 5, 6)))
    for y in (colour, volume):
        problem = Denoising(y, [TotalVariation(0.1)])
        run = problem.fused.begin(y, problem.dualised.split(problem.no_dual)[0], y, problem.limits)
        assert isinstance(run, OnUnits)


@pytest.mark.parametrize("call", [{"channel_axis": 0}, {"ndim": 3}])
def test_answers_agree_with_those_of_admm(call, rng):
    y = draw((3, 9, 10), np.float64, rng)
    kernels, general = (
        solve(y, "tv", 0.4, method=m, tol=1e-8, options={"maxiter": 20000}, **call) for m in ("chambolle-pock", "admm")
    )
    assert kernels.success
    assert abs(kernels.fun - general.fun) <= max(kernels.gap, general.gap)
    dual = solve(y, "tv", 0.4, tol=1e-6, x0=kernels, **call)
    assert dual.nit == 0
