"""Penalties of degree two and Huber's, weights of differences, separate channels: what they are for."""

import numpy as np
import pytest
from conftest import image_of

from proxsparse import L1, L2, Blur, ElasticNet, TotalVariation, phantoms, solve


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ridge_and_elastic_net_are_solved_by_their_formulas(dtype):
    y = image_of((9, 8), dtype=dtype)
    ridge = solve(y, L2(0.5), tol=1e-6)
    assert (ridge.method, ridge.success) == ("exact", True)
    np.testing.assert_allclose(ridge.x, y / 1.5, rtol=1e-6)
    elastic = solve(y, ElasticNet(0.5, l1_ratio=0.4), tol=1e-5)
    assert (elastic.method, elastic.success) == ("exact", True)
    np.testing.assert_allclose(elastic.x, np.sign(y) * np.maximum(np.abs(y) - 0.2, 0) / 1.3, rtol=1e-5)
    assert 0 < np.mean(elastic.x == 0) < 1
    both = solve(y, L1(0.2) + L2(0.3), tol=1e-6, options={"maxiter": 20000})
    assert np.linalg.norm((both.x - elastic.x).astype(float)) <= both.x_error_bound + elastic.x_error_bound


def test_ridge_of_a_blur_is_tikhonov():
    """The normal equations, by a solver of linear systems."""
    y, blur = image_of((7, 6)), Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)
    matrix = np.array([blur.forward(e.reshape(7, 6)).ravel() for e in np.eye(42)]).T
    expected = np.linalg.solve(matrix.T @ matrix + 0.1 * np.eye(42), matrix.T @ y.ravel()).reshape(7, 6)
    for method in ("fista", "admm", "chambolle-pock"):
        result = solve(y, L2(0.1), operator=blur, method=method, tol=1e-9, options={"maxiter": 20000})
        assert result.success
        np.testing.assert_allclose(result.x, expected, atol=1e-3)


def test_the_largest_weight_of_the_elastic_net_is_that_of_its_l1():
    y = image_of((6, 7))
    assert ElasticNet(l1_ratio=0.25).max_weight(y) == pytest.approx(4 * np.abs(y).max())
    assert not solve(y, ElasticNet(4.001 * np.abs(y).max(), 0.25)).x.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huber_leaves_no_stairs_on_a_slope(dtype):
    truth = np.broadcast_to(np.linspace(0, 1, 64), (40, 64))
    noisy = phantoms.add_noise(truth, 0.1).astype(dtype)
    flat, smooth = (solve(noisy, TotalVariation(0.15, huber=h), tol=1e-5, options={"maxiter": 20000}) for h in (0.0, 0.05))
    assert flat.success
    assert smooth.success
    # stairs: differences that are exactly 0
    steps = [np.mean(np.diff(r.x, axis=1) == 0) for r in (flat, smooth)]
    assert steps[0] > 0.2
    assert steps[1] < 0.01
    assert np.mean((smooth.x - truth) ** 2) < np.mean((flat.x - truth) ** 2)


def test_huber_with_a_wide_corner_is_a_quadratic():
    """Within the corner nothing but squares: one linear system, diagonal under the DCT."""
    from scipy.fft import dctn, idctn

    y = image_of((12, 9))
    result = solve(y, TotalVariation(0.3, huber=100.0), tol=1e-12, options={"maxiter": 50000})
    k = [(2 * np.sin(np.pi * np.arange(n) / (2 * n))) ** 2 for n in y.shape]
    expected = idctn(dctn(y, norm="ortho") / (1 + 0.003 * np.add.outer(*k)), norm="ortho")
    np.testing.assert_allclose(result.x, expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(12, 13, 3), (5, 6, 7, 2), (20, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_separate_channels_are_solved_each_by_itself(shape, dtype):
    y = image_of(shape, dtype=dtype)
    penalty = TotalVariation(0.2, coupled=False)
    result = solve(y, penalty, channel_axis=-1, tol=1e-6, options={"maxiter": 20000})
    assert result.success
    alone = [solve(y[..., c], "tv", 0.2, tol=1e-6, options={"maxiter": 20000}) for c in range(shape[-1])]
    together = np.stack([r.x for r in alone], axis=-1)
    bound = np.sqrt(sum(r.x_error_bound**2 for r in alone))
    assert np.linalg.norm((result.x - together).astype(float)) <= result.x_error_bound + bound
    assert penalty.value(y, channel_axis=-1) == pytest.approx(
        sum(TotalVariation(0.2).value(y[..., c]) for c in range(shape[-1]))
    )
    coupled = solve(y, TotalVariation(0.2), channel_axis=-1, tol=1e-6, options={"maxiter": 20000})
    # of signals one channel alone is a length already
    assert np.abs(coupled.x - result.x).max() > 1e-2


def test_weights_of_differences_keep_an_edge():
    """Where an edge is known its differences cost little, and it keeps its contrast."""
    truth = np.zeros((32, 32))
    truth[8:24, 8:24] = 1
    noisy = phantoms.add_noise(truth, 0.1)
    edge = np.ones((2, 32, 32))
    edge[:, 6:25, 6:25] = 0.1
    plain, weighted = solve(noisy, "tv", 0.3), solve(noisy, TotalVariation(0.3, pixel_weight=edge))
    assert plain.success
    assert weighted.success
    assert weighted.x[12:20, 12:20].mean() > plain.x[12:20, 12:20].mean() + 0.05
    same = solve(noisy, TotalVariation(0.6, pixel_weight=np.full((32, 32), 0.5)))
    assert np.linalg.norm(same.x - plain.x) <= same.x_error_bound + plain.x_error_bound
    # weights of one direction alone: rows are signals of their own
    rows = np.zeros((2, 32, 32))
    rows[1] = 1
    free = solve(noisy, TotalVariation(0.3, isotropic=False, pixel_weight=rows), tol=1e-7, options={"maxiter": 20000})
    signal = solve(noisy[11], "tv", 0.3)
    assert np.linalg.norm(free.x[11] - signal.x) <= free.x_error_bound + signal.x_error_bound


@pytest.mark.parametrize("where", ["blur", "mask", "free mask"])
def test_weights_of_differences_are_certified_with_operators_and_masks(where):
    y = phantoms.add_noise(np.outer(np.arange(16) > 7, np.ones(15)), 0.05)
    kwargs = {"operator": Blur(np.ones((3, 3)) / 9)} if where == "blur" else {}
    if "mask" in where:
        kwargs["observed"] = np.random.default_rng(0).random(y.shape) < 0.7
    a = np.random.default_rng(1).uniform(0.2, 2, y.shape)
    if where == "free mask":
        a[:, 7] = 0
    result = solve(y, TotalVariation(0.05, pixel_weight=a), tol=1e-4, options={"maxiter": 20000}, **kwargs)
    assert result.certified
    assert result.success


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ElasticNet(1.0, l1_ratio=1.5), ValueError, r"l1_ratio must be in \[0, 1\], got 1.5"),
        (lambda: ElasticNet(1.0, unit=0), ValueError, "unit must be > 0, got 0"),
        (lambda: TotalVariation(1.0, huber=-1), ValueError, "huber must be finite and >= 0, got -1"),
        (lambda: TotalVariation(1.0, pixel_weight=[[-1.0]]), ValueError, "pixel_weight must be >= 0, got -1"),
        (lambda: solve(np.ones((3, 3)), TotalVariation(1.0, pixel_weight=np.ones((2, 2)))), ValueError, r"shape \(2, 2\)"),
    ],
)
def test_what_does_not_fit_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
