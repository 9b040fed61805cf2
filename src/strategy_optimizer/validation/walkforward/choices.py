"""The searches: one for each training window, several at a time.

A choice follows from its training bars and the seed alone. Each search is given those bars and no others; its seed is
drawn from the caller's and the place of the bars, so that neither other windows nor the number of workers matter.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.backtest.evaluate import available_cores
from strategy_optimizer.errors import DataError, ReproductionError, StrategyError, TaskError
from strategy_optimizer.market import Bars
from strategy_optimizer.records import StopReason
from strategy_optimizer.tasks import OptimizationTask
from strategy_optimizer.tasks.strategy_binding import bind_evaluator
from strategy_optimizer.validation.ledger import SKETCHED, Trials, trials_of
from strategy_optimizer.validation.recommendation import recommend
from strategy_optimizer.validation.walkforward.progress import Tracker
from strategy_optimizer.validation.walkforward.result import CHOOSING, Choosing

TIMED_OPTIMIZERS = ("auto", "ensemble")
"""Those whose choices depend on what a trial takes."""
_PROBE = 32  # trials that are timed
_SLOW = 1e-2  # seconds: a trial that takes longer is timed once


@dataclass(frozen=True)
class Choice:
    """What the search in one training window chose.

    Attributes
    ----------
    train : range
        The bars it was given.
    seed : int
        Of this search: `optimize` on these bars with this seed and no hold-out makes the same trials.
    parameters : dict or None
        What is traded; None where no trial was valid.
    score : float
        NaN where there is none, and with several objectives.
    in_sample : dict or None
        Its metrics on the training bars.
    trials : int
    stop_reason : str or None
        None where the search could not begin.
    reason : str
        Why nothing was chosen; else empty.
    """

    train: range
    seed: int
    parameters: dict[str, Any] | None
    score: float
    in_sample: dict[str, float] | None
    trials: int
    stop_reason: StopReason | None
    reason: str = ""


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

    Attributes
    ----------
    trials : dict of range to Trials
        What the ledger keeps of each search that has ended, also before it was done; empty where it is left out.
    """

    def __init__(
        self,
        task: OptimizationTask,
        bars: Bars,
        workers: int | None,
        tracker: Tracker,
        choose: Choosing = "recommended",
    ) -> None:
        if choose not in CHOOSING:
            raise TaskError(f"choose is {choose!r}; expected {' or '.join(map(repr, CHOOSING))}")
        self.choose: Choosing = choose
        self.task = task
        self.bars = bars
        self.workers = workers or available_cores()
        self.trials: dict[range, Trials] = {}
        self._sketched = SKETCHED
        self._tracker = tracker
        self._lock = threading.Lock()
        self._running: set[OptimizationTask] = set()
        self._stopped = False

    def run(self, trains: Sequence[range]) -> dict[range, Choice]:
        """Return the choice of each window; after Ctrl-C of those that were done.

        Raises
        ------
        ReproductionError
            The reference simulator does not confirm a winner.
        """
        from strategy_optimizer.threads import one_thread

        wanted = list(dict.fromkeys(trains))
        self._sketched = max(1, SKETCHED // len(wanted))
        at_once = min(self.workers, len(wanted))
        settings = {
            "workers": max(1, self.workers // at_once),
            "optimizer_settings": self._optimizer_settings(wanted[0]),
        }
        # Around all of them: searches that end would give linear algebra its threads back while others still run.
        with one_thread(), ThreadPoolExecutor(at_once) as pool:
            futures = [pool.submit(self._search, train, settings) for train in wanted]
            with suppress(KeyboardInterrupt):  # what is done is kept
                wait(futures, return_when=FIRST_EXCEPTION)
            self._stop()  # those that still run, after Ctrl-C or because one of them raised
        choices = [future.result() for future in futures]
        return {choice.train: choice for choice in choices if choice is not None}

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for task in self._running:
                task.cancel()

    def _search(self, train: range, settings: Mapping[str, Any]) -> Choice | None:
        """Return the choice of one window; None when it was stopped."""
        task = window_task(self.task, self.bars, train, self._tracker.of(train), **settings)
        with self._lock:
            if self._stopped:
                return None
            self._running.add(task)
        try:
            choice = _choose(task, train, self.choose)
        finally:
            with self._lock:
                self._running.discard(task)
            self._keep_trials(task, train)
        if choice is not None:
            self._tracker.finished(train, choice.trials)
        return choice

    def _keep_trials(self, task: OptimizationTask, train: range) -> None:
        if task.settings.ledger and task.search is not None and len(task.search.history):
            self.trials[train] = trials_of(
                task.search, sketched=self._sketched, threads=task.settings.workers
            )

    def _optimizer_settings(self, train: range) -> dict[str, Any]:
        """Return the optimizer's own; what a trial takes is measured once, before several share the cores."""
        settings = dict(self.task.settings.optimizer_settings)
        if self.task.settings.optimizer in TIMED_OPTIMIZERS and settings.get("trial_seconds") is None:
            settings["trial_seconds"] = trial_seconds(self.task, self.bars.slice(train.start, train.stop))
        return settings


def window_task(
    task: OptimizationTask, bars: Bars, train: range, sink: Any = None, **settings: Any
) -> OptimizationTask:
    """Return the search of one training window: it has no other bars."""
    return OptimizationTask(
        task.strategy,
        bars.slice(train.start, train.stop),
        task.space,
        task.objective,
        replace(task.settings, seed=window_seed(task.settings.seed, train), **settings),
        sink=sink,
    )


def window_seed(seed: int, train: range) -> int:
    """Return the seed of a window's search.

    >>> window_seed(0, range(0, 755)) == window_seed(0, range(126, 881))
    False
    """
    place = np.random.SeedSequence(entropy=seed, spawn_key=(train.start, train.stop))
    return int(place.generate_state(1)[0])


def trial_seconds(task: OptimizationTask, bars: Bars) -> float:
    """Return what a trial takes, rounded down to a power of ten, which is all that the optimizers look at."""
    rules = replace(task.rules, window=None)
    engine = PopulationEvaluator(task.bound_strategy, bars, rules, threads=1)
    evaluate = bind_evaluator(engine, task.bound_strategy.space(), task.space).evaluate
    points = task.space.sample(_PROBE, task.settings.seed)
    evaluate(points[:1])  # compiles
    seconds = _timed(evaluate, points[:1])
    if seconds < _SLOW:
        seconds = min(_timed(evaluate, points) for _ in range(3)) / len(points)
    return float(10.0 ** math.floor(math.log10(max(seconds, 1e-6))))


def _timed(function: Any, argument: Any) -> float:
    begin = time.perf_counter()
    function(argument)
    return time.perf_counter() - begin


def _choose(task: OptimizationTask, train: range, choose: Choosing) -> Choice | None:
    """Run one search. That nothing could be chosen is an outcome; None when it was stopped."""
    try:
        result = task.run()
    except ReproductionError:
        raise
    except (StrategyError, DataError) as error:
        return _nothing(task, train, str(error))
    except TaskError as error:
        if task.stop_reason == "cancelled":
            return None
        if task.stop_reason is None or task.history.best is not None:
            raise
        return _nothing(task, train, str(error))
    if task.stop_reason == "cancelled":
        return None
    parameters, performance = result.best_parameters, result.best.in_sample
    if choose == "recommended":
        assert task.search is not None
        first = recommend(task.search, threads=task.settings.workers).regions[0]
        parameters, performance = first.parameters, first.performance.in_sample
    return Choice(
        train,
        task.settings.seed,
        parameters,
        performance["composite_score"],
        {name: value for name, value in performance.items() if name != "composite_score"},
        len(task.history),
        result.stop_reason,
    )


def _nothing(task: OptimizationTask, train: range, reason: str) -> Choice:
    return Choice(
        train, task.settings.seed, None, math.nan, None, len(task.history), task.stop_reason, reason
    )
