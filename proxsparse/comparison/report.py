"""Pictures and pages of a comparison: one self-contained HTML file, and matplotlib figures."""

from __future__ import annotations

import base64
import html
import io
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.numbers import Array
from ..metrics import support
from .columns import NEITHER, SUPPORT, cell, label, number, weights_of

if TYPE_CHECKING:
    from .result import Comparison

_PAGE = """
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1a1a1a; background: #fff; }
h1 { font: 600 1.5rem system-ui, sans-serif; }
"""
_STYLE = """
.proxsparse { font: 15px/1.45 system-ui, sans-serif; }
.proxsparse h2 { font-size: 1.15rem; margin-top: 2rem; }
.proxsparse table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
.proxsparse .wide { overflow-x: auto; }
.proxsparse :is(td, th) { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
.proxsparse th { border-bottom: 2px solid #888; vertical-align: bottom; font-weight: 600; white-space: normal; }
.proxsparse :is(td, th):first-child { text-align: left; }
.proxsparse tr.oracle td { opacity: .65; font-style: italic; }
.proxsparse tr.output td { background: rgba(255, 190, 60, .2); }
.proxsparse td.best { font-weight: 700; }
.proxsparse .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); gap: 1rem; }
.proxsparse figure { margin: 0; }
.proxsparse figcaption { font-size: 13px; margin-bottom: .3rem; min-height: 3em; }
.proxsparse figure img { width: 100%; display: block; margin-bottom: .3rem; border: 1px solid #ccc; box-sizing: border-box;
  image-rendering: pixelated; }
.proxsparse pre { border: 1px solid #ddd; padding: .8rem; overflow-x: auto; font-size: 12px; }
.proxsparse .verdict { font-size: 1.05rem; }
"""


