"""The three algorithms: agreement, their own steps, rates, statuses, starts."""

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import PENALTIES, fitted, image_of

import proxsparse
from proxsparse import L1, Blur, ConvergenceWarning, OverlappingGroupLasso, TotalVariation, as_operator, solve
from proxsparse.problems.problem import Problem
from proxsparse.result import MESSAGES
from proxsparse.solvers import chambolle_pock

METHODS = ["fista", "admm", "chambolle-pock"]
KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16
MILD = np.array([[0.0, 0.05, 0.0], [0.05, 0.8, 0.05], [0.0, 0.05, 0.0]])
every_method = pytest.mark.parametrize("method", METHODS)


def loose(*args, **kw):
    """Solve where not converging is the point."""
    with pytest.warns(ConvergenceWarning):
        return solve(*args, **kw)


def agreements():
    """Each penalty, dtype and operator; deblurring is among the long tests but for the common penalties."""
    for name in PENALTIES:
        for dtype in (np.float32, np.float64):
            for label, operator in (("denoise", None), ("deblur", Blur(KERNEL))):
                common = name in ("tv", "tv-aniso", "windows 2", "l1 + tv", "huber tv", "tree")
                marks = [] if common or operator is None else [pytest.mark.slow]
                if name not in ("l1", "tv of a blur"):
                    yield pytest.param(name, dtype, operator, marks=marks, id=f"{label}-{dtype.__name__}-{name}")


@pytest.mark.parametrize(("name", "dtype", "operator"), list(agreements()))
def test_the_methods_agree_by_steps_of_their_own(name, dtype, operator):
    y = image_of((20, 21), dtype=dtype)
    tol = 1e-4 if dtype == np.float32 else 1e-6
    penalty = fitted(PENALTIES[name], y.shape)
    results = [solve(y, penalty, operator=operator, method=m, tol=tol, options={"maxiter": 50000}) for m in METHODS]
    for a in results:
        assert a.success
        assert a.nit > 1
        assert a.x.dtype == dtype
        for b in results:
            # each is within its gap of the minimum: neither can lie below the other's lower bound
            assert a.fun >= b.fun - b.gap - 1e-12 * b.fun
            if operator is None:
                assert np.linalg.norm((a.x - b.x).astype(float)) <= a.x_error_bound + b.x_error_bound
    # three algorithms, three ways: from one start they do not pass through the same images
    early = [loose(y, penalty, operator=operator, method=m, tol=0, options={"maxiter": 3}) for m in METHODS]
    assert len({r.fun for r in early}) == 3
    assert [r.nit for r in early] == [3, 3, 3]


def test_fista_keeps_its_rate_on_l1():
    """F(x_k) - F* <= 2 L ||x_0 - x*||^2 / (k + 1)^2 (Beck & Teboulle 2009, theorem 4.4)."""
    y = image_of((20, 21))
    blur = Blur(KERNEL)
    common = {"operator": blur, "method": "fista"}
    # what a product by FFT may round, times the bound F / w on the length of minimisers, is 1e-12 of F
    best = solve(y, L1(0.01), tol=1e-11, options={"maxiter": 100000}, **common)
    start = np.zeros_like(y)
    lipschitz = blur.norm_squared(y.shape)
    run = loose(y, L1(0.01), x0=start, tol=0, options={"maxiter": 60, "check_every": 1, "restart": False}, **common)
    k, fun = run.history["iteration"][1:], run.history["objective"][1:]
    assert (fun - best.fun <= 2 * lipschitz * np.sum(best.x**2) / (k + 1.0) ** 2 + 1e-9).all()
    assert fun[0] - best.fun > 1e-3


@every_method
@pytest.mark.parametrize("operator", [None, Blur(KERNEL), Blur(KERNEL, "zero")], ids=["none", "symmetric", "zero"])
@pytest.mark.parametrize("bounds", [None, (0.0, 0.8)])
@pytest.mark.parametrize("name", ["tv", "windows 2", "l1 + tv"])
def test_a_start_from_the_answer_stops_at_once(name, bounds, operator, method):
    """Whichever method found it, whichever goes on."""
    y = image_of((20, 21))
    kw = {"operator": operator, "bounds": bounds, "tol": 1e-5, "options": {"maxiter": 50000}}
    first = solve(y, PENALTIES[name], method=method, **kw)
    assert first.nit > 0
    for other in METHODS:
        again = solve(y, PENALTIES[name], x0=first, method=other, **kw)
        assert again.nit == 0
        assert again.success


