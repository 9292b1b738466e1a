"""The taut string: two algorithms agree from any bend on."""

import numpy as np

from proxsparse import solve
from proxsparse.kernels import taut_string


def signals(rng):
    for n in (1, 2, 3, 5, 17, 40, 300, 3000):
        for kind in range(4):
            y = rng.standard_normal(n)
            yield [y, np.cumsum(y), np.round(2 * y) / 2, 1000 + np.linspace(0, 3, n) ** 2][kind]


def scan(x, p, y, w, most, together=1 << 60):
    """Slopes from the first sample on, so many samples a call."""
    start, height, again = 0, 0.0, 0
    while start < y.size and again <= most:
        start, height, again = taut_string.scan(x, p, y, w, w, most, start, height, again, start + together)
    return start, height, again


def test_two_algorithms_agree_from_any_bend_on(rng):
    """Slopes from the last bend, and both hulls; the second also takes over in the middle."""
    for y in signals(rng):
        for w in (0.0, 0.01, 0.3, 2.0, 50.0):
            hulls, slopes = np.empty((2, 2, y.size))
            taut_string.funnel(*hulls, y, w, w, 0, 0.0)
            assert scan(*slopes, y, w, 1 << 60)[0] == y.size
            np.testing.assert_allclose(slopes, hulls, atol=1e-9)
            pieces = np.empty((2, y.size))
            scan(*pieces, y, w, 1 << 60, together=7)
            np.testing.assert_array_equal(pieces, slopes)
            for most in (0, y.size // 3):
                mixed = np.empty((2, y.size))
                start, height, _ = scan(*mixed, y, w, most)
                if start < y.size:
                    taut_string.funnel(*mixed, y, w, w, start, height)
                np.testing.assert_allclose(mixed, hulls, atol=1e-9)


def test_a_signal_that_is_looked_at_too_often_is_left_to_the_hulls():
    y = np.linspace(0, 1, 20000)
    start, _, _ = scan(np.empty_like(y), np.empty(0), y, 1.0, 8 * y.size)
    assert start < y.size // 2
    result = solve(y, "tv", 1.0, method="exact", tol=1e-12)
    assert result.success
    # a ramp is cut at both ends, where x is flat until the sums are 1 apart
    assert np.ptp(result.x) < 1 - 2 * np.sqrt(2 / y.size) + 2e-4
