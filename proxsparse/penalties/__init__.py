"""Penalties: one file a family."""

# the kinds of groups that OverlappingGroupLasso makes name themselves
from . import latent, listed_groups  # noqa: F401
from .base import Penalty
from .group_lasso import GroupLasso
from .l1 import L1
from .l2 import L2, ElasticNet
from .nonconvex import L0, MCP, SCAD, Nonconvex
from .regions import Regions
from .reweighted import Reweighted
from .second_order import SecondOrderTV
from .tgv import TGV
from .total_variation import TotalVariation
from .transforms import DCTL1, WaveletL1
from .tree import TreeGroupLasso
from .windows import OverlappingGroupLasso

__all__ = [
    "DCTL1",
    "L0",
    "L1",
    "L2",
    "MCP",
    "SCAD",
    "TGV",
    "ElasticNet",
    "GroupLasso",
    "Nonconvex",
    "OverlappingGroupLasso",
    "Penalty",
    "Regions",
    "Reweighted",
    "SecondOrderTV",
    "TotalVariation",
    "TreeGroupLasso",
    "WaveletL1",
]
