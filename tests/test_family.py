"""What each penalty of the family is for: known answers, labels, exact formulas, sums across families."""

import independent
import naive
import numpy as np
import pytest
from conftest import image_of

import proxsparse
from proxsparse import (
    DCTL1,
    L1,
    TGV,
    Blur,
    GroupLasso,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    WaveletL1,
    phantoms,
    solve,
)


def ramp(shape=(48, 48)):
    """Two slopes that meet in a ridge."""
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]] / max(shape)
    return np.minimum(u + 0.3 * v, 1.1 - u)


def test_second_order_leaves_no_staircase_on_slopes():
    truth = ramp()
    noisy = phantoms.add_noise(truth, 0.1)
    first, second = (
        solve(noisy, name, proxsparse.oracle_weight(noisy, truth, name, tol=1e-3), tol=1e-3).x for name in ("tv", "tv2")
    )
    assert proxsparse.metrics.mse(truth, second) < 0.6 * proxsparse.metrics.mse(truth, first)
    # stairs: most differences of the flat answer are zero, of the other none
    steps = [np.mean(np.abs(np.diff(x, axis=1)) < 1e-6) for x in (first, second)]
    assert steps[0] > 0.2
    assert steps[1] < 0.02


def test_a_slope_comes_back_exactly_under_second_order():
    slope = np.add.outer(np.arange(20.0), -0.5 * np.arange(31.0))
    result = solve(slope, "tv2", 5.0)
    assert result.rel_gap == 0
    np.testing.assert_allclose(result.x, slope, atol=1e-10)
    assert SecondOrderTV(1.0).value(slope) < 1e-9


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("where", ["blur", "mask", "sum"])
def test_second_order_is_certified_with_operators_masks_and_in_sums(where, dtype):
    y = phantoms.add_noise(ramp((24, 25)), 0.05).astype(dtype)
    kwargs = {"operator": Blur(np.ones((3, 3)) / 9)} if where == "blur" else {}
    if where == "mask":
        kwargs["observed"] = np.random.default_rng(0).random(y.shape) < 0.7
    penalty = SecondOrderTV(0.05) + TotalVariation(0.01) if where == "sum" else SecondOrderTV(0.05)
    results = [solve(y, penalty, tol=1e-3, method=m, options={"maxiter": 20000}, **kwargs) for m in ("admm", "chambolle-pock")]
    for a in results:
        assert a.certified
        assert a.success
        for b in results:
            assert a.fun >= b.fun - b.gap - 1e-9 * b.fun


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 3), (4, 9), (17, 5), (40, 41)])
def test_the_step_of_second_order_equals_the_general_path(shape, dtype, rng):
    from proxsparse.penalties.base import Penalty

    penalty = SecondOrderTV(0.3)
    x = rng.standard_normal((1, *shape)).astype(dtype)
    duals, outs = ([np.zeros((3, 1, *shape), dtype) for _ in range(2)], [np.ones((1, *shape), dtype) for _ in range(2)])
    for _ in range(5):
        penalty._dual_step(outs[0], duals[0], x, 0.1)
        Penalty._dual_step(penalty, outs[1], duals[1], x, 0.1)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(duals[0], duals[1], atol=50 * eps, rtol=0)
        np.testing.assert_allclose(outs[0], outs[1], atol=500 * eps, rtol=0)
        assert penalty._dual_norm(duals[0]) <= 0.3
    assert np.abs(duals[0]).max() > 0.1


def test_blocks_are_soft_thresholded_as_a_whole():
    y = image_of((9, 10))
    result = solve(y, "group", 0.7, tol=1e-12)
    assert (result.method, result.nit, result.success) == ("exact", 0, True)
    for i in range(0, 9, 4):
        for j in range(0, 10, 4):
            block = y[i : i + 4, j : j + 4]
            expected = block * max(0.0, 1 - 0.7 / np.linalg.norm(block))
            np.testing.assert_allclose(result.x[i : i + 4, j : j + 4], expected, atol=1e-14)
    assert set(np.unique(result.x == 0)) <= {True, False}


