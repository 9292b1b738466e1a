"""Threads for the length of one call; nothing outlives it, and no result depends on their number."""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType


class _Interrupted(BaseException):
    """Ends a call in a helping thread, where no signal arrives."""


def short_calls(units: int, size: int, most: int) -> Iterator[tuple[int, int]]:
    """Where calls of a kernel begin and end that work so many units of that size, no more than `most` in a call."""
    at_once = max(1, most // size)
    for begin in range(0, units, at_once):
        yield begin, min(begin + at_once, units)


class Workers:
    """Runs calls that release the GIL and share nothing, at most `n` at a time; a context manager."""

    def __init__(self, n: int = 1) -> None:
        self.n = n
        # a pool at module level would hang after fork; the calling thread is one of the n
        self._pool = ThreadPoolExecutor(n - 1) if n > 1 else None

    def run(self, calls: Sequence[Callable[[], object]]) -> None:
        """Run all calls; raises what one of them raised, when all have ended. Ctrl-C ends those in other threads too."""
        if self._pool is None or len(calls) == 1:
            for call in calls:
                call()
            return
        waiting = deque(calls)
        lock, running = threading.Lock(), set[int]()

        def _next() -> Callable[[], object] | None:
            try:
                return waiting.popleft()
            except IndexError:
                return None

        def _work() -> None:
            try:
                while (call := _next()) is not None:
                    call()
            except BaseException:
                # an error or Ctrl-C: what has not begun is not begun any more
                waiting.clear()
                raise

        def _help() -> None:
            with lock:
                running.add(threading.get_ident())
            try:
                _work()
            finally:
                # whoever holds the lock may still interrupt this thread, and no later call of it
                with lock:
                    running.discard(threading.get_ident())

        def _interrupt() -> None:
            with lock:
                for thread in running:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(_Interrupted))

        helpers: list[Future[None]] = []
        try:
            helpers += (self._pool.submit(_help) for _ in range(min(self.n, len(calls)) - 1))
            _work()
            wait(helpers)
        except BaseException as error:
            waiting.clear()
            if not isinstance(error, Exception):
                _interrupt()
            wait(helpers)
            raise
        for helper in helpers:
            helper.result()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._pool is not None:
            self._pool.shutdown()


#: no threads
SERIAL = Workers()
