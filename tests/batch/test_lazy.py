"""Dask arrays of images: answered when asked for, a bad image in its place."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    MCP,
    Downsample,
    OverlappingGroupLasso,
    Reweighted,
    TotalVariation,
    solve_batch,
)


def images(shape, dtype=np.float64, n=7):
    return np.stack([image_of(shape, seed, dtype) * (1 + seed % 3) for seed in range(n)])


def test_dask_arrays_of_integers():
    array = pytest.importorskip("dask.array")
    y = np.random.default_rng(0).integers(0, 200, (3, 12, 13)).astype(np.uint8)
    lazy = solve_batch(array.from_array(y, chunks=(2, 12, 13)), "tv", 20.0, data="huber").compute()
    np.testing.assert_array_equal(lazy.x, solve_batch(y, "tv", 20.0, data="huber").x)


@pytest.mark.parametrize(
    ("penalty", "kwargs"),
    [
        (TotalVariation(0.2), {}),
        (TotalVariation(), {"noise_std": 0.2}),
        (L1() + TotalVariation(), {"weight": "gcv"}),
        (OverlappingGroupLasso(0.1), {"channel_axis": 0, "bounds": (0, 1)}),
        (TotalVariation(0.01), {"operator": Downsample(2), "tol": 1e-2}),
        (MCP(0.2), {}),
        (Reweighted(TotalVariation(0.2)), {"options": {"tau": 0.3}}),
    ],
    ids=str,
)
def test_dask_arrays_are_answered_lazily(penalty, kwargs):
    array = pytest.importorskip("dask.array")
    y = images((3, 12, 14) if "channel_axis" in kwargs else (12, 14), np.float32)
    expected = solve_batch(y, penalty, **kwargs)
    lazy = solve_batch(array.from_array(y, chunks=(3, *(5,) * (y.ndim - 1))), penalty, **kwargs)
    assert isinstance(lazy.x, array.Array)
    assert lazy.x.shape == expected.x.shape
    assert lazy.x.dtype == expected.x.dtype
    assert lazy.gap.shape == (7,)
    for scheduler in ("sync", "threads"):
        np.testing.assert_array_equal(lazy.x[2:4].compute(scheduler=scheduler), expected.x[2:4])
    computed = lazy.compute()
    assert set(computed) == set(expected)
    for name in set(expected) - {"time"}:
        np.testing.assert_array_equal(computed[name], expected[name])
    assert computed.compute() is computed
    assert isinstance(computed.method, list)


def test_a_bad_image_of_a_dask_array_stays_in_its_place():
    array = pytest.importorskip("dask.array")
    y = images((12, 14))
    y[:2] = np.nan
    batch = solve_batch(array.from_array(y, chunks=(2, 12, 14)), "tv", 0.2).compute()
    assert batch.status.tolist() == [-1, -1, 0, 0, 0, 0, 0]
    assert np.isnan(batch.x[:2]).all()
    assert batch.error[1].startswith("ValueError: image has 168 NaN")
    wrong = [({"tol": -1}, "tol"), ({"options": {"tua": 1}}, "did you mean"), ({"bounds": (1, 0)}, "cross")]
    for kwargs, text in [*wrong, ({"data": "nope"}, "data term"), ({"nan_policy": "nope"}, "nan_policy")]:
        with pytest.raises(ValueError, match=text):
            solve_batch(array.from_array(y), "tv", 0.2, **kwargs)
    with pytest.raises(ValueError, match="at least one"):
        solve_batch(array.from_array(y[:0]), "tv", 0.2)
    with pytest.raises(ValueError, match="known shape"):
        solve_batch(array.from_array(y)[array.from_array(y[:, 0, 0]) > 0], "tv", 0.2)