def test_labels_are_groups_of_any_shape_and_negative_ones_are_free():
    y = image_of((8, 9))
    labels = np.full(y.shape, -1)
    labels[1:5, 2:4], labels[5:, 4:] = 0, 1
    for norm in ("l2", "linf"):
        x = solve(y, GroupLasso(0.5, labels=labels, norm=norm), tol=1e-10).x
        np.testing.assert_array_equal(x[labels < 0], y[labels < 0])
        assert np.abs(x[labels == 0]).sum() < np.abs(y[labels == 0]).sum()
    # the largest value of each group is drawn down until what was taken adds up to the weight
    assert np.abs(y - x)[labels == 1].sum() == pytest.approx(0.5)
    blocks = np.add.outer(np.arange(8) // 2 * 5, np.arange(9) // 2)
    same = [solve(y, GroupLasso(0.4, **kw), tol=1e-10).x for kw in ({"labels": blocks}, {"block": 2})]
    np.testing.assert_array_equal(*same)
    heavy = solve(y, GroupLasso(1.0, labels=labels, group_weight=[0.0, 100.0])).x
    np.testing.assert_array_equal(heavy[labels == 0], y[labels == 0])
    assert not heavy[labels == 1].any()
    rooted = GroupLasso(1.0, labels=labels, group_weight="sqrt")
    assert rooted.value(y) == pytest.approx(sum(np.sqrt(n) * np.linalg.norm(y[labels == g]) for g, n in ((0, 8), (1, 15))))


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


@pytest.mark.parametrize("method", ["admm", "chambolle-pock", "fista"])
@pytest.mark.parametrize("bounds", [None, (0.1, 0.8)])
def test_second_differences_are_divided_by_both_distances(bounds, method):
    y, penalty = image_of((5, 6)), SecondOrderTV(0.2, spacing=(1.5, 0.7))
    x, best = independent.minimise(y, penalty, bounds=bounds)
    result = solve(y, penalty, bounds=bounds, method=method, tol=1e-6, options={"maxiter": 30000})
    assert result.success
    assert -1e-6 * best <= result.fun - best <= result.gap + 1e-6 * best
    assert np.linalg.norm(result.x - x) <= result.x_error_bound + 1e-3
    by_call = solve(
        y, SecondOrderTV(0.2), spacing=(1.5, 0.7), bounds=bounds, method=method, tol=1e-6, options={"maxiter": 30000}
    )
    np.testing.assert_array_equal(by_call.x, result.x)
    # of one length for both axes it is a weight
    assert SecondOrderTV(0.2, spacing=0.5).value(y) == pytest.approx(SecondOrderTV(0.8).value(y))
    slope = np.add.outer(np.arange(20.0), -0.5 * np.arange(31.0))
    assert solve(slope, "tv2", 5.0, spacing=(3, 1)).rel_gap == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "spacing"), [((6, 7), (1.5, 0.7)), ((4, 3, 5), (2.0, 1.0, 0.6)), ((9,), 0.8), ((1, 5), 3.0)])
def test_spaced_second_differences_are_what_they_say(shape, spacing, dtype, rng):
    penalty, x = SecondOrderTV(1.0, spacing=spacing), rng.standard_normal(shape).astype(dtype)
    kx, tol = penalty.analysis(x), 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(kx, naive.second_differences(x.astype(float), spacing), atol=30 * tol)
    p = rng.standard_normal(kx.shape).astype(dtype)
    product = float(np.sum(kx.astype(float) * p))
    assert float(np.sum(penalty.adjoint(p, shape).astype(float) * x)) == pytest.approx(
        product, abs=float(tol * np.abs(kx * p).sum())
    )
    assert penalty.dual_norm(penalty.project(p)) <= 1.0
    assert eval(repr(penalty), {"SecondOrderTV": SecondOrderTV}) == penalty


