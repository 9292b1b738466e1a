"""The derivative of a layer: that of the exact minimiser."""

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    L1,
    L2,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    phantoms,
    solve,
)

torch = pytest.importorskip("torch")
from proxsparse.torch import PenaltyLoss, ProxLayer  # noqa: E402
from proxsparse.torch.derivative import derivative, tied_pixels  # noqa: E402

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


#: piecewise linear: the derivative is a projection
STRAIGHT = ["l1", "l1, weights", "tv, anisotropic", "l1 + tv, anisotropic"]


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


def structure_of(x):
    """Which pixels are equal, by their values alone, and which are 0: an oracle for what the dual says."""
    order = np.argsort(x.reshape(-1), kind="stable")
    ranks = np.cumsum(np.diff(x.reshape(-1)[order], prepend=-np.inf) > 1e-7)
    names = np.empty(x.size, int)
    names[order] = ranks - 1
    means = np.bincount(names, x.reshape(-1)) / np.bincount(names)
    return names, means, np.abs(means) > 1e-6


def polished(penalty, v, weight, names, start, free):
    """The minimiser among images of that structure, by Newton steps with dense Hessians to the last digit."""
    loss, y = PenaltyLoss(penalty), torch.from_numpy(v)

    def objective(c):
        values = torch.from_numpy(start).clone()
        values[torch.from_numpy(free)] = c
        x = values[torch.from_numpy(names)].reshape(v.shape)
        return 0.5 * ((x - y) ** 2).sum() + weight * loss(x[None])

    c = torch.from_numpy(start[free])
    for _ in range(30):
        gradient = torch.autograd.functional.jacobian(objective, c)
        if gradient.abs().max() < 1e-12:
            break
        c = c - torch.linalg.solve(torch.autograd.functional.hessian(objective, c), gradient)
    assert gradient.abs().max() < 1e-10
    values = np.where(free, start, 0.0)
    values[free] = c.numpy()
    return values[names].reshape(v.shape)


