"""The layer as an operator of PyTorch's: under torch.func, compiled, exported; the numbers of eager execution."""

import subprocess
import sys

import numpy as np
import pytest
from examples import image_of

torch = pytest.importorskip("torch")

from proxsparse import L1, GroupLasso, OverlappingGroupLasso, TotalVariation  # noqa: E402
from proxsparse.torch import ProxLayer, custom_ops  # noqa: E402

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


# PyTorch's own, which forward mode and tracing use
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_cannot_be_had_of_a_layer_is_refused_by_name():
    layer, x = ProxLayer(TotalVariation(0.1)), images()
    with pytest.raises(RuntimeError, match="ProxLayer is differentiated in reverse mode, and once"):
        torch.func.hessian(lambda z: layer(z[None]).square().sum())(x[0])
    with pytest.raises(RuntimeError, match="ProxLayer cannot be differentiated twice"):
        torch.func.grad(lambda z: torch.func.grad(lambda v: layer(v).square().sum())(z).sum())(x)
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
