"""Seconds of each method to a relative gap of 1e-4, from which "auto" is drawn: ``python -m benchmarks.methods``.

With ``--examples`` those of docs/examples.md instead, to the tolerances that they name, and what "auto" took.

One thread, the methods interleaved, compile time apart, minimum of three runs; a dash where 6000 iterations did not do.
"""

import runpy
import sys
import warnings
from pathlib import Path

import numpy as np

from proxsparse import L1, Blur, ConvergenceWarning, OverlappingGroupLasso, TotalVariation, as_operator, phantoms, solve

METHODS = ("chambolle-pock", "fista", "admm")


def problems():
    """Yield name, image, penalty and the other arguments."""
    from skimage import data

    camera = data.camera() / 255.0
    small = camera[::4, ::4]
    noisy, small_noisy = phantoms.add_noise(camera, 0.1), phantoms.add_noise(small, 0.1)
    tv, windows = TotalVariation(0.1), OverlappingGroupLasso(0.05)
    yield "TV, 512x512", noisy, tv, {}
    yield "TV anisotropic, 512x512", noisy, TotalVariation(0.08, isotropic=False), {}
    yield "L1 + TV, 512x512", noisy, L1(0.05) + tv, {}
    yield "windows 3x3, 512x512", noisy, windows, {}
    yield "TV + windows, 128x128", small_noisy, tv + windows, {}
    weights = np.random.default_rng(0).uniform(0.5, 2.0, small.shape)
    yield "TV, pixel weights, 128x128", small_noisy, tv, {"pixel_weight": weights}
    observed = (np.random.default_rng(0).random(small.shape) < 0.5).astype(float)
    yield "TV, half the pixels, 128x128", small_noisy, tv, {"pixel_weight": observed}
    g = np.exp(-(np.arange(-4, 5) ** 2) / (2 * 1.5**2))
    kernel = np.outer(g, g) / g.sum() ** 2
    light = TotalVariation(0.003)
    for boundary in ("symmetric", "periodic", "zero"):
        blur = Blur(kernel, boundary)
        blurred = phantoms.add_noise(blur.forward(small), 0.01)
        yield f"TV, 9x9 Gaussian blur, {boundary}, 128x128", blurred, light, {"operator": blur}
        yield f"the same within [0, 1], {boundary}", blurred, light, {"operator": blur, "bounds": (0.0, 1.0)}
    blur = Blur(kernel)
    yield (
        "windows, blur, 128x128",
        phantoms.add_noise(blur.forward(small), 0.01),
        OverlappingGroupLasso(0.002),
        {"operator": blur},
    )
    matrix = np.random.default_rng(0).standard_normal((512, 1024)) / np.sqrt(512)
    tiny = small[::4, ::4]
    measured = matrix @ tiny.ravel()
    yield "TV, 512 random numbers of 32x32", measured, TotalVariation(0.01), {"operator": as_operator(matrix, (32, 32), (512,))}


def examples():
    """The problems of the worked examples, named with the method that "auto" takes."""
    pictures = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "pictures.py"))
    for title, names in pictures["examples"]():
        problem = dict(names["problem"])
        yield f"{title} ({solve(**problem).method})", problem.pop("image"), problem.pop("penalty"), problem


def seconds(image, penalty, arguments, method):
    """The least time of one run, and its iterations; None where the tolerance was not met, or the method does not apply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            result = solve(image, penalty, method=method, options={"maxiter": 6000, "maxtime": 20.0}, **arguments)
        except ValueError as error:
            if "Lipschitz" not in str(error):
                raise
            return None
    return (result.time, result.nit) if result.success else None


def main():
    print("| problem | " + " | ".join(METHODS) + " |\n" + "|---" * (1 + len(METHODS)) + "|")
    for name, image, penalty, arguments in examples() if "--examples" in sys.argv else problems():
        runs = {method: [] for method in METHODS}
        for number in range(4):  # the first compiles
            for method in METHODS:
                if number < 2 or runs[method]:
                    found = seconds(image, penalty, arguments, method)
                    if found is not None and number > 0:
                        runs[method].append(found)
        cells = [f"{min(r)[0]:.3f} s ({r[0][1]})" if r else "-" for r in runs.values()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
