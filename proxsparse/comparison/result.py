"""What `compare` returns: records, means, paired differences, tables."""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.checks import unknown
from ..arrays.numbers import Array
from ..result import SolveResult
from . import report
from .columns import MADE, METRICS, NEITHER, SHORT, cell, label, markdown, number, weights_of

#: resamples and seed of the bootstrap
_RESAMPLES, _SEED = 2000, 0


@dataclasses.dataclass(repr=False, eq=False)
class Comparison:
    """What `compare` returns.

    Attributes
    ----------
    table : list of dict
        One record for each image and row: image, name, kind ("input", "classical", "oracle", "baseline" or "output"),
        weight, rule, rel_gap, certified, nit, seconds, and every metric.
    images : list of dict
        For each image: "truth", "noisy", and the answer of every row.
    results : list of dict
        For each image: the `SolveResult` of every classical row.
    provenance : dict
        Versions, seeds, noise, data_range, support_tol, parameters; the weights, rules and gaps of every row.
    ways : dict
        Name of every metric -> 1 where more is better, -1 where less is, 0 where that depends on the truth.
    labels : list of str
        What each image is called in tables, pages and CSV: "image 0" and so on, or its file's name.
    """

    table: list[dict[str, Any]]
    images: list[dict[str, Array]]
    results: list[dict[str, SolveResult]]
    provenance: dict[str, Any]
    ways: dict[str, int]
    labels: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.labels = self.labels or [f"image {i}" for i in range(len(self.images))]

    @property
    def names(self) -> list[str]:
        """The rows, in order."""
        return list(dict.fromkeys(record["name"] for record in self.table))

    def kind(self, name: str) -> str:
        """The kind of a row: "input", "classical", "oracle", "baseline" or "output"."""
        return next(str(record["kind"]) for record in self.table if record["name"] == name)

    def values(self, name: str, column: str) -> Array:
        """A column of one row, over the images."""
        return np.array([record[column] for record in self.table if record["name"] == name], dtype=np.float64)

    def _rules(self, name: str) -> str:
        """How the weights of a row were found, over the images."""
        return ", ".join(dict.fromkeys(record["rule"] for record in self.table if record["name"] == name))

    @functools.cached_property
    def summary(self) -> list[dict[str, Any]]:
        """One record a row: mean and standard deviation over the images of every metric and of the seconds; the largest gap."""
        records = []
        for name in self.names:
            record: dict[str, Any] = {"name": name, "kind": self.kind(name), "rule": self._rules(name)}
            record["rel_gap"] = float(np.max(self.values(name, "rel_gap")))
            for column in ("seconds", *self.ways):
                values = self.values(name, column)
                # a perfect image has an infinite PSNR, and no spread
                with np.errstate(invalid="ignore"):
                    record[column] = float(np.mean(values))
                    record[f"{column}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            records.append(record)
        return records

    def best(self, metric: str = "psnr", kind: str | None = None) -> str:
        """The name of the row with the best mean; of all kinds but "oracle" unless a kind is asked for.

        Raises
        ------
        ValueError
            A metric that is not there, or that has no better and worse; no row of that kind.
        """
        if metric not in self.ways:
            raise unknown("metric", metric, self.ways)
        if self.ways[metric] == NEITHER:
            raise ValueError(f"{metric!r} has no better and worse: what it should be depends on the truth")
        chosen = [name for name in self.names if (self.kind(name) != "oracle" if kind is None else self.kind(name) == kind)]
        means = {name: self.ways[metric] * float(np.mean(self.values(name, metric))) for name in chosen}
        means = {name: mean for name, mean in means.items() if not math.isnan(mean)}
        if not means:
            raise ValueError(f"no row of kind {kind!r} has {metric!r}")
        return max(means, key=lambda name: means[name])

    def paired(self, metric: str = "psnr", against: str | None = None) -> list[dict[str, Any]]:
        """Return the differences of a metric, image by image, between every other row and the row `against`.

        Parameters
        ----------
        metric : str
            The metric.
        against : str, optional
            A row; by default the classical row with the best mean over these same images, which is a little hard on the others.

        Returns
        -------
        list of dict
            name, against, mean of the differences, low and high of the 95 % percentile bootstrap interval of that mean
            (Efron 1979; 2000 seeded resamples of the images), and the share of images where it is better. With one image the
            interval is NaN.
        """
        if metric not in self.ways:
            raise unknown("metric", metric, self.ways)
        if against is None and self.ways[metric] == NEITHER:
            raise ValueError(f"{metric!r} has no better and worse: say which row with against=")
        against = self.best(metric, "classical") if against is None else against
        if against not in self.names:
            raise unknown("row", against, self.names)
        base = self.values(against, metric)
        n = len(base)
        drawn = np.random.default_rng(_SEED).integers(0, n, (_RESAMPLES, n))
        records = []
        for name in self.names:
            if name == against:
                continue
            values = self.values(name, metric)
            # two perfect images differ by nothing
            with np.errstate(invalid="ignore"):
                difference = np.where(values == base, 0.0, values - base)
                # percentiles by sorting: infinity goes through
                means = np.sort(difference[drawn].mean(axis=1))
            low, high = (means[round(q * (_RESAMPLES - 1))] if n > 1 else math.nan for q in (0.025, 0.975))
            better = float(np.mean(self.ways[metric] * difference > 0)) if self.ways[metric] else math.nan
            figures = {"mean": float(difference.mean()), "low": float(low), "high": float(high), "better": better}
            records.append({"name": name, "against": against} | figures)
        return records

    # -- tables ------------------------------------------------------------------------------------------------------

    def to_markdown(self, columns: Sequence[str] | None = None, width: int | None = None) -> str:
        """The rows as a Markdown table, means over the images, and for several images the outputs' paired differences.

        Parameters
        ----------
        columns : sequence of str, optional
            Metrics; a short choice by default.
        width : int, optional
            Columns are left out, the least telling first, and long names cut, until no line has more characters than this.
        """
        chosen = (
            [c for c in SHORT if c in self.ways] + [c for c in self.ways if c not in METRICS] if columns is None else columns
        )
        for column in chosen:
            if column not in self.ways:
                raise unknown("metric", column, self.ways)
        cells: dict[str, list[str]] = {"": [], **{name: [] for name in MADE}, **{c: [] for c in chosen}, "seconds": []}
        for record in self.summary:
            mine = [r for r in self.table if r["name"] == record["name"]]
            made = (record["kind"], weights_of(mine), record["rule"], number(record["rel_gap"], ".1e"))
            for column, text in zip(
                ("", *MADE, "seconds"), (record["name"], *made, number(record["seconds"], ".3g")), strict=True
            ):
                cells[column].append(text)
            for column in chosen:
                text, spread = cell(column, record[column]), len(mine) > 1
                cells[column].append(f"{text} ± {cell(column, record[f'{column}_std'])}" if spread and text else text)
        tol = self.provenance["support_tol"]
        zeros = np.mean([np.mean(np.abs(images["truth"]) <= tol) for images in self.images]) > 0.05
        least = _LEAST_WITH_ZEROS if zeros else _LEAST
        table = _fitted({c if c in MADE else label(c): own for c, own in cells.items()}, width, least)
        said = self.differences()
        if width is not None:
            said = "\n".join(textwrap.fill(line, width) for line in said.split("\n"))
        return "\n\n".join(filter(None, [table, said]))

    def by_image(self, metric: str = "psnr", width: int | None = None) -> str:
        """A metric of every image as a Markdown table: of the noisy image, the best classical row and the outputs."""
        heads, lines = self.figures_by_image(metric)
        return _fitted({head: [line[k] for line in lines] for k, head in enumerate(heads)}, width)

    def figures_by_image(self, metric: str = "psnr") -> tuple[list[str], list[list[str]]]:
        """The heads and the lines of `by_image`."""
        if metric not in self.ways:
            raise unknown("metric", metric, self.ways)
        rows = [name for name in self.names if self.kind(name) in ("input", "output")]
        if self.ways[metric] != NEITHER and any(self.kind(name) == "classical" for name in self.names):
            rows.append(self.best(metric, "classical"))
        rows = [name for name in self.names if name in rows]
        columns = [self.values(name, metric) for name in rows]
        lines = [[name, *(cell(metric, values[i]) for values in columns)] for i, name in enumerate(self.labels)]
        return [label(metric), *rows], lines

    def differences(self) -> str:
        """The outputs beside the best classical answer, in words; empty where there is nothing to set side by side."""
        outputs = [name for name in self.names if self.kind(name) == "output"]
        if not outputs or "psnr" not in self.ways or not any(self.kind(name) == "classical" for name in self.names):
            return ""
        lines = []
        for record in self.paired("psnr"):
            if record["name"] in outputs:
                span = "" if math.isnan(record["low"]) else f" (95 % interval {record['low']:+.2f} to {record['high']:+.2f})"
                share = "" if len(self.images) == 1 else f", better on {100 * record['better']:.0f} % of the images"
                lines.append(f"{record['name']} - {record['against']}: {record['mean']:+.2f} dB PSNR{span}{share}")
        return "\n".join(lines)

    def csv(self) -> str:
        """`table` as comma-separated values, all columns; the weights of a sum joined by spaces."""
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, list(self.table[0]))
        writer.writeheader()
        for record in self.table:
            weight = "" if record["weight"] is None else " ".join(map(repr, np.atleast_1d(record["weight"]).tolist()))
            writer.writerow(record | {"image": self.labels[record["image"]], "weight": weight})
        return file.getvalue()

    def page(self, images: int = 3) -> str:
        """One self-contained HTML page: tables, pictures, error maps, supports, provenance; of that many images."""
        return report.page(self, images)

    def to_csv(self, path: str | Path) -> None:
        """Write `csv()` to a file, which is replaced where it exists."""
        Path(path).write_text(self.csv(), encoding="utf-8", newline="")

    def to_html(self, path: str | Path, images: int = 3) -> None:
        """Write `page()` to a file, which is replaced where it exists; needs no network to look at."""
        Path(path).write_text(self.page(images), encoding="utf-8")

    def plot(self, image: int = 0, names: Sequence[str] | None = None) -> Any:
        """Draw images, error maps on one scale, support maps and a zoomed inset; returns the matplotlib figure.

        Parameters
        ----------
        image : int
            Which image.
        names : sequence of str, optional
            Rows; all but the oracle's by default.
        """
        return report.figure(self, image, names)

    def __repr__(self) -> str:
        noise = self.provenance["noise"]
        head = f"Comparison of {len(self.names)} rows on {self._of_what()}; noise {noise}; "
        return head + f"data_range {self.provenance['data_range']:g}\n\n" + self.to_markdown()

    def _of_what(self) -> str:
        """How many images of which shape, and whether they are signals, images or volumes."""
        n, shapes = len(self.images), sorted({images["truth"].shape for images in self.images})
        axes = len(shapes[0]) - (self.provenance["channel_axis"] is not None)
        kind = {1: "signal", 2: "image", 3: "volume"}[axes]
        shape = "x".join(map(str, shapes[0])) if len(shapes) == 1 else f"{len(shapes)} shapes"
        return f"{n} {kind}{'s' if n > 1 else ''} of {shape}"

    def _repr_html_(self) -> str:
        return report.fragment(self, 1)


