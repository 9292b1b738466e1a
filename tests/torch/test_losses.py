"""The penalties as PyTorch losses: the same values, gradients that are right, and 0 where there is none."""

import pickle
import warnings

import numpy as np
import pytest
from examples import image_of

from proxsparse import (
    DCTL1,
    L0,
    L1,
    L2,
    MCP,
    SCAD,
    TGV,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
    phantoms,
    solve,
)

torch = pytest.importorskip("torch")
from proxsparse.torch import PenaltyLoss, ProxLayer  # noqa: E402

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
        loss = PenaltyLoss(penalty, reduction="none", spatial_ndim=len(shape) - 2)
        found = loss(torch.from_numpy(images)).numpy()
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
        loss = PenaltyLoss(TotalVariation(1.0, huber=0.5, isotropic=isotropic), spatial_ndim=1)
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
        (lambda: PenaltyLoss("tvv", 0.1), ValueError, "did you mean 'tv'"),
        (
            lambda: PenaltyLoss(TotalVariation(0.1))(torch.zeros(1, 8, 8)),
            ValueError,
            r"\(1, 8, 8\) may be an image without its",
        ),
        (lambda: ProxLayer(TotalVariation(0.1))(torch.zeros(1, 8, 8)), ValueError, "or say spatial_ndim=1"),
        (lambda: PenaltyLoss(L1(0.1), spatial_ndim=2)(torch.zeros(1, 1, 4, 4, 4)), ValueError, "2 \\+ spatial_ndim = 4 axes"),
        (lambda: ProxLayer(L1(0.1), spatial_ndim=4), ValueError, "spatial_ndim must be 1, 2 or 3, got 4"),
        (lambda: PenaltyLoss(L1(0.1))(np.zeros((1, 1, 4, 4))), TypeError, "must be a tensor, got ndarray"),
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


#: not convex: their values are those of `value`
CONCAVE = {
    "mcp": MCP(0.3, gamma=2.0),
    "scad": SCAD(0.3),
    "log of pixels": Reweighted(L1(0.3), epsilon=0.2),
    "log of differences": Reweighted(TotalVariation(0.3), epsilon=0.2),
    "log of anisotropic differences": Reweighted(TotalVariation(0.3, isotropic=False), epsilon=0.2),
    "log of windows": Reweighted(OverlappingGroupLasso(0.2, window=2), epsilon=0.3),
    "log of blocks": Reweighted(GroupLasso(0.2, block=2), epsilon=0.3),
    "mcp of windows": Reweighted(OverlappingGroupLasso(0.2, window=2), epsilon=1.5, function="mcp"),
    "scad of blocks": Reweighted(GroupLasso(0.2, block=2), epsilon=2.0, function="scad"),
    "capped windows": Reweighted(OverlappingGroupLasso(0.2, window=2), epsilon=1.5, function="capped"),
    "mcp of blocks": MCP(0.3, block=2),
    "scad of blocks, over two axes": SCAD(0.3, block=(2, 3)),
    "log of a sum": Reweighted(L1(0.1) + TotalVariation(0.2), epsilon=(0.1, 0.3)),
}
concave = pytest.mark.parametrize("penalty", CONCAVE.values(), ids=CONCAVE.keys())


@concave
@pytest.mark.parametrize("channels", [1, 3])
def test_concave_values_are_those_of_the_penalty(penalty, channels):
    images = np.stack([image_of((channels, 6, 7), seed) for seed in range(2)])
    values = PenaltyLoss(penalty, reduction="none")(torch.tensor(images))
    for value, image in zip(values, images, strict=True):
        assert value.item() == pytest.approx(penalty.value(image, channel_axis=0))


@concave
def test_concave_gradients_are_right(penalty):
    image = torch.tensor(image_of((1, 1, 5, 6)), requires_grad=True)
    # smoothed, as lengths of 0 have no gradient
    assert torch.autograd.gradcheck(PenaltyLoss(penalty, eps=0.05), (image,))
    flat = torch.zeros(1, 1, 5, 6, dtype=torch.float64, requires_grad=True)
    PenaltyLoss(penalty)(flat).backward()
    assert not flat.grad.any()


@concave
def test_weights_that_are_held_are_those_of_the_reference(penalty):
    """The tangent of a concave function of lengths: above it, and the same, with the same gradient, at the reference."""
    loss, reference = PenaltyLoss(penalty, eps=0.05), torch.tensor(image_of((2, 1, 6, 7)))
    image = reference.clone().requires_grad_()
    held, own = loss(image, reference), loss(image)
    assert held.item() == pytest.approx(own.item())
    gradients = [torch.autograd.grad(value, image)[0] for value in (held, own)]
    torch.testing.assert_close(*gradients)
    for seed in range(3):
        other = torch.tensor(image_of((2, 1, 6, 7), seed + 1))
        assert loss(other, reference) >= loss(other) - 1e-9
        # convex
        middle = loss((image + other) / 2, reference)
        assert middle <= (loss(image, reference) + loss(other, reference)) / 2 + 1e-9
    with torch.no_grad():
        assert loss(image, reference).item() == pytest.approx(own.item())


