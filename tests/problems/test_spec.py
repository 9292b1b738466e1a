"""What `solve` takes is a spec and a search."""

import inspect
import warnings

import numpy as np
import pytest
from examples import image_of

import proxsparse
from proxsparse.problems.spec import FIELDS, SEARCH, ProblemSpec


def test_what_solve_takes_is_a_spec_and_a_search():
    """An argument of the problem is one field of the spec, and the doors with keywords take it from there."""
    taken = set(inspect.signature(proxsparse.solve).parameters)
    assert taken == {"image", "penalty", "weight", *FIELDS, *SEARCH}
    defaults = {name: inspect.signature(proxsparse.solve).parameters[name].default for name in FIELDS}
    image = image_of((4, 5))
    assert ProblemSpec(image, **defaults).names_given() == set() == ProblemSpec(image).names_given()
    said = {"data": "l1", "bounds": (0, 1), "noise_std": 0.1, "tol": 1e-3}
    spec, left = ProblemSpec.from_arguments(image, said, SEARCH, "a door")
    assert spec.image is image
    assert (spec.names_given(), left) == ({"data", "bounds", "noise_std"}, {"tol": 1e-3})
    assert spec.replace(bounds=None).names_given() == {"data", "noise_std"}


def said(call):
    """What a call warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("shape", "remedies"),
    [
        ((40, 41, 3), ["channel_axis=2"]),
        ((4, 40, 41), ["channel_axis=0", "solve_batch"]),
        ((5, 40, 41), ["solve_batch"]),
        ((40, 3, 41), ["channel_axis=1"]),
        ((1, 40, 41), ["solve_batch"]),
        ((6, 40, 41), []),
        ((4, 5, 3), []),
        ((9, 8), []),
    ],
)
def test_what_looks_like_colours_or_images_is_not_taken_for_a_volume_in_silence(shape, remedies):
    image = np.zeros(shape, np.float32)
    calls = {
        "solve": lambda **kw: proxsparse.solve(image, "tv", 0.1, **kw),
        "denoise": lambda **kw: proxsparse.denoise(image, "tv", 0.1, **kw),
        "path": lambda **kw: proxsparse.path(image, "tv", [0.1], **kw),
        "a list": lambda **kw: proxsparse.solve(image.tolist(), "tv", 0.1, **kw),
    }
    for call in calls.values():
        told = said(call)
        assert len(told) == bool(remedies)
        for remedy in remedies:
            assert remedy.replace("solve_batch", "") in told[0]
        if len(shape) == 3:
            assert said(lambda call=call: call(ndim=3)) == []
            assert said(lambda call=call: call(spacing=1.0)) == []
            assert said(lambda call=call: call(channel_axis=0)) == []
    if remedies:
        [told] = said(lambda: proxsparse.compare(image, noise_std=0.1, data_range=1.0, penalties="none"))
        assert ("list(truth)" in told) == ("solve_batch" in remedies)
        assert said(lambda: proxsparse.compare(image, noise_std=0.1, data_range=1.0, penalties="none", ndim=3)) == []


def test_what_looks_like_one_image_or_has_channels_is_no_batch_in_silence():
    rng = np.random.default_rng(0)
    for shape, remedy, right in (
        ((40, 41), "solve(image, ...), else give ndim=1", {"ndim": 1}),
        ((40, 41, 3), "solve(image, channel_axis=-1, ...), else give ndim=2", {"ndim": 2}),
        ((2, 3, 40, 41), "channel_axis=0 where axis 0 holds channels", {"channel_axis": 0}),
        ((2, 2, 40, 41), "channel_axis=0 where axis 0 holds channels", {"ndim": 3}),
    ):
        images = rng.random(shape)
        [told] = said(lambda images=images: proxsparse.solve_batch(images, "l1", 0.1))
        assert remedy in told
        assert said(lambda images=images, right=right: proxsparse.solve_batch(images, "l1", 0.1, **right)) == []
    assert said(lambda: proxsparse.solve_batch(rng.random((5, 9, 8)), "tv", 0.1)) == []
    assert said(lambda: proxsparse.solve_batch([rng.random((9, 8))], "tv", 0.1)) == []
    colours = [rng.random((40, 41, 3)), rng.random((30, 41, 3))]
    assert len(said(lambda: proxsparse.solve_batch(colours, "l1", 0.1))) == 2
    assert said(lambda: proxsparse.solve_batch(colours, "l1", 0.1, channel_axis=-1)) == []
    [told] = said(
        lambda: proxsparse.compare([rng.random((40, 41)), colours[0]], noise_std=0.1, data_range=1.0, penalties="none")
    )
    assert "truth[1] of shape (40, 41, 3)" in told


def test_data_of_an_operator_between_other_shapes_are_no_volume():
    matrix = proxsparse.as_operator(np.ones((3 * 20 * 20, 9)), (3, 3), (3, 20, 20))
    assert said(lambda: proxsparse.solve(np.zeros((3, 20, 20)), "tv", 0.1, operator=matrix, options={"maxiter": 1})) == []


def test_ndim_is_checked():
    image = np.zeros((9, 8))
    for call in (
        lambda: proxsparse.solve(image, "tv", 0.1, ndim=3),
        lambda: proxsparse.solve(image, "tv", 0.1, ndim=2, channel_axis=0),
        lambda: proxsparse.solve_batch(np.zeros((3, 9, 8), np.float32), "tv", 0.1, ndim=3),
        lambda: proxsparse.compare(image, noise_std=0.1, data_range=1.0, ndim=1),
    ):
        with pytest.raises(ValueError, match="ndim="):
            call()
    for ndim in (0, 4, True, "2"):
        with pytest.raises(ValueError, match="ndim must be 1, 2 or 3"):
            proxsparse.solve(image, "tv", 0.1, ndim=ndim)
    one, batch = proxsparse.solve(image + 1, "tv", 0.1, ndim=2), proxsparse.solve_batch(image[None] + 1, "tv", 0.1, ndim=2)
    np.testing.assert_array_equal(one.x, batch.x[0])


def test_a_penalty_that_knows_of_voxels_says_that_it_is_a_volume():
    volume = np.random.default_rng(0).random((4, 40, 41))
    assert said(lambda: proxsparse.solve(volume, proxsparse.TotalVariation(0.1, spacing=(5, 1, 1)))) == []
