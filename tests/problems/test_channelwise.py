"""Operators on each channel or on all at once."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    Blur,
    OverlappingGroupLasso,
    TotalVariation,
    as_operator,
    solve,
)

KERNELS = {
    "odd": np.array([[0.0, 0.1, 0.3], [0.1, 0.2, 0.1], [0.2, 0.0, 0.0]]),
    "even": np.array([[0.3, 0.2], [0.4, 0.1]]),
    "mixed": np.array([[0.1, 0.2, 0.3, 0.15]]),
    "even in each axis": np.outer([1.0, 2.0, 1.0], [1.0, 3.0, 5.0, 3.0, 1.0]) / 52,
    "negative": np.array([[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]),
    "as large as the image": np.arange(42.0).reshape(6, 7),
}


def test_an_operator_may_take_the_channels_all_at_once():
    """Two channels measured by their sum alone: the operator's input has a channel axis, its output has none."""
    matrix = np.tile(np.eye(12), 2)
    mix = as_operator(matrix, (2, 4, 3), (4, 3))
    y = image_of((4, 3))
    result = solve(y, "tv", 0.05, operator=mix, channel_axis=0, options={"maxiter": 20000})
    assert result.x.shape == (2, 4, 3)
    assert result.success
    assert result.fun == pytest.approx(
        0.5 * np.sum((result.x.sum(axis=0) - y) ** 2) + TotalVariation(0.05).value(result.x, channel_axis=0)
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_such_an_operator_takes_masks_without_channels(axis, rng):
    """Where its images have the channels too, of as many rows and columns as channels."""
    shape = (4, 4, 4)
    operator = as_operator(np.eye(64) + 0.1 * rng.standard_normal((64, 64)), shape, shape)
    y, seen = rng.random(shape), rng.random((4, 4)) < 0.7
    weights = rng.uniform(0.5, 2.0, (4, 4))
    kw = {"operator": operator, "channel_axis": axis, "tol": 1e-3}
    wide = [np.broadcast_to(np.expand_dims(array, axis), shape) for array in (seen, weights)]
    found = solve(y, "tv", 0.05, observed=seen, pixel_weight=weights, **kw)
    same = solve(y, "tv", 0.05, observed=wide[0], pixel_weight=wide[1], **kw)
    np.testing.assert_array_equal(found.x, same.x)


def test_a_negative_channel_axis_counts_in_the_image_and_in_the_answer():
    matrix = np.random.default_rng(0).standard_normal((20, 30)) / 5
    op, y = as_operator(matrix, (6, 5), (20,)), np.random.default_rng(1).standard_normal((20, 3))
    result = solve(y, "tv", 0.3, operator=op, channel_axis=-1, tol=1e-3)
    assert result.x.shape == (6, 5, 3)
    assert result.success
    measured = as_operator(matrix, (6, 5), (20,))
    colour = solve(image_of((6, 5, 3)), OverlappingGroupLasso(0.1, window=2) + L1(0.1).of(measured), channel_axis=2)
    assert colour.success
    assert [d.shape for d in colour.dual] == [(4, 5, 4, 3), (20, 3)]
    assert (
        solve(image_of((6, 5, 3)), OverlappingGroupLasso(0.1, window=2) + L1(0.1).of(measured), channel_axis=2, x0=colour).nit
        == 0
    )


def test_pixel_weights_with_an_operator_live_where_the_image_lives():
    """Another shape than x: weight 2 is the same as the measurement twice."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((10, 12))
    y = rng.standard_normal(10)
    m = np.where(np.arange(10) < 4, 2.0, 1.0)
    doubled = as_operator(np.vstack([matrix, matrix[:4]]), (4, 3), (14,))
    once = solve(
        y, "tv", 0.3, operator=as_operator(matrix, (4, 3), (10,)), pixel_weight=m, tol=1e-7, options={"maxiter": 50000}
    )
    twice = solve(np.concatenate([y, y[:4]]), "tv", 0.3, operator=doubled, tol=1e-7, options={"maxiter": 50000})
    assert once.fun == pytest.approx(twice.fun, rel=1e-6)


def test_float32_stays_through_an_operator():
    y = image_of((16, 17), dtype=np.float32)
    for operator in (Blur(KERNELS["odd"]), np.eye(272)):
        result = solve(y, "tv", 0.05, operator=operator, tol=1e-3)
        assert result.x.dtype == np.float32
        assert result.dual[0].dtype == np.float32
        assert result.success
