"""Projections onto l1 balls."""

import numpy as np
import pytest

from proxsparse.kernels import balls


def _by_sorting(v, radius):
    """Held, Wolfe & Crowder 1974: the threshold from the sorted magnitudes."""
    sizes = np.sort(np.abs(v))[::-1]
    if sizes.sum() <= radius:
        return v
    levels = (np.cumsum(sizes) - radius) / np.arange(1, v.size + 1)
    cut = levels[np.flatnonzero(sizes > levels)[-1]]
    return np.sign(v) * np.maximum(np.abs(v) - cut, 0)


@pytest.mark.parametrize("radius", [0.1, 1.0, 3.0])
def test_groups_of_any_order_are_projected_each_by_itself(radius, rng):
    groups = rng.integers(0, 7, 40)
    flat = rng.standard_normal((3, 40))
    radii = radius * np.arange(1, 8)
    wanted = flat.copy()
    for g, own in enumerate(radii):
        wanted[:, groups == g] = _by_sorting(flat[:, groups == g].reshape(-1), own).reshape(3, -1)
    order = np.argsort(groups, kind="stable")
    balls.onto_l1_balls(flat, order, np.append(0, np.cumsum(np.bincount(groups, minlength=7))), radii)
    np.testing.assert_allclose(flat, wanted, atol=1e-14)


def test_a_small_ball_far_away_is_not_left():
    v = np.array([1e4, 1e4 - 1, -1e4])
    balls.onto_l1_ball(v, 1e-9)
    assert np.abs(v).sum() <= 1e-9 * (1 + 1e-15)
    np.testing.assert_allclose(np.abs(v).sum(), 1e-9)
