"""The worker: it leases tasks, runs each in a child process, and sees to it that none is lost, stuck or run twice."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from strategy_optimizer.errors import ExecutorError, StorageError
from strategy_optimizer.service_logs import of_task
from strategy_optimizer.storage import Lease, Store
from strategy_optimizer.tasks.executors.processes import FAILED_STARTS
from strategy_optimizer.workers.caretaker import Caretaker, Duty, upkeep
from strategy_optimizer.workers.keeper import Keeper, Leased, Wished
from strategy_optimizer.workers.presence import Presence
from strategy_optimizer.workers.settings import WorkerSettings
from strategy_optimizer.workers.task_process import TaskProcess

LOG = logging.getLogger("strategy_optimizer.worker")
TURN = 0.1
"""Seconds that the worker sleeps at most."""
STANDBY = 2
"""Children at most that wait for a task while slots are free.

While none is, one is made ready if tasks wait: to load one takes a processor for two seconds, from the tasks that run.
"""
SETTLING = 5.0
"""Seconds at the end for the store to take what is still to be written."""
FAULT_PAUSE = 2.0
"""Seconds before a task whose child met a fault of the store is given back."""


class Worker:
    """Runs tasks until it is told to end.

    Parameters
    ----------
    settings : WorkerSettings
    store : Store, optional
        By default one of the settings' database, with little patience.
    """

    def __init__(self, settings: WorkerSettings, store: Store | None = None) -> None:
        self.settings = settings
        self._store = store or Store(settings.database, patience=1.0)
        self._processes: list[TaskProcess] = []
        self._waiting: deque[Lease] = deque()
        self._tickets = 0
        self._failed_starts = 0
        self._signals = 0
        self._drains_until: float | None = None
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = os.pipe()
        for end in (self._bell, self._rope):
            os.set_blocking(end, False)
        self._keeper = Keeper(self._store, settings, self.wake)
        self._presence = Presence(settings.presence, settings.name)
        self._caretakers = [Caretaker(upkeep(self._store, self._presence))]

    # -- from outside ----------------------------------------------------------------------------------------

    def add_duties(self, duties: Sequence[Duty]) -> None:
        """Have more done now and then, in a thread of its own; before the worker runs."""
        self._caretakers.append(Caretaker(duties))

    def end(self) -> None:
        """Take no more tasks, give back those that run, and end; a second call ends at once."""
        self._signals += 1
        self.wake()

    @property
    def is_ending(self) -> bool:
        """Whether it was told to end."""
        return self._signals > 0

    def wake(self) -> None:
        """Let the worker look at once."""
        try:
            os.write(self._rope, b".")
        except OSError:
            return  # it is awake already, or gone

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the worker inside."""

        def take(number: int, frame: FrameType | None) -> None:
            self.end()

        before = {number: signal.signal(number, take) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self) -> int:
        """Work, and return 0 when it was told to end, 1 when no child can be started.

        Raises
        ------
        StorageError
            When the database refuses.
        """
        settings = self.settings
        self._presence.begin()
        self._selector.register(self._bell, selectors.EVENT_READ, self._hear_bell)
        LOG.info("worker %s: %d slots, store %s", settings.name, settings.slots, self._store.database)
        self._keeper.start()
        for caretaker in self._caretakers:
            caretaker.start()
        try:
            while not self._is_over():
                self._turn()
            return 1 if self._failed_starts >= FAILED_STARTS else 0
        finally:
            self._close()

    # -- one turn --------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        if self._failed_starts >= FAILED_STARTS or self._signals > 1:
            return True
        return self._drains_until is not None and not any(self._busy()) and self._keeper.news.empty()

    def _turn(self) -> None:
        if self._signals and self._drains_until is None:
            self._begin_to_drain()
        self._start_processes()
        for key, _ in self._selector.select(TURN):
            key.data()
        self._take_news()
        self._assign()
        self._press()

    def _hear_bell(self) -> None:
        try:
            while os.read(self._bell, 4096):
                pass
        except BlockingIOError:
            return

    def _busy(self) -> Iterator[TaskProcess]:
        return (process for process in self._processes if process.state == "busy")

    def _begin_to_drain(self) -> None:
        self._drains_until = time.monotonic() + self.settings.drain
        self._keeper.take_no_more()
        for process in list(self._processes):
            if process.state == "busy":
                LOG.info("%s: is given back, the worker ends", _task_of(process), extra=_ids(process))
                process.ask("drain")
            else:
                process.stop()

    # -- processes -------------------------------------------------------------------------------------------

    def _start_processes(self) -> None:
        """Keep children at hand, and ask for as many tasks as can begin at once."""
        if self._drains_until is not None:
            return
        busy = sum(1 for _ in self._busy())
        ready = len(self._processes) - busy
        free = self.settings.slots - busy
        wanted = min(free, STANDBY) or int(self._keeper.tasks_wait)
        for _ in range(wanted - ready):
            try:
                self._start()
            except ExecutorError as error:
                self._failed_starts += 1
                LOG.error("%s", error)
                time.sleep(TURN)
        warm = sum(process.state == "warm" for process in self._processes)
        while self._tickets + len(self._waiting) < min(warm, free):
            self._tickets += 1
            self._keeper.want_one()

    def _start(self) -> None:
        process = TaskProcess(self.settings)
        self._processes.append(process)
        self._selector.register(process.jobs, selectors.EVENT_READ, lambda: self._hear(process))
        self._selector.register(process.control, selectors.EVENT_READ, lambda: self._hear_guard(process))
        self._selector.register(process.log, selectors.EVENT_READ, lambda: self._hear_output(process))

    def _hear(self, process: TaskProcess) -> None:
        was = process.state
        if not process.hear():
            self._selector.unregister(process.jobs)
        if was == "starting" and process.state == "warm":
            self._failed_starts = 0
            LOG.debug("a child is ready after %.2f s", time.monotonic() - process.since)

    def _hear_output(self, process: TaskProcess) -> None:
        for part in process.output():
            for line in part.decode("utf-8", "backslashreplace").splitlines():
                LOG.info("%s | %s", _task_of(process), line.rstrip(), extra=_ids(process))

    def _hear_guard(self, process: TaskProcess) -> None:
        report = process.listen()
        if report is not None:
            self._bury(process, report)

    def _bury(self, process: TaskProcess, report: Mapping[str, Any]) -> None:
        """Forget a process that is gone, and do for its task what it has not done itself."""
        was = process.state
        self._hear_output(process)
        self._forget(process)
        fate = process.bury(report)
        process.forget_log()
        self._processes.remove(process)
        if process.lease is not None:
            self._settle(process, process.lease, report.get("verdict") == "memory_limit", fate)
        elif was == "starting" and self._drains_until is None:
            self._failed_starts += 1
            LOG.error("a child did not start: %s", fate)

    # -- tasks -----------------------------------------------------------------------------------------------

    def _take_news(self) -> None:
        while not self._keeper.news.empty():
            news = self._keeper.news.get()
            if isinstance(news, Leased):
                self._tickets -= 1
                self._take(news.lease)
            elif isinstance(news, Wished):
                self._pass_on(news)

    def _pass_on(self, wished: Wished) -> None:
        """Ask the process that has a task for what its owner, or the store, wishes."""
        for process in self._busy():
            if process.lease == wished.lease:
                # A lease is also over when the child has just ended its task: what came of it is told then.
                level = logging.DEBUG if wished.wish == "lost" else logging.INFO
                task_id = wished.lease.task.id
                LOG.log(level, "%s: %s", task_id, wished.wish, extra=of_task(task_id))
                process.ask(wished.wish)

    def _take(self, lease: Lease) -> None:
        queue, task = self._store.queue, lease.task
        for process in self._busy():
            if process.lease is not None and process.lease.task.id == task.id:
                process.ask("lost")  # it was ours, and silent for too long
        left = self._seconds_left(lease)
        if self._drains_until is not None:
            self._keeper.settle(lease, "is given back", lambda: queue.release(lease))
        elif left is not None and left <= 0 and not task.trials:
            error = "the deadline passed before a worker was free"
            self._keeper.settle(
                lease, error, lambda: queue.finish(lease, "failed", stop_reason="deadline", error=error)
            )
        else:
            self._waiting.append(lease)

    def _seconds_left(self, lease: Lease) -> float | None:
        """Return how long a task may run; by the clock of the database, which the end of the lease tells."""
        if lease.task.deadline is None:
            return None
        return (lease.task.deadline - lease.ends).total_seconds() + self.settings.lease

    def _assign(self) -> None:
        warm = [process for process in self._processes if process.state == "warm"]
        while self._waiting and warm:
            lease, process = self._waiting.popleft(), warm.pop()
            left = self._seconds_left(lease)
            LOG.info("%s: begins, lease %d", lease.task.id, lease.token, extra=of_task(lease.task.id))
            process.give(lease, None if left is None else time.monotonic() + left)

    def _press(self) -> None:
        """Ask those whose time is up, and end those who were asked and do not come to an end."""
        now = time.monotonic()
        for process in self._busy():
            if process.deadline is not None and now >= process.deadline and not process.is_checking:
                process.deadline = None
                process.ask("deadline")
            if process.wish is None or (process.wish == "deadline" and process.is_checking):
                continue
            is_left = process.wish == "drain" or process.ending is not None
            patience = self.settings.drain if is_left else self.settings.grace
            if now >= process.asked + patience:
                process.stop()

    def _settle(self, process: TaskProcess, lease: Lease, out_of_memory: bool, fate: str) -> None:
        """Write what became of a task whose process is gone."""
        if process.ending not in (None, "fault"):
            why = f", {process.reason}" if process.reason else ""
            LOG.info("%s: %s%s", lease.task.id, process.ending, why, extra=of_task(lease.task.id))
            self._keeper.let_go(lease)
            return
        if process.ending == "fault":
            fate = f"its process {process.reason}"
            time.sleep(min(FAULT_PAUSE, self.settings.grace))
        if process.wish == "lost":
            self._keeper.let_go(lease)
            return
        what, call = self._ending(process, lease, out_of_memory, fate)
        LOG.warning("%s: %s", lease.task.id, what, extra=of_task(lease.task.id))
        self._keeper.settle(lease, what, call)

    def _ending(
        self, process: TaskProcess, lease: Lease, out_of_memory: bool, fate: str
    ) -> tuple[str, Callable[[], object]]:
        """Return what becomes of a task whose process did not end it, in words, and what writes it."""
        queue = self._store.queue
        if process.wish == "cancel":
            return "is cancelled", lambda: queue.finish(lease, "cancelled", stop_reason="cancelled")
        if process.wish == "pause":
            return "is paused", lambda: queue.finish(lease, "paused")
        if process.wish == "drain":
            return "is given back", lambda: queue.release(lease)
        if process.wish == "deadline" and not process.is_checking:
            late = "its deadline passed, and the strategy did not come to an end; its trials are kept"
            return late, lambda: queue.finish(lease, "failed", stop_reason="deadline", error=late)
        if out_of_memory:
            error = f"memory: the task {fate}"
            return error, lambda: queue.finish(lease, "failed", error=error)
        return fate, lambda: queue.release(lease, lost=fate)

    # -- the end ---------------------------------------------------------------------------------------------

    def _close(self) -> None:
        self._keeper.take_no_more()
        for caretaker in self._caretakers:
            caretaker.stop()
        for process in self._processes:
            self._forget(process)
            process.hang_up()
        for process in self._processes:
            process.bury({})
            process.forget_log()
        is_settled = self._keeper.stop(SETTLING if self._signals < 2 else 0.0)
        held = any(process.lease is not None for process in self._processes)
        if is_settled and not held:
            self._presence.end()
        self._selector.close()
        for end in (self._bell, self._rope):
            os.close(end)
        LOG.info("worker %s: ended", self.settings.name)
        try:
            self._store.close()
        except StorageError:
            return

    def _forget(self, process: TaskProcess) -> None:
        """Listen to a process no more."""
        for file in (process.jobs, process.control, process.log):
            if file in self._selector.get_map():
                self._selector.unregister(file)


def _task_of(process: TaskProcess) -> str:
    return process.lease.task.id if process.lease is not None else "a child"


def _ids(process: TaskProcess) -> dict[str, str] | None:
    return None if process.lease is None else of_task(process.lease.task.id)
