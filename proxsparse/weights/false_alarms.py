"""The weight at which anything at all is left of an image of noise once in a hundred images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..penalties import L1, GroupLasso, OverlappingGroupLasso, Penalty, TotalVariation

#: the probability that anything is left
PROBABILITY = 0.01
#: (isotropic, dimensions) -> Gumbel's law of the least weight that leaves a constant square or cube: location for one pixel,
#: growth with the logarithm of their number, and scale; of isotropic cubes 0.05 more, as the smallest have a heavier tail
_VARIATION = {
    (True, 2): (1.226, 0.0236, 0.157),
    (False, 2): (1.030, 0.0276, 0.151),
    (True, 3): (1.024, 0.0, 0.097),
    (False, 3): (0.746, 0.0, 0.064),
}
#: the least side of a volume for which they were fitted
_LEAST_SIDE = 10


def law(penalty: Penalty, shape: tuple[int, ...]) -> float | None:
    """The weight for noise of standard deviation 1 on images (channels, *spatial); None where no law is known.

    L1: no pixel beyond w. Disjoint groups: no group longer than w, by the chi distribution. Windows: no pixel at a corner of
    the image, which one window covers, longer than w; others, which many windows share, are zero long before, so that it
    depends on no size (`python -m benchmarks.false_alarms`). Total variation of gray images: fitted to squares and cubes, and
    for the means of slices across an axis, which wander as a Brownian bridge does, by Kolmogorov's law.
    """
    from scipy import stats

    spatial, plain = shape[1:], shape[0] == 1
    if isinstance(penalty, L1) and penalty.pixel_weight is None:
        return float(stats.norm.isf(-math.expm1(math.log1p(-PROBABILITY) / math.prod(shape)) / 2))
    if isinstance(penalty, GroupLasso) and penalty.norm == "l2" and penalty.group_weight is None:
        groups = penalty._groups(shape)
        sizes, counts = np.unique(np.bincount(groups[groups >= 0]) * shape[0], return_counts=True)
        return _of_groups(sizes[sizes > 0], counts[sizes > 0])
    if type(penalty) is OverlappingGroupLasso and penalty.norm == "l2" and _of_2_to_5(penalty, spatial):
        return _of_groups(np.array([shape[0]]), 2 ** len(spatial))
    if isinstance(penalty, TotalVariation) and penalty.is_plain and plain:
        return _of_variation(penalty.isotropic, tuple(n for n in spatial if n > 1))
    return None


def _of_2_to_5(penalty: Any, spatial: tuple[int, ...]) -> bool:
    """Whether windows are of 2 to 5 pixels, all there are, and several across the image."""
    window, stride = (np.broadcast_to(v, len(spatial)) for v in (penalty.window, penalty.stride))
    across = all(n >= 3 * side for n, side in zip(spatial, window, strict=True))
    return across and len(set(window.tolist())) == 1 and 2 <= window[0] <= 5 and bool((stride == 1).all())


def _of_variation(isotropic: bool, spatial: tuple[int, ...]) -> float | None:
    """The weight that leaves a constant, by the law of local noise and that of slices; None where the former is not known.

    Slices of a pixels, L of them, have means of variance 1 / a, and a step between two of them costs w a: they are constant
    where no sum of them, which is sqrt(L / a) times a Brownian bridge, is beyond w.
    """
    from scipy import optimize, stats

    if not spatial:
        return 0.0
    local = _VARIATION.get((isotropic, len(spatial)))
    if len(spatial) > 3 or (len(spatial) == 3 and min(spatial) < _LEAST_SIDE):
        return None

    def left(w: float) -> float:
        logs = [stats.kstwobign.logcdf(w * math.sqrt(math.prod(spatial)) / n) for n in spatial]
        if local is not None:
            start, slope, scale = local
            logs.append(-math.exp((start + slope * math.log(math.prod(spatial)) - w) / scale))
        return float(sum(logs) - math.log1p(-PROBABILITY))

    return float(optimize.brentq(left, 0.1, 10.0 * math.sqrt(max(spatial))))


def _of_groups(sizes: Any, counts: Any) -> float:
    """The w with P(no group is longer than w) = 1 - PROBABILITY, for so many groups of each size."""
    from scipy import optimize, stats

    def short(w: float) -> float:
        return float(np.sum(counts * stats.chi.logcdf(w, sizes)) - math.log1p(-PROBABILITY))

    return float(optimize.brentq(short, 0.01, 40.0 + math.sqrt(2.0 * float(sizes.max()))))
