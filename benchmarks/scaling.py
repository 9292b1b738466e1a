"""Seconds and bytes a pixel from 64x64 to the side given: ``python -m benchmarks.scaling [SIDE]`` (8192 by default).

Isotropic total variation in float32, weight 0.1, 40 iterations and two certificates by `proxsparse.solve`, with one worker
and two; beside it what one copy of the image costs. Minimum of three, compile time apart; memory is what NumPy allocated
beside the input, in images. Written to benchmarks/results/scaling.json.
"""

import json
import sys
import time
import tracemalloc
import warnings

import numpy as np

import proxsparse

from .problems import camera
from .run import RESULTS, machine

ITERATIONS = 40


def solved(y, workers):
    options = {"maxiter": ITERATIONS, "check_every": ITERATIONS, "workers": workers}
    return proxsparse.solve(y, "tv", 0.1, tol=0.0, options=options)


def best(function, repeats=3):
    found = float("inf")
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        found = min(found, time.perf_counter() - begin)
    return found


def image(side):
    piece = camera(min(side, 512)).astype(np.float32)
    return np.ascontiguousarray(np.tile(piece, (max(1, side // 512),) * 2))


def main(largest=8192):
    warnings.simplefilter("ignore")
    rows = []
    solved(image(64), 2)
    print("| side | ns a pixel, 1 worker | 2 workers | ns a pixel, one copy | images of memory |\n|---|---|---|---|---|")
    side = 64
    while side <= largest:
        y = image(side)
        target = y.copy()
        row = {"side": side, "copy": best(lambda y=y, t=target: np.copyto(t, y), 7) / y.size}
        for workers in (1, 2):
            row[f"workers_{workers}"] = best(lambda y=y, w=workers: solved(y, w)) / y.size
        tracemalloc.start()
        solved(y, 1)
        row["images"] = tracemalloc.get_traced_memory()[1] / y.nbytes
        tracemalloc.stop()
        rows.append(row)
        figures = [f"{1e9 * row[name]:.2f}" for name in ("workers_1", "workers_2", "copy")]
        print(f"| {side} | " + " | ".join(figures) + f" | {row['images']:.1f} |", flush=True)
        side *= 2
    RESULTS.mkdir(exist_ok=True)
    results = {"machine": machine(), "iterations": ITERATIONS, "rows": rows}
    (RESULTS / "scaling.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
