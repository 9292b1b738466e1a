"""Compositions of operators."""

import numpy as np
import pytest
from oracles import naive

from proxsparse import (
    Blur,
    Downsample,
    Operator,
    Wavelet,
    as_operator,
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


class Moved(Operator):
    """The mean of each pixel and the next two of its row, the last one repeated; of a user's own."""

    def output_shape(self, shape):
        return shape

    def forward(self, x):
        padded = np.pad(x, [(0, 0), (0, 2)], mode="edge")
        return sum(padded[:, k : k + x.shape[1]] for k in range(3)) / 3

    def adjoint(self, q, shape):
        out = np.zeros((shape[0], shape[1] + 2), q.dtype)
        for k in range(3):
            out[:, k : k + shape[1]] += q / 3
        out[:, -3] += out[:, -2] + out[:, -1]
        return out[:, :-2]

    def norm_squared(self, shape):
        return 3.0


class Masked(Moved):
    """A mask: every other row is black."""

    def forward(self, x):
        return x * (np.arange(len(x)) % 2)[:, None]

    def adjoint(self, q, shape):
        return self.forward(q)


SHAPE = (24, 32)


@pytest.mark.parametrize(
    ("operator", "is_one"),
    [
        (Blur.gaussian(1.0), True),
        (Blur.gaussian(1.0, "zero"), True),
        (Blur.motion(7, 20), True),
        (Blur.gaussian(1.0) @ Blur.motion(5), True),
        (Moved(), True),
        (Blur.gaussian(3.0, "zero"), True),
        (Blur([[1.0, -1.0]]), True),
        (Blur([[1.0, -1.0]]) @ Moved(), True),
        (Masked() @ Moved(), False),
        (Masked(), False),
        (Downsample(2, shape=SHAPE), False),
        (Wavelet(level=1), False),
        (as_operator(np.random.default_rng(0).standard_normal((768, 768)), SHAPE, SHAPE), False),
        (as_operator(np.random.default_rng(0).standard_normal((50, 768)), SHAPE, (50,)), False),
    ],
)
def test_what_gives_images_tells_their_noise(operator, is_one):
    assert operator.gives_image(SHAPE) is is_one


def test_a_blur_of_ones_own_gets_an_automatic_weight_as_blur_does():
    truth = phantoms.regions(SHAPE)
    seen = phantoms.add_noise(Moved().forward(truth), 0.05)
    own = solve(seen, "tv", operator=Moved(), bounds=(-1, 1), tol=1e-3)
    assert own.weight_rule == "sure"
    assert own.noise_std == pytest.approx(0.05, rel=0.3)
    twice = solve(seen, "tv", operator=Blur.gaussian(0.7) @ Blur.gaussian(0.7), bounds=(-1, 1), tol=1e-3)
    assert twice.noise_std == own.noise_std
