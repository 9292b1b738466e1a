"""Promises that hold at every door: what comes in is left alone however it lies in memory, and what is no image is refused."""

import os
import threading
import warnings

import numpy as np
import pytest
from examples import image_of, layouts

import proxsparse
from proxsparse import (
    L1,
    MCP,
    TGV,
    Blur,
    ConvergenceWarning,
    Downsample,
    OverlappingGroupLasso,
    Reweighted,
    TotalVariation,
    Wavelet,
    metrics,
    phantoms,
    solve,
)

BLUR = Blur(np.ones((3, 3)) / 9)


FEW = {"options": {"maxiter": 60}}


def numbers(found):
    """All numbers of an answer, one after the other."""
    if isinstance(found, (tuple, list)):
        return np.concatenate([numbers(each) for each in found])
    return np.atleast_1d(np.asarray(found, np.float64)).ravel()


def compared(y):
    outputs = {"half": lambda z: 0.5 * z}
    found = proxsparse.compare(
        np.zeros(np.shape(y)), outputs, noisy=y, data_range=1.0, penalties=("none", "tv"), weight=0.1, support_tol=0.5
    )
    return [found.values(name, metric) for name in found.names for metric in ("mse", "psnr", "zero_share")]


#: what takes an image
DOORS = {
    "solve": lambda y: proxsparse.solve(y, "l1+tv", (0.05, 0.1), **FEW).x,
    "solve with an operator": lambda y: proxsparse.solve(y, "tv", 0.1, operator=BLUR, bounds=(0, 1), **FEW).x,
    "solve, weight left out": lambda y: proxsparse.solve(y, "tv", **FEW).x,
    "solve, absolute deviations": lambda y: proxsparse.solve(y, "tv", 0.5, data="l1", **FEW).x,
    "solve, debiased": lambda y: proxsparse.solve(y, "tv", 0.1, debias=True, **FEW).debiased,
    "solve, not convex": lambda y: proxsparse.solve(y, MCP(0.2)).x,
    "solve, reweighted": lambda y: proxsparse.solve(y, Reweighted(TotalVariation(0.1), solves=2), **FEW).x,
    "solve, tgv": lambda y: proxsparse.solve(y, "tgv", 0.1, **FEW).x,
    "denoise": lambda y: proxsparse.denoise(y, "overlap", 0.1, **FEW),
    "solve_batch": lambda y: proxsparse.solve_batch(np.stack([y, y]), "tv", 0.1, workers=2, **FEW).x,
    "path": lambda y: [r.x for r in proxsparse.path(y, "tv", [0.3, 0.1], **FEW)],
    "oracle_weight": lambda y: proxsparse.oracle_weight(y, np.zeros(y.shape, y.dtype), "tv", tol=1e-2),
    "compare": compared,
    "value": lambda y: TotalVariation(0.3).value(y),
    "value, tgv": lambda y: TGV(0.3).value(y),
    "prox": lambda y: OverlappingGroupLasso(0.2).prox(y, tol=1e-3),
    "analysis and adjoint": lambda y: TotalVariation(1.0).adjoint(TotalVariation(1.0).analysis(y), y.shape),
    "project": lambda y: L1(0.3).project(y),
    "dual_norm": lambda y: L1(0.3).dual_norm(y),
    "max_weight": lambda y: TotalVariation().max_weight(y),
    "batch of a list": lambda y: proxsparse.solve_batch([y, y], "tv", 0.1, **FEW).x,
    "blur": lambda y: BLUR.adjoint(BLUR.forward(y), y.shape),
    "downsample": lambda y: Downsample(2).forward(y),
    "wavelet": lambda y: Wavelet().forward(y),
    "noise_std": metrics.noise_std,
    "mse": lambda y: metrics.mse(y, np.zeros(np.shape(y))),
    "ssim": lambda y: metrics.ssim(y, np.zeros(np.shape(y)), 1.0),
    "support": lambda y: [metrics.f1(y, y > 0.5), metrics.components(y, 0.5), metrics.morans_i(y, 0.5)],
    "add_noise": lambda y: phantoms.add_noise(y, 0.1),
}


#: what does not look at the numbers: NaN and nothing go through an operator as through any product
PLAIN = {"blur", "downsample", "wavelet"}


#: of NaN they make NaN
METRICS = {"noise_std", "mse", "ssim"}


#: NaN is in no support, and stays where it is
COUNTS = {"support", "add_noise"}


each = pytest.mark.parametrize("name", DOORS)


@pytest.fixture(autouse=True)
def few_iterations():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_comes_in_is_left_alone_however_it_lies_in_memory(name, dtype, tmp_path):
    y = (0.5 + 0.3 * image_of((24, 26))).astype(dtype)
    y.flags.writeable = False
    before = y.tobytes()
    expected = numbers(DOORS[name](y))
    assert y.tobytes() == before
    assert np.isfinite(expected).all()
    arrays = layouts(y, tmp_path)
    # of Python's numbers, which are float64
    del arrays["list"]
    for layout, array in arrays.items():
        kept = array.tobytes()
        found = numbers(DOORS[name](array))
        assert array.tobytes() == kept, layout
        np.testing.assert_array_equal(found, expected, err_msg=layout)


@each
def test_what_is_no_image_is_refused(name):
    y = 0.5 + 0.3 * image_of((24, 26))
    nan = y.copy()
    nan[3, 4] = np.nan
    masked = np.ma.masked_array(y, y > 0.7)
    if name in METRICS:
        # as of any mean: no error, and no number
        assert np.isnan(numbers(DOORS[name](nan))).all()
    refused = [masked, y + 1j, np.array([["a", "b"]] * 2)]
    if name not in PLAIN:
        refused.append(np.zeros((0, 4)))
    if name not in METRICS | COUNTS | PLAIN:
        refused.append(nan)
    for bad in refused:
        with pytest.raises((ValueError, TypeError)) as caught:
            DOORS[name](bad)
        assert str(caught.value)


@each
def test_threads_give_the_serial_answer(name):
    images = [(0.5 + 0.3 * image_of((24, 26), seed)) for seed in range(8)]
    expected = [numbers(DOORS[name](y)) for y in images]
    found, barrier = [None] * 8, threading.Barrier(8)

    def work(i):
        barrier.wait(60)
        found[i] = numbers(DOORS[name](images[i]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@each
def test_global_state_is_untouched(name):
    def state():
        drawn = np.random.get_state()[1].tobytes()  # noqa: NPY002
        return np.geterr(), drawn, list(warnings.filters), dict(os.environ), threading.active_count()

    before = state()
    DOORS[name](0.5 + 0.3 * image_of((24, 26)))
    assert state() == before


@pytest.mark.parametrize("number", [np.array(0.1), np.float32(0.1), np.array(0.1, np.float32)])
def test_an_array_of_no_axes_is_a_number(number, rng):
    y = rng.random((8, 8))
    assert np.array_equal(solve(y, "tv", number).x, solve(y, "tv", float(number)).x)
    assert TotalVariation(number) == TotalVariation(float(number))
    assert np.array(2.0) * TotalVariation(0.1) == TotalVariation(0.1) * np.array(2.0) == TotalVariation(0.2)
    about = {
        "noise_std": number,
        "spacing": number,
        "tol": number,
        "options": {"maxtime": np.array(9.0), "maxiter": np.array(7)},
    }
    solve(y, "tv", 0.1, **about)
    assert OverlappingGroupLasso(1.0, window=np.array(2)) == OverlappingGroupLasso(1.0, window=2)
    with pytest.raises(TypeError):
        solve(y, "tv", np.array(True))
