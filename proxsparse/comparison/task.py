"""The images a comparison is of, checked: the truths, the noisy images and a model's."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import math
import platform
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import __version__, metrics
from ..arrays.checks import check_number
from ..arrays.kinds import loaded_torch, numbers_of
from ..arrays.layout import canonical_shape, from_canonical, normalise_channel_axis
from ..arrays.numbers import Array, as_float, require_finite
from ..problems.spec import ProblemSpec
from ..result import SolveResult, warn


@dataclasses.dataclass
class Answer:
    """One image of a row, how long it took, and what is known about it."""

    kind: str
    image: Array
    seconds: float
    result: SolveResult | None = None


class Task:
    """The images, checked: lists over the images, of floats."""

    def __init__(
        self,
        truth: Any,
        outputs: Mapping[str, Any],
        *,
        noisy: Any,
        noise_std: Any,
        data_range: Any,
        support_tol: Any,
        region: Any,
        channel_axis: int | None,
        spacing: Any,
        ndim: int | None,
        rng: Any,
    ) -> None:
        self.outputs, torch = self._outputs(outputs), loaded_torch()
        shape = tuple(getattr(truth, "shape", ()))
        if len(shape) == 4 and channel_axis is None and ndim is None and shape[1] in (1, 3, 4):
            # a batch, as networks have it
            truth = [own[0] if shape[1] == 1 else own for own in truth]
            channel_axis = None if shape[1] == 1 else 0
        self.single = not isinstance(truth, (list, tuple))
        given = [truth] if self.single else list(truth)
        if not given:
            raise ValueError("truth is an empty list")
        self.truth = [_image(x, self._named("truth", i)) for i, x in enumerate(given)]
        self.n = len(given)
        #: of every row; the image is each noisy one in turn
        self.spec = ProblemSpec(None, noise_std=noise_std, channel_axis=channel_axis, spacing=spacing, ndim=ndim)
        self.channel_axis, self.noise_std = channel_axis, self.spec.noise_std
        for i, x in enumerate(self.truth):
            axis = normalise_channel_axis(channel_axis, x.ndim)
            if ndim is not None and x.ndim - (axis is not None) != ndim:
                raise ValueError(f"ndim={ndim}, but {self._named('truth', i)} has shape {x.shape}")
        for i in {x.shape: i for i, x in reversed(list(enumerate(self.truth)))}.values():
            self.spec.warn_of_axes(self.truth[i], self._named("truth", i), "list(truth) where the first axis numbers images")
        self.data_range = _checked_data_range(data_range, [np.asarray(x).dtype for x in given])
        self.support_tol = self.data_range / 255 if support_tol is None else check_number(support_tol, "support_tol")
        self.region = region
        for x in self.truth:
            metrics.support(x, region=region, channel_axis=channel_axis)
        self.seed, self.made = rng, noisy is None
        self.noisy = self._made() if noisy is None else self._images("noisy", noisy)
        for name, output in self.outputs.items():
            if not isinstance(name, str):
                raise TypeError(f"outputs must be a dict of names to images or functions, got the name {name!r}")
            if torch is not None and isinstance(output, torch.nn.Module):
                from ..torch import as_denoiser

                self.outputs[name] = as_denoiser(output, channel_axis=channel_axis)
            elif not callable(output):
                self.outputs[name] = self._images(name, output)

    @staticmethod
    def _outputs(outputs: Any) -> dict[str, Any]:
        """A copy of the dict of outputs, or what else they probably were meant to be."""
        if isinstance(outputs, Mapping):
            return dict(outputs)
        what = type(outputs).__name__ if callable(outputs) or not hasattr(outputs, "shape") else "an array"
        raise TypeError(
            f"outputs must be a dict of names to images or functions, as {{'unet': image}}, got {what}; images that the "
            "answers start from are noisy="
        )

    def _named(self, name: str, i: int) -> str:
        return name if self.single else f"{name}[{i}]"

    def _made(self) -> list[Array]:
        if self.noise_std is None:
            raise ValueError("give noisy=, or noise_std= for noise to be made")
        seed = 0 if self.seed is None else self.seed
        made = []
        for i, x in enumerate(self.truth):
            generator = seed if isinstance(seed, np.random.Generator) else np.random.default_rng([seed, i])
            made.append(x + self.noise_std * generator.standard_normal(x.shape).astype(x.dtype))
        return made

    def _images(self, name: str, given: Any) -> list[Array]:
        """One image for each truth."""
        images = [given] if self.single else given
        if not self.single and not isinstance(images, (list, tuple)) and len(getattr(images, "shape", ())) > 1:
            # a batch, whose images are asked whether they fit
            images = list(images)
        if not self.single and (not isinstance(images, (list, tuple)) or len(images) != self.n):
            what = f"a list of {len(images)}" if isinstance(images, (list, tuple)) else type(images).__name__
            raise ValueError(f"{name} must be a list of {self.n} images, as truth is; got {what}")
        return [self.fitted(self._named(name, i), image, i) for i, image in enumerate(images)]

    def fitted(self, name: str, image: Any, i: int) -> Array:
        """An image of the i-th truth's shape, or one as networks give it, ([1,] channels, *spatial)."""
        image, shape = _image(image, name), self.truth[i].shape
        axis = normalise_channel_axis(self.channel_axis, len(shape))
        canonical = canonical_shape(shape, axis)
        if image.shape != shape and image.shape in (canonical, (1, *canonical)):
            image = from_canonical(image.reshape(canonical), axis)
        if image.shape != shape:
            squeezed = tuple(n for n in image.shape if n != 1) == tuple(n for n in shape if n != 1)
            remedy = f": reshape it, as in array.reshape{shape}" if squeezed else ""
            raise ValueError(f"{name} has shape {image.shape}, the truth {shape}{remedy}")
        largest, true = float(np.abs(image).max()), float(np.abs(self.truth[i]).max())
        if true > 0.1 * self.data_range and not 0.02 * true < largest < 10 * (true + self.data_range):
            warn(f"{name} reaches {largest:.3g}, the truth {true:.3g}: are they in one unit?", UserWarning)
        return np.asarray(image)

    def output(self, name: str, i: int) -> Answer:
        """The i-th image of a model, from its function where it is one."""
        output = self.outputs[name]
        if not callable(output):
            return Answer("output", output[i], math.nan)
        y = self.noisy[i].copy()
        begin = time.perf_counter()
        image = output(y)
        seconds = time.perf_counter() - begin
        return Answer("output", self.fitted(f"the image that {name} returned", image, i), seconds)

    def noise(self, y: Array) -> float:
        """The standard deviation of the noise, as given or estimated."""
        return metrics.noise_std(y, channel_axis=self.channel_axis) if self.noise_std is None else self.noise_std

    def provenance(self) -> dict[str, Any]:
        """Versions, seeds and parameters that reproduce the figures."""
        seed = "a Generator" if isinstance(self.seed, np.random.Generator) else (0 if self.seed is None else self.seed)
        return {
            "versions": {"proxsparse": __version__, "python": platform.python_version()}
            | {name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba", "scikit-image")},
            "images": self.n,
            "shapes": sorted({x.shape for x in self.truth}),
            "noise": f"made, standard deviation {self.noise_std:g}, seed {seed}, unclipped" if self.made else "given",
            "noise_std": self.noise_std,
            "data_range": self.data_range,
            "channel_axis": self.channel_axis,
            "spacing": self.spec.spacing,
            "support_tol": self.support_tol,
            "region": None if self.region is None else f"{np.count_nonzero(self.region)} pixels",
            "ssim": "Gaussian window of sigma 1.5, population covariance, K1 = 0.01, K2 = 0.03",
            "seconds": "wall clock; the first solve of a kind in a process compiles, workers share the cores",
            "protocol": "PSNR: mean over images; rows marked oracle have seen the truth; images are not clipped",
        }


def _image(given: Any, name: str) -> Array:
    torch = loaded_torch()
    image = as_float(numbers_of(given.detach().cpu()) if torch is not None and isinstance(given, torch.Tensor) else given, name)
    if image.size == 0:
        raise ValueError(f"{name} is empty: shape {image.shape}")
    require_finite(image, name)
    # what a caller or a model goes on writing into is no longer ours
    return np.array(image)


def _checked_data_range(data_range: Any, dtypes: list[np.dtype[Any]]) -> float:
    """The range given, or that of bytes: 16 bits may hold 12, and 64 anything."""
    if data_range is None:
        if set(dtypes) == {np.dtype(np.uint8)}:
            return 255.0
        if set(dtypes) == {np.dtype(bool)}:
            return 1.0
        raise ValueError("give data_range=, the range the images could take, such as 1.0: only of uint8 and bool is it known")
    value = check_number(data_range, "data_range")
    if value == 0:
        raise ValueError("data_range must be > 0, got 0")
    return value
