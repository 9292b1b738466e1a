"""Losses under torch.compile and torch.export: whole graphs, sizes that change, the numbers of eager execution."""

import numpy as np
import pytest

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
from proxsparse.torch import PenaltyLoss  # noqa: E402

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
