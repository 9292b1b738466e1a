"""Total variation: spacing, Huber's corner, separate channels, weights of differences."""

import numpy as np
import pytest
from examples import image_of

import proxsparse
from proxsparse import (
    Blur,
    TotalVariation,
    phantoms,
    solve,
)


@pytest.mark.parametrize("isotropic", [True, False])
def test_spacing_divides_differences(isotropic):
    y = image_of((12, 13, 5))
    spacing = (0.5, 0.5, 2.0)
    penalty = TotalVariation(0.2, isotropic=isotropic, spacing=spacing)
    d = np.stack([np.diff(y, axis=a, append=y.take([-1], axis=a)) / s for a, s in enumerate(spacing)])
    value = np.sqrt((d**2).sum(axis=0)).sum() if isotropic else np.abs(d).sum()
    assert penalty.value(y) == pytest.approx(0.2 * value)
    by_call = solve(y, TotalVariation(0.2, isotropic=isotropic), spacing=spacing, tol=1e-6)
    np.testing.assert_array_equal(by_call.x, solve(y, penalty, tol=1e-6).x)
    assert by_call.success
    # of one length for all axes it is a weight
    half = solve(y, TotalVariation(0.2, isotropic=isotropic), spacing=0.5, tol=1e-6)
    double = solve(y, TotalVariation(0.4, isotropic=isotropic), tol=1e-6)
    assert np.linalg.norm(half.x - double.x) <= half.x_error_bound + double.x_error_bound
    # a long axis is smoothed little: its differences count less
    along = [np.abs(np.diff(by_call.x, axis=a)).mean() / np.abs(np.diff(y, axis=a)).mean() for a in (0, 2)]
    assert along[0] < along[1]
    assert TotalVariation(0.2, spacing=1) == TotalVariation(0.2)


def test_spacing_in_every_call():
    y = image_of((16, 17))
    one = solve(y, "l1+tv", (0.05, 0.1), spacing=(1.0, 2.0))
    batch = proxsparse.solve_batch(y[None], "l1+tv", (0.05, 0.1), spacing=(1.0, 2.0))
    np.testing.assert_array_equal(batch.x[0], one.x)
    small = solve(y, "tv", 0.1, spacing=(1.0, 2.0))
    np.testing.assert_array_equal(proxsparse.solve_batch(y[None], "tv", 0.1, spacing=(1.0, 2.0)).x[0], small.x)
    assert solve(y, "tv", spacing=(1.0, 2.0)).success
    blurred = solve(y, "tv", 0.05, spacing=(1.0, 2.0), operator=Blur(np.ones((3, 3)) / 9))
    assert blurred.certified
    assert blurred.success


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huber_leaves_no_stairs_on_a_slope(dtype):
    truth = np.broadcast_to(np.linspace(0, 1, 64), (40, 64))
    noisy = phantoms.add_noise(truth, 0.1).astype(dtype)
    flat, smooth = (solve(noisy, TotalVariation(0.15, huber=h), tol=1e-5, options={"maxiter": 20000}) for h in (0.0, 0.05))
    assert flat.success
    assert smooth.success
    # stairs: differences that are next to nothing
    steps = [np.mean(np.abs(np.diff(r.x, axis=1)) < 1e-4) for r in (flat, smooth)]
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
