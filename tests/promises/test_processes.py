"""Forks, spawned processes, pools, loaders and Ctrl-C: each in a process of its own, with a limit on its time."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import proxsparse

COMMON = """
import hashlib
import numpy as np
import proxsparse
from proxsparse.kernels import strips

# small images are shared too
strips._NUMBERS = strips._LEAST = 1
NAMES = [("tv", 0.2), ("overlap", 0.1), ("l1+tv", (0.05, 0.1)), ("tgv", 0.2)]

def job(i):
    name, weight = NAMES[i % len(NAMES)]
    y = np.random.default_rng(i).random((70, 68)).astype(np.float32)
    workers = {"workers": 2} if name == "tv" else {}
    return hashlib.sha256(proxsparse.solve(y, name, weight, tol=1e-2, options=workers).x.tobytes()).hexdigest()
"""


PROGRAMS = {
    "fork": """
import multiprocessing
# before the first solve here, and after it
context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    cold = pool.map(job, range(8))
here = [job(i) for i in range(8)]
with context.Pool(2) as pool:
    warm = pool.map(job, range(8))
assert cold == here == warm
""",
    "spawn": """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(job, range(8)) == [job(i) for i in range(8)]
""",
    "forkserver": """
import multiprocessing
if __name__ == "__main__":
    here = [job(i) for i in range(8)]
    with multiprocessing.get_context("forkserver").Pool(2) as pool:
        assert pool.map(job, range(8)) == here
""",
    "futures": """
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
if __name__ == "__main__":
    here = [job(i) for i in range(8)]
    for kind in (ThreadPoolExecutor, ProcessPoolExecutor):
        with kind(3) as pool:
            assert list(pool.map(job, range(8))) == here
""",
    "joblib": """
import joblib
if __name__ == "__main__":
    here = [job(i) for i in range(8)]
    for backend in ("loky", "threading", "multiprocessing"):
        assert joblib.Parallel(2, backend=backend)(joblib.delayed(job)(i) for i in range(8)) == here
""",
    "dask": """
import dask
here = [job(i) for i in range(8)]
for scheduler in ("threads", "processes", "sync"):
    if scheduler != "processes" or __name__ == "__main__":
        assert list(dask.compute(*[dask.delayed(job)(i) for i in range(8)], scheduler=scheduler)) == here
""",
    "torch": """
import torch
from torch.utils.data import DataLoader, Dataset
from proxsparse import TotalVariation
from proxsparse.torch import PenaltyLoss, ProxLayer

