"""Seconds of the first call in a new process, kernel cache empty and filled: ``python -m benchmarks.start``."""

import os
import subprocess
import sys
import tempfile

CODE = """
import time
begin = time.perf_counter()
import numpy as np
y = np.random.default_rng(0).random((64, 64))
from_numpy = time.perf_counter()
import proxsparse
proxsparse.solve(y, "tv", 0.1)
print(time.perf_counter() - from_numpy)
"""


def seconds(cache):
    environment = {**os.environ, "PROXSPARSE_CACHE_DIR": cache}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main():
    cold, warm = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(seconds(cache))
            warm += [seconds(cache) for _ in range(3)]
    print(f"first call: {min(cold):.2f} s cold, {min(warm):.2f} s with a filled cache, import and solve, NumPy's import apart")


if __name__ == "__main__":
    main()