@every_method
def test_an_array_to_start_from_changes_the_start_alone(method):
    y = image_of((20, 21))
    plain = solve(y, "tv", 0.2, method=method, tol=1e-6)
    other = solve(y, "tv", 0.2, method=method, tol=1e-6, x0=np.ones_like(y))
    assert np.linalg.norm(plain.x - other.x) <= plain.x_error_bound + other.x_error_bound
    near = plain.x + 0.01
    first = loose(y, "tv", 0.2, x0=near, method=method, options={"maxiter": 0})
    start = 0.5 * np.sum((near - y) ** 2) + TotalVariation(0.2).value(near)
    assert first.history["objective"][0] == pytest.approx(start, rel=1e-12)


def test_a_start_from_another_weight_is_made_feasible():
    y = image_of((20, 21))
    heavy = solve(y, "tv", 0.5)
    light = solve(y, "tv", 0.2, x0=heavy)
    assert light.success
    assert light.fun == pytest.approx(solve(y, "tv", 0.2).fun, rel=2e-4)


@every_method
@pytest.mark.parametrize("maxiter", [0, 1])
def test_few_iterations_behave(method, maxiter):
    y = image_of((20, 21))
    result = loose(y, "tv", 0.2, method=method, options={"maxiter": maxiter})
    assert (result.nit, result.status, result.success) == (maxiter, 1, False)
    assert result.gap > 0
    assert result.fun >= solve(y, "tv", 0.2, tol=1e-6).fun * (1 - 1e-6)


@every_method
@pytest.mark.parametrize("name", [n for n in PENALTIES if n != "l1"])  # whose answer is there before the first step
def test_the_answer_does_not_depend_on_when_it_is_checked(method, name):
    """Iterations in one go or one by one give the same bits."""
    penalty = TotalVariation(0.3).of(Blur(KERNEL)) if name == "tv of a blur" else fitted(PENALTIES[name], (12, 13))
    y = image_of((12, 13))
    runs = [loose(y, penalty, method=method, tol=0, options={"maxiter": 24, "check_every": n}) for n in (1, 24)]
    if runs[0].history["gap"].argmin() == len(runs[0].history["gap"]) - 1:
        np.testing.assert_array_equal(runs[0].x, runs[1].x)
    assert runs[0].history["objective"][-1] == runs[1].history["objective"][-1]


# -- statuses ----------------------------------------------------------------------------------------------------------


def test_every_status_has_its_way_in():
    y = image_of((64, 64))
    ended = {solve(y, "tv", 0.2).status}
    ended.add(loose(y, "tv", 0.2, tol=1e-9, options={"maxiter": 5}).status)
    ended.add(loose(y, "tv", 0.2, tol=0, options={"maxtime": 1e-3, "maxiter": 10**6}).status)

    def stop(intermediate_result):
        raise StopIteration

    ended.add(loose(y, "tv", 0.2, callback=stop).status)
    ended.add(loose(y.astype(np.float32), "tv", 0.2, tol=1e-12, options={"maxiter": 10**5}).status)
    small = y[:8, :8]
    ended.add(loose(small, "tv", 0.2, operator=_overflowing(small.shape), method="fista", options={"step": 1e300}).status)
    ended.add(loose(y, _uncertifiable(), operator=UNEVEN, method="admm").status)
    assert ended == set(MESSAGES) - {-1}


def _overflowing(shape):
    return as_operator(np.eye(int(np.prod(shape))), shape, shape)


def _uncertifiable():
    """How large minimisers may be is not known: images that neither the penalty nor the operator sees may be any."""
    return TotalVariation(0.3).of(Blur(MILD, "zero"))


#: whose least eigenvalue no transform shows
UNEVEN = Blur(np.array([[0.1, 0.2], [0.3, 0.4]]))


def test_what_cannot_be_certified_says_so():
    y = image_of((20, 21))
    result = loose(y, _uncertifiable(), operator=UNEVEN, method="admm")
    assert (result.status, result.certified, result.success) == (6, False, False)
    assert result.gap == result.rel_gap == result.x_error_bound == np.inf
    # the same problem within bounds is certified, and they do not bind
    bounded = solve(y, _uncertifiable(), operator=UNEVEN, method="admm", bounds=(-3.0, 3.0))
    assert bounded.certified
    assert result.fun == pytest.approx(bounded.fun, rel=1e-3)


