"""Images of other kinds than NumPy's: read without a copy where that can be, and the answers given back as what came in."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

_P = ParamSpec("_P")
_R = TypeVar("_R")
#: a way back from NumPy
_Back = Callable[[Any], Any]


def is_own(cls: type) -> bool:
    """Whether a class is the package's own."""
    return cls.__module__.partition(".")[0] == "proxsparse"


def loaded_torch() -> Any:
    """PyTorch where it has been imported; without it nothing is a tensor or a module."""
    return sys.modules.get("torch")


def numbers_of(tensor: Any) -> Any:
    """The array that shares the numbers of a tensor on the processor without a gradient; NumPy knows no bfloat16."""
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def of_its_kind(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function of an image, whose results hold images of the kind of the first argument: tensors, DataArrays."""
    first = next(iter(inspect.signature(function).parameters))

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        read = _read(args[0] if args else kwargs.get(first))
        if read is None:
            return function(*args, **kwargs)
        array, back = read
        found: Any = function(array, *args[1:], **{name: value for name, value in kwargs.items() if name != first})
        for result in found if isinstance(found, list) else [found]:
            for field in ("x", "debiased"):
                if result.get(field) is not None:
                    result[field] = back(result[field])
        return found

    return call


def _read(image: Any) -> tuple[Any, _Back] | None:
    """The image for NumPy and the way back; None of what NumPy reads, and gives, itself."""
    if isinstance(image, (np.ndarray, np.generic, int, float)):
        return None
    torch = loaded_torch()
    if torch is not None:
        if isinstance(image, torch.Tensor):
            return _array_of(image), torch.from_numpy
        if isinstance(image, (list, tuple)) and image and all(isinstance(own, torch.Tensor) for own in image):
            # answers to a batch are one array, or a list of them
            return [_array_of(own) for own in image], _each(torch.from_numpy)
    if type(image).__module__.partition(".")[0] == "xarray" and hasattr(image, "dims"):
        return image.values, lambda x: image.copy(data=x) if np.shape(x) == image.shape else x
    if hasattr(image, "__dlpack__") and not hasattr(image, "__array__"):
        return np.from_dlpack(image), lambda x: x
    return None


def _each(back: _Back) -> _Back:
    return lambda x: [None if own is None else back(own) for own in x] if isinstance(x, list) else back(x)


def _array_of(tensor: Any) -> Any:
    """The array of a tensor that asks for no gradient, on the processor."""
    if tensor.requires_grad:
        raise TypeError("the image asks for a gradient, which is lost here: use proxsparse.torch.ProxLayer, or image.detach()")
    if tensor.device.type != "cpu":
        raise TypeError(f"the image is on {tensor.device}: give image.cpu()")
    return numbers_of(tensor)
