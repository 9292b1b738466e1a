"""The problems of the benchmark, their objective in NumPy, and their optimum with a bound on its error."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import ndimage

import proxsparse
from proxsparse import L1, Blur, OverlappingGroupLasso, TotalVariation, phantoms


@dataclasses.dataclass(frozen=True)
class Task:
    """One image, signal, volume or (kind "small") stack of images, and what is to be minimised.

    1/2 ||A x - y||² + w P(x); the blur is symmetric at the edge, the last difference of total variation is 0.
    """

    kind: str
    y: np.ndarray
    weight: float
    targets: tuple[float, ...]
    l1_weight: float = 0.0
    window: int = 0
    stride: int = 1
    kernel: np.ndarray | None = None
    observed: np.ndarray | None = None

    @property
    def penalty(self) -> proxsparse.Penalty:
        """As ours."""
        if self.kind == "windows":
            return OverlappingGroupLasso(self.weight, window=self.window, stride=self.stride)
        tv = TotalVariation(self.weight, isotropic=self.kind != "rof-aniso")
        return L1(self.l1_weight) + tv if self.kind == "l1+tv" else tv

    @property
    def arguments(self) -> dict[str, Any]:
        """Of `proxsparse.solve`, beside the image and the penalty."""
        if self.kind == "deblur":
            return {"operator": Blur(self.kernel, boundary="symmetric")}
        return {"observed": self.observed} if self.kind == "inpaint" else {}

    def objective(self, x: np.ndarray) -> float:
        """F(x) in float64, written without ours."""
        x, y = x.astype(np.float64), self.y.astype(np.float64)
        residual = (ndimage.convolve(x, self.kernel, mode="reflect") if self.kind == "deblur" else x) - y
        if self.observed is not None:
            residual = residual * self.observed
        value = 0.5 * np.sum(residual**2) + self.l1_weight * np.abs(x).sum()
        if self.kind == "windows":
            k = (self.window,) * 2
            # full windows on the stride's grid: the sizes here leave no rest
            sums = np.lib.stride_tricks.sliding_window_view(x**2, k)[:: self.stride, :: self.stride].sum(axis=(2, 3))
            return float(value + self.weight * np.sqrt(sums).sum())
        differences = [np.diff(x, axis=a, append=x.take([-1], axis=a)) for a in range(x.ndim)]
        if self.kind == "rof-aniso":
            return float(value + self.weight * sum(np.abs(d).sum() for d in differences))
        return float(value + self.weight * np.sqrt(sum(d**2 for d in differences)).sum())

    @functools.cached_property
    def optimum(self) -> tuple[float, float]:
        """(lower bound on min F, the objective reached), from float64 and 30 times below the smallest target."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = proxsparse.solve(
                self.y.astype(np.float64),
                self.penalty,
                tol=min(self.targets) / 30,
                options={"maxiter": 100000, "maxtime": 300.0},
                **self.arguments,
            )
        return result.fun - result.gap, result.fun

    def suboptimality(self, x: np.ndarray) -> float:
        """A bound on (F(x) - min F) / min F, by our objective and a certified optimum."""
        lower, _ = self.optimum
        return (self.objective(x) - lower) / lower


