"""Runs one trial after the other in this process: for tests, debuggers, and functions that cannot be sent."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.base import Executor, Outcome, Usage
from strategy_optimizer.tasks.executors.child.words import error_text
from strategy_optimizer.tasks.executors.child.worker import call, details_of


class SerialExecutor(Executor):
    """Runs the function in the calling thread, when `wait` is called.

    Parameters
    ----------
    function : callable
        Of one argument. What it raises is an outcome; a crash or an endless loop is not survived.
    """

    workers = capacity = 1
    runs_here = True

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self._waiting: deque[tuple[int, Any]] = deque()
        self._is_closed = False
        self._began = time.process_time()

    def submit(self, number: int, argument: Any) -> None:
        """Note the run for the next `wait`."""
        if self._is_closed:
            raise ExecutorError("the executor is closed; make another one")
        self._waiting.append((number, argument))

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        """Run the oldest one that waits, however long it takes."""
        if not self._waiting:
            return []
        number, argument = self._waiting.popleft()
        begin = time.perf_counter()
        try:
            value = call(self._function, argument)
        except KeyboardInterrupt:  # the caller's
            raise
        except BaseException as error:
            seconds = time.perf_counter() - begin
            details = details_of(error)
            return [Outcome(number, None, "raised", error_text(error), seconds, self._name, details)]
        return [Outcome(number, value, seconds=time.perf_counter() - begin, worker=self._name)]

    @property
    def in_flight(self) -> int:
        """Runs that wait."""
        return len(self._waiting)

    def usage(self) -> Usage:
        """Return the processor time of this process."""
        return Usage(1, 0, cpu_seconds=time.process_time() - self._began)

    def close(self) -> None:
        """Forget what waits."""
        self._is_closed = True
        self._waiting.clear()

    @property
    def _name(self) -> str:
        return f"process {os.getpid()}"
