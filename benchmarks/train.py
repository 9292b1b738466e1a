"""Small denoisers trained with and without a penalty in the loss, beside `solve`: ``python -m benchmarks.train``.

Does a penalty in the loss make *contiguous regions* of the output zero? Networks alike but for the loss and the last layer, and
the certified answers for the same noisy images; ``--write`` puts the table and the picture in docs. Needs PyTorch.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np
import torch

import proxsparse
from proxsparse import L1, MCP, OverlappingGroupLasso, Reweighted, TotalVariation, phantoms
from proxsparse.torch import PenaltyLoss, ProxLayer

from .table import filled

PAGE = Path(__file__).parents[1] / "docs" / "train.md"
PICTURE = PAGE.with_name("train.png")
NOISE = 0.2
#: weights that clear the noise; of the sum they were found by trying a few
CLASSICAL = ("l1", "overlap", L1(0.12) + TotalVariation(0.2), "regions")
RULES = {"l1": "noise", "overlap": "noise", "regions": "auto"}
LOSSES = {
    "net": None,
    "net, L1 loss": L1(0.1),
    "net, TV loss": TotalVariation(0.05),
    "net, windows loss": OverlappingGroupLasso(0.03),
    "net, log of windows loss": Reweighted(OverlappingGroupLasso(0.06), epsilon=0.3),
    "net, MCP loss": MCP(0.1),
    "net, no ReLU": L1(0.1) + TotalVariation(0.05),
    "net, ProxLayer": None,
}
#: what networks end with, where it is no ReLU, and the bias before it, with which it does not begin dead
LAST = {
    "net, no ReLU": (torch.nn.Identity, 0.1),
    "net, ProxLayer": (lambda: ProxLayer(L1(0.1) + TotalVariation(0.4), 1e-3), 0.4),
}


def images(seeds, side):
    """Phantoms with a black ground: blobs and rectangles."""
    return np.stack([(phantoms.blobs, phantoms.rectangles)[s % 2]((side, side), seed=s) for s in seeds]).astype(np.float32)


def trained(penalty, last=torch.nn.ReLU, bias=0.1, steps=400, batch=16):
    """A network of four convolutions and a last layer, fitted to the truth plus the penalty of its output."""
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(1, 24, 3, padding=1), torch.nn.ReLU()]
    layers += [torch.nn.Conv2d(24, 24, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(24, 24, 3, padding=1), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.Conv2d(24, 1, 3, padding=1), last())
    torch.nn.init.constant_(net[-2].bias, bias)
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    data, regular = torch.nn.MSELoss(reduction="sum"), None if penalty is None else PenaltyLoss(penalty)
    truths = images(range(1000, 1200), 48)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        truth = truths[rng.integers(len(truths), size=batch)]
        noisy = truth + NOISE * rng.standard_normal(truth.shape, np.float32)
        output = net(torch.from_numpy(noisy)[:, None])
        loss = 0.5 * data(output, torch.from_numpy(truth)[:, None])
        if regular is not None:
            loss = loss + regular(output)
        optimiser.zero_grad()
        (loss / batch).backward()
        optimiser.step()

    def denoise(y):
        with torch.no_grad():
            return net(torch.from_numpy(y.astype(np.float32))[None, None])[0, 0].numpy()

    return denoise


def main():
    torch.set_num_threads(1)
    nets, seconds = {}, {}
    for name, penalty in LOSSES.items():
        begin = time.process_time()
        nets[name] = trained(penalty, *LAST.get(name, ()))
        seconds[name] = time.process_time() - begin
    truths = list(images(range(6), 96).astype(float))
    columns = ["PSNR dB", "exact zeros %", "F1", "isolated %", "components"]
    columns += [f"{column}, 1/255" for column in columns[2:]]
    lines = [f"| | {' | '.join(columns)} | trained s |", "|---" * (len(columns) + 2) + "|"]
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tol in (0.0, 1 / 255):
            found[tol] = proxsparse.compare(
                truths, nets, noise_std=NOISE, data_range=1.0, penalties=CLASSICAL, weight=RULES, support_tol=tol
            )
    exact, near = found[0.0], found[1 / 255]

    def figure(table, name, metric):
        return float(np.mean(table.values(name, metric)))

    for name in exact.names:
        row = [f"{figure(exact, name, 'psnr'):.1f}", f"{100 * figure(exact, name, 'zero_share'):.0f}"]
        for table in (exact, near):
            row += [f"{figure(table, name, 'f1'):.3f}", f"{100 * figure(table, name, 'isolated_share'):.2f}"]
            row += [f"{figure(table, name, 'components'):.0f}"]
        row.append(f"{seconds[name]:.0f}" if name in seconds else "")
        lines.append(f"| {name} | {' | '.join(row)} |")
    lines += ["", f"Six phantoms of 96x96, noise {NOISE}; seconds of one processor."]
    print("\n".join(lines))
    if "--write" in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(), "train", "\n".join(lines)))
        exact.plot(0).savefig(PICTURE, dpi=70)


if __name__ == "__main__":
    main()
