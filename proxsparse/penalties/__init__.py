"""Penalties: one file a family."""

from .base import Penalty
from .group_lasso import OverlappingGroupLasso
from .groups import GroupLasso
from .l1 import L1
from .l2 import L2, ElasticNet
from .second_order import SecondOrderTV
from .tgv import TGV
from .total_variation import TotalVariation
from .transforms import DCTL1, WaveletL1
from .tree import TreeGroupLasso

__all__ = [
    "DCTL1",
    "L1",
    "L2",
    "TGV",
    "ElasticNet",
    "GroupLasso",
    "OverlappingGroupLasso",
    "Penalty",
    "SecondOrderTV",
    "TotalVariation",
    "TreeGroupLasso",
    "WaveletL1",
]
