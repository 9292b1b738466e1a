"""Edges of the family: starts from other problems, extreme units, what was not measured, what cannot be combined."""

import warnings

import numpy as np
import pytest
from conftest import image_of
from scipy.sparse import csr_matrix

from proxsparse import (
    L1,
    L2,
    MCP,
    TGV,
    Blur,
    Downsample,
    ElasticNet,
    GroupLasso,
    Huber,
    OverlappingGroupLasso,
    Poisson,
    Reweighted,
    TotalVariation,
    Wavelet,
    WaveletL1,
    oracle_weight,
    path,
    phantoms,
    solve,
)
from proxsparse.data_terms import LeastAbsoluteDeviations

BLUR = Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)


@pytest.mark.parametrize("data", ["l1", Huber(0.1), "poisson"])
@pytest.mark.parametrize(("operator", "penalty"), [(BLUR, "tv"), pytest.param(None, "tv2", marks=pytest.mark.slow)])
def test_a_start_from_another_mask_certifies_nothing_false(operator, penalty, data):
    """The dual of the data term that comes with an earlier result may be no dual of this problem."""
    y, seen = np.abs(image_of((16, 16))) + 0.1, np.random.default_rng(0).random((16, 16)) < 0.5
    kw = {"data": data, "operator": operator, "method": "admm", "tol": 1e-3, "options": {"maxiter": 20000}}
    kw |= {"bounds": (0, None)} if data == "poisson" else {}
    earlier = solve(y, penalty, 0.3, **kw)
    cold = solve(y, penalty, 0.3, observed=seen, **kw)
    warm = solve(y, penalty, 0.3, observed=seen, x0=earlier, **kw)
    for one, other in ((warm, cold), (cold, warm)):
        assert one.fun - one.gap <= other.fun * (1 + 1e-9)


def test_duals_where_nothing_was_measured_have_no_bound():
    m = np.array([1.0, 0.0])
    for term in (LeastAbsoluteDeviations(), Huber(0.1), Poisson()):
        bound = term.bind(np.ones(2), m)
        assert bound.conjugate(np.array([0.05, 0.0])) < np.inf
        assert bound.conjugate(np.array([0.05, -0.05])) == np.inf


@pytest.mark.parametrize(("size", "dtype"), [(1e-12, np.float32), (1e12, np.float32), (1e-80, np.float64)])
def test_values_of_any_degree_do_not_depend_on_the_units(size, dtype):
    x = (size * np.array([1.0, -2.0, 3.0])).astype(dtype)
    v = x.astype(float)
    assert L2(1.0).value(x) == pytest.approx(0.5 * np.sum(v**2), rel=1e-5)
    assert ElasticNet(1.0).value(x) == pytest.approx(0.5 * np.abs(v).sum() + 0.25 * np.sum(v**2), rel=1e-5)
    d = np.abs(np.diff(v))
    expected = np.sum(np.where(d <= 1, d**2 / 2, d - 0.5))
    assert TotalVariation(1.0, huber=1.0).value(x) == pytest.approx(expected, rel=1e-5)
    assert TotalVariation(1.0).value(x) == pytest.approx(d.sum(), rel=1e-5)


