"""Seconds of every penalty and data term to a certified relative gap of 1e-4 on camera: ``python -m benchmarks.family``.

512x512, noise 0.1, one thread, compile time apart, minimum of three runs; ``--write`` puts the table in docs/speed.md.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

import proxsparse
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
    Huber,
    OverlappingGroupLasso,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    Wavelet,
    WaveletL1,
    phantoms,
)

from .table import filled

PAGE = Path(__file__).parents[1] / "docs" / "speed.md"


def problems():
    """Yield name, image, penalty and the other arguments."""
    from skimage import data

    camera = data.camera() / 255.0
    noisy = phantoms.add_noise(camera, 0.1)
    edges = 1 / (1 + 20 * np.abs(np.gradient(phantoms.add_noise(camera, 0.02))))
    for name, penalty in {
        "L1": L1(0.1),
        "ridge": L2(0.5),
        "elastic net": ElasticNet(0.2),
        "TV": TotalVariation(0.1),
        "TV, anisotropic": TotalVariation(0.1, isotropic=False),
        "TV, Huber 0.05": TotalVariation(0.1, huber=0.05),
        "TV, weights of directions": TotalVariation(0.2, pixel_weight=edges),
        "TV, spacing (2, 1)": TotalVariation(0.1, spacing=(2, 1)),
        "second order TV": SecondOrderTV(0.1),
        "second order TV, spacing (2, 1)": SecondOrderTV(0.1, spacing=(2, 1)),
        "TGV": TGV(0.1),
        "blocks 4x4": GroupLasso(0.3),
        "blocks 4x4, linf, root of the size": GroupLasso(0.1, norm="linf", group_weight="sqrt"),
        "blocks of wavelets": GroupLasso(0.3).of(Wavelet()),
        "windows 3x3": OverlappingGroupLasso(0.05),
        "windows 3x3, linf": OverlappingGroupLasso(0.05, norm="linf"),
        "windows 3x3, weights": OverlappingGroupLasso(0.02, group_weight="sqrt"),
        "windows 3x3, latent": OverlappingGroupLasso(0.3, kind="latent"),
        "pairs of neighbours": OverlappingGroupLasso(0.03, groups="pairs"),
        "tree of 4 levels": TreeGroupLasso(0.05),
        "wavelets": WaveletL1(0.1),
        "wavelets, undecimated": WaveletL1(0.03, undecimated=True),
        "cosines": DCTL1(0.1),
        "L1 + TV": L1(0.05) + TotalVariation(0.1),
        "L0 (stationary)": L0(0.005),
        "MCP (stationary)": MCP(0.1),
        "SCAD (stationary)": SCAD(0.1),
        "reweighted TV, 3 solves (stationary)": Reweighted(TotalVariation(0.1), solves=3),
    }.items():
        yield name, noisy, penalty, {}
    colour = phantoms.add_noise(data.astronaut() / 255.0, 0.1)
    for name, coupled in (("TV, colour", True), ("TV, colour, channels separate", False)):
        yield name, colour, TotalVariation(0.1, coupled=coupled), {"channel_axis": -1}
    yield "TV, absolute deviations", phantoms.add_salt_and_pepper(camera, 0.2), TotalVariation(0.8), {"data": "l1"}
    yield "TV, Huber data", noisy, TotalVariation(0.1), {"data": Huber(0.1345)}
    counts = np.random.default_rng(0).poisson(30 * camera).astype(float)
    yield "TV, Poisson", counts, TotalVariation(0.25), {"data": "poisson"}


def cell(image, penalty, arguments, dtype):
    """The method, and the least seconds and the iterations of a run that met the tolerance."""
    options = {"maxiter": 20000, "maxtime": 60.0}
    runs = [proxsparse.solve(image.astype(dtype), penalty, options=options, **arguments) for _ in range(4)]
    best = min(runs[1:], key=lambda run: run.time)
    figure = f"{1e3 * best.time:.3g} ms" if best.time < 0.5 else f"{best.time:.2g} s"
    # 6: of what is not convex the stationarity was met
    return best.method, f"{figure} ({best.nit})" if best.status in (0, 6) else f"{best.rel_gap:.0e} after {best.time:.0f} s"


def main():
    lines = ["| penalty | method | float32 | float64 |", "|---|---|---|---|"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, image, penalty, arguments in problems():
            (method, single), (_, double) = (cell(image, penalty, arguments, dtype) for dtype in (np.float32, np.float64))
            lines.append(f"| {name} | {method} | {single} | {double} |")
            print(lines[-1], flush=True)
    if "--write" in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(), "family", "\n".join(lines)))


if __name__ == "__main__":
    main()
