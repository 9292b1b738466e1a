"""A weight that leaves nothing of an image is said to, and no other is."""

import warnings

import numpy as np
import pytest

from proxsparse import (
    L1,
    MCP,
    TGV,
    Blur,
    GroupLasso,
    OverlappingGroupLasso,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
    path,
    solve,
    solve_batch,
)

IMAGE = np.random.default_rng(0).random((24, 23))
CALLS = {
    "l1": (L1, {}),
    "tv": (TotalVariation, {}),
    "anisotropic": (lambda w: TotalVariation(w, isotropic=False), {}),
    "tv2": (SecondOrderTV, {}),
    "tgv": (TGV, {}),
    "blocks": (lambda w: GroupLasso(w, block=2), {}),
    "windows": (OverlappingGroupLasso, {}),
    "l1+tv": (lambda w: L1(w) + TotalVariation(w), {}),
    "a part without weight": (lambda w: L1(0.0) + TotalVariation(w), {}),
    "reweighted": (lambda w: Reweighted(TotalVariation(w), solves=2), {}),
    "mcp": (MCP, {}),
    "blur": (TotalVariation, {"operator": Blur(np.ones((3, 3)) / 9)}),
    "observed": (TotalVariation, {"observed": IMAGE > 0.3}),
    "background": (L1, {"background": 0.5}),
    "colours": (TotalVariation, {"channel_axis": 1}),
    "float32": (TotalVariation, {}),
    "tiny": (TotalVariation, {}),
    "huge": (TotalVariation, {}),
    "level": (TotalVariation, {}),
    "bounds": (TotalVariation, {"bounds": (0, 1)}),
}


def told(call):
    """How often something is said to be left of nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return sum("nothing is left of" in str(warning.message) for warning in caught)


@pytest.mark.parametrize("kind", CALLS)
def test_weights_that_leave_nothing_are_said_to(kind):
    make, about = CALLS[kind]
    image, unit = IMAGE.copy(), {"tiny": 1e-200, "huge": 1e200}.get(kind, 1.0)
    image = image.astype(np.float32) if kind == "float32" else image * unit
    image += 100 if kind == "level" else 0
    assert told(lambda: solve(image, make(100.0 * unit), **about)) == 1
    assert told(lambda: solve(image, make(0.05 * unit), **about)) == 0
    # of an image of which nothing was there nothing is missing
    flat = np.full_like(image, 0.1 * unit) if kind not in ("l1", "l1+tv", "blocks", "windows", "mcp") else 0 * image
    flat = flat + 0.4 if kind == "background" else flat
    assert told(lambda: solve(flat, make(100.0 * unit), **about)) == 0


def test_rules_and_paths_may_find_nothing():
    noise = np.random.default_rng(1).standard_normal((40, 40))
    assert told(lambda: solve(noise, "tv", "false-alarms")) == 0
    assert told(lambda: path(IMAGE, "tv", [100.0, 0.1])) == 0
    assert told(lambda: solve(IMAGE, "tv", 0.0)) == 0
    assert told(lambda: solve(IMAGE, "none")) == 0


def test_a_batch_counts_the_images():
    images = np.stack([IMAGE, 100 * IMAGE, IMAGE, 0 * IMAGE])
    with pytest.warns(UserWarning, match="nothing is left of 2 of 4 images, the first image 0: with weight 9 the answer costs"):
        solve_batch(images, "tv", 9.0)
    images[2, 3, 3] = np.nan
    with pytest.warns(UserWarning, match="image") as caught:
        solve_batch(list(images), "l1", 2.0, options={"maxiter": 100})
    assert sum("nothing is left of image 0:" in str(warning.message) for warning in caught) == 1
    assert told(lambda: solve_batch(images[[1, 3]], "tv", 9.0)) == 0


def test_what_bounds_leave_and_what_has_not_converged_is_not_the_weights_doing():
    assert told(lambda: solve(-IMAGE, "l1", 1e-3, bounds=(0, None))) == 0
    assert told(lambda: solve(IMAGE + 5, "tv", 1e-3, bounds=(0, 1))) == 0
    assert told(lambda: solve(IMAGE, "tv", 0.1, options={"maxiter": 0}, operator=Blur(np.ones((3, 3)) / 9))) == 0


def test_a_large_level_hides_nothing():
    assert told(lambda: solve(1e6 + IMAGE, "tv", 1e3)) == 1
    assert told(lambda: solve(1e6 + IMAGE, "tv", 0.05)) == 0


def test_lists_of_several_shapes_are_looked_at_too():
    images = [IMAGE, IMAGE[:9], IMAGE.astype(np.float32)]
    with pytest.warns(UserWarning, match="nothing is left of 3 of 3 images"):
        solve_batch(images, "tv", 100.0)
