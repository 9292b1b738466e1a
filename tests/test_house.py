"""The rooms of the package, what each file imports, and the light import."""

import ast
import shutil
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import proxsparse


def test_an_unknown_name_is_an_attribute_error():
    import proxsparse

    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        _ = proxsparse.slove
    assert "solve" in dir(proxsparse)
    assert proxsparse.__version__ in repr(proxsparse.__version__)


PACKAGE = Path(proxsparse.__file__).parent


#: rooms from the ground up: a file imports from its own room and from rooms on lines above its own
FLOORS = """
arrays runtime
linear
kernels
result
operators data_terms dual metrics phantoms
penalties
testing
problems
solvers
weights
_solve
batch blocks _path torch
comparison
cli
__main__
"""


#: stands for whatever is taken from the package, and not from a module of it
PACKAGE_ITSELF = "proxsparse"
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS.split("\n")) for room in rooms.split()}


def modules(package):
    """The path of each module, by its name within the package."""
    found = {".".join(path.relative_to(package).with_suffix("").parts): path for path in package.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items() if name != "__init__"}


def graph(package):
    """The modules that each module imports, in functions too; what is for type checkers alone left out."""
    paths = modules(package)
    found = {}
    for name, path in paths.items():
        home = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        tree = ast.parse(path.read_text())
        guarded = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
        unseen = {id(node) for guard in guarded for statement in guard.body for node in ast.walk(statement)}
        found[name] = set()
        for node in ast.walk(tree):
            if id(node) in unseen:
                continue
            if isinstance(node, ast.Import):
                wanted = [alias.name.split(".")[1:] for alias in node.names if alias.name.split(".")[0] == "proxsparse"]
            elif isinstance(node, ast.ImportFrom):
                base = (node.module or "").split(".") if node.module else []
                if node.level:
                    base = home[: len(home) - (node.level - 1)] + base
                elif base and base[0] == "proxsparse":
                    base = base[1:]
                else:
                    continue
                wanted = [[*base, alias.name] for alias in node.names]
            else:
                continue
            for parts in wanted:
                # the longest name that is a module; of the package itself nothing but its version may be taken
                names = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
                found[name] |= {next((each for each in names if each in paths), PACKAGE_ITSELF)} - {name}
                if parts == ["__version__"]:
                    found[name] -= {PACKAGE_ITSELF}
        # the registry imports files of its own room by their names
        if "import_module" in path.read_text() and name != "penalties.registry":
            found[name].add(PACKAGE_ITSELF)
    return found


def faults(package):
    """What is wrong with the imports: those that do not run down, and circles."""
    found = graph(package)
    rooms = {name: name.split(".")[0] for name in found}
    wrong = [
        f"{name} imports {other}"
        for name, others in found.items()
        for other in others
        if other == PACKAGE_ITSELF or (rooms[other] != rooms[name] and FLOOR[rooms[other]] >= FLOOR[rooms[name]])
    ]
    try:
        TopologicalSorter({name: others - {PACKAGE_ITSELF} for name, others in found.items()}).prepare()
    except CycleError as error:
        wrong.append("a circle: " + " -> ".join(error.args[1]))
    return wrong


def test_imports_run_one_way_and_in_no_circle():
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("arrays/layout.py", "from ..kernels import pointwise"),
        ("linear/diagonal.py", "from ..penalties.base import Penalty"),
        ("kernels/windows.py", "def f():\n    from ..result import warn"),
        ("operators/base.py", "def f():\n    from .matrix import as_operator"),
        ("operators/blur.py", "from proxsparse.penalties import L1"),
        ("data_terms/huber.py", "from ..dual import prox"),
        ("dual/stack.py", "from ..penalties.base import Penalty"),
        ("penalties/windows.py", "def f():\n    from .latent import LatentGroups"),
        ("problems/setup.py", "from ..solvers import fista"),
        ("solvers/fista.py", "import proxsparse._solve"),
        ("weights/search.py", "from .rules import choose"),
        ("comparison/columns.py", "from . import report"),
        ("kernels/region_means.py", "from .. import solve"),
        ("dual/prox.py", "import proxsparse\nsolve = proxsparse.solve"),
        ("solvers/admm.py", "import importlib\nimportlib.import_module('proxsparse')"),
        ("operators/base.py", "if not TYPE_CHECKING:\n    from ..penalties import L1"),
        ("blocks/schwarz.py", "from .solve import solve_blocks"),
    ],
)
def test_a_wrong_import_is_seen(path, wrong, tmp_path):
    copy = tmp_path / "proxsparse"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / path).open("a") as file:
        file.write("\n" + wrong + "\n")
    name = path.removesuffix(".py").replace("/", ".")
    assert any(name in fault for fault in faults(copy))