def test_names_and_weights_are_those_of_solve():
    image = torch.tensor(image_of((2, 1, 6, 7)))
    for penalty, weight, same in (
        ("tv", 0.1, TotalVariation(0.1)),
        ("l1+tv", (0.1, 0.2), L1(0.1) + TotalVariation(0.2)),
        (TotalVariation(isotropic=False), 0.3, TotalVariation(0.3, isotropic=False)),
    ):
        assert PenaltyLoss(penalty, weight)(image) == PenaltyLoss(same)(image)
        assert ProxLayer(penalty, weight).penalty == same
    with pytest.raises(ValueError, match="has no weight"):
        PenaltyLoss("tv")
    with pytest.raises(TypeError, match="rules that choose one are for solve"):
        ProxLayer("tv", "sure")
    with pytest.raises(ValueError, match="has a weight of its own"):
        PenaltyLoss(L1(0.1), 0.2)
    import proxsparse

    assert proxsparse.torch.PenaltyLoss is PenaltyLoss


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("reduction", ["sum", "mean", "none"])
@pytest.mark.parametrize("eps", [0.0, 1e-3])
def test_a_loss_of_an_image_that_is_not_finite_is_not_finite(bad, reduction, eps):
    image = torch.tensor(image_of((2, 1, 6, 7)))
    image[1, 0, 2, 3] = bad
    for penalty in (*PENALTIES.values(), *CONCAVE.values()):
        value = PenaltyLoss(penalty, eps=eps, reduction=reduction)(image)
        assert not torch.isfinite(value[1] if reduction == "none" else value)
        assert reduction != "none" or torch.isfinite(value[0])


def test_a_reference_changes_nothing_of_convex_penalties_and_has_to_fit():
    image, other = (torch.tensor(image_of((2, 1, 6, 7), seed)) for seed in range(2))
    loss = PenaltyLoss(TotalVariation(0.2))
    assert loss(image, other) == loss(image)
    with pytest.raises(ValueError, match=r"the reference has shape \(1, 1, 6, 7\), the images \(2, 1, 6, 7\)"):
        loss(image, other[:1])
    # nothing weighs, nothing is paid
    assert PenaltyLoss(MCP(0.0))(image, other) == 0


def test_a_descent_on_a_concave_loss_keeps_what_is_large():
    """At the minimum of 1/2 ||x - y||^2 and MCP of blocks the large ones are as they were, the small ones 0."""
    y = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    y[..., :2, :2], y[..., 2:, 2:] = 2.0, 0.05
    x = y.clone().requires_grad_()
    loss = PenaltyLoss(Reweighted(GroupLasso(0.4, block=2), function="mcp"), eps=1e-6)
    optimiser = torch.optim.SGD([x], lr=0.05)
    for _ in range(600):
        optimiser.zero_grad()
        (0.5 * (x - y).square().sum() + loss(x)).backward()
        optimiser.step()
    np.testing.assert_allclose(x.detach().numpy()[..., :2, :2], 2.0, atol=1e-6)
    assert x.detach().abs().numpy()[..., 2:, 2:].max() < 0.02


def test_what_has_no_gradient_is_refused():
    with pytest.raises(TypeError, match="has no gradient"):
        PenaltyLoss(L0(0.1))
    with pytest.raises(TypeError, match="must be a Penalty"):
        ProxLayer(MCP(0.1))
    with pytest.raises(ValueError, match="has no weight"):
        PenaltyLoss(Reweighted(L1()))


# -- compiled and exported ---------------------------------------------------------------------------------------------

COMPILED = {
    "l1": L1(0.1),
    "l2": L2(0.1),
    "elastic net": ElasticNet(0.1),
    "tv": TotalVariation(0.1),
    "tv, anisotropic, spaced": TotalVariation(0.1, isotropic=False, spacing=(1.0, 2.0)),
    "tv, Huber": TotalVariation(0.1, huber=0.1),
    "tv2": SecondOrderTV(0.1),
    "blocks": GroupLasso(0.1, block=(2, 3), group_weight="sqrt"),
    "blocks, largest": GroupLasso(0.1, block=2, norm="linf"),
    "windows": OverlappingGroupLasso(0.1, window=3, stride=2),
    "windows, largest": OverlappingGroupLasso(0.1, window=2, norm="linf"),
    "mcp": MCP(0.1),
    "scad of blocks": SCAD(0.1, block=2),
    "log of windows": Reweighted(OverlappingGroupLasso(0.1, window=2)),
    "log of differences": Reweighted(TotalVariation(0.1)),
    "sum": L1(0.1) + TotalVariation(0.1),
}
#: of one size only
FIXED = {
    "labels": GroupLasso(0.1, labels=np.arange(64).reshape(8, 8) // 5 - 1),
    "blocks with weights": GroupLasso(0.1, block=4, group_weight=[1.0, 2.0, 0.5, 3.0]),
    "weighted tv": TotalVariation(0.1, pixel_weight=np.linspace(0, 1, 64).reshape(8, 8)),
}


def same(compiled, loss, x):
    own, image = x.clone().requires_grad_(), x.clone().requires_grad_()
    found, expected = compiled(own), loss(image)
    torch.testing.assert_close(found, expected)
    for value, leaf in ((found, own), (expected, image)):
        value.backward()
        assert leaf.grad is not None
    torch.testing.assert_close(own.grad, image.grad)


#: the others take some five seconds each
QUICK = ("tv", "windows", "blocks", "labels")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COMPILED | FIXED]
)
def test_a_compiled_loss_is_one_graph_of_any_size(name):
    loss = PenaltyLoss((COMPILED | FIXED)[name])
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="aot_eager", dynamic=True, fullgraph=True)
    generator = torch.Generator().manual_seed(0)
    heights = (8,) if name in FIXED else (8, 9, 13)
    for batch, height in enumerate(heights, start=2):
        same(compiled, loss, torch.rand(batch, 1, height, 8, generator=generator))


@pytest.mark.parametrize("name", ["tv", "windows", "blocks", "log of windows", "sum"])
def test_an_exported_loss_takes_any_number_of_images(name):
    loss = PenaltyLoss(COMPILED[name])
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(loss, (torch.rand(2, 1, 8, 8),), dynamic_shapes={"image": {0: batch}})
    for n in (1, 5):
        x = torch.rand(n, 1, 8, 8)
        torch.testing.assert_close(program.module()(x), loss(x))
