"""Sweeps of rows that threads share: the same bits however they are cut."""

import math
import threading

import numpy as np
import pytest
from examples import draw

from proxsparse import TotalVariation
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.kernels import planes, strips
from proxsparse.runtime.workers import SERIAL, Workers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["isotropic", "anisotropic", "weighted", "bounded"])
@pytest.mark.parametrize(
    ("shape", "iterations"), [((301, 37), 40), ((2, 5), 7), ((64, 1), 20), ((130, 70), 33), ((40, 300), 9)]
)
def test_the_sweep_does_not_depend_on_how_the_rows_are_cut(shape, iterations, kind, dtype, rng, monkeypatch):
    """Bands, iterations taken together, calls cut short and strips for workers: the same bits."""
    y = draw((1, *shape), dtype, rng)
    weights = rng.uniform(0, 2, shape) if kind == "weighted" else None
    penalty = TotalVariation(0.2, isotropic=kind != "anisotropic", pixel_weight=weights)
    steps = Schedule(Denoising(y, [penalty]), True).next(iterations, dtype)
    limits = (0.02, -1.5, math.inf) if kind in ("anisotropic", "bounded") else (0.0, -math.inf, math.inf)
    fused = penalty.bind(y.shape).fused
    monkeypatch.setattr(strips, "_LEAST", 12)
    monkeypatch.setattr(strips, "_NUMBERS", 1)

    def iterate(workers=1):
        run = fused.begin(y, np.zeros((2, *y.shape), dtype), y, limits)
        with Workers(workers) as pool:
            run.advance(steps, pool)
            sums = run.sums(pool)
        return [a.tobytes() for a in run.pair()], sums

    bits, sums = iterate()
    for workers in (2, 3, 7):
        assert iterate(workers) == (bits, sums)
    for most in (1, 3 * y.size, 40 * y.size):
        with monkeypatch.context() as patch:
            patch.setattr(planes, "_PIXELS_PER_CALL", most)
            assert iterate() == (bits, sums)
    for together in (((0, 1, 3),), ((0, 5, 3),), ((0, 16, 1),)):
        monkeypatch.setattr(planes, "_TOGETHER", together)
        for cache in (0, 1 << 20):
            monkeypatch.setattr(planes, "_CACHE", cache)
            for most in (1, 40 * y.size, 1 << 25):
                monkeypatch.setattr(planes, "_PIXELS_PER_CALL", most)
                for workers in (1, 2, 5):
                    assert iterate(workers) == (bits, sums)


def test_long_runs_on_images_that_fit_no_power_of_two_are_cut_right(rng):
    """More iterations than one call of the kernel takes, bands that do not divide the rows."""
    y = draw((1, 500, 500), np.float32, rng)
    penalty = TotalVariation(0.2)
    steps = Schedule(Denoising(y, [penalty]), True).next(150, np.float32)

    def begin():
        return penalty.bind(y.shape).fused.begin(y, np.zeros((2, *y.shape), np.float32), y, (0.0, -math.inf, math.inf))

    found = []
    for workers in (1, 2):
        with Workers(workers) as pool:
            run = begin()
            run.advance(steps, pool)
        found.append([a.tobytes() for a in run.pair()])
    assert found[0] == found[1]
    run = begin()
    for k in range(150):
        run.advance(steps[k : k + 1], SERIAL)
    assert [a.tobytes() for a in run.pair()] == found[0]


def test_memory_is_used_again_where_nobody_looks_at_it_and_only_there():
    def place(array):
        return array.__array_interface__["data"][0]

    first = planes.allocated(2, 1003, np.dtype(np.float64))
    first[0][:] = 1.0
    second = planes.allocated(2, 1003, np.dtype(np.float64))
    assert not any(np.shares_memory(a, b) for a in first for b in second)
    view, where = first[0][3:5], place(first[0])
    del first
    # one number of it is looked at
    third = planes.allocated(2, 1003, np.dtype(np.float64))
    assert not np.shares_memory(third[0], view)
    assert where not in map(place, third)
    del view
    again = planes.allocated(2, 1003, np.dtype(np.float64))
    assert place(again[0]) == where
    assert not any(plane.any() for plane in again)


def test_threads_do_not_meet_in_memory_that_is_used_again():
    wrong = []

    def work(i):
        for _ in range(200):
            found = planes.allocated(3, 501, np.dtype(np.float32))
            if any(plane.any() for plane in found):
                wrong.append("not 0")
            for plane in found:
                plane[:] = i
            if any((plane != i).any() for plane in found):
                wrong.append("shared")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
