"""Random problems of the whole public API beside Clarabel: what is certified is as near to the minimum as it says.

``RANDOM_PROBLEMS=first:last`` in the environment runs other seeds than the usual ones.
"""

import os
import warnings

import cvxpy as cp
import numpy as np
import pytest
from oracles import clarabel, naive

from proxsparse import (
    DCTL1,
    L1,
    L2,
    Blur,
    ConvergenceWarning,
    ElasticNet,
    GroupLasso,
    Huber,
    LeastAbsoluteDeviations,
    OverlappingGroupLasso,
    Poisson,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    WaveletL1,
    solve,
)

#: penalties of a weight and of pixel weights for an image of that shape
PENALTIES = [
    lambda w, a: L1(w),
    lambda w, a: L1(w, pixel_weight=a),
    lambda w, a: L2(w),
    lambda w, a: ElasticNet(w),
    lambda w, a: TotalVariation(w),
    lambda w, a: TotalVariation(w, isotropic=False),
    lambda w, a: TotalVariation(w, huber=0.3),
    lambda w, a: TotalVariation(w, pixel_weight=np.stack([a, a[::-1]])),
    lambda w, a: TotalVariation(w, spacing=(0.5, 2.0)),
    lambda w, a: SecondOrderTV(w),
    lambda w, a: GroupLasso(w, block=2),
    lambda w, a: GroupLasso(w, block=2, norm="linf"),
    lambda w, a: OverlappingGroupLasso(w, window=2),
    lambda w, a: OverlappingGroupLasso(w, window=2, norm="linf"),
    lambda w, a: OverlappingGroupLasso(w, groups="pairs"),
    lambda w, a: TreeGroupLasso(w, levels=2, level_weight=(1.0, 0.7)),
    lambda w, a: DCTL1(w),
    lambda w, a: WaveletL1(w, wavelet="haar", level=1, undecimated=True),
    lambda w, a: L1(0.3 * w) + TotalVariation(w),
    lambda w, a: L1(w, pixel_weight=a) + TotalVariation(w),
    lambda w, a: L1(w) + OverlappingGroupLasso(0.5 * w, window=2),
    lambda w, a: TotalVariation(w) + SecondOrderTV(w),
    lambda w, a: TotalVariation(w, pixel_weight=np.stack([a, a])) + OverlappingGroupLasso(0.3 * w, window=2),
    lambda w, a: ElasticNet(w) + TotalVariation(w, isotropic=False),
]


KERNELS = [np.ones((3, 3)) / 9, np.array([[0.1, 0.5, 0.2]]), 3.0 * np.ones((2, 2))]


DATA = [None, None, None, LeastAbsoluteDeviations(), Huber(0.2), Poisson(), Poisson(0.3)]


#: seeds of a run
FIRST, LAST = map(int, os.environ.get("RANDOM_PROBLEMS", "0:2000").split(":"))


def problem(seed):
    """(y, penalty of a unit, keyword arguments of `solve`, keyword arguments of `clarabel.minimise`, the forward map)."""
    rng = np.random.default_rng([16, seed])
    pick = lambda options: options[rng.integers(len(options))]  # noqa: E731
    shape = (int(rng.integers(3, 6)), int(rng.integers(3, 6)))
    levels = np.where(rng.random(shape) < 0.5, 0.2, 1.0) + pick([0.05, 0.3]) * rng.standard_normal(shape)
    a = rng.choice([0.0, 1e-3, 1.0, 10.0], shape)
    make, w = pick(PENALTIES), pick([0.0, 1e-4, 0.03, 0.3, 3.0])
    told, given, matrix = {}, {}, None
    if rng.random() < 0.4:
        kind = rng.integers(3)
        if kind < 2:
            told["operator"] = Blur(pick(KERNELS), pick(["symmetric", "zero", "periodic"]))
            matrix = naive.matrix_of(lambda u: naive.blur(u, told["operator"].kernel, told["operator"].boundary), shape)
        else:
            told["operator"] = matrix = rng.standard_normal((levels.size, levels.size)) * pick([1e-2, 1.0, 1e2])
    data = pick(DATA)
    y = levels if matrix is None else (matrix @ levels.reshape(-1)).reshape(shape) + 0.05 * rng.standard_normal(shape)
    if isinstance(data, Poisson):
        y = np.rint(3 * np.abs(y)) if rng.random() < 0.5 else np.abs(y)
    if data is not None:
        told["data"] = given["data"] = data
    kind = rng.integers(5)
    if kind == 0:
        told["observed"] = rng.random(shape) < 0.7
        given["pixel_weight"] = told["observed"].astype(float)
    elif kind == 1:
        told["pixel_weight"] = given["pixel_weight"] = rng.choice([0.0, 1e-3, 1.0, 30.0], shape)
    if rng.random() < 0.4 or (isinstance(data, Poisson) and rng.random() < 0.7):
        told["bounds"] = given["bounds"] = pick([(0.0, 0.9), (0.0, None), (0.1, None), (0.05, 0.6)])
    if rng.random() < 0.15 and data is None:
        told["background"] = pick([0.5, -20.0, rng.random(shape)])
    told["method"] = pick(["auto", "auto", "fista", "admm", "chambolle-pock"])
    told["tol"] = pick([1e-3, 1e-4, 1e-6])
    # what is told half way is true as well
    told["options"] = {"maxiter": pick([10, 100, 1000])}
    dtype = pick([np.float32, np.float64])
    return (
        y.astype(dtype),
        lambda unit: make(w * unit, a),
        told,
        {**given, "matrix": matrix},
        pick([1.0, 1.0, 2.0**-13, 2.0**10]),
    )


