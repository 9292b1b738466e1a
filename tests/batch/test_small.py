"""Small gray images worked together."""

import numpy as np
from examples import image_of

from proxsparse import (
    solve_batch,
)
from proxsparse.batch import images as _batch


def test_small_noisy_images_are_worked_together(monkeypatch):
    """Most of them: one that is certified unusually is solved by itself."""
    alone, solve_one = [], _batch._solve_one
    monkeypatch.setattr(_batch, "_solve_one", lambda *args: alone.append(args) or solve_one(*args))
    rng = np.random.default_rng(0)
    noisy = image_of((28, 28)) + 0.1 * rng.standard_normal((20, 28, 28))
    assert solve_batch(noisy, "tv", 0.1).success.all()
    assert len(alone) < 10
