"""The bits of an answer are the same on every processor of one architecture."""

import os
import platform
import subprocess
import sys

import pytest

ANSWERS = """
import hashlib
import numpy as np
from proxsparse import L1, TotalVariation, phantoms, solve, solve_batch
told = hashlib.sha256()
for dtype in (np.float32, np.float64):
    y = phantoms.add_noise(phantoms.regions((45, 52)), 0.1).astype(dtype)
    total = TotalVariation(0.1)
    for penalty in (total, TotalVariation(0.1, isotropic=False), L1(0.02) + total, TotalVariation(0.1, spacing=(2, 1))):
        found = solve(y, penalty, tol=1e-5)
        told.update(found.x.tobytes() + found.dual[0].tobytes() + np.array([found.fun, found.gap, found.nit]).tobytes())
    batch = solve_batch(np.stack([y, y[::-1]]), "tv", 0.1)
    told.update(batch.x.tobytes() + batch.gap.tobytes())
print(told.hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the names are those of x86")
@pytest.mark.parametrize("processor", ["x86-64-v2", "haswell"])
def test_bits_do_not_depend_on_the_processor(processor, tmp_path):
    """Compiled for processors without fused multiplications, with vectors of 16 and of 32 bytes, and for this one."""
    found = set()
    for name in ("", processor):
        own = {"PROXSPARSE_CACHE_DIR": str(tmp_path / (name or "own")), "NUMBA_CPU_NAME": name}
        run = [sys.executable, "-c", ANSWERS]
        found.add(subprocess.run(run, env=os.environ | own, check=True, capture_output=True, text=True).stdout)
    assert len(found) == 1
