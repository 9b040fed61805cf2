"""Where windows are searched: in threads of this process, or in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack

from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.market.moments import moment_text
from strategy_optimizer.tasks.executors import Limits, Outcome, ProcessExecutor
from strategy_optimizer.validation.walkforward.board import new_board
from strategy_optimizer.validation.walkforward.choices import Searched, WindowPlan, WindowSearch
from strategy_optimizer.validation.walkforward.progress import Tracker
from strategy_optimizer.validation.walkforward.window_worker import WindowWorker

NO_LIMITS = Limits(seconds=None, memory=None, processes=None, output=None)
"""A window may take what it would take in this process."""


class ThisProcess:
    """Searches in threads.

    Parameters
    ----------
    plan : WindowPlan
    tracker : Tracker
    most : int
        Searches at a time, at most; there is one until `go_on_with` says otherwise.
    """

    def __init__(self, plan: WindowPlan, tracker: Tracker, most: int) -> None:
        self._plan = plan
        self._at_once = 1
        self._tracker = tracker
        self._pool = ThreadPoolExecutor(most)
        self._running: dict[Future[Searched], WindowSearch] = {}

    @property
    def running(self) -> int:
        """Searches that have begun and not ended."""
        return len(self._running)

    @property
    def has_room(self) -> bool:
        """Whether another search can begin."""
        return len(self._running) < self._at_once

    def go_on_with(self, plan: WindowPlan, at_once: int = 1) -> None:
        """Search by another plan from now on, so many windows at a time; what runs ends as it began."""
        self._plan, self._at_once = plan, at_once

    def start(self, train: range) -> None:
        """Begin the search of a window."""
        search = WindowSearch(self._plan, train, lambda trials: self._tracker.note(train, trials))
        self._running[self._pool.submit(search.run)] = search

    def ended(self, timeout: float) -> list[Searched]:
        """Return the searches that ended, none after so many seconds."""
        done, _ = wait(self._running, timeout, FIRST_COMPLETED)
        for future in done:
            del self._running[future]
        return [future.result() for future in done]

    def stop(self) -> None:
        """Let all searches end soon."""
        for search in self._running.values():
            search.stop()

    def close(self) -> None:
        """Stop what runs and wait for its end."""
        self.stop()
        self._pool.shutdown()


class WorkerProcesses:
    """Searches in worker processes, which get plan and bars once.

    Parameters
    ----------
    plan : WindowPlan
    trains : sequence of range
        All windows that may be searched here.
    tracker : Tracker
    workers : int

    Raises
    ------
    ExecutorError
        When the plan cannot be sent, or there can be no worker processes.
    """

    def __init__(self, plan: WindowPlan, trains: Sequence[range], tracker: Tracker, workers: int) -> None:
        self._bars = plan.bars
        self._trains = tuple(trains)
        self._tracker = tracker
        self._running: dict[int, int] = {}  # number of each window, and the trials that it reported last
        with ExitStack() as opened:
            self._board = opened.enter_context(new_board(len(trains)))
            self._executor = opened.enter_context(
                ProcessExecutor(
                    WindowWorker(plan, trains, self._board.path),
                    workers,
                    limits=NO_LIMITS,
                    threads_per_worker=plan.settings.workers or 1,
                )
            )
            self._opened = opened.pop_all()

    @property
    def running(self) -> int:
        """Searches that were given away and have not ended."""
        return len(self._running)

    @property
    def trains(self) -> list[range]:
        """Their windows."""
        return [self._trains[number] for number in sorted(self._running)]

    def start(self, train: range) -> None:
        """Give the search of a window to a worker."""
        number = self._trains.index(train)
        self._executor.submit(number, number)
        self._running[number] = 0

    def ended(self, timeout: float) -> list[Searched]:
        """Return the searches that ended, none after so many seconds; report how far the others are.

        Raises
        ------
        ExecutorError
            When no worker can run anything any more.
        """
        outcomes = self._executor.wait(timeout)
        for outcome in outcomes:
            del self._running[outcome.number]
        for number, reported in self._running.items():
            trials = self._board.trials(number)
            if trials != reported:
                self._running[number] = trials
                self._tracker.note(self._trains[number], trials)
        return [self._searched(outcome) for outcome in outcomes]

    def _searched(self, outcome: Outcome) -> Searched:
        train = self._trains[outcome.number]
        if outcome.failure is None:
            searched: Searched = outcome.value
            return searched
        first, last = (moment_text(int(self._bars.timestamp[bar])) for bar in (train.start, train.stop - 1))
        message = (
            f"the search in the training window {first} to {last} (bars {train.start} to {train.stop - 1}) "
            f"failed: {outcome.reason}; with workers=1 it runs in this process"
        )
        error = ExecutorError(message)
        error.add_note(outcome.details)
        return Searched(train, error=error)

    def stop(self) -> None:
        """Let all searches end soon."""
        self._board.stop()

    def close(self) -> None:
        """End the workers and what they run."""
        self._opened.close()