def test_solvers_name_no_concrete_penalty_and_pictures_import_no_solver():
    seen = graph(PACKAGE)
    for name in ("metrics", "metrics.noise", "phantoms"):
        assert {other.split(".")[0] for other in seen[name]} <= {"arrays", "kernels", "metrics"}
    for name, others in seen.items():
        if name.startswith("solvers.") and name not in ("solvers.nonconvex", "solvers.regions"):
            assert not any(other.startswith("penalties") for other in others), name


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


#: modules that have no tests of their own name: where they are tried
TRIED_IN = {
    "dual.fast_gradient": "solvers/test_fista.py",
    "dual.running": "solvers/test_run.py",
    "arrays.bounds": "promises/test_promises.py",
    "arrays.checks": "promises/test_refusals.py",
    "arrays.numbers": "promises/test_promises.py",
    "arrays.roundoff": "problems/test_problem.py",
    "batch.images": "batch/test_solve.py",
    "batch.result": "batch/test_solve.py",
    "comparison.columns": "comparison/test_result.py",
    "comparison.task": "comparison/test_compare.py",
    "data_terms.least_squares": "data_terms/test_base.py",
    "dual.denoising": "penalties/test_base.py",
    "dual.null_space": "penalties/test_base.py",
    "dual.prox": "penalties/test_base.py",
    "dual.stack": "problems/test_problem.py",
    "kernels._jit": "kernels/test_cache.py",
    "kernels.convolution": "operators/test_blur.py",
    "kernels.listed_groups": "penalties/test_listed_groups.py",
    "kernels.patch_covariance": "metrics/test_noise.py",
    "kernels.region_means": "promises/test_known_answers.py",
    "kernels.second_order": "penalties/test_second_order.py",
    "kernels.tgv": "penalties/test_tgv.py",
    "kernels.padded": "kernels/test_tgv_2d.py",
    "penalties.second_order_kernels": "kernels/test_second_order_2d.py",
    "kernels.total_variation_nd": "kernels/test_units.py",
    "kernels.windows_2d": "penalties/test_windows.py",
    "penalties.tgv_kernels": "kernels/test_tgv_2d.py",
    "kernels.total_variation": "penalties/test_base.py",
    "kernels.total_variation_2d": "kernels/test_planes.py",
    "dual.accelerated": "solvers/test_chambolle_pock.py",
    "dual.whole_runs": "solvers/test_whole.py",
    "kernels.whole_runs": "solvers/test_whole.py",
    "kernels.rounding": "promises/test_certificates.py",
    "kernels.wavelets": "penalties/test_transforms.py",
    "kernels.windows": "penalties/test_windows.py",
    "linear.diagonal": "operators/test_blur.py",
    "linear.wavelets": "penalties/test_transforms.py",
    "operators.wavelet": "penalties/test_transforms.py",
    "penalties.differences": "penalties/test_base.py",
    "penalties.formulas": "test_testing.py",
    "penalties.l1": "penalties/test_base.py",
    "penalties.names": "penalties/test_registry.py",
    "penalties.on_arrays": "penalties/test_base.py",
    "penalties.variation_kernels": "kernels/test_planes.py",
    "problems.denoising": "problems/test_kinds.py",
    "problems.inverse": "problems/test_kinds.py",
    "problems.measured": "problems/test_kinds.py",
    "problems.owned": "problems/test_kinds.py",
    "problems.pixelwise": "problems/test_kinds.py",
    "problems.preconditioner": "promises/test_methods.py",
    "problems.rounding_floor": "problems/test_problem.py",
    "problems.trivial": "problems/test_problem.py",
    "problems.posed": "promises/test_certificates.py",
    "problems.reach": "promises/test_certificates.py",
    "problems.repair": "promises/test_certificates.py",
    "problems.answer": "test_solve.py",
    "problems.certificate": "promises/test_certificates.py",
    "problems.lifted": "penalties/test_infimal.py",
    "solvers.admm": "promises/test_methods.py",
    "solvers.convex": "test_solve.py",
    "solvers.pixel_sets": "solvers/test_regions.py",
    "testing.data_terms": "test_testing.py",
    "testing.operators": "test_testing.py",
    "testing.penalties": "test_testing.py",
    "weights.fits": "weights/test_rules.py",
    "weights.given": "test_solve.py",
    "weights.search": "test_path.py",
}


def test_the_test_of_a_file_is_where_its_name_says():
    tests = Path(__file__).parent
    rooms = {name: path for name, path in modules(PACKAGE).items() if "." in name}
    for name, path in rooms.items():
        own = tests / path.parent.name / f"test_{path.stem.strip('_')}.py"
        assert own.exists() != (name in TRIED_IN), f"{name}: {own} or an entry of TRIED_IN, one of the two"
        assert name not in TRIED_IN or (tests / TRIED_IN[name]).exists()
    for path in tests.rglob("test_*.py"):
        if (PACKAGE / path.parent.name).is_dir():
            there = {file.stem.strip("_") for file in (PACKAGE / path.parent.name).glob("*.py")} | {"metrics"}
            assert path.stem.removeprefix("test_") in there, f"{path}: there is no such module"
