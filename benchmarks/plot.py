"""Objective against time of each task in a results file: ``python -m benchmarks.plot [FILE] [--output FOLDER]``.

One picture a task, benchmarks/results/NAME.png: every peer's runs of growing effort, and proxsparse's own way to the
smallest target, as relative suboptimality against seconds.
"""

import argparse
import json
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import proxsparse

from .problems import tasks
from .run import RESULTS


def own_curve(task):
    """Seconds and suboptimality at the checks of one solve to the smallest target."""
    if task.kind == "small" or task.kind == "tv1d":
        return [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):  # the first compiles
            result = proxsparse.solve(
                task.y, task.penalty, tol=min(task.targets), options={"maxiter": 100000}, **task.arguments
            )
    lower, _ = task.optimum
    return result.history["seconds"], (result.history["objective"] - lower) / lower


def draw(name, entry, task, folder):
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    seconds, errors = own_curve(task)
    if len(seconds):
        axes.loglog(seconds[1:], errors[1:], "k.-", label="proxsparse", linewidth=2)
    for peer, runs in sorted(entry["curves"].items()):
        runs = sorted(runs)
        axes.loglog([s for _, s, _ in runs], [e for _, _, e in runs], ".-", label=peer, linewidth=1)
    for target in task.targets:
        axes.axhline(target, color="0.8", linewidth=0.8, zorder=0)
    axes.set(title=name, xlabel="seconds", ylabel="relative suboptimality")
    axes.legend(fontsize=7)
    figure.savefig(folder / f"{name.replace(' ', '-')}.png", dpi=120)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=RESULTS / "peers.json")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    results = json.loads(arguments.file.read_text())
    arguments.output.mkdir(exist_ok=True)
    for name, make, _ in tasks():
        if name in results["tasks"] and results["tasks"][name]["curves"]:
            draw(name, results["tasks"][name], make(), arguments.output)


if __name__ == "__main__":
    main()
