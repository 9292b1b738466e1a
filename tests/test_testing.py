"""The checks for penalties and operators of the user's own: what is right passes, what is wrong by a percent is named."""

import dataclasses
import math

import numpy as np
import pytest
from examples import PENALTIES, fitted

from proxsparse import (
    L1,
    TGV,
    Blur,
    DataTerm,
    Downsample,
    GroupLasso,
    Huber,
    LeastAbsoluteDeviations,
    LeastSquares,
    Operator,
    OverlappingGroupLasso,
    Poisson,
    SecondOrderTV,
    TotalVariation,
    Wavelet,
    as_operator,
    solve,
    solve_batch,
)
from proxsparse.testing import check_data_term, check_operator, check_penalty


@pytest.mark.parametrize("name", PENALTIES)
def test_the_packages_penalties_pass(name):
    for shape in ((9, 8), (7,)):
        check_penalty(fitted(PENALTIES[name], shape), shape)


@pytest.mark.slow
def test_a_volume_and_minimisations_of_their_own_pass():
    check_penalty(TotalVariation(0.3), (3, 4, 5))
    check_penalty(TGV(0.2), (6, 5))


@pytest.mark.parametrize(
    "operator",
    [
        Blur.gaussian(1.0),
        Blur([[1.0, 2.0], [3.0, 4.0]], "zero"),
        Downsample(2, shape=(9, 9)),
        Downsample(2, mean=False, shape=(9, 9)),
        Wavelet(level=1),
        Blur.gaussian(0.7) @ Blur.gaussian(0.5),
        as_operator(np.random.default_rng(0).standard_normal((20, 81)), (9, 9), (20,)),
    ],
)
def test_the_packages_operators_pass(operator):
    check_operator(operator, (9, 9))


def mutant(base, **methods):
    """A class of the user's own that does something else."""
    made = type(f"My{base.__name__}", (base,), methods)
    made.__module__ = "mine"
    return dataclasses.dataclass(frozen=True, eq=False, repr=False)(made)


def mutants(base):
    """Wrong by a percent, or twice as much, in one method each; what `solve` finds by itself, and what the whole check does."""

    def ball(factor):
        def _project(self, p, scale=1.0):
            base._project(self, p, scale * factor)

        return {"_project": _project}

    def gap(change):
        return {"_gap": lambda self, x, p: change(*base._gap(self, x, p))}

    def adjoint(self, out, p):
        base._add_adjoint(self, out, 1.01 * p.astype(out.dtype))

    def analysis(self, out, x):
        base._analysis(self, out, x)
        out += 0.01 * np.abs(out)

    return {
        "ball twice": ball(2.0),
        "ball 1.01": ball(1.01),
        "ball 0.99": ball(0.99),
        "gap 0": gap(lambda g, v: (0.0, v)),
        "gap and value 0": gap(lambda g, v: (0.0, 0.0)),
        "gap 0.99": gap(lambda g, v: (0.99 * g, v)),
        "value 1.01": gap(lambda g, v: (g + 0.01 * v, 1.01 * v)),
        "value 0.99": gap(lambda g, v: (g - 0.01 * v, 0.99 * v)),
        "adjoint 1.01": {"_add_adjoint": adjoint},
        "not linear": {"_analysis": analysis},
        "norm 0.5": {"_norm_squared": lambda self, shape: 0.5 * base._norm_squared(self, shape)},
    }


BASES = {
    "l1": L1(0.3),
    "tv": TotalVariation(0.3),
    "second order": SecondOrderTV(0.2),
    "windows": OverlappingGroupLasso(0.2, window=2, stride=2),
    "blocks": GroupLasso(0.4, block=2),
}


def made(name, kind):
    base = type(BASES[name])
    own = {f.name: getattr(BASES[name], f.name) for f in dataclasses.fields(base)}
    cls = mutant(base, **(mutants(base)[kind] if kind else {}))
    found = object.__new__(cls)
    cls.__init__(found, **own)
    return found


