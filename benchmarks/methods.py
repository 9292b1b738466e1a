"""Seconds and iterations of each method to a relative gap of 1e-4, the measure of "auto": ``python -m benchmarks.methods``.

It fails where "auto" does not end though a method does, or takes more than twice the time and twice the iterations of the best.
With ``--examples`` the problems of docs/examples.md instead, to the tolerances that they name.

One thread, the methods interleaved, compile time apart, minimum of three runs; a dash where 5000 iterations or 30 s did not do.
"""

import runpy
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

from proxsparse import (
    L1,
    TGV,
    Blur,
    ConvergenceWarning,
    Downsample,
    Huber,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    WaveletL1,
    as_operator,
    phantoms,
    solve,
)

METHODS = ("chambolle-pock", "fista", "admm", "auto")


def problems(n=128):
    """Yield name, image, penalty and the other arguments: what people bring, on images of about n x n."""
    camera, colour = _photograph("camera", n), _photograph("astronaut", n)
    shape, rng = camera.shape, np.random.default_rng(0)
    noisy, noisy_colour = phantoms.add_noise(camera, 0.1), phantoms.add_noise(colour, 0.1)
    tv, windows = TotalVariation(0.1), OverlappingGroupLasso(0.05)
    yield "TV", noisy, tv, {}
    yield "TV, anisotropic", noisy, TotalVariation(0.08, isotropic=False), {}
    yield "TV, Huber 0.05", noisy, TotalVariation(0.1, huber=0.05), {}
    yield "TV, colour", noisy_colour, tv, {"channel_axis": -1}
    yield "TV, a volume of slices three apart", _volume(n // 4), TotalVariation(0.05), {"spacing": (3.0, 1.0, 1.0)}
    yield "TV within [0, 1]", noisy, tv, {"bounds": (0.0, 1.0)}
    yield "second order TV", noisy, SecondOrderTV(0.05), {}
    yield "TGV", noisy, TGV(0.08), {}
    yield "windows 3x3", noisy, windows, {}
    yield "windows 3x3, latent", noisy, OverlappingGroupLasso(0.2, kind="latent"), {}
    yield "wavelets, undecimated", noisy, WaveletL1(0.05, undecimated=True), {}
    yield "L1 + TV", noisy, L1(0.05) + tv, {}
    yield "TV + windows", noisy, tv + windows, {}
    yield "TV + wavelets", noisy, TotalVariation(0.05) + WaveletL1(0.05), {}

    half = rng.random(shape) < 0.5
    hole = np.ones(shape, bool)
    hole[n // 4 : -n // 3, n // 4 : -n // 3] = False
    scratched = np.ones(shape, bool)
    scratched[np.arange(n), (7 * np.arange(n)) // 11] = scratched[:, n // 3 : n // 3 + 2] = False
    yield "TV, half the pixels", noisy, tv, {"observed": half}
    yield "TV, one large hole", noisy, tv, {"observed": hole}
    yield "TV, colour, scratches", noisy_colour, tv, {"observed": np.stack([scratched] * 3, -1), "channel_axis": -1}
    yield "TGV, half the pixels", noisy, TGV(0.08), {"observed": half}
    yield "second order TV, one large hole", noisy, SecondOrderTV(0.05), {"observed": hole}
    yield "TV, weights between 0.5 and 2", noisy, tv, {"pixel_weight": rng.uniform(0.5, 2.0, shape)}
    far = np.square(np.indices(shape) - n / 2).sum(axis=0)
    yield "TV, a Gaussian aperture", noisy, tv, {"pixel_weight": np.exp(-far / (2 * (n / 10) ** 2))}

    light = TotalVariation(0.003)
    for boundary in ("symmetric", "periodic", "zero"):
        blur = Blur.gaussian(1.5, boundary=boundary)
        blurred = phantoms.add_noise(blur.forward(camera), 0.01)
        yield f"TV, blur, {boundary}", blurred, light, {"operator": blur}
        yield f"TV, blur, {boundary}, within [0, 1]", blurred, light, {"operator": blur, "bounds": (0.0, 1.0)}
    blur = Blur.gaussian(1.5)
    blurred = phantoms.add_noise(blur.forward(camera), 0.01)
    yield "TV, blur, half the pixels", blurred, light, {"operator": blur, "observed": half}
    yield "windows, blur", blurred, OverlappingGroupLasso(0.002), {"operator": blur}
    yield "TGV, blur", blurred, TGV(0.003), {"operator": blur}
    stars = np.where(rng.random(shape) < 0.02, rng.uniform(0.5, 2.0, shape), 0.0)
    seen = phantoms.add_noise(blur.forward(stars), 0.01)
    yield "L1, blurred stars", seen, L1(0.01), {"operator": blur, "bounds": (0.0, None)}
    halved = Downsample(2)
    yield "TV, means of 2x2", phantoms.add_noise(halved.forward(camera), 0.02), light, {"operator": halved}
    matrix = rng.standard_normal((n * n // 32, n * n // 16)) / np.sqrt(n * n // 32)
    quarter = camera[::4, ::4]
    random = as_operator(matrix, quarter.shape, (len(matrix),))
    yield "TV, half as many random numbers as pixels", random.forward(quarter), TotalVariation(0.01), {"operator": random}
    # in metres, at 30 angles
    rays, slices = _projector(n // 2, 30), np.ascontiguousarray(phantoms.shepp_logan((n // 2, n // 2)))
    projections = rays.forward(slices)
    noisy_projections = phantoms.add_noise(projections, 0.01 * projections.max())
    yield "TV, 30 projections in metres", noisy_projections, TotalVariation(1e-8), {"operator": rays}
    yield "the same, no less than 0", noisy_projections, TotalVariation(1e-8), {"operator": rays, "bounds": (0.0, None)}

    salted = phantoms.add_salt_and_pepper(camera, 0.2)
    yield "TV, absolute deviations", salted, TotalVariation(0.8), {"data": "l1"}
    yield "TV, Huber data, blur", phantoms.add_salt_and_pepper(blurred, 0.05), light, {"data": Huber(0.02), "operator": blur}
    counts = rng.poisson(20 * camera).astype(float)
    yield "TV, counts", counts, TotalVariation(0.3), {"data": "poisson"}
    counts = rng.poisson(20 * blur.forward(camera)).astype(float)
    yield "TV, counts, blur", counts, TotalVariation(0.03), {"data": "poisson", "operator": blur}


def _photograph(name, n):
    """About n x n, between 0 and 1."""
    from skimage import data

    image = getattr(data, name)() / 255.0
    return np.ascontiguousarray(image[:: image.shape[0] // n, :: image.shape[1] // n][:n, :n])


def _volume(n):
    """A ball in a box, noisy."""
    z, y, x = np.indices((n // 2, n, n)) / n - 0.5
    return phantoms.add_noise(0.2 + 0.5 * (z**2 + y**2 + x**2 < 0.1) + 0.3 * (abs(x) < 0.2), 0.1)


def _projector(n, angles):
    """Parallel rays through n x n pixels of 1 mm, in metres; a pixel is shared among the two rays nearest to its middle."""
    rows, columns, lengths = [], [], []
    y, x = (axis.ravel() - (n - 1) / 2 for axis in np.indices((n, n)))
    for k, angle in enumerate(np.arange(angles) * np.pi / angles):
        at = x * np.cos(angle) + y * np.sin(angle) + (n - 1) / 2
        ray = np.floor(at).astype(int)
        for nearest, share in ((ray, 1 - (at - ray)), (ray + 1, at - ray)):
            inside = (nearest >= 0) & (nearest < n)
            rows.append(k * n + nearest[inside])
            columns.append(np.flatnonzero(inside))
            lengths.append(1e-3 * share[inside])
    where = np.concatenate(rows), np.concatenate(columns)
    return as_operator(sparse.csr_array((np.concatenate(lengths), where), shape=(angles * n, n * n)), (n, n), (angles, n))


def examples():
    """The problems of the worked examples."""
    pictures = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "pictures.py"))
    for title, names in pictures["examples"]():
        problem = dict(names["problem"])
        yield title, problem.pop("image"), problem.pop("penalty"), problem


def solve_quietly(image, penalty, arguments, method):
    """The answer; None where the tolerance was not met, or the method does not apply."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            result = solve(image, penalty, method=method, options={"maxtime": 30.0}, **arguments)
        except ValueError as error:
            # what a method does not do
            if "use '" not in str(error):
                raise
            return None
    return result if result.success else None


def main():
    print("| problem | " + " | ".join(METHODS) + " | it took |\n" + "|---" * (2 + len(METHODS)) + "|")
    late = []
    for name, image, penalty, arguments in examples() if "--examples" in sys.argv else problems():
        runs = {method: [] for method in METHODS}
        for number in range(4):  # the first compiles
            for method in METHODS:
                if number < 2 or runs[method]:
                    found = solve_quietly(image, penalty, arguments, method)
                    if found is not None and number > 0:
                        runs[method].append(found)
        best = {method: (min(r.time for r in found), found[0].nit) for method, found in runs.items() if found}
        cells = [f"{best[m][0]:.3f} s ({best[m][1]})" if m in best else "-" for m in METHODS]
        took = runs["auto"][0].method if "auto" in best else "-"
        print(f"| {name} | " + " | ".join(cells) + f" | {took} |", flush=True)
        if best and ("auto" not in best or all(best["auto"][k] > 2 * min(b[k] for b in best.values()) for k in (0, 1))):
            late.append(name)
    if late:
        sys.exit("auto takes more than twice the time and the iterations of the best: " + "; ".join(late))


if __name__ == "__main__":
    main()