class Denoised(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        y = np.random.default_rng(i).random((40, 41)).astype(np.float32)
        own = torch.from_numpy(proxsparse.denoise(y, "tv", 0.2, tol=1e-2))
        y = torch.from_numpy(y)[None, None].requires_grad_()
        x = ProxLayer(TotalVariation(0.2), tol=1e-2)(y)
        (u,) = torch.autograd.grad(PenaltyLoss(TotalVariation(0.2))(x), y)
        return torch.cat([own[None], x[0].detach(), u[0]])

if __name__ == "__main__":
    here = torch.stack([Denoised()[i] for i in range(8)])
    for workers, how in ((0, None), (2, "fork"), (2, "spawn")):
        loader = DataLoader(Denoised(), batch_size=4, num_workers=workers, multiprocessing_context=how)
        assert torch.equal(torch.cat(list(loader)), here)
""",
}


@pytest.mark.parametrize("program", [n if n == "fork" else pytest.param(n, marks=pytest.mark.slow) for n in PROGRAMS])
def test_answers_are_the_same_in_pools_of_processes_and_threads(program, tmp_path):
    if program in ("joblib", "dask", "torch"):
        pytest.importorskip(program)
    script = tmp_path / "script.py"
    script.write_text(COMMON + PROGRAMS[program])
    # Python says of every fork that threads are about; nothing of ours is left running
    command = [
        sys.executable,
        "-W",
        "error",
        "-W",
        "ignore::DeprecationWarning",
        "-W",
        "ignore::UserWarning",
        str(script),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LONG = """
import signal, sys, threading, time, warnings
# in the background of a shell it is ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
import numpy as np
import proxsparse
from proxsparse import Blur, TGV, TotalVariation, OverlappingGroupLasso

rng = np.random.default_rng(0)

def never(maxiter):
    return {"tol": 0.0, "options": {"maxiter": maxiter, "workers": WORKERS}}

calls = {
    "tv": lambda y, n: proxsparse.solve(y, "tv", 0.3, **never(n)),
    "huber": lambda y, n: proxsparse.solve(y, TotalVariation(0.3, huber=0.01), **never(n)),
    "windows": lambda y, n: proxsparse.solve(y, OverlappingGroupLasso(0.1, norm="linf"), **never(n)),
    "second order": lambda y, n: proxsparse.solve(y, "tv2", 0.3, **never(n)),
    "tgv": lambda y, n: proxsparse.solve(y, "tgv", 0.3, **never(n)),
    "blur, admm": lambda y, n: proxsparse.solve(y, "tv", 0.01, operator=Blur(np.ones((3, 3)) / 9), **never(n)),
    "blur, chambolle-pock": lambda y, n: proxsparse.solve(y, "tv", 0.01, operator=Blur(np.ones((3, 3)) / 9), method="chambolle-pock", **never(n)),
    "fista": lambda y, n: proxsparse.solve(y, "tv", 0.3, method="fista", **never(n)),
    "batch": lambda y, n: proxsparse.solve_batch(y.reshape(-1, 64, 64), "tv", 0.3, workers=WORKERS, tol=0.0, options={"maxiter": n}),
    "blocks": lambda y, n: proxsparse.solve_blocks(y, "tv", 3.0, block=256, halo=16, tol=0.0, max_sweeps=n, workers=WORKERS),
    "prox": lambda y, n: OverlappingGroupLasso(0.1).prox(y, tol=0.0, maxiter=n),
    "value": lambda y, n: TGV(1.0).value(y),
    "auto": lambda y, n: proxsparse.solve(y, "tv", tol=0.0, options={"maxiter": n}),
}
call = calls[NAME]
small, large = rng.random((64, 64)), rng.random((640, 640))
proxsparse.solve(small, "tv", 0.1)
# what it needs is compiled before it counts
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    call(small, 30)
threads = threading.active_count()
print("begun", flush=True)
try:
    call(large, 10**7)
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
else:
    sys.exit("it ended")
assert threading.active_count() == threads
assert proxsparse.solve(small, "tv", 0.1).success
"""


#: the others are among the long tests
INTERRUPTED = [("tv", 1), ("batch", 2)] + [
    pytest.param(*each, marks=pytest.mark.slow)
    for each in (
        ("tv", 2),
        ("batch", 1),
        ("blocks", 1),
        ("blocks", 2),
        ("huber", 1),
        ("windows", 1),
        ("second order", 1),
        ("tgv", 1),
        ("blur, admm", 1),
        ("blur, chambolle-pock", 1),
        ("fista", 1),
        ("prox", 1),
        ("value", 1),
        ("auto", 1),
    )
]


@pytest.mark.parametrize(("name", "workers"), INTERRUPTED)
def test_an_interrupt_ends_a_call_soon_and_the_next_one_works(name, workers):
    """A fifth of a second is what is measured on an idle machine; the guard here is for a busy one."""
    code = LONG.replace("WORKERS", str(workers)).replace("NAME", repr(name))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
        try:
            assert process.stdout.readline() == "begun\n"
            # compiled by now, and at work
            time.sleep(2.0)
            assert process.poll() is None
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, error) == (0, "")
    assert float(out) - sent < 1.0
    if os.environ.get("PROXSPARSE_SHOW"):
        print(f"{name}, {workers}: {1e3 * (float(out) - sent):.0f} ms")


def resident():
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
def test_ten_thousand_calls_leave_nothing_behind():
    y = np.random.default_rng(0).random((56, 57))
    blur = proxsparse.Blur(np.ones((3, 3)) / 9)
    options = {"maxiter": 3}

    def calls(n):
        for i in range(n):
            y[0, 0] = i / n
            proxsparse.solve(y, "tv", 0.1 + i / n, tol=0.5, options={"workers": 1 + i % 2})
            proxsparse.solve(y, "l1+tv", (0.01, 0.1), operator=blur if i % 2 else None, tol=0.9)
            proxsparse.TotalVariation(0.1).prox(y, tol=0.5)
            proxsparse.solve_batch(y.reshape(4, 14, 57), "tv", 0.1, tol=0.5, workers=2)
            for bad in ({"weight": -1.0}, {"weight": 0.1, "options": {"maxitr": 3}}, {"weight": 0.1, "callback": broken}):
                with pytest.raises((ValueError, ZeroDivisionError)):
                    proxsparse.solve(y, "tv", **{"options": options, **bad})
            proxsparse.solve(y[:, : 3 + i % 22], "overlap", 0.1, tol=0.5)
            proxsparse.metrics.components(y > 0.5)

    def broken(intermediate_result):
        raise ZeroDivisionError

    calls(300)
    before = resident()
    calls(1250)
    # ten thousand calls later; one of the kinds of call that kept its image of 25 kB would have kept 31 MB
    assert resident() - before < 12 << 20