@pytest.mark.parametrize("kind", [None, *mutants(L1)])
@pytest.mark.parametrize("name", BASES)
def test_mutants_are_refused(name, kind):
    penalty, y = made(name, kind), np.random.default_rng(0).standard_normal((9, 8))
    if kind is None:
        check_penalty(penalty, (9, 8))
        assert solve(y, penalty).success
        return
    with pytest.raises(AssertionError, match=f"My{type(BASES[name]).__name__} on images of shape"):
        check_penalty(penalty, (9, 8))
    with pytest.raises(ValueError, match=f"My{type(BASES[name]).__name__} on images of shape"):
        solve(y, penalty)


@pytest.mark.parametrize("name", BASES)
def test_a_wrong_proximal_point_is_named(name):
    """`solve` does not call it."""
    base = type(BASES[name])
    cls = mutant(base, prox=lambda self, v, *args, **kw: 1.01 * base.prox(self, v, *args, **kw))
    penalty = object.__new__(cls)
    cls.__init__(penalty, **{f.name: getattr(BASES[name], f.name) for f in dataclasses.fields(base)})
    with pytest.raises(AssertionError, match=r"prox is not the minimiser|prox with the step 0"):
        check_penalty(penalty, (9, 8))


def test_a_class_is_looked_at_once():
    calls = [0]

    def _analysis(self, out, x):
        calls[0] += 1
        SecondOrderTV._analysis(self, out, x)

    penalty = mutant(SecondOrderTV, _analysis=_analysis)(0.3)
    y, used = np.random.default_rng(0).standard_normal((9, 8)), []
    for _ in range(3):
        calls[0] = 0
        solve(y, penalty, options={"maxiter": 1, "history": False}, tol=1)
        used.append(calls[0])
    assert used[0] > used[1] == used[2]


