"""Operators: products against their definitions, adjoints, norms, transforms, and what `solve` takes."""

import naive
import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from conftest import image_of

from proxsparse import (
    L1,
    Blur,
    Downsample,
    OverlappingGroupLasso,
    TotalVariation,
    as_operator,
    metrics,
    phantoms,
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
each = pytest.mark.parametrize(("kernel", "boundary"), [(k, b) for k in KERNELS for b in ("symmetric", "periodic", "zero")])
MODE = {"symmetric": "reflect", "periodic": "wrap", "zero": "constant"}


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blur_is_the_convolution_of_its_definition(kernel, boundary, dtype):
    x = image_of((6, 7), dtype=dtype)
    result = Blur(KERNELS[kernel], boundary).forward(x)
    assert result.dtype == dtype
    tol = 1e-5 if dtype == np.float32 else 1e-11
    scale = np.abs(KERNELS[kernel]).sum()
    np.testing.assert_allclose(result, naive.blur(x, KERNELS[kernel], boundary), atol=tol * scale)
    if kernel != "as large as the image":
        np.testing.assert_allclose(
            result, scipy.ndimage.convolve(x, KERNELS[kernel].astype(dtype), mode=MODE[boundary]), atol=tol * scale
        )


@each
def test_blur_adjoint_norm_and_transform(kernel, boundary):
    blur, shape = Blur(KERNELS[kernel], boundary), (6, 7)
    matrix = naive.matrix_of(blur.forward, shape)
    scale = np.abs(KERNELS[kernel]).sum()
    np.testing.assert_allclose(naive.matrix_of(lambda q: blur.adjoint(q, shape), shape), matrix.T, atol=1e-12 * scale)
    largest = np.linalg.norm(matrix, 2) ** 2
    assert largest * (1 - 1e-12) <= blur.norm_squared(shape)
    gram = blur.gram(shape)
    assert (gram is not None) == (
        boundary == "periodic" or (boundary == "symmetric" and kernel in ("even in each axis", "negative"))
    )
    if gram is not None:
        assert blur.norm_squared(shape) == pytest.approx(largest)
        shifted = gram * 0.7 + type(gram)("uniform", 0.3)
        rhs = image_of(shape)
        solved = shifted.solve(rhs[None])[0]
        np.testing.assert_allclose((0.7 * matrix.T @ matrix + 0.3 * np.eye(42)) @ solved.ravel(), rhs.ravel(), atol=1e-9)


@pytest.mark.parametrize("shape", [(9,), (4, 5, 6)])
def test_blur_works_on_signals_and_volumes(shape):
    kernel = np.random.default_rng(0).random([3, 2, 3][: len(shape)])
    x = image_of(shape)
    np.testing.assert_allclose(Blur(kernel).forward(x), scipy.ndimage.convolve(x, kernel, mode="reflect"), atol=1e-12)


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


WAYS = {
    # shape of the image, kernel, whether its products are sums
    "sums": ((33, 40), (5, 4), True),
    "sums along the axes": ((33, 40), "separable", True),
    "the Fourier domain": ((61, 70), (17, 18), False),
    "the Fourier domain, a signal": ((5000,), (173,), False),
    "the Fourier domain, a volume": ((11, 20, 31), (5, 8, 7), False),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("boundary", ["symmetric", "periodic", "zero"])
@pytest.mark.parametrize("way", WAYS)
def test_products_with_a_kernel_of_any_size_are_those_of_scipy(way, boundary, dtype, rng):
    shape, size, direct = WAYS[way]
    kernel = np.outer(rng.normal(size=6), rng.normal(size=7)) if size == "separable" else rng.normal(size=size)
    x, q = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    blur = Blur(kernel, boundary)
    assert blur._convolution(shape).direct is direct
    forward, adjoint = blur.forward(x), blur.adjoint(q)
    assert forward.dtype == adjoint.dtype == dtype
    expected = scipy.ndimage.convolve(x.astype(float), kernel, mode=MODE[boundary])
    tol = 4 * np.finfo(dtype).eps * np.abs(kernel).sum() * np.abs(x).max()
    np.testing.assert_allclose(forward, expected, atol=tol)
    # what the certificate allows for, in float64; in float32 the same is true of its own unit
    off = np.linalg.norm(forward - expected)
    assert off <= np.finfo(dtype).eps * blur.product_rounding(shape) * np.linalg.norm(x)
    exact = float(np.vdot(forward.astype(float), q))
    assert float(np.vdot(adjoint.astype(float), x)) == pytest.approx(exact, abs=tol * np.linalg.norm(q) * np.sqrt(x.size))


def test_what_products_round_is_counted_tap_by_tap(rng):
    # a hundred rows of four taps, added up one after the other
    volume, shape = Blur(rng.random((10, 10, 4))), (10, 10, 10)
    assert volume._convolution(shape).direct
    assert volume.product_rounding(shape) >= 104 * np.sqrt(volume.norm_squared(shape))
    blur = Blur(rng.standard_normal((9, 9)))
    assert (Downsample(1) @ blur).product_rounding((32, 32)) >= blur.product_rounding((32, 32))
    behind, plain = (p._adjoint_roundings((1, 32, 32)) for p in (L1(1.0).of(blur), L1(1.0)))
    assert behind >= plain + blur.product_rounding((32, 32))


@pytest.mark.parametrize("method", ["fista", "admm", "chambolle-pock"])
def test_channels_are_blurred_each_by_itself(method):
    y, blur = image_of((9, 8, 3)), Blur(KERNELS["odd"])
    result = solve(y, "tv-aniso", 0.05, operator=blur, channel_axis=-1, method=method, tol=1e-5, options={"maxiter": 50000})
    for c in range(3):  # anisotropic total variation does not couple them either
        single = solve(y[..., c], "tv-aniso", 0.05, operator=blur, method=method, tol=1e-6, options={"maxiter": 50000})
        np.testing.assert_allclose(result.x[..., c], single.x, atol=0.05)


def test_an_operator_may_take_the_channels_all_at_once():
    """Two channels measured by their sum alone: the operator's input has a channel axis, its output has none."""
    matrix = np.tile(np.eye(12), 2)
    mix = as_operator(matrix, (2, 4, 3), (4, 3))
    y = image_of((4, 3))
    result = solve(y, "tv", 0.05, operator=mix, channel_axis=0, options={"maxiter": 20000})
    assert result.x.shape == (2, 4, 3)
    assert result.success
    assert result.fun == pytest.approx(
        0.5 * np.sum((result.x.sum(axis=0) - y) ** 2) + TotalVariation(0.05).value(result.x, channel_axis=0)
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_such_an_operator_takes_masks_without_channels(axis, rng):
    """Where its images have the channels too, of as many rows and columns as channels."""
    shape = (4, 4, 4)
    operator = as_operator(np.eye(64) + 0.1 * rng.standard_normal((64, 64)), shape, shape)
    y, seen = rng.random(shape), rng.random((4, 4)) < 0.7
    weights = rng.uniform(0.5, 2.0, (4, 4))
    kw = {"operator": operator, "channel_axis": axis, "tol": 1e-3}
    wide = [np.broadcast_to(np.expand_dims(array, axis), shape) for array in (seen, weights)]
    found = solve(y, "tv", 0.05, observed=seen, pixel_weight=weights, **kw)
    same = solve(y, "tv", 0.05, observed=wide[0], pixel_weight=wide[1], **kw)
    np.testing.assert_array_equal(found.x, same.x)


def test_a_negative_channel_axis_counts_in_the_image_and_in_the_answer():
    matrix = np.random.default_rng(0).standard_normal((20, 30)) / 5
    op, y = as_operator(matrix, (6, 5), (20,)), np.random.default_rng(1).standard_normal((20, 3))
    result = solve(y, "tv", 0.3, operator=op, channel_axis=-1, tol=1e-3)
    assert result.x.shape == (6, 5, 3)
    assert result.success
    measured = as_operator(matrix, (6, 5), (20,))
    colour = solve(image_of((6, 5, 3)), OverlappingGroupLasso(0.1, window=2) + L1(0.1).of(measured), channel_axis=2)
    assert colour.success
    assert [d.shape for d in colour.dual] == [(4, 5, 4, 3), (20, 3)]
    assert (
        solve(image_of((6, 5, 3)), OverlappingGroupLasso(0.1, window=2) + L1(0.1).of(measured), channel_axis=2, x0=colour).nit
        == 0
    )


def test_pixel_weights_with_an_operator_live_where_the_image_lives():
    """Another shape than x: weight 2 is the same as the measurement twice."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((10, 12))
    y = rng.standard_normal(10)
    m = np.where(np.arange(10) < 4, 2.0, 1.0)
    doubled = as_operator(np.vstack([matrix, matrix[:4]]), (4, 3), (14,))
    once = solve(
        y, "tv", 0.3, operator=as_operator(matrix, (4, 3), (10,)), pixel_weight=m, tol=1e-7, options={"maxiter": 50000}
    )
    twice = solve(np.concatenate([y, y[:4]]), "tv", 0.3, operator=doubled, tol=1e-7, options={"maxiter": 50000})
    assert once.fun == pytest.approx(twice.fun, rel=1e-6)


def test_float32_stays_through_an_operator():
    y = image_of((16, 17), dtype=np.float32)
    for operator in (Blur(KERNELS["odd"]), np.eye(272)):
        result = solve(y, "tv", 0.05, operator=operator, tol=1e-3)
        assert result.x.dtype == np.float32
        assert result.dual[0].dtype == np.float32
        assert result.success


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


@pytest.mark.parametrize(("boundary", "mode"), [("symmetric", "reflect"), ("periodic", "wrap"), ("zero", "constant")])
def test_a_gaussian_blur_is_that_of_scipy(boundary, mode, rng):
    from scipy import ndimage

    for shape, sigma in (((30, 31), 1.3), ((30, 31), (0.7, 2.0)), ((40,), 1.5), ((9, 10, 11), (0.5, 1.0, 0.8))):
        x = rng.standard_normal(shape)
        blur = Blur.gaussian(sigma, boundary, ndim=len(shape))
        np.testing.assert_allclose(blur.forward(x), ndimage.gaussian_filter(x, sigma, mode=mode), atol=1e-13)
    assert Blur.gaussian(1.0) == Blur.gaussian((1.0, 1.0))
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="sigma and truncate must be > 0"):
            Blur.gaussian(bad)


# -- fewer samples, compositions -----------------------------------------------------------------------------------------


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
