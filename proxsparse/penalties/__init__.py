"""Penalties: one file a family."""

from .base import Penalty
from .group_lasso import OverlappingGroupLasso
from .l1 import L1
from .total_variation import TotalVariation

__all__ = ["L1", "OverlappingGroupLasso", "Penalty", "TotalVariation"]
