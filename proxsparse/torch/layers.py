"""The penalties in PyTorch, as losses and as differentiable layers, for tensors (batch, channels, *spatial); extra "torch"."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..arrays.checks import check_number
from ..dual.prox import default_tol
from ..penalties import Penalty, SecondOrderTV, TotalVariation
from ..solvers.options import parse
from ..weights.given import resolve_penalty
from . import custom_ops
from .losses import brief, check_images, check_loss, check_penalty, check_spatial_ndim, value_of


def _with_weight(penalty: Any, weight: Any) -> Any:
    """The penalty of a name, with its weight; an object as it is."""
    if weight is None and not isinstance(penalty, str):
        return penalty
    if isinstance(weight, str):
        raise TypeError(f"weight must be a number, got {weight!r}: rules that choose one are for solve")
    return resolve_penalty(penalty, weight)[0]


class PenaltyLoss(torch.nn.Module):  # type: ignore[misc]
    """The value of a penalty, image by image, with a subgradient: a regularisation term for training.

    Parameters
    ----------
    penalty : str, Penalty, MCP, SCAD or Reweighted
        A name of `solve`, with `weight`, or an object with its weight: L1, L2, elastic net, total variation (isotropic or not,
        Huber's, weighted, spaced), total variation of second order, disjoint groups, overlapping windows, or a sum of these; or
        one that is not convex, `MCP`, `SCAD` or `Reweighted`: then what is made small is the concave function of its lengths
        itself, whose gradient has the weights that the image has at this step, or with a reference its tangent, whose weights
        are held.
    weight : float or tuple of float, optional
        As in `solve`: of a sum one a part.
    eps : float
        Lengths are ``sqrt(length^2 + eps^2) - eps``: with eps > 0 differentiable everywhere, but for the maxima of "linf". 0 by
        default: the penalty itself, whose gradient is taken as 0 where a length is 0.
    reduction : {"sum", "mean", "none"}
        Over the images of the batch: their sum, their mean, or one number each.
    spatial_ndim : int, optional
        How many spatial axes there are; 1 has to be said, as three axes may be an image that lacks its batch.

    Raises
    ------
    TypeError
        A penalty that has no form in PyTorch here.
    ValueError
        No weight; a reduction that is not known; a tensor that does not fit the penalty.

    Notes
    -----
    Sums over pixels, never means: beside it stands ``0.5 * MSELoss(reduction="sum")``, and the weight is that of `solve`.
    Computed by PyTorch's own operations, on the tensor's device and in its dtype, of half precision in float32; it can be
    differentiated twice. Squares of numbers beyond 1e19 or below 1e-19 are beyond float32.

    Examples
    --------
    >>> import torch
    >>> from proxsparse import L1, TotalVariation
    >>> from proxsparse.torch import PenaltyLoss
    >>> image = torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]], requires_grad=True)
    >>> loss = PenaltyLoss(L1(0.1) + TotalVariation(0.5))(image)
    >>> loss.backward()
    >>> round(loss.item(), 4), image.grad.flatten().tolist()
    (1.2, [-0.5, 0.6..., -0.5, 0.6...])
    """

    def __init__(
        self,
        penalty: Any,
        weight: Any = None,
        *,
        eps: float = 0.0,
        reduction: str = "sum",
        spatial_ndim: int | None = None,
    ) -> None:
        super().__init__()
        penalty = _with_weight(penalty, weight)
        check_loss(penalty)
        if reduction not in ("sum", "mean", "none"):
            raise ValueError(f"reduction must be 'sum', 'mean' or 'none', got {reduction!r}")
        self.penalty, self.eps, self.reduction = penalty, check_number(eps, "eps"), reduction
        self.spatial_ndim = check_spatial_ndim(spatial_ndim)

    def extra_repr(self) -> str:
        """The text between the brackets of the module's repr."""
        return f"{brief(self.penalty)}, eps={self.eps}, reduction={self.reduction!r}"

    def forward(self, image: torch.Tensor, reference: torch.Tensor | None = None) -> torch.Tensor:
        """Return the values of the images (batch, channels, *spatial), one to three spatial axes, reduced.

        With a reference of the same shape, such as an earlier output or the target, a penalty that is not convex is replaced by
        its tangent there: convex, with the weights that the reference gives, nowhere less, and at the reference the same. Of
        convex penalties it changes nothing. No gradient flows into it.
        """
        check_images(image, self.penalty, self.spatial_ndim)
        if reference is not None and reference.shape != image.shape:
            raise ValueError(f"the reference has shape {tuple(reference.shape)}, the images {tuple(image.shape)}")
        # half the digits do not hold squares and sums
        image = image.float() if image.dtype in (torch.float16, torch.bfloat16) else image
        values = value_of(self.penalty, image, self.eps, None if reference is None else reference.to(image))
        return values if self.reduction == "none" else values.sum() if self.reduction == "sum" else values.mean()


