"""Sweeps of rows that threads share: the same bits however they are cut."""

import math

import numpy as np
import pytest
from examples import draw

from proxsparse import (
    TotalVariation,
)
from proxsparse.dual.denoising import Denoising
from proxsparse.kernels import row_strips
from proxsparse.runtime.workers import SERIAL, Workers
from proxsparse.solvers import chambolle_pock


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize(
    ("shape", "iterations"), [((301, 37), 40), ((2, 5), 7), ((64, 1), 20), ((130, 70), 33), ((40, 300), 9)]
)
def test_the_sweep_does_not_depend_on_how_the_rows_are_cut(shape, iterations, isotropic, dtype, rng, monkeypatch):
    """Bands, iterations taken together, calls cut short and strips for workers: the same bits."""
    y = draw((1, *shape), dtype, rng)
    penalty = TotalVariation(0.2, isotropic=isotropic)
    steps = chambolle_pock.Schedule(Denoising(y, [penalty]), None, None).next(iterations, dtype)
    limits = (0.02, -1.5, math.inf)
    fused = penalty.bind(y.shape).fused

    def iterate(workers=1):
        x, p = y.copy(), np.zeros((2, *y.shape), dtype)
        xbar = x.copy()
        with Workers(workers) as pool:
            fused.sweep(x, xbar, p, y, limits, steps, pool)
            sums = fused.sums(x, p, y, limits, pool)
        return [a.tobytes() for a in (x, xbar, p)], sums

    bits, sums = iterate()
    for workers in (2, 3, 7):
        assert iterate(workers) == (bits, sums)
    for most in (1, 3 * y.size, 40 * y.size):
        with monkeypatch.context() as patch:
            patch.setattr(row_strips, "_PIXELS_PER_CALL", most)
            assert iterate() == (bits, sums)
    monkeypatch.setattr(row_strips, "_BAND", 3 * shape[1])
    assert iterate()[0] == bits
    monkeypatch.setattr(row_strips, "_LARGE", 0)
    for cache in (0, 5 * (3 + 6) * shape[1] * y.itemsize):
        monkeypatch.setattr(row_strips, "_CACHE", cache)
        for most in (1, 40 * y.size, 1 << 25):
            monkeypatch.setattr(row_strips, "_PIXELS_PER_CALL", most)
            for workers in (1, 2, 5):
                assert iterate(workers)[0] == bits


def test_long_runs_on_images_that_fit_no_power_of_two_are_cut_right(rng):
    """More iterations than one call of the kernel takes, bands that do not divide the rows."""
    y = draw((1, 500, 500), np.float32, rng)
    penalty = TotalVariation(0.2)
    steps = chambolle_pock.Schedule(Denoising(y, [penalty]), None, None).next(150, np.float32)
    limits = (0.0, -math.inf, math.inf)
    found = []
    for workers in (1, 2):
        x, p = y.copy(), np.zeros((2, *y.shape), np.float32)
        with Workers(workers) as pool:
            penalty.bind(x.shape).fused.sweep(x, x.copy(), p, y, limits, steps, pool)
        found.append((x.tobytes(), p.tobytes()))
    assert found[0] == found[1]
    x, xbar, p = y.copy(), y.copy(), np.zeros((2, *y.shape), np.float32)
    for k in range(150):
        penalty.bind(x.shape).fused.sweep(x, xbar, p, y, limits, steps[k : k + 1], SERIAL)
    assert (x.tobytes(), p.tobytes()) == found[0]