def test_nothing_but_the_data_term():
    y = image_of((12, 13))
    result = solve(y, "none")
    np.testing.assert_array_equal(result.x, y)
    assert result.rel_gap == 0
    np.testing.assert_array_equal(solve(y, "none", bounds=(0, 0.5)).x, y.clip(0, 0.5))
    truth = phantoms.regions((24, 24))
    blur = Blur.gaussian(0.7)
    blurred = phantoms.add_noise(blur.forward(truth), 0.05)
    sharp = solve(blurred, "none", operator=blur, bounds=(-1, 1), tol=1e-3)
    assert sharp.success
    assert sharp.fun < 0.5 * np.sum((blur.forward(truth) - blurred) ** 2)
    with pytest.raises(ValueError, match="has a weight of its own"):
        solve(y, "none", 0.1)


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


def test_blocks_couple_the_channels():
    y = np.stack([image_of((8, 8)), 0.1 * image_of((8, 8), seed=1)], axis=-1)
    x = solve(y, GroupLasso(0.8, block=4), channel_axis=-1).x
    for i in (0, 4):
        for j in (0, 4):
            assert x[i : i + 4, j : j + 4, 0].any() == x[i : i + 4, j : j + 4, 1].any()


@pytest.mark.parametrize("shape", [(64, 32), (32,), (16, 8, 8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [WaveletL1(0.3, wavelet="sym4", level=2), WaveletL1(0.3, wavelet="haar"), DCTL1(0.3)])
def test_orthogonal_transforms_are_solved_by_their_formula(penalty, dtype, shape):
    y = image_of(shape, dtype=dtype)
    result = solve(y, penalty, tol=1e-5)
    assert (result.method, result.success) == ("exact", True)
    assert result.x.dtype == dtype
    general = solve(y, penalty, method="chambolle-pock", tol=1e-5)
    assert np.linalg.norm(result.x - general.x) <= result.x_error_bound + general.x_error_bound
    coefficients = penalty.analysis(y)
    # orthogonal: the length stays
    assert np.linalg.norm(coefficients) == pytest.approx(np.linalg.norm(y), rel=1e-5)
    np.testing.assert_allclose(penalty.adjoint(coefficients, shape), y, atol=1e-5)


def test_wavelets_of_odd_sizes_and_colours():
    y = image_of((37, 53, 3))
    result = solve(y, "wavelet", 0.2, channel_axis=-1, tol=1e-6)
    assert result.success
    alone = solve(y[..., 1], "wavelet", 0.2, tol=1e-6)
    assert np.linalg.norm(result.x[..., 1] - alone.x) <= result.x_error_bound + alone.x_error_bound
    assert result.method == "chambolle-pock"


def test_wavelets_denoise_and_choose_their_weight():
    from skimage import data

    truth = data.camera()[::2, ::2] / 255.0
    noisy = phantoms.add_noise(truth, 0.1)
    result = solve(noisy, "wavelet")
    assert result.weight_rule == "sure"
    assert proxsparse.metrics.psnr(truth, result.x, 1.0) > proxsparse.metrics.psnr(truth, noisy, 1.0) + 4
    assert "wavelet" in proxsparse.compare(truth, noisy=noisy, data_range=1.0, weight="auto").names


def test_sums_across_the_families_have_a_certificate():
    y = image_of((16, 17))
    for penalty in (
        TotalVariation(0.1) + WaveletL1(0.1, level=1),
        GroupLasso(0.2, block=4) + OverlappingGroupLasso(0.05) + L1(0.05),
        SecondOrderTV(0.1) + DCTL1(0.1),
    ):
        result = solve(y, penalty, tol=1e-4)
        assert result.success
        assert penalty.value(result.x) == pytest.approx(result.fun - result.terms["data"])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: GroupLasso(1.0, block=0), ValueError, "block must be >= 1"),
        (lambda: GroupLasso(1.0, norm="l1"), ValueError, "got 'l1'"),
        (lambda: GroupLasso(1.0, labels=np.ones((2, 2))), TypeError, "labels must be integers"),
        (lambda: GroupLasso(1.0, group_weight="root"), ValueError, "got 'root'"),
        (lambda: GroupLasso(1.0, group_weight=[-1.0]), ValueError, "group_weight must be >= 0, got -1"),
        (lambda: solve(np.ones((3, 3)), GroupLasso(1.0, labels=np.zeros((2, 2), int))), ValueError, "labels have shape"),
        (lambda: solve(np.ones((3, 3)), GroupLasso(1.0, block=(2, 2, 2))), ValueError, "has 3 axes, the image 2"),
        (
            lambda: solve(np.ones((3, 3)), GroupLasso(1.0, block=1, group_weight=[1.0])),
            ValueError,
            "holds 1 numbers, there are 9",
        ),
        (lambda: TotalVariation(1.0, spacing=0.0), ValueError, "spacing must be finite and > 0, got 0.0"),
        (lambda: TotalVariation(1.0, spacing="1"), TypeError, "spacing must be one to three numbers"),
        (lambda: solve(np.ones((3, 3)), "tv", 1.0, spacing=(1, 2, 3)), ValueError, "has 3 axes, the image 2"),
        (lambda: solve(np.ones((3, 3)), TotalVariation(1.0, spacing=2), spacing=3), ValueError, "has a spacing of its own"),
        (lambda: solve(np.ones((3, 3)), "tv2", 1.0, spacing=(1, 2, 3)), ValueError, "has 3 axes, the image 2"),
        (lambda: solve(np.ones((3, 3)), "tgv", 1.0, spacing=(1, 2, 3)), ValueError, "has 3 axes, the image 2"),
        (lambda: solve(np.ones((3, 3)), TGV(1.0, spacing=2), spacing=3), ValueError, "has a spacing of its own"),
        (lambda: WaveletL1(1.0, wavelet="db99"), ValueError, "got 'db99'"),
        (lambda: WaveletL1(1.0, wavelet="bior2.2"), ValueError, "is not orthogonal"),
        (lambda: WaveletL1(1.0, level=0), ValueError, "level must be an integer >= 1"),
    ],
)
def test_what_does_not_fit_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_wavelets_without_pywavelets_say_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pywt", None)
    with pytest.raises(ImportError, match=r'pip install "proxsparse\[wavelet\]"'):
        WaveletL1(1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(24, 16), (25, 17)])
