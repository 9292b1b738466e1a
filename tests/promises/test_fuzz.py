"""Whatever is asked: an answer that is what it says, or one of the documented errors; nothing else, ever."""

import math
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import proxsparse
from proxsparse import (
    DCTL1,
    L0,
    L1,
    L2,
    MCP,
    SCAD,
    TGV,
    Blur,
    ConvergenceWarning,
    Downsample,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    Regions,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    WaveletL1,
    solve,
)

PACKAGE = Path(proxsparse.__file__).parent


#: the warnings that are promised beside that of convergence
PROMISED = (".*in units of its values", "nothing is left of", ".*is taken for a volume", "images of shape")


#: (value kind, float dtype) -> numbers
VALUES = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "gray": lambda rng, shape: rng.random(shape),
    "constant": lambda rng, shape: np.full(shape, rng.choice([0.0, 1.0, -0.3, 1e-30])),
    "steps": lambda rng, shape: np.round(2 * rng.standard_normal(shape)),
    "large": lambda rng, shape: 1e30 * rng.standard_normal(shape),
    "small": lambda rng, shape: 1e-30 * rng.standard_normal(shape),
    "denormal": lambda rng, shape: np.where(rng.random(shape) < 0.5, 1e-42, 1e-310),
    "of all sizes": lambda rng, shape: 10.0 ** rng.integers(-30, 30, shape) * rng.choice([-1, 1], shape),
    "one spike": lambda rng, shape: (np.arange(math.prod(shape)) == 0).astype(float).reshape(shape) * 1e6,
    "an infinity": lambda rng, shape: np.where(np.arange(math.prod(shape)).reshape(shape) == 0, np.inf, 1.0),
    "a NaN": lambda rng, shape: np.where(np.arange(math.prod(shape)).reshape(shape) == math.prod(shape) - 1, np.nan, 1.0),
}


LAYOUTS = {
    "C": lambda y: y,
    "Fortran": np.asfortranarray,
    "reversed": lambda y: y[::-1],
    "strided": lambda y: np.repeat(y, 2, axis=-1)[..., ::2],
    "byte-swapped": lambda y: y.astype(y.dtype.newbyteorder()),
    "a list": lambda y: y.tolist(),
}


WEIGHTS = [0.0, 1e-300, 1e-6, 0.01, 0.3, 5.0, 1e30, 1e300]


PENALTIES = [
    L1,
    L2,
    TotalVariation,
    lambda w: TotalVariation(w, isotropic=False),
    lambda w: TotalVariation(w, huber=0.1),
    lambda w: TotalVariation(w, spacing=0.3),
    lambda w: TotalVariation(w, coupled=False),
    SecondOrderTV,
    lambda w: TGV(w, ratio=1.3),
    ElasticNet,
    lambda w: GroupLasso(w, block=2),
    lambda w: GroupLasso(w, block=3, norm="linf", group_weight="sqrt"),
    lambda w: OverlappingGroupLasso(w, window=2),
    lambda w: OverlappingGroupLasso(w, window=(3, 2)),
    lambda w: OverlappingGroupLasso(w, window=3, stride=2, norm="linf"),
    lambda w: OverlappingGroupLasso(w, groups="pairs"),
    lambda w: OverlappingGroupLasso(w, window=2, kind="latent"),
    lambda w: TreeGroupLasso(w, levels=2),
    DCTL1,
    WaveletL1,
    lambda w: WaveletL1(w, level=1, undecimated=True),
    lambda w: L1(w) + TotalVariation(0.2),
    lambda w: L1(0.1) + OverlappingGroupLasso(w, window=2),
    lambda w: SecondOrderTV(w) + TotalVariation(w),
    lambda w: TotalVariation(w).of(Blur([[0.2, 0.6, 0.2]])),
    L0,
    MCP,
    SCAD,
    lambda w: MCP(w, block=2),
    lambda w: Reweighted(TotalVariation(w), solves=2),
    Regions,
]


DTYPES = [np.float64, np.float32, np.float16, np.uint8, np.int16, np.bool_]


OPERATORS = [
    None,
    None,
    None,
    Blur(np.ones((3, 3)) / 9),
    Blur([[0.5, 0.5]], boundary="zero"),
    Blur([0.25, 0.5, 0.25]),
    Downsample(2),
]


BOUNDS = [None, None, (0, 1), (None, 0.5), (-1e-3, None), (0, 0), (1, 0), (-np.inf, np.inf), (np.nan, 1)]


@st.composite
def calls(draw):
    """(seed, image, keyword arguments)."""
    seed = draw(st.integers(0, 2**16))
    shape = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))
    kind, dtype = draw(st.sampled_from(sorted(VALUES))), draw(st.sampled_from(DTYPES))
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = VALUES[kind](rng, shape).astype(dtype)
    y = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](y)
    call = {
        "penalty": draw(st.sampled_from(PENALTIES))(draw(st.sampled_from(WEIGHTS))),
        "method": draw(st.sampled_from(["auto", "auto", "fista", "admm", "chambolle-pock"])),
        "tol": draw(st.sampled_from([1e-4, 1e-2, 1e-8, 0.0])),
        "options": {"maxiter": draw(st.sampled_from([0, 1, 25]))},
    }
    rare = {
        "data": lambda: draw(st.sampled_from(["l1", "huber", "poisson"])),
        "bounds": lambda: draw(st.sampled_from(BOUNDS)),
        "operator": lambda: draw(st.sampled_from(OPERATORS)),
        "observed": lambda: rng.random(shape) < 0.6,
        "pixel_weight": lambda: rng.choice([0.0, 1e-6, 1.0, 30.0], shape),
        "background": lambda: draw(st.sampled_from([0.5, -1e3])),
        "channel_axis": lambda: draw(st.integers(-4, 3)),
        "spacing": lambda: draw(st.sampled_from([2.0, (1.0, 3.0), -1.0])),
        "nan_policy": lambda: "omit",
        "debias": lambda: True,
    }
    for name in draw(st.lists(st.sampled_from(sorted(rare)), max_size=3, unique=True)):
        call[name] = rare[name]()
    return y, call


