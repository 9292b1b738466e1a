"""Paths over weights, and the weight that the truth would choose."""

import numpy as np
import pytest
from examples import image_of

import proxsparse
from proxsparse import (
    L1,
    L2,
    MCP,
    ConvergenceWarning,
    Reweighted,
    TotalVariation,
    metrics,
    oracle_weight,
    path,
    phantoms,
    solve,
)


def test_paths_say_what_they_need():
    y = image_of((8, 9))
    with pytest.raises(ValueError, match="is large enough for a trivial answer"):
        path(y, L2(), 3)
    for name, value in (("data", "l1"), ("background", 5.0), ("spacing", 3.0)):
        with pytest.raises(ValueError, match="give the weights themselves"):
            path(y, "tv", 3, **{name: value})
    assert len(path(y, "tv", [0.1, 0.2], data="l1", background=0.5)) == 2
    for penalty in (MCP(), Reweighted(L1())):
        with pytest.raises(TypeError, match="is for convex penalties"):
            path(y, penalty, [1.0])
        with pytest.raises(TypeError, match="is for convex penalties"):
            oracle_weight(y, y, penalty)


TRUTH = phantoms.regions((64, 64))


NOISY = phantoms.add_noise(TRUTH, 0.1)


def test_a_path_is_what_single_solves_give():
    weights = [0.02, 0.3, 0.1]
    for penalty in ("tv", "l1+overlap", TotalVariation(2.0)):
        results = proxsparse.path(NOISY, penalty, weights)
        assert len(results) == 3
        for weight, result in zip(weights, results, strict=True):
            parts = np.atleast_1d(result.weight)
            np.testing.assert_allclose(parts, weight * (2.0 if isinstance(penalty, TotalVariation) else 1.0))
            alone = solve(NOISY, penalty if isinstance(penalty, str) else "tv", tuple(parts) if len(parts) > 1 else parts[0])
            assert np.linalg.norm(result.x - alone.x) <= result.x_error_bound + alone.x_error_bound
    own = proxsparse.path(NOISY, TotalVariation(1e-3), 5)
    assert np.ptp(own[0].x) <= 1e-9
    down = proxsparse.path(NOISY, "tv", 5)
    assert own[0].weight == pytest.approx(down[0].weight)
    assert np.ptp(down[0].x) <= 1e-9
    assert np.ptp(down[1].x) > 1e-3
    assert down[0].weight == pytest.approx(1e3 * down[-1].weight)
    with pytest.warns(ConvergenceWarning):
        proxsparse.path(NOISY, "tv", [0.1], options={"maxiter": 1})


def test_the_oracle_beats_every_neighbour():
    for metric in ("mse", "mae", "ssim", lambda truth, x: float(np.abs(truth - x).max())):
        weight = proxsparse.oracle_weight(NOISY, TRUTH, "tv", metric, data_range=1.0)
        if callable(metric):
            continue

        def score(w, metric=metric):
            x = solve(NOISY, "tv", w).x
            return -metrics.ssim(TRUTH, x, 1.0) if metric == "ssim" else getattr(metrics, metric)(TRUTH, x)

        # the lattice is as fine as a factor of 2^(1/4)
        assert score(weight) <= min(score(1.25 * weight), score(weight / 1.25))
    assert proxsparse.oracle_weight(NOISY, TRUTH, "tv", "psnr") == proxsparse.oracle_weight(NOISY, TRUTH, "tv")
    assert len(proxsparse.oracle_weight(NOISY[:32, :32], TRUTH[:32, :32], "l1+tv")) == 2
