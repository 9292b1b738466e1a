"""How far the sums of a certificate may be too small; see `dual.denoising.Denoising.rounding`."""

import math

from ..arrays.roundoff import UNIT
from ._jit import in_both


@in_both
def of_loss(loss: float, data: float, size: float, ktp: float, cut: float, roundings: float) -> float:
    """How far the loss may be too small, from the lengths of y, of what K^T p is at most, and of the thresholds."""
    # a bound of the rounding of u = y - K^T p, which is no larger than u's terms
    off = UNIT * roundings * ktp + min(UNIT * 4 * (size + cut + ktp), ktp + cut)
    far = math.sqrt(2 * loss)
    return far * (off + UNIT * 16 * (size + cut + ktp + math.sqrt(2 * data) + far)) + off * off


@in_both
def of_part(value: float, gap: float, group_size: float, dual_size: float) -> float:
    """How far a part's gap, and with it its value, may be too small.

    In each group a length, a product and their difference are rounded; then the sum over the groups, which are >= 0.
    """
    return UNIT * (2.0 * (12 + group_size) * value + dual_size * max(gap, 0.0))
