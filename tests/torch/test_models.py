"""Models of PyTorch's as functions of NumPy images, and in `compare` as they are."""

import numpy as np
import pytest

from proxsparse import compare, phantoms

torch = pytest.importorskip("torch")
from proxsparse.torch import as_denoiser  # noqa: E402

TRUTH = phantoms.regions((24, 20))


class Halved(torch.nn.Module):
    """Half the image in evaluation, noise in training."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.share = torch.nn.Parameter(torch.tensor(0.5, dtype=dtype))

    def forward(self, x):
        assert x.dtype == self.share.dtype
        return self.share * x if not self.training else torch.randn_like(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("channel_axis", [None, 0, -1])
def test_a_model_takes_an_image_and_gives_one(dtype, channel_axis):
    shape = {None: (6, 5), 0: (3, 6, 5), -1: (6, 5, 3)}[channel_axis]
    image = np.arange(90.0)[: np.prod(shape)].reshape(shape)
    model = Halved(dtype).train()
    found = as_denoiser(model, channel_axis=channel_axis)(image)
    np.testing.assert_array_equal(found, image / 2)
    assert found.dtype == image.dtype
    assert model.training


def test_channels_come_first_in_a_model():
    seen = []
    model = torch.nn.Identity()
    model.register_forward_hook(lambda module, given, output: seen.append(tuple(given[0].shape)))
    as_denoiser(model, channel_axis=-1)(np.ones((6, 5, 3)))
    as_denoiser(model)(np.ones((7, 6, 5), np.float32))
    assert seen == [(1, 3, 6, 5), (1, 1, 7, 6, 5)]


def test_what_is_no_model_and_no_image_is_said():
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module, got <function"):
        as_denoiser(lambda x: x)
    with pytest.raises(ValueError, match=r"the model gave \(1, 1, 3, 2\) for a tensor \(1, 1, 6, 5\)"):
        as_denoiser(torch.nn.MaxPool2d(2))(np.ones((6, 5)))


def test_compare_takes_modules_tensors_and_functions_that_give_tensors():
    noisy = phantoms.add_noise(TRUTH, 0.1)
    tensor = torch.tensor(noisy, requires_grad=True) / 2
    outputs = {
        "module": Halved(torch.float64),
        "tensor": tensor,
        "batch of one": tensor[None, None],
        "half precision": tensor.to(torch.bfloat16),
        "function": lambda y: torch.tensor(y, requires_grad=True)[None, None] / 2,
        "array": noisy / 2,
    }
    found = compare(TRUTH, outputs, noisy=noisy, data_range=1.0, penalties="none")
    psnr = {row["name"]: row["psnr"] for row in found.table}
    for name in outputs:
        assert psnr[name] == pytest.approx(psnr["array"], abs=0.05 if name == "half precision" else 1e-9)


def test_a_batch_of_images_is_one_for_each_truth():
    truths = [phantoms.blobs((20, 22), seed=i) for i in range(3)]
    batch = np.stack(truths)[:, None] / 2
    found = compare(truths, {"array": batch, "tensor": torch.tensor(batch), "list": [x / 2 for x in truths]}, **ONE)
    values = [found.values(name, "mse") for name in ("array", "tensor", "list")]
    np.testing.assert_allclose(values[0], values[2])
    np.testing.assert_allclose(values[1], values[2])
    with pytest.raises(ValueError, match="net must be a list of 3 images"):
        compare(truths, {"net": batch[:2]}, **ONE)


ONE = {"noise_std": 0.1, "data_range": 1.0, "penalties": "none"}


def test_colour_of_a_network_has_its_channels_first():
    truth = np.stack([TRUTH, 0.5 * TRUTH, 0 * TRUTH], axis=-1)
    tensor = torch.tensor(np.moveaxis(truth, -1, 0))[None]
    found = compare(truth, {"net": tensor}, channel_axis=-1, **ONE)
    assert found.values("net", "mse") == [0.0]
