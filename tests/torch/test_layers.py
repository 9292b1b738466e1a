"""Proximal operators as layers."""

import copy
import pickle

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    L2,
    TGV,
    ConvergenceWarning,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    oracle_weight,
    phantoms,
    solve,
)

torch = pytest.importorskip("torch")
from proxsparse.torch import ProxLayer  # noqa: E402

A = np.linspace(0.0, 2.0, 42).reshape(6, 7)


PENALTIES = {
    "l1": L1(0.3),
    "l1, weights": L1(0.3, pixel_weight=A),
    "ridge": L2(0.4),
    "elastic net": ElasticNet(0.3, l1_ratio=0.3, unit=0.5),
    "tv": TotalVariation(0.3),
    "tv, anisotropic": TotalVariation(0.3, isotropic=False),
    "tv, channels apart": TotalVariation(0.3, coupled=False),
    "tv, spacing": TotalVariation(0.3, spacing=(0.5, 2.0)),
    "tv, weights": TotalVariation(0.3, pixel_weight=A),
    "tv, directions": TotalVariation(0.3, pixel_weight=np.stack([A, A[::-1]])),
    "tv, huber": TotalVariation(0.3, huber=0.4),
    "second order": SecondOrderTV(0.3),
    "second order, spacing": SecondOrderTV(0.3, spacing=(0.5, 2.0)),
    "blocks": GroupLasso(0.3, block=(2, 3)),
    "blocks, linf": GroupLasso(0.3, block=4, norm="linf", group_weight="sqrt"),
    "labels": GroupLasso(0.3, labels=np.arange(42).reshape(6, 7) % 5 - 1, group_weight=[1.0, 0.0, 2.0, 0.5]),
    "windows": OverlappingGroupLasso(0.3, window=3),
    "windows, stride": OverlappingGroupLasso(0.3, window=(3, 2), stride=(2, 2)),
    "windows, linf": OverlappingGroupLasso(0.3, window=3, norm="linf"),
    "sum": L1(0.1) + TotalVariation(0.2) + OverlappingGroupLasso(0.1, window=2),
}


def batch(channels=2, dtype=np.float64):
    return np.stack([image_of((channels, 6, 7), seed) for seed in range(3)]).astype(dtype)


LAYERS = {
    name: PENALTIES[name] for name in ("l1", "l1, weights", "ridge", "elastic net", "tv", "tv, anisotropic", "tv, spacing")
}


LAYERS |= {name: PENALTIES[name] for name in ("tv, channels apart", "tv, huber", "blocks", "labels")}


LAYERS |= {
    "tv, weights": TotalVariation(0.3, pixel_weight=A + 0.5),
    "tv, directions": TotalVariation(0.3, pixel_weight=np.stack([A, A[::-1]]) + 0.5),
    "tv, anisotropic, huber": TotalVariation(0.3, isotropic=False, huber=0.2),
    "windows": OverlappingGroupLasso(0.15, window=3),
    "windows, stride": OverlappingGroupLasso(0.15, window=(3, 2), stride=(2, 2)),
    "l1 + tv": L1(0.1) + TotalVariation(0.2),
    "l1 + tv, anisotropic": L1(0.1) + TotalVariation(0.2, isotropic=False),
    "two tv": TotalVariation(0.15) + TotalVariation(0.1, isotropic=False),
    "sum": L1(0.05) + TotalVariation(0.1) + OverlappingGroupLasso(0.05, window=2) + L2(0.3),
}


layers = pytest.mark.parametrize("name", LAYERS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(2, 1, 9, 8), (3, 2, 12), (1, 1, 4, 5, 6), (0, 1, 5, 5)])
def test_a_layer_gives_the_minimiser_of_each_image(dtype, shape):
    penalty = L1(0.1) + TotalVariation(0.2)
    rng = np.random.default_rng(0)
    images = torch.from_numpy(np.round(rng.standard_normal(shape), 1)).to(dtype).requires_grad_()
    weights = torch.linspace(0.5, 1.5, len(images)).to(dtype)
    x = ProxLayer(penalty, tol=1e-5, workers=2, spatial_ndim=len(shape) - 2)(images, weights)
    assert x.dtype == dtype
    assert x.shape == shape
    for image, weight, own in zip(images.detach(), weights, x.detach(), strict=True):
        given = image.double().numpy() if dtype == torch.float64 else image.float().numpy()
        expected = torch.from_numpy(solve(given, weight.item() * penalty, tol=1e-5, channel_axis=0).x)
        assert torch.equal(own, expected.to(dtype))
        assert (own == 0).any()
    x.sum().backward()
    assert images.grad.dtype == dtype
    assert torch.isfinite(images.grad).all()


