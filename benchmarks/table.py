"""The README's table from benchmarks/results/peers.json, between its markers: ``python -m benchmarks.table [--check]``."""

import json
import sys
from pathlib import Path

from .run import RESULTS

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def table(results):
    """Markdown: for each task and target ours, certified, and the fastest peer with what it takes longer."""
    lines = ["| task | accuracy | proxsparse | certified | fastest peer | ratio |", "|---|---|---|---|---|---|"]
    for name, entry in results["tasks"].items():
        for target, found in entry["targets"].items():
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


def with_table(text, results):
    """The text with what stands between the markers replaced."""
    machine = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    about = f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}; {versions}. Not installed: "
    about += ", ".join(machine["not installed"]) or "none"
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table(results)}\n\n{about}.\n{END}{rest.split(END)[1]}"


def main(*flags):
    results = json.loads((RESULTS / "peers.json").read_text())
    text = README.read_text()
    generated = with_table(text, results)
    if "--check" in flags:
        sys.exit(
            0 if generated == text else "README.md does not hold the table that the results give: python -m benchmarks.table"
        )
    README.write_text(generated)
    sys.stdout.write(table(results) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
