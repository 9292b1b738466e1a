"""A model of PyTorch's as a function of NumPy images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..arrays.layout import from_canonical, normalise_channel_axis, to_canonical
from ..arrays.numbers import Array, as_float


def as_denoiser(model: torch.nn.Module, *, channel_axis: int | None = None) -> Callable[[Any], Array]:
    """Return a function that takes one NumPy image through a model of PyTorch's and gives a NumPy image.

    Parameters
    ----------
    model : torch.nn.Module
        Takes and gives tensors ``(1, channels, *spatial)``.
    channel_axis : int, optional
        The axis of the images' channels; without it they are gray, of one channel.

    Returns
    -------
    callable
        Of an image, of which it gives one of the same shape and dtype. The model runs in evaluation mode, which is left as it
        was, without gradients, on its own device and in its own dtype.

    Raises
    ------
    TypeError
        No module.
    ValueError
        From the function, where the model gives an image of another shape.

    See Also
    --------
    compare : takes modules as they are.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from proxsparse.torch import as_denoiser
    >>> denoise = as_denoiser(torch.nn.AvgPool2d(3, stride=1, padding=1))
    >>> denoise(np.ones((5, 4))).shape
    (5, 4)
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {model!r}")

    def denoise(image: Any) -> Array:
        image = as_float(image, "image")
        axis = normalise_channel_axis(channel_axis, image.ndim)
        # the model's own, or without numbers of its own float32 on the processor
        like = next((p for p in [*model.parameters(), *model.buffers()] if p.is_floating_point()), torch.empty(0))
        given = torch.from_numpy(np.ascontiguousarray(to_canonical(image, axis))[None]).to(like)
        training = model.training
        model.eval()
        try:
            with torch.no_grad():
                found = model(given)
        finally:
            model.train(training)
        if not isinstance(found, torch.Tensor) or found.shape != given.shape:
            what = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            raise ValueError(f"the model gave {what} for a tensor {tuple(given.shape)}; one of that shape is needed")
        return from_canonical(found[0].detach().cpu().to(torch.float64).numpy().astype(image.dtype), axis)

    return denoise
