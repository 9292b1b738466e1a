"""What the package promises of every call: inputs untouched, layouts and dtypes, shapes, scale, repeatability, threads."""

import copy
import dataclasses
import pickle
import random
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from examples import PENALTIES, fitted, image_of, layouts
from hypothesis import given, settings
from hypothesis import strategies as st

import proxsparse
from proxsparse import (
    L0,
    L1,
    MCP,
    SCAD,
    TGV,
    Blur,
    ConvergenceWarning,
    Huber,
    LeastAbsoluteDeviations,
    LeastSquares,
    OverlappingGroupLasso,
    Poisson,
    Reweighted,
    TotalVariation,
    as_operator,
    denoise,
    solve,
    solve_batch,
)

METHODS = ["fista", "admm", "chambolle-pock"]


FITTING = [n for n in PENALTIES if n != "tv of a blur"]


every_penalty = pytest.mark.parametrize("name", FITTING)


every_method = pytest.mark.parametrize("method", METHODS)


@every_penalty
@every_method
def test_inputs_are_never_modified(name, method):
    y = image_of((12, 13))
    m, lo, x0 = np.full(y.shape, 1.5), np.full(y.shape, -2.0), np.zeros(y.shape)
    options = {"maxiter": 3000, "history": True}
    before = [a.tobytes() for a in (y, m, lo, x0)]
    for a in (y, m, lo, x0):
        a.flags.writeable = False
    penalty = fitted(PENALTIES[name], y.shape)
    text = repr(penalty)
    solve(y, penalty, pixel_weight=m, bounds=(lo, None), x0=x0, method=method, options=options)
    assert [a.tobytes() for a in (y, m, lo, x0)] == before
    assert options == {"maxiter": 3000, "history": True}
    assert repr(penalty) == text


@pytest.mark.parametrize("name", ["tv", "windows 3, stride 2", "l1 + tv"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_layout_is_irrelevant(name, dtype, tmp_path):
    y = image_of((12, 13), dtype=dtype)
    expected = solve(y, PENALTIES[name]).x
    for layout, array in layouts(y, tmp_path).items():
        if layout == "list" and dtype == np.float32:
            continue  # a list of Python floats is float64
        result = solve(array, PENALTIES[name]).x
        np.testing.assert_array_equal(result, expected, err_msg=layout)
        assert result.dtype == dtype


def test_a_broadcast_image_is_as_good_as_its_copy():
    y = np.broadcast_to(image_of((13,)), (12, 13))
    np.testing.assert_array_equal(solve(y, "tv", 0.2).x, solve(y.copy(), "tv", 0.2).x)


@every_method
@pytest.mark.parametrize("penalty", [TotalVariation(0.0), TotalVariation(0.2), L1(0.2), OverlappingGroupLasso(0.1)], ids=repr)
@pytest.mark.parametrize("shape", [(12, 13), (3, 12, 13)])
def test_the_result_is_a_fresh_array(penalty, method, shape):
    y, x0 = image_of(shape), image_of(shape)
    axis = 0 if len(shape) == 3 else None
    result = solve(y, penalty, method=method, x0=x0, channel_axis=axis)
    for x in (result.x, *result.dual):
        assert x.flags.c_contiguous
        assert x.flags.writeable
        assert x.flags.owndata
        assert not np.shares_memory(x, y)
        assert not np.shares_memory(x, x0)
    v = image_of((12, 13))
    assert not np.shares_memory(penalty.prox(v), v)
    assert penalty.prox(v).flags.owndata


@pytest.mark.parametrize(
    ("given_dtype", "dtype"),
    [
        ("f4", "f4"),
        ("f8", "f8"),
        ("f2", "f4"),
        ("?", "f8"),
        ("u1", "f8"),
        ("i2", "f8"),
        ("u2", "f8"),
        ("i4", "f8"),
        ("u8", "f8"),
    ],
)
def test_dtypes_become_what_is_promised(given_dtype, dtype):
    y = (100 * np.abs(image_of((9, 8)))).astype(given_dtype)
    result = solve(y, "tv", 5.0)
    assert result.x.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result.x, solve(y.astype(dtype), "tv", 5.0).x)


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), complex), np.array([[object()]]), np.array([["a"]]), np.array(["2020-01-01"], "M8")]
)
def test_other_dtypes_are_refused(bad):
    with pytest.raises(TypeError, match=str(bad.dtype)[:6].replace("<", "")):
        solve(bad, "tv", 0.1)


def test_masked_arrays_are_refused_with_the_remedy():
    with pytest.raises(TypeError, match=r"filled\(value\).*pixel_weight"):
        solve(np.ma.masked_less(image_of((5, 5)), 0), "tv", 0.1)


