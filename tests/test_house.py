"""The rooms of the package and the light import."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import proxsparse

PACKAGE = Path(proxsparse.__file__).parent
#: rooms from the ground up: a file imports from its own level or below
LEVELS = [
    {"_arrays", "_workers", "gram", "kernels", "rounding", "_progress", "_lattice", "_noise"},
    {"_bounds", "penalties", "operators", "data_terms", "options", "result", "metrics", "phantoms"},
    {"problem"},
    {"lifted", "testing"},
    {"solvers", "_pose", "_cut"},
    {"_stores", "_together"},
    {"weights", "_debias", "_nonconvex", "_forms", "_implicit"},
    {"_solve"},
    {"_batch", "_blocks", "_path", "torch"},
    {"_baselines"},
    {"_compare", "_comparison", "_report"},
    {"_demo", "_doctor", "_files"},
    {"cli", "__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def room(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imports(path):
    depth = path.relative_to(PACKAGE).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = [*depth[: len(depth) - (node.level - 1)], *(node.module or "").split(".")]
            parts = [p for p in parts if p]
            yield from [parts[0]] if parts else [a.name for a in node.names if a.name != "__version__"]


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_run_one_way(path):
    above = [name for name in imports(path) if LEVEL[name] > LEVEL[room(path)]]
    assert not above
    if room(path) in ("metrics", "phantoms"):
        assert set(imports(path)) <= {"_arrays", "_noise"}


def test_solvers_name_no_concrete_penalty():
    for path in (PACKAGE / "solvers").glob("*.py"):
        text = path.read_text()
        for name in ("L1", "TotalVariation", "OverlappingGroupLasso", "PenaltySum", "Composed"):
            assert name not in text, (path, name)


def test_no_module_bears_the_name_of_a_public_function():
    modules = {p.stem for p in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    functions = {name for name in proxsparse.__all__ if name not in ("metrics", "phantoms", "testing")}
    assert not modules & functions


def test_every_public_name_is_there_and_documented():
    for name in proxsparse.__all__:
        assert getattr(proxsparse, name).__doc__.strip()


def test_import_is_light():
    code = (
        "import sys, time; t = time.perf_counter(); import proxsparse; t = time.perf_counter() - t\n"
        "heavy = {'numba', 'scipy', 'skimage', 'matplotlib'} & {m.split('.')[0] for m in sys.modules}\n"
        "assert not heavy, heavy\n"
        "print(t)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) < 0.25


def test_the_oldest_versions_tried_are_those_promised():
    root = PACKAGE.parent
    promised = dict(
        line.split(">=") for line in tomllib.loads((root / "pyproject.toml").read_text())["project"]["dependencies"]
    )
    tried = dict(
        line.split("==") for line in (root / ".ci" / "oldest.txt").read_text().splitlines() if not line.startswith("#")
    )
    assert promised.keys() == tried.keys()
    for name, version in promised.items():
        assert f"{tried[name]}.".startswith(f"{version}.")
