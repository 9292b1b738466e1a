"""Vectors: each operation against NumPy's."""

import numpy as np
import pytest

from proxsparse.kernels import _vectors as v
from proxsparse.kernels._jit import jit


@jit
def _operations(out, a, b):
    n = 64 // a.itemsize
    x, y = v.load(a, 0), v.load(b, 0)
    v.store(out, 0, v.add(x, y))
    v.store(out, n, v.sub(x, y))
    v.store(out, 2 * n, v.mul(x, y))
    v.store(out, 3 * n, v.div(x, y))
    v.store(out, 4 * n, v.largest(x, y))
    v.store(out, 5 * n, v.least(x, y))
    v.store(out, 6 * n, v.vfma(x, y, v.splat(a[0])))
    v.store(out, 7 * n, v.root(v.size(x)))
    v.store(out, 8 * n, v.shifted(x, y))
    v.store(out, 9 * n, v.where_larger(x, y, y, x))
    return v.added_up(v.load_double(a, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operations_are_those_of_numpy(dtype, rng):
    n = 64 // np.dtype(dtype).itemsize
    a, b = rng.standard_normal((2, n + 8)).astype(dtype)
    out = np.zeros((10, n), dtype)
    total = _operations(out.reshape(-1), a, b)
    x, y = a[:n], b[:n]
    with np.errstate(invalid="ignore"):
        wanted = [x + y, x - y, x * y, x / y, np.maximum(x, y), np.minimum(x, y), None, np.sqrt(np.abs(x))]
    wanted += [np.append(x[1:], y[0]), np.minimum(x, y)]
    for row, expected in zip(out, wanted, strict=True):
        if expected is not None:
            np.testing.assert_array_equal(row, expected)
    np.testing.assert_allclose(out[6], x.astype(np.float64) * y + float(x[0]), rtol=2e-6)
    assert total == pytest.approx(a[1:9].sum(dtype=np.float64), rel=1e-14)
