"""One image larger than memory: `solve_blocks` beside `solve` on 8192 x 8192 float32: ``python -m benchmarks.blocks``.

Each run has a process of its own. `solve_blocks` gets a limit on the memory it may allocate (RLIMIT_DATA; files that are mapped
do not count) of a quarter of what `solve` was seen to hold. ``--write`` puts the tables in docs; the side may be given too.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data

import proxsparse

from .table import filled

PAGE = Path(__file__).parents[1] / "docs" / "larger-than-memory.md"
WEIGHTS, TOL = (0.1, 0.3), 1e-4
#: pixels of an image for which an estimate is made
MOST = 131072**2


def write_image(path, side):
    """Photographs side by side, turned and mirrored, with noise of 0.1, a strip of rows at a time."""
    tiles = [getattr(skimage.data, name)()[:512, :512] / 255 for name in ("camera", "moon", "brick", "grass", "gravel")]
    rng = np.random.default_rng(0)
    image = np.lib.format.open_memmap(path, "w+", np.float32, (side, side))
    for i in range(0, side, 512):
        for j in range(0, side, 512):
            tile = np.rot90(tiles[rng.integers(len(tiles))], rng.integers(4))[:: rng.choice([-1, 1])]
            rows, columns = image[i : i + 512, j : j + 512].shape
            image[i : i + 512, j : j + 512] = tile[:rows, :columns] + 0.1 * rng.standard_normal((rows, columns))


def child(task):
    """Run one task, and print what came of it."""
    path, kind, weight, folder = Path(task["path"]), task["kind"], task["weight"], task.get("folder")
    small = np.load(path, mmap_mode="r")[:300, :300].copy()
    # compiled before the clock starts and the limit is set
    proxsparse.solve(small, "tv", weight)
    proxsparse.solve_blocks(small, "tv", weight, block=128, halo=16, max_sweeps=2, tol=1e-2)
    if "limit" in task:
        resource.setrlimit(resource.RLIMIT_DATA, (task["limit"], task["limit"]))
    begin = time.perf_counter()
    if kind == "solve":
        result = proxsparse.solve(np.load(path), "tv", weight, tol=TOL, options={"workers": task["workers"]})
        history = {}
    else:
        given = np.load(path, mmap_mode="r")
        result = proxsparse.solve_blocks(
            given, "tv", weight, tol=TOL, dual_store=folder, workers=task["workers"], halo=task["halo"]
        )
        history = {"gaps": (result.history["gap"] / result.history["objective"]).tolist()}
    found = {name: result[name] for name in ("fun", "gap", "rel_gap", "nit")} | history
    found["seconds_in_all"] = time.perf_counter() - begin
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({name: value if isinstance(value, list) else float(value) for name, value in found.items()}))


def run(**task):
    """A task in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.blocks", "--child", json.dumps(task)]
    return json.loads(subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main():
    side = next((int(word) for word in sys.argv[1:] if word.isdigit()), 8192)
    lines = ["| weight | | s | resident | limit | sweeps | relative gap |", "|---|---|---|---|---|---|---|"]
    sweeps = ["| weight | halo | relative gap before, and after each sweep |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.npy"
        write_image(path, side)
        costs = []
        for weight in WEIGHTS:
            whole = run(path=str(path), kind="solve", weight=weight, workers=1)
            held = f"{whole['peak'] / 2**30:.2f} GiB | "
            lines.append(f"| {weight} | `solve` | {whole['seconds_in_all']:.0f} | {held} | | {whole['rel_gap']:.1e} |")
            limit = int(whole["peak"] / 4)
            for workers, halo in ((1, 32), (2, 32), (1, 8)):
                store = str(Path(folder) / f"store-{weight}-{workers}-{halo}")
                found = run(path=str(path), kind="blocks", weight=weight, workers=workers, limit=limit, folder=store, halo=halo)
                for file in Path(store).iterdir():
                    file.unlink()
                # both are certified to be as near to the minimum
                assert abs(found["fun"] - whole["fun"]) <= max(found["gap"], whole["gap"])
                name = f"`solve_blocks`, halo {halo}, {workers} worker{'s' * (workers > 1)}"
                row = [
                    str(weight),
                    name,
                    f"{found['seconds_in_all']:.0f}",
                    f"{found['peak'] / 2**30:.2f} GiB",
                    f"{limit / 2**30:.2f} GiB",
                ]
                lines.append(f"| {' | '.join(row)} | {found['nit']:.0f} | {found['rel_gap']:.1e} |")
                if workers == 1:
                    sweeps.append(f"| {weight} | {halo} | {', '.join(f'{gap:.1e}' for gap in found['gaps'])} |")
                if (workers, halo) == (1, 32):
                    costs.append((weight, found["nit"], found["seconds_in_all"] / (found["nit"] * (side / 1024) ** 2)))
    estimate = []
    for weight, nit, cost in costs:
        blocks = MOST / 1024**2
        hours = blocks * cost * nit / 3600
        files = 12 * MOST / 2**30
        estimate.append(
            f"- weight {weight}: {cost:.2f} s a block and sweep. 16 gigapixels, {blocks:.0f} blocks, in {nit:.0f} sweeps are "
            f"{hours:.1f} hours of one processor; {files:.0f} GiB of files hold the image and its dual."
        )
    lines = [f"{side} x {side} float32, noise 0.1, tolerance {TOL:g}:", "", *lines, "", *sweeps, "", *estimate]
    print("\n".join(lines))
    if "--write" in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(), "blocks", "\n".join(lines)))


if __name__ == "__main__":
    child(json.loads(sys.argv[2])) if sys.argv[1:2] == ["--child"] else main()
