"""Warnings: where they point, and which image they name."""

import warnings

import numpy as np
import pytest

from proxsparse import ConvergenceWarning, TotalVariation, compare, denoise, solve, solve_batch

FLAT = np.repeat([0.0, 1.0], 512).reshape(32, 32)


def caught(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda: solve(FLAT, "tv"),
        lambda: denoise(FLAT, "tv"),
        lambda: solve(FLAT + np.eye(32), "tv", 0.1, options={"maxiter": 1}),
        lambda: solve((9 * FLAT).astype(int), "tv", 0.1),
        lambda: TotalVariation(0.3).prox(FLAT + np.eye(32), maxiter=1),
        lambda: solve(FLAT + 0.1 * np.eye(32), "tv", 0.1, debias=True, options={"maxiter": 3}),
        lambda: solve_batch([FLAT, FLAT.T], "tv", workers=2),
        lambda: solve_batch(np.stack([FLAT + np.eye(32), FLAT]), "tv", 0.1, options={"maxiter": 1}),
        lambda: compare([FLAT, FLAT], {}, noisy=[FLAT, FLAT], data_range=1.0, penalties="tv", weight="auto", workers=2),
    ],
)
def test_a_warning_points_at_the_line_that_called(call):
    found = caught(call)
    assert found
    assert {w.filename for w in found} == {__file__}


def test_the_second_image_of_a_loop_is_told_of_too():
    """Python shows a text once a line."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("default")
        for image in (FLAT, 2 * FLAT, 3 * FLAT):
            solve(image, "tv")
    assert len(found) == 3


def test_a_batch_names_its_images():
    rng = np.random.default_rng(0)
    noisy = FLAT + 0.1 * rng.standard_normal(FLAT.shape)
    for workers in (1, 2):
        found = caught(lambda n=workers: solve_batch([noisy, FLAT, noisy, FLAT], "tv", workers=n))
        texts = [str(w.message) for w in found if not issubclass(w.category, ConvergenceWarning)]
        assert len(texts) == 1
        assert texts[0].startswith("image 1 (and 1 more): no noise was found")


def test_infinite_sums_are_no_warnings_of_numpy():
    """All of them are errors here: an image whose squares are infinite, an iterate outside the domain of the logarithm."""
    large = 1e300 * (1 + np.eye(8))
    assert np.isfinite(solve(large, "tv", 1e299).x).all()
    counts = np.random.default_rng(0).poisson(0.5, (8, 8)).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for method in ("admm", "chambolle-pock"):
            for maxiter in (0, 1, 5):
                solve(counts, "tv", 0.1, data="poisson", method=method, options={"maxiter": maxiter})