def test_the_warning_names_the_gap_and_the_tolerance():
    with pytest.warns(ConvergenceWarning, match=r"gap \d\.\d+e-\d+, tol 1\.00e-09") as caught:
        result = solve(image_of((20, 21)), "tv", 0.2, tol=1e-9, options={"maxiter": 10})
    assert caught[0].filename == __file__
    assert f"{result.rel_gap:.2e}" in str(caught[0].message)


@every_method
def test_the_best_iterate_is_returned(method):
    y = image_of((20, 21))
    result = loose(y, "tv", 0.2, method=method, tol=0, options={"maxiter": 37, "check_every": 1})
    assert result.gap <= result.history["gap"].min()


# -- the callback, the history, the display ----------------------------------------------------------------------------


def test_the_callback_sees_each_check_and_cannot_write():
    y = image_of((20, 21))
    seen = []

    def watch(intermediate_result):
        seen.append((intermediate_result.nit, intermediate_result.fun, intermediate_result.gap))
        intermediate_result.x[...] = np.nan

    watched = solve(y, "tv", 0.2, callback=watch, options={"check_every": 7})
    plain = solve(y, "tv", 0.2, options={"check_every": 7})
    np.testing.assert_array_equal(watched.x, plain.x)
    history = plain.history
    assert [s[0] for s in seen] == history["iteration"].tolist() == list(range(0, plain.nit + 1, 7))
    assert [s[1] for s in seen] == history["objective"].tolist()
    assert [s[2] for s in seen] == history["gap"].tolist()
    assert (np.diff(history["seconds"]) >= 0).all()


def test_an_exception_in_the_callback_comes_out_unchanged():
    error = RuntimeError("mine")

    def fail(intermediate_result):
        raise error

    with pytest.raises(RuntimeError) as caught:
        solve(image_of((20, 21)), "tv", 0.2, callback=fail)
    assert caught.value is error


def test_history_can_be_left_out():
    assert len(solve(image_of((20, 21)), "tv", 0.2, options={"history": False}).history["gap"]) == 0


@pytest.mark.parametrize("tqdm", [True, False])
def test_disp_shows_progress(tqdm, capsys, monkeypatch):
    import sys

    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    solve(image_of((20, 21)), "tv", 0.2, options={"disp": True})
    shown = capsys.readouterr().err
    assert "relative gap" in shown
    assert "iteration" in shown


# -- what the result says ----------------------------------------------------------------------------------------------


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


def test_pixel_weights_enter_the_error_bound():
    y = image_of((20, 21))
    m = np.full(y.shape, 2.0)
    m[0] = 0.25
    result = solve(y, "tv", 0.2, pixel_weight=m, tol=1e-3)
    assert result.x_error_bound == pytest.approx(np.sqrt(2 * result.gap / 0.25))


def test_auto_is_a_fixed_rule():
    y = image_of((20, 21))
    assert solve(y, "tv", 0.2).method == "chambolle-pock"
    assert solve(y, "tv", 0.2, operator=Blur(KERNEL)).method == "admm"
    # how far it is to a measured pixel, and not their share
    far, near = np.ones(y.shape, bool), np.arange(y.size).reshape(y.shape) % 5 == 0
    far[3:17, 3:17] = False
    assert solve(y, "tv", 0.2, observed=far).method == "admm"
    assert solve(y, "tv", 0.2, observed=near).method == solve(y, "tv", 0.2, observed=~near).method == "chambolle-pock"
    assert solve(y, "tgv", 0.2, observed=far, tol=1e-2).method == "chambolle-pock"
    assert solve(y, "tv", 0.2, operator=Blur(KERNEL, "zero")).method == "chambolle-pock"
    assert solve(y, "tv", 0.2, operator=Blur(KERNEL), pixel_weight=1 + (y > 0)).method == "chambolle-pock"


