"""The worker processes of an executor: which of them are there, idle or hungry, and the files that they share."""

from __future__ import annotations

import mmap
import os
import secrets
import selectors
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors.base import Limits
from strategy_optimizer.tasks.executors.child import cgroup, page
from strategy_optimizer.tasks.executors.leftovers import end_marked
from strategy_optimizer.tasks.executors.sending import SentFunction
from strategy_optimizer.tasks.executors.shared_file import nameless_file
from strategy_optimizer.tasks.executors.worker_process import Blueprint, WorkerProcess


class WorkerPool:
    """The workers that are there, and the files that they share."""

    def __init__(self, function: Callable[[Any], Any], workers: int, limits: Limits, threads: int) -> None:
        self.alive: list[WorkerProcess] = []
        self._idle: list[WorkerProcess] = []
        self._hungry: deque[WorkerProcess] = deque()
        self._n_ending = 0
        self._cpu_seconds = 0.0
        self._serial = 0
        self._selector = selectors.DefaultSelector()
        sent = SentFunction(function)
        # Two for each: one that ends, and the one in its place.
        slots = 2 * workers
        self._free = list(range(slots))
        self._table_file = nameless_file("table")
        os.ftruncate(self._table_file, slots * page.SIZE)
        self._table = mmap.mmap(self._table_file, slots * page.SIZE)
        self._data_size = sent.size
        self._plan = Blueprint(
            data=sent.file,
            table=self._table_file,
            shared=sent.size,
            limits=limits,
            threads=threads,
            tick=min(0.3, 0.1 * max(1.0, workers / 16)),
            group=cgroup.folder(),
            mark=f"{os.getpid()}-{secrets.token_hex(4)}",
        )
        # Runs at exit and when nobody holds the pool any more; a forked copy must not end its parent's workers.
        self.close = weakref.finalize(
            self, _end, os.getpid(), self.alive, self._selector, [sent.file, self._table_file]
        )

    def start(self) -> None:
        """Start one more worker."""
        self._serial += 1
        slot = self._free.pop()
        try:
            worker = WorkerProcess(self._plan, page.Page(self._table, slot), slot, self._serial)
        except ExecutorError:
            self._free.append(slot)
            raise
        self.alive.append(worker)
        self._selector.register(worker.jobs, selectors.EVENT_READ, (worker, False))
        self._selector.register(worker.control, selectors.EVENT_READ, (worker, True))

    def count(self) -> int:
        """Return the workers that are there to stay."""
        return len(self.alive) - self._n_ending

    def note_ending(self, worker: WorkerProcess) -> None:
        """Note that a worker will be gone soon: another one may take its place."""
        worker.state = "ending"
        self._n_ending += 1

    def note_hungry(self, worker: WorkerProcess) -> None:
        """Note that a busy worker has nothing at hand for afterwards."""
        self._hungry.append(worker)

    def hungry(self) -> WorkerProcess | None:
        """Return a busy worker that has nothing at hand, and will not be replaced; the first one noted."""
        while self._hungry:
            worker = self._hungry.popleft()
            if worker.state == "busy" and worker.next is None and not worker.is_tired:
                return worker
        return None

    def rest(self, worker: WorkerProcess) -> None:
        """Note that a worker is idle."""
        worker.state = "idle"
        self._idle.append(worker)

    def idle(self) -> WorkerProcess | None:
        """Return the idle worker that worked last."""
        while self._idle and self._idle[-1].state != "idle":
            self._idle.pop()
        return self._idle[-1] if self._idle else None

    def ready(self, patience: float | None) -> list[tuple[WorkerProcess, bool]]:
        """Wait until something can be read: which worker's, and whether its guard said it."""
        return [key.data for key, _ in self._selector.select(patience)]

    def watch_sending(self, worker: WorkerProcess) -> None:
        """Send what still waits for a worker, and be woken when it can take more."""
        waits = not worker.flush()
        if waits != worker.waits_to_send and worker.jobs.fileno() >= 0:
            worker.waits_to_send = waits
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if waits else 0)
            self._selector.modify(worker.jobs, events, (worker, False))

    def forget_jobs(self, worker: WorkerProcess) -> None:
        """Listen to its guard alone: the worker itself has ended."""
        if worker.jobs.fileno() >= 0:
            self._selector.unregister(worker.jobs)
            worker.jobs.close()

    def bury(self, worker: WorkerProcess, report: dict[str, Any]) -> None:
        """Forget a worker that is gone, and end what its guard could not."""
        self._n_ending -= worker.state == "ending"
        worker.state = "gone"
        self.forget_jobs(worker)
        self._selector.unregister(worker.control)
        worker.hang_up()
        was_killed = worker.join(2.0)
        if was_killed or not report or report.get("left"):
            end_marked([worker.mark], worker.group)
        self._cpu_seconds += report.get("cpu_seconds", 0.0)
        self.alive.remove(worker)
        self._free.append(worker.slot)

    def use(self) -> tuple[int, float]:
        """Return resident bytes and processor seconds, as the guards know them."""
        uses = [worker.page.use() for worker in self.alive]
        shared = self._data_size if self.alive else 0
        memory = sum(use[0] for use in uses) + shared
        return memory, self._cpu_seconds + sum(use[2] for use in uses)


def _end(owner: int, alive: list[WorkerProcess], selector: selectors.BaseSelector, files: list[int]) -> None:
    if os.getpid() == owner:
        for worker in alive:
            worker.hang_up()
        killed = [worker for worker in alive if worker.join(3.0)]
        if killed:
            end_marked([worker.mark for worker in killed], killed[0].group)
    alive.clear()
    selector.close()
    for file in files:
        os.close(file)
