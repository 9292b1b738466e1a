"""Bad input gets a clear error that names the value."""

import numpy as np
import pytest
import scipy.sparse.linalg
from conftest import image_of

import proxsparse
from proxsparse import L1, Blur, GroupLasso, OverlappingGroupLasso, TotalVariation, as_operator, phantoms, solve

Y = image_of((9, 8))
NO_ADJOINT = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda x: x)
WRONG_ADJOINT = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda x: 2 * x, rmatvec=lambda x: 3 * x)
NEARLY_ADJOINT = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda x: x, rmatvec=lambda x: 0.99 * x)
LARGE_NEARLY_ADJOINT = scipy.sparse.linalg.LinearOperator((4096, 4096), matvec=lambda x: x, rmatvec=lambda x: 0.999 * x)

CASES = [
    # the weight
    (lambda: solve(Y, "tv", "sur"), ValueError, "unknown rule for the weight 'sur'; did you mean 'sure'"),
    (lambda: solve(Y, TotalVariation(0.1), "auto"), ValueError, "has a weight of its own"),
    (lambda: solve(Y, "tv", noise_std=-1.0), ValueError, "noise_std must be finite and >= 0, got -1.0"),
    (lambda: solve(Y, "tv", noise_std="0.1"), TypeError, "noise_std must be a number"),
    (lambda: solve(Y, "tv", "universal"), ValueError, "for L1 alone; use weight='auto'"),
    (lambda: solve(Y, "l1+tv", "discrepancy"), ValueError, "one condition for 2 weights"),
    (lambda: solve(Y, "l1+tv", "noise"), ValueError, "one condition for 2 weights"),
    (lambda: solve(Y, L1(0.1) + TotalVariation(), "noise"), ValueError, "of one part that clears"),
    (lambda: solve(Y, "tv", "gcv", pixel_weight=2.0 + Y), ValueError, "weight='discrepancy' with noise_std="),
    (lambda: solve(Y, "tv", "noise", observed=Y > 0), ValueError, "without operator, mask or pixel weights"),
    (lambda: solve(Y, "tv", "noise"), ValueError, "one part that clears"),
    (lambda: solve(Y, "l1+tv", pixel_weight=2.0 + Y), ValueError, "give all weights but one"),
    (lambda: proxsparse.path(Y, "tv", 0.1), ValueError, "must be a sequence of numbers"),
    (lambda: proxsparse.path(Y, "tv", 3, observed=Y > 0), ValueError, "with observed= the largest weight is not known"),
    (lambda: proxsparse.path(Y, TotalVariation(0.0), 3), ValueError, "which no factor changes"),
    (lambda: proxsparse.oracle_weight(Y, Y[1:]), ValueError, "truth has shape"),
    (lambda: proxsparse.oracle_weight(Y, np.nan * Y), ValueError, "truth has 72 NaN"),
    (lambda: solve(Y, "tv", "sure", operator=np.eye(Y.size)), ValueError, "needs noise_std="),
    (lambda: proxsparse.path(Y, "tv", 0), ValueError, "how many there shall be"),
    (lambda: proxsparse.path(Y, "tv", 3, operator=np.eye(Y.size)), ValueError, "largest weight is not known"),
    (lambda: proxsparse.oracle_weight(Y, Y, "tv", "ssim"), ValueError, "needs data_range="),
    (lambda: proxsparse.oracle_weight(Y, Y, "tv", "snr"), ValueError, "unknown metric 'snr'"),
    (lambda: proxsparse.oracle_weight(Y, Y, TotalVariation(0.1)), ValueError, "has its weight already"),
    (lambda: solve(Y, "tv", -0.1), ValueError, "weight must be finite and >= 0, got -0.1"),
    (lambda: solve(Y, "tv", float("nan")), ValueError, "got nan"),
    (lambda: solve(Y, "tv", float("inf")), ValueError, "got inf"),
    (lambda: solve(Y, "tv", True), TypeError, "got True"),
    (lambda: solve(Y, TotalVariation(0.1), 0.2), ValueError, "weight=0.2 was given, but TotalVariation.0.1. has a weight"),
    (lambda: solve(Y, L1(0.1) + TotalVariation(0.2), 0.3), ValueError, "weight=0.3"),
    (lambda: solve(Y, "l1+tv", 0.1), ValueError, "needs 2 weights"),
    (lambda: solve(Y, "l1+tv", (0.1, 0.2, 0.3)), ValueError, "needs 2 weights"),
    (lambda: solve(Y, "l1+tv", (0.1, -0.2)), ValueError, "got -0.2"),
    (lambda: TotalVariation(-1), ValueError, "got -1"),
    (lambda: -1 * TotalVariation(1), ValueError, "got -1"),
    (lambda: (L1() + TotalVariation()).with_weight(1.0), ValueError, "one weight a part"),
    (lambda: TotalVariation().value(Y), ValueError, "has no weight"),
    # penalties
    (lambda: solve(Y, "tvv", 0.1), ValueError, "unknown penalty 'tvv'; did you mean 'tv'"),
    (lambda: solve(Y, "qqq", 0.1), ValueError, "known are 'group', 'l1'"),
    (lambda: solve(Y, None, 0.1), TypeError, "penalty must be a name or a Penalty, got None"),
    (
        lambda: solve(Y, OverlappingGroupLasso(0.1, window=10)),
        ValueError,
        r"window \(10, 10\) is larger than the image \(9, 8\)",
    ),
    (lambda: solve(Y, OverlappingGroupLasso(0.1, window=(2, 2, 2))), ValueError, "has 3 axes, the image 2"),
    (lambda: OverlappingGroupLasso(0.1, window=3, stride=4), ValueError, "stride beyond the window"),
    (lambda: OverlappingGroupLasso(0.1, window=0), ValueError, "window must be >= 1, got 0"),
    (lambda: OverlappingGroupLasso(0.1, window=2.5), TypeError, "got 2.5"),
    (lambda: OverlappingGroupLasso(0.1, window=(2, 2), stride=(1, 1, 1)), ValueError, "differ in their number of axes"),
    (lambda: OverlappingGroupLasso(0.1, norm="l3"), ValueError, "got 'l3'"),
    (lambda: L1(0.1, pixel_weight=[-1.0]), ValueError, "got -1.0"),
    (lambda: solve(Y, L1(0.1, pixel_weight=np.ones(5))), ValueError, r"shape \(5,\), the image \(9, 8\)"),
    (
        lambda: TotalVariation(0.1).adjoint(np.zeros((2, 3, 3)), (9, 8)),
        ValueError,
        r"does not belong to an image of shape \(9, 8\)",
    ),
    (lambda: (L1(1) + TotalVariation(1)).adjoint([Y], (9, 8)), ValueError, "tuple of 2 arrays"),
    (lambda: TotalVariation(0.1).prox(Y, -1.0), ValueError, "got -1.0"),
    (lambda: TotalVariation(0.1).of(Blur([1.0])).max_weight(np.ones(5)), ValueError, "no bound"),
    # method, tolerance, options
    (lambda: solve(Y, "tv", 0.1, method="fitsa"), ValueError, "unknown method 'fitsa'; did you mean 'fista'"),
    (lambda: solve(Y, "tv", 0.1, tol=-1), ValueError, "tol must be a number >= 0, got -1"),
    (lambda: solve(Y, "tv", 0.1, tol=float("nan")), ValueError, "got nan"),
    (lambda: solve(Y, "tv", 0.1, tol="small"), ValueError, "got 'small'"),
    (lambda: solve(Y, "tv", 0.1, callback=5), TypeError, "callback must be callable, got 5"),
    (lambda: solve(Y, "tv", 0.1, options={"maxitr": 5}), ValueError, "unknown option 'maxitr'; did you mean 'maxiter'"),
    (lambda: solve(Y, "tv", 0.1, method="fista", options={"rho": 1.0}), ValueError, "belongs to method 'admm', not to 'fista'"),
    (lambda: solve(Y, "tv", 0.1, options={"maxiter": -1}), ValueError, "maxiter must be >= 0, got -1"),
    (lambda: solve(Y, "tv", 0.1, options={"maxiter": 5.5}), TypeError, "got 5.5"),
    (lambda: solve(Y, "tv", 0.1, options={"maxtime": 0}), ValueError, "maxtime must be > 0, got 0"),
    (lambda: solve(Y, "tv", 0.1, options={"check_every": 0}), ValueError, "got 0"),
    (lambda: solve(Y, "tv", 0.1, options={"disp": 1}), TypeError, "True or False, got 1"),
    (lambda: solve(Y, "tv", 0.1, options=["maxiter"]), TypeError, "options must be a dict"),
    (lambda: solve(Y, "tv", 0.1, method="admm", options={"relaxation": 2.5}), ValueError, "must be < 2, got 2.5"),
    (lambda: solve(Y, "tv", 0.1, method="admm", options={"rho": "big"}), TypeError, "got 'big'"),
    (lambda: solve(Y, "tv", 0.1, method="fista", options={"step": 0.1}), ValueError, "need an operator"),
    (
        lambda: solve(Y, "tv", 0.1, method="chambolle-pock", operator=Blur(np.ones((3, 3))), options={"gamma": 0.1}),
        ValueError,
        "gamma=0.1 needs",
    ),
    # bounds, data weights, starts, channels
    (lambda: solve(Y, "tv", 0.1, bounds=(1, 0)), ValueError, "bounds cross: lower 1.0 > upper 0.0"),
    (
        lambda: solve(Y, "tv", 0.1, bounds=(np.where(Y[3, 4] - 1e-9 < Y, 1.0, 0.0) * 0 + np.eye(9, 8), 0.5)),
        ValueError,
        r"at index \(0, 0\)",
    ),
    (lambda: solve(Y, "tv", 0.1, bounds=(0, np.ones(3))), ValueError, r"upper bound has shape \(3,\), the image \(9, 8\)"),
    (lambda: solve(Y, "tv", 0.1, bounds=(np.nan, 1)), ValueError, "lower bound is NaN"),
    (lambda: solve(Y, "tv", 0.1, bounds=(np.inf, None)), ValueError, "no image satisfies"),
    (lambda: solve(Y, "tv", 0.1, bounds=0.5), ValueError, "must be a pair"),
    (lambda: solve(Y, "tv", 0.1, pixel_weight=-np.ones_like(Y)), ValueError, "pixel_weight must be >= 0, got -1"),
    (lambda: solve(Y, "tv", 0.1, pixel_weight=np.zeros_like(Y)), ValueError, "no pixel was measured"),
    (lambda: solve(Y, "tv", 0.1, pixel_weight=np.ones(4)), ValueError, r"pixel_weight has shape \(4,\), the image \(9, 8\)"),
    (lambda: solve(Y, "tv", 0.1, pixel_weight=np.full_like(Y, np.nan)), ValueError, "pixel_weight has 72 NaN"),
    (lambda: solve(Y, "tv", 0.1, observed=np.ones((9, 8))), TypeError, "observed must be boolean, True where"),
    (
        lambda: solve(Y, "tv", 0.1, observed=np.ones((3, 3), bool)),
        ValueError,
        r"observed has shape \(3, 3\), the image \(9, 8\)",
    ),
    (lambda: solve(Y, "tv", 0.1, observed=np.zeros((9, 8), bool)), ValueError, "no pixel was measured"),
    (lambda: solve(Y * np.nan, "tv", 0.1, nan_policy="omit"), ValueError, "no pixel was measured"),
    (lambda: solve(Y, "tv", 0.1, nan_policy="propagate"), ValueError, "got 'propagate'"),
    (lambda: solve(np.full((9, 8), np.inf), "tv", 0.1, nan_policy="omit"), ValueError, "NaN or infinite"),
    (lambda: solve(Y, "tv", 0.1, x0=np.zeros((3, 3))), ValueError, r"x0 has shape \(3, 3\), the answer \(9, 8\)"),
    (lambda: solve(Y, "tv", 0.1, x0=np.full_like(Y, np.nan)), ValueError, "x0 has 72 NaN"),
    (lambda: solve(Y, "tv", 0.1, x0=solve(Y, "overlap", 0.1)), ValueError, "another penalty"),
    (lambda: solve(Y, "tv", 0.1, x0=solve(Y, "l1+tv", (0.1, 0.1))), ValueError, "2 parts, this one has 1"),
    (lambda: solve(Y, "tv", 0.1, channel_axis=2), ValueError, "channel_axis 2 is out of range"),
    (lambda: solve(Y, "tv", 0.1, channel_axis=0.0), TypeError, "got 0.0"),
    (lambda: solve(Y, "tv", 0.1, mask=Y > 0), TypeError, "mask"),
    # operators
    (lambda: solve(Y, "tv", 0.1, operator=np.eye(10)), ValueError, r"shape \(10, 10\) is not square on the image's 72 pixels"),
    (
        lambda: solve(Y, "tv", 0.1, operator=as_operator(np.eye(6), (3, 2), (3, 2))),
        ValueError,
        r"gives images of shape \(3, 2\)",
    ),
    (lambda: solve(Y, "tv", 0.1, operator=NO_ADJOINT), ValueError, "has no adjoint"),
    (lambda: solve(Y, "tv", 0.1, operator=WRONG_ADJOINT), ValueError, "the adjoint is not one"),
    (lambda: as_operator(LARGE_NEARLY_ADJOINT, (64, 64), (64, 64)), ValueError, "the adjoint is not one: <Ax, Ax>"),
    (lambda: solve(Y, "tv", 0.1, operator=NEARLY_ADJOINT), ValueError, "the adjoint is not one"),
    (lambda: TotalVariation(1).project(Y), ValueError, r"p of shape \(9, 8\) is no dual of TotalVariation"),
    (lambda: TotalVariation(1).dual_norm(np.zeros((3, 9, 8))), ValueError, "no dual"),
    (lambda: OverlappingGroupLasso(1).project(Y), ValueError, "no dual"),
    (lambda: TotalVariation(1).project(np.zeros(3), channel_axis=0), ValueError, "no dual"),
    (lambda: TotalVariation().prox(Y), ValueError, "has no weight"),
    (lambda: L1(0.1).prox(Y, tol=float("nan")), ValueError, "got nan"),
    (lambda: L1(0.1).prox(Y, maxiter=-1), ValueError, "and -1"),
    (lambda: solve(Y, "tv", 0.1, operator="blur"), TypeError, "got str"),
    (lambda: as_operator(np.eye(6)), ValueError, "use as_operator"),
    (lambda: as_operator(np.eye(6), (5,), (6,)), ValueError, r"does not map images \(5,\) to \(6,\)"),
    (lambda: as_operator(1j * np.eye(6), (6,), (6,)), TypeError, "complex"),
    (lambda: Blur(np.ones((3, 3)), "mirror"), ValueError, "got 'mirror'"),
    (lambda: Blur(np.zeros((0, 3))), ValueError, "not be empty"),
    (lambda: Blur(np.full((3, 3), np.nan)), ValueError, "kernel has 9 NaN"),
    (
        lambda: solve(Y, "tv", 0.1, operator=Blur(np.ones((11, 3)))),
        ValueError,
        r"kernel of shape \(11, 3\) is larger than the image",
    ),
    (lambda: solve(Y, "tv", 0.1, operator=Blur(np.ones(3))), ValueError, "kernel of 1 axes does not fit"),
    # phantoms
    (lambda: phantoms.regions((8, 8)), ValueError, "at least 16"),
    (lambda: phantoms.add_noise(Y, -1), ValueError, "got -1"),
]


