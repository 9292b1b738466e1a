"""Strips of rows shared by workers: the same bits as on the whole."""

import numpy as np
import pytest
from examples import draw, loose

from proxsparse import L1, TGV, OverlappingGroupLasso, SecondOrderTV, TotalVariation
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.kernels import strips
from proxsparse.penalties import tgv_kernels
from proxsparse.penalties.latent import _Balls
from proxsparse.runtime.workers import SERIAL, Workers

W = OverlappingGroupLasso
KINDS = {
    "second order": (SecondOrderTV(0.3), (1, 90, 21)),
    "second order, spacing": (SecondOrderTV(0.3, spacing=(2, 1)), (1, 90, 21)),
    "colour": (TotalVariation(0.2), (3, 90, 21)),
    "colour, apart": (TotalVariation(0.2, isotropic=False), (2, 90, 21)),
    "volume": (TotalVariation(0.2), (1, 90, 5, 6)),
    "windows": (W(0.2), (1, 90, 21)),
    "wide windows": (W(0.2, window=(5, 2)), (1, 121, 21)),
    "windows, linf": (W(0.2, norm="linf"), (1, 90, 21)),
    "windows, weights": (W(0.1, group_weight="sqrt"), (1, 90, 21)),
    "windows of a row": (W(0.2, window=(1, 4)), (1, 90, 21)),
    "nearest point": (_Balls(0.3, inner=W(0.3)), (1, 90, 21)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_workers_change_no_bit(kind, dtype, rng, monkeypatch):
    monkeypatch.setattr(strips, "_REACH", 3)
    monkeypatch.setattr(strips, "_LEAST", 8)
    monkeypatch.setattr(strips, "_NUMBERS", 1)
    penalty, shape = KINDS[kind]
    y = draw(shape, dtype, rng)
    problem = Denoising(y, [penalty, L1(0.05)] if "windows" in kind else [penalty], lo=-0.7)
    found = set()
    for n in (1, 2, 3):
        run = problem.fused.begin(y, problem.dualised.split(problem.no_dual)[0], y, problem.limits)
        schedule = Schedule(problem, run.relaxed)
        with Workers(n) as pool:
            for many in (7, 1, 6):
                run.advance(schedule.next(many, dtype), pool)
            found.add((*(a.tobytes() for a in run.pair()), run.sums(pool)))
    assert len(found) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_workers_change_no_bit_of_generalized_variation(dtype, rng, monkeypatch):
    monkeypatch.setattr(strips, "_REACH", 3)
    monkeypatch.setattr(strips, "_LEAST", 8)
    monkeypatch.setattr(strips, "_NUMBERS", 1)
    y = draw((1, 110, 21), dtype, rng)
    found = set()
    for n in (1, 2):
        with Workers(n) as pool:
            own = tgv_kernels.steps(TGV(0.3), y, TGV(0.3)._lift(y), np.zeros((5, *y.shape[1:]), dtype), None, None, pool)
            next(own)
            own.send(7)
            found.add(tuple(a.tobytes() for a in own.send(5)))
    assert len(found) == 1


@pytest.mark.parametrize("penalty", [W(0.1), SecondOrderTV(0.1), TGV(0.1), W(0.3, kind="latent")], ids=str)
def test_so_do_solves(penalty, rng, monkeypatch):
    """On images that are shared, and on some that are too small for it."""
    monkeypatch.setattr(strips, "_NUMBERS", 1)
    for shape in ((300, 24), (40, 30)):
        y = draw(shape, np.float32, rng)
        # far too few iterations for the tolerance
        one, two = (loose(y, penalty, tol=1e-12, options={"workers": n, "maxiter": 30}) for n in (1, 2))
        assert (one.x.tobytes(), one.nit, one.gap) == (two.x.tobytes(), two.nit, two.gap)


def test_what_is_too_small_is_not_shared(rng):
    class Small:
        rows, size, spread, swept = 30, 1 << 20, 1, 0

        def sweep(self, steps, first, last):
            assert (first, last) == (0, self.rows)
            self.swept += len(steps)

    small = Small()
    with Workers(2) as pool:
        strips.advance(small, np.zeros((20, 5)), pool)
        # many rows of few numbers
        small.rows, small.size = 300, 1 << 16
        strips.advance(small, np.zeros((3, 5)), pool)
    small.size = 1 << 20
    strips.advance(small, np.zeros((4, 5)), SERIAL)
    assert small.swept == 27
