"""Zeros in contiguous regions, and values: ``python -m benchmarks.regions [SEEDS] [--write]``; the table of docs/regions.md.

The phantoms at 128x128 and scenes made of scikit-image's pictures, noise 0.05, 0.1 and 0.2, several seeds each. Every contender
is given the noisy image alone: total variation with an automatic weight; its answer cut by Otsu's threshold, and by hysteresis
at 1 and 1.4 sigma; the same two of BM3D's answer, where the package bm3d is installed; three steps by hand (the hysteresis cut,
then reweighted total variation within it); and `"regions"`. Means over noises and seeds: PSNR, F1 of the exact support, pieces
over the truth's, isolated pixels.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage import data
from skimage.filters import apply_hysteresis_threshold, threshold_otsu

import proxsparse
from proxsparse import TotalVariation, metrics, phantoms

from .table import filled

try:
    import bm3d
except ImportError:
    bm3d = None

PAGE = Path(__file__).parents[1] / "docs" / "regions.md"
SIDE = 128
PHANTOMS = ("regions", "blobs", "rectangles", "curves", "strokes", "shepp_logan")


def inside(image, seed, share=0.3):
    """A picture inside random smooth shapes, 0.2 and more there, and zero outside."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((SIDE, SIDE)), 8)
    row, column = np.random.default_rng(seed + 1).integers(0, np.array(image.shape) - SIDE)
    return np.where(smooth > np.quantile(smooth, 1 - share), 0.2 + 0.8 * image[row : row + SIDE, column : column + SIDE], 0.0)


def letters(seed):
    """Black letters of a page, as 0.8 on zero."""
    page = data.page()
    row, column = np.random.default_rng(seed).integers(0, np.array(page.shape) - SIDE)
    return np.where(page[row : row + SIDE, column : column + SIDE] < 100, 0.8, 0.0)


def vessels(seed):
    """The darker lines of a retina, by how much darker they are than around them."""
    green = data.retina()[..., 1] / 255.0
    row, column = np.random.default_rng(seed).integers(400, 800, 2)
    piece = green[row : row + 2 * SIDE : 2, column : column + 2 * SIDE : 2]
    depth = ndimage.gaussian_filter(piece, 6) - piece
    lines = ndimage.binary_opening(depth > 0.02, np.ones((2, 2)))
    return np.where(lines, np.clip(10 * depth, 0.25, 1), 0.0)


SCENES = {
    "camera in shapes": lambda seed: inside(data.camera() / 255.0, seed),
    "coins in shapes": lambda seed: inside(data.coins() / 255.0, seed),
    "letters": letters,
    "vessels": vessels,
}


def truth_of(kind, seed):
    return getattr(phantoms, kind)((SIDE, SIDE)) if kind in PHANTOMS else SCENES[kind](seed)


def by_hand(y, first, noise):
    """A cut with hysteresis, then total variation with less weight on its edges, three times, within that cut."""
    kept = apply_hysteresis_threshold(np.abs(first.x), noise, 1.4 * noise)
    bound, x = np.where(kept, 1e3, 0.0), np.where(kept, first.x, 0.0)
    for _ in range(3):
        dy, dx = np.zeros_like(x), np.zeros_like(x)
        dy[:-1], dx[:, :-1] = np.diff(x, axis=0), np.diff(x, axis=1)
        edges = 1.5 * noise / (np.hypot(dy, dx) + 1.5 * noise)
        x = proxsparse.solve(y, TotalVariation(1.3 * first.weight, pixel_weight=edges), bounds=(-bound, bound)).x
    return x


def cuts(name, x, noise):
    """The image x where it is beyond Otsu's threshold, and beyond hysteresis."""
    size = np.abs(x)
    otsu, hysteresis = size > threshold_otsu(size), apply_hysteresis_threshold(size, noise, 1.4 * noise)
    return {f"{name}, Otsu": np.where(otsu, x, 0.0), f"{name}, hysteresis": np.where(hysteresis, x, 0.0)}


def contenders(y):
    """Name -> answer, each from the noisy image alone."""
    noise, first = metrics.noise_std(y), proxsparse.solve(y, "tv")
    found = {"TV": first.x} | cuts("TV", first.x, noise)
    if bm3d is not None:
        found |= cuts("BM3D", bm3d.bm3d(y, noise), noise)
    return found | {"by hand": by_hand(y, first, noise), "regions": proxsparse.solve(y, "regions").x}


def figures(truth, x):
    return (
        metrics.psnr(truth, x, data_range=1.0),
        metrics.f1(truth, x, support_tol=0),
        metrics.components(x, support_tol=0) / metrics.components(truth, support_tol=0),
        100 * metrics.isolated_share(x, support_tol=0),
    )


def main():
    warnings.simplefilter("ignore")
    seeds = next((int(a) for a in sys.argv[1:] if a.isdigit()), 10)
    rows, means = {}, {}
    for kind in (*PHANTOMS, *SCENES):
        found = {}
        for noise in (0.05, 0.1, 0.2):
            for seed in range(seeds):
                truth = truth_of(kind, seed)
                for name, x in contenders(phantoms.add_noise(truth, noise, seed=1000 + seed)).items():
                    found.setdefault(name, []).append(figures(truth, x))
        rows[kind] = {name: np.mean(values, axis=0) for name, values in found.items()}
        for name, values in rows[kind].items():
            means.setdefault(name, []).append(values)
        print(kind, {name: np.round(values, 3).tolist() for name, values in rows[kind].items()}, flush=True)
    rows["mean"] = {name: np.mean(values, axis=0) for name, values in means.items()}
    names = list(means)
    lines = ["| image | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for kind, each in rows.items():
        cells = [f"{p:.1f} dB, {f:.3f}, x{c:.2f}, {s:.2f} %" for p, f, c, s in each.values()]
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    print("\n".join(lines))
    if "--write" in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(), "regions", "\n".join(lines)))


if __name__ == "__main__":
    main()
