"""What holds for all of the problems that one call solves in turn: its time, and its callback's word."""

from __future__ import annotations

import time
from typing import Any

from ..result import SolveResult


class Stages:
    """The time that is left of a call, and whether its callback has stopped it."""

    def __init__(self, options: dict[str, Any] | None, callback: Any) -> None:
        self._began, self._options, self._callback = time.perf_counter(), options or {}, callback
        self.stopped = False

    @property
    def seconds(self) -> float:
        """Since the call began."""
        return time.perf_counter() - self._began

    def options(self, *names: str) -> dict[str, Any]:
        """The call's options, or those of these names, with the time that is left."""
        options = {name: value for name, value in self._options.items() if not names or name in names}
        if "maxtime" in options:
            options["maxtime"] = max(options["maxtime"] - self.seconds, 1e-9)
        return options

    @property
    def callback(self) -> Any:
        """The callback, which is heard also where it stops a stage that is at its end anyway."""
        return None if self._callback is None else self._heard

    def _heard(self, intermediate_result: SolveResult) -> None:
        try:
            self._callback(intermediate_result)
        except StopIteration:
            self.stopped = True
            raise

    def over(self, found: SolveResult) -> bool:
        """Whether no stage may follow this one: time is up, the callback said so, or numbers are not finite any more."""
        return self.stopped or found.status in (2, 3, 5)
