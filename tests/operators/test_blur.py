"""Blurs: products against their definition, adjoints, norms, transforms."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
from examples import image_of
from oracles import naive

from proxsparse import (
    L1,
    Blur,
    Downsample,
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


@pytest.mark.parametrize(
    ("length", "angle", "expected"),
    [
        (3, 0, [[1 / 3] * 3]),
        (3, 90, [[1 / 3]] * 3),
        (3, -540, [[1 / 3] * 3]),
        (4, 180, [[0.125, 0.25, 0.25, 0.25, 0.125]]),
        (1, 0, [[1.0]]),
        (0.2, 33, [[1.0]]),
        # a diagonal lies in each pixel for sqrt(2) of its length
        (3 * np.sqrt(2), 45, np.fliplr(np.eye(3)) / 3),
        (3 * np.sqrt(2), -45, np.eye(3) / 3),
    ],
)
def test_the_line_of_a_motion_lies_in_each_pixel_for_its_share(length, angle, expected):
    np.testing.assert_allclose(Blur.motion(length, angle).kernel, expected, atol=1e-12)


@pytest.mark.parametrize("angle", [0, 10, 45, 77, 90, 123.4, -20])
@pytest.mark.parametrize("length", [1.5, 6, 15.3])
def test_a_motion_is_as_long_as_it_says(length, angle):
    kernel = Blur.motion(length, angle).kernel
    assert kernel.sum() == pytest.approx(1)
    assert (kernel >= 0).all()
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)
    # many points of the line, counted pixel by pixel
    t = (np.arange(200001) + 0.5) / 200001 - 0.5
    rows, columns = -length * np.sin(np.radians(angle)) * t, length * np.cos(np.radians(angle)) * t
    counted = np.zeros_like(kernel)
    middle = np.array(kernel.shape) // 2
    np.add.at(counted, (np.rint(rows).astype(int) + middle[0], np.rint(columns).astype(int) + middle[1]), 1 / 200001)
    np.testing.assert_allclose(kernel, counted, atol=1e-4)
    assert Blur.motion(length, angle + 90).kernel.shape == kernel.shape[::-1]


@pytest.mark.parametrize("arguments", [(0, 0), (-1, 0), (np.inf, 0), (np.nan, 0), (3, np.nan), ("5", 0), ([5], 0), (5, None)])
def test_no_motion_is_refused(arguments):
    with pytest.raises((ValueError, TypeError), match=r"length must be|angle must be"):
        Blur.motion(*arguments)


def test_a_moved_camera_is_undone():
    """An image seen in motion, its weight chosen by itself."""
    truth = phantoms.rectangles((64, 64))
    camera = Blur.motion(9, 30)
    seen = phantoms.add_noise(camera.forward(truth), 0.02)
    result = solve(seen, "tv", operator=camera, bounds=(-1, 1), tol=1e-3)
    assert result.success
    assert metrics.psnr(truth, result.x, 1.0) > metrics.psnr(truth, seen, 1.0) + 4
