"""What all tests share: small images, and the penalties the battery runs over."""

import dataclasses

import numpy as np
import pytest

import proxsparse
from proxsparse import (
    DCTL1,
    L1,
    L2,
    Blur,
    ConvergenceWarning,
    ElasticNet,
    GroupLasso,
    Nuclear,
    OverlappingGroupLasso,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    WaveletL1,
    solve,
)
from proxsparse.penalties.infimal import InfimalPenalty
from proxsparse.penalties.registry import BUILT_IN

#: name -> penalty, all that the battery runs over; of a class without a line the registry gives one
PENALTIES = {
    "l1": L1(0.3),
    "tv": TotalVariation(0.3),
    "tv-aniso": TotalVariation(0.25, isotropic=False),
    "tv, spacing": TotalVariation(0.25, spacing=0.5),
    "tv, weighted": TotalVariation(0.2, pixel_weight=np.linspace(0.5, 1.5, 144).reshape(2, 9, 8)),
    "huber tv": TotalVariation(0.3, huber=0.4),
    "huber tv-aniso": TotalVariation(0.3, isotropic=False, huber=0.1),
    "ridge": L2(0.5),
    "elastic": ElasticNet(0.4, 0.6),
    "windows 2": OverlappingGroupLasso(0.2, window=2),
    "windows 3, stride 2": OverlappingGroupLasso(0.3, window=3, stride=2),
    "windows linf": OverlappingGroupLasso(0.2, window=2, norm="linf"),
    "l1 + tv": L1(0.1) + TotalVariation(0.2),
    "l1 + tv-aniso": L1(0.1) + TotalVariation(0.2, isotropic=False),
    "l1 + windows": L1(0.1) + OverlappingGroupLasso(0.15, window=2),
    "tv + windows": TotalVariation(0.15) + OverlappingGroupLasso(0.1, window=2),
    "second order": SecondOrderTV(0.2),
    "blocks": GroupLasso(0.4, block=2),
    "blocks linf": GroupLasso(0.3, block=2, group_weight="sqrt", norm="linf"),
    "l1 + blocks": L1(0.1) + GroupLasso(0.3, block=3),
    "pairs": OverlappingGroupLasso(0.06, groups="pairs"),
    "pairs linf": OverlappingGroupLasso(0.06, groups="pairs", norm="linf"),
    "windows sqrt": OverlappingGroupLasso(0.15, window=2, group_weight="sqrt"),
    "tree": TreeGroupLasso(0.15, levels=3, level_weight=[1.0, 0.5, 2.0]),
    "wavelet": WaveletL1(0.2, wavelet="db2", level=1),
    "wavelet frame": WaveletL1(0.2, wavelet="haar", level=1, undecimated=True),
    "cosines": DCTL1(0.2),
    "tv of a blur": TotalVariation(0.3).of(Blur([1.0, 2.0, 1.0])),
}


def _of_the_registry():
    """A penalty of each built-in class that has no line above; those that are minimisations of their own are tried apart."""
    tried = {type(part) for penalty in PENALTIES.values() for part in penalty.parts}
    classes = {name: getattr(proxsparse, name) for name, entry in BUILT_IN.items() if entry.convex and name != "Penalty"}
    return {name: cls(0.3) for name, cls in classes.items() if cls not in tried and not issubclass(cls, InfimalPenalty)}


PENALTIES |= _of_the_registry()


def fits(penalty, shape):
    """Whether there is such a penalty of images of that shape at all."""
    return len(shape) == 2 or not isinstance(penalty, Nuclear)


def fitted(penalty, shape):
    """The penalty as it fits images of that shape: windows and blurs no larger than the image, weights of its pixels."""
    if len(penalty.parts) > 1:
        parts = [fitted(part, shape) for part in penalty.parts]
        return sum(parts[1:], parts[0])
    if hasattr(penalty, "operator"):
        kernel = np.ones([min(3, n) for n in shape])
        return penalty.inner.of(Blur(kernel / kernel.sum()))
    if not fits(penalty, shape):
        pytest.skip("a matrix has two axes")
    if isinstance(penalty, OverlappingGroupLasso) and penalty.groups is None:
        window = tuple(min(penalty.window, n) for n in shape)
        stride = tuple(min(penalty.stride, k) for k in window)
        return dataclasses.replace(penalty, window=window, stride=stride)
    if isinstance(penalty, TotalVariation) and penalty.pixel_weight is not None:
        directions = (len(shape), *shape)
        weights = np.linspace(0.5, 1.5, int(np.prod(directions))).reshape(directions)
        return dataclasses.replace(penalty, pixel_weight=weights)
    return penalty


def image_of(shape, seed=0, dtype=np.float64):
    """A piecewise constant image with noise: signs of both kinds, zeros, edges."""
    rng = np.random.default_rng(seed)
    x = np.zeros(shape)
    x[tuple(slice(n // 4, max(n // 4 + 1, 3 * n // 4)) for n in shape)] = 1.0
    x[tuple(slice(0, max(1, n // 3)) for n in shape)] -= 0.6
    return (x + 0.2 * rng.standard_normal(shape)).astype(dtype)


def layouts(y, tmp_path):
    """The same image however it may lie in memory."""
    wide = np.zeros((2 * y.shape[0], 3 * y.shape[1]), y.dtype)
    wide[::2, ::3] = y
    raw = np.zeros(y.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(y.dtype).reshape(y.shape)
    unaligned[...] = y
    memmap = np.memmap(tmp_path / "y", y.dtype, "w+", shape=y.shape)
    memmap[...] = y
    return {
        "fortran": np.asfortranarray(y),
        "strided": wide[::2, ::3],
        "negative strides": y[::-1, ::-1].copy()[::-1, ::-1],
        "transposed": y.T.copy().T,
        "byte-swapped": y.astype(y.dtype.newbyteorder()),
        "unaligned": unaligned,
        "memmap": memmap,
        "list": y.tolist(),
    }


def loose(*args, **kw):
    """Solve where not converging is the point."""
    with pytest.warns(ConvergenceWarning):
        return solve(*args, **kw)


def draw(shape, dtype, rng, scale=1.0):
    return (scale * rng.standard_normal(shape)).astype(dtype)


def photograph(name):
    from skimage import color, data

    image = getattr(data, name)() / 255.0
    return color.rgb2gray(image) if image.ndim == 3 else image


def stopping_after(n):
    """A callback that ends the solve at its call n, and the list of its calls so far."""
    calls = []

    def stop(intermediate_result):
        calls.append(intermediate_result.nit)
        if len(calls) >= n:
            raise StopIteration

    return stop, calls
