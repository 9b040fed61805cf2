"""Writes a running task into the store beside the search, which never waits for it.

Everything waits in memory until it is committed, for as long as the database is away: trials in the history, of the
states of the search the newest, of progress the newest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from strategy_optimizer.errors import LeaseLostError, StorageUnavailableError
from strategy_optimizer.storage import Lease, NewEvent, Store, TrialChunk
from strategy_optimizer.tasks import TrialHistory

T = TypeVar("T")
PAUSE = 0.1
"""Seconds between two writes."""
AGAIN = 0.5
"""Seconds until the next attempt when the store did not answer in all its patience."""


@dataclass
class _Waiting:
    """What is not written yet."""

    history: TrialHistory | None = None
    trials: int = 0
    state: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None
    improvement: NewEvent | None = None  # told with the trials that it is about
    others: list[NewEvent] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.state is not None or self.progress is not None or bool(self.others)


class StoreWriter(threading.Thread):
    """Writes trials, progress and events of one task, a few times a second.

    Parameters
    ----------
    store : Store
    lease : Lease
    on_lost : callable
        Called in this thread when another worker has the task.

    Attributes
    ----------
    stored : int
        Trials that are committed.
    """

    def __init__(self, store: Store, lease: Lease, on_lost: Callable[[], None]) -> None:
        super().__init__(name="store-writer", daemon=True)
        self.store = store
        self.lease = lease
        self.stored = lease.task.trials
        self._on_lost = on_lost
        self._waiting = _Waiting()
        self._changed = threading.Condition()
        self._is_writing = self._in_haste = self._is_closed = False
        self._error: BaseException | None = None

    # -- what the search says --------------------------------------------------------------------------------

    def save(
        self, history: TrialHistory, state: Mapping[str, Any], improvement: NewEvent | None = None
    ) -> None:
        """Have the trials of a history stored, with the state of the search after them.

        Raises
        ------
        StrategyOptimizerError
            When an earlier write was refused.
        """
        with self._changed:
            self._raise()
            waiting = self._waiting
            waiting.history, waiting.trials, waiting.state = history, len(history), state
            if improvement is not None:
                waiting.improvement = improvement
            self._changed.notify_all()

    def progress(self, data: Mapping[str, Any]) -> None:
        """Have the newest progress told."""
        with self._changed:
            self._waiting.progress = data
            self._changed.notify_all()

    def tell(self, event: NewEvent) -> None:
        """Have an event told."""
        with self._changed:
            self._waiting.others.append(event)
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all of it is committed.

        Raises
        ------
        StrategyOptimizerError
            When it was refused.
        """
        with self._changed:
            self._in_haste = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error or not (self._waiting or self._is_writing))
            self._in_haste = False
            self._raise()

    def insist(self, call: Callable[[], T]) -> T:
        """Make a call of the store, again and again while the database is away."""
        while True:
            try:
                return call()
            except StorageUnavailableError:
                time.sleep(AGAIN)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    # -- the thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Write until something is refused."""
        while self._error is None:
            batch = self._take()
            try:
                self.insist(lambda batch=batch: self._write(batch))  # type: ignore[misc]
            except LeaseLostError as error:
                self._on_lost()
                self._fail(error)
            except BaseException as error:
                self._fail(error)
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._in_haste, PAUSE)

    def _take(self) -> _Waiting:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            batch, self._waiting = self._waiting, _Waiting()
            self._is_writing = True
            return batch

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _write(self, batch: _Waiting) -> None:
        events = list(batch.others)
        if batch.improvement is not None:
            events.append(batch.improvement)
        if batch.progress is not None:
            events.append(NewEvent("progress", batch.progress))
        if batch.state is None:
            self.store.queue.tell(self.lease, events, progress=batch.progress)
            return
        chunk = None
        if batch.history is not None and batch.trials > self.stored:
            chunk = TrialChunk.of(batch.history, self.stored, batch.trials)
        self.stored = self.store.trials.save(
            self.lease, chunk, batch.state, progress=batch.progress, events=events
        )
