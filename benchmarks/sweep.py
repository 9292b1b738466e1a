"""One iteration of the compiled kernels, in nanoseconds a pixel and in triads: ``python -m benchmarks.sweep [SIDE ...]``.

A triad is ``a = b + s * c`` over the image, compiled the same way and timed in turn. Total variation with one worker and
two. Compile time apart, minimum of seven.
"""

import sys
import time

import numpy as np

from proxsparse import L1, OverlappingGroupLasso, TotalVariation
from proxsparse.dual.denoising import Denoising
from proxsparse.dual.running import Schedule
from proxsparse.kernels._jit import jit
from proxsparse.runtime.workers import Workers

from .scaling import image

PENALTIES = {
    "TV isotropic": TotalVariation(0.1),
    "TV anisotropic": TotalVariation(0.1, isotropic=False),
    "windows 3x3": OverlappingGroupLasso(0.05),
    "windows 5x5": OverlappingGroupLasso(0.05, window=5),
}


@jit
def triad(a, b, c, s):
    for j in range(a.size):
        a[j] = b[j] + s * c[j]


def timed(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def main(*sides):
    for side in sides or (512, 4096):
        print(
            f"| {side}x{side}, ns a pixel and iteration | float32 | in triads | 2 workers | float64 | in triads | 2 workers |"
        )
        print("|---" * 7 + "|")
        rows = {name: [] for name in PENALTIES}
        copies = []
        for dtype in (np.float32, np.float64):
            y = image(side).astype(dtype)[None]
            a, b, c = (np.ones(y.size, dtype) for _ in range(3))
            n = max(4, min(64, (1 << 24) // y.size))
            for name, penalty in PENALTIES.items():
                if side > 2048 and "windows" in name:
                    continue
                best = {"triad": np.inf, 1: np.inf, 2: np.inf}
                for workers in (1, 2):
                    with Workers(workers) as pool:
                        problem = Denoising(y, [penalty])
                        problem.workers = pool
                        dual = problem.dualised.split(problem.no_dual)[0]
                        iterations = problem.fused.begin(y, dual, y, problem.limits)
                        steps = Schedule(problem, iterations.relaxed).next(n, dtype)
                        for _ in range(8):  # the first compiles
                            sweep = timed(lambda: iterations.advance(steps, pool)) / n  # noqa: B023
                            best[workers] = min(best[workers], sweep)
                            together = timed(lambda: [triad(a, b, c, dtype(0.5)) for _ in range(n)]) / n  # noqa: B023
                            best["triad"] = min(best["triad"], together)
                figures = [1e9 * best[1] / y.size, best[1] / best["triad"], 1e9 * best[2] / y.size]
                rows[name] += [f"{v:.2f}" for v in figures]
            image_2d = y[0]
            prox = L1(0.1).prox
            pairs = [(timed(lambda: prox(image_2d)), timed(lambda: image_2d.copy())) for _ in range(9)]  # noqa: B023
            copies.append(min(p for p, _ in pairs) / min(c for _, c in pairs))
        for name, figures in rows.items():
            if figures:
                print(f"| {name} | " + " | ".join(figures) + " |", flush=True)
        print(f"\nL1(0.1).prox: {copies[0]:.1f} copies of the image in float32, {copies[1]:.1f} in float64.\n", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