def page(comparison: Comparison, images: int) -> str:
    """The whole page."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>proxsparse comparison</title><style>{_PAGE}</style></head>\n"
        "<body>\n<h1>Classical answers beside the model</h1>\n"
        f"{fragment(comparison, images)}\n</body></html>\n"
    )


def fragment(comparison: Comparison, images: int) -> str:
    """Tables and pictures, to stand in a page or a notebook."""
    parts = [f'<style>{_STYLE}</style><div class="proxsparse">', _verdict(comparison), _tables(comparison)]
    for i in range(min(images, len(comparison.images))):
        parts += [f"<h2>{html.escape(comparison.labels[i])}</h2>", _legend(comparison, i), _cards(comparison, i)]
    parts += [
        "<h2>How this was made</h2>",
        f"<pre>{html.escape(json.dumps(comparison.provenance, indent=1, default=str))}</pre>",
    ]
    return "\n".join([*parts, "</div>"])


def _verdict(comparison: Comparison) -> str:
    """In words: how the outputs stand to the best classical answer that has not seen the truth."""
    lines = [html.escape(line) for line in comparison.differences().strip().split("\n") if line]
    return "".join(f'<p class="verdict">{line}</p>' for line in lines)


def _tables(comparison: Comparison) -> str:
    """The answers and their quality, and their supports, means over the images."""
    quality = [c for c in comparison.ways if c not in SUPPORT]
    contiguity = [c for c in comparison.ways if c in SUPPORT]
    parts = ["<h2>Answers and quality</h2>", _table(comparison, quality, answers=True)]
    if contiguity:
        tol = comparison.provenance["support_tol"]
        parts += [f"<h2>Zeros, support (|x| &gt; {tol:.3g}) and contiguity</h2>", _table(comparison, contiguity, answers=False)]
    if len(comparison.images) > 1 and "psnr" in comparison.ways:
        parts += ["<h2>Each image</h2>", _each_image(comparison)]
    many = " Means and standard deviations over the images." if len(comparison.images) > 1 else ""
    return "\n".join([*parts, f"<p>Bold: the best that has not seen the truth; rows in italics have seen it.{many}</p>"])


def _each_image(comparison: Comparison) -> str:
    """PSNR of every image."""
    heads, lines = comparison.figures_by_image("psnr")
    rows = [("th", heads), *(("td", line) for line in lines)]
    cells = ["<tr>" + "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in line) + "</tr>" for tag, line in rows]
    return '<div class="wide"><table>' + "\n".join(cells) + "</table></div>"


def _table(comparison: Comparison, columns: list[str], answers: bool) -> str:
    """These metrics, and how the answers were made if that is asked for."""
    best = {c: comparison.best(c) for c in columns if comparison.ways[c] != NEITHER and _has_best(comparison, c)}
    means = {record["name"]: record for record in comparison.summary}
    made = ["weight", "by", "rel. gap"] if answers else []
    heads = ["", *(["kind"] if answers else []), *made, *map(label, columns), *(["seconds"] if answers else [])]
    lines = ["<tr>" + "".join(f"<th>{html.escape(h)}</th>" for h in heads) + "</tr>"]
    for name, record in means.items():
        mine = [r for r in comparison.table if r["name"] == name]
        cells = [(name, "")]
        if answers:
            cells += [
                (record["kind"], ""),
                (weights_of(mine), ""),
                (record["rule"], ""),
                (number(record["rel_gap"], ".1e"), ""),
            ]
        for column in columns:
            text = cell(column, record[column])
            is_best = column in best and text == cell(column, means[best[column]][column]) and record["kind"] != "oracle"
            spread = f" ± {cell(column, record[f'{column}_std'])}" if len(mine) > 1 and text else ""
            cells.append((text + spread, ' class="best"' if is_best and text else ""))
        if answers:
            cells.append((number(record["seconds"], ".3g"), ""))
        row = "".join(f"<td{style}>{html.escape(text)}</td>" for text, style in cells)
        lines.append(f'<tr class="{record["kind"]}">{row}</tr>')
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"


def _has_best(comparison: Comparison, column: str) -> bool:
    values = [np.mean(comparison.values(n, column)) for n in comparison.names if comparison.kind(n) != "oracle"]
    return bool(values) and not np.isnan(values).all()


def _legend(comparison: Comparison, i: int) -> str:
    low, high = _span(comparison, i)
    scale, tol = _error_scale(comparison, i), comparison.provenance["support_tol"]
    return (
        f"<p>Above: the image, from {low:.3g} (black) to {high:.3g} (white). Middle: its error, blue below the truth and red "
        f"above it, full colour at {scale:.3g}. Below: zeros in black, |x| &le; {tol:.3g}.</p>"
    )


def _cards(comparison: Comparison, i: int) -> str:
    """A column for the truth, the noisy image and every row: the image, its error, its support."""
    images, cards = comparison.images[i], []
    span, scale = _span(comparison, i), _error_scale(comparison, i)
    records = {r["name"]: r for r in comparison.table if r["image"] == i}
    for name in _shown(comparison, None):
        image = images[name]
        record = records.get(name)
        figures = "" if record is None or "psnr" not in record else f"<br>{record['psnr']:.2f} dB"
        if record is not None and "f1" in record:
            figures += f", F1 {record['f1']:.3f}"
        error = image.astype(np.float64) - images["truth"]
        pictures = [
            _gray(_flat(comparison, image), *span),
            _signed(_flat(comparison, error, worst=True), scale),
            _gray(_plane(_support(comparison, image)).astype(float), 0.0, 1.0),
        ]
        tags = "".join(
            f'<img alt="{what}" src="{_png(p)}">' for what, p in zip(("image", "error", "support"), pictures, strict=True)
        )
        cards.append(f"<figure><figcaption><b>{html.escape(name)}</b>{figures}</figcaption>{tags}</figure>")
    return f'<div class="cards">{"".join(cards)}</div>'


def _shown(comparison: Comparison, names: Sequence[str] | None) -> list[str]:
    """The truth, the noisy image, the outputs, the other rows; no oracle unless it is named."""
    if names is not None:
        return ["truth", "noisy", *names]
    rows = [n for n in comparison.names if comparison.kind(n) not in ("oracle", "input")]
    outputs = [n for n in rows if comparison.kind(n) == "output"]
    return ["truth", "noisy", *outputs, *(n for n in rows if n not in outputs)]


# -- arrays to look at -------------------------------------------------------------------------------------------------


def _axis(comparison: Comparison) -> int | None:
    axis = comparison.provenance["channel_axis"]
    return None if axis is None else int(axis)


def _plane(image: Array) -> Array:
    """Two axes to look at: a signal as a strip, the middle plane of a volume."""
    while image.ndim > 2:
        image = image[image.shape[0] // 2]
    return np.repeat(image[None], 16, axis=0) if image.ndim == 1 else image


def _flat(comparison: Comparison, image: Array, worst: bool = False) -> Array:
    """(rows, columns), or (rows, columns, 3) for colours to be shown as such; of errors the worst over the channels."""
    axis = _axis(comparison)
    if axis is None:
        return _plane(image)
    image = np.moveaxis(image, axis, -1)
    if worst:
        return _plane(np.take_along_axis(image, np.argmax(np.abs(image), axis=-1)[..., None], axis=-1)[..., 0])
    if image.shape[-1] != 3:
        return _plane(image.mean(axis=-1))
    return np.stack([_plane(image[..., c]) for c in range(3)], axis=-1)


def _support(comparison: Comparison, image: Array) -> Array:
    return support(image, comparison.provenance["support_tol"], channel_axis=_axis(comparison))


def _span(comparison: Comparison, i: int) -> tuple[float, float]:
    truth = comparison.images[i]["truth"]
    low, high = float(truth.min()), float(truth.max())
    return (low, high) if high > low else (low, low + comparison.provenance["data_range"])


def _error_scale(comparison: Comparison, i: int) -> float:
    """One scale for all: the 99th percentile of the largest error of a row that is not the noisy image."""
    images = comparison.images[i]
    shown = [n for n in comparison.names if comparison.kind(n) != "input"] or ["noisy"]
    return max(float(np.percentile(np.abs(images[n].astype(float) - images["truth"]), 99)) for n in shown) or 1.0


def _gray(image: Array, low: float, high: float) -> Array:
    return np.asarray(np.rint(255 * np.clip((image - low) / (high - low), 0, 1)), np.uint8)


def _signed(error: Array, scale: float) -> Array:
    """Blue for less, white for none, red for more."""
    t = np.clip(error / scale, -1, 1)
    red, blue, both = np.where(t < 0, 1 + t, 1.0), np.where(t > 0, 1 - t, 1.0), 1 - np.abs(t)
    return np.asarray(np.rint(255 * np.stack([red, both, blue], axis=-1)), np.uint8)


def _png(image: Array) -> str:
    """The picture as the text of a link."""
    import imageio.v3

    file = io.BytesIO()
    imageio.v3.imwrite(file, image, extension=".png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


# -- matplotlib --------------------------------------------------------------------------------------------------------


def figure(comparison: Comparison, i: int, names: Sequence[str] | None) -> Any:
    """See `Comparison.plot`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('plot needs matplotlib: pip install "proxsparse[plot]"') from error
    if not 0 <= i < len(comparison.images):
        raise ValueError(f"image must be one of 0 to {len(comparison.images) - 1}, got {i}")
    shown = _shown(comparison, names)
    images = comparison.images[i]
    for name in shown:
        if name not in images:
            raise ValueError(f"no row {name!r}; there are {comparison.names}")
    psnr = {r["name"]: r.get("psnr", math.nan) for r in comparison.table if r["image"] == i}
    low, high = _span(comparison, i)
    scale = _error_scale(comparison, i)
    canvas, axes = plt.subplots(4, len(shown), figsize=(2.1 * len(shown), 8.8), layout="constrained", squeeze=False)
    zoom = _busiest(_flat(comparison, images["truth"], worst=True))
    for column, name in zip(axes.T, shown, strict=True):
        image = _flat(comparison, images[name])
        difference = _flat(comparison, images[name].astype(np.float64) - images["truth"], worst=True)
        whole = image if image.ndim == 2 else np.clip((image - low) / (high - low), 0, 1)
        column[0].imshow(whole, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        column[1].imshow(whole[zoom], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        column[2].imshow(difference, cmap="bwr", vmin=-scale, vmax=scale, interpolation="nearest")
        column[3].imshow(_plane(_support(comparison, images[name])), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        figures = psnr.get("none" if name == "noisy" else name, math.nan)
        column[0].set_title(name + ("" if math.isnan(figures) else f"\n{figures:.2f} dB"), fontsize=10)
        edge = [zoom[0].start - 0.5, zoom[0].stop - 0.5], [zoom[1].start - 0.5, zoom[1].stop - 0.5]
        column[0].plot([edge[1][k] for k in (0, 1, 1, 0, 0)], [edge[0][k] for k in (0, 0, 1, 1, 0)], color="C1", linewidth=1)
    tol = comparison.provenance["support_tol"]
    for row, what in zip(
        axes, ("image", "zoomed", f"error, full at {scale:.2g}", f"zeros (black), |x| ≤ {tol:.2g}"), strict=True
    ):
        row[0].set_ylabel(what, fontsize=10)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    return canvas


def _busiest(plane: Array) -> tuple[slice, slice]:
    """The window of a quarter of the sides in which the truth varies most."""
    sides = [max(1, n // 4) for n in plane.shape]
    windows = np.lib.stride_tricks.sliding_window_view(plane, sides)[:: max(1, sides[0] // 4), :: max(1, sides[1] // 4)]
    best = np.unravel_index(np.argmax(windows.std(axis=(2, 3))), windows.shape[:2])
    first = [int(b) * max(1, side // 4) for b, side in zip(best, sides, strict=True)]
    return slice(first[0], first[0] + sides[0]), slice(first[1], first[1] + sides[1])