# below it floating-point numbers lose digits, and then are 0
SMALLEST = float(np.finfo(np.float64).tiny)


def bytes_of(y):
    return y.tobytes() if isinstance(y, np.ndarray) else repr(y)


def documented(error):
    """The message of an error that the package raises itself; "" of any that only happens in it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return str(error) if Path(last.filename).is_relative_to(PACKAGE) and "raise" in (last.line or "") else ""


def check_rel_gap(result):
    """gap / fun; found in the image's own units, it is known where these two are beyond the range of numbers."""
    if math.isinf(result.gap):
        assert result.rel_gap >= (0 if math.isinf(result.fun) else 1)
    elif max(result.gap, result.fun) < SMALLEST:
        assert result.rel_gap >= 0
    # 0 where F(x) is 0 as far as the dtype can tell
    elif result.rel_gap != 0:
        ratio = pytest.approx(result.gap / result.fun, abs=SMALLEST / result.fun) if result.fun > 0 else math.inf
        assert result.rel_gap == ratio


def check(y, call):
    before, asked = bytes_of(y), {**call["options"]}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for promised in PROMISED:
            warnings.filterwarnings("ignore", message=promised, category=UserWarning)
        try:
            result = solve(y, **call)
        except (ValueError, TypeError) as error:
            return documented(error)
        finally:
            assert bytes_of(y) == before
            assert call["options"] == asked
    x, given_dtype = result.x, np.asarray(y).dtype
    assert type(x) is np.ndarray
    assert x.flags.c_contiguous
    assert x.flags.writeable
    assert not (isinstance(y, np.ndarray) and np.shares_memory(x, y))
    assert x.dtype == (np.float32 if given_dtype.kind == "f" and given_dtype.itemsize <= 4 else np.float64)
    assert np.isfinite(x).all()
    if call.get("operator") is None:
        assert x.shape == np.shape(y)
    lo, hi = call.get("bounds") or (None, None)
    assert lo is None or x.min() >= np.asarray(lo, x.dtype)
    assert hi is None or x.max() <= np.asarray(hi, x.dtype)
    assert not math.isnan(result.fun)
    check_rel_gap(result)
    assert result.x_error_bound > 0 or result.gap == 0
    assert result.success == (result.status == 0)
    assert not result.success or (result.certified and result.rel_gap <= call["tol"])
    assert result.message
    # without noise regions are total variation
    penalty = call["penalty"]
    penalty = TotalVariation(penalty.weight) if isinstance(penalty, Regions) else penalty
    if result.certified and math.isfinite(result.fun) and set(call) == {"penalty", "method", "tol", "options"}:
        no_image_is_better(np.asarray(y).astype(x.dtype), penalty, result)


def no_image_is_better(y, penalty, result):
    """Weak duality, for what the data term and the penalty say by themselves."""
    size = float(np.abs(y).max())
    if not 1e-6 < size < 1e6:
        return
    lower = result.fun - result.gap
    for z in (y, np.zeros_like(y), np.full_like(y, y.mean()), 0.5 * (y + result.x), result.x):
        try:
            cost = 0.5 * float(np.square(z - y, dtype=np.float64).sum()) + penalty.value(z)
        except ValueError:
            continue
        # float32: the image is rounded, and so is what it costs; the difference of large numbers is as well
        assert lower <= cost * (1 + 1e-5) + 1e-9 * size**2 + 1e-14 * result.fun


FUZZ = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@given(calls())
@settings(max_examples=150, **FUZZ)
def test_every_call_gives_a_sound_answer_or_a_documented_error(call):
    assert check(*call) != ""


@pytest.mark.slow
@given(calls())
@settings(max_examples=6000, **FUZZ)
def test_every_call_gives_a_sound_answer_or_a_documented_error_at_length(call):
    assert check(*call) != ""


@given(calls(), st.integers(1, 3))
@settings(max_examples=20, **FUZZ)
def test_other_doors_are_as_sound(call, workers):
    """denoise, solve_batch, path, value, prox, max_weight."""
    y, kw = call
    penalty = kw["penalty"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for promised in PROMISED:
            warnings.filterwarnings("ignore", message=promised, category=UserWarning)
        doors = [
            lambda: proxsparse.denoise(y, penalty, options={"maxiter": 5}),
            lambda: proxsparse.solve_batch([y, y], penalty, options={"maxiter": 5}, workers=workers).x,
            lambda: [r.x for r in proxsparse.path(y, penalty.with_weight(None), [0.3, 0.1], options={"maxiter": 5})],
        ]
        if not isinstance(penalty, Regions):
            doors.append(lambda: penalty.value(y))
        if isinstance(penalty, proxsparse.Penalty):
            doors += [lambda: penalty.prox(y, 0.5, maxiter=5), lambda: penalty.max_weight(y)]
        for door in doors:
            try:
                found = door()
            except (ValueError, TypeError) as error:
                found = 0.0 if documented(error) else np.nan
            assert not np.isnan(found).any()
