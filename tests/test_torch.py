"""The penalties as PyTorch losses: the same values, gradients that are right, and 0 where there is none."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from conftest import image_of

from proxsparse import (
    DCTL1,
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
each = pytest.mark.parametrize("name", PENALTIES)


def batch(channels=2, dtype=np.float64):
    return np.stack([image_of((channels, 6, 7), seed) for seed in range(3)]).astype(dtype)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_value_is_the_penalty(name, channels, dtype):
    images, penalty = batch(channels, dtype), PENALTIES[name]
    expected = [penalty.value(image, channel_axis=0) for image in images]
    found = PenaltyLoss(penalty, reduction="none")(torch.from_numpy(images))
    assert found.dtype == torch.from_numpy(images).dtype
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13 if dtype == np.float64 else 1e-5)
    assert PenaltyLoss(penalty)(torch.from_numpy(images)).item() == pytest.approx(sum(expected), rel=1e-5)
    assert PenaltyLoss(penalty, reduction="mean")(torch.from_numpy(images)).item() == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 9), (1, 2, 4, 5, 6), (2, 1, 1, 5), (1, 1, 2, 2)])
def test_signals_volumes_and_thin_images(shape):
    images = np.random.default_rng(0).standard_normal(shape)
    window = tuple(min(2, n) for n in shape[2:])
    for penalty in (
        TotalVariation(0.3),
        SecondOrderTV(0.3),
        OverlappingGroupLasso(0.3, window=window),
        GroupLasso(0.3, block=2),
    ):
        found = PenaltyLoss(penalty, reduction="none")(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(found, [penalty.value(image, channel_axis=0) for image in images], rtol=1e-13)


@each
def test_gradients_are_right_where_there_is_one(name):
    images = torch.from_numpy(batch()).requires_grad_()
    assert torch.autograd.gradcheck(PenaltyLoss(PENALTIES[name]), (images,))
    # twice where it is smooth, at 0 too, but for maxima
    flat = torch.zeros(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)
    for at in [images] if "linf" in name else [images, flat]:
        assert torch.autograd.gradgradcheck(PenaltyLoss(PENALTIES[name], eps=0.1), (at,))


def test_huber_bends_where_the_image_is_flat():
    for isotropic in (True, False):
        loss = PenaltyLoss(TotalVariation(1.0, huber=0.5, isotropic=isotropic))
        bent = torch.autograd.functional.hessian(loss, torch.zeros(1, 1, 3, dtype=torch.float64)).reshape(3, 3)
        assert torch.equal(bent, torch.tensor([[2.0, -2, 0], [-2, 4, -2], [0, -2, 2]], dtype=torch.float64))


@each
def test_it_runs_on_the_device_of_the_images(name):
    """No part of it looks at the numbers: shapes alone are enough."""
    images = torch.zeros(2, 2, 6, 7, device="meta", requires_grad=True)
    value = PenaltyLoss(PENALTIES[name])(images)
    assert value.device.type == "meta"
    value.backward()
    assert images.grad.shape == images.shape


@each
def test_gradients_are_subgradients(name):
    """P(z) >= P(x) + <g, z - x>, at images with zeros and flat parts too."""
    rng, loss = np.random.default_rng(0), PenaltyLoss(PENALTIES[name])
    for x in (batch(), np.zeros((1, 2, 6, 7)), np.ones((1, 2, 6, 7)), np.round(batch()), np.maximum(batch(), 0)):
        images = torch.from_numpy(x).requires_grad_()
        value = loss(images)
        (g,) = torch.autograd.grad(value, images)
        assert torch.isfinite(g).all()
        for scale in (0.01, 1.0):
            z = torch.from_numpy(x + scale * rng.standard_normal(x.shape))
            assert loss(z).item() >= value.item() + torch.sum(g * (z - images.detach())).item() - 1e-12 * (1 + value.item())


@each
@pytest.mark.parametrize(
    ("eps", "dtype"), [(0.0, torch.float32), (1e-3, torch.float32), (1e-23, torch.float32), (1e-4, torch.float16)]
)
def test_nothing_is_never_not_a_number(name, eps, dtype):
    images = torch.zeros(2, 2, 6, 7, requires_grad=True, dtype=dtype)
    value = PenaltyLoss(PENALTIES[name], eps=eps)(images)
    (g,) = torch.autograd.grad(value, images, create_graph=True)
    (h,) = torch.autograd.grad((g * torch.ones_like(g)).sum(), images, allow_unused=True)
    assert value.item() == 0
    assert not g.any()
    assert h is None or torch.isfinite(h).all()


def test_smoothing_is_below_by_no_more_than_eps_a_length():
    images, penalty = torch.from_numpy(batch()), TotalVariation(1.0)
    exact, smooth = (PenaltyLoss(penalty, eps=eps)(images).item() for eps in (0.0, 1e-3))
    assert exact - 1e-3 * images[:, 0].numel() <= smooth <= exact


def test_a_descent_on_the_loss_comes_to_what_solve_finds():
    y = phantoms.add_noise(phantoms.regions((24, 24)), 0.1)
    expected = solve(y, "l1+tv", (0.02, 0.1), tol=1e-8, options={"maxiter": 20000})
    x, given = torch.from_numpy(y)[None, None].clone().requires_grad_(), torch.from_numpy(y)[None, None]
    loss, data = PenaltyLoss(expected_penalty(), eps=1e-4), torch.nn.MSELoss(reduction="sum")
    optimiser = torch.optim.LBFGS([x], max_iter=2000, history_size=20, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def objective():
        optimiser.zero_grad()
        total = 0.5 * data(x, given) + loss(x)
        total.backward()
        return total

    optimiser.step(objective)
    exact = 0.5 * data(x, given) + PenaltyLoss(expected_penalty())(x)
    assert expected.fun - expected.gap <= exact.item() <= expected.fun * (1 + 2e-2)


def expected_penalty():
    return L1(0.02) + TotalVariation(0.1)


def test_it_is_a_module_like_others():
    loss = PenaltyLoss(TotalVariation(0.3), eps=0.01, reduction="mean")
    assert repr(loss) == "PenaltyLoss(TotalVariation(0.3), eps=0.01, reduction='mean')"
    again = pickle.loads(pickle.dumps(loss))
    images = torch.from_numpy(batch())
    assert again(images).item() == loss(images).item()
    assert not list(loss.parameters())
    half = PenaltyLoss(L1(0.5), reduction="none")(torch.ones(1, 1, 4, 4, dtype=torch.float16))
    # no sum of half precision
    assert half.dtype == torch.float32
    assert half.item() == 8.0
    assert PenaltyLoss(L1(1.0))(torch.ones(1, 1, 300, 300, dtype=torch.float16)).item() == 90000
    large = PenaltyLoss(TotalVariation(0.1, pixel_weight=np.ones((64, 64))))
    assert len(repr(large)) < 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), loss)(torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: PenaltyLoss(TGV(0.1)), TypeError, "has no form in PyTorch"),
        (lambda: PenaltyLoss(DCTL1(0.1) + L1(0.1)), TypeError, "DCTL1"),
        (lambda: PenaltyLoss(OverlappingGroupLasso(0.1, groups="pairs")), TypeError, "windows without weights"),
        (lambda: PenaltyLoss("tv"), TypeError, "got 'tv'"),
        (lambda: PenaltyLoss(TotalVariation()), ValueError, "has no weight"),
        (lambda: PenaltyLoss(L1(0.1), reduction="max"), ValueError, "got 'max'"),
        (lambda: PenaltyLoss(L1(0.1), eps=-1), ValueError, "eps"),
        (lambda: PenaltyLoss(L1(0.1))(torch.zeros(2, 2)), ValueError, "got \\(2, 2\\)"),
        (lambda: PenaltyLoss(L1(0.1))(torch.zeros(1, 1, 2, 2, dtype=torch.int32)), TypeError, "int32"),
        (
            lambda: PenaltyLoss(OverlappingGroupLasso(0.1, window=5))(torch.zeros(1, 1, 3, 3)),
            ValueError,
            "larger than the image",
        ),
        (lambda: PenaltyLoss(L1(0.1, pixel_weight=A))(torch.zeros(1, 1, 3, 3)), ValueError, "pixel_weight"),
    ],
)
def test_what_it_does_not_know_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


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
        labels = tied_pixels(penalty, v.shape, [weight], [exact.dual])
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(2, 1, 9, 8), (3, 2, 12), (1, 1, 4, 5, 6), (0, 1, 5, 5)])
def test_a_layer_gives_the_minimiser_of_each_image(dtype, shape):
    penalty = L1(0.1) + TotalVariation(0.2)
    rng = np.random.default_rng(0)
    images = torch.from_numpy(np.round(rng.standard_normal(shape), 1)).to(dtype).requires_grad_()
    weights = torch.linspace(0.5, 1.5, len(images)).to(dtype)
    x = ProxLayer(penalty, 1e-5, workers=2)(images, weights)
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
    x = ProxLayer(LAYERS[name], 1e-8)(images, times)
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
    layer, optimiser = ProxLayer(TotalVariation(1.0), 1e-7), torch.optim.Adam([weight], 0.02)
    y, t = (torch.from_numpy(image)[None, None] for image in (noisy, truth))
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(layer(y, weight), t, reduction="sum").backward()
        optimiser.step()
    assert weight.item() == pytest.approx(expected, rel=0.05)


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
        x = ProxLayer(penalty, tol)(image)
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
        (u,) = torch.autograd.grad(ProxLayer(TotalVariation(1.0), tol)(image), image, d)
        assert u.norm() <= (1 + 1e-6) * d.norm()


def test_long_groups_keep_the_system_sparse():
    """Two groups of 2048 pixels: their derivative is (1 - w / |v|) I + w v v^T / |v|^3, by the formula."""
    v, d = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 1, 1, 64, 64)))
    labels = np.repeat([0, 1], 2048).reshape(64, 64)
    image = v.clone().requires_grad_()
    (u,) = torch.autograd.grad(ProxLayer(GroupLasso(5.0, labels=labels), 1e-9)(image), image, d)
    for g in (0, 1):
        own, along = v.flatten()[labels.reshape(-1) == g], d.flatten()[labels.reshape(-1) == g]
        length = own.norm()
        expected = (1 - 5 / length) * along + 5 * own * (own @ along) / length**3
        torch.testing.assert_close(u.flatten()[labels.reshape(-1) == g], expected, rtol=1e-9, atol=1e-9)


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_has_the_derivative_of_its_image(dtype):
    y = phantoms.add_noise(phantoms.blobs((32, 32)), 0.2)
    d = np.random.default_rng(0).standard_normal(y.shape)
    rounded = torch.from_numpy(y)[None, None].to(dtype)
    gradients = []
    for image in (rounded, rounded.float()):
        image = image.clone().requires_grad_()
        x = ProxLayer(TotalVariation(0.3), 1e-4)(image)
        gradients.append(torch.autograd.grad(x, image, torch.from_numpy(d)[None, None].to(dtype).to(image.dtype))[0].float())
    assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[1].norm()


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
        ProxLayer(L1(0.1), -1)
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
        ProxLayer(TotalVariation(0.1), 1e-7, maxiter=3)(torch.from_numpy(batch(1)[:1]))
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="empty"):
        ProxLayer(TotalVariation(0.1))(torch.zeros(1, 1, 0, 5))
    image.requires_grad_()
    objective = (ProxLayer(L1(0.1))(image) ** 2).sum() + (image**2).sum()
    (gradient,) = torch.autograd.grad(objective, image, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        torch.autograd.grad(gradient.sum(), image)
    assert "tol=1e-06" in repr(ProxLayer(L1(0.1), 1e-6))
    for again in (pickle.loads(pickle.dumps(ProxLayer(L1(0.1), 1e-3))), copy.deepcopy(ProxLayer(L1(0.1), 1e-3))):
        assert torch.equal(again(image), ProxLayer(L1(0.1))(image))
        assert again.tol == 1e-3
