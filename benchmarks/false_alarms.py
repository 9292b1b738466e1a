"""The law of the gains of `Regions` on noise: ``python -m benchmarks.false_alarms [SEEDS]``.

On white noise alone, with a weight at which total variation leaves blotches to look at, the largest gain of a piece is recorded
for many seeds and sizes. Its law is close to Gumbel's with a location that grows with the logarithm of the number of pixels;
printed are scale and location for one pixel, by dimensions and channels, as `proxsparse/solvers/regions.py` keeps them.
"""

import sys
import warnings

import numpy as np

import proxsparse
from proxsparse.solvers import regions

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


def main():
    warnings.simplefilter("ignore")
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    for ndim, shapes in SHAPES.items():
        for channels in (1, 3):
            scales, locations = [], []
            for shape in shapes:
                gains = np.array([largest_gain(shape, channels, seed) for seed in range(seeds)])
                gains = gains[np.isfinite(gains)]
                # Gumbel by its moments
                scale = float(np.std(gains) * np.sqrt(6) / np.pi)
                location = float(np.mean(gains) - 0.5772 * scale)
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
