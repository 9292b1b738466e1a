"""Sums of images."""

import numpy as np
import pytest

from proxsparse.kernels.moments import moments


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, 8, 4096, 10007])
@pytest.mark.parametrize("level", [0.0, 1e4])
def test_sums_are_right_far_from_zero(n, level, dtype, rng):
    v = (level + rng.standard_normal(n)).astype(dtype)
    first, total, squares = moments(v)
    assert first == v[0]
    off = v.astype(np.longdouble) - v[0]
    np.testing.assert_allclose([total, squares], [off.sum(), (off * off).sum()], rtol=1e-12, atol=1e-9)
