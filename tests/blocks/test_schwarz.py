"""Sweeps over blocks: the dual value never falls, the optimum is left as it is, a cluster changes no bit."""

import math
import os
import signal
import tracemalloc

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    GroupLasso,
    OverlappingGroupLasso,
    TotalVariation,
    solve,
    solve_blocks,
)
from proxsparse.blocks import schwarz as blocks
from proxsparse.blocks.partition import Cut, Part
from proxsparse.blocks.store import Image
from proxsparse.dual.denoising import Denoising

SHAPE = (45, 38)


A = np.linspace(0.0, 2.0, 45 * 38).reshape(SHAPE)


PENALTIES = {
    "tv": TotalVariation(0.2),
    "tv-aniso": TotalVariation(0.15, isotropic=False),
    "tv, spacing": TotalVariation(0.2, spacing=(0.5, 2.0)),
    "tv, weights": TotalVariation(0.2, pixel_weight=A),
    "tv, directions": TotalVariation(0.2, pixel_weight=np.stack([A, A[::-1]])),
    "huber": TotalVariation(0.2, huber=0.3),
    "l1": L1(0.1),
    "l1, weights": L1(0.1, pixel_weight=A),
    "windows": OverlappingGroupLasso(0.1, window=3),
    "windows, linf": OverlappingGroupLasso(0.1, window=2, norm="linf"),
    "windows, stride": OverlappingGroupLasso(0.2, window=(4, 3), stride=(3, 2)),
    "blocks": GroupLasso(0.4, block=(2, 3)),
    "l1 + tv": L1(0.05) + TotalVariation(0.15),
    "l1 + tv + windows": L1(0.03) + TotalVariation(0.1) + OverlappingGroupLasso(0.05, window=3),
    "two windows": OverlappingGroupLasso(0.05, window=3, stride=2) + OverlappingGroupLasso(0.05, window=5, stride=2),
}


@pytest.mark.parametrize("name", ["tv", "tv-aniso", "huber", "windows", "windows, stride", "l1 + tv + windows"])
def test_the_dual_value_never_falls(name, monkeypatch):
    y, penalty, values = image_of(SHAPE), PENALTIES[name], []
    problem = Denoising(y[None], [part.bind((1, *y.shape)).partition.penalty for part in penalty.parts])
    take = blocks.Blocks._take

    def taking(work, region, found):
        take(work, region, found)
        p = problem.dualised.join(work.dual, y.dtype)
        values.append(problem.dual_value(problem.dualised.adjoint(p)) - problem.dualised.conjugate(p))

    monkeypatch.setattr(blocks.Blocks, "_take", taking)
    result = solve_blocks(y, penalty, tol=1e-8, block=16, halo=6)
    assert len(values) >= 9 * result.nit
    # float64 adds up some 2000 terms of size one
    assert np.diff(values).min() >= -1e-12
    assert values[-1] == pytest.approx(result.fun - result.gap, rel=1e-8)


@pytest.mark.parametrize(
    "name", ["tv", "tv-aniso", "windows, stride", pytest.param("l1 + tv + windows", marks=pytest.mark.slow)]
)
def test_the_optimum_is_left_as_it_is(name, tmp_path):
    """The dual of the whole image, by `solve`, cut in blocks: a sweep changes no bit of it."""
    y, penalty = image_of(SHAPE), PENALTIES[name]
    exact = solve(y, penalty, tol=1e-11, options={"maxiter": 100000})
    duals = [dual for part, dual in zip(penalty.parts, exact.dual, strict=True) if not isinstance(part, L1)]
    np.save(tmp_path / "x.npy", exact.x)
    for i, dual in enumerate(duals):
        np.save(tmp_path / f"dual-{i}.npy", dual[:, None])
    parts = [Part(part.bind((1, *SHAPE)).partition, (1, *SHAPE)) for part in penalty.parts]
    cut = Cut(parts, (1, *SHAPE), 16, 6)
    image = Image(y, None)
    with blocks.Workers(1) as pool:
        work = blocks.Blocks(image, parts, cut, (None, None), None, tmp_path, None, pool)
        work.prepare()
        before = [array.copy() for array in (work.x.array, *work.dual)]
        work.sweep(1e-9 * exact.fun)
        assert not work.moved
        fun, gap = work.measure()
        for array, old in zip((work.x.array, *work.dual), before, strict=True):
            np.testing.assert_array_equal(array, old)
        assert fun == pytest.approx(exact.fun, rel=1e-12)
        assert gap == pytest.approx(exact.gap, rel=1e-3, abs=1e-13)
        # and where blocks are worked all the same, nothing is lost
        work.sweep(0.0)
        after, left = work.measure()
    assert after - left >= fun - gap - 1e-12 * fun
    np.testing.assert_allclose(work.x.array, before[0], atol=2 * math.sqrt(2 * exact.gap))


def test_a_region_takes_no_memory_of_the_image():
    penalty, shape = TotalVariation(0.1, huber=0.1), (1, 4000, 4000)
    part = Part(penalty.bind(shape).partition, shape)
    tracemalloc.start()
    part.on((slice(0, 64), slice(64, 128)))
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_a_cluster_changes_no_bit_and_may_lose_a_worker(cluster, monkeypatch):
    y = image_of((120, 100), dtype=np.float32)
    expected = solve_blocks(y, "tv", 0.3, block=32, halo=6, tol=1e-5)
    result = solve_blocks(y, "tv", 0.3, block=32, halo=6, tol=1e-5, client=cluster)
    np.testing.assert_array_equal(result.x, expected.x)
    assert result.gap == expected.gap
    pids = cluster.run(os.getpid)
    take, taken = blocks.Blocks._take, []

    def taking(work, region, found):
        take(work, region, found)
        taken.append(region)
        if len(taken) == 2:
            os.kill(next(iter(pids.values())), signal.SIGKILL)

    monkeypatch.setattr(blocks.Blocks, "_take", taking)
    result = solve_blocks(y, "tv", 0.3, block=32, halo=6, tol=1e-5, client=cluster)
    assert set(cluster.run(os.getpid).values()) != set(pids.values())
    np.testing.assert_array_equal(result.x, expected.x)
    assert result.gap == expected.gap
