"""Channel axes: every array that goes with the image is laid out as the image is, whatever the shapes."""

import itertools

import numpy as np
import pytest

from proxsparse import L1, Blur, OverlappingGroupLasso, Poisson, TotalVariation, as_operator, solve

#: shapes that are the same in the user's layout and in the solver's, and the axis of the channels
EQUAL = [
    ((3, 3, 3), 0),
    ((3, 3, 3), 1),
    ((3, 3, 3), 2),
    ((3, 3, 3), -1),
    ((2, 2, 5), 1),
    ((4, 4), 1),
    ((4, 4), 0),
    ((2, 2, 2, 2), 3),
]


def soft(y, t):
    return np.sign(y) * np.maximum(np.abs(y) - t, 0)


@pytest.mark.parametrize(("shape", "axis"), EQUAL)
def test_pixel_weights_are_of_their_pixels(shape, axis, rng):
    y, m = rng.standard_normal(shape), rng.uniform(0.5, 3.0, shape)
    np.testing.assert_allclose(solve(y, L1(0.5), pixel_weight=m, channel_axis=axis).x, soft(y, 0.5 / m), atol=1e-12)


@pytest.mark.parametrize(("shape", "axis"), EQUAL)
def test_what_was_not_measured_is_where_it_was_said(shape, axis, rng):
    y = rng.standard_normal(shape)
    for hole in itertools.product((0, 1), repeat=len(shape)):
        seen = np.ones(shape, bool)
        seen[hole] = False
        expected = np.where(seen, soft(y, 0.5), 0)
        np.testing.assert_allclose(solve(y, L1(0.5), observed=seen, channel_axis=axis).x, expected, atol=1e-12)
        with_nan = np.where(seen, y, np.nan)
        np.testing.assert_allclose(solve(with_nan, L1(0.5), nan_policy="omit", channel_axis=axis).x, expected, atol=1e-12)


@pytest.mark.parametrize(("shape", "axis"), EQUAL)
@pytest.mark.parametrize("name", ["pixel_weight", "observed", "bounds", "background", "poisson background"])
def test_the_place_of_the_channels_makes_no_difference(name, shape, axis, rng):
    """The same problem with the channels moved to the front has the same answer, moved."""
    y, extra = 5 + rng.poisson(5.0, shape).astype(float), rng.uniform(0.5, 3.0, shape)
    about = {
        "pixel_weight": lambda a: {"pixel_weight": a},
        "observed": lambda a: {"observed": a > 1},
        "bounds": lambda a: {"bounds": (a, 8 + a)},
        "background": lambda a: {"background": a},
        "poisson background": lambda a: {"data": Poisson(a), "bounds": (0, None)},
    }[name]
    kw = {"tol": 1e-5, "options": {"maxiter": 20000}}
    there = solve(y, TotalVariation(0.3), channel_axis=axis, **about(extra), **kw)
    front = solve(np.moveaxis(y, axis, 0), TotalVariation(0.3), channel_axis=0, **about(np.moveaxis(extra, axis, 0)), **kw)
    np.testing.assert_array_equal(np.moveaxis(there.x, axis, 0), front.x)
    assert there.fun == front.fun


def test_weights_go_with_an_operator_on_each_channel(rng):
    y, m = rng.standard_normal((3, 3, 3)), rng.uniform(0.5, 3.0, (3, 3, 3))
    kw = {"operator": Blur([[1.0]]), "tol": 1e-8, "bounds": (-9, 9)}
    for axis in range(3):
        np.testing.assert_allclose(solve(y, L1(0.5), pixel_weight=m, channel_axis=axis, **kw).x, soft(y, 0.5 / m), atol=1e-3)


def test_weights_go_with_an_operator_on_all_channels(rng):
    y, m = rng.standard_normal((3, 3, 3)), rng.uniform(0.5, 3.0, (3, 3, 3))
    operator = as_operator(np.eye(27), (3, 3, 3), (3, 3, 3))
    for axis in range(3):
        found = solve(y, L1(0.5), pixel_weight=m, channel_axis=axis, operator=operator, tol=1e-8, bounds=(-9, 9))
        np.testing.assert_allclose(found.x, soft(y, 0.5 / m), atol=1e-3)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("groups", ["pairs", [list(range(12)), list(range(8, 24))]])
def test_duals_of_lists_go_round(groups, axis, rng):
    """Their copies are no images: the channels come last, whichever axis of the image holds them."""
    x = np.moveaxis(rng.standard_normal((4, 6, 3)), -1, axis)
    penalty = OverlappingGroupLasso(1.0, groups=groups)
    kx = penalty.analysis(x, channel_axis=axis)
    assert kx.shape[-1] == 3
    back = penalty.adjoint(kx, x.shape, channel_axis=axis)
    assert np.sum(back * x) == pytest.approx(np.sum(kx * kx))
    result = solve(x, penalty, channel_axis=axis, tol=1e-8)
    assert penalty.dual_norm(result.dual[0], channel_axis=axis) <= 1
    projected = penalty.project(100 * kx, channel_axis=axis)
    assert penalty.dual_norm(projected, channel_axis=axis) == pytest.approx(1, rel=1e-9)
    again = solve(x, penalty, channel_axis=axis, tol=1e-8, x0=result)
    assert again.nit == 0


def test_duals_after_a_matrix_go_round(rng):
    """W makes a list of an image."""
    x = rng.standard_normal((3, 4, 5))
    penalty = L1(0.3).of(as_operator(rng.standard_normal((7, 20)), (4, 5), (7,)))
    for axis in range(3):
        image = np.moveaxis(x, 0, axis)
        kx = penalty.analysis(image, channel_axis=axis)
        back = penalty.adjoint(kx, image.shape, channel_axis=axis)
        assert np.sum(back * image) == pytest.approx(np.sum(kx * kx))
        assert penalty.dual_norm(penalty.project(kx, channel_axis=axis), channel_axis=axis) <= 0.3
