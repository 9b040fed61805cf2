"""One optimisation task: a strategy on bars, searched within a budget, and its checked result."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from strategy_optimizer.backtest import PopulationEvaluator, Rules
from strategy_optimizer.errors import DataError, StrategyError
from strategy_optimizer.market import Bars
from strategy_optimizer.objective import Objective
from strategy_optimizer.records import Reproducing, Sink
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.budget import DEFAULT_EVALUATIONS, Budget
from strategy_optimizer.tasks.checkpoint import SearchCheckpoint
from strategy_optimizer.tasks.division import divide
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.result import Result
from strategy_optimizer.tasks.result_aggregator import FinishedSearch, aggregate, rules_json
from strategy_optimizer.tasks.search_loop import SearchLoop
from strategy_optimizer.tasks.search_task import SearchSettings, SearchTask
from strategy_optimizer.tasks.strategy_binding import StrategyClass, bind_evaluator, bind_strategy
from strategy_optimizer.version import __version__

PLANNED_WITHOUT_LIMIT = 10_000
"""Trials for which the optimizer plans when only time limits the search."""


@dataclass(frozen=True, kw_only=True)
class TaskSettings(SearchSettings):
    """What a task does besides its strategy, bars, space and objective.

    Parameters
    ----------
    rules : Rules
        Costs, fills and cash; its window is set by the task.
    **others
        Those of `SearchSettings`. The result does not depend on `workers`, which are threads here.
    """

    budget: Budget = field(default_factory=lambda: Budget(evaluations=DEFAULT_EVALUATIONS))
    rules: Rules = field(default_factory=Rules)


class OptimizationTask(SearchTask[TaskSettings]):
    """A search for the best parameters of one strategy on one set of bars.

    Parameters
    ----------
    strategy : strategy class
    bars : Bars
    space : ParameterSpace
        What to search: parameters of the strategy, in its order (`ParameterSpace.override` makes one).
    objective : Objective
    settings : TaskSettings
    sink : callable, optional
        Receives the events of `strategy_optimizer.records`.

    Attributes
    ----------
    history : TrialHistory
        Every trial so far; also there when `run` raised.
    search : FinishedSearch or None
        All that the result was made from; None before.
    result : Result or None
    stop_reason : str or None

    Raises
    ------
    StrategyOptimizerError
        One of its kinds, when something of it cannot work together.
    """

    def __init__(
        self,
        strategy: StrategyClass,
        bars: Bars,
        space: ParameterSpace,
        objective: Objective,
        settings: TaskSettings | None = None,
        *,
        sink: Sink | None = None,
    ) -> None:
        super().__init__(space, settings or TaskSettings(), sink)
        self.strategy = strategy
        self.bound_strategy = bind_strategy(self.strategy, space)
        self.bars = bars
        self.objective = objective
        self.search: FinishedSearch | None = None
        self.result: Result | None = None
        self.in_sample, self.held_out = divide(bars, self.settings.holdout)
        self.rules = replace(self.settings.rules, window=self.in_sample)
        self.optimizer = self._make_optimizer(objective, PLANNED_WITHOUT_LIMIT)

    def _empty_history(self) -> TrialHistory:
        return TrialHistory(self.space, self.rules.n_blocks, self.objective)

    def run(self) -> Result:
        """Search, check the winner, and return the result.

        Raises
        ------
        StrategyError
            The strategy raises on the default parameters of the space.
        DataError
            Too few bars for these parameters.
        CheckpointError
            The checkpoint cannot be continued or written.
        TaskError
            No trial could win: all failed, or none satisfies the outcome constraints.
        ReproductionError
            The reference simulator does not confirm the winner.
        """
        self._refuse_to_run_twice()
        self.check_defaults()
        checkpoint = self._open_checkpoint(self.identity())
        try:
            loop = self._make_loop(checkpoint)
            self._run_loop(loop)
        finally:
            if checkpoint is not None:
                checkpoint.close()
        self.optimizer = loop.optimizer
        self.search = self._finished(loop)
        if self.sink is not None and loop.history.best is not None:
            self.sink(Reproducing(self.in_sample[1] - self.in_sample[0]))
        self.result = aggregate(self.search)
        return self.result

    def _make_loop(self, checkpoint: SearchCheckpoint | None) -> SearchLoop:
        engine = PopulationEvaluator(
            self.bound_strategy, self.bars, self.rules, threads=self.settings.workers
        )
        return SearchLoop(
            self.optimizer,
            bind_evaluator(engine, self.bound_strategy.space(), self.space),
            self.objective,
            self.settings.budget,
            checkpoint=checkpoint,
            sink=self.sink,
            n_blocks=self.rules.n_blocks,
        )

    def check_defaults(self) -> None:
        """Run the strategy once on the defaults of the space: what fails there would fail in every trial."""
        params = self.first_parameters()
        engine = PopulationEvaluator(self.bound_strategy, self.bars, self.rules, threads=1)
        failure = engine.evaluate([params]).errors.get(0)
        if failure is not None:
            raise StrategyError(f"the strategy fails on the parameters tried first, {params}: {failure}")
        warmup, n_bars = engine.signals(params).warmup, self.in_sample[1] - self.in_sample[0]
        if warmup >= n_bars:
            raise DataError(
                f"{self.bars.name} has {n_bars} bars to search ({self.bars.n_bars} in all, holdout "
                f"{self.settings.holdout:g}), but {self.strategy.label()} with the parameters tried first, "
                f"{params}, decides nothing before bar {warmup}; expected more bars, or shorter periods"
            )

    def _finished(self, loop: SearchLoop) -> FinishedSearch:
        return FinishedSearch(
            **self._ended(loop, self.objective, self.task_id),
            strategy=self.strategy,
            bound_strategy=self.bound_strategy,
            bars=self.bars,
            rules=self.rules,
            held_out=self.held_out,
        )

    # -- identity ------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """Return what makes this search this one: a checkpoint of another identity is not continued.

        The limits of the budget are no part of it: a search may be continued with more of them. Nor is a
        reference point: it chooses on the front that was found.
        """
        settings = self.settings
        objective = {name: part for name, part in self.objective.to_json().items() if name != "reference"}
        return {
            "version": __version__,
            "strategy": self.strategy.digest(),
            "data": self.bars.digest,
            "in_sample_bars": list(self.in_sample),
            "space": self.space.digest,
            "objective": objective,
            "costs": asdict(self.rules.costs),
            "rules": rules_json(self.rules),
            "seed": settings.seed,
            "optimizer": {"name": settings.optimizer, **settings.optimizer_settings},
            **(
                {"start_points": [dict(point) for point in settings.start_points]}
                if settings.start_points
                else {}
            ),
        }

    @property
    def task_id(self) -> str:
        """The strategy's name and a digest of the identity and the budget."""
        document = json.dumps([self.identity(), asdict(self.settings.budget)], sort_keys=True)
        return f"{self.strategy.label()}-{hashlib.sha256(document.encode()).hexdigest()[:12]}"
