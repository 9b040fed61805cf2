"""One optimisation task: a strategy on bars, searched within a budget, and its checked result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest import PopulationEvaluator, Rules
from strategy_optimizer.errors import DataError, StrategyError, TaskError
from strategy_optimizer.market import Bars
from strategy_optimizer.objective import Objective, ParetoObjective
from strategy_optimizer.optimizer import Optimizer, create_optimizer
from strategy_optimizer.records import Reproducing, Sink, StopReason
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.budget import Budget, check_count
from strategy_optimizer.tasks.checkpoint import Checkpoint
from strategy_optimizer.tasks.division import divide
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.result import Result
from strategy_optimizer.tasks.result_aggregator import FinishedSearch, aggregate, rules_json
from strategy_optimizer.tasks.search_loop import SearchLoop
from strategy_optimizer.tasks.strategy_binding import StrategyClass, bind_evaluator, bind_strategy
from strategy_optimizer.version import __version__

DEFAULT_EVALUATIONS = 2_000
PLANNED_WITHOUT_LIMIT = 10_000
"""Trials for which the optimizer plans when only time limits the search."""


@dataclass(frozen=True)
class TaskSettings:
    """What a task does besides its strategy, bars, space and objective.

    Parameters
    ----------
    optimizer : str
        A name that `create_optimizer` knows.
    optimizer_settings : mapping
        Its own settings.
    budget : Budget
    seed : int
    rules : Rules
        Costs, fills and cash; its window is set by the task.
    holdout : float
        Share of the bars, the last ones, that the search does not see; 0 for none.
    workers : int, optional
        Threads; all cores by default. The result does not depend on it.
    checkpoint : str or Path, optional
        Folder for the checkpoint.
    resume : bool
        Continue what the checkpoint holds.
    start_points : tuple of mapping
        Parameters to try before all others, as `warm_start.earlier_points` finds them.
    validate : bool
        Whether a verdict is wanted; `validation.run_and_validate` gives it.
    ledger : bool
        Whether `run_and_validate` is to count earlier searches, and to record this one for later ones.
    """

    optimizer: str = "auto"
    optimizer_settings: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=lambda: Budget(evaluations=DEFAULT_EVALUATIONS))
    seed: int = 0
    rules: Rules = field(default_factory=Rules)
    holdout: float = 0.25
    workers: int | None = None
    checkpoint: str | Path | None = None
    resume: bool = False
    start_points: tuple[Mapping[str, Any], ...] = ()
    validate: bool = True
    ledger: bool = True

    def __post_init__(self) -> None:
        check_count("workers", self.workers)
        if self.resume and self.checkpoint is None:
            raise TaskError("resume needs the checkpoint's folder")


class OptimizationTask:
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
        self.settings = settings or TaskSettings()
        self.strategy = strategy
        self.bound_strategy = bind_strategy(self.strategy, space)
        self.bars = bars
        self.space = space
        self.objective = objective
        self.search: FinishedSearch | None = None
        self.result: Result | None = None
        self.in_sample, self.held_out = divide(bars, self.settings.holdout)
        self.rules = replace(self.settings.rules, window=self.in_sample)
        self.optimizer = self._make_optimizer()
        self.sink = sink
        self._loop: SearchLoop | None = None
        self._cancelled = False

    @property
    def history(self) -> TrialHistory:
        """Every trial so far."""
        if self._loop is not None:
            return self._loop.history
        return TrialHistory(self.space, self.rules.n_blocks, self.objective)

    @property
    def stop_reason(self) -> StopReason | None:
        """What ended the search; None before."""
        return self._loop.stop_reason if self._loop else None

    def cancel(self) -> None:
        """End the search soon, keeping what is done; may be called from any thread."""
        self._cancelled = True
        if self._loop is not None:
            self._loop.cancel()

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
        if self._loop is not None:
            raise TaskError("the task has run already; make another, or resume its checkpoint")
        self.check_defaults()
        checkpoint = self._open_checkpoint()
        try:
            loop = self._loop = self._make_loop(checkpoint)
            if self._cancelled:
                loop.cancel()
            stop_reason = loop.run()
        finally:
            if checkpoint is not None:
                checkpoint.close()
        self.optimizer = loop.optimizer
        if self.sink is not None and loop.history.best is not None:
            self.sink(Reproducing(self.in_sample[1] - self.in_sample[0]))
        self.search = self._finished(loop, stop_reason)
        self.result = aggregate(self.search)
        return self.result

    def _make_optimizer(self) -> Optimizer:
        settings = self.settings
        planned = settings.budget.evaluations or PLANNED_WITHOUT_LIMIT
        several = isinstance(self.objective, ParetoObjective)
        if several and settings.budget.target is not None:
            raise TaskError(
                f"target is {settings.budget.target:g}, one score, but the objective has several "
                f"({self.objective}); use patience, or a reference point, which chooses on the front"
            )
        optimizer = create_optimizer(
            settings.optimizer,
            self.space,
            budget=planned,
            seed=settings.seed,
            directions=self.objective.directions if several else None,
            **settings.optimizer_settings,
        )
        if settings.start_points:
            optimizer.suggest(self.space.from_dicts(list(settings.start_points)))
        return optimizer

    def _make_loop(self, checkpoint: Checkpoint | None) -> SearchLoop:
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
        params = self._allowed_defaults()
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

    def _allowed_defaults(self) -> dict[str, Any]:
        """Return the defaults of the space, or a random point where its constraints forbid them."""
        defaults = self.space.defaults()
        if self.space.is_feasible(self.space.from_dicts([defaults]))[0]:
            return defaults
        return self.space.sample_random(self.settings.seed)

    def _finished(self, loop: SearchLoop, stop_reason: StopReason) -> FinishedSearch:
        return FinishedSearch(
            task_id=self.task_id,
            strategy=self.strategy,
            bound_strategy=self.bound_strategy,
            bars=self.bars,
            space=self.space,
            objective=self.objective,
            optimizer=loop.optimizer,
            rules=self.rules,
            held_out=self.held_out,
            history=loop.history,
            stop_reason=stop_reason,
            why_converged=loop.why_converged,
            seconds=loop.elapsed,
            trials_per_second=(len(loop.history) - loop.n_resumed) / max(loop.session_seconds, 1e-9),
            n_resumed=loop.n_resumed,
            n_start_points=len(self.settings.start_points),
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

    def _open_checkpoint(self) -> Checkpoint | None:
        settings = self.settings
        if settings.checkpoint is None:
            return None
        return Checkpoint(settings.checkpoint, self.identity(), resume=settings.resume)
