"""One search whose trials another engine runs: in worker processes, on Ray, or in this process."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.engines import Engine, FoldedEngine
from strategy_optimizer.engines.account import BY_THE_YEAR, has_no_time
from strategy_optimizer.errors import DataError, ObjectiveError, TaskError, place_in
from strategy_optimizer.objective import Objective
from strategy_optimizer.records import Reproducing, Sink, TryingOut
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.budget import DEFAULT_ENGINE_EVALUATIONS, Budget, check_count
from strategy_optimizer.tasks.engine_result import EngineSearch, aggregate_engine
from strategy_optimizer.tasks.engine_trial import EngineTrial, FirstTry, FoldTrial, TrialValue, listed
from strategy_optimizer.tasks.executor_loop import DEFAULT_LOOKAHEAD, ExecutorLoop
from strategy_optimizer.tasks.executors import Executor, Limits, Outcome, ProcessExecutor, SerialExecutor
from strategy_optimizer.tasks.folded_loop import FoldedLoop
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.pruning import ERROR, LARGEST_ERROR, FoldPruner, is_chance
from strategy_optimizer.tasks.result import EngineResult
from strategy_optimizer.tasks.search_task import SearchSettings, SearchTask
from strategy_optimizer.tasks.trial_cache import TaskCache, TrialCache, TrialKeys
from strategy_optimizer.version import __version__

ExecutorName: TypeAlias = Literal["processes", "serial", "ray"]
PLANNED_WITHOUT_LIMIT = 1_000
TASK_MEMORY = 4 * 2**30
"""Bytes for all workers of a task together, when nothing is said."""
N_BLOCKS = 16
FIRST_WAIT = 15.0
"""Seconds without the first backtest's end after which somebody who is shown no progress is told why."""
LOG = logging.getLogger("strategy_optimizer.tasks")


@dataclass(frozen=True, kw_only=True)
class EngineSettings(SearchSettings):
    """What a search on another engine does besides its engine, space and objective.

    Parameters
    ----------
    executor : {"processes", "serial", "ray"}
        Worker processes with limits; this process, one trial after the other; a Ray cluster.
    ray_address : str, optional
        A cluster to join; without it Ray is started here.
    limits : Limits
        Of one trial.
    memory : int, optional
        Bytes for all workers together; see `ceiling` for what None means.
    lookahead : int or None
        Trials in flight that do not know each other, see `ExecutorLoop`; None runs free.
    ray_share : int
        How many searches share the cluster, each with as many of its cores, where `workers` does not say.
    ray_patience : float
        Seconds without any worker after which Ray is given up.
    cache : bool or Path
        Whether trials of earlier tasks that are known already are not run again; or the file that has them.
    prune : bool or float
        Whether trials of a `FoldedEngine` are stopped when they cannot catch up; or the error of one such verdict.
    **others
        Those of `SearchSettings`. Data are held out where the engine can divide them.
    """

    budget: Budget = field(default_factory=lambda: Budget(evaluations=DEFAULT_ENGINE_EVALUATIONS))
    executor: ExecutorName = "processes"
    ray_address: str | None = None
    limits: Limits = field(default_factory=Limits)
    memory: int | None = None
    lookahead: int | None = DEFAULT_LOOKAHEAD
    ray_share: int = 1
    ray_patience: float = 60.0
    cache: bool | Path = True
    prune: bool | float = True

    @property
    def pruning_error(self) -> float | None:
        """The chance of catching up below which a trial is stopped; None where none is."""
        if isinstance(self.prune, bool):
            return ERROR if self.prune else None
        return self.prune

    @property
    def ceiling(self) -> int | None:
        """Bytes for all worker processes together: 4 GB when nothing is said, or what one trial may use if more.

        None where a trial may use any memory and nothing was said.
        """
        if self.memory is not None or self.limits.memory is None:
            return self.memory
        return max(TASK_MEMORY, self.limits.memory)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("memory", self.memory)
        check_count("lookahead", self.lookahead)
        check_count("ray_share", self.ray_share)
        if not (isinstance(self.prune, bool) or is_chance(self.prune)):
            raise TaskError(
                f"prune is {self.prune!r}; expected True ({ERROR}), False, or the chance of catching up below which a "
                f"trial is stopped: above 0 and below {LARGEST_ERROR}"
            )
        if self.executor not in get_args(ExecutorName):
            known = ", ".join(map(repr, get_args(ExecutorName)))
            raise TaskError(f"the executor is {self.executor!r}; expected one of {known}")
        if self.ray_address is not None and self.executor != "ray":
            raise TaskError(
                f"ray_address is {self.ray_address!r}, but the executor is {self.executor!r}; expected 'ray'"
            )


