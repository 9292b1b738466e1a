"""Wavelets and cosines: their formulas, odd sizes, groups of coefficients."""

import numpy as np
import pytest
from examples import image_of

import proxsparse
from proxsparse import (
    DCTL1,
    Blur,
    GroupLasso,
    Wavelet,
    WaveletL1,
    phantoms,
    solve,
)


def test_wavelets_that_are_orthogonal_by_name_alone_are_refused():
    for make in (lambda: WaveletL1(0.1, "dmey"), lambda: Wavelet("dmey")):
        with pytest.raises(ValueError, match="'dmey' is not orthogonal"):
            make()
    y = image_of((32, 32))
    np.testing.assert_allclose(WaveletL1(0.1, "sym8", 1).adjoint(WaveletL1(0.1, "sym8", 1).analysis(y), y.shape), y, atol=1e-9)


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
