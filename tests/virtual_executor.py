"""An executor on a virtual clock: trials take the seconds they are told to, and end in that order."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from strategy_optimizer.tasks.executors import Executor, Outcome, Usage


class VirtualExecutor(Executor):
    """Runs the function at once, and lets its outcome come out when its time has passed on the virtual clock."""

    def __init__(self, function: Callable[[Any], Any], workers: int, seconds: Callable[[int], float]) -> None:
        self.workers = self.capacity = workers
        self.clock = 0.0
        self.busy_seconds = 0.0
        self._function = function
        self._seconds = seconds
        self._running: list[tuple[float, int, Outcome]] = []

    def submit(self, number: int, argument: Any) -> None:
        seconds = self._seconds(number)
        self.busy_seconds += seconds
        try:
            outcome = Outcome(number, self._function(argument), seconds=seconds)
        except ValueError as error:
            outcome = Outcome(number, None, "raised", str(error), seconds)
        heapq.heappush(self._running, (self.clock + seconds, number, outcome))

    def wait(self, timeout: float | None = None) -> list[Outcome]:
        if not self._running:
            return []
        self.clock, _, outcome = heapq.heappop(self._running)
        return [outcome]

    @property
    def in_flight(self) -> int:
        return len(self._running)

    def usage(self) -> Usage:
        return Usage(self.capacity, len(self._running))

    def close(self) -> None:
        self._running.clear()
