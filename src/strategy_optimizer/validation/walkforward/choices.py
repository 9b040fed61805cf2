"""What the search in one training window is, and what it chose.

A choice follows from its training bars and the seed alone. Each search is given those bars and no others; its seed is
drawn from the caller's and the place of the bars, so that neither other windows nor the number of workers matter.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from strategy_optimizer.backtest import PopulationEvaluator
from strategy_optimizer.errors import DataError, ReproductionError, StrategyError, TaskError
from strategy_optimizer.market import Bars
from strategy_optimizer.objective import Objective
from strategy_optimizer.records import Event, Progress, Sink, StopReason
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks import OptimizationTask, TaskSettings
from strategy_optimizer.tasks.strategy_binding import StrategyClass, bind_evaluator
from strategy_optimizer.validation.ledger import Trials, trials_of
from strategy_optimizer.validation.recommendation import recommend
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


@dataclass(frozen=True)
class WindowPlan:
    """What is searched in every window, and how.

    Attributes
    ----------
    strategy : strategy class
    bars : Bars
        All of them.
    space : ParameterSpace
    objective : Objective
    settings : TaskSettings
        Its workers are the threads of one search.
    choose : {"recommended", "best"}
        Which parameters of a search are traded.
    sketched : int
        Trials of a window whose returns the ledger keeps.
    """

    strategy: StrategyClass
    bars: Bars
    space: ParameterSpace
    objective: Objective
    settings: TaskSettings
    choose: Choosing
    sketched: int

    def task(self, train: range, sink: Sink | None = None) -> OptimizationTask:
        """Return the search of one training window: it has no other bars."""
        return window_task(self, self.bars, train, sink)

    def with_threads(self, threads: int) -> WindowPlan:
        """Return the plan of searches with so many threads each."""
        return replace(self, settings=replace(self.settings, workers=threads))


@dataclass(frozen=True)
class Searched:
    """How the search in one window ended.

    Attributes
    ----------
    train : range
    choice : Choice or None
        None when it was stopped, or failed.
    trials : Trials or None
        What the ledger keeps of it, also of one that was stopped; None without a trial, and where it is left out.
    error : Exception or None
        What ends the whole walk-forward.
    """

    train: range
    choice: Choice | None = None
    trials: Trials | None = None
    error: Exception | None = None


class WindowSearch:
    """The search in one window, which another thread may stop.

    Parameters
    ----------
    plan : WindowPlan
    train : range
    report : callable
        Receives the number of trials made so far.
    """

    def __init__(self, plan: WindowPlan, train: range, report: Callable[[int], None]) -> None:
        self._plan = plan
        self._train = train
        self._report = report
        self._task: OptimizationTask | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End it soon; the trials that are made count for the ledger."""
        self._stopped.set()
        if self._task is not None:
            self._task.cancel()

    def run(self) -> Searched:
        """Return how it ended. What it raises is a value."""
        if self._stopped.is_set():
            return Searched(self._train)
        choice = trials = error = None
        try:
            task = self._task = self._plan.task(self._train, self._take)
            if self._stopped.is_set():
                task.cancel()
            try:
                choice = _choose(task, self._train, self._plan.choose)
            finally:
                trials = self._trials_of(task)
        except Exception as raised:
            error = raised
        return Searched(self._train, choice, trials, error)

    def _take(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._report(event.trials)

    def _trials_of(self, task: OptimizationTask) -> Trials | None:
        if not task.settings.ledger or task.search is None or not len(task.search.history):
            return None
        return trials_of(task.search, sketched=self._plan.sketched, threads=task.settings.workers)


def check_choosing(choose: Choosing) -> Choosing:
    """Return a way to choose, or refuse what is none."""
    if choose not in CHOOSING:
        raise TaskError(f"choose is {choose!r}; expected {' or '.join(map(repr, CHOOSING))}")
    return choose


def window_task(
    task: OptimizationTask | WindowPlan, bars: Bars, train: range, sink: Sink | None = None
) -> OptimizationTask:
    """Return the search of one training window: it has no other bars."""
    return OptimizationTask(
        task.strategy,
        bars.slice(train.start, train.stop),
        task.space,
        task.objective,
        replace(task.settings, seed=window_seed(task.settings.seed, train)),
        sink=sink,
    )


def window_seed(seed: int, train: range) -> int:
    """Return the seed of a window's search.

    >>> window_seed(0, range(0, 755)) == window_seed(0, range(126, 881))
    False
    """
    place = np.random.SeedSequence(entropy=seed, spawn_key=(train.start, train.stop))
    return int(place.generate_state(1)[0])


def optimizer_settings(task: OptimizationTask, bars: Bars) -> dict[str, Any]:
    """Return the optimizer's own; what a trial takes is measured once, before several searches share the cores."""
    settings = dict(task.settings.optimizer_settings)
    if task.settings.optimizer in TIMED_OPTIMIZERS and settings.get("trial_seconds") is None:
        settings["trial_seconds"] = trial_seconds(task, bars)
    return settings


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
