"""Small gray images worked together."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import TotalVariation, solve, solve_batch
from proxsparse.batch import images as batch_images
from proxsparse.dual import whole_runs


@pytest.mark.parametrize("bounds", [None, (0.0, 0.7)])
@pytest.mark.parametrize("isotropic", [True, False])
def test_noisy_images_are_worked_together(isotropic, bounds, monkeypatch):
    """None is solved by itself; each is what a single call gives."""
    noisy = image_of((28, 28)) + 0.1 * np.random.default_rng(0).standard_normal((20, 28, 28))
    penalty = TotalVariation(0.1, isotropic=isotropic)
    single = [solve(y, penalty, bounds=bounds) for y in noisy]
    monkeypatch.setattr(batch_images, "_solve_one", None)
    # as many as the kernel is compiled for
    monkeypatch.setattr(whole_runs, "PATIENCE", 20)
    monkeypatch.setattr(whole_runs, "_LEFT", {})
    found = solve_batch(noisy, penalty, bounds=bounds)
    assert found.success.all()
    for i, one in enumerate(single):
        assert (found.x[i].tobytes(), found.gap[i], found.nit[i]) == (one.x.tobytes(), one.gap, one.nit)
