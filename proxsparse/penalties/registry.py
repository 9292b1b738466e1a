"""The built-in penalties: the names that `solve` takes, the reference and the battery of tests are made of this list.

A penalty is one file beside this one and an entry here: its import and its name for those who read types, in `__all__` and in
`PenaltyName`, and its line in `BUILT_IN`. tests/penalties/test_registry.py holds the four equal.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from .base import Penalty
    from .group_lasso import GroupLasso
    from .l1 import L1
    from .l2 import L2, ElasticNet
    from .nonconvex import L0, MCP, SCAD, Nonconvex
    from .nuclear import Nuclear
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
    "Nuclear",
    "OverlappingGroupLasso",
    "Penalty",
    "Regions",
    "Reweighted",
    "SecondOrderTV",
    "TotalVariation",
    "TreeGroupLasso",
    "WaveletL1",
]

#: the names that `proxsparse.solve` takes; any of them may be added up with +, but for "none" and "regions"
PenaltyName = Literal[
    "l1",
    "tv",
    "tv-aniso",
    "tv2",
    "tgv",
    "group",
    "overlap",
    "wavelet",
    "nuclear",
    "regions",
    "none",
    "l1+tv",
    "l1+tv-aniso",
    "l1+overlap",
]


class Entry(NamedTuple):
    """A class of penalties; the first line of its docstring is the line of the reference."""

    #: the file that holds it
    home: str
    #: its names, with the arguments that each stands for
    names: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    #: what other packages and papers call them
    aliases: Mapping[str, str] = MappingProxyType({})
    convex: bool = True


#: in the order of the reference
BUILT_IN = {
    "Penalty": Entry("base"),
    "L1": Entry("l1", {"l1": {}, "none": {"weight": 0.0}}, {"lasso": "l1"}),
    "L2": Entry("l2"),
    "ElasticNet": Entry("l2"),
    "TotalVariation": Entry("total_variation", {"tv": {}, "tv-aniso": {"isotropic": False}}, {"rof": "tv", "tv-iso": "tv"}),
    "SecondOrderTV": Entry("second_order", {"tv2": {}}),
    "TGV": Entry("tgv", {"tgv": {}}),
    "GroupLasso": Entry("group_lasso", {"group": {"block": 4}}, {"group-lasso": "group"}),
    "OverlappingGroupLasso": Entry("windows", {"overlap": {"window": 3}}, {"windows": "overlap"}),
    "TreeGroupLasso": Entry("tree"),
    "WaveletL1": Entry("transforms", {"wavelet": {}}),
    "DCTL1": Entry("transforms"),
    "Nuclear": Entry("nuclear", {"nuclear": {}}),
    "Nonconvex": Entry("nonconvex", convex=False),
    "L0": Entry("nonconvex", convex=False),
    "MCP": Entry("nonconvex", convex=False),
    "SCAD": Entry("nonconvex", convex=False),
    "Regions": Entry("regions", {"regions": {}}, convex=False),
    "Reweighted": Entry("reweighted", convex=False),
}
#: sums that are named among the others
SUMS = ("l1+tv", "l1+tv-aniso", "l1+overlap")
#: names that are no part of a sum: "none" is the data term and the bounds alone
WHOLE = ("regions", "none")


def load(home: str, name: str) -> Any:
    """Import a class from that file of this folder."""
    return getattr(importlib.import_module(f".{home}", __package__), name)
