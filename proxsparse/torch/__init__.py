"""Penalties as losses and proximal operators as layers, for PyTorch."""

from .layers import PenaltyLoss, ProxLayer

__all__ = ["PenaltyLoss", "ProxLayer"]