class Rows(Operator):
    """Every other row; its adjoint and its norm may be wrong."""

    def __init__(self, adjoint=1.0, norm=1.0, linear=True):
        self.factor, self.norm, self.linear = adjoint, norm, linear

    def output_shape(self, shape):
        return (shape[0] // 2, shape[1])

    def input_shape(self, shape):
        return (2 * shape[0], shape[1])

    def forward(self, x):
        return x[::2].copy() if self.linear else np.abs(x[::2])

    def adjoint(self, q, shape):
        out = np.zeros(shape, q.dtype)
        out[::2] = self.factor * q
        return out

    def norm_squared(self, shape):
        return self.norm


def test_operators_of_ones_own():
    check_operator(Rows(), (8, 9))
    y = np.random.default_rng(0).standard_normal((4, 9))
    assert solve(y, "tv", 0.1, operator=Rows(), bounds=(-9, 9), tol=1e-3).success
    for wrong, told in (
        (Rows(1.01), "the adjoint is not one"),
        (Rows(norm=0.9), "no bound"),
        (Rows(linear=False), "adjoint|linear"),
    ):
        with pytest.raises(AssertionError, match=told):
            check_operator(wrong, (8, 9))


def test_a_wrong_adjoint_is_refused_by_solve():
    class Wrong(Rows):
        pass

    y = np.random.default_rng(0).standard_normal((4, 9))
    # each by itself: another of its class was right
    assert solve(y, "tv", 0.1, operator=Wrong(), bounds=(-9, 9), tol=1e-3).success
    with pytest.raises(ValueError, match=r"Wrong on images of shape .*the adjoint is not one"):
        solve(y, "tv", 0.1, operator=Wrong(1.01), bounds=(-9, 9))
    with pytest.raises(ValueError, match="image 0: Wrong on images"):
        solve_batch([y, y], "tv", 0.1, operator=Wrong(1.01), bounds=(-9, 9))


def test_an_operator_equal_to_one_that_was_right_is_checked_itself():
    class Equal(Rows):
        def __eq__(self, other):
            return isinstance(other, Equal)

        def __hash__(self):
            return 1

    y = np.random.default_rng(0).standard_normal((4, 9))
    right, wrong = Equal(), Equal(1.01)
    assert right == wrong
    assert solve(y, "tv", 0.1, operator=right, bounds=(-9, 9), tol=1e-3).success
    with pytest.raises(ValueError, match="the adjoint is not one"):
        solve(y, "tv", 0.1, operator=wrong, bounds=(-9, 9))


def test_a_wrong_adjoint_inside_others_is_refused():
    class First(Rows):
        pass

    class Second(Rows):
        pass

    y = np.random.default_rng(0).standard_normal((4, 9))
    with pytest.raises(ValueError, match=r"First on images of shape \(8, 9\): the adjoint is not one"):
        solve(y, "tv", 0.1, operator=Blur([[1.0]]) @ First(1.01), bounds=(-9, 9))
    with pytest.raises(ValueError, match=r"Second on images of shape \(4, 9\): the adjoint is not one"):
        solve(y, L1(0.1).of(Second(1.01)))


TERMS = [LeastSquares(), LeastAbsoluteDeviations(), Huber(0.3), Poisson(), Poisson(0.2)]


@pytest.mark.parametrize("term", TERMS, ids=repr)
@pytest.mark.parametrize("shape", [(9, 8), (17,), (3, 4, 5)])
def test_the_packages_data_terms_pass(term, shape):
    check_data_term(term, shape)


def wrong(base, **methods):
    return dataclasses.dataclass(frozen=True, eq=False)(type("Mine", (base,), methods))


MISTAKES = {
    "values": (LeastSquares, {"values": lambda self, z: -LeastSquares.values(self, z)}, "values are negative"),
    "value": (LeastSquares, {"value": lambda self, z: 1.1 * LeastSquares.value(self, z)}, "the sum of values"),
    "concave": (
        LeastSquares,
        {"values": lambda self, z: np.sqrt(self.m * np.abs(np.subtract(z, self.y, dtype=float)))},
        "not convex",
    ),
    "degree": (Huber, {"scaled": lambda self, factor: self}, "scaled"),
    "nearest": (LeastSquares, {"nearest": property(lambda self: self.y + 9)}, "nearest is not"),
    "gradient": (LeastSquares, {"gradient": lambda self, z: 1.1 * self.m * (z - self.y)}, "gradient is"),
    "subgradient": (
        LeastAbsoluteDeviations,
        {"gradient": lambda self, z: 1.5 * LeastAbsoluteDeviations.gradient(self, z)},
        "no subgradient",
    ),
    "lipschitz": (LeastSquares, {"lipschitz": property(lambda self: 0.5 * float(np.max(self.m)))}, "lipschitz"),
    "mu": (LeastSquares, {"mu": property(lambda self: 2.0 * float(np.max(self.m)))}, "mu = "),
    "domain": (LeastAbsoluteDeviations, {"project": lambda self, q: q}, "project leaves the domain"),
    "small conjugate": (
        LeastSquares,
        {"conjugate": lambda self, q: 0.9 * LeastSquares.conjugate(self, q) - 1},
        "the conjugate is",
    ),
    "large conjugate": (LeastSquares, {"conjugate": lambda self, q: LeastSquares.conjugate(self, q) + 1}, "not that of value"),
    "prox": (LeastSquares, {"prox": lambda self, v, tau: LeastSquares.prox(self, v, 2 * tau)}, "prox is not the minimiser"),
    "reach": (LeastSquares, {"reach": lambda self, value: 0.0}, "reach is too small"),
    "conjugate size": (LeastSquares, {"conjugate_size": lambda self, q: 0.0}, "conjugate_size is too small"),
    "best multiple": (LeastSquares, {"best_multiple": lambda self, *args: (0.5, 1e9)}, "best_multiple says"),
    "a worse multiple": (
        LeastSquares,
        {"best_multiple": lambda self, q, a, b, limit: (0.1, 0.1 * b - 0.01 * a - self.conjugate(0.1 * q))},
        "best_multiple is not the best",
    ),
    "quadratic": (Huber, {"quadratic": True}, "quadratic is for least squares alone"),
    "conjugate prox": (
        LeastSquares,
        {"conjugate_prox": lambda self, q, sigma: LeastSquares.conjugate_prox(self, q, 2 * sigma)},
        "conjugate_prox is not",
    ),
    "lowest": (LeastSquares, {"lowest": lambda self, c: LeastSquares.lowest(self, 0.5 * c)}, "lowest is not the minimiser"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_data_term_is_named(name):
    base, methods, told = MISTAKES[name]
    term = wrong(base, **methods)
    with pytest.raises(AssertionError, match=told):
        check_data_term(term(0.3) if base is Huber else term(), (9, 8))


@dataclasses.dataclass(frozen=True, eq=False)
class Expectile(DataTerm):
    """Least squares in which what lies above counts a tenth: strongly convex, and not quadratic."""

    degree = 2

    @property
    def lipschitz(self):
        return float(np.max(self.m))

    def _k(self, r):
        return np.where(r > 0, 0.1, 1.0)

    @property
    def mu(self):
        return 0.1 * float(np.min(self.m))

    def values(self, z):
        r = np.subtract(z, self.y, dtype=np.float64)
        return 0.5 * self.m * self._k(r) * r * r

    def gradient(self, z):
        return np.asarray(self.m * self._k(z - self.y) * (z - self.y))

    def conjugate_terms(self, q):
        own = np.where(np.greater(self.m, 0), self.m, np.inf) * self._k(q)
        return float((0.5 * np.square(q, dtype=np.float64) / own).sum()), float((q * np.asarray(self.y, float)).sum())

    def prox(self, v, tau):
        r = v - self.y
        return np.asarray(self.y + r / (1 + tau * self.m * self._k(r))).astype(v.dtype)

    def lowest(self, c):
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.y - np.where(c == 0, 0.0, c / (self.m * self._k(-c)))

    def reach(self, value):
        return math.sqrt(float(np.sum(self.m * np.square(self.y, dtype=float)))) + math.sqrt(20 * value)


@pytest.mark.parametrize(
    "kw", [{}, {"pixel_weight": np.linspace(0.5, 2.0, 54).reshape(6, 9)}, {"operator": Blur.gaussian(0.5)}]
)
def test_a_strongly_convex_data_term_is_not_taken_for_least_squares(kw):
    """It was: what is strongly convex and has no operator went to the solvers of least squares, and was certified by them."""
    check_data_term(Expectile(), (6, 9))
    y = np.random.default_rng(0).standard_normal((6, 9))
    found = solve(y, TotalVariation(0.1), data=Expectile(), tol=1e-5, options={"maxiter": 20000}, **kw)
    assert found.success
    term = Expectile().bind(y, kw.get("pixel_weight"))

    def objective(x):
        return term.value(kw["operator"].forward(x) if "operator" in kw else x) + TotalVariation(0.1).value(x)

    assert found.fun == pytest.approx(objective(found.x), rel=1e-9)
    for other in (solve(y, TotalVariation(0.1), **kw).x, found.x + 0.01, found.x - 0.01, y):
        assert objective(other) >= found.fun - found.gap


class WrongKernels:
    """Of another weight."""

    def __init__(self, own, wrong_sums):
        self.own, self.wrong_sums = own, wrong_sums

    def begin(self, x, p, y, limits):
        return self.own.begin(x, p, y, limits if self.wrong_sums else (*limits[:2], 0.1))

    def whole_run(self, shape, dtype, limits):
        return None

    def sums(self, *args):
        found = self.own.sums(*args)
        return (1.01 * found[0], 1.01 * found[1], *found[2:]) if self.wrong_sums else found


class WrongWholeRuns(WrongKernels):
    """Certified by less than their gap."""

    def __init__(self, own):
        super().__init__(own, True)

    def begin(self, x, p, y, limits):
        return self.own.begin(x, p, y, limits)

    def sums(self, *args):
        return self.own.sums(*args)

    def whole_run(self, shape, dtype, limits):
        run = self.own.whole_run(shape, dtype, limits)
        if run is None:
            return None

        def wrong(images, chosen, x, p, found, *rest):
            done = run(images, chosen, x, p, found, *rest)
            found[:, 1] *= 0.9
            return done

        return wrong


def test_wrong_whole_runs_are_named():
    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Mine(TotalVariation):
        def _fused(self, shape):
            return WrongWholeRuns(super()._fused(shape))

    with pytest.raises(AssertionError, match="the whole run of _fused has another gap"):
        check_penalty(Mine(0.3), (7, 8))


@pytest.mark.parametrize(("wrong_sums", "told"), [(False, "_fused is not the iteration"), (True, "the sums of _fused are not")])
def test_wrong_kernels_are_named(wrong_sums, told):
    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Mine(TotalVariation):
        def _fused(self, shape):
            return WrongKernels(super()._fused(shape), wrong_sums)

    with pytest.raises(AssertionError, match=told):
        check_penalty(Mine(0.3), (7, 8))
