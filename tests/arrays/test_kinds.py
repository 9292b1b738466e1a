"""Images of other kinds than NumPy's come back as what they came in."""

import numpy as np
import pytest
from examples import image_of

import proxsparse
from proxsparse import denoise, path, solve, solve_batch

Y = image_of((12, 13))


class OnlyDLPack:
    """What can be read by the protocol alone."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_dlpack_alone_is_enough():
    np.testing.assert_array_equal(solve(OnlyDLPack(Y), "tv", 0.1).x, solve(Y, "tv", 0.1).x)
    batch = OnlyDLPack(np.stack([Y, 2 * Y]))
    np.testing.assert_array_equal(solve_batch(batch, "tv", 0.1).x[1], solve(2 * Y, "tv", 0.1).x)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "uint8"])
def test_tensors_come_back_as_tensors(dtype):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(np.abs(20 * Y)).to(getattr(torch, dtype))
    given = tensor.float().numpy() if dtype == "bfloat16" else tensor.numpy()
    expected = solve(given, "tv", 1.5, debias=True)
    found = solve(tensor, "tv", 1.5, debias=True)
    for name in ("x", "debiased"):
        assert isinstance(found[name], torch.Tensor)
        np.testing.assert_array_equal(found[name].numpy(), expected[name])
    assert torch.equal(denoise(tensor, weight=1.5), found.x)
    assert torch.equal(solve(image=tensor, penalty="tv", weight=1.5).x, found.x)
    assert all(isinstance(result.x, torch.Tensor) for result in path(tensor, "tv", [1.5, 3.0]))
    batch = solve_batch(torch.stack([tensor, tensor]), "tv", 1.5)
    assert isinstance(batch.x, torch.Tensor)
    assert torch.equal(batch.x[0], found.x)
    listed = solve_batch([tensor, tensor[:8]], "tv", 1.5)
    assert [tuple(x.shape) for x in listed.x] == [(12, 13), (8, 13)]
    assert all(isinstance(x, torch.Tensor) for x in listed.x)


def test_a_tensor_that_asks_for_a_gradient_is_refused():
    torch = pytest.importorskip("torch")
    for door in (solve, denoise, solve_batch, lambda y, *rest: path(y, "tv", [0.1])):
        with pytest.raises(TypeError, match=r"use proxsparse\.torch\.ProxLayer, or image\.detach\(\)"):
            door(torch.tensor(Y, requires_grad=True), "tv", 0.1)
    with pytest.raises(TypeError, match=r"the image is on meta: give image\.cpu\(\)"):
        solve(torch.empty(4, 4, device="meta"), "tv", 0.1)


def test_dims_and_coordinates_are_kept():
    xarray = pytest.importorskip("xarray")
    image = xarray.DataArray(Y, dims=("y", "x"), coords={"x": np.arange(13) / 10}, attrs={"units": "mm"}, name="height")
    found = solve(image, "tv", 0.1)
    assert isinstance(found.x, xarray.DataArray)
    assert (found.x.dims, found.x.attrs, found.x.name) == (image.dims, image.attrs, image.name)
    np.testing.assert_array_equal(found.x.coords["x"], image.coords["x"])
    np.testing.assert_array_equal(found.x, solve(Y, "tv", 0.1).x)
    # of another shape it is an array
    small = solve(image, "tv", 0.1, operator=proxsparse.Downsample(2, shape=(24, 26)))
    assert type(small.x) is np.ndarray
    np.testing.assert_array_equal(image, Y)