class ProxLayer(torch.nn.Module):  # type: ignore[misc]
    """The proximal operator of a penalty as a layer, ``argmin over x of 1/2 ||x - image||^2 + weight P(x)``, image by image.

    Parameters
    ----------
    penalty : str or Penalty
        A name of `solve`, with `weight`, or an object with its weight: L1, L2, elastic net, total variation (isotropic or not,
        Huber's, weighted, spaced), disjoint groups or windows of Euclidean length, or a sum of these.
    weight : float or tuple of float, optional
        As in `solve`: of a sum one a part.
    tol : float, optional
        The relative duality gap to which each image is solved; 1e-8 in float64 and 1e-5 in float32 by default. The derivative
        is no better than what it is taken of: see docs/train.md.
    maxiter : int
        Most iterations for an image.
    workers : int
        Threads that share the images of a batch forward, -1 for one a core; the answers do not depend on it.
    spatial_ndim : int, optional
        How many spatial axes there are; 1 has to be said, as three axes may be an image that lacks its batch.

    Raises
    ------
    TypeError
        A penalty whose derivative is not known here.
    ValueError
        No weight; a tensor that does not fit the penalty.

    Warns
    -----
    ConvergenceWarning
        Images whose tolerance was not met, once a batch.

    Notes
    -----
    Forward by `solve`, on the processor: zeros and the flat regions of total variation are exact. Backward by implicit
    differentiation on the structure that the dual certifies. With g running over the groups whose dual is shorter than its
    ball, the derivative in the image takes v to ``J v = argmin over u of 1/2 ||u - v||^2 + weight/2 <u, H u>`` subject to
    ``(K u)_g = 0``, H the Hessian of P along the other groups; that in the weight is ``-J grad P(x)``. For L1 and anisotropic
    total variation H is 0: J keeps the support and takes the mean over flat regions, exactly. Elsewhere a sparse factorisation
    finds it in float64, or conjugate gradients where most pixels are free (Vaiter, Deledalle, Fadili, Peyre & Dossal, Ann.
    Inst. Stat. Math. 2017; Bertrand et al., JMLR 2022). Where the image is degenerate, a dual on its ball though (K x)_g = 0,
    it is one element of the generalised derivative. It cannot be differentiated twice.

    Examples
    --------
    >>> import torch
    >>> from proxsparse import L1
    >>> from proxsparse.torch import ProxLayer
    >>> image = torch.tensor([[[[3.0, 0.5], [-2.0, 0.1]]]], requires_grad=True)
    >>> x = ProxLayer(L1(1.0))(image)
    >>> x.sum().backward()
    >>> x.flatten().tolist(), image.grad.flatten().tolist()
    ([2.0, 0.0, -1.0, 0.0], [1.0, 0.0, 1.0, 0.0])
    """

    def __init__(
        self,
        penalty: Any,
        weight: Any = None,
        *,
        tol: float | None = None,
        maxiter: int = 5000,
        workers: int = 1,
        spatial_ndim: int | None = None,
    ) -> None:
        super().__init__()
        penalty = _with_weight(penalty, weight)
        check_penalty(penalty)
        for part in penalty.parts:
            straight = getattr(part, "norm", "l2") == "l2" and not isinstance(part, SecondOrderTV)
            if not straight or (isinstance(part, TotalVariation) and part.null_space != "constants"):
                raise TypeError(
                    f"the derivative of the proximal operator of {part!r} is not known here: second order, groups by their "
                    "largest value and differences of weight 0 are not"
                )
        limits = parse("exact", {"maxiter": maxiter, "workers": workers})
        self._penalty: Penalty = penalty
        self.maxiter, self.workers = limits.maxiter, limits.workers
        self.spatial_ndim = check_spatial_ndim(spatial_ndim)
        self.tol = None if tol is None else check_number(tol, "tol")
        self._text = custom_ops.text_of(penalty)

    @property
    def penalty(self) -> Penalty:
        """The penalty, which stays what it is."""
        return self._penalty

    def extra_repr(self) -> str:
        """The text between the brackets of the module's repr."""
        return f"{brief(self.penalty)}, tol={self.tol}, maxiter={self.maxiter}, workers={self.workers}"

    def forward(self, image: torch.Tensor, weight: torch.Tensor | float = 1.0) -> torch.Tensor:
        """Return the proximal points of the images (batch, channels, *spatial).

        `weight` >= 0 multiplies the penalty: one number, one for each image, as (batch,) or (batch, 1, ...), or a map
        (batch or 1, 1, *spatial), as a network predicts it. The map of L1 is over pixels, that of total variation too, or
        over directions, (batch or 1, directions, *spatial), and that of windows over windows, in the shape of their grid; but
        for L1 all must be > 0. A tensor may ask for its gradient.
        """
        if torch.jit.is_tracing():
            raise RuntimeError(
                "a ProxLayer is no sequence of PyTorch's operations: torch.export takes it, torch.jit and ONNX do not"
            )
        check_images(image, self.penalty, self.spatial_ndim)
        weights = torch.as_tensor(weight, dtype=None if isinstance(weight, torch.Tensor) else torch.float64)
        weights = weights if weights.is_floating_point() else weights.to(torch.float64)
        batch = image.shape[0]
        if weights.numel() == 1:
            weights = weights.reshape(())
        elif weights.shape[0] == batch == weights.numel():
            weights = weights.reshape(batch)
        elif weights.ndim != image.ndim or weights.shape[0] not in (1, batch):
            raise ValueError(
                f"weight must be a number, one for each of {batch} images, or a map (batch or 1, 1, *spatial), got "
                f"{tuple(weights.shape)}"
            )
        weights = weights.expand(batch, *weights.shape[1:])
        double = image.dtype == torch.float64
        tol = default_tol(np.dtype(np.float64 if double else np.float32)) if self.tol is None else self.tol
        differentiable = torch.is_grad_enabled() and (image.requires_grad or weights.requires_grad)
        call = (self._text, tol, self.maxiter, self.workers, differentiable)
        apply = torch.ops.proxsparse.prox if torch.compiler.is_compiling() else custom_ops.Prox.apply
        x: torch.Tensor = apply(image, weights, *call)[0]
        return x
