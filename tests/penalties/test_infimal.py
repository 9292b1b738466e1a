"""The battery for penalties that are minimisations of their own, to the accuracy that their duals are found to."""

import numpy as np
import pytest
from examples import draw, image_of

from proxsparse import (
    L1,
    TGV,
    Blur,
    OverlappingGroupLasso,
    solve,
)

BLUR = Blur(np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16)


def test_what_is_a_minimisation_of_its_own_is_not_composed():
    latent = OverlappingGroupLasso(0.1, kind="latent")
    for penalty in (TGV(0.1), latent):
        with pytest.raises(ValueError, match="is not taken of an operator"):
            penalty.of(BLUR)
        with pytest.raises(ValueError, match="use solve"):
            (L1(0.1) + penalty).prox(image_of((8, 8)))
        with pytest.raises(ValueError, match="must be numbers >= 0, got -1"):
            penalty.prox(image_of((8, 8)), tol=-1)


SHAPES = [(6, 7), (13,), (1, 9), (5, 4, 6), (1,)]


PENALTIES = {
    "tgv": lambda shape: TGV(0.2),
    "tgv, ratio 0.7": lambda shape: TGV(0.2, ratio=0.7),
    "tgv, spacing": lambda shape: TGV(0.2, spacing=tuple(0.7 + 0.4 * a for a in range(len(shape)))),
    "latent windows": lambda shape: OverlappingGroupLasso(0.3, window=tuple(min(2, n) for n in shape), kind="latent"),
    "latent windows linf": lambda shape: OverlappingGroupLasso(
        0.3, window=tuple(min(2, n) for n in shape), kind="latent", norm="linf"
    ),
    "latent pairs": lambda shape: OverlappingGroupLasso(0.3, groups="pairs", kind="latent", group_weight="sqrt"),
}


def cases():
    """Most are among the long tests: `value` is a minimisation each time it is asked for."""
    for name, make in PENALTIES.items():
        for shape in SHAPES:
            for dtype in (np.float32, np.float64):
                short = shape == (6, 7) and dtype == np.float64 and name in ("tgv", "latent pairs")
                marks = [] if short else [pytest.mark.slow]
                yield pytest.param(
                    make(shape), shape, dtype, marks=marks, id=f"{name}-{'x'.join(map(str, shape))}-{dtype.__name__}"
                )


each = pytest.mark.parametrize(("penalty", "shape", "dtype"), list(cases()))


@each
def test_value_is_a_norm_but_for_its_null_space(penalty, shape, dtype, rng):
    x, z = draw(shape, dtype, rng), draw(shape, dtype, rng)
    value, other = penalty.value(x), penalty.value(z)
    tol = 1e-5 * (value + other) + 1e-6
    assert value > 0 or min(shape) <= 2
    assert penalty.value(-x) == pytest.approx(value, abs=tol)
    assert penalty.value(dtype(2.5) * x) == pytest.approx(2.5 * value, abs=3 * tol)
    assert penalty.value(x + z) <= value + other + tol
    assert penalty.value(np.zeros(shape, dtype)) == 0
    constant = penalty.value(np.full(shape, dtype(0.7)))
    assert (constant < 1e-6) == (penalty.null_space == "affine")


@each
def test_adjoint_and_ball_belong_to_the_value(penalty, shape, dtype, rng):
    x = draw(shape, dtype, rng)
    kx = penalty.analysis(x)
    p = rng.standard_normal(kx.shape).astype(dtype)
    scale = float(np.abs(kx * p).sum()) + 1
    product = float(np.sum(kx.astype(float) * p))
    assert product == pytest.approx(float(np.sum(x.astype(float) * penalty.adjoint(p, shape))), abs=1e-5 * scale)
    inside = penalty.project(p)
    assert penalty.dual_norm(inside) <= penalty.weight
    # of a point inside nothing is taken
    np.testing.assert_array_equal(penalty.project(dtype(0.5) * inside), dtype(0.5) * inside)
    # no dual in the ball says more than the value
    assert float(np.sum(kx.astype(float) * inside)) <= penalty.value(x) * (1 + 1e-5) + 1e-6


@each
def test_prox_has_a_certificate_that_holds(penalty, shape, dtype, rng):
    v, u = draw(shape, dtype, rng), draw(shape, dtype, rng)
    a, b = (penalty.prox(w, 0.7, tol=1e-3, full_output=True) for w in (v, u))
    assert a.x.dtype == dtype
    assert 0 <= a.rel_gap <= 1e-3
    assert penalty.dual_norm(a.dual[0]) <= 0.7 * penalty.weight * (1 + 1e-6)
    # Moreau: x and v - K^T p are each within sqrt(2 gap) of the proximal point
    distance = np.linalg.norm((a.x + penalty.adjoint(a.dual[0], shape) - v).astype(float))
    assert distance <= 2 * np.sqrt(2 * a.gap) + 1e-4 * np.linalg.norm(v)
    # firmly nonexpansive
    error = (np.sqrt(2 * a.gap) + np.sqrt(2 * b.gap)) * 4 * (np.linalg.norm(v - u) + 1) + 1e-5
    moved = (a.x - b.x).astype(float)
    assert float((moved * moved).sum()) <= float((moved * (v - u)).sum()) + error
    # no neighbour is better
    weighted = 0.7 * penalty
    best = 0.5 * float(np.sum((a.x.astype(float) - v) ** 2)) + weighted.value(a.x)
    for scale in (1.0, 0.1, 0.01):
        z = a.x + scale * rng.standard_normal(shape)
        assert best <= 0.5 * float(np.sum((z - v) ** 2)) + weighted.value(z) + a.gap + 1e-5


@each
def test_weights_from_zero_to_huge(penalty, shape, dtype):
    v = image_of(shape, dtype=dtype)
    np.testing.assert_array_equal(penalty.prox(v, 0.0), v)
    # the parts of latent groups are added up again, to rounding
    np.testing.assert_allclose(solve(v, 0 * penalty).x, v, atol=4 * np.finfo(dtype).eps)
    # in float32 no image is a slope but to rounding, which a weight beyond this would make count
    trivial = solve(v, penalty.with_weight(100.0), tol=1e-4)
    assert trivial.success
    assert np.abs(penalty.analysis(trivial.x)).max(initial=0.0) < 1e-5


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "tgv, spacing" else n for n in PENALTIES])
def test_the_methods_agree(name):
    y = image_of((12, 13))
    penalty = PENALTIES[name](y.shape)
    results = [solve(y, penalty, method=m, tol=1e-4, options={"maxiter": 20000}) for m in ("fista", "admm", "chambolle-pock")]
    for a in results:
        assert a.success
        for b in results:
            assert a.fun >= b.fun - b.gap - 1e-12 * b.fun
            assert np.linalg.norm(a.x - b.x) <= a.x_error_bound + b.x_error_bound
    # a start from the answer leads there again: X is made anew, the dual is kept
    again = solve(y, penalty, x0=results[2], tol=1e-4, options={"maxiter": 20000})
    assert again.success
    assert abs(again.fun - results[2].fun) <= max(again.gap, results[2].gap)
