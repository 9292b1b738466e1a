"""Fewer samples: products against their definition, and images solved at full size."""

import numpy as np
import pytest
from oracles import naive

from proxsparse import (
    Downsample,
    metrics,
    phantoms,
    solve,
)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize(("shape", "factor"), [((12, 9), 3), ((13, 10), 3), ((7,), 2), ((5, 6, 7), (2, 3, 1)), ((4, 4), 5)])
def test_downsampling_by_its_definition(shape, factor, mean, rng):
    operator = Downsample(factor, mean=mean)
    factors = np.broadcast_to(factor, len(shape))
    x = rng.standard_normal(shape)
    out = operator.forward(x)
    assert out.shape == operator.output_shape(shape)
    for index in np.ndindex(out.shape):
        block = x[tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))]
        assert out[index] == pytest.approx(block.mean() if mean else block.flat[0])
    q = rng.standard_normal(out.shape)
    assert np.sum(out * q) == pytest.approx(np.sum(x * operator.adjoint(q, shape)))
    norm = np.linalg.norm(naive.matrix_of(operator.forward, shape), 2)
    assert norm**2 == pytest.approx(operator.norm_squared(shape))
    gram = operator.gram(shape)
    if gram is not None:
        np.testing.assert_allclose(operator.adjoint(operator.forward(x), shape), gram.eigenvalues * x)


def test_an_image_of_fewer_samples_is_solved_at_full_size():
    truth = phantoms.rectangles((48, 40))
    few = phantoms.add_noise(Downsample(2).forward(truth), 0.02)
    for operator in (Downsample(2), Downsample(2, shape=(48, 40))):
        result = solve(few, "tv", 0.01, operator=operator, tol=1e-3, options={"maxiter": 20000})
        assert result.x.shape == (48, 40)
        assert result.certified
        assert metrics.mse(truth, result.x) < metrics.mse(truth, np.repeat(np.repeat(few, 2, 0), 2, 1))
    odd = solve(few[:, :-1], "tv", 0.01, operator=Downsample(2, shape=(48, 37)), tol=1e-2, options={"maxiter": 20000})
    assert odd.x.shape == (48, 37)
    with pytest.raises(ValueError, match="factor must be integers >= 1, got 0"):
        Downsample(0)
    with pytest.raises(ValueError, match="the operator gives images of shape"):
        solve(few, "tv", 0.01, operator=Downsample(2, shape=(50, 40)))
