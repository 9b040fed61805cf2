"""From a stored document to a task that can run: its strategy, its bars, and everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.backtest import Costs
from strategy_optimizer.errors import DataError, StrategyError, TaskError, nearest_name
from strategy_optimizer.market import Bars, load_bars
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.models.service_task import StoredTask
from strategy_optimizer.models.task import TaskModel
from strategy_optimizer.objective import Objective
from strategy_optimizer.strategies import get_strategy, list_strategies
from strategy_optimizer.strategies.registry import ALIASES
from strategy_optimizer.tasks import OptimizationTask, make_task
from strategy_optimizer.tasks.strategy_binding import StrategyClass

DEFAULT_DATA = "sp500"
DEFAULT_OBJECTIVE = "sharpe_ratio"
POPULATIONS = ("ga", "nsga2")


def read_document(document: Mapping[str, Any]) -> StoredTask:
    """Return the task of a document in the store.

    Raises
    ------
    TaskError
        When it is none.
    """
    try:
        return StoredTask.model_validate(dict(document))
    except ValueError as error:
        raise TaskError(f"the stored task cannot be read: {error}") from error


def resolve(stored: StoredTask, owner: str) -> tuple[StrategyClass, Bars]:
    """Return the strategy and the bars that a task names; names only, never a path or a module.

    Raises
    ------
    StrategyError
        When there is no such strategy.
    DataError
        When there are no such data.
    """
    return _strategy(stored.task.strategy_name), _bars(stored.task.data or DEFAULT_DATA)


def build_task(
    stored: StoredTask, strategy: StrategyClass, bars: Bars, *, threads: int, **others: Any
) -> OptimizationTask:
    """Return the task, ready to run.

    Parameters
    ----------
    stored : StoredTask
    strategy : strategy class
    bars : Bars
    threads : int
        At most so many; the result does not depend on them.
    **others
        Of `make_task`: checkpoint, progress.
    """
    model, config = stored.task, stored.task.optimization_config
    settings: dict[str, Any] = {}
    if model.optimization_type in POPULATIONS:
        sizes = {"population_size": config.population_size, "generations": config.generations}
        settings = {name: size for name, size in sizes.items() if size is not None}
    return make_task(
        strategy,
        bars,
        model.optimization_type,
        space=model.parameter_space_json() or None,
        constraints=model.constraints,
        objective=_objective(model),
        evaluations=model.evaluations,
        seconds=config.seconds,
        target=config.target,
        patience=config.patience,
        seed=config.seed,
        costs=None if model.costs is None else Costs(**model.costs),
        holdout=config.holdout,
        workers=min(threads, config.parallel_workers or threads),
        **others,
        **settings,
    )


def _objective(model: TaskModel) -> Objective | str:
    """Return the objective; the Sharpe ratio where the task says nothing of it."""
    said = model.objective_function
    return said.to_objective() if said.model_fields_set - {"type"} else DEFAULT_OBJECTIVE


def _strategy(name: str) -> StrategyClass:
    known = [*list_strategies(), *ALIASES]
    if name not in known:
        raise StrategyError(
            f"there is no strategy '{name}'{nearest_name(name, known)} (known: {', '.join(sorted(known))})"
        )
    return get_strategy(name)


def _bars(name: str) -> Bars:
    if name not in SAMPLES:
        raise DataError(
            f"there are no data '{name}'{nearest_name(name, SAMPLES)} (known: {', '.join(sorted(SAMPLES))})"
        )
    return load_bars(name)