def test_groups_of_wavelet_coefficients(shape, dtype):
    """Neighbouring coefficients go together; on sizes that need no padding it is the block lasso of the coefficients."""
    from proxsparse import Wavelet

    y, transform = image_of(shape, dtype=dtype), Wavelet("db2", level=2)
    penalty = GroupLasso(0.4, block=2).of(transform)
    coefficients = transform.forward(y)
    assert penalty.value(y) == pytest.approx(GroupLasso(0.4, block=2).value(coefficients), rel=1e-5)
    results = [solve(y, penalty, method=m, tol=1e-5) for m in ("fista", "admm", "chambolle-pock")]
    for result in results:
        assert result.success
        assert np.linalg.norm((result.x - results[0].x).astype(float)) <= result.x_error_bound + results[0].x_error_bound
    if shape == (24, 16):
        exact = transform.adjoint(GroupLasso(0.4, block=2).prox(coefficients), shape)
        assert np.linalg.norm((exact - results[0].x).astype(float)) <= results[0].x_error_bound + 1e-5
    # nothing is lost, so that deblurring without bounds is certified
    blurred = solve(y, penalty, operator=Blur(np.ones((3, 3)) / 9), tol=1e-3, options={"maxiter": 20000})
    assert blurred.certified
    assert blurred.success
    assert eval(repr(penalty), {"GroupLasso": GroupLasso, "Wavelet": Wavelet}) == penalty
