"""Time to accuracy, ours beside the peers: ``python -m benchmarks.run [--quick] [--only NAME ...] [--repeats N]``.

Accuracy is the relative suboptimality of the returned image by *our* objective, in NumPy, against a certified optimum
(`problems.Task`). An effort (the number of iterations, without stopping tests, ours too) is doubled until the accuracy is met,
then halved back as far as it holds, to a fifth; beside it stands our run that stops where it has proven it. All that met
it are then timed in turn, the first call, which compiles, left out: minimum and median. One thread each where the name does
not say otherwise. Peak memory is of what NumPy allocated beside the input, in one more call.

Written to benchmarks/results/*.json; tasks that a file there already holds are replaced by new runs.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np

import proxsparse

from .competitors import COMPETITORS
from .problems import Task, tasks

RESULTS = Path(__file__).parent / "results"


class Ours:
    """proxsparse; the effort is the number of iterations without checks, or None: until a relative gap of `tol`."""

    def __init__(self, task, tol, workers=1):
        self.task, self.tol, self.workers = task, tol, workers

    def __call__(self, effort=None):
        task, options = self.task, {"maxiter": 100000}
        tol = self.tol
        if effort is not None:
            options, tol = {"maxiter": effort, "check_every": effort}, 0.0
        if task.kind == "small":
            return proxsparse.solve_batch(task.y, task.penalty, tol=tol, workers=self.workers, options=options).x
        options["workers"] = self.workers
        return proxsparse.solve(task.y, task.penalty, tol=tol, options=options, **task.arguments).x


def over_images(prepare, task):
    """A peer that takes one image, over the images of a stack."""
    solves = [prepare(Task("small", y, task.weight, task.targets)) for y in task.y]
    return lambda effort: np.stack([solve(effort) for solve in solves])


def suboptimality(task, x):
    """Of a stack the largest."""
    if task.kind != "small":
        return task.suboptimality(x)
    return max(Task("small", y, task.weight, task.targets).suboptimality(one) for y, one in zip(task.y, x, strict=True))


def clocked(solve, effort):
    begin = time.perf_counter()
    x = solve(effort)
    return time.perf_counter() - begin, x


def least_effort(task, solve, target, curve, limit):
    """The least effort, to a fifth, that meets the target; None where a call takes too long or the error stops falling."""
    tried = {effort: error for effort, _, error in curve}
    failed = max((effort for effort, error in tried.items() if error > target), default=0)
    effort = min((effort for effort, error in tried.items() if error <= target), default=2 * failed or 4)
    while effort not in tried or tried[effort] > target:
        seconds, x = clocked(solve, effort)
        tried[effort] = suboptimality(task, x)
        curve.append((effort, seconds, tried[effort]))
        if tried[effort] > target:
            if seconds > limit or (failed > 4 and tried[effort] > 0.98 * tried[failed]):
                return None
            failed, effort = effort, 2 * effort
    while effort - failed > max(1, effort // 5):
        middle = (effort + failed) // 2
        seconds, x = clocked(solve, middle)
        error = suboptimality(task, x)
        curve.append((middle, seconds, error))
        failed, effort = (failed, middle) if error <= target else (middle, effort)
    return effort


def contenders(task, target, curves, limit):
    """Yield name, call, its effort and the suboptimality it reaches."""
    ours = Ours(task, target)
    ours()
    yield "proxsparse, certified", ours, None
    effort = least_effort(task, ours, target, [], limit) if task.kind != "tv1d" else None
    if effort is not None:
        yield "proxsparse", ours, effort
    if task.kind in ("rof-iso", "rof-aniso", "small"):
        yield "proxsparse, 2 workers", Ours(task, target, workers=2), effort
    for peer in COMPETITORS:
        if task.kind not in peer.kinds or not peer.installed:
            continue
        solve = over_images(peer.prepare, task) if task.kind == "small" else peer.prepare(task)
        solve(2)
        if task.kind == "tv1d" and peer.note:
            effort = 1 if suboptimality(task, solve(1)) <= target else None
        else:
            effort = least_effort(task, solve, target, curves.setdefault(peer.name, []), limit)
        if effort is not None:
            yield peer.name, solve, effort
        else:
            print(f"    {peer.name}: not reached", flush=True)


def peak(solve, effort):
    tracemalloc.start()
    solve(effort)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def measure(task, target, curves, repeats, limit):
    """Min and median seconds, effort, suboptimality and peak memory of all who meet the target, timed in turn."""
    ready = list(contenders(task, target, curves, limit))
    times = {name: [] for name, _, _ in ready}
    for _ in range(repeats):
        for name, solve, effort in ready:
            if len(times[name]) == 0 or sum(times[name]) < limit:
                times[name].append(clocked(solve, effort)[0])
    return {
        name: {
            "seconds_min": min(times[name]),
            "seconds_median": statistics.median(times[name]),
            "runs": len(times[name]),
            "effort": effort,
            "suboptimality": suboptimality(task, solve(effort)),
            "peak_images": peak(solve, effort) / task.y.nbytes,
        }
        for name, solve, effort in ready
    }


def machine():
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    names = [
        "proxsparse",
        "numpy",
        "scipy",
        "numba",
        *sorted({c.distribution for c in COMPETITORS if c.installed and c.distribution}),
    ]
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = proxsparse.__version__ if name == "proxsparse" else "unknown"
    missing = sorted({c.name for c in COMPETITORS if not c.installed})
    return {
        "cpu": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": versions,
        "threads": "one each, two where the name says so",
        "not installed": missing,
    }


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a dozen tasks instead of all")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="tasks whose name starts so")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=30.0, help="seconds of one call after which a peer is given up")
    parser.add_argument("--output", type=Path, default=RESULTS / "peers.json")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    results = json.loads(arguments.output.read_text()) if arguments.output.exists() else {"tasks": {}}
    results["machine"] = machine()
    for missing in results["machine"]["not installed"]:
        print(f"{missing}: not installed, left out")
    for name, make, quick in tasks():
        if (arguments.quick and not quick) or (arguments.only and not name.startswith(tuple(arguments.only))):
            continue
        task = make()
        curves = {}
        entry = {"kind": task.kind, "shape": task.y.shape, "dtype": task.y.dtype.name, "weight": task.weight}
        entry |= {"repeats": arguments.repeats, "limit": arguments.limit, "targets": {}}
        for target in task.targets:
            print(f"{name} to {target:.0e}", flush=True)
            found = measure(task, target, curves, arguments.repeats, arguments.limit)
            entry["targets"][f"{target:.0e}"] = found
            for contender, figures in found.items():
                print(f"    {contender}: {figures['seconds_min']:.4g} s, {figures['suboptimality']:.1e}", flush=True)
        entry["curves"] = curves
        results["tasks"][name] = entry
        arguments.output.parent.mkdir(exist_ok=True)
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