def test_integers_beside_a_small_weight_draw_a_warning():
    y = (100 * np.abs(image_of((9, 8)))).astype(np.uint8)
    with pytest.warns(UserWarning, match="not rescaled.*0.1") as caught:
        solve(y, "tv", 0.1)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("index", [(0, 0), (3, 4), (8, 7), (8, 0)])
def test_non_finite_pixels_are_named(value, index):
    y = image_of((9, 8))
    y[index] = value
    with pytest.raises(ValueError, match=rf"1 NaN or infinite values, the first at index \({index[0]}, {index[1]}\)"):
        solve(y, "tv", 0.1)
    y[:] = value
    with pytest.raises(ValueError, match=r"72 NaN or infinite values, the first at index \(0, 0\)"):
        solve(y, "tv", 0.1)


@pytest.mark.parametrize("index", [(0, 0), (3, 4), (8, 7), (slice(2, 4), slice(None))])
@pytest.mark.parametrize("method", METHODS)
def test_nan_can_mean_not_observed(index, method):
    y = image_of((9, 8))
    holes = y.copy()
    holes[index] = np.nan
    seen = ~np.isnan(holes)
    kw = {"method": method, "tol": 1e-5, "options": {"maxiter": 50000}}
    omitted = solve(holes, "tv", 0.1, nan_policy="omit", **kw)
    observed = solve(np.where(seen, y, 99.0), "tv", 0.1, observed=seen, **kw)
    weighted = solve(np.where(seen, y, -99.0), "tv", 0.1, pixel_weight=seen.astype(float), **kw)
    assert omitted.success
    assert np.isnan(holes[index]).all()
    for other in (observed, weighted):
        assert other.fun == pytest.approx(omitted.fun, rel=2e-5)
    # what the penalty fills in stays within what was seen
    assert y[seen].min() - 1e-6 <= omitted.x.min() <= omitted.x.max() <= y[seen].max() + 1e-6


@pytest.mark.parametrize("shape", [(9,), (6, 7), (4, 5, 6)])
@pytest.mark.parametrize("penalty", ["overlap", "l1+overlap"])
def test_the_named_windows_fit_signals_images_and_volumes(penalty, shape):
    assert solve(image_of(shape), penalty, 0.1 if penalty == "overlap" else (0.05, 0.1)).success


@every_method
@pytest.mark.parametrize("name", ["l1", "tv", "tv-aniso", "l1 + tv"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 5), (1,), (8,), (4, 3, 5), (1, 4, 5), (1, 1, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_shape_is_solved(name, shape, method, dtype):
    y = image_of(shape, dtype=dtype)
    result = solve(y, PENALTIES[name], method=method, options={"maxiter": 20000})
    assert result.x.shape == shape
    assert result.success


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
@pytest.mark.parametrize("name", ["l1", "tv", "windows 2"])
def test_a_channel_axis_may_stand_anywhere(axis, name):
    y = image_of((6, 7, 3))
    expected = solve(y, PENALTIES[name], channel_axis=2).x
    moved = np.moveaxis(y, 2, axis)
    np.testing.assert_array_equal(np.moveaxis(solve(moved, PENALTIES[name], channel_axis=axis).x, axis, 2), expected)


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), ()])
def test_empty_images_are_refused(shape):
    with pytest.raises(ValueError, match=r"empty|1 to 3 axes"):
        solve(np.zeros(shape), "tv", 0.1)


@pytest.mark.parametrize(("shape", "axis"), [((2, 2, 2, 2), None), ((2, 2, 2, 2, 2), 0), ((3,), 0)])
def test_a_wrong_number_of_axes_is_refused(shape, axis):
    with pytest.raises(ValueError, match="1 to 3 axes"):
        solve(np.zeros(shape), "tv", 0.1, channel_axis=axis)


@every_method
@every_penalty
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weight_zero_returns_the_input(name, method, dtype):
    y = image_of((9, 8), dtype=dtype)
    np.testing.assert_array_equal(solve(y, 0 * PENALTIES[name], method=method).x, y)


@every_method
@pytest.mark.parametrize("name", ["tv", "tv-aniso"])
@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
@pytest.mark.parametrize("value", [0.0, 0.1, 0.7])
def test_a_constant_image_comes_back_exactly(name, method, bounds, value):
    y = np.full((9, 8), value)
    result = solve(y, PENALTIES[name], method=method, bounds=bounds)
    np.testing.assert_array_equal(result.x, y)
    assert result.gap == result.rel_gap == 0


