"""Penalties as losses and proximal operators as layers, for PyTorch."""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError('proxsparse.torch needs PyTorch: pip install "proxsparse[torch]"') from error

from .layers import PenaltyLoss, ProxLayer
from .models import as_denoiser

__all__ = ["PenaltyLoss", "ProxLayer", "as_denoiser"]
