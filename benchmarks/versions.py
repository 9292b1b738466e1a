"""Another version of the package beside this one, in turn: ``python -m benchmarks.versions FOLDER [--jobs KIND ...]``.

FOLDER is a checkout of the other version. Each version runs in a process of its own, the same jobs in turn, the other one first
in every second round; the first call of a job, which compiles, is left out. Printed are the least seconds of both and the
median of the ratios, this version over the other. Kinds of jobs: "small" (28x28, one call each), "quick" (the tasks of
`benchmarks.run --quick`, ours alone), "family" (the table of docs/speed.md, float32 and float64).
"""

import argparse
import functools
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROUNDS = {"small": 200, "quick": 7, "family": 5}


def jobs(kinds):
    """Name -> a call, made when it is first asked for."""
    import numpy as np

    import proxsparse
    from benchmarks.family import problems
    from benchmarks.problems import tasks
    from benchmarks.run import Ours

    found = {}
    if "small" in kinds:
        y = proxsparse.phantoms.add_noise(proxsparse.phantoms.regions((28, 28)), 0.1)
        blur = proxsparse.Blur(np.ones((3, 3)) / 9)
        for dtype in ("float32", "float64"):
            z = y.astype(dtype)
            for name, penalty, more in (
                ("tv", "tv", {}),
                ("l1", "l1", {}),
                ("overlap", "overlap", {}),
                ("tv, blur", "tv", {"operator": blur}),
            ):
                found[f"small {name} {dtype}"] = lambda z=z, p=penalty, m=more: lambda: proxsparse.solve(z, p, 0.05, **m)
    if "quick" in kinds:
        for name, make, quick in tasks():
            if quick:
                found[name] = lambda make=make: Ours((task := make()), task.targets[-1])
    if "family" in kinds:
        options = {"maxiter": 20000, "maxtime": 20.0}
        for name, image, penalty, arguments in problems():
            for dtype in ("float32", "float64"):
                call = functools.partial(proxsparse.solve, image.astype(dtype), penalty, options=options, **arguments)
                found[f"{name}, {dtype}"] = lambda call=call: call
    return found


def serve(folder, kinds):
    """Run the jobs that are named on standard input, and print their seconds."""
    sys.path.insert(0, folder)
    import proxsparse

    assert Path(proxsparse.__file__).is_relative_to(folder), proxsparse.__file__
    sys.path[0] = str(ROOT)
    warnings.simplefilter("ignore")
    known, ready = jobs(kinds), {}
    print(*known, sep="\n")
    print(flush=True)
    for line in sys.stdin:
        name = line.rstrip("\n")
        if name not in ready:
            ready = {name: known[name]()}
            ready[name]()
        begin = time.perf_counter()
        ready[name]()
        print(time.perf_counter() - begin, flush=True)


class Version:
    """A process with one version."""

    def __init__(self, folder, kinds):
        command = [sys.executable, __file__, str(folder), "--serve", "--jobs", *kinds]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.jobs = list(iter(lambda: self.process.stdout.readline().rstrip("\n"), ""))
        if self.process.poll():
            raise RuntimeError(f"the version in {folder} does not run")

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def seconds(self, name):
        print(name, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a checkout of the other version")
    parser.add_argument("--jobs", nargs="+", choices=sorted(ROUNDS), default=sorted(ROUNDS), metavar="KIND")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="jobs whose name starts so")
    parser.add_argument("--rounds", type=int, help="calls of each job; by default more of small ones")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(str(arguments.folder.resolve()), arguments.jobs)
        return
    for kind in arguments.jobs:
        other, this = Version(arguments.folder.resolve(), [kind]), Version(ROOT, [kind])
        for name in other.jobs:
            if arguments.only and not name.startswith(tuple(arguments.only)):
                continue
            times = [], []
            spent = 0.0
            for i in range(arguments.rounds or ROUNDS[kind]):
                for k in (0, 1) if i % 2 else (1, 0):
                    times[k].append((other, this)[k].seconds(name))
                spent += times[0][-1] + times[1][-1]
                if spent > 20 and i >= 2:
                    break
            old, new = (1e3 * min(each) for each in times)
            ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
            print(f"{name}: {old:.4g} ms, now {new:.4g} ms, ratio {ratio:.3f}", flush=True)
        other.close()
        this.close()


if __name__ == "__main__":
    main()
