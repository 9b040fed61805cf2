"""From a stored document to a task that can run: its strategy, its bars, and everything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strategy_optimizer.backtest import Costs
from strategy_optimizer.catalogue.dataset_copies import load_dataset
from strategy_optimizer.catalogue.versions import load_version
from strategy_optimizer.engines.registry import OfferedEngine
from strategy_optimizer.errors import StrategyError, TaskError
from strategy_optimizer.market import Bars
from strategy_optimizer.models.service_task import DEFAULT_DATA, StoredTask
from strategy_optimizer.models.task import TaskModel
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks import OptimizationTask, make_task
from strategy_optimizer.tasks.strategy_binding import StrategyClass

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


def resolve(stored: StoredTask, owner: str, store: Store, data_dir: Path) -> tuple[StrategyClass, Bars]:
    """Return the strategy and the bars that a task names, in the versions that it pinned. Runs the strategy's code.

    Parameters
    ----------
    stored : StoredTask
    owner : str
        Whose datasets are meant.
    store : Store
    data_dir : Path
        Where the worker keeps copies of both.

    Raises
    ------
    StrategyError
        When this worker does not have that version of the strategy, or it is an engine.
    NotStoredError, DataError
        When the owner has no such data any more, or they have other content.
    """
    strategy = load_version(stored.task.strategy_name, stored.strategy_version, data_dir)
    if isinstance(strategy, OfferedEngine):
        raise StrategyError(
            f"the strategy '{stored.task.strategy_name}' is an engine: it has its own data, and does not run on the "
            "built-in kernel"
        )
    name = stored.task.data or DEFAULT_DATA
    return strategy, load_dataset(store, owner, name, data_dir, digest=stored.data_digest)


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
        Of `make_task`: checkpoint, progress, warm_start.
    """
    model, config = stored.task, stored.task.optimization_config
    return make_task(
        strategy,
        bars,
        model.optimization_type,
        space=model.parameter_space_json() or None,
        constraints=model.constraints,
        objective=model.objective_function.to_objective(),
        evaluations=model.evaluations,
        seconds=config.seconds,
        target=config.target,
        patience=config.patience,
        seed=config.seed,
        costs=None if model.costs is None else Costs(**model.costs),
        holdout=config.holdout,
        workers=min(threads, config.parallel_workers or threads),
        **others,
        **optimizer_settings(model),
    )


def optimizer_settings(model: TaskModel) -> dict[str, Any]:
    """Return the optimizer's own settings of a task."""
    if model.optimization_type not in POPULATIONS:
        return {}
    config = model.optimization_config
    sizes = {"population_size": config.population_size, "generations": config.generations}
    return {name: size for name, size in sizes.items() if size is not None}
