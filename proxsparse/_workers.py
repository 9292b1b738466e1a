"""Threads for the length of one call; nothing outlives it, and no result depends on their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType


class Workers:
    """Runs calls that release the GIL and share nothing, at most `n` at a time; a context manager."""

    def __init__(self, n: int = 1) -> None:
        self.n = n
        # a pool at module level would hang after fork
        self._pool = ThreadPoolExecutor(n) if n > 1 else None

    def run(self, calls: Sequence[Callable[[], object]]) -> None:
        """Run all calls; raises what one of them raised, when all have ended."""
        if self._pool is None or len(calls) == 1:
            for call in calls:
                call()
            return
        futures = [self._pool.submit(call) for call in calls]
        wait(futures)
        for future in futures:
            future.result()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()


#: no threads
SERIAL = Workers()
