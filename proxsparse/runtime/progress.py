"""How far a solve has come: a bar where tqdm is installed, plain lines elsewhere, on standard error."""

from __future__ import annotations

import math
import sys
from typing import Any


class Progress:
    """Decades of the relative gap fallen, out of those down to the tolerance."""

    def __init__(self, tol: float, shown: bool) -> None:
        self.tol, self.shown = tol, shown
        self.first: float | None = None
        self.bar: Any = None
        if shown:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed} {postfix}")

    def show(self, nit: int, rel_gap: float, name: str = "relative gap") -> None:
        """Show a check, of that measure."""
        text = f"iteration {nit}, {name} {rel_gap:.2e}"
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.n = round(100 * self._share(rel_gap))
            self.bar.refresh()
        elif self.shown:
            sys.stderr.write(text + "\n")

    def _share(self, rel_gap: float) -> float:
        if rel_gap <= self.tol:
            return 1.0
        if self.tol == 0 or not math.isfinite(rel_gap):
            return 0.0
        self.first = max(self.first or 0.0, rel_gap)
        return max(0.0, math.log(self.first / rel_gap) / math.log(self.first / self.tol))

    def close(self) -> None:
        """End the display."""
        if self.bar is not None:
            self.bar.close()


class Steps:
    """How many of so many steps are done: a bar where tqdm is installed, plain lines elsewhere; a context manager."""

    def __init__(self, total: int, shown: bool) -> None:
        self.total, self.shown, self.done, self.bar = total, shown, 0, None
        if shown:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self.bar = tqdm(total=total)

    def step(self, name: str, n: int = 1) -> None:
        """So many more, and what the last was."""
        self.done += n
        if self.bar is not None:
            self.bar.set_postfix_str(name, refresh=False)
            self.bar.update(n)
        elif self.shown:
            sys.stderr.write(f"{self.done}/{self.total} {name}\n")

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
