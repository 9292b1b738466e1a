"""Laws of false alarms on pure noise: ``python -m benchmarks.false_alarms [SEEDS]``.

On white noise alone, with a weight at which total variation leaves blotches to look at, the largest gain of a piece is recorded
for many seeds and sizes. Its law is close to Gumbel's with a location that grows with the logarithm of the number of pixels;
printed are scale and location for one pixel, by dimensions and channels, as `proxsparse/solvers/pixel_sets.py` keeps them.

Then, for total variation, the least weight that leaves nothing of noise, by bisection: location, growth with the logarithm of
the number of pixels and scale, as `proxsparse/weights/false_alarms.py` keeps them; and for windows, whose law is that of the
image's corners, the share of images of noise of which anything is left at that weight, to be 0.01, for 20 times as many.
"""

import sys
import warnings

import numpy as np

import proxsparse
from proxsparse import OverlappingGroupLasso, TotalVariation
from proxsparse.solvers import regions
from proxsparse.weights.false_alarms import law

#: as small as automatic weights come for thin shapes, in units of the noise: less of it is left at larger ones
WEIGHT = {1: 1.0, 2: 0.65, 3: 0.55}
SHAPES = {1: ((1000,), (10000,)), 2: ((64, 64), (128, 128), (256, 256)), 3: ((16, 16, 16), (32, 32, 32))}


def largest_gain(shape, channels, seed):
    """The largest gain of a piece on noise; what no piece has is left out."""
    gains_of = regions.gains_of

    def recorded(evidence, labels, n, contour):
        gains = gains_of(evidence, labels, n, contour)
        # the second call is for the pieces, the first for the holes
        calls.append(gains)
        return gains

    calls = []
    regions.gains_of = recorded
    try:
        noise = np.random.default_rng([seed, channels, *shape]).standard_normal((channels, *shape))
        proxsparse.solve(noise, proxsparse.Regions(WEIGHT[len(shape)] * channels**0.5), noise_std=1.0, channel_axis=0, tol=1e-2)
    finally:
        regions.gains_of = gains_of
    return calls[1].max(initial=-np.inf)


def least_weight(penalty, noise):
    """The least weight, to two per cent, that leaves a constant, or nothing, of the noise."""
    low, high = 0.05, 4.0
    for _ in range(9):
        middle = (low * high) ** 0.5
        x = proxsparse.solve(noise, middle * penalty, options={"maxiter": 3000}).x
        left = np.abs(x - (x.mean() if penalty.null_space == "constants" else 0)).max() > 0.02
        low, high = (middle, high) if left else (low, middle)
    return high


def gumbel(values):
    """Scale and location by the moments."""
    scale = float(np.std(values) * np.sqrt(6) / np.pi)
    return scale, float(np.mean(values) - 0.5772 * scale)


def share_left(penalty, shape, seeds):
    """The share of images of noise of which anything is left at the weight that is to leave something of one in a hundred."""
    weight = law(penalty, (1, *shape))
    draws = (np.random.default_rng([k, *shape]).standard_normal(shape) for k in range(seeds))
    return np.mean([proxsparse.solve(noise, weight * penalty, tol=1e-6).x.any() for noise in draws])


def weights(seeds):
    for shape in ((60,), (16, 16), (40, 40), (9, 9, 9)):
        for k in (2, 3, 5) if len(shape) < 3 else (2, 3):
            share = share_left(OverlappingGroupLasso(window=k), shape, 20 * seeds)
            print(f"windows {k}, {shape}: of {share:.2%} something is left", flush=True)
    shapes = {2: ((32, 32), (80, 80)), 3: ((10, 10, 10), (20, 20, 20))}
    kinds = {"TV": (TotalVariation(), (2, 3)), "TV, anisotropic": (TotalVariation(isotropic=False), (2, 3))}
    for name, (penalty, dimensions) in kinds.items():
        for ndim in dimensions:
            draws = ([np.random.default_rng([k, *s]).standard_normal(s) for k in range(seeds)] for s in shapes[ndim])
            laws = [gumbel([least_weight(penalty, noise) for noise in each]) for each in draws]
            slope, start = np.polyfit(np.log([np.prod(s) for s in shapes[ndim]]), [location for _, location in laws], 1)
            scale = max(scale for scale, _ in laws)
            print(f"{name}, {ndim} axes: scale {scale:.3f}, location {start:.3f} + {slope:.4f} log pixels", flush=True)


def main():
    warnings.simplefilter("ignore")
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    weights(seeds)
    for ndim, shapes in SHAPES.items():
        for channels in (1, 3):
            scales, locations = [], []
            for shape in shapes:
                gains = np.array([largest_gain(shape, channels, seed) for seed in range(seeds)])
                gains = gains[np.isfinite(gains)]
                scale, location = gumbel(gains) if len(gains) else (np.nan, np.nan)
                scales.append(scale)
                locations.append(location)
                print(
                    f"{ndim} axes, {channels} channels, {shape}: {len(gains)} of {seeds} with pieces, scale {scale:.2f}, "
                    f"location {location:.2f}, largest {gains.max(initial=0):.2f}",
                    flush=True,
                )
            pixels = np.log([np.prod(shape) for shape in shapes])
            slope, start = np.polyfit(pixels, locations, 1)
            print(f"    ({ndim}, {channels}): scale {max(scales):.2f}, location {start:.2f} + {slope:.2f} log pixels")


if __name__ == "__main__":
    main()
