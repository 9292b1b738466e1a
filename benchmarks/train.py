"""Small denoisers trained with and without a penalty in the loss, beside `solve`: ``python -m benchmarks.train [SEEDS]``.

Does a penalty in the loss make *contiguous regions* of the output zero? Networks alike but for the loss and the last layer,
each trained from several seeds (of its start, its batches and the noise), and the certified answers for the same noisy images:
means over the seeds with 95 % intervals (Student's t). ``--write`` puts the table and the picture in docs. Needs PyTorch.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy import stats

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
    "net, ProxLayer": (lambda: ProxLayer(L1(0.1) + TotalVariation(0.4), tol=1e-3), 0.4),
}


def images(seeds, side):
    """Phantoms with a black ground: blobs and rectangles."""
    return np.stack([(phantoms.blobs, phantoms.rectangles)[s % 2]((side, side), seed=s) for s in seeds]).astype(np.float32)


def trained(penalty, last=torch.nn.ReLU, bias=0.1, steps=400, batch=16, seed=0):
    """A network of four convolutions and a last layer, fitted to the truth plus the penalty of its output."""
    torch.manual_seed(seed)
    layers = [torch.nn.Conv2d(1, 24, 3, padding=1), torch.nn.ReLU()]
    layers += [torch.nn.Conv2d(24, 24, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(24, 24, 3, padding=1), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.Conv2d(24, 1, 3, padding=1), last())
    torch.nn.init.constant_(net[-2].bias, bias)
    optimiser = torch.optim.Adam(net.parameters(), 2e-3)
    data, regular = torch.nn.MSELoss(reduction="sum"), None if penalty is None else PenaltyLoss(penalty)
    truths = images(range(1000, 1200), 48)
    rng = np.random.default_rng(seed)
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


METRICS = {"psnr": 1, "zero_share": 100, "f1": 1, "isolated_share": 100, "components": 1}
COLUMNS = ("PSNR dB", "exact zeros %", "F1", "isolated %", "components")
DIGITS = (1, 0, 3, 2, 0)
#: only where zeros are and how they lie depends on what is taken for zero
NEAR = slice(2, None)


def figures(truths, seed):
    """Name -> the figures of the table, by networks trained from this seed, and the comparison to draw."""
    nets = {name: trained(penalty, *LAST.get(name, ()), seed=seed) for name, penalty in LOSSES.items()}
    tables = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tol in (0.0, 1 / 255):
            setting = {"noise_std": NOISE, "data_range": 1.0, "penalties": CLASSICAL, "weight": RULES, "support_tol": tol}
            tables.append(proxsparse.compare(truths, nets, rng=seed, **setting))
    found = {}
    for name in tables[0].names:
        exact, near = ([unit * np.mean(table.values(name, m)) for m, unit in METRICS.items()] for table in tables)
        found[name] = exact + near[NEAR]
    return found, tables[0]


def cell(values, digits):
    """Mean and half the interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{np.mean(values):.{digits}f} ± {half:.{digits}f}"


def main():
    torch.set_num_threads(1)
    seeds = next((int(a) for a in sys.argv[1:] if a.isdigit()), 5)
    truths, found, tables = list(images(range(6), 96).astype(float)), {}, []
    for seed in range(seeds):
        each, table = figures(truths, seed)
        tables.append(table)
        for name, values in each.items():
            found.setdefault(name, []).append(values)
            print(seed, name, np.round(values, 3).tolist(), flush=True)
    columns = COLUMNS + tuple(f"{column}, 1/255" for column in COLUMNS[NEAR])
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, rows in found.items():
        cells = [cell(values, digits) for values, digits in zip(np.array(rows).T, DIGITS + DIGITS[NEAR], strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"Six phantoms of 96x96, noise {NOISE}; {seeds} seeds, means and 95 % intervals."]
    print("\n".join(lines))
    if "--write" in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(), "train", "\n".join(lines)))
        tables[0].plot(0).savefig(PICTURE, dpi=70)


if __name__ == "__main__":
    main()