@functools.cache
def camera(side: int = 512, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    """scikit-image's camera, resized, with noise."""
    from skimage import data
    from skimage.transform import resize

    image = data.camera() / 255.0
    if side != 512:
        image = image[:: 512 // side, :: 512 // side] if side < 512 else resize(image, (side, side), order=3)
    return phantoms.add_noise(image, noise, seed)


def photograph(name: str, noise: float = 0.1) -> np.ndarray:
    """Another of scikit-image's, with noise."""
    from skimage import data

    return phantoms.add_noise(getattr(data, name)() / 255.0, noise)


def gaussian(size: int = 9, sigma: float = 1.5) -> np.ndarray:
    """A Gaussian kernel that adds up to 1."""
    g = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return np.outer(g, g) / g.sum() ** 2


def deblurring(side: int, dtype: Any) -> Task:
    """Camera behind a 9x9 Gaussian, noise 0.01."""
    from skimage import data

    image = ndimage.convolve(data.camera()[:: 512 // side, :: 512 // side] / 255.0, gaussian(), mode="reflect")
    return Task("deblur", phantoms.add_noise(image, 0.01).astype(dtype), 0.003, (1e-3, 1e-4), kernel=gaussian())


def inpainting(side: int, dtype: Any) -> Task:
    """Camera with half of the pixels missing, noise 0.1."""
    y = camera(side)
    seen = np.random.default_rng(0).random(y.shape) < 0.5
    return Task("inpaint", np.where(seen, y, 0).astype(dtype), 0.1, (1e-3, 1e-4), observed=seen)


def signal(weight: float, dtype: Any) -> Task:
    """A million samples, flat over a thousand each, noise 0.1."""
    rng = np.random.default_rng(0)
    y = np.repeat(rng.standard_normal(1000), 1000) + 0.1 * rng.standard_normal(1_000_000)
    return Task("tv1d", y.astype(dtype), weight, (1e-6,) if dtype == np.float32 else (1e-10,))


def volume(side: int) -> np.ndarray:
    """A phantom through the middle half of the planes, noise 0.1, float32."""
    truth = np.zeros((side,) * 3)
    truth[side // 4 : 3 * side // 4] = phantoms.regions((side, side))
    return phantoms.add_noise(truth, 0.1).astype(np.float32)


def small(side: int) -> Task:
    """A hundred pieces of camera, noise 0.1, float32."""
    from skimage import data

    image = data.camera() / 255.0
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 512 - side, (100, 2))
    pieces = np.stack([image[a : a + side, b : b + side] for a, b in corners])
    return Task("small", phantoms.add_noise(pieces, 0.1).astype(np.float32), 0.1, (1e-3,))


def tasks() -> Iterator[tuple[str, Callable[[], Task], bool]]:
    """Yield name, what makes the task, and whether --quick runs it."""
    float32, float64 = np.float32, np.float64

    def rof(kind: str, side: int, weight: float, dtype: Any, *targets: float) -> Callable[[], Task]:
        return lambda: Task(kind, camera(side).astype(dtype), weight, targets)

    for weight in (0.05, 0.1, 0.3):
        quick = weight == 0.1
        yield f"rof-iso 512 {weight} float32", rof("rof-iso", 512, weight, float32, 1e-3, 1e-4), quick
        yield f"rof-iso 512 {weight} float64", rof("rof-iso", 512, weight, float64, 1e-4, 1e-6), quick
        yield f"rof-aniso 512 {weight} float32", rof("rof-aniso", 512, weight, float32, 1e-3, 1e-4), quick
        yield f"rof-aniso 512 {weight} float64", rof("rof-aniso", 512, weight, float64, 1e-4, 1e-8), quick
    for name in ("coins", "text"):
        make = lambda name=name: Task("rof-iso", photograph(name).astype(float32), 0.1, (1e-3, 1e-4))  # noqa: E731
        yield f"rof-iso {name} 0.1 float32", make, False
    for side in (2048, 4096):
        yield f"rof-iso {side} 0.1 float32", rof("rof-iso", side, 0.1, float32, 1e-3, 1e-4), False
        yield f"rof-aniso {side} 0.1 float32", rof("rof-aniso", side, 0.1, float32, 1e-3, 1e-4), False
    for dtype in (float32, float64):
        name = np.dtype(dtype).name
        yield f"l1+tv 512 {name}", lambda d=dtype: Task("l1+tv", camera().astype(d), 0.1, (1e-3, 1e-4), l1_weight=0.05), True
        for side, k, stride, weight in ((128, 3, 1, 0.05), (512, 3, 1, 0.05), (512, 5, 1, 0.03), (512, 4, 2, 0.05)):
            yield (
                f"windows {k}x{k} stride {stride} {side} {name}",
                lambda s=side, k=k, t=stride, w=weight, d=dtype: Task(
                    "windows", camera(s).astype(d), w, (1e-3, 1e-4), window=k, stride=t
                ),
                k == 3,
            )
        yield f"deblur 9x9 128 {name}", lambda d=dtype: deblurring(128, d), True
        yield f"deblur 9x9 512 {name}", lambda d=dtype: deblurring(512, d), False
        yield f"inpaint 256 {name}", lambda d=dtype: inpainting(256, d), False
        for weight in (0.1, 1.0, 10.0):
            yield f"tv1d 1000000 {weight} {name}", lambda w=weight, d=dtype: signal(w, d), weight == 1.0
    yield "volume 128 0.1 float32", lambda: Task("volume", volume(128), 0.1, (1e-3, 1e-4)), False
    for side in (28, 64):
        yield f"small {side} 0.1 float32", lambda s=side: small(s), True
