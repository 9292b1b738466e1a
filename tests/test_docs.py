"""Every example in README and docs runs and says what it says; the sources shown are the sources."""

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import proxsparse

ROOT = Path(__file__).parents[1]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if ">>> import torch\n" in page.read_text():
        pytest.importorskip("torch")
    names = {"__name__": "example"}
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for number, block in enumerate(blocks(page, "python")):
        if ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), number)
            runner.run(test, clear_globs=False)
            names |= test.globs
        else:
            exec(compile(block, f"{page.name} block {number}", "exec"), names)
    assert runner.failures == 0


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"\n{page.name}\n" in index


def test_every_public_name_is_in_the_reference():
    listed = set(re.findall(r"^   (\w+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE))
    functions = {
        name
        for module in (proxsparse.metrics, proxsparse.phantoms, proxsparse.testing)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and not name.startswith(("_", "require_")) and name in getattr(module, "__all__", [name])
        if value.__module__ == module.__name__ or module is proxsparse.testing
    }
    assert listed == {*proxsparse.__all__, *functions, "PenaltyLoss", "ProxLayer", "as_denoiser"} - {
        "metrics",
        "phantoms",
        "testing",
    }


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            # a tutorial is made from a script
            source = re.sub(r"^auto_tutorials/(.*)$", r"tutorials/\1.py", target)
            assert (page.parent / source).exists(), f"{page.name}: {target}"


def test_the_source_shown_is_the_source():
    """A block headed by `# proxsparse/...` is, line for line, in that file."""
    shown = 0
    for page in PAGES:
        for block in blocks(page, "py"):
            first, *rest = block.splitlines()
            source = (ROOT / first.removeprefix("# ").strip()).read_text()
            assert "\n".join(rest).strip() in source, f"{page.name} shows what {first} no longer says"
            shown += 1
    assert shown >= 1


def modules():
    for found in pkgutil.walk_packages(proxsparse.__path__, "proxsparse."):
        if not found.name.endswith("__main__"):
            yield found.name


@pytest.mark.parametrize("name", list(modules()))
def test_docstring_examples_run(name):
    if name.startswith("proxsparse.torch"):
        pytest.importorskip("torch")
    assert doctest.testmod(importlib.import_module(name), optionflags=FLAGS).failed == 0


def test_the_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert 'python -m pip install ".[plot]" && python -m proxsparse demo' in text
    assert 'python -m pip install ".[test]" && python -m pytest' in text
    assert 'python -m pip install ".[docs]" && python -m sphinx -W' in text
    assert len(text.splitlines()) < 150


def test_the_table_in_the_readme_is_what_the_results_give():
    done = subprocess.run([sys.executable, "-m", "benchmarks.table", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
