"""Projections onto l1 balls."""

import numpy as np
import pytest

from proxsparse.kernels import balls, windows


def _by_sorting(v, radius):
    """Held, Wolfe & Crowder 1974: the threshold from the sorted magnitudes."""
    sizes = np.sort(np.abs(v))[::-1]
    if sizes.sum() <= radius:
        return v
    if radius == 0:
        return 0 * v
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("radius", [0.0, 1e-6, 0.7])
def test_all_groups_of_a_row_at_once_are_what_each_is_alone(radius, size, dtype, rng):
    p = (size * rng.standard_normal((9, 1, 1, 3, 17))).astype(dtype)
    # ties, zeros and what is inside already
    p[:, 0, 0, 0, :5] = size
    p[4:, 0, 0, 1] = 0
    p[:, 0, 0, 2, :4] = radius / 20
    found = p.copy()
    windows.project_l1(found, radius)
    for index in np.ndindex(3, 17):
        own = (slice(None), 0, 0, *index)
        wanted = _by_sorting(p[own].astype(float), radius)
        np.testing.assert_allclose(found[own], wanted, atol=4 * np.finfo(dtype).eps * max(radius, 1e-3) + 1e-13 * size)
        # the sum of numbers each rounded to the type
        assert np.abs(found[own]).sum(dtype=float) <= radius * (1 + 5 * np.finfo(dtype).eps)


def test_a_small_ball_far_away_is_not_left():
    v = np.array([1e4, 1e4 - 1, -1e4])
    balls.onto_l1_ball(v, 1e-9)
    assert np.abs(v).sum() <= 1e-9 * (1 + 1e-15)
    np.testing.assert_allclose(np.abs(v).sum(), 1e-9)
