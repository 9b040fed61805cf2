"""The searches of all windows: which is made where, and when.

The first window is searched in this process, and short work ends there. Of long work this process goes on with one
window at a time, and worker processes take the others: the optimizers are Python, and would share one core here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from strategy_optimizer.backtest.evaluate import available_cores
from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.market import Bars
from strategy_optimizer.tasks import OptimizationTask, TaskSettings
from strategy_optimizer.tasks.executors.nesting import may_have_workers
from strategy_optimizer.tasks.interrupt import InterruptGuard
from strategy_optimizer.validation.ledger import SKETCHED, Trials
from strategy_optimizer.validation.walkforward.choices import (
    Choice,
    Searched,
    WindowPlan,
    check_choosing,
    optimizer_settings,
)
from strategy_optimizer.validation.walkforward.places import ThisProcess, WorkerProcesses
from strategy_optimizer.validation.walkforward.progress import Tracker
from strategy_optimizer.validation.walkforward.result import Choosing
from strategy_optimizer.validation.walkforward.window_store import WindowStore

LOOK = 1.0
"""Seconds after which there is an estimate of how long the rest takes."""
WORTH = 4.0
"""Seconds that the rest has to take for worker processes: they need one or two to start."""
TURN = 0.02
"""Seconds between two looks at the searches in this process while others run elsewhere."""


class WindowSearches:
    """Runs the searches of all training windows.

    Parameters
    ----------
    task : OptimizationTask
        What is searched, how and at which costs; its own bars do not matter.
    bars : Bars
        All of them.
    workers : int, optional
        Searches at a time; all cores by default.
    tracker : Tracker
        Learns of each trial and search.
    choose : {"recommended", "best"}
        Which parameters of a search are traded.
    store : WindowStore, optional
        Brings back the windows that are done, and keeps those that become so.

    Attributes
    ----------
    trials : dict of range to Trials
        What the ledger keeps of each search that has ended, also before it was done; empty where it is left out.
    notes : tuple of str
        What its user should know.
    """

    def __init__(
        self,
        task: OptimizationTask,
        bars: Bars,
        workers: int | None,
        tracker: Tracker,
        choose: Choosing = "recommended",
        store: WindowStore | None = None,
    ) -> None:
        self.task = task
        self.bars = bars
        self.workers = workers or available_cores()
        self.trials: dict[range, Trials] = {}
        self.notes: tuple[str, ...] = ()
        self._choose: Choosing = check_choosing(choose)
        self._tracker = tracker
        self._store = store
        self._choices: dict[range, Choice] = {}
        self._errors: dict[range, Exception] = {}

    def run(self, trains: Sequence[range]) -> dict[range, Choice]:
        """Return the choice of each window; after Ctrl-C of those that were done.

        Raises
        ------
        ReproductionError
            The reference simulator does not confirm a winner.
        ExecutorError
            A worker process ended again and again in one window.
        CheckpointError
            The store cannot be read or written.
        """
        from strategy_optimizer.threads import one_thread

        wanted = list(dict.fromkeys(trains))
        plan = self._plan(wanted)
        self._bring_back(plan.settings)
        waiting = [train for train in wanted if train not in self._choices]
        if waiting:
            # Around all of them: searches that end would give linear algebra its threads back while others still run.
            with one_thread(), _Places(plan, waiting, self.workers, self._tracker) as places:
                self._search(places, deque(waiting))
            self.notes = places.notes
        for train in wanted:
            if train in self._errors:
                raise self._errors[train]
        return {train: self._choices[train] for train in wanted if train in self._choices}

    def _plan(self, wanted: Sequence[range]) -> WindowPlan:
        measured = None if self._store is None else self._store.settings
        if measured is None:  # else as in the session before
            first = self.bars.slice(wanted[0].start, wanted[0].stop)
            measured = optimizer_settings(self.task, first)
        settings = replace(self.task.settings, optimizer_settings=measured)
        return WindowPlan(
            self.task.strategy,
            self.bars,
            self.task.space,
            self.task.objective,
            settings,
            self._choose,
            sketched=max(1, SKETCHED // len(wanted)),
        )

    def _bring_back(self, settings: TaskSettings) -> None:
        """Take the windows that an earlier session has searched."""
        if self._store is None:
            return
        self._store.begin(settings.optimizer_settings)
        for searched in self._store.load():
            if searched.choice is not None:
                self._choices[searched.train] = searched.choice
                self._tracker.kept(searched.train, searched.choice.trials)
            if searched.trials is not None:
                self.trials[searched.train] = searched.trials

    def _search(self, places: _Places, waiting: deque[range]) -> None:
        """Search until all is done, or until Ctrl-C or an error; then let end what still runs."""
        with InterruptGuard() as guard:
            with suppress(KeyboardInterrupt):  # of a program that handles the signal itself
                while (waiting or places.running) and not (guard.requested or self._errors):
                    places.start(waiting)
                    self._note(places.ended(waiting))
            places.stop()
            with guard.interruptible():  # a second Ctrl-C waits for nothing
                while places.running:
                    self._note(places.ended(waiting))

    def _note(self, ended: Sequence[Searched]) -> None:
        for searched in ended:
            if searched.trials is not None:
                self.trials[searched.train] = searched.trials
            if searched.error is not None:
                self._errors[searched.train] = searched.error
            if searched.choice is not None:
                if self._store is not None:
                    self._store.save(searched)
                self._choices[searched.train] = searched.choice
                self._tracker.finished(searched.train, searched.choice.trials)


class _Places:
    """Where the windows are searched: in this process, and in others as soon as they are worth it."""

    def __init__(self, plan: WindowPlan, trains: Sequence[range], workers: int, tracker: Tracker) -> None:
        self.notes: tuple[str, ...] = ()
        self._began = time.perf_counter()
        self._trains = trains
        self._tracker = tracker
        self._at_once = min(workers, len(trains))
        self._shared = plan.with_threads(max(1, workers // self._at_once))
        # One search at a time has all threads for its backtests.
        self._here = ThisProcess(plan.with_threads(workers), tracker, self._at_once)
        self._there: WorkerProcesses | None = None
        self._is_decided = self._at_once == 1
        if not self._is_decided and not may_have_workers():
            self._stay_here()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._there is not None:
            self._there.close()
        self._here.close()

    @property
    def running(self) -> int:
        """Searches that have begun and not ended."""
        return self._here.running + (self._there.running if self._there else 0)

    def start(self, waiting: deque[range]) -> None:
        """Begin what can begin."""
        if waiting and not self._is_decided and self._is_long():
            self._send_away()
        while waiting and self._there and self._there.running < self._at_once - 1:
            self._there.start(waiting.popleft())
        while waiting and self._here.has_room:
            self._here.start(waiting.popleft())

    def ended(self, waiting: deque[range]) -> list[Searched]:
        """Return what ended, after a moment at most; what cannot go on elsewhere waits again."""
        if self._there is None or not self._there.running:
            return self._here.ended(TURN)
        try:
            found = self._there.ended(TURN)
        except ExecutorError as error:
            waiting.extendleft(reversed(self._there.trains))
            self._there.close()
            self._stay_here(error)
            found = []
        return found + self._here.ended(0.0)

    def stop(self) -> None:
        """Let all searches end soon."""
        self._here.stop()
        if self._there is not None:
            self._there.stop()

    def _is_long(self) -> bool:
        if time.perf_counter() - self._began < LOOK:
            return False
        left = self._tracker.seconds_left()
        return left is None or left > WORTH

    def _send_away(self) -> None:
        self._is_decided = True
        try:
            self._there = WorkerProcesses(self._shared, self._trains, self._tracker, self._at_once - 1)
            self._here.go_on_with(self._shared)
        except (ExecutorError, OSError) as error:  # OSError: no room for a temporary file
            self._stay_here(error)

    def _stay_here(self, error: Exception | None = None) -> None:
        """Search in threads of this process, as many at a time as there are to be."""
        self._is_decided, self._there = True, None
        self._here.go_on_with(self._shared, at_once=self._at_once)
        if error is not None:
            self.notes = (f"the windows were searched in threads, which share one core: {error}",)
