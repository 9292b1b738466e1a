"""FISTA: its rate and its step."""

import numpy as np
import pytest
from examples import image_of, loose

from proxsparse import (
    L1,
    Blur,
    as_operator,
    solve,
)


def test_fista_finds_its_step_where_the_norm_is_only_estimated():
    matrix = np.diag(np.linspace(0.1, 3.0, 72))
    y = image_of((9, 8))
    operator = as_operator(matrix, (9, 8), (9, 8))
    assert operator.norm_squared((9, 8)) == pytest.approx(9.0, rel=0.2)
    kw = {"operator": operator, "method": "fista", "tol": 1e-6, "options": {"maxiter": 20000}}
    result = solve(y, "tv", 0.05, **kw)
    # a step far too long is cut down
    kw["options"] = {"maxiter": 20000, "step": 100.0, "backtracking": True}
    assert solve(y, "tv", 0.05, **kw).fun == pytest.approx(result.fun, rel=2e-6)


KERNEL = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16


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
