"""Kills a pool's processes at random instants while it works."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil

from strategy_optimizer.tasks.executors import Executor, Outcome


class Killer:
    """Kills one process after every few outcomes, a moment later that nobody chose.

    Parameters
    ----------
    every : int
        Outcomes between two kills: a worker has time to begin.
    most : int
        Kills.
    guards : bool
        Whether guards are killed as well as workers and what these started.
    """

    def __init__(self, every: int, most: int, guards: bool, seed: int = 0) -> None:
        self.killed = 0
        self.outcomes = 0
        self._every, self._most, self._guards = every, most, guards
        self._chance = random.Random(seed)
        self._is_over = threading.Event()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Kill until the block ends."""
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()

    def _work(self) -> None:
        while self.killed < self._most and not self._is_over.is_set():
            if self.outcomes < self._every * (self.killed + 1):
                time.sleep(0.002)
                continue
            time.sleep(0.05 * self._chance.random())
            found = self._victims()
            if found:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._chance.choice(found).kill()
                    self.killed += 1

    def _victims(self) -> list[psutil.Process]:
        guards = psutil.Process().children()
        found = list(guards) if self._guards else []
        for guard in guards:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += guard.children(recursive=True)
        return found


def run_under_fire(executor: Executor, killer: Killer, arguments: list[Any]) -> list[Outcome]:
    """Return all outcomes as they were delivered."""
    delivered: list[Outcome] = []
    waiting = list(enumerate(arguments))[::-1]
    with killer.at_work():
        while waiting or executor.in_flight:
            while waiting and executor.in_flight < executor.capacity:
                executor.submit(*waiting.pop())
            delivered += executor.wait(timeout=60.0)
            killer.outcomes = len(delivered)
    return delivered
