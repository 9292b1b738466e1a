"""The weight at which anything at all is left of an image of noise once in a hundred images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..penalties import L1, GroupLasso, OverlappingGroupLasso, Penalty, TotalVariation

#: the probability that anything is left
PROBABILITY = 0.01
#: (isotropic, dimensions) -> Gumbel's law of the least weight that leaves a constant image: location for one pixel, growth with
#: the logarithm of their number, and scale; noise of signals has no such law, it wanders
_VARIATION = {
    (True, 2): (1.226, 0.0236, 0.157),
    (False, 2): (1.030, 0.0276, 0.151),
    (True, 3): (0.974, 0.0, 0.097),
    (False, 3): (0.746, 0.0, 0.064),
}
#: dimensions -> the least side for which these laws were fitted: in a strip noise wanders as it does in a signal
_LEAST_SIDE = {2: 16, 3: 10}


def law(penalty: Penalty, shape: tuple[int, ...]) -> float | None:
    """The weight for noise of standard deviation 1 on images (channels, *spatial); None where no law is known.

    L1: no pixel beyond w. Disjoint groups: no group longer than w, by the chi distribution. Windows: no pixel at a corner of
    the image, which one window covers, longer than w; others, which many windows share, are zero long before, so that it
    depends on no size (`python -m benchmarks.false_alarms`). Total variation of gray images: fitted.
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
    known = isinstance(penalty, TotalVariation) and penalty.is_plain and plain
    if known and min(spatial) >= _LEAST_SIDE.get(len(spatial), math.inf):
        start, slope, scale = _VARIATION[penalty.isotropic, len(spatial)]  # type: ignore[attr-defined]
        return start + slope * math.log(math.prod(spatial)) - scale * math.log(-math.log1p(-PROBABILITY))
    return None


def _of_2_to_5(penalty: Any, spatial: tuple[int, ...]) -> bool:
    """Whether windows are of 2 to 5 pixels, all there are, and several across the image."""
    window, stride = (np.broadcast_to(v, len(spatial)) for v in (penalty.window, penalty.stride))
    across = all(n >= 3 * side for n, side in zip(spatial, window, strict=True))
    return across and len(set(window.tolist())) == 1 and 2 <= window[0] <= 5 and bool((stride == 1).all())


def _of_groups(sizes: Any, counts: Any) -> float:
    """The w with P(no group is longer than w) = 1 - PROBABILITY, for so many groups of each size."""
    from scipy import optimize, stats

    def short(w: float) -> float:
        return float(np.sum(counts * stats.chi.logcdf(w, sizes)) - math.log1p(-PROBABILITY))

    return float(optimize.brentq(short, 0.01, 40.0 + math.sqrt(2.0 * float(sizes.max()))))