@every_penalty
@every_method
@pytest.mark.parametrize("factor", [2.0**-30, 8.0, 2.0**40])
def test_scaling_image_and_weight_scales_the_answer(name, method, factor):
    """Bit for bit where the factor is a power of two."""
    y = image_of((9, 8))
    one = solve(y, PENALTIES[name], method=method, options={"maxiter": 300}, tol=1e-3)
    scaled = [part._rescaled(factor, 2) for part in PENALTIES[name].parts]
    many = solve(factor * y, sum(scaled[1:], scaled[0]), method=method, options={"maxiter": 300}, tol=1e-3)
    np.testing.assert_array_equal(many.x, factor * one.x)
    assert many.nit == one.nit


@given(factor=st.floats(1e-3, 1e3), shift=st.floats(-5, 5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_tv_is_equivariant_under_scale_and_shift(factor, shift, seed):
    y = image_of((9, 8), seed)
    one = solve(y, "tv", 0.3, tol=1e-8, options={"maxiter": 50000})
    other = solve(factor * y + shift, "tv", factor * 0.3, tol=1e-8, options={"maxiter": 50000})
    error = factor * one.x_error_bound + other.x_error_bound + 1e-12
    assert np.linalg.norm(other.x - (factor * one.x + shift)) <= error


@given(seed=st.integers(0, 99), name=st.sampled_from(FITTING))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_transposition_commutes(seed, name):
    y = image_of((9, 8), seed)
    penalty = turned = PENALTIES[name]
    if name == "tv, weighted":
        # directions and pixels change places
        turned = dataclasses.replace(penalty, pixel_weight=penalty.pixel_weight[::-1].transpose(0, 2, 1))
    one, other = (solve(v, q, tol=1e-7, options={"maxiter": 50000}) for v, q in ((y, penalty), (y.T, turned)))
    assert np.linalg.norm(other.x.T - one.x) <= one.x_error_bound + other.x_error_bound


@given(
    seed=st.integers(0, 99),
    name=st.sampled_from(["l1", "tv-aniso", "l1 + tv-aniso", "windows 2", "windows linf"]),
    axis=st.integers(0, 1),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_flips_commute_where_the_discretisation_has_them(seed, name, axis):
    y = image_of((9, 8), seed)
    one, other = (solve(v, PENALTIES[name], tol=1e-7, options={"maxiter": 50000}) for v in (y, np.flip(y, axis)))
    assert np.linalg.norm(np.flip(other.x, axis) - one.x) <= one.x_error_bound + other.x_error_bound


@every_method
@pytest.mark.parametrize("name", ["l1", "tv", "windows 2", "l1 + tv"])
@pytest.mark.parametrize(
    ("dtype", "size"), [(np.float64, 1e200), (np.float64, 1e-200), (np.float32, 1e30), (np.float32, 1e-30)]
)
def test_extreme_images_are_solved_right(name, method, dtype, size):
    y = image_of((9, 8))
    reference = solve(y, PENALTIES[name], method=method)
    result = solve((size * y).astype(dtype), size * PENALTIES[name], method=method)
    assert result.success
    tolerance = 2 * reference.x_error_bound + 1e-5 * np.linalg.norm(y)
    assert np.linalg.norm(result.x.astype(float) / size - reference.x) <= tolerance


@pytest.mark.parametrize(("dtype", "size"), [(np.float64, 1e-310), (np.float32, 1e-40), (np.float64, 4e307)])
def test_images_at_the_ends_of_their_dtype_are_solved(dtype, size):
    y = (size * image_of((9, 8))).astype(dtype)
    result = solve(y, "tv", size / 5)
    assert result.success
    assert np.ptp(result.x / size) < np.ptp(y / size)


@pytest.mark.parametrize("weight", [1e-300, 1e-20, 1e20, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", ["tv", "tv-aniso", "overlap", "l1"])
def test_extreme_weights_give_the_input_or_the_trivial_answer(penalty, dtype, weight):
    y = image_of((9, 8), dtype=dtype)
    result = solve(y, penalty, weight)
    assert result.success
    trivial = np.full_like(y, y.mean()) if "tv" in penalty else np.zeros_like(y)
    np.testing.assert_allclose(result.x, y if weight < 1 else trivial, atol=1e-6)


def test_an_exact_fit_through_an_operator_is_success():
    """A constant image behind a blur: objective and gap are rounding, and their ratio says nothing."""
    result = solve(np.full((9, 8), 0.3), "tv", 0.1, operator=Blur(np.ones((3, 3)) / 9))
    assert result.success
    np.testing.assert_allclose(result.x, 0.3, rtol=1e-14)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_values_weights_and_proxes_scale_to_the_extremes(size):
    y = image_of((9, 8))
    for name in ("l1", "tv", "windows 2"):
        penalty = PENALTIES[name]
        assert penalty.value(size * y) / size == pytest.approx(penalty.value(y))
        assert penalty.max_weight(size * y) / size == pytest.approx(penalty.max_weight(y))


@every_method
@pytest.mark.parametrize("offset", [10.0, 1000.0])
def test_a_shift_of_image_and_bounds_shifts_the_answer(method, offset):
    y, blur = image_of((9, 8)), Blur(np.ones((3, 3)) / 9)
    one = solve(y, "tv", 0.1, operator=blur, bounds=(-3.0, 3.0), method=method, tol=1e-6)
    kw = {"operator": blur, "bounds": (offset - 3.0, offset + 3.0), "method": method, "tol": 1e-6}
    other = solve(y + offset, "tv", 0.1, **kw)
    assert other.success
    assert other.fun == pytest.approx(one.fun, rel=2e-6)


@every_method
@pytest.mark.parametrize("gain", [1e-3, 400.0])
def test_the_gain_of_an_operator_changes_nothing_but_units(method, gain):
    y, kernel = image_of((9, 8)), np.ones((3, 3)) / 9
    one = solve(y, "tv", 0.1, operator=Blur(kernel), method=method, tol=1e-5)
    # x shrinks by the gain: weight gain w on x / gain is w on x
    other = solve(y, "tv", 0.1 * gain, operator=Blur(gain * kernel), method=method, tol=1e-5)
    assert other.success
    assert other.fun == pytest.approx(one.fun, rel=2e-5)


SCRIPT = """
import sys, hashlib
sys.path.insert(0, {tests!r})
from examples import PENALTIES, image_of
from proxsparse import Blur, solve
import numpy as np
if {before}:
    solve(image_of((30, 31), 5), "tv", 0.7)
digest = hashlib.sha256()
for name in ("tv", "windows 2", "l1 + tv"):
    for method in ("fista", "admm", "chambolle-pock"):
        for operator in (None, Blur(np.ones((3, 3)) / 9), Blur(np.ones((2, 3)) / 6, "zero")):
            digest.update(solve(image_of((16, 17)), PENALTIES[name], operator=operator, method=method, tol=1e-3).x.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_results_are_the_same_bits_in_every_process(tmp_path):
    """Run to run, with a warm cache or a cold one, after other work, with other thread counts."""
    import os
    from pathlib import Path

    tests = str(Path(__file__).parents[1] / "support")
    digests = set()
    for before, extra in (
        (False, {}),
        (True, {"PROXSPARSE_CACHE_DIR": str(tmp_path)}),
        (False, {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "7"}),
    ):
        code = SCRIPT.format(tests=tests, before=before)
        done = subprocess.run(
            [sys.executable, "-c", code], env=os.environ | extra, capture_output=True, text=True, timeout=300, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_concurrent_calls_give_the_serial_answer():
    jobs = [(name, method) for name in ("tv", "windows 2", "l1 + tv", "tv-aniso") for method in METHODS]
    blur = Blur(np.ones((3, 3)) / 9)
    operators = [blur if i % 2 else None for i in range(len(jobs))]
    kw = {"tol": 1e-3}
    serial = [
        solve(image_of((24, 25), i), PENALTIES[n], method=m, operator=operators[i], **kw).x for i, (n, m) in enumerate(jobs)
    ]
    barrier = threading.Barrier(len(jobs))
    answers = [None] * len(jobs)

    def work(i):
        name, method = jobs[i]
        barrier.wait()
        for _ in range(2):
            answers[i] = solve(image_of((24, 25), i), PENALTIES[name], method=method, operator=operators[i], **kw).x

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for answer, expected in zip(answers, serial, strict=True):
        np.testing.assert_array_equal(answer, expected)


@pytest.mark.parametrize(
    "penalty",
    [
        *PENALTIES.values(),
        TotalVariation(),
        L1(0.1, pixel_weight=np.array([[0.5, 2.0], [1.0, 0.0]])),
        OverlappingGroupLasso(0.2, window=(3, 2), stride=(2, 1), norm="linf"),
        TGV(0.2, ratio=1.5, spacing=(1.0, 2.0)),
        OverlappingGroupLasso(0.2, kind="latent"),
        L0(0.1),
        MCP(0.1, gamma=2.0),
        L0(0.1, block=(2, 3)),
        SCAD(0.1),
        Reweighted(L1(0.2), solves=3),
    ],
    ids=repr,
)
def test_penalties_survive_pickle_copy_and_repr(penalty):
    names = {"np": np} | {name: getattr(proxsparse, name) for name in proxsparse.__all__}
    for twin in (pickle.loads(pickle.dumps(penalty)), copy.deepcopy(penalty), eval(repr(penalty), names)):
        assert twin == penalty
        assert hash(twin) == hash(penalty)
        assert repr(twin) == repr(penalty)
    assert penalty != TotalVariation(0.123)


def test_results_survive_pickle_and_copy():
    result = solve(image_of((9, 8)), L1(0.1) + TotalVariation(0.2))
    for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert type(twin) is type(result)
        np.testing.assert_array_equal(twin.x, result.x)
        assert twin.message == result.message
        np.testing.assert_array_equal(twin.dual[1], result.dual[1])
    batch = solve_batch(image_of((2, 9, 8)), "tv", 0.1)
    compared = proxsparse.compare(image_of((9, 8)), noise_std=0.1, data_range=1.0, penalties=("none", "tv"), weight=0.1)
    for twin in (pickle.loads(pickle.dumps(batch)), copy.deepcopy(batch)):
        np.testing.assert_array_equal(twin.x, batch.x)
        assert type(twin) is type(batch)
    for twin in (pickle.loads(pickle.dumps(compared)), copy.deepcopy(compared)):
        assert twin.to_markdown() == compared.to_markdown()


@pytest.mark.parametrize("term", [LeastSquares(), LeastAbsoluteDeviations(), Huber(0.2), Poisson(1.5)], ids=repr)
def test_data_terms_survive_pickle_and_copy(term):
    y = np.abs(image_of((9, 8)))
    expected = solve(y, "tv", 0.1, data=term, tol=1e-2).x
    for twin in (pickle.loads(pickle.dumps(term)), copy.deepcopy(term)):
        np.testing.assert_array_equal(solve(y, "tv", 0.1, data=twin, tol=1e-2).x, expected)


def test_operators_survive_pickle_and_compare():
    blur = Blur(np.ones((3, 3)) / 9, "zero")
    assert pickle.loads(pickle.dumps(blur)) == blur
    matrix = as_operator(np.eye(6), (3, 2), (6,))
    for operator in (matrix, eval(repr(matrix), {"np": np, "as_operator": as_operator})):
        assert pickle.loads(pickle.dumps(operator)) == operator == matrix
    assert L1(0.1).of(matrix) == pickle.loads(pickle.dumps(L1(0.1).of(matrix)))
    assert matrix != as_operator(2 * np.eye(6), (3, 2), (6,))
    assert blur != Blur(np.ones((3, 3)) / 9)
    with pytest.raises(ValueError, match="read-only"):
        blur.kernel[0, 0] = 5


def test_global_state_is_untouched(monkeypatch):
    import os

    import numba

    def state():
        drawn = np.random.get_state()[1].tobytes()  # noqa: NPY002
        return np.geterr(), drawn, random.getstate(), list(warnings.filters), numba.get_num_threads(), dict(os.environ)

    before = state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inside = list(warnings.filters)
        for method in METHODS:
            solve(
                image_of((9, 8)),
                "l1+tv",
                (0.1, 0.2),
                method=method,
                operator=as_operator(np.eye(72), (9, 8), (9, 8)),
                options={"maxiter": 20},
            )
        denoise(image_of((9, 8)), "overlap", 0.1)
        assert list(warnings.filters) == inside
    assert state() == before


def test_convergence_warning_can_be_made_an_error():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConvergenceWarning):
            solve(image_of((9, 8)), "tv", 0.2, options={"maxiter": 1})


PLAIN = """
import sys
sys.path.insert(0, {tests!r})
from examples import PENALTIES, image_of
from proxsparse import solve
for name in {names!r}:
    print(*[v.hex() for v in solve(image_of((6, 5)), PENALTIES[name], tol=1e-3).x.ravel()])
"""


def test_kernels_agree_with_the_same_code_as_plain_python():
    import os
    from pathlib import Path

    names = ["tv", "tv-aniso", "windows 2", "windows 3, stride 2", "windows linf", "l1 + tv"]
    code = PLAIN.format(tests=str(Path(__file__).parents[1] / "support"), names=names)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        plain = np.array([float.fromhex(v) for v in line.split()]).reshape(6, 5)
        # sums that the compiler reorders
        np.testing.assert_allclose(plain, solve(image_of((6, 5)), PENALTIES[name], tol=1e-3).x, atol=1e-12)
