"""Pixel-by-pixel kernels."""

import numpy as np
import pytest
from examples import draw

from proxsparse import (
    L1,
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 17, 98])
def test_soft_thresholding_names_what_is_not_finite(place, value, dtype, rng):
    v = draw((9, 11), dtype, rng)
    assert np.array_equal(L1(0.3).prox(v), np.sign(v) * np.maximum(np.abs(v) - dtype(0.3), 0))
    v.flat[place] = value
    with pytest.raises(ValueError, match="v has 1 NaN or infinite"):
        L1(0.3).prox(v)
