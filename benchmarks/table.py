"""The tables of README (some tasks to their last accuracy) and docs/speed.md (all), from benchmarks/results/peers.json.

Between their markers: ``python -m benchmarks.table [--check]``.
"""

import json
import sys
from pathlib import Path

from .run import RESULTS

ROOT = Path(__file__).parents[1]
#: what README shows
FEW = (
    "rof-iso 512 0.1 float32",
    "rof-aniso 512 0.1 float32",
    "l1+tv 512 float32",
    "windows 3x3 stride 1 512 float32",
    "inpaint 256 float32",
    "small 28 0.1 float32",
)
#: page -> whether it holds all tasks and accuracies
PAGES = {ROOT / "README.md": False, ROOT / "docs" / "speed.md": True}


def filled(text, name, content):
    """The page with the content between its two marks of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, rest = text.split(begin)
    return f"{head}{begin}\n{content}\n{end}{rest.split(end)[1]}"


def table(results, whole):
    """Markdown: of all tasks and targets, or few and the last, ours, certified, the fastest peer and its ratio to ours."""
    lines = ["| task | accuracy | proxsparse | certified | fastest peer | ratio |", "|---|---|---|---|---|---|"]
    for name in results["tasks"] if whole else FEW:
        entry = results["tasks"][name]
        targets = list(entry["targets"].items())
        for target, found in targets if whole else targets[-1:]:
            certified = found["proxsparse, certified"]["seconds_min"]
            own = min(certified, found.get("proxsparse", found["proxsparse, certified"])["seconds_min"])
            peers = {k: v["seconds_min"] for k, v in found.items() if not k.startswith("proxsparse")}
            fastest = min(peers, key=peers.get, default=None)
            limit = entry.get("limit", 30)
            theirs = f"none in {limit:g} s a call" if fastest is None else f"{fastest} {_seconds(peers[fastest])}"
            ratio = "" if fastest is None else f"{peers[fastest] / own:.2g}"
            lines.append(f"| {name} | {target} | {_seconds(own)} | {_seconds(certified)} | {theirs} | {ratio} |")
    return "\n".join(lines)


def _seconds(seconds):
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"


def with_table(text, results, whole):
    """The text with what stands between the markers replaced."""
    machine = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    about = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}; {versions}. Not installed: "
    about += ", ".join(machine["not installed"]) or "none"
    return filled(text, "benchmarks", f"{table(results, whole)}\n\n{about}.")


def main(*flags):
    results = json.loads((RESULTS / "peers.json").read_text())
    stale = []
    for page, whole in PAGES.items():
        text = page.read_text()
        generated = with_table(text, results, whole)
        if generated != text:
            stale.append(page.name)
        if "--check" not in flags:
            page.write_text(generated)
    if "--check" in flags:
        sys.exit(f"{', '.join(stale)}: not the table that the results give; python -m benchmarks.table" if stale else 0)
    sys.stdout.write(table(results, True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
