"""Phantoms and noises."""

import numpy as np
import pytest

from proxsparse import metrics, phantoms


@pytest.mark.parametrize("name", ["regions", "blobs", "rectangles", "curves", "strokes", "shepp_logan"])
def test_phantoms_have_contiguous_sparse_supports(name):
    make = getattr(phantoms, name)
    x = make((96, 70))
    assert x.shape == (96, 70)
    assert x.dtype == np.float64
    np.testing.assert_array_equal(x, make((96, 70)))
    assert 0.03 < 1 - metrics.zero_share(x) < 0.6
    assert metrics.isolated_share(x) == 0
    assert metrics.morans_i(x) > 0.5
    assert np.abs(x).max() <= 1
    if name not in ("regions", "shepp_logan"):
        assert not np.array_equal(x, make((96, 70), seed=1))


def test_noises():
    truth = phantoms.blobs((200, 200))
    counts = phantoms.add_poisson(truth, 50.0)
    assert np.mean(counts[truth > 0]) == pytest.approx(truth[truth > 0].mean(), rel=0.01)
    assert np.var(counts[truth > 0] - truth[truth > 0]) == pytest.approx(np.mean(truth[truth > 0]) / 50, rel=0.05)
    assert not counts[truth == 0].any()
    salted = phantoms.add_salt_and_pepper(truth + 0.5, 0.2, 0.0, 2.0)
    assert np.mean(salted == 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(salted == 2) == pytest.approx(0.1, abs=0.01)
    np.testing.assert_array_equal(salted, phantoms.add_salt_and_pepper(truth + 0.5, 0.2, 0.0, 2.0))
    for call, message in (
        (lambda: phantoms.add_poisson(truth, 0.0), "peak must be > 0"),
        (lambda: phantoms.add_poisson(-truth, 1.0), "from an image >= 0"),
        (lambda: phantoms.add_salt_and_pepper(truth, 1.5), "share must be between 0 and 1"),
        (lambda: phantoms.blobs(share=1.0), "share must be between 0 and 1"),
        (lambda: phantoms.strokes((10, 10)), ">= 24"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("name", ["regions", "blobs", "rectangles", "curves", "strokes", "shepp_logan"])
def test_phantoms_are_free_of_noise(name):
    """Beside what is flat only edges are left of them."""
    for shape in ((64, 64), (129, 127), (256, 256)):
        assert metrics.noise_std(getattr(phantoms, name)(shape)) == 0
