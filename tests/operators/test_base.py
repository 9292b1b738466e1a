"""Compositions of operators."""

import numpy as np
import pytest
from oracles import naive

from proxsparse import (
    Blur,
    Downsample,
    phantoms,
    solve,
)


def test_compositions_are_products(rng):
    blur = Blur.gaussian(1.0)
    both = Downsample(2) @ blur
    matrix = naive.matrix_of(Downsample(2).forward, (20, 18)) @ naive.matrix_of(blur.forward, (20, 18))
    x, q = rng.standard_normal((20, 18)), rng.standard_normal((10, 9))
    np.testing.assert_allclose(both.forward(x).reshape(-1), matrix @ x.reshape(-1), atol=1e-12)
    np.testing.assert_allclose(both.adjoint(q, (20, 18)).reshape(-1), matrix.T @ q.reshape(-1), atol=1e-12)
    assert np.linalg.norm(matrix, 2) ** 2 <= both.norm_squared((20, 18))
    mild = Blur([[0.0, 0.05, 0.0], [0.05, 0.8, 0.05], [0.0, 0.05, 0.0]])
    twice = mild @ mild
    gram = twice.gram((20, 18))
    np.testing.assert_allclose(gram.solve(twice.adjoint(twice.forward(x), (20, 18))[None])[0], x, atol=1e-10)
    assert both.gram((20, 18)) is None
    noisy = phantoms.add_noise(both.forward(phantoms.rectangles((40, 36))), 0.01)
    for method in ("admm", "chambolle-pock", "fista"):
        result = solve(noisy, "tv", 0.01, operator=both, method=method, tol=1e-2, options={"maxiter": 20000})
        assert result.success
        assert result.x.shape == (40, 36)
    assert eval(repr(Downsample(2) @ Downsample(3)), {"Downsample": Downsample}) == Downsample(2) @ Downsample(3)
    with pytest.raises(TypeError):
        both @ "blur"