@layers
@pytest.mark.parametrize("channels", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_derivative_of_a_layer_is_that_of_the_exact_minimiser(name, channels):
    penalty, weight, h, rng = LAYERS[name], 0.9, 1e-5, np.random.default_rng(1)
    v = image_of((channels, 6, 7), 3)
    exact = solve(v, weight * penalty, tol=1e-12, channel_axis=0, options={"maxiter": 30000})
    names, means, free = structure_of(exact.x)

    def minimiser(v, weight):
        return polished(penalty, v, weight, names, means, free)

    x = minimiser(v, weight)
    assert np.abs(x - exact.x).max() < 1e-4
    image = torch.from_numpy(v)[None].requires_grad_()
    times = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    layer = ProxLayer(penalty, tol=1e-12, maxiter=30000)(image, times)
    slope = (minimiser(v, weight + h) - minimiser(v, weight - h)) / (2 * h)
    for _ in range(3):
        d = rng.standard_normal(v.shape)
        direction = torch.from_numpy(d)[None]
        difference = (minimiser(v + h * d, weight) - minimiser(v - h * d, weight)) / (2 * h)
        # the derivative is symmetric: backward takes d to J d
        labels = tied_pixels([weight * penalty], v.shape, [exact.dual])
        u, along = derivative(penalty, torch.from_numpy(x)[None], torch.tensor([weight]).double(), labels, direction)
        # differences of 1e-5 with numbers that are right to 1e-13
        np.testing.assert_allclose(u[0].numpy(), difference, atol=1e-6)
        assert -along.item() == pytest.approx(np.sum(slope * d), abs=1e-6 * (1 + abs(np.sum(slope * d))))
        found = torch.autograd.grad(layer, (image, times), direction, retain_graph=True)
        # the forward is right to the root of its gap, over the lengths that bend
        np.testing.assert_allclose(found[0][0].numpy(), difference, atol=3e-3)
        assert found[1].item() == pytest.approx(np.sum(slope * d), abs=3e-3 * (1 + abs(np.sum(slope * d))))


@pytest.mark.parametrize("name", STRAIGHT)
@pytest.mark.parametrize("channels", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pytorch_checks_the_gradients_of_straight_layers(name, channels):
    images = torch.from_numpy(batch(channels)).requires_grad_()
    weights = torch.tensor([1.0, 0.8, 1.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ProxLayer(LAYERS[name], tol=1e-13), (images, weights))


@layers
def test_the_derivative_is_symmetric_and_between_0_and_1(name):
    image = torch.from_numpy(batch(2)[:1]).requires_grad_()
    x = ProxLayer(LAYERS[name], tol=1e-9)(image)
    columns = [
        torch.autograd.grad(x, image, unit.reshape(x.shape), retain_graph=True)[0] for unit in torch.eye(x.numel()).double()
    ]
    jacobian = torch.stack([column.flatten() for column in columns])
    assert torch.allclose(jacobian, jacobian.T, atol=1e-10)
    eigenvalues = torch.linalg.eigvalsh(jacobian)
    assert eigenvalues.min() >= -1e-10
    assert eigenvalues.max() <= 1 + 1e-10


@pytest.mark.parametrize(
    ("penalty", "shape"),
    [
        (GroupLasso(1.0, block=16), (1, 1, 32, 32)),
        (GroupLasso(1.0, block=4), (1, 16, 8, 8)),
        (OverlappingGroupLasso(1.0, window=16, stride=4), (1, 1, 32, 32)),
        (OverlappingGroupLasso(0.1, window=3), (1, 32, 6, 6)),
        (TotalVariation(1.0), (1, 128, 6, 6)),
        (L1(0.1) + TotalVariation(0.1), (3, 1, 12, 12)),
        (GroupLasso(1.0, block=64) + GroupLasso(0.01, block=2), (1, 1, 64, 64)),
    ],
    ids=str,
)
def test_both_types_have_the_same_derivative(penalty, shape):
    """Balls of groups of many numbers are smaller by their rounding, more so in float32."""
    v, d = np.random.default_rng(0).standard_normal((2, *shape))
    gradients = []
    for dtype, tol in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        image = torch.from_numpy(v).to(dtype).requires_grad_()
        x = ProxLayer(penalty, tol=tol)(image)
        gradients.append(torch.autograd.grad(x, image, torch.from_numpy(d).to(dtype))[0].double())
    assert gradients[0].norm() > 1
    assert (gradients[0] - gradients[1]).norm() < 0.05 * gradients[0].norm()


@pytest.mark.parametrize("seed", [6, 19, 71])
def test_lengths_of_rounding_neither_raise_nor_blow_up(seed):
    rng = np.random.default_rng(seed)
    y = np.kron(rng.random((4, 4)).round(1), np.ones((4, 4)))
    y = y + 0.01 * rng.standard_normal((16, 16)) if seed == 6 else y
    for tol in (1e-2, 1e-3, 1e-4):
        image = torch.from_numpy(y)[None, None].requires_grad_()
        d = torch.from_numpy(rng.standard_normal((1, 1, 16, 16)))
        (u,) = torch.autograd.grad(ProxLayer(TotalVariation(1.0), tol=tol)(image), image, d)
        assert u.norm() <= (1 + 1e-6) * d.norm()


def test_long_groups_keep_the_system_sparse():
    """Two groups of 2048 pixels: their derivative is (1 - w / |v|) I + w v v^T / |v|^3, by the formula."""
    v, d = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 1, 1, 64, 64)))
    labels = np.repeat([0, 1], 2048).reshape(64, 64)
    image = v.clone().requires_grad_()
    (u,) = torch.autograd.grad(ProxLayer(GroupLasso(5.0, labels=labels), tol=1e-9)(image), image, d)
    for g in (0, 1):
        own, along = v.flatten()[labels.reshape(-1) == g], d.flatten()[labels.reshape(-1) == g]
        length = own.norm()
        expected = (1 - 5 / length) * along + 5 * own * (own @ along) / length**3
        torch.testing.assert_close(u.flatten()[labels.reshape(-1) == g], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_the_derivative_of_its_image(dtype):
    y = phantoms.add_noise(phantoms.blobs((32, 32)), 0.2)
    d = np.random.default_rng(0).standard_normal(y.shape)
    rounded = torch.from_numpy(y)[None, None].to(dtype)
    gradients = []
    for image in (rounded, rounded.float()):
        image = image.clone().requires_grad_()
        x = ProxLayer(TotalVariation(0.3), tol=1e-4)(image)
        gradients.append(torch.autograd.grad(x, image, torch.from_numpy(d)[None, None].to(dtype).to(image.dtype))[0].float())
    assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[1].norm()


@pytest.mark.parametrize(
    ("penalty", "shape"),
    [
        (OverlappingGroupLasso(0.1, window=3), (2, 1, 24, 23)),
        (OverlappingGroupLasso(0.1, window=3, stride=2), (1, 3, 24, 23)),
        (GroupLasso(0.2, block=4), (1, 1, 24, 23)),
        (GroupLasso(0.2, block=9), (1, 2, 24, 23)),
        (TotalVariation(0.02), (1, 3, 24, 23)),
        (L1(0.02) + OverlappingGroupLasso(0.1, window=2), (1, 1, 24, 23)),
    ],
)
def test_conjugate_gradients_and_the_factorisation_agree(penalty, shape, monkeypatch):
    """As many steps as it takes, none, and too few, after which the system is factorised."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.standard_normal(shape) + 1).requires_grad_()
    x, direction = ProxLayer(penalty)(images), torch.from_numpy(rng.standard_normal(shape))
    found = []
    for steps in (1000, 0, 2):
        monkeypatch.setattr("proxsparse.torch.derivative._steps", lambda *about, steps=steps: steps)
        found.append(torch.autograd.grad(x, images, direction, retain_graph=True)[0])
    assert not torch.equal(found[0], found[1])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-8)
    assert torch.equal(found[1], found[2])
