"""Units do not matter: one problem in other units has one answer, found in as many iterations."""

import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    TGV,
    Blur,
    ElasticNet,
    Huber,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    as_operator,
    solve,
)

SHAPE = (12, 11)


MATRIX = np.random.default_rng(2).standard_normal((90, 132)) / 12


POWERS = [2.0**-20, 2.0**3, 2.0**22]


#: one by default
SCALES = [2.0**-20, *(pytest.param(c, marks=pytest.mark.slow) for c in (7.0, 1e8))]


METHODS = ["admm", "chambolle-pock"]


def solved(*args, **kw):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return solve(*args, **{"tol": 1e-5, "options": {"maxiter": 20000}} | kw)


def agree(found, expected, factor, exactly):
    """The image times the factor, the same status, and the same number of iterations within a tenth or one check."""
    assert (found.status, found.certified) == (expected.status, expected.certified)
    if exactly:
        np.testing.assert_array_equal(found.x, factor * expected.x)
        assert found.nit == expected.nit
    else:
        error = np.abs(found.x / factor - expected.x).max() / np.abs(expected.x).max()
        assert error <= 2 * np.sqrt(2 * 1e-5) * 10
        checks = expected.history["iteration"]
        step = np.diff(checks).max(initial=1)
        assert abs(found.nit - expected.nit) <= max(0.1 * expected.nit, step)


OPERATORS = {"blur": Blur.gaussian(1.0), "matrix": as_operator(MATRIX, SHAPE, (9, 10))}


def scaled(name, c):
    return Blur(c * OPERATORS["blur"].kernel) if name == "blur" else as_operator(c * MATRIX, SHAPE, (9, 10))


@pytest.mark.parametrize("c", SCALES)
@pytest.mark.parametrize("data", ["l2", "l1", Huber(0.3), "poisson"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", OPERATORS)
def test_of_the_operator(name, method, data, c):
    """(A, w) -> (c A, c w) gives x / c."""
    truth = 1 + np.abs(image_of(SHAPE))
    y = OPERATORS[name].forward(truth)
    y = np.abs(y) + 0.1 * np.random.default_rng(1).random(y.shape)
    kw = {"data": data, "method": method, "bounds": (0, None)}
    expected = solved(y, TotalVariation(0.05), operator=OPERATORS[name], **kw)
    found = solved(y, TotalVariation(0.05 * c), operator=scaled(name, c), **kw)
    # a convolution by FFT rounds as its kernel does
    agree(found, expected, 1 / c, exactly=c in POWERS)


@pytest.mark.parametrize("c", SCALES)
def test_of_the_operator_by_proximal_gradients(c):
    y = OPERATORS["blur"].forward(1 + np.abs(image_of(SHAPE)))
    kw = {"method": "fista", "tol": 1e-4}
    expected = solved(y, TotalVariation(0.05), operator=OPERATORS["blur"], **kw)
    found = solved(y, TotalVariation(0.05 * c), operator=scaled("blur", c), **kw)
    agree(found, expected, 1 / c, exactly=c in POWERS)


@pytest.mark.parametrize("c", SCALES)
@pytest.mark.parametrize("method", [*METHODS, "fista"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_of_the_image(dtype, method, c):
    """(y, w, corners, bounds, background) -> c times them gives c x."""
    y, c = image_of(SHAPE, dtype=dtype), float(dtype(c))
    for penalty, larger in (
        (TotalVariation(0.1), TotalVariation(0.1 * c)),
        (OverlappingGroupLasso(0.1, window=2), OverlappingGroupLasso(0.1 * c, window=2)),
        (TotalVariation(0.2, huber=0.1), TotalVariation(0.2 * c, huber=0.1 * c)),
        (ElasticNet(0.2, unit=0.5), ElasticNet(0.2 * c, unit=0.5 * c)),
    ):
        expected = solved(y, penalty, method=method, bounds=(-0.5, 0.9), background=0.1, tol=1e-4)
        times = dtype(c)
        found = solved(times * y, larger, method=method, bounds=(-0.5 * c, 0.9 * c), background=0.1 * c, tol=1e-4)
        agree(found, expected, times, exactly=False)


@pytest.mark.parametrize("c", SCALES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seen", [None, "holes"])
def test_of_the_spacing(seen, method, c):
    """Spacing -> c spacing, with weights times c to the order of K, and the ratio and corners in their own units."""
    y = image_of(SHAPE)
    observed = None if seen is None else np.random.default_rng(0).random(SHAPE) < 0.8
    for penalty, other in (
        (TotalVariation(0.1, spacing=(1.0, 0.5)), TotalVariation(0.1 * c, spacing=(c, 0.5 * c))),
        (TotalVariation(0.1, spacing=1.0), TotalVariation(0.1 * c, spacing=c)),
        (TotalVariation(0.2, huber=0.1, spacing=2.0), TotalVariation(0.2 * c, huber=0.1 / c, spacing=2.0 * c)),
        (SecondOrderTV(0.1, spacing=(1.0, 2.0)), SecondOrderTV(0.1 * c * c, spacing=(c, 2.0 * c))),
        (TGV(0.1, ratio=2.0, spacing=(1.0, 2.0)), TGV(0.1 * c, ratio=2.0 * c, spacing=(c, 2.0 * c))),
    ):
        if method != "chambolle-pock" and isinstance(penalty, (TGV, SecondOrderTV)):
            continue
        kw = {"method": method, "observed": observed, "tol": 1e-4}
        expected, found = solved(y, penalty, **kw), solved(y, other, **kw)
        agree(found, expected, 1.0, exactly=c in POWERS)
        assert other.dual_norm(found.dual[0]) <= other.weight


@pytest.mark.parametrize("c", SCALES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", ["l2", "l1", Huber(0.3), "poisson"])
def test_of_the_pixel_weights(data, method, c):
    """(m, w) -> (c m, c w) gives x."""
    y, m = 1 + np.abs(image_of(SHAPE)), np.random.default_rng(0).uniform(0.5, 2.0, SHAPE)
    kw = {"data": data, "method": method}
    expected = solved(y, TotalVariation(0.1), pixel_weight=m, **kw)
    found = solved(y, TotalVariation(0.1 * c), pixel_weight=c * m, **kw)
    agree(found, expected, 1.0, exactly=c in POWERS)
