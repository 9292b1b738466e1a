"""Losses and layers under torch.compile, torch.export and torch.func: whole graphs, and the numbers of eager execution."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from examples import image_of

torch = pytest.importorskip("torch")

from proxsparse import (  # noqa: E402
    L1,
    L2,
    MCP,
    SCAD,
    ElasticNet,
    GroupLasso,
    OverlappingGroupLasso,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
)
from proxsparse.torch import PenaltyLoss, ProxLayer, custom_ops  # noqa: E402

LOSSES = {
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
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in LOSSES | FIXED]
)
def test_a_compiled_loss_is_one_graph_of_any_size(name):
    loss = PenaltyLoss((LOSSES | FIXED)[name])
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="aot_eager", dynamic=True, fullgraph=True)
    generator = torch.Generator().manual_seed(0)
    heights = (8,) if name in FIXED else (8, 9, 13)
    for batch, height in enumerate(heights, start=2):
        same(compiled, loss, torch.rand(batch, 1, height, 8, generator=generator))


@pytest.mark.parametrize("name", ["tv", "windows", "blocks", "log of windows", "sum"])
def test_an_exported_loss_takes_any_number_of_images(name):
    loss = PenaltyLoss(LOSSES[name])
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(loss, (torch.rand(2, 1, 8, 8),), dynamic_shapes={"image": {0: batch}})
    for n in (1, 5):
        x = torch.rand(n, 1, 8, 8)
        torch.testing.assert_close(program.module()(x), loss(x))


# -- layers ------------------------------------------------------------------------------------------------------------

LAYERS = {
    "l1 + tv": L1(0.05) + TotalVariation(0.1),
    "tv, weights": TotalVariation(0.2, pixel_weight=np.linspace(0.5, 1, 64).reshape(8, 8)),
    "windows": OverlappingGroupLasso(0.1, window=(2, 3)),
    "labels": GroupLasso(0.1, labels=np.arange(64).reshape(8, 8) // 5 - 1),
}
layers = pytest.mark.parametrize("penalty", LAYERS.values(), ids=LAYERS.keys())


def images(n=3):
    return torch.tensor(np.stack([image_of((1, 8, 8), seed) for seed in range(n)]))


def gradient(layer, x, weight=1.0):
    leaf = x.clone().requires_grad_()
    layer(leaf, weight).square().sum().backward()
    return leaf.grad


@layers
def test_torch_func_transforms_a_layer(penalty):
    layer, x, weights = ProxLayer(penalty), images(), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    expected = gradient(layer, x, weights)
    torch.testing.assert_close(torch.func.grad(lambda z: layer(z, weights).square().sum())(x), expected)
    each = torch.func.vmap(torch.func.grad(lambda z, w: layer(z[None], w).square().sum()))
    torch.testing.assert_close(each(x, weights), expected)
    # the same weight for all, and the same image
    torch.testing.assert_close(torch.func.vmap(lambda z: layer(z[None])[0])(x), layer(x))
    torch.testing.assert_close(torch.func.vmap(lambda w: layer(x[:1], w)[0])(weights)[1], layer(x[:1])[0])
    jacobian = torch.func.jacrev(lambda z: layer(z[None])[0])(x[0])
    row = torch.einsum("abcdef,abc->def", jacobian, 2 * layer(x[:1])[0])
    torch.testing.assert_close(row, gradient(layer, x[:1])[0])
    by_weight = torch.func.grad(lambda w: layer(x, w).square().sum())(weights)
    leaf = weights.clone().requires_grad_()
    layer(x, leaf).square().sum().backward()
    torch.testing.assert_close(by_weight, leaf.grad)


def test_gradients_in_batches_and_checkpoints():
    layer, x = ProxLayer(TotalVariation(0.1)), images()
    leaf = x.clone().requires_grad_()
    y = layer(leaf)
    directions = torch.tensor(np.stack([image_of(tuple(y.shape), seed) for seed in range(4)]))
    together = torch.autograd.grad(y, leaf, directions, is_grads_batched=True, retain_graph=True)[0]
    for own, direction in zip(together, directions, strict=True):
        torch.testing.assert_close(own, torch.autograd.grad(y, leaf, direction, retain_graph=True)[0])
    for reentrant in (True, False):
        again = x.clone().requires_grad_()
        torch.utils.checkpoint.checkpoint(layer, again, use_reentrant=reentrant).square().sum().backward()
        torch.testing.assert_close(again.grad, gradient(layer, x))


def test_what_cannot_be_had_of_a_layer_is_refused_by_name():
    layer, x = ProxLayer(TotalVariation(0.1)), images()
    with pytest.raises(RuntimeError, match="ProxLayer is differentiated in reverse mode, and once"):
        torch.func.hessian(lambda z: layer(z[None]).square().sum())(x[0])
    with pytest.raises(RuntimeError, match="ProxLayer cannot be differentiated twice"):
        torch.func.grad(lambda z: torch.func.grad(lambda v: layer(v).square().sum())(z).sum())(x)
    with warnings.catch_warnings():
        # PyTorch's own, that torch.jit is deprecated
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError, match=r"ProxLayer is no sequence.*torch\.export takes it"):
            torch.jit.trace(layer, x)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == "l1 + tv" else pytest.mark.slow) for n in LAYERS])
def test_a_network_with_a_layer_is_compiled_whole(name):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), ProxLayer(LAYERS[name])).double()
    torch.compiler.reset()
    compiled = torch.compile(net, backend="aot_eager", dynamic=True, fullgraph=True)
    for n in (2, 3):
        found = []
        for each in (net, compiled):
            net.zero_grad()
            y = each(images(n))
            y.square().sum().backward()
            found.append((y.detach(), net[0].weight.grad.clone()))
        torch.testing.assert_close(*found)


def test_an_exported_layer_runs_in_a_process_of_its_own(tmp_path):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3, padding=1), ProxLayer(LAYERS["tv, weights"])).double()
    x = images().requires_grad_()
    y = net(x)
    y.square().sum().backward()
    torch.export.save(torch.export.export(net, (images(),)), tmp_path / "net.pt2")
    torch.save((images(), y.detach(), x.grad), tmp_path / "expected.pt")
    script = f"""
import torch, proxsparse.torch
x, y, gradient = torch.load(r"{tmp_path / "expected.pt"}")
net = torch.export.load(r"{tmp_path / "net.pt2"}").module()
found = net(x.requires_grad_())
found.square().sum().backward()
torch.testing.assert_close(found, y)
torch.testing.assert_close(x.grad, gradient)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@layers
def test_a_penalty_is_read_from_its_text_and_nothing_else_is(penalty):
    assert custom_ops._read(repr(penalty)) == penalty
    for text in ("print(1)", "np.load('x')", "__import__('os')", "L1(0.1) * 2", "L1(x)"):
        with pytest.raises((ValueError, TypeError)):
            custom_ops._read(text)
