"""What any worker does now and then for all: it ends what nobody goes on with, and removes what is not kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.service_logs import of_task
from strategy_optimizer.storage import Store
from strategy_optimizer.workers.presence import Presence

LOG = logging.getLogger("strategy_optimizer.worker")
WATCH = 1.0
"""Seconds between two looks for workers of this machine that died, and for lost tasks to end."""
TIDY = 3600.0


@dataclass
class Duty:
    """Something to do again and again.

    Attributes
    ----------
    name : str
    every : float
        Seconds.
    work : callable
        Whatever it raises is logged, and it is done again the next time: the other duties are not to suffer.
    """

    name: str
    every: float
    work: Callable[[], object]
    due: float = 0.0


class Caretaker(threading.Thread):
    """Does duties, one at a time, each in its rhythm.

    Parameters
    ----------
    duties : sequence of Duty
    """

    def __init__(self, duties: Sequence[Duty]) -> None:
        super().__init__(name="caretaker", daemon=True)
        self._duties = duties
        self._is_over = threading.Event()

    def run(self) -> None:
        """Do what is due until it is enough."""
        while not self._is_over.wait(WATCH / 2):
            for duty in self._duties:
                if time.monotonic() >= duty.due and not self._is_over.is_set():
                    self._do(duty)

    def stop(self) -> None:
        """Do no more."""
        self._is_over.set()
        if self.is_alive():
            self.join(5.0)

    def _do(self, duty: Duty) -> None:
        try:
            duty.work()
        except StrategyOptimizerError as error:
            LOG.warning("%s: %s", duty.name, error)
        except Exception:
            LOG.exception("%s: a fault of the program", duty.name)
        duty.due = time.monotonic() + duty.every


def upkeep(store: Store, presence: Presence) -> list[Duty]:
    """Return the duties that keep the queue going and the store small.

    Parameters
    ----------
    store : Store
    presence : Presence
        Of the worker that does them.
    """

    def end_lost() -> None:
        for task in store.queue.settle():
            text = "%s: %s, its worker %s went silent"
            LOG.warning(text, task.id, task.state, task.worker, extra=of_task(task.id))

    def bury_dead() -> None:
        for name in presence.dead():
            for task in store.queue.reclaim(name, "the worker died"):
                text = "%s: %s, its worker %s died"
                LOG.warning(text, task.id, task.state, name, extra=of_task(task.id))

    return [
        Duty("lost tasks", WATCH, end_lost),
        Duty("dead workers", WATCH, bury_dead),
        Duty("tidying", TIDY, store.tidy),
    ]
