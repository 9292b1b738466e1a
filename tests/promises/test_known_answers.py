"""Answers known in closed form, by every method."""

import numpy as np
import pytest

from proxsparse import L1, OverlappingGroupLasso, TotalVariation, solve

METHODS = ["fista", "admm", "chambolle-pock"]


every_method = pytest.mark.parametrize("method", METHODS)


def answer(y, penalty, method, tol=1e-10, **kw):
    result = solve(y, penalty, method=method, tol=tol, options={"maxiter": 100000}, **kw)
    assert result.success
    return result.x


@every_method
def test_anisotropic_tv_of_a_rectangle(method):
    a, b, m, n, h, w = 8, 6, 24, 22, 1.0, 0.2
    y = np.zeros((m, n))
    y[8 : 8 + a, 8 : 8 + b] = h
    inside, outside = h - 2 * w * (a + b) / (a * b), 2 * w * (a + b) / (m * n - a * b)
    expected = np.where(y > 0, inside, outside)
    np.testing.assert_allclose(answer(y, TotalVariation(w, isotropic=False), method), expected, atol=1e-6)


@pytest.mark.parametrize("above", [False, True])
def test_anisotropic_tv_of_a_rectangle_vanishes_at_its_weight(above):
    a, b, m, n, h = 8, 6, 24, 22, 1.0
    y = np.zeros((m, n))
    y[8 : 8 + a, 8 : 8 + b] = h
    vanishing = h * a * b * (m * n - a * b) / (2 * (a + b) * m * n)
    x = answer(y, TotalVariation(vanishing * (1.001 if above else 0.999), isotropic=False), "chambolle-pock")
    assert bool(np.ptp(x) == 0) is above


@every_method
@pytest.mark.parametrize(
    ("penalty", "drop"),
    [
        (TotalVariation(0.1), (2 + np.sqrt(2)) * 0.1),
        (TotalVariation(0.1, isotropic=False), 4 * 0.1),
        (OverlappingGroupLasso(0.05, window=2), 0.05 * 4),
        (OverlappingGroupLasso(0.05, window=3), 0.05 * 9),
        (OverlappingGroupLasso(0.05, window=3, norm="linf"), 0.05 * 9),
    ],
    ids=repr,
)
def test_an_interior_impulse_drops_by_a_known_amount(penalty, drop, method):
    y = np.zeros((15, 15))
    y[7, 7] = 2.0
    x = answer(y, penalty, method)
    # total variation gives what the impulse loses to the 224 others
    # the error bound at that gap is sqrt(2e-10 F), F about 2
    assert x[7, 7] == pytest.approx(2.0 - drop, abs=2e-5)


def test_a_constant_under_windows():
    c, k = 2.0, 3
    x = answer(np.full((41, 41), c), OverlappingGroupLasso(0.1 * c, window=k), "chambolle-pock")
    np.testing.assert_allclose(x[8:-8, 8:-8], c - 0.1 * c * k, atol=1e-3)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_least_weight_that_zeroes_an_impulse_under_windows(k):
    y = np.zeros((15, 15))
    y[7, 7] = 1.3
    penalty = OverlappingGroupLasso(window=k)
    assert penalty.max_weight(y) == pytest.approx(1.3 / k**2, rel=1e-12)
    assert not solve(y, penalty, 1.3 / k**2 * (1 + 1e-9)).x.any()
    assert solve(y, penalty, 1.3 / k**2 * 0.99, tol=1e-8).x[7, 7] > 0


def test_the_centre_of_a_disc_under_isotropic_tv():
    v, u = np.mgrid[0:128, 0:128] - 63.5
    y = (np.hypot(v, u) < 32).astype(float)
    x = answer(y, TotalVariation(3.2), "chambolle-pock", tol=1e-6)
    assert x[64, 64] == pytest.approx(1 - 2 * 3.2 / 32, abs=0.003)


@every_method
def test_one_dimensional_tv_moves_segments_by_known_amounts(method):
    """An end segment of n samples moves by w/n, a local extremum by 2w/n."""
    w = 0.5
    y = np.repeat([0.0, 3.0, 1.0], [5, 4, 10])
    expected = np.repeat([0.0 + w / 5, 3.0 - 2 * w / 4, 1.0 + w / 10], [5, 4, 10])
    np.testing.assert_allclose(answer(y, TotalVariation(w), method), expected, atol=1e-6)


def test_max_weight_of_a_signal_is_the_least():
    y = np.array([1.0, 4.0, -2.0, 0.5, 3.0])
    expected = np.abs(np.cumsum(y - y.mean())).max()
    assert TotalVariation().max_weight(y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(20, 18), (40,)])
def test_l1_and_anisotropic_tv_is_soft_thresholding_after_tv(shape, rng):
    """On data that change sign; with isotropic TV in 2-D the joint answer is another one."""
    y = np.cumsum(rng.standard_normal(shape), axis=0)
    tv = TotalVariation(0.6, isotropic=False)

    def soft(x):
        return np.sign(x) * np.maximum(np.abs(x) - 0.3, 0)

    joint = answer(y, L1(0.3) + tv, "chambolle-pock", tol=1e-11)
    np.testing.assert_allclose(joint, soft(answer(y, tv, "chambolle-pock", tol=1e-11)), atol=1e-4)
    if len(shape) == 2:
        iso = TotalVariation(0.6)
        joint = answer(y, L1(0.3) + iso, "chambolle-pock", tol=1e-11)
        assert np.abs(joint - soft(answer(y, iso, "chambolle-pock", tol=1e-11))).max() > 1e-2


@every_method
def test_l1_is_soft_thresholding(method, rng):
    y = rng.standard_normal((9, 8))
    a = rng.uniform(0, 2, (9, 8))
    expected = np.sign(y) * np.maximum(np.abs(y) - 0.4 * a, 0)
    x = answer(y, L1(0.4, pixel_weight=a), method)
    np.testing.assert_allclose(x, expected, atol=1e-12)
    np.testing.assert_array_equal(x == 0, expected == 0)


def test_zeros_and_flat_regions_are_exact():
    """Sparse means zero, and flat means equal: what the dual says is in the image."""
    from proxsparse import phantoms

    noisy = phantoms.add_noise(phantoms.regions((64, 64)), 0.1)
    windows = solve(noisy, OverlappingGroupLasso(0.06), tol=1e-4)
    assert 0.4 < np.mean(windows.x == 0) < 0.75
    exact = solve(noisy, OverlappingGroupLasso(0.06), tol=1e-9, options={"maxiter": 100000}).x
    # nearly every true zero is there; what is zero too early is, at this tolerance, a hundredth of the noise
    assert np.mean((windows.x != 0) & (exact == 0)) < 0.01
    assert np.abs(exact[windows.x == 0]).max() < 2e-3
    tv = solve(noisy, TotalVariation(0.2, isotropic=False), tol=1e-9)
    assert len(np.unique(tv.x)) < 0.2 * tv.x.size
