"""Where Chambolle-Pock starts: from half the size, or at the image."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import L1, TotalVariation, solve
from proxsparse.dual import accelerated
from proxsparse.kernels import strips


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [TotalVariation(1.0), L1(0.1) + TotalVariation(1.0), TotalVariation(1.0, isotropic=False)])
def test_large_weights_start_from_half_the_size(penalty, dtype, monkeypatch):
    """Fewer iterations to the same certified answer, on sides that are odd; a start that is given is kept."""
    y = image_of((301, 263), dtype=dtype)
    arguments = {"tol": 1e-4, "bounds": (-0.3, None)}
    monkeypatch.setattr(strips, "_NUMBERS", 1)
    halved = solve(y, penalty, **arguments)
    assert halved.success
    assert halved.x.tobytes() == solve(y, penalty, options={"workers": 2}, **arguments).x.tobytes()
    again = solve(y, penalty, x0=halved, **arguments)
    assert again.nit == 0
    from_image = solve(y, penalty, x0=halved.x, **arguments)
    monkeypatch.setattr(accelerated, "LARGE", y.size)
    plain = solve(y, penalty, **arguments)
    assert halved.nit < 0.8 * plain.nit
    assert abs(halved.fun - plain.fun) <= halved.gap + plain.gap
    assert np.linalg.norm(halved.x - plain.x) <= halved.x_error_bound + plain.x_error_bound
    assert from_image.nit == solve(y, penalty, x0=halved.x, **arguments).nit


def test_small_weights_start_at_the_image(monkeypatch):
    y = image_of((301, 263))
    found = solve(y, "tv", 0.1)
    monkeypatch.setattr(accelerated, "LARGE", y.size)
    assert found.x.tobytes() == solve(y, "tv", 0.1).x.tobytes()
