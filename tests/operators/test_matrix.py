"""Matrices and products as operators: norms, adjoints, identity, what `solve` takes."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from examples import image_of
from oracles import naive

from proxsparse import (
    Blur,
    TotalVariation,
    as_operator,
    solve,
)

KERNELS = {
    "odd": np.array([[0.0, 0.1, 0.3], [0.1, 0.2, 0.1], [0.2, 0.0, 0.0]]),
    "even": np.array([[0.3, 0.2], [0.4, 0.1]]),
    "mixed": np.array([[0.1, 0.2, 0.3, 0.15]]),
    "even in each axis": np.outer([1.0, 2.0, 1.0], [1.0, 3.0, 5.0, 3.0, 1.0]) / 52,
    "negative": np.array([[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]),
    "as large as the image": np.arange(42.0).reshape(6, 7),
}


def test_anything_with_products_is_an_operator():
    """The same blur as an operator of ours, a matrix, a sparse matrix, a LinearOperator."""
    y, blur = image_of((9, 8)), Blur(KERNELS["even in each axis"])
    matrix = naive.matrix_of(blur.forward, (9, 8))
    linear = scipy.sparse.linalg.LinearOperator((72, 72), matvec=lambda v: matrix @ v, rmatvec=lambda v: matrix.T @ v)
    expected = solve(y, "tv", 0.05, operator=blur, tol=1e-6)
    for operator in (matrix, scipy.sparse.csr_array(matrix), linear, as_operator(matrix, (9, 8), (9, 8))):
        result = solve(y, "tv", 0.05, operator=operator, tol=1e-6)
        assert result.success
        assert result.fun == pytest.approx(expected.fun, rel=2e-6)


def test_pylops_says_its_own_shapes():
    class Lops(scipy.sparse.linalg.LinearOperator):
        """What PyLops adds to a LinearOperator: the shapes of the images."""

        dims, dimsd = (9, 8), (9, 4)

        def __init__(self):
            super().__init__(np.float64, (36, 72))

        def _matvec(self, x):
            return x.reshape(9, 8)[:, ::2].ravel()

        def _rmatvec(self, q):
            out = np.zeros((9, 8))
            out[:, ::2] = q.reshape(9, 4)
            return out.ravel()

    y = image_of((9, 4))
    result = solve(y, "tv", 0.05, operator=Lops())
    assert result.success
    assert result.x.shape == (9, 8)


@pytest.mark.parametrize("given", ["operator", "linear operator", "after a blur", "penalty"])
def test_the_norm_of_an_operator_is_searched_once(given):
    """With a projector of seconds a product a search takes minutes."""
    count = [0]

    def product(v):
        count[0] += 1
        return np.cumsum(v) / 40

    def back(v):
        count[0] += 1
        return np.cumsum(v[::-1])[::-1] / 40

    linear = scipy.sparse.linalg.LinearOperator((64, 64), product, back, dtype=float)
    made = as_operator(linear, (8, 8), (8, 8))
    operator = {"linear operator": linear, "after a blur": made @ Blur(np.ones((3, 3)) / 9)}.get(given, made)
    penalty = TotalVariation(0.1).of(made) if given == "penalty" else TotalVariation(0.1)
    y, used = np.arange(64.0).reshape(8, 8), []
    for _ in range(3):
        count[0] = 0
        kw = {} if given == "penalty" else {"operator": operator, "bounds": (0, None)}
        solve(y, penalty, tol=1, options={"maxiter": 1}, **kw)
        used.append(count[0])
    assert used[1] == used[2] < 20


def test_a_matrix_that_was_written_into_has_a_norm_and_an_adjoint_of_its_own():
    matrix = np.random.default_rng(0).standard_normal((20, 12))
    operator = as_operator(matrix, (3, 4), (20,))
    before = operator.norm_squared((3, 4)), operator.adjoint(np.ones(20))
    matrix *= 10
    assert operator.norm_squared((3, 4)) == pytest.approx(100 * before[0])
    np.testing.assert_allclose(operator.adjoint(np.ones(20)), 10 * before[1])


def test_an_attribute_named_as_a_matrix_is_none():
    """The products say what an operator is."""

    class Named(scipy.sparse.linalg.LinearOperator):
        A = "an attribute"

        def __init__(self):
            super().__init__(float, (12, 12))

        def _matvec(self, x):
            return 2 * x

        _rmatvec = _matvec

    image = image_of((3, 4))
    operator = as_operator(Named(), (3, 4), (3, 4))
    np.testing.assert_array_equal(operator.adjoint(image), 2 * image)
    assert solve(image, "l1", 0.1, operator=operator).success


def test_an_operator_that_keeps_a_matrix_multiplies_by_what_it_says():
    class Twice(scipy.sparse.linalg.LinearOperator):
        def __init__(self, matrix):
            self.A = matrix
            super().__init__(float, matrix.shape)

        def _matvec(self, x):
            return 2 * (self.A @ x.reshape(-1))

        def _rmatvec(self, x):
            return 2 * (self.A.T @ x.reshape(-1))

    matrix, image = np.random.default_rng(0).standard_normal((12, 12)), image_of((3, 4))
    operator = as_operator(Twice(matrix), (3, 4), (3, 4))
    np.testing.assert_allclose(operator.adjoint(image).ravel(), 2 * matrix.T @ image.ravel())
    assert operator.norm_bound((3, 4)) >= 4 * np.linalg.norm(matrix, 2) ** 2


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64])
@pytest.mark.parametrize("sparse", [False, True])
def test_the_norm_of_integers_is_bounded(dtype, sparse, rng):
    numbers = rng.integers(0, 120, (12, 12)).astype(dtype)
    given = scipy.sparse.csr_matrix(numbers) if sparse else numbers
    square = np.linalg.norm(numbers.astype(float), 2) ** 2
    assert square <= as_operator(given, (3, 4), (3, 4)).norm_bound((3, 4)) <= 12 * square


def test_numbers_of_one_place_add_up_in_the_norm():
    eight = scipy.sparse.csr_matrix((np.ones(8), np.zeros(8, int), np.array([0] + [8] * 12)), shape=(12, 12))
    assert as_operator(eight, (3, 4), (3, 4)).norm_bound((3, 4)) == pytest.approx(64)


def test_an_operator_that_cannot_be_hashed_is_one():
    class Own(scipy.sparse.linalg.LinearOperator):
        __hash__ = None

        def __init__(self):
            super().__init__(float, (12, 12))

        def __eq__(self, other):
            return NotImplemented

        def _matvec(self, x):
            return 2 * x

        def _rmatvec(self, x):
            return 2 * x

    assert as_operator(Own(), (3, 4), (3, 4)).norm_squared((3, 4)) == pytest.approx(4.2)