def test_hubers_corner_looks_at_measured_pixels_alone():
    noisy = phantoms.add_noise(np.full((64, 64), 10.0), 0.05)
    seen = np.random.default_rng(0).random(noisy.shape) < 0.5
    kw = {"options": {"maxiter": 2}, "tol": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        holes = solve(np.where(seen, noisy, np.nan), "tv", 0.1, data="huber", nan_policy="omit", **kw)
        masked = solve(np.where(seen, noisy, 0), "tv", 0.1, data="huber", observed=seen, **kw)
        given = solve(noisy, "tv", 0.1, data=Huber(1.345 * 0.05), observed=seen, **kw)
    for result in (holes, masked):
        assert result.terms["data"] == pytest.approx(given.terms["data"], rel=0.2)


@pytest.mark.parametrize("method", ["admm", "chambolle-pock"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_poisson_starts_from_zeros(dtype, method):
    counts = np.random.default_rng(0).poisson(5.0, (16, 16)).astype(dtype)
    kw = {"data": "poisson", "operator": BLUR, "bounds": (0, None), "method": method, "tol": 1e-3}
    result = solve(counts, "tv", 0.1, x0=np.zeros_like(counts), options={"maxiter": 20000}, **kw)
    assert result.success
    assert result.fun == pytest.approx(solve(counts, "tv", 0.1, **kw, options={"maxiter": 20000}).fun, rel=2e-3)


def test_negative_intensities_are_no_rounding():
    term = Poisson().bind(np.array([1e6, 0.0], np.float32))
    assert term.value(np.array([1e6, -0.5])) == np.inf
    assert term.value(np.array([1e6, -1e-12])) < np.inf


def test_a_background_without_bounds_and_with_one():
    y = image_of((8, 9))
    free = solve(y, L1(0.2), background=0.3).x
    np.testing.assert_allclose(free, 0.3 + solve(y - 0.3, L1(0.2)).x, atol=1e-14)
    assert solve(y, L1(0.2), background=0.3, bounds=(0.1, None)).x.min() >= 0.1


def test_wavelets_that_are_orthogonal_by_name_alone_are_refused():
    for make in (lambda: WaveletL1(0.1, "dmey"), lambda: Wavelet("dmey")):
        with pytest.raises(ValueError, match="'dmey' is not orthogonal"):
            make()
    y = image_of((32, 32))
    np.testing.assert_allclose(WaveletL1(0.1, "sym8", 1).adjoint(WaveletL1(0.1, "sym8", 1).analysis(y), y.shape), y, atol=1e-9)


def test_what_is_a_minimisation_of_its_own_is_not_composed():
    latent = OverlappingGroupLasso(0.1, kind="latent")
    for penalty in (TGV(0.1), latent):
        with pytest.raises(ValueError, match="is not taken of an operator"):
            penalty.of(BLUR)
        with pytest.raises(ValueError, match="use solve"):
            (L1(0.1) + penalty).prox(image_of((8, 8)))
        with pytest.raises(ValueError, match="must be numbers >= 0, got -1"):
            penalty.prox(image_of((8, 8)), tol=-1)


def test_penalties_that_are_not_convex_start_from_convex_answers():
    y = image_of((12, 13))
    start = solve(y, L1(0.05), operator=BLUR)
    result = solve(y, MCP(0.05), operator=BLUR, x0=start, options={"maxiter": 20000})
    assert result.status == 6
    assert result.fun <= 0.5 * np.sum((BLUR.forward(start.x) - y) ** 2) + MCP(0.05).value(start.x)


def test_reweighting_stops_when_it_is_told():
    y, calls = image_of((32, 32)), []

    def stop(intermediate_result):
        calls.append(intermediate_result.nit)
        raise StopIteration

    with pytest.warns(UserWarning, match="Stopped by the callback"):
        assert solve(y, Reweighted(TotalVariation(0.2)), callback=stop).status == 3
    assert len(calls) == 1
    debiased = solve(y, Reweighted(TotalVariation(0.2, isotropic=False)), debias=True)
    assert debiased.debiased.shape == y.shape


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


def test_labels_may_have_any_names():
    y = image_of((4, 4))
    names = np.arange(16).reshape(4, 4) // 4 * 10**11
    names[0, 0] = -7
    few = np.where(names < 0, -1, np.arange(16).reshape(4, 4) // 4)
    np.testing.assert_array_equal(solve(y, GroupLasso(0.3, labels=names)).x, solve(y, GroupLasso(0.3, labels=few)).x)
    assert GroupLasso(0.3, labels=names, group_weight="sqrt").value(y) == GroupLasso(
        0.3, labels=few, group_weight="sqrt"
    ).value(y)


def test_a_matrix_of_groups_is_copied_and_written_out():
    matrix = csr_matrix((np.array([1, 0, 1, 1]), np.array([2, 0, 1, 0]), np.array([0, 2, 4])), (2, 4))
    before = [a.copy() for a in (matrix.data, matrix.indices, matrix.indptr)]
    penalty = OverlappingGroupLasso(0.2, groups=matrix)
    for a, b in zip(before, (matrix.data, matrix.indices, matrix.indptr), strict=True):
        np.testing.assert_array_equal(a, b)
    again = eval(repr(penalty), {"np": np, "OverlappingGroupLasso": OverlappingGroupLasso})
    assert again == penalty
    np.testing.assert_array_equal(again.prox([1.0, 2.0, 3.0, 4.0]), penalty.prox([1.0, 2.0, 3.0, 4.0]))


@pytest.mark.parametrize("shape", [(3, 3), (32, 32), (1, 2, 2), (4, 5, 6), (9,)])
def test_tgv_meets_its_tolerance_on_small_images_and_large_weights(shape):
    for weight in (0.1, 2.0):
        assert solve(image_of(shape), TGV(weight)).success


def test_integers_warn_where_the_weight_is_in_their_units():
    y = np.arange(64, dtype=np.uint8).reshape(8, 8)
    with pytest.warns(UserWarning, match="in units of its values"):
        solve(y, TotalVariation(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solve(y, L2(0.5))
        solve(y, ElasticNet(2.0))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: OverlappingGroupLasso(1.0, window=7, groups="pairs"), ValueError, "groups are given, and windows too"),
        (
            lambda: solve(np.ones((6, 6)), GroupLasso(1.0, block=2, group_weight=np.ones(10))),
            ValueError,
            "holds 10 numbers, there are 9",
        ),
        (lambda: solve(np.ones((6, 6)), TotalVariation(0.1).of(BLUR), spacing=(3, 1)), ValueError, "is not passed on"),
        (lambda: BLUR @ np.eye(3), TypeError, "does not support ufuncs"),
        (lambda: np.eye(3) @ BLUR, TypeError, "unsupported operand"),
        (lambda: Huber().bind(np.ones(3)).value(np.ones(3)), ValueError, "has no corner"),
    ],
)
def test_what_does_not_go_together_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_small_things():
    assert Downsample(2, shape=5).shape == (5,)
    assert solve(image_of((4, 5)), L2(1e-310)).gap >= 0
    assert type(solve(np.ones((4, 5)), "tv", 0.1, data="poisson").gap) is float
