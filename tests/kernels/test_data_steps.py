"""Data terms in the sweeps of total variation: the same as their formulas, however rows and iterations are cut."""

import numpy as np
import pytest
from examples import draw, image_of

from proxsparse import SecondOrderTV, TotalVariation, solve
from proxsparse.data_terms import Huber, LeastAbsoluteDeviations, LeastSquares, Poisson
from proxsparse.dual.running import Constant, UnderWay
from proxsparse.kernels import planes, strips
from proxsparse.problems.pixelwise import PixelwiseProblem, dualised_problem
from proxsparse.problems.posed import Posed
from proxsparse.runtime.workers import SERIAL, Workers

EPS = {np.float32: 1.2e-7, np.float64: 2.3e-16}
DATA = {
    "weights": LeastSquares(),
    "absolute": LeastAbsoluteDeviations(),
    "huber": Huber(0.3),
    "poisson": Poisson(),
    "background": Poisson(0.2),
}
PENALTIES = [TotalVariation(0.3), TotalVariation(0.3, isotropic=False), TotalVariation(0.3, spacing=(2, 1))]


def problem_of(data, penalty, shape, dtype, rng, masked=True, lo=None, hi=None):
    y = np.abs(draw((1, *shape), dtype, rng)) * (rng.random((1, *shape)) < 0.8)
    m = rng.choice([0.0, 0.3, 1.0, 2.0], y.shape).astype(dtype) if masked else None
    return dualised_problem(Posed(y.astype(dtype), [penalty], y.shape, m=m, lo=lo, hi=hi, data=data))


def begun(problem):
    x = problem.start()
    return problem.iterations(x, np.zeros(problem.stack.size, problem.dtype)), x


def by_formulas(problem, x, steps):
    """The iterations by the data term's own step, in the type of the image."""
    p, scalar = np.zeros(problem.stack.size, x.dtype), x.dtype.type
    for tau, sigma, _, rho, _ in steps:
        kt = problem.stack.add_adjoint(np.zeros_like(x), p)
        v = problem.data.prox((x - tau * kt).astype(np.float64), float(tau)).astype(x.dtype)
        v = problem.clip(v)
        q = p.copy()
        problem.stack.dual_step(np.zeros_like(x), q, v + (v - x), float(sigma))
        x, p = x + rho * (v - x) if rho != 1 else v, rho * q + (scalar(1) - rho) * p
    return x, p


#: a form is a kernel of its own: each once, and one with all else that may come with it
CASES = [(name, PENALTIES[0], name != "absolute", None, None) for name in DATA] + [
    ("huber", PENALTIES[1], False, 0.1, 0.9),
    ("huber", PENALTIES[2], True, None, 1.0),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "penalty", "masked", "lo", "hi"), CASES)
def test_iterations_are_those_of_the_data_term(name, penalty, masked, lo, hi, dtype, rng):
    for shape in [(2, 2), (5, 16), (7, 17), (40, 3), (33, 40)]:
        problem = problem_of(DATA[name], penalty, shape, dtype, rng, masked, lo, hi)
        assert isinstance(problem, PixelwiseProblem)
        iterations, x = begun(problem)
        steps = Constant(0.2, problem.stack.norm_squared, 1.9).next(9, dtype)
        steps[-1, 3] = 1
        iterations.advance(steps, SERIAL)
        found = iterations.pair()
        expected = by_formulas(problem, x, steps)
        np.testing.assert_allclose(found[0], expected[0], atol=400 * EPS[dtype])
        np.testing.assert_allclose(found[1].reshape(-1), expected[1], atol=400 * EPS[dtype])
        assert problem.stack.gauge(found[1].reshape(-1)) <= 1


@pytest.mark.parametrize("name", DATA)
def test_the_bits_do_not_depend_on_how_rows_and_iterations_are_cut(name, rng, monkeypatch):
    problem = problem_of(DATA[name], PENALTIES[0], (300, 30), np.float32, rng)
    steps = Constant(0.2, problem.stack.norm_squared, 1.9).next(21, np.float32)
    monkeypatch.setattr(strips, "_NUMBERS", 1)
    bits = set()
    for workers, together in ((1, planes._TOGETHER), (3, planes._TOGETHER), (1, ((1, 4, 2),)), (2, ((1, 5, 3),))):
        monkeypatch.setattr(planes, "_TOGETHER", together)
        with Workers(workers) as pool:
            iterations, _ = begun(problem)
            iterations.advance(steps, pool)
            bits.add(b"".join(a.tobytes() for a in iterations.pair()))
    assert len(bits) == 1


@pytest.mark.parametrize("name", DATA)
def test_a_look_disturbs_nothing_where_it_is_asked_for(name, rng):
    problem = problem_of(DATA[name], PENALTIES[0], (12, 13), np.float64, rng)
    ends = []
    for looks in ((24,), (5, 1, 18), (1,) * 24):
        running = UnderWay(begun(problem)[0], Constant(0.2, problem.stack.norm_squared, 1.9), problem.dtype, SERIAL)
        running.undisturbed = True
        for n in looks:
            running.advance(n)
        ends.append(np.concatenate([part.reshape(-1) for part in running]))
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[0], ends[2])


@pytest.mark.parametrize("data", ["l1", Huber(0.1), "poisson"])
def test_answers_agree_with_those_of_admm(data):
    y = np.abs(image_of((20, 21)))
    for penalty, call in ((TotalVariation(0.2), {}), (TotalVariation(0.2), {"bounds": (0.1, 0.8)})):
        kernels, general = (
            solve(y, penalty, data=data, method=m, tol=1e-5, options={"maxiter": 20000}, **call)
            for m in ("chambolle-pock", "admm")
        )
        assert kernels.success
        assert general.success
        assert abs(kernels.fun - general.fun) <= max(kernels.gap, general.gap)


def test_what_no_kernel_knows_goes_the_general_way(rng):
    class Own(Huber):
        def prox(self, v, tau):
            return super().prox(v, tau)

    shape = (9, 8)
    assert begun(problem_of(Own(0.3), PENALTIES[0], shape, np.float64, rng))[0] is None
    assert begun(problem_of(Huber(0.3), SecondOrderTV(0.1), shape, np.float64, rng))[0] is None
    assert begun(problem_of(Poisson(np.full((1, *shape), 0.1)), PENALTIES[0], shape, np.float64, rng))[0] is None
    assert begun(problem_of(Huber(0.3), PENALTIES[0], shape, np.float64, rng, lo=np.zeros((1, *shape))))[0] is None