@pytest.mark.parametrize("weight", [0.0, 1e-3, 1e3])
@layers
def test_layers_at_either_end_of_the_weights(name, weight):
    images = torch.from_numpy(batch(1)).requires_grad_()
    times = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    x = ProxLayer(LAYERS[name], tol=1e-8)(images, times)
    (x * torch.linspace(-1, 1, x.numel()).reshape(x.shape)).sum().backward()
    assert torch.isfinite(images.grad).all()
    assert torch.isfinite(times.grad)
    if weight == 0:
        # nothing is changed
        assert torch.equal(images.grad.flatten(), torch.linspace(-1, 1, x.numel()).double())


def test_a_weight_is_learned():
    """By descent on the weight from the truth alone: what `oracle_weight` finds by search."""
    truth = phantoms.blobs((32, 32), seed=1)
    noisy = phantoms.add_noise(truth, 0.2, seed=2)
    expected = oracle_weight(noisy, truth, "tv")
    weight = torch.tensor(0.3 * expected, dtype=torch.float64, requires_grad=True)
    layer, optimiser = ProxLayer(TotalVariation(1.0), tol=1e-7), torch.optim.Adam([weight], 0.02)
    y, t = (torch.from_numpy(image)[None, None] for image in (noisy, truth))
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(layer(y, weight), t, reduction="sum").backward()
        optimiser.step()
    assert weight.item() == pytest.approx(expected, rel=0.05)


def test_batches_workers_and_what_asks_for_a_gradient_change_nothing():
    penalty, images, d = LAYERS["sum"], torch.from_numpy(batch(1)), torch.from_numpy(batch(1)[::-1].copy())
    whole = images.clone().requires_grad_()
    (together,) = torch.autograd.grad(ProxLayer(penalty, workers=2)(whole), whole, d)
    for i in range(len(images)):
        one = images[i : i + 1].clone().requires_grad_()
        (alone,) = torch.autograd.grad(ProxLayer(penalty)(one), one, d[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=1e-9, atol=1e-9)
    weight = torch.nn.Parameter(torch.ones(1))
    x = ProxLayer(penalty)(images, weight)
    x.add_(1.0)
    x.sum().backward()
    assert weight.grad.shape == (1,)
    assert weight.grad.dtype == torch.float32
    assert not ProxLayer(penalty)(images).requires_grad
    assert ProxLayer(penalty)(images.bfloat16(), weight).dtype == torch.bfloat16
    # what the layer was given may be changed before its gradient is asked for
    leaf = images.clone().requires_grad_()
    given = leaf * 1.0
    x = ProxLayer(penalty)(given)
    given.add_(1.0)
    torch.testing.assert_close(torch.autograd.grad(x, leaf, d)[0], together)


def test_layers_say_what_is_wrong():
    image = torch.zeros(2, 1, 6, 7)
    for penalty in (
        SecondOrderTV(0.1),
        GroupLasso(0.1, norm="linf"),
        OverlappingGroupLasso(0.1, norm="linf"),
        PENALTIES["tv, weights"],
    ):
        with pytest.raises(TypeError, match="derivative"):
            ProxLayer(penalty)
    with pytest.raises(TypeError, match="no form in PyTorch"):
        ProxLayer(TGV(0.1))
    with pytest.raises(ValueError, match="weight"):
        ProxLayer(L1())
    with pytest.raises(ValueError, match="tol"):
        ProxLayer(L1(0.1), tol=-1)
    with pytest.raises(ValueError, match="workers"):
        ProxLayer(L1(0.1), workers=0)
    with pytest.raises(ValueError, match="one for each of 2 images"):
        ProxLayer(L1(0.1))(image, torch.ones(3))
    with pytest.raises(ValueError, match="weight must be"):
        ProxLayer(L1(0.1))(image, -1.0)
    with pytest.raises(TypeError, match="floating"):
        ProxLayer(L1(0.1))(image.int())
    with pytest.raises(ValueError, match="NaN"):
        ProxLayer(L1(0.1))(image * torch.nan)
    with pytest.warns(ConvergenceWarning, match="1 of 1 images did not meet tol=1e-07") as caught:
        ProxLayer(TotalVariation(0.1), tol=1e-7, maxiter=3)(torch.from_numpy(batch(1)[:1]))
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="empty"):
        ProxLayer(TotalVariation(0.1))(torch.zeros(1, 1, 0, 5))
    image.requires_grad_()
    objective = (ProxLayer(L1(0.1))(image) ** 2).sum() + (image**2).sum()
    (gradient,) = torch.autograd.grad(objective, image, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(gradient.sum(), image)
    assert "tol=1e-06" in repr(ProxLayer(L1(0.1), tol=1e-6))
    for again in (pickle.loads(pickle.dumps(ProxLayer(L1(0.1), tol=1e-3))), copy.deepcopy(ProxLayer(L1(0.1), tol=1e-3))):
        assert torch.equal(again(image), ProxLayer(L1(0.1))(image))
        assert again.tol == 1e-3