#: left out of a table that would be too wide, the first first: of images with zeros, and of others
_LEAST_WITH_ZEROS = (
    "kind",
    "morans_i",
    "rel. gap",
    "by",
    "seconds",
    "weight",
    "isolated_share",
    "ssim",
    "components",
    "zero_share",
)
_LEAST = ("kind", "morans_i", "isolated_share", "components", "f1", "rel. gap", "by", "zero_share", "weight", "seconds", "ssim")
#: characters of a name in a table of limited width
_NAME = 24


def _fitted(columns: dict[str, list[str]], width: int | None, least: Sequence[str] = ()) -> str:
    """A table of these columns; where it would be wider with names cut and columns left out, these first."""
    names = list(columns)
    if width is not None and len(_table(columns, names).split("\n")[0]) > width:
        cut = [text if len(text) <= _NAME else f"{text[: _NAME - 1]}…" for text in columns[names[0]]]
        columns = columns | {names[0]: cut}
        order = iter([*(label(name) if name in METRICS else name for name in least), *reversed(names[2:])])
        while len(_table(columns, names).split("\n")[0]) > width and len(names) > 2:
            left_out = next(order)
            names = [name for name in names if name != left_out]
    return _table(columns, names)


def _table(columns: dict[str, list[str]], names: list[str]) -> str:
    return markdown([names, *map(list, zip(*(columns[name] for name in names), strict=True))])
