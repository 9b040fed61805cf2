"""The checkpoint of a search that lies in the store, under the lease of its worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from strategy_optimizer.plain import as_plain
from strategy_optimizer.storage import NewEvent
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.tasks.checkpoint import INTERVAL
from strategy_optimizer.tasks.checkpoint_folder import check_identity
from strategy_optimizer.workers.store_writer import StoreWriter


class LeaseCheckpoint:
    """Saves a search into the store and brings it back; see `SearchCheckpoint`.

    Parameters
    ----------
    writer : StoreWriter
        Who writes it. `save` returns at once.
    identity : mapping
        What must not change between sessions, as JSON values.
    """

    def __init__(self, writer: StoreWriter, identity: Mapping[str, Any]) -> None:
        self.identity = as_plain(identity)
        self._writer = writer
        self._last = -float("inf")
        self._best: int | None = None

    @property
    def place(self) -> str:
        """The task's name in the store."""
        return f"of the task {self._writer.lease.task.id}"

    @property
    def size(self) -> int:
        """Not known: trials are compressed when they are written."""
        return 0

    def load(self, history: TrialHistory) -> Mapping[str, Any] | None:
        """Fill `history` and return the state that was saved with it; None when the search is new.

        Raises
        ------
        CheckpointError
            When the task is another one now: other code, other data, another version of this package.
        """
        store, task_id = self._writer.store, self._writer.lease.task.id
        record = store.trials.load(task_id, history)
        if record is None:
            return None
        check_identity(self.place, record.state["identity"], self.identity)
        self._best = history.best
        if len(history):
            self._writer.tell(NewEvent("note", {"text": f"continued after {len(history):,} trials"}))
        search: Mapping[str, Any] = record.state["search"]
        return search

    def due(self) -> bool:
        """Return whether the last save is long enough ago."""
        return time.monotonic() - self._last >= INTERVAL

    def save(self, history: TrialHistory, state: Callable[[], Mapping[str, Any]]) -> None:
        """Have new trials and the search's state written; the search goes on meanwhile."""
        self._writer.save(history, {"identity": self.identity, "search": state()}, self._improvement(history))
        self._last = time.monotonic()

    def close(self) -> None:
        """Do nothing: the writer is closed by who made it."""

    def _improvement(self, history: TrialHistory) -> NewEvent | None:
        """Return the news of the best trial, when there is a new one."""
        if history.best is None or history.best == self._best:
            return None
        self._best = history.best
        trial = history[history.best]
        performance = as_plain({**trial.metrics, "composite_score": trial.score})
        return NewEvent(
            "improvement",
            {"iteration": trial.number, "parameters": trial.parameters, "performance": performance},
        )
