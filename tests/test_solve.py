"""`solve` and `denoise` as others call them."""

import warnings

import numpy as np
import pytest
from examples import image_of

import proxsparse
from proxsparse import (
    L1,
    L2,
    Blur,
    ConvergenceWarning,
    Downsample,
    ElasticNet,
    TotalVariation,
    phantoms,
    solve,
)


def test_integers_warn_where_the_weight_is_in_their_units():
    y = np.arange(64, dtype=np.uint8).reshape(8, 8)
    with pytest.warns(UserWarning, match="in units of its values"):
        solve(y, TotalVariation(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(y, L2(0.5))
        solve(y, ElasticNet(2.0))


def test_small_things():
    assert Downsample(2, shape=5).shape == (5,)
    assert np.isfinite(solve(image_of((4, 5)), L2(1e-310)).gap)
    assert type(solve(np.ones((4, 5)), "tv", 0.1, data="poisson").gap) is float


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


def test_terms_add_up_to_the_objective_and_dual_certifies():
    """The gap recomputed in plain NumPy from x and dual: 1/2 ||x - y + K^T p||^2 + sum (w h(Kx) - <p, Kx>)."""
    y = image_of((20, 21))
    penalty = L1(0.1) + TotalVariation(0.2)
    result = solve(y, penalty, tol=1e-6)
    assert list(result.terms) == ["data", "L1", "TotalVariation"]
    assert sum(result.terms.values()) == pytest.approx(result.fun, rel=1e-14)
    ktp = penalty.adjoint(result.dual, y.shape)
    gap = 0.5 * np.sum((result.x - y + ktp) ** 2)
    for part, dual in zip(penalty.parts, result.dual, strict=True):
        assert part.dual_norm(dual) <= part.weight
        gap += part.value(result.x) - np.sum(dual * part.analysis(result.x))
    assert gap == pytest.approx(result.gap, rel=1e-6)
    assert result.x_error_bound == pytest.approx(np.sqrt(2 * result.gap))
    assert result.weight == (0.1, 0.2)
    assert result.weight_rule == "given"
    assert result.method == "chambolle-pock"


def test_denoise_fits_calibrate_denoiser():
    from skimage.restoration import calibrate_denoiser

    y = image_of((32, 32))
    calibrated = calibrate_denoiser(y, proxsparse.denoise, {"weight": [0.05, 0.2, 0.8]})
    assert calibrated.keywords["denoiser_kwargs"]["weight"] in (0.05, 0.2, 0.8)
    assert calibrated(y).shape == y.shape


def test_warnings_through_denoise_point_at_the_caller():
    with pytest.warns(ConvergenceWarning) as caught:
        proxsparse.denoise(image_of((20, 21)), "tv", 0.2, options={"maxiter": 1})
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning) as caught:
        TotalVariation(0.2).prox(image_of((20, 21)), maxiter=1)
    assert caught[0].filename == __file__


@pytest.mark.slow
def test_the_objective_is_no_worse_than_scikit_image():
    from skimage import data
    from skimage.restoration import denoise_tv_chambolle

    y = proxsparse.phantoms.add_noise(data.camera() / 255.0, 0.1)
    theirs = denoise_tv_chambolle(y, weight=0.1, eps=1e-12, max_num_iter=20000)
    ours = solve(y, "tv", 0.1, tol=1e-6)
    penalty = TotalVariation(0.1)
    assert ours.fun <= 0.5 * np.sum((theirs - y) ** 2) + penalty.value(theirs)
