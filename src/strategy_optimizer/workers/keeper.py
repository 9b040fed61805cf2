"""The thread of a worker that speaks with the store: heartbeats, wishes, new tasks, and the ends of old ones.

The worker itself never waits for the database: it hears of news by a queue, and says what is to be written by another.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from strategy_optimizer.errors import LeaseLostError, StorageError, StorageUnavailableError
from strategy_optimizer.service_logs import of_task
from strategy_optimizer.storage import Lease, Store
from strategy_optimizer.workers.messages import Wish
from strategy_optimizer.workers.settings import WorkerSettings

LOG = logging.getLogger("strategy_optimizer.worker")
AFTER_OUTAGE = 1.0
"""Heartbeats' worth of time after the store was away in which no task is taken: others renew their leases first."""
SEEKING = 0.1
"""Seconds between two looks for a task, while a child waits for one."""


@dataclass(frozen=True)
class Leased:
    """There is a task to run."""

    lease: Lease


@dataclass(frozen=True)
class Wished:
    """A task is to stop."""

    lease: Lease
    wish: Wish


News: TypeAlias = Leased | Wished
_Settlement: TypeAlias = tuple[str, str, Callable[[], object]]
"""A task, what becomes of it in words, and the call that writes it."""


class Keeper:
    """Keeps the leases of a worker.

    Parameters
    ----------
    store : Store
        With little patience: a call that waits long keeps the others waiting.
    settings : WorkerSettings
    wake : callable
        Called when there is news.

    Attributes
    ----------
    tasks_wait : bool
        Whether tasks were queued at the last heartbeat.
    """

    def __init__(self, store: Store, settings: WorkerSettings, wake: Callable[[], None]) -> None:
        self.tasks_wait = False
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._store = store
        self._settings = settings
        self._wake = wake
        self._held: dict[str, Lease] = {}
        self._told: dict[str, set[Wish]] = {}
        self._settlements: queue.SimpleQueue[_Settlement] = queue.SimpleQueue()
        self._open = 0
        self._tickets: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._takes_more = True
        self._lock = threading.Lock()
        self._hurry = threading.Event()
        self._is_over = False
        self._beaten = self._looked = -float("inf")
        self._away_since: float | None = None
        self._back_at = -float("inf")
        self._threads = [
            threading.Thread(target=self._keep, name="keeper", daemon=True),
            threading.Thread(target=self._seek, name="seeker", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Take no more tasks, write what is to be written, and return whether all of it was in this time."""
        self.take_no_more()
        deadline = time.monotonic() + seconds
        while self._open and time.monotonic() < deadline:
            time.sleep(0.02)
        self._is_over = True
        self._hurry.set()
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))
        return not self._open

    # -- what the worker says --------------------------------------------------------------------------------

    def let_go(self, lease: Lease) -> None:
        """Renew a lease no more."""
        with self._lock:
            if self._held.get(lease.task.id) == lease:
                del self._held[lease.task.id]
                self._told.pop(lease.task.id, None)

    def settle(self, lease: Lease, what: str, call: Callable[[], object]) -> None:
        """Have a call made that ends a lease, as soon as the store answers."""
        self.let_go(lease)
        with self._lock:
            self._open += 1
        self._settlements.put((lease.task.id, what, call))
        self._hurry.set()

    def want_one(self) -> None:
        """Take one more task, when there is one."""
        self._tickets.put(None)

    def take_no_more(self) -> None:
        """Take no task any more."""
        self._takes_more = False

    @property
    def is_well(self) -> bool:
        """Whether the store answers, and has for a while, so that every worker could renew its leases."""
        now, settings = time.monotonic(), self._settings
        has_rested = now - self._back_at >= AFTER_OUTAGE * settings.heartbeat
        # After a long sleep of this process its own leases would look like those of a dead one.
        has_beaten = now - self._beaten < settings.lease / 2
        return self._away_since is None and has_rested and has_beaten

    # -- the thread that keeps -------------------------------------------------------------------------------

    def _keep(self) -> None:
        pending: _Settlement | None = None
        while not self._is_over:
            try:
                self._beat()
                while pending is not None or not self._settlements.empty():
                    pending = pending or self._settlements.get()
                    self._make(*pending)
                    pending = None
                self._note_back()
            except StorageError as error:
                self._note_away(error)
            except Exception:  # the thread goes on: without it leases run out that could be renewed
                self._note_fault()
            self._hurry.wait(self._settings.look / 2)
            self._hurry.clear()

    def _make(self, task_id: str, what: str, call: Callable[[], object]) -> None:
        try:
            call()
        except LeaseLostError as error:
            LOG.info("%s %s: not needed, %s", task_id, what, error, extra=of_task(task_id))
        except StorageUnavailableError:
            raise
        except StorageError as error:
            text = "%s %s: refused, its lease will run out: %s"
            LOG.error(text, task_id, what, error, extra=of_task(task_id))
        except Exception:  # to call again would fail again, and keep the others waiting
            text = "%s %s: a fault of the program, its lease will run out"
            LOG.exception(text, task_id, what, extra=of_task(task_id))
        with self._lock:
            self._open -= 1

    def _beat(self) -> None:
        """Renew the leases when it is time, else look for wishes when it is time for that.

        While the store is away, it always is: only an answer says that it is back.
        """
        with self._lock:
            leases = list(self._held.values())
        now = time.monotonic()
        if self._away_since is not None or now - self._beaten >= self._settings.heartbeat:
            found = self._store.queue.heartbeats(leases, self._settings.lease)
            self._beaten = self._looked = now
            self.tasks_wait = self._store.tasks.count(states=["queued"]) > 0
        elif leases and now - self._looked >= self._settings.look:
            found = self._store.queue.wishes(leases)
            self._looked = now
        else:
            return
        for lease in leases:
            held = found.get(lease.task.id)
            if held is None:
                self._tell(lease, "lost")
            elif held.cancel_requested:
                self._tell(lease, "cancel")
            elif held.pause_requested:
                self._tell(lease, "pause")

    def _tell(self, lease: Lease, wish: Wish) -> None:
        with self._lock:
            told = self._told.get(lease.task.id)
            if told is None or wish in told or self._held.get(lease.task.id) != lease:
                return
            told.add(wish)
        self.news.put(Wished(lease, wish))
        self._wake()

    def _note_away(self, error: StorageError) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            LOG.warning("the store does not answer; tasks go on, and are written when it is back: %s", error)

    def _note_fault(self) -> None:
        """Note what no call of the store should raise: as long as it lasts, no task is taken and leases run out."""
        if self._away_since is None:
            self._away_since = time.monotonic()
            LOG.exception("a fault of the program; what it keeps from being renewed runs out")

    def _note_back(self) -> None:
        if self._away_since is not None:
            now = time.monotonic()
            LOG.warning("the store answers again, after %.1f s", now - self._away_since)
            self._away_since, self._back_at = None, now

    # -- the thread that seeks -------------------------------------------------------------------------------

    def _seek(self) -> None:
        while self._takes_more:
            with contextlib.suppress(queue.Empty):
                self._tickets.get(timeout=0.1)
                while self._takes_more and not (self.is_well and self._take_one()):
                    time.sleep(SEEKING)

    def _take_one(self) -> bool:
        """Lease a task, if one waits."""
        try:
            if not self._store.queue.has_task():
                return False
            lease = self._store.queue.lease(self._settings.name, self._settings.lease)
        except StorageError as error:
            self._note_away(error)
            return False
        except Exception:  # a lease that was taken all the same runs out
            self._note_fault()
            return False
        if lease is None:  # its owner has as many running as they may
            time.sleep(self._settings.look / 2)
            return False
        with self._lock:
            self._held[lease.task.id] = lease
            self._told[lease.task.id] = set()
        self.news.put(Leased(lease))
        self._wake()
        return True
