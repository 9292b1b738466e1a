"""The demonstration: five penalties, and regions, on a photograph and on a phantom with contiguous regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import metrics, phantoms
from .._solve import solve
from ..arrays.numbers import Array
from ..comparison.columns import markdown
from ..penalties import L1, OverlappingGroupLasso, Regions, TotalVariation
from ..result import SolveResult

NOISE = 0.1
#: whose answer is shown refitted too
REFITTED = "overlap 3x3"
#: the penalties of each image, with weights that smooth the photograph well and clear the phantom's background
CAMERA = {
    "L1": L1(0.02),
    "TV": TotalVariation(0.07),
    "TV anisotropic": TotalVariation(0.055, isotropic=False),
    "overlap 3x3": OverlappingGroupLasso(0.02),
    "L1 + TV": L1(0.01) + TotalVariation(0.07),
    "regions": Regions(),
}
PHANTOM = {
    "L1": L1(0.12),
    "TV": TotalVariation(0.12),
    "TV anisotropic": TotalVariation(0.1, isotropic=False),
    "overlap 3x3": OverlappingGroupLasso(0.055),
    "L1 + TV": L1(0.03) + TotalVariation(0.12),
    "regions": Regions(),
}


class Scene(NamedTuple):
    """One image of the demonstration and all its answers."""

    name: str
    truth: Array
    noisy: Array
    results: dict[str, SolveResult]

    @property
    def images(self) -> dict[str, Array]:
        """Truth, noisy image and answers, refitted ones after their own."""
        images = {"truth": self.truth, f"noisy ({NOISE:g})": self.noisy}
        for label, result in self.results.items():
            images[label] = result.x
            if result.debiased is not None:
                images[f"{label}, refitted"] = result.debiased
        return images


def run() -> list[Scene]:
    """Solve everything."""
    from skimage import data

    camera = data.camera() / 255.0
    return [_scene("camera", camera, CAMERA), _scene("phantom", phantoms.regions(), PHANTOM)]


def _scene(name: str, truth: Array, penalties: dict[str, Any]) -> Scene:
    noisy = phantoms.add_noise(truth, NOISE)
    for penalty in penalties.values():
        solve(noisy[:32, :32], penalty)  # compiles, so that the seconds are the solver's own
    return Scene(
        name, truth, noisy, {label: solve(noisy, penalty, debias=label == REFITTED) for label, penalty in penalties.items()}
    )


def table(scene: Scene) -> str:
    """A Markdown table of the answers to one image, no wider than a terminal."""
    rows = [["penalty", "weight", "PSNR dB", "SSIM", "zeros %", "pieces", "isolated %", "gap", "seconds"]]
    rows.append(["(noisy)", "", *_quality(scene.truth, scene.noisy), "", ""])
    for label, result in scene.results.items():
        weight = "+".join(f"{w:.3g}" for w in np.atleast_1d(result.weight))
        run = [f"{result.rel_gap:.1e}" if result.certified else "", f"{result.time:.2f}"]
        rows.append([label, weight, *_quality(scene.truth, result.x), *run])
        if result.debiased is not None:
            rows.append(["- refitted", weight, *_quality(scene.truth, result.debiased), "", ""])
    return markdown(rows)


def _quality(truth: Array, image: Array) -> list[str]:
    return [
        f"{metrics.psnr(truth, image, 1.0):.2f}",
        f"{metrics.ssim(truth, image, 1.0):.3f}",
        f"{100 * metrics.zero_share(image):.1f}",
        str(metrics.components(image, support_tol=0)),
        f"{100 * metrics.isolated_share(image, support_tol=0):.2f}",
    ]


def picture(scenes: list[Scene], path: Path) -> None:
    """Truth, noisy and results side by side, and under each image the map of its exact zeros."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = len(scenes[0].images)
    figure, axes = plt.subplots(2 * len(scenes), columns, figsize=(2.3 * columns, 4.9 * len(scenes)), layout="constrained")
    for number, scene in enumerate(scenes):
        # noise apart nothing is clipped
        shown = [image for image in scene.images.values() if image is not scene.noisy]
        low, high = min(image.min() for image in shown), max(image.max() for image in shown)
        for above, below, (label, image) in zip(axes[2 * number], axes[2 * number + 1], scene.images.items(), strict=True):
            above.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            psnr = "" if image is scene.truth else f"\n{metrics.psnr(scene.truth, image, 1.0):.2f} dB"
            above.set_title(label + psnr, fontsize=11)
            below.imshow(image != 0, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            below.set_title(f"{100 * metrics.zero_share(image):.1f} % zero", fontsize=11)
        axes[2 * number, 0].set_ylabel(scene.name, fontsize=12)
        axes[2 * number + 1, 0].set_ylabel("exact zeros (black)", fontsize=12)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    figure.savefig(path, dpi=100)
    plt.close(figure)


def has_matplotlib() -> bool:
    """Whether a picture can be drawn."""
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def main(path: Path, draw: bool, say: Any) -> None:
    """Solve, say the table, draw the picture."""
    scenes = run()
    for scene in scenes:
        say(f"{scene.name}, noise {NOISE:g}\n\n{table(scene)}\n")
    if draw:
        picture(scenes, path)
        say(f"wrote {path}")
