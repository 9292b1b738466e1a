"""The columns of a comparison: its metrics, which way is better, and how their numbers are written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

#: every metric, and which way is better
HIGHER, LOWER, NEITHER = 1, -1, 0
METRICS: dict[str, int] = {
    "mse": LOWER,
    "mae": LOWER,
    "psnr": HIGHER,
    "ssim": HIGHER,
    "zero_share": NEITHER,
    "precision": HIGHER,
    "recall": HIGHER,
    "f1": HIGHER,
    "iou": HIGHER,
    "components": NEITHER,
    "isolated_share": LOWER,
    "largest_share": NEITHER,
    "boundary_per_area": NEITHER,
    "morans_i": NEITHER,
}
#: of these those that are about the support
SUPPORT = tuple(name for name in METRICS if name not in ("mse", "mae", "psnr", "ssim"))
#: the columns that say how a row was made
MADE = ("kind", "weight", "by", "rel. gap")
#: the columns of a short table
SHORT = ("psnr", "ssim", "zero_share", "f1", "components", "isolated_share", "morans_i")


def label(column: str) -> str:
    """The head of a column."""
    names = {"psnr": "PSNR dB", "ssim": "SSIM", "f1": "F1", "iou": "IoU", "zero_share": "zeros %"}
    plain = column.removesuffix("_share") + " %" if column in _SHARES else column.replace("_", " ")
    return names.get(column, plain)


#: shown as per cent
_SHARES = ("zero_share", "isolated_share", "largest_share")
_FORMATS = {"psnr": ".2f", "components": ".0f", "mse": ".2e", "mae": ".2e"}


def cell(column: str, value: float) -> str:
    """A metric as text; NaN is empty."""
    if column in _SHARES:
        return number(100 * value, ".1f")
    return number(value, _FORMATS.get(column, ".3f" if column in METRICS else ".4g"))


def number(value: float, form: str) -> str:
    """A number as text; NaN is empty."""
    return "" if math.isnan(value) else format(value, form)


def weights_of(records: list[dict[str, Any]]) -> str:
    """The weights of a row; over several images their smallest and largest."""
    known = [np.atleast_1d(r["weight"]) for r in records if r["weight"] is not None]
    if not known:
        return ""
    low, high = np.min(known, axis=0), np.max(known, axis=0)
    return " + ".join(f"{a:.3g}" if a == b else f"{a:.3g}..{b:.3g}" for a, b in zip(low, high, strict=True))


def markdown(lines: list[list[str]]) -> str:
    """A table whose columns line up."""
    # a bar would end a cell
    lines = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruled = [lines[0], ["-" * w for w in widths], *lines[1:]]
    return "\n".join("| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in ruled)