@pytest.mark.parametrize(("call", "error", "message"), CASES, ids=[f"{e.__name__}: {m}" for _, e, m in CASES])
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_unknown_name_is_an_attribute_error():
    import proxsparse

    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        _ = proxsparse.slove
    assert "solve" in dir(proxsparse)
    assert proxsparse.__version__ in repr(proxsparse.__version__)


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


def test_a_matrix_of_integers_is_no_list_of_indices(rng):
    y = rng.random((2, 3))
    member = np.array([[1, 1, 0, 0, 1, 0], [0, 0, 1, 1, 0, 1]])
    expected = solve(y, OverlappingGroupLasso(0.3, groups=member.astype(bool))).x
    for dtype in (np.int64, np.uint8, np.float64):
        np.testing.assert_array_equal(solve(y, OverlappingGroupLasso(0.3, groups=member.astype(dtype))).x, expected)
    with pytest.raises(ValueError, match="boolean matrix"):
        OverlappingGroupLasso(0.3, groups=np.array([[0, 1], [1, 0]]))
    # indices that are no 0 and 1 are what they were
    assert OverlappingGroupLasso(0.3, groups=np.array([[0, 1, 2], [3, 4, 5]])) == OverlappingGroupLasso(
        0.3, groups=[[0, 1, 2], [3, 4, 5]]
    )


def test_labels_beyond_signed_integers_are_labels(rng):
    y = rng.random(4)
    large = np.array([2**63, 2**63, 2**64 - 1, 2**64 - 1], np.uint64)
    np.testing.assert_array_equal(solve(y, GroupLasso(0.5, labels=large)).x, solve(y, GroupLasso(0.5, labels=[0, 0, 1, 1])).x)
    with pytest.raises(ValueError, match="labels up to"):
        GroupLasso(0.5, labels=large, group_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="beyond any image"):
        OverlappingGroupLasso(0.5, groups=[np.array([0, 2**63], np.uint64)])