def value_of(x, y, penalty, given, background):
    """F(x) in float64."""
    ax = x.reshape(-1) if given["matrix"] is None else given["matrix"] @ x.reshape(-1)
    m = np.ones(x.size) if given.get("pixel_weight") is None else given["pixel_weight"].reshape(-1)
    cost = clarabel.distance(given.get("data"), cp.Constant(ax), y.reshape(-1), m).value
    return float(cost) + penalty.value(x - (0.0 if background is None else background))


def check(seed):
    """The status, -1 where the method does not do this; raises AssertionError where what is told is not so."""
    y, make, told, given, unit = problem(seed)
    y64, penalty = y.astype(np.float64), make(1.0)
    if given.get("data") is not None or any(isinstance(q, (L2, ElasticNet)) or getattr(q, "huber", 0) for q in penalty.parts):
        # corners, counts and squares have units of their own
        unit = 1.0
    background = told.get("background")
    # bounds are those that the image's type holds
    shifted, bounds = y64, given.get("bounds")
    bounds = bounds and tuple(None if v is None else float(y.dtype.type(v)) for v in bounds)
    if background is not None:
        b = np.broadcast_to(background, y.shape)
        shifted = y64 - (b if given["matrix"] is None else (given["matrix"] @ b.reshape(-1)).reshape(y.shape))
        bounds = None if bounds is None else tuple(None if v is None else v - b for v in bounds)
    scale = y.dtype.type(unit)
    asked = dict(told)
    if "bounds" in asked:
        asked["bounds"] = tuple(None if v is None else v * unit for v in told["bounds"])
    if background is not None:
        asked["background"] = background * unit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "nothing certifies|a matrix|.*units", UserWarning)
        try:
            result = solve(y * scale, make(unit), **asked)
        except ValueError as error:
            # what a method does not do
            if "use '" not in str(error):
                raise
            return -1
    if not result.certified or not np.isfinite(result.fun):
        return result.status
    x = np.asarray(result.x, np.float64) / float(scale)
    fun = value_of(x, y64, penalty, given, background)
    try:
        _, best = clarabel.minimise(shifted, penalty, **{**given, "bounds": bounds})
    except (RuntimeError, cp.SolverError):
        # Clarabel itself gives up on some one in two hundred
        return result.status
    size = max(abs(best), 1.0)
    gap = result.gap / unit**2
    # Clarabel stops at 1e-7 at worst, float32 weights and bounds are what float32 makes of them
    slack = 3e-7 * size
    assert fun - best <= gap + slack + 1e-6 * (y.dtype == np.float32) * size, (seed, fun, best, gap, result)
    assert result.fun / unit**2 - gap <= best + slack, (seed, result.fun / unit**2, gap, best, result)
    lo, hi = told.get("bounds", (None, None))
    assert lo is None or result.x.min() >= y.dtype.type(lo * unit), seed
    assert hi is None or result.x.max() <= y.dtype.type(hi * unit), seed
    return result.status


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, LAST, 250))
def test_random_problems(first):
    for seed in range(first, min(first + 250, LAST)):
        check(seed)


def test_some_random_problems():
    assert [check(10**6 + seed) for seed in range(25)].count(0) > 5