class EngineTask(SearchTask[EngineSettings]):
    """A search for the best parameters of what an engine runs.

    Parameters
    ----------
    engine : Engine
    space : ParameterSpace
    objective : callable
        Takes the names of the metrics that the engine gives, and returns the `Objective`: the names are known only
        when it has run once.
    settings : EngineSettings
    sink : callable, optional
        Receives the events of `strategy_optimizer.records`.

    Attributes
    ----------
    search : EngineSearch or None
        All that the result was made from; None before.
    result : EngineResult or None

    Raises
    ------
    EngineError
        The engine is not there, or not of a version that is supported.
    """

    def __init__(
        self,
        engine: Engine,
        space: ParameterSpace,
        objective: Callable[[tuple[str, ...]], Objective],
        settings: EngineSettings | None = None,
        *,
        sink: Sink | None = None,
    ) -> None:
        super().__init__(space, settings or EngineSettings(), sink)
        _check_folds(engine, self.settings.prune)
        engine.check()
        self.whole = engine
        self.engine, self.held_out = engine.divide(self.settings.holdout)
        self.search: EngineSearch | None = None
        self.result: EngineResult | None = None
        self.digest = self.engine.digest()
        self._make_objective = objective

    def _empty_history(self) -> TrialHistory:
        return TrialHistory(self.space, N_BLOCKS)

    def run(self) -> EngineResult:
        """Search, run the winner again in a fresh process, and return the result.

        Raises
        ------
        TaskError
            The engine fails on the parameters tried first, or no trial could win.
        ExecutorError
            The engine cannot be sent to a worker, or no worker can run.
        ReproductionError
            The winner's numbers are others when it is run again.
        """
        self._refuse_to_run_twice()
        settings = self.settings
        keys = TrialKeys.of_engine(self.engine, self.space)
        cache = TaskCache(self._kept_trials())
        try:
            with self._executor(self.engine) as executor:
                first = self._first_metrics(executor, cache, keys)
                objective = self._make_objective(tuple(first))
                _check_time(self.engine, objective, first)
                optimizer = self._make_optimizer(objective, PLANNED_WITHOUT_LIMIT)
                checkpoint = self._open_checkpoint(self.identity(objective))
                try:
                    loop = self._make_loop(
                        optimizer,
                        executor,
                        objective,
                        settings.budget,
                        lookahead=settings.lookahead,
                        cache=cache,
                        keys=keys,
                        checkpoint=checkpoint,
                        sink=self.sink,
                        n_blocks=N_BLOCKS,
                    )
                    self._run_loop(loop)
                finally:
                    if checkpoint is not None:
                        checkpoint.close()
                execution = self._execution(executor, cache, loop)
        finally:
            cache.close()
        self.search = self._finished(loop, objective, execution)
        if self.sink is not None and loop.history.best is not None:
            self.sink(Reproducing(None))
        self.result = aggregate_engine(self.search)
        return self.result

    # -- before the search ---------------------------------------------------------------------------------

    def _kept_trials(self) -> TrialCache | None:
        cache = self.settings.cache
        if isinstance(cache, bool):
            return TrialCache() if cache else None
        return TrialCache(cache)

    def _executor(self, engine: Engine) -> Executor:
        settings = self.settings
        trial: Callable[[Any], TrialValue] = EngineTrial(engine, N_BLOCKS)
        if isinstance(engine, FoldedEngine) and settings.pruning_error is not None:
            trial = FoldTrial(engine.folds)
        if settings.executor == "serial":
            return SerialExecutor(trial)
        if settings.executor == "processes":
            return ProcessExecutor(trial, settings.workers, limits=settings.limits, memory=settings.ceiling)
        from strategy_optimizer.tasks.executors.ray_executor import RayExecutor  # Ray takes a second

        return RayExecutor(
            trial,
            address=settings.ray_address,
            workers=settings.workers,
            limits=settings.limits,
            share=settings.ray_share,
            start_seconds=settings.ray_patience,
        )

    def _first_metrics(self, executor: Executor, cache: TaskCache, keys: TrialKeys) -> Mapping[str, float]:
        """Run the defaults once: what fails there fails in every trial, and the metrics get to be known."""
        parameters = self.first_parameters()
        folded = isinstance(self.engine, FoldedEngine) and self.settings.pruning_error is not None
        key = keys.key(parameters)
        known = None if folded else cache.get(key)
        if known is not None:
            return known.metrics
        outcome = self._first_outcome(executor, parameters, folded)
        if outcome.failure is not None:
            raise TaskError(
                f"{self.engine.label} fails on the parameters tried first, {parameters}: {outcome.reason}"
                f"{place_in(outcome.details) if outcome.failure == 'raised' else ''}"
            )
        value: TrialValue = outcome.value
        if not folded:
            cache.put(key, value.cached(outcome.seconds))
        if not value.metrics:
            raise ObjectiveError(f"{self.engine.label} gives no metrics; expected at least one number")
        return value.metrics

    def _make_loop(self, *arguments: Any, **options: Any) -> ExecutorLoop:
        engine, error = self.engine, self.settings.pruning_error
        if error is None or not isinstance(engine, FoldedEngine):
            return ExecutorLoop(*arguments, **options)
        return FoldedLoop(
            *arguments,
            pruner=FoldPruner(len(engine.folds), error=error),
            fold_keys=[TrialKeys.of_engine(fold, self.space) for fold in engine.folds],
            **options,
        )

    # -- after it --------------------------------------------------------------------------------------------

    def _execution(self, executor: Executor, cache: TaskCache, loop: ExecutorLoop) -> dict[str, Any]:
        """Return where the trials ran and what happened to the workers."""
        settings, usage = self.settings, executor.usage()
        return {
            "executor": settings.executor,
            "workers": executor.workers,
            "order": "free-running" if settings.lookahead is None else f"lookahead {settings.lookahead}",
            "limits": asdict(settings.limits),
            "restarted_workers": usage.restarted,
            "retried_runs": usage.retried,
            "cpu_seconds": usage.cpu_seconds,
            "cached_trials": cache.count.hits,
            "cache_hit_rate": cache.hit_rate,
            **(
                {
                    "folds_run": loop.n_folds_run,
                    "folds_saved": loop.n_folds_saved,
                    "seconds_saved": loop.seconds_saved,
                }
                if isinstance(loop, FoldedLoop)
                else {}
            ),
        }

    def _first_outcome(self, executor: Executor, parameters: dict[str, Any], folded: bool) -> Outcome:
        """Run the parameters tried first, or their first fold, and say so, since it may take long."""
        limits = [self.engine.longest_try(), self.settings.limits.seconds]
        trying = TryingOut(
            self.engine.label, min((each for each in limits if each is not None), default=None)
        )
        if self.sink is not None:
            self.sink(trying)
        first = FirstTry(parameters)
        executor.submit(0, (first, 0) if folded else first)
        start, told = time.monotonic(), self.sink is not None
        while True:
            outcomes = executor.wait(FIRST_WAIT)
            if outcomes:
                return outcomes[0]
            if not told and time.monotonic() - start >= FIRST_WAIT:
                told = True
                LOG.warning("%s", trying.text(time.monotonic() - start))

    def _finished(self, loop: ExecutorLoop, objective: Objective, execution: dict[str, Any]) -> EngineSearch:
        return EngineSearch(
            **self._ended(loop, objective, self.task_id(objective)),
            engine=self.engine,
            held_out=self.held_out,
            holdout=self.settings.holdout,
            data=self.whole.data_digest(),
            digest=self.digest,
            limits=self.settings.limits,
            in_process=self.settings.executor == "serial",
            first_parameters=self.first_parameters(),
            n_blocks=N_BLOCKS,
            execution=execution,
        )

    # -- identity --------------------------------------------------------------------------------------------

    def identity(self, objective: Objective) -> dict[str, Any]:
        """Return what makes this search this one: a checkpoint of another identity is not continued."""
        settings = self.settings
        names = {name: part for name, part in objective.to_json().items() if name != "reference"}
        return {
            "version": __version__,
            "engine": self.digest,
            "space": self.space.digest,
            "objective": names,
            "seed": settings.seed,
            "optimizer": {"name": settings.optimizer, **settings.optimizer_settings},
            "lookahead": settings.lookahead,
            "prune": settings.prune,
            "start_points": [dict(point) for point in settings.start_points],
        }

    def task_id(self, objective: Objective) -> str:
        """Return the engine's label and a digest of the identity and the budget."""
        document = json.dumps([self.identity(objective), asdict(self.settings.budget)], sort_keys=True)
        return f"{self.engine.label}-{hashlib.sha256(document.encode()).hexdigest()[:12]}"


def _check_folds(engine: Engine, prune: bool | float) -> None:
    """Refuse an error for verdicts that are never made: only a trial of several runs can be stopped between them."""
    if not isinstance(prune, bool) and not isinstance(engine, FoldedEngine):
        raise TaskError(
            f"prune is {prune:g}, but {engine.label} has no folds, and a trial of one run cannot be stopped early; "
            "give folds and a function of (parameters, fold), or a list of engines"
        )


def _check_time(engine: Engine, objective: Objective, first: Mapping[str, float]) -> None:
    """Refuse to search for what no trial can have: a metric by the year of bars whose moments are not known."""
    needed = dict.fromkeys([*objective.metrics, *(each.metric for each in objective.constraints)])
    wanted = [name for name in needed if name in BY_THE_YEAR]
    if wanted and has_no_time(first):
        known = [name for name, value in first.items() if name not in BY_THE_YEAR and math.isfinite(value)]
        ours = [name for name in known if name in METRICS]
        raise DataError(
            f"{', '.join(wanted)} of {engine.label} cannot be known: the data have no timestamps, so nobody knows how "
            "many bars a year has; give them an index of dates, as in frame.index = pd.to_datetime(dates), or take "
            f"another objective ({listed(ours or known)})"
        )
