"""Bad input gets a clear error that names the value."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse.linalg
from examples import image_of
from scipy.sparse import csr_matrix

import proxsparse
from proxsparse import (
    L0,
    L1,
    MCP,
    SCAD,
    TGV,
    Blur,
    ElasticNet,
    GroupLasso,
    Huber,
    OverlappingGroupLasso,
    Regions,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    WaveletL1,
    as_operator,
    compare,
    oracle_weight,
    path,
    phantoms,
    solve,
    solve_batch,
)

Y = image_of((9, 8))


NO_ADJOINT = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda x: x)


WRONG_ADJOINT = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda x: 2 * x, rmatvec=lambda x: 3 * x)


NEARLY_ADJOINT = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda x: x, rmatvec=lambda x: 0.99 * x)


LARGE_NEARLY_ADJOINT = scipy.sparse.linalg.LinearOperator((4096, 4096), matvec=lambda x: x, rmatvec=lambda x: 0.999 * x)


TRUTH = phantoms.regions((48, 48))


WITH_NAN = np.where(np.arange(48 * 48).reshape(48, 48) == 50, np.nan, TRUTH)


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


BLUR = Blur(KERNEL)


#: what is refused: a call, the error, and what its message says
REFUSALS = [
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
    (lambda: solve(Y, "tv", "sure", operator=np.eye(Y.size)[::-1] - np.eye(Y.size)), ValueError, "needs noise_std="),
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
    (lambda: solve("tv", Y), TypeError, "got an array of shape .*: the image comes first"),
    (lambda: solve(Y, 0.1), TypeError, r"got 0.1: the weight is the third argument, solve\(image, 'tv', 0.1\)"),
    (lambda: solve(Y, TotalVariation), TypeError, r"the class TotalVariation: give an object, TotalVariation\(weight\)"),
    (lambda: solve(Y, "tv", "0.1"), TypeError, "weight='0.1' is a text: give the number, weight=0.1"),
    (lambda: solve(Y, "tv", Y), ValueError, "weight is one number a part, got an array of shape .* pixel_weight="),
    (lambda: solve(Y, "tv+regions", 0.1), ValueError, r"unknown penalty 'tv\+regions'"),
    (lambda: solve(Y, "tv", lam=0.1), TypeError, r"solve\(\) has no argument 'lam': here it is weight="),
    (lambda: proxsparse.denoise(Y, "tv", alpha=0.1), TypeError, r"denoise\(\) has no argument 'alpha': here it is weight="),
    (lambda: solve(Y, "tv", 0.1, mask=Y > 0), TypeError, "'mask': here it is observed=, True where a pixel was measured"),
    (lambda: path(Y, "tv", 3, max_num_iter=9), TypeError, "'max_num_iter': here it is options="),
    (lambda: solve_batch([Y], "tv", 0.1, multichannel=True), TypeError, "'multichannel': here it is channel_axis=-1"),
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
    # what does not go together
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
    # arguments of penalties
    (lambda: GroupLasso(1.0, block=0), ValueError, "block must be >= 1"),
    (lambda: GroupLasso(1.0, norm="l1"), ValueError, "got 'l1'"),
    (lambda: GroupLasso(1.0, labels=np.ones((2, 2))), TypeError, "labels must be integers"),
    (lambda: GroupLasso(1.0, group_weight="root"), ValueError, "got 'root'"),
    (lambda: GroupLasso(1.0, group_weight=[-1.0]), ValueError, "group_weight must be >= 0, got -1"),
    (lambda: solve(np.ones((3, 3)), GroupLasso(1.0, labels=np.zeros((2, 2), int))), ValueError, "labels have shape"),
    (lambda: solve(np.ones((3, 3)), GroupLasso(1.0, block=(2, 2, 2))), ValueError, "has 3 axes, the image 2"),
    (lambda: solve(np.ones((3, 3)), GroupLasso(1.0, block=1, group_weight=[1.0])), ValueError, "holds 1 numbers, there are 9"),
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
    # arguments that are not known
    (lambda: path(Y, "tv", [1.0], maxitr=5), TypeError, "path takes no 'maxitr'"),
    (lambda: path(Y, "tv", [1.0], rule="sure"), TypeError, "path takes no 'rule'"),
    (
        lambda: oracle_weight(Y, Y, "tv", weight=0.1),
        TypeError,
        "oracle_weight takes no 'weight'",
    ),
    # groups
    (lambda: OverlappingGroupLasso(1.0, kind="other"), ValueError, "kind must be 'overlap' or 'latent', got 'other'"),
    (lambda: OverlappingGroupLasso(1.0, groups="quads"), ValueError, "got 'quads'"),
    (lambda: OverlappingGroupLasso(1.0, groups=[[0.5]]), TypeError, "lists of flat pixel indices"),
    (lambda: OverlappingGroupLasso(1.0, groups=[[-1, 2]]), ValueError, "indices >= 0, got -1"),
    (lambda: OverlappingGroupLasso(1.0, groups=[[1, 1]]), ValueError, "holds a pixel twice"),
    (
        lambda: solve(np.ones((3, 3)), OverlappingGroupLasso(1.0, groups=[[0, 1]])),
        ValueError,
        "of images of 2 pixels, this one has 9",
    ),
    (
        lambda: solve(np.ones(2), OverlappingGroupLasso(1.0, groups=[[0, 1]], group_weight=[1, 2])),
        ValueError,
        "there are 1 groups",
    ),
    (lambda: solve(np.ones((3, 3)), OverlappingGroupLasso(1.0, group_weight=[1, 2])), ValueError, "there are 1 groups"),
    (lambda: OverlappingGroupLasso(1.0, groups=csr_matrix(np.eye(3)[:2]), kind="latent"), ValueError, "must cover every pixel"),
    (lambda: OverlappingGroupLasso(1.0, kind="latent", group_weight="sqrt"), ValueError, "give the groups as lists"),
    (lambda: TreeGroupLasso(1.0, levels=0), ValueError, "levels must be an integer from 1 to 30, got 0"),
    (lambda: TreeGroupLasso(1.0, level_weight=[1.0]), ValueError, "level_weight must hold 4 numbers"),
    # penalties that are not convex
    (lambda: MCP(0.1, gamma=0), ValueError, "gamma must be > 0, got 0"),
    (lambda: SCAD(0.1, a=2), ValueError, "a must be > 2, got 2"),
    (lambda: solve(np.ones(3), MCP()), ValueError, "needs a weight"),
    (lambda: solve(np.ones(3), L0(0.1), bounds=(0, 1)), ValueError, "takes no bounds"),
    (lambda: L0(0.1, block=0), ValueError, "block"),
    (lambda: L0(0.1, block=2).prox(np.ones(4), np.ones(4)), ValueError, "one step for all pixels"),
    (lambda: solve(np.ones(9), L0(0.1, block=(2, 3))), ValueError, "has 2 axes, the image 1"),
    (lambda: solve(np.ones(3), L0(0.1), method="admm"), ValueError, "takes method='auto'"),
    (lambda: solve(np.ones(3), L0(0.1), data="l1"), ValueError, "Lipschitz gradient"),
    (lambda: Reweighted(SecondOrderTV(1.0)), TypeError, "takes L1, TotalVariation, GroupLasso, OverlappingGroupLasso or sums"),
    (lambda: Reweighted(GroupLasso(1.0, norm="linf")), TypeError, "without weights of pixels or groups"),
    (lambda: Reweighted(L1(1.0) + L1(1.0), epsilon=(1, 2, 3)), ValueError, "epsilon holds 3 numbers, there are 2 parts"),
    (lambda: Reweighted(L1(1.0), solves=0), ValueError, "solves must be an integer >= 1, got 0"),
    (lambda: Reweighted(L1(1.0), function="lgo"), ValueError, "unknown function 'lgo'; did you mean 'log'"),
    (lambda: Reweighted(L1(1.0), start="zeros"), ValueError, "unknown start 'zeros'"),
    (lambda: solve(np.ones(4), Reweighted(L1(1.0), start="x0")), ValueError, "from x0=, which was not given"),
    (lambda: solve(np.ones(4), Reweighted(L1(), start="x0"), x0=np.ones(4)), ValueError, "needs a weight"),
    (lambda: Reweighted(L1(1.0), epsilon=0), ValueError, "epsilon must be > 0, got 0"),
    (lambda: L1(0.1) + MCP(0.1), TypeError, "unsupported operand"),
    (lambda: solve(np.ones(3), "tv", 0.1, data="l1", debias=True), ValueError, "debias is for least squares"),
    # regions
    (lambda: Regions(-1.0), ValueError, "got -1"),
    (lambda: Regions(contour=0), ValueError, "contour must be > 0, got 0"),
    (lambda: Regions(stages=-1), ValueError, "stages must be an integer >= 0, got -1"),
    (lambda: Regions(false_alarms=1.0), ValueError, "false_alarms must be between 0 and 1, got 1.0"),
    (lambda: solve(Y, "regions", 0.1, data="l1"), ValueError, "is for least squares, not for data='l1'"),
    (lambda: solve(Y, "regions", debias=True), ValueError, "there is nothing to debias"),
    (lambda: Regions() + L1(0.1), TypeError, "unsupported operand"),
    # smooth penalties
    (lambda: ElasticNet(1.0, l1_ratio=1.5), ValueError, r"l1_ratio must be in \[0, 1\], got 1.5"),
    (lambda: ElasticNet(1.0, unit=0), ValueError, "unit must be > 0, got 0"),
    (lambda: TotalVariation(1.0, huber=-1), ValueError, "huber must be finite and >= 0, got -1"),
    (lambda: TotalVariation(1.0, pixel_weight=[[-1.0]]), ValueError, "pixel_weight must be >= 0, got -1"),
    (lambda: solve(np.ones((3, 3)), TotalVariation(1.0, pixel_weight=np.ones((2, 2)))), ValueError, r"shape \(2, 2\)"),
    # data terms and backgrounds
    (
        lambda: solve(image_of((12, 13)), "tv", 0.1, data="L1"),
        ValueError,
        "unknown data term 'L1'; did you mean 'l1'",
    ),
    (
        lambda: solve(image_of((12, 13)), "tv", 0.1, data=3),
        TypeError,
        "data must be a name or a DataTerm, got 3",
    ),
    (lambda: solve(image_of((12, 13)), "tv", 0.1, data="poisson"), ValueError, "takes counts >= 0, got -"),
    (
        lambda: solve(image_of((12, 13)), "tv", None, data="l1"),
        ValueError,
        "data='l1' needs a weight",
    ),
    (
        lambda: solve(image_of((12, 13)), "tv", 0.1, data="huber", operator=Blur(KERNEL)),
        ValueError,
        "needs noise_std=",
    ),
    (
        lambda: solve(image_of((12, 13)), "tv", 0.1, background=np.zeros(3)),
        ValueError,
        r"background has shape \(3,\)",
    ),
    (lambda: solve(image_of((12, 13)), "tv", 0.1, background=np.nan), ValueError, "background has 1 NaN"),
    # batches
    (lambda: solve_batch(np.zeros((0, 4, 4)), "tv", 0.1), ValueError, "at least one image"),
    (lambda: solve_batch(np.zeros(4), "tv", 0.1), ValueError, "at least one image"),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, workers=0), ValueError, "workers"),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, x0=np.zeros((4, 4))), TypeError, "no 'x0'"),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, callback=print), TypeError, "no 'callback'"),
    (
        lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, options={"tua": 1}),
        ValueError,
        "did you mean 'tau'",
    ),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, method="none"), ValueError, "unknown method"),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, tol=-1), ValueError, "tol"),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, mask=True), TypeError, "no argument 'mask'"),
    (
        lambda: solve_batch(np.array([np.full((4, 4), np.nan)] * 2), "tv", 0.1),
        ValueError,
        "image 0: image has 16 NaN",
    ),
    (
        lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, bounds=(1, 0)),
        ValueError,
        "image 0: bounds cross",
    ),
    (lambda: solve_batch(np.zeros((2, 4, 4)), "tv", 0.1, options={"disp": 3}), TypeError, "disp"),
    (
        lambda: solve_batch([np.zeros((2, 2)), np.zeros(3)], "tv", 0.1, bounds=(1, 0)),
        ValueError,
        "image 0: bounds cross",
    ),
    (lambda: solve_batch([], "tv", 0.1), ValueError, "at least one image"),
    (lambda: solve_batch([np.ma.masked_array(np.zeros((4, 4)))] * 2, "tv", 0.1), TypeError, "masked"),
    (lambda: solve_batch(np.zeros((2, 4, 4)) + 0j, "tv", 0.1), TypeError, "real"),
    (lambda: solve_batch(np.ma.masked_array(np.zeros((2, 4, 4))), "tv", 0.1), TypeError, "masked"),
    # comparisons
    # what was meant is another call
    (
        lambda: solve([Y, Y[:3]], "tv", 0.1),
        ValueError,
        "a list of 2 things of several shapes: for several images call solve_batch",
    ),
    (
        lambda: solve(np.zeros((2, 3, 9, 8)), "tv", 0.1),
        ValueError,
        "with channel_axis=0 where channels are first",
    ),
    (lambda: solve("image.png", "tv", 0.1), TypeError, "image is a path, 'image.png': read the file first"),
    (lambda: solve(Path("a") / "b.tif", "tv", 0.1), TypeError, "image is a path, 'a/b.tif': read the file first"),
    (lambda: compare("truth.png", noise_std=0.1), TypeError, "truth is a path, 'truth.png'"),
    (lambda: compare(TRUTH, TRUTH, data_range=1.0), TypeError, "got an array; images that the answers start from are noisy="),
    (lambda: compare(TRUTH, [TRUTH], data_range=1.0), TypeError, "outputs must be a dict of names to images or functions"),
    (lambda: compare(TRUTH, lambda y: y, data_range=1.0), TypeError, "outputs must be a dict of names to images or functions"),
    (lambda: solve(Y, "tv", 0.1, operator=KERNEL), ValueError, "of a point-spread function it is Blur"),
    (lambda: solve(Y, "tv", 0.1, operator=KERNEL.tolist()), ValueError, "of a point-spread function it is Blur"),
    (lambda: solve(Y[0], "tv", 0.1, operator=KERNEL[0]), ValueError, "of a point-spread function it is Blur"),
    (lambda: compare(TRUTH, noise_std=0.1), ValueError, "give data_range="),
    (lambda: compare(TRUTH, data_range=1.0), ValueError, "give noisy=, or noise_std="),
    (
        lambda: compare(TRUTH, {"unet": TRUTH[:40]}, noise_std=0.1, data_range=1.0),
        ValueError,
        r"unet has shape \(40, 48\), the truth \(48, 48\)",
    ),
    (
        lambda: compare(TRUTH, {"unet": TRUTH[:, :, None]}, noise_std=0.1, data_range=1.0),
        ValueError,
        r"as in array.reshape\(48, 48\)",
    ),
    (lambda: compare(TRUTH, {"unet": WITH_NAN}, noise_std=0.1, data_range=1.0), ValueError, "unet has 1 NaN"),
    (
        lambda: compare(TRUTH, {"net": lambda y: y[1:]}, noise_std=0.1, data_range=1.0, penalties="none"),
        ValueError,
        "the image that net returned has shape",
    ),
    (lambda: compare([TRUTH, TRUTH], {"unet": TRUTH}, noise_std=0.1, data_range=1.0), ValueError, "must be a list of 2 images"),
    (lambda: compare([], noise_std=0.1, data_range=1.0), ValueError, "truth is an empty list"),
    (
        lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="tvv"),
        ValueError,
        "unknown penalty 'tvv'; did you mean 'tv'",
    ),
    (
        lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, weight="orcale"),
        ValueError,
        "unknown way to a weight 'orcale'; did you mean 'oracle'",
    ),
    (
        lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="tv", weight={}),
        ValueError,
        "gives no weight for the penalty 'tv'",
    ),
    (
        lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties="tv", weight={"tv": 1, "l1": 1}),
        ValueError,
        "which is not among penalties",
    ),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, weight=0.1), ValueError, "needs 2 weights"),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties=("tv", "tv")), ValueError, "rows of one name"),
    (lambda: compare(TRUTH, {"tv": TRUTH}, noise_std=0.1, data_range=1.0), ValueError, "cannot be named 'tv'"),
    (lambda: compare(TRUTH, {"truth": TRUTH}, noise_std=0.1, data_range=1.0), ValueError, "cannot be named 'truth'"),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=0), ValueError, "data_range must be > 0"),
    (
        lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, support_tol=-1.0),
        ValueError,
        "support_tol must be finite and >= 0",
    ),
    (lambda: compare(np.arange(64).reshape(8, 8), noise_std=1.0), ValueError, "only of uint8 and bool"),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, region=np.ones((3, 3))), ValueError, "region must be boolean"),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, penalties=()), ValueError, "there is nothing to compare"),
    (
        lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, metrics={"seconds": max}),
        ValueError,
        "a metric cannot be named 'seconds'",
    ),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, weight=0.2), ValueError, "a dict gives a weight of its own"),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, metrics="pnsr"), ValueError, "unknown metric"),
    (lambda: compare(TRUTH, noise_std=0.1, data_range=1.0, workers=0), ValueError, "option workers must be >= 1"),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSALS, ids=[f"{e.__name__}: {m}" for _, e, m in REFUSALS])
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
