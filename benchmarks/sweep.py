"""Nanoseconds a pixel and iteration of the fused kernels: ``python -m benchmarks.sweep [SIDE]``.

One thread, compile time apart, minimum of seven runs of 50 iterations each.
"""

import sys
import time

import numpy as np

from proxsparse import OverlappingGroupLasso, TotalVariation, phantoms
from proxsparse.penalties.denoising import Denoising
from proxsparse.solvers import chambolle_pock

PENALTIES = {
    "TV isotropic": TotalVariation(0.1),
    "TV anisotropic": TotalVariation(0.1, isotropic=False),
    "windows 3x3": OverlappingGroupLasso(0.05),
    "windows 5x5": OverlappingGroupLasso(0.05, window=5),
}


def nanoseconds(penalty, y, iterations=50, repeats=7):
    """The least time of an iteration, by pixel."""
    problem = Denoising(y, [penalty])
    best = float("inf")
    for _ in range(repeats + 1):  # the first compiles
        x, p = y.copy(), np.zeros(problem.rest.size, y.dtype)
        steps = chambolle_pock.Schedule(problem, None, None).next(iterations, y.dtype)
        begin = time.perf_counter()
        chambolle_pock._fused(problem, x, x.copy(), p, steps)
        best = min(best, time.perf_counter() - begin)
    return 1e9 * best / iterations / y.size


def main(side=512):
    from skimage import data
    from skimage.transform import resize

    image = phantoms.add_noise(resize(data.camera() / 255.0, (side, side)), 0.1)[None]
    print(f"| {side}x{side}, ns a pixel and iteration | float32 | float64 |\n|---|---|---|")
    for name, penalty in PENALTIES.items():
        figures = [nanoseconds(penalty, image.astype(dtype)) for dtype in (np.float32, np.float64)]
        print(f"| {name} | {figures[0]:.2f} | {figures[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