@pytest.mark.parametrize("n", [16, pytest.param(48, marks=pytest.mark.slow)])
def test_auto_ends_wherever_a_method_does(n):
    """On the problems by which "auto" is measured."""
    late, seen = [], 0
    problems = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "methods.py"))["problems"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, image, penalty, arguments in problems(n):
            seen += 1
            if not solve(image, penalty, **arguments).success:
                late += [(name, m) for m in ("admm", "chambolle-pock") if solve(image, penalty, method=m, **arguments).success]
    assert seen >= 30
    assert late == []


@pytest.mark.parametrize(("dtype", "tol"), [(np.float64, 1e-6), (np.float32, 1e-5)], ids=["float64 to 1e-6", "float32 to 1e-5"])
def test_camera_reaches_its_tolerance(dtype, tol):
    """512x512, noise 0.1, weight 0.1, isotropic; and no worse than scikit-image's answer by our objective."""
    from skimage import data

    y = proxsparse.phantoms.add_noise(data.camera() / 255.0, 0.1).astype(dtype)
    result = solve(y, "tv", 0.1, tol=tol)
    assert result.success
    assert result.rel_gap <= tol
    assert solve(y, "tv", 0.1).rel_gap <= 1e-4


def test_a_dual_that_cannot_be_repaired_certifies_nothing():
    """Differences of a signal: constants cost nothing under A and under K, and the bound x >= 0 pulls on them."""
    n = 40
    matrix = np.diff(np.eye(n), axis=0)
    y = np.cumsum(-np.r_[-np.full(20, 0.05), np.full(20, 0.05)])[:-1]
    operator = as_operator(matrix, (n,), (n - 1,))
    best = solve(y, "tv", 0.6, operator=operator, bounds=(-100.0, 100.0), tol=1e-6, options={"maxiter": 100000})
    for method in METHODS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            kw = {"operator": operator, "bounds": (0, None), "method": method, "options": {"maxiter": 300}}
            result = solve(y, "tv", 0.6, x0=np.zeros(n), **kw)
        assert result.fun - result.gap <= best.fun


def test_a_part_of_weight_zero_does_not_stand_in_the_way():
    y = image_of((20, 21))
    alone = solve(y, "tv", 0.1, operator=Blur(KERNEL), tol=1e-5)
    beside = solve(y, "l1+tv", (0.0, 0.1), operator=Blur(KERNEL), tol=1e-5)
    assert beside.success
    assert beside.fun == pytest.approx(alone.fun, rel=2e-5)


def test_pixel_weights_of_very_different_size_converge():
    y = image_of((20, 21))
    m = np.where(y > 0.3, 1e4, 1.0)
    assert solve(y, "tv", 0.2, pixel_weight=m).success


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


def test_groups_without_an_operator_converge_in_few_steps():
    result = solve(image_of((64, 64)), OverlappingGroupLasso(0.1))
    assert result.nit <= 60


@pytest.mark.parametrize("operator", [None, Blur(KERNEL)], ids=["none", "symmetric"])
def test_one_penalty_object_may_stand_twice_in_a_sum(operator):
    y = image_of((20, 21))
    windows, tv = OverlappingGroupLasso(0.05, window=2), TotalVariation(0.1)
    twice = solve(y, windows + windows + tv, operator=operator, tol=1e-5)
    once = solve(y, 2 * windows + tv, operator=operator, tol=1e-5)
    assert twice.success
    assert twice.fun == pytest.approx(once.fun, rel=2e-5)
    assert (windows + windows + tv).max_weight(y) <= (windows + tv).max_weight(y) * (1 + 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("penalty", [TotalVariation(1.0), L1(0.1) + TotalVariation(1.0), TotalVariation(1.0, isotropic=False)])
def test_large_weights_start_from_half_the_size(penalty, dtype, monkeypatch):
    """Fewer iterations to the same certified answer, on sides that are odd; a start that is given is kept."""
    y = image_of((301, 263), dtype=dtype)
    arguments = {"tol": 1e-4, "bounds": (-0.3, None)}
    halved = solve(y, penalty, **arguments)
    assert halved.success
    assert halved.x.tobytes() == solve(y, penalty, options={"workers": 2}, **arguments).x.tobytes()
    again = solve(y, penalty, x0=halved, **arguments)
    assert again.nit == 0
    from_image = solve(y, penalty, x0=halved.x, **arguments)
    monkeypatch.setattr(chambolle_pock, "LARGE", y.size)
    plain = solve(y, penalty, **arguments)
    assert halved.nit < 0.8 * plain.nit
    assert abs(halved.fun - plain.fun) <= halved.gap + plain.gap
    assert np.linalg.norm(halved.x - plain.x) <= halved.x_error_bound + plain.x_error_bound
    assert from_image.nit == solve(y, penalty, x0=halved.x, **arguments).nit


def test_small_weights_start_at_the_image(monkeypatch):
    y = image_of((301, 263))
    found = solve(y, "tv", 0.1)
    monkeypatch.setattr(chambolle_pock, "LARGE", y.size)
    assert found.x.tobytes() == solve(y, "tv", 0.1).x.tobytes()


def test_flat_regions_end_a_long_run_under_a_piecewise_linear_penalty():
    y = image_of((300, 300))
    found = solve(y, "tv-aniso", 0.1, tol=1e-8)
    regions = np.unique(found.x).size
    assert found.success
    assert found.rel_gap < 1e-8
    assert found.history["gap"][-1] == found.gap
    assert regions < 0.5 * y.size


@pytest.mark.parametrize("boundary", ["symmetric", "periodic", "zero"])
@pytest.mark.parametrize("bounds", [None, (0.0, None)])
def test_duals_drawn_together_bound_the_same_optimum(boundary, bounds, monkeypatch):
    """What is drawn together certifies sooner, and no more than is true."""
    from proxsparse.problems import problem

    blur = Blur(np.outer([1, 2, 1], [1, 2, 1]) / 16, boundary=boundary)
    y = image_of((24, 25)) * 0.5
    drawn = solve(y, "tv", 0.02, operator=blur, bounds=bounds, tol=1e-5, options={"maxiter": 20000})
    assert drawn.success
    monkeypatch.setattr(problem, "_WITHIN_REACH", 0.0)
    plain = solve(y, "tv", 0.02, operator=blur, bounds=bounds, tol=1e-7, method="chambolle-pock", options={"maxiter": 200000})
    assert plain.fun - plain.gap <= drawn.fun <= plain.fun + drawn.gap
    usual = solve(y, "tv", 0.02, operator=blur, bounds=bounds, tol=1e-5, options={"maxiter": 20000})
    assert drawn.nit < usual.nit


@pytest.mark.parametrize(
    "kwargs", [{"operator": Blur(np.ones((3, 3)) / 9)}, {"observed": np.arange(81).reshape(9, 9) % 2 == 0}]
)
def test_a_black_image_is_its_own_answer(kwargs):
    result = solve(np.zeros((9, 9)), "tv", 0.1, **kwargs)
    assert result.success
    assert not result.x.any()


def test_an_offset_does_not_hide_the_trivial_answer():
    """Far from 0 the data term of the mean is a small difference of large squares."""
    y = (1000 + 1e-2 * np.random.default_rng(0).standard_normal((64, 64))).astype(np.float32)
    for stack in (y, np.stack([y, y])):
        result = solve(stack, "tv", 10.0) if stack is y else proxsparse.solve_batch(stack, "tv", 10.0)
        assert np.all(result.success)
        assert np.ptp(result.x) == 0


@pytest.mark.parametrize("name", [n for n in PENALTIES if n != "tv of a blur"])
@pytest.mark.parametrize("offset", [0.0, *(pytest.param(v, marks=pytest.mark.slow) for v in (5.0, -5.0))])
def test_what_clipping_implies_bounds_the_same_optimum(name, offset, monkeypatch):
    """Where pixels are not measured: the range of the measured ones holds a minimiser, and 0 unless constants cost nothing."""
    rng = np.random.default_rng(3)
    y, seen = image_of((11, 13)) + offset, rng.random((11, 13)) < 0.5
    y[~seen] = 1e6
    early = loose(y, fitted(PENALTIES[name], y.shape), observed=seen, tol=0, method="chambolle-pock", options={"maxiter": 60})
    late = solve(y, fitted(PENALTIES[name], y.shape), observed=seen, tol=1e-6, options={"maxiter": 50000})
    assert early.fun - early.gap <= late.fun + 1e-12 * late.fun
    monkeypatch.setattr(Problem, "_range", None)
    without = solve(y, fitted(PENALTIES[name], y.shape), observed=seen, tol=1e-5, options={"maxiter": 50000})
    assert late.fun - late.gap <= without.fun + 1e-12 * without.fun
    assert without.fun - without.gap <= late.fun + 1e-12 * late.fun


def test_a_channel_never_measured_is_filled_and_certified():
    y, seen = image_of((9, 10, 2)), np.ones((9, 10, 2), bool)
    seen[..., 1] = False
    result = solve(y, "tv", 0.1, observed=seen, channel_axis=-1)
    assert result.success
    # flat up to the tolerance: total variation of 1e-4 F / w in all
    assert np.ptp(result.x[..., 1]) <= 1e-4 * result.fun / 0.1
