"""The bits of answers: ``python -m benchmarks.bits --write FILE``, and after a change ``--against FILE``.

Some ninety small problems, every penalty, data term, operator and door among them, in float32 and float64; of each the hash of
all that comes back but times. For changes that are to change no answer: fails, and names the problems, where a bit differs. Of
one machine and one set of versions, as libraries sum in an order of their own on each.
"""

import argparse
import dataclasses
import hashlib
import importlib.util
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

import proxsparse
from proxsparse import (
    DCTL1,
    L0,
    L1,
    L2,
    MCP,
    SCAD,
    TGV,
    Blur,
    Downsample,
    ElasticNet,
    GroupLasso,
    Huber,
    OverlappingGroupLasso,
    Poisson,
    Reweighted,
    SecondOrderTV,
    TotalVariation,
    TreeGroupLasso,
    Wavelet,
    WaveletL1,
    as_operator,
)

SHAPE = (20, 23)
#: not of the answer itself
TIMES = ("time", "seconds", "history", "provenance")


def problems():
    """Yield the name and what takes a dtype and gives back an answer, for each problem."""
    truth = proxsparse.phantoms.regions(SHAPE)
    rng = np.random.default_rng(0)
    noisy = proxsparse.phantoms.add_noise(truth, 0.1)
    colour = np.stack([noisy, 0.5 * noisy[::-1], noisy[:, ::-1]], -1)
    labels = (np.indices(SHAPE) // 4).sum(axis=0)
    half = rng.random(SHAPE) < 0.5
    weights = rng.uniform(0.2, 2.0, SHAPE)
    windows, tv = OverlappingGroupLasso(0.05), TotalVariation(0.1)

    def solved(image, penalty, **kw):
        kw = {"options": {"maxiter": 300}, "tol": 1e-4} | kw
        return lambda dtype: proxsparse.solve(np.asarray(image).astype(dtype), penalty, **kw)

    for penalty in (
        L1(0.05),
        L1(0.05, pixel_weight=weights),
        L2(0.3),
        ElasticNet(0.05),
        tv,
        TotalVariation(0.08, isotropic=False),
        TotalVariation(0.1, huber=0.05),
        TotalVariation(0.1, spacing=(2.0, 1.0)),
        TotalVariation(0.1, pixel_weight=weights),
        SecondOrderTV(0.05),
        TGV(0.08),
        GroupLasso(0.1, block=4),
        GroupLasso(0.1, block=4, norm="linf"),
        GroupLasso(0.1, labels=labels),
        windows,
        OverlappingGroupLasso(0.05, norm="linf"),
        OverlappingGroupLasso(0.2, kind="latent"),
        OverlappingGroupLasso(0.1, window=4, stride=2),
        OverlappingGroupLasso(0.05, groups=[np.arange(k, min(k + 30, 460)) for k in range(0, 460, 17)]),
        TreeGroupLasso(0.05, levels=3),
        WaveletL1(0.05),
        WaveletL1(0.05, undecimated=True),
        DCTL1(0.05),
        L1(0.05).of(Blur.gaussian(1.0)),
        GroupLasso(0.1, block=2).of(Wavelet()),
        L1(0.03) + tv,
        tv + windows,
        L1(0.02) + TGV(0.08),
        L0(0.01),
        MCP(0.1),
        SCAD(0.1),
        Reweighted(tv),
    ):
        yield f"denoise {penalty!r}"[:100], solved(noisy, penalty)

    light = TotalVariation(0.003)
    matrix = as_operator(sparse.random(400, 460, 0.1, random_state=0, format="csr"), SHAPE, (20, 20))
    for name, operator in {
        "symmetric": Blur.gaussian(1.5),
        "periodic": Blur.gaussian(1.5, boundary="periodic"),
        "zero": Blur(rng.random((3, 5)), boundary="zero"),
        "means": Downsample(2, shape=SHAPE),
        "matrix": matrix,
        "composition": Blur.gaussian(1.0) @ Blur.gaussian(0.5),
    }.items():
        seen = operator.forward(truth)
        yield f"operator {name}", solved(seen, light, operator=operator)
        yield f"operator {name}, within [0, 1]", solved(seen, light, operator=operator, bounds=(0.0, 1.0))
    blur = Blur.gaussian(1.0)
    for method in ("fista", "admm", "chambolle-pock"):
        yield f"{method}, blur", solved(blur.forward(noisy), light, operator=blur, method=method)
        yield f"{method}, windows", solved(noisy, windows, method=method)
    yield "nothing penalised", solved(blur.forward(truth), "none", operator=blur)
    yield "TGV and windows, blur", solved(blur.forward(noisy), 0.01 * TGV(1.0) + 0.1 * windows, operator=blur)

    counts = rng.poisson(50 * np.maximum(truth, 0)).astype(float)
    for name, data, image in (("l1", "l1", noisy), ("huber", Huber(0.1), noisy), ("poisson", Poisson(1.0), counts)):
        yield f"{name} data", solved(image, tv, data=data)
        yield f"{name} data, blur", solved(np.maximum(blur.forward(image), 0), tv, data=data, operator=blur, bounds=(0.0, None))
    for method in ("fista", "admm"):
        yield f"{method}, huber data", solved(noisy, tv, data="huber", method=method)

    yield "holes", solved(np.where(half, noisy, np.nan), tv, nan_policy="omit")
    yield "observed", solved(noisy, tv, observed=half)
    yield "observed, TGV", solved(noisy, TGV(0.08), observed=half)
    yield "pixel weights", solved(noisy, windows, pixel_weight=weights)
    yield "background", solved(noisy + 100, tv, background=100.0)
    yield "bounds of arrays", solved(noisy, tv, bounds=(truth - 0.1, truth + 0.1))
    yield "colour", solved(colour, tv, channel_axis=-1)
    yield "colour, channels first", solved(np.moveaxis(colour, -1, 0), SecondOrderTV(0.05), channel_axis=0)
    yield (
        "colour, masks and weights",
        solved(colour, tv, channel_axis=-1, observed=half, pixel_weight=np.stack([weights, 0.5 * weights, weights], -1)),
    )
    yield "colour, windows with weights", solved(colour, OverlappingGroupLasso(0.05, group_weight="sqrt"), channel_axis=-1)
    yield "pairs", solved(noisy, OverlappingGroupLasso(0.03, groups="pairs"))
    mix = proxsparse.as_operator(np.kron(np.eye(12), [[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.5, 1.0]]), (3, 4, 3), (3, 4, 3))
    yield "operator of all channels", solved(colour[:3, :4], light, channel_axis=-1, operator=mix)
    yield (
        "from an answer in colour",
        lambda dtype: proxsparse.solve(
            colour.astype(dtype), tv, channel_axis=-1, x0=proxsparse.solve(colour.astype(dtype), 0.5 * tv, channel_axis=-1)
        ),
    )
    yield "signal", solved(noisy[3], tv)
    yield "volume", solved(np.stack([noisy[:9]] * 4), TotalVariation(0.05))
    yield "debiased", solved(noisy, tv, debias=True)
    yield (
        "start",
        lambda dtype: proxsparse.solve(noisy.astype(dtype), tv, x0=proxsparse.solve(noisy.astype(dtype), 2 * tv), tol=1e-5),
    )
    rules = {"auto": "tv", "sure": "tv", "gcv": "tv", "discrepancy": "tv", "universal": "l1", "noise": "overlap"}
    for rule, penalty in rules.items():
        yield f"weight {rule}", solved(noisy, penalty, weight=rule)
    yield "weight sure, blur", solved(blur.forward(noisy), "tv", weight="sure", operator=blur)
    yield "weights of a sum", solved(noisy, L1() + TotalVariation(), weight="sure")

    stack = np.stack([noisy, noisy[::-1], truth])
    kinds = ("tv", 0.1), (windows, None), (TGV(0.08), None)
    for penalty, weight in kinds:
        kw = {} if weight is None else {"weight": weight}
        yield (
            f"batch {penalty!r}"[:80],
            lambda dtype, penalty=penalty, kw=kw: proxsparse.solve_batch(stack.astype(dtype), penalty, **kw),
        )
    yield "path", lambda dtype: proxsparse.path(noisy.astype(dtype), "tv", np.geomspace(0.5, 0.02, 4))
    yield "oracle weight", lambda dtype: proxsparse.oracle_weight(noisy.astype(dtype), truth.astype(dtype), "tv")
    yield "denoise", lambda dtype: proxsparse.denoise(noisy.astype(dtype), "tv", 0.1)
    yield "prox", lambda dtype: windows.prox(noisy.astype(dtype), 0.7)
    yield "blocks", _blocks(np.tile(noisy, (3, 3)))
    yield "compare", _compared(truth, noisy)
    yield "command line", _by_command_line(noisy)
    if importlib.util.find_spec("torch") is not None:
        yield "layer", _layer(noisy)


def _blocks(image):
    def blocks(dtype):
        with tempfile.TemporaryDirectory() as folder:
            return proxsparse.solve_blocks(image.astype(dtype), "tv", 0.1, block=32, halo=6, dual_store=folder)

    return blocks


def _by_command_line(noisy):
    def written(dtype):
        from proxsparse.cli import main

        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/in.npy", noisy.astype(dtype))
            assert main(["denoise", f"{folder}/in.npy", f"{folder}/out.npy", "--weight", "0.1", "--quiet"]) == 0
            return np.load(f"{folder}/out.npy")

    return written


def _layer(noisy):
    def gradient(dtype):
        import torch

        from proxsparse.torch import ProxLayer

        image = torch.tensor(noisy[None, None].astype(dtype), requires_grad=True)
        found = ProxLayer(TotalVariation(0.1))(image)
        found.square().sum().backward()
        return np.stack([found.detach().numpy(), image.grad.numpy()])

    return gradient


def _compared(truth, noisy):
    def compared(dtype):
        outputs = {"half": (0.5 * truth).astype(dtype)}
        found = proxsparse.compare(truth.astype(dtype), outputs, noisy=noisy.astype(dtype), data_range=1.0)
        return found.table, found.images, found.results

    return compared


def digest(answer):
    """The hash of arrays, numbers and words, however deep."""
    found = hashlib.sha256()
    _take(found, answer)
    return found.hexdigest()[:16]


def _take(found, value):
    if isinstance(value, np.ndarray) and value.dtype != object:
        found.update(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif dataclasses.is_dataclass(value):
        _take(found, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            if key not in TIMES:
                found.update(str(key).encode())
                _take(found, value[key])
    elif isinstance(value, list | tuple | np.ndarray):
        for each in value:
            _take(found, each)
    else:
        found.update(repr(value).encode())


def bits(only=()):
    """The hashes by name and dtype."""
    found = {}
    for name, answer in problems():
        if only and not any(word in name for word in only):
            continue
        for dtype in (np.float32, np.float64):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[f"{name}, {np.dtype(dtype)}"] = digest(answer(dtype))
    return found


def main():
    """Write the hashes, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE")
    what.add_argument("--against", type=Path, metavar="FILE")
    parser.add_argument("--only", nargs="*", default=(), help="problems with one of these words in their names")
    chosen = parser.parse_args()
    found = bits(chosen.only)
    if chosen.write:
        chosen.write.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} answers")
        return
    before = json.loads(chosen.against.read_text())
    if chosen.only:
        before = {name: value for name, value in before.items() if any(word in name for word in chosen.only)}
    other = sorted(name for name in before.keys() | found.keys() if before.get(name) != found.get(name))
    print(f"{len(found)} answers, {len(other)} other than before", *other, sep="\n  ")
    sys.exit(bool(other))


if __name__ == "__main__":
    main()
