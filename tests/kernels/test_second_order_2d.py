"""Second differences in vectors: the same bits however iterations are cut, and those of the formulas."""

import numpy as np
import pytest
from examples import draw
from iterations import by_formulas

from proxsparse import L1, SecondOrderTV, solve
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.penalties import second_order_kernels
from proxsparse.runtime.workers import SERIAL, Workers

EPS = {np.float32: 1.2e-7, np.float64: 2.3e-16}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 3), (3, 40), (40, 3), (9, 15), (6, 16), (7, 17), (33, 64)])
@pytest.mark.parametrize("spacing", [None, (2.0, 1.0), 0.7])
def test_iterations_are_those_of_the_formulas(spacing, shape, dtype, rng, monkeypatch):
    y = draw((1, *shape), dtype, rng)
    penalty = SecondOrderTV(0.3, spacing=spacing)
    for problem in (Denoising(y, [penalty]), Denoising(y, [penalty, L1(0.05)], lo=-0.7, hi=0.8)):
        start = y.copy(), np.zeros(problem.dualised.size, dtype)
        bits = set()
        for depth, pixels in ((8, 1 << 23), (1, 1 << 23), (3, 1)):
            monkeypatch.setattr(second_order_kernels, "_DEPTH", depth)
            monkeypatch.setattr(second_order_kernels, "_PIXELS_PER_CALL", pixels)
            run = problem.fused.begin(start[0], problem.dualised.split(start[1])[0], y, problem.limits)
            steps = Schedule(problem, run.relaxed).next(13, dtype)
            steps[-1, 3] = 1
            run.advance(steps[:6], SERIAL)
            kept = run.save()
            run.advance(steps[6:], SERIAL)
            x, p = run.pair()
            bits.add((x.tobytes(), p.tobytes()))
            run.restore(kept)
            run.advance(steps[6:], SERIAL)
            bits.add(tuple(a.tobytes() for a in run.pair()))
            with Workers(2) as pool:
                sums = run.sums(pool)
            assert run.sums(SERIAL) == sums
        assert len(bits) == 1
        expected = by_formulas(problem, *start, steps)
        np.testing.assert_allclose(x, expected[0], atol=500 * EPS[dtype])
        np.testing.assert_allclose(p.reshape(-1), expected[1], atol=500 * EPS[dtype])
        assert problem.dualised.gauge(p.reshape(-1)) <= 1
        x, p = (a.reshape(s) for a, s in zip((x, p), (y.shape, -1), strict=True))
        for found in (problem.measure_of(sums, lambda p=p: p), problem.measure(x, p)):
            general = problem.measure_by_formulas(x, p)
            assert found.gap == pytest.approx(general.gap, rel=1e-9, abs=1e-12)
            assert (found.fun, found.data, *found.values) == pytest.approx(
                (general.fun, general.data, *general.values), rel=1e-11
            )
        clear = problem.dualised.split(p.copy())[0]
        penalty._clear_unused(clear)
        np.testing.assert_array_equal(clear.reshape(-1), p)


def test_answers_agree_with_those_of_admm(rng):
    y = draw((12, 11), np.float64, rng)
    for penalty in (SecondOrderTV(0.4), SecondOrderTV(0.4, spacing=(2, 1))):
        kernels, general = (
            solve(y, penalty, method=m, tol=1e-6, options={"maxiter": 20000}) for m in ("chambolle-pock", "admm")
        )
        assert kernels.success
        assert abs(kernels.fun - general.fun) <= max(kernels.gap, general.gap)
