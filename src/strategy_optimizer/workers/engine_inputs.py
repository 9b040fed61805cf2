"""From a stored document to a search on an engine: what is searched, where its trials run, and what they may use."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strategy_optimizer.catalogue.spaces import own_space
from strategy_optimizer.catalogue.versions import canonical_name, copies_folder, load_version
from strategy_optimizer.engines.registry import OfferedEngine
from strategy_optimizer.errors import StrategyError, TaskError
from strategy_optimizer.models.service_task import StoredTask
from strategy_optimizer.models.task import OptimizationConfigModel
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks import EngineTask, Limits, make_engine_task
from strategy_optimizer.tasks.executor_loop import DEFAULT_LOOKAHEAD
from strategy_optimizer.tasks.executors.child import system
from strategy_optimizer.tasks.executors.nesting import allow_workers
from strategy_optimizer.tasks.trial_cache import default_path
from strategy_optimizer.workers.inputs import optimizer_settings

MEGABYTE = 2**20
SHARE = 0.75
"""Of the memory that a task has left, which trials may take: they are found out before the task as a whole is."""
RAY_PATIENCE = 3600.0
"""Seconds that a task waits for a free core of the Ray cluster, which other tasks may have for long."""


@dataclass(frozen=True)
class Resources:
    """Where trials of engines run, and what there is for them.

    Attributes
    ----------
    threads : int
        Trials at once in processes of this machine.
    memory : int or None
        Bytes of the whole task.
    ray_address : str or None
        The cluster that runs the trials instead.
    ray_share : int
        Tasks that use the cluster beside each other.
    data_dir : Path
        Of the worker.
    """

    threads: int
    memory: int | None
    ray_address: str | None
    ray_share: int
    data_dir: Path


def engine_space_of(store: Store, stored: StoredTask) -> ParameterSpace:
    """Return what a task on an engine searches: what its version declares, with the bounds that the task gives."""
    model = stored.task
    own = own_space(store, canonical_name(model.strategy_name), str(stored.strategy_version))
    given = model.parameter_space_json()
    if given:
        return own.override(given, model.constraints)
    return own.with_constraints(*model.constraints) if model.constraints else own


def build_engine_task(stored: StoredTask, store: Store, resources: Resources, **others: Any) -> EngineTask:
    """Return the task, ready to run. Runs the code of its file; this process may then have worker processes.

    Parameters
    ----------
    stored : StoredTask
    store : Store
    resources : Resources
    **others
        Of `make_engine_task`: checkpoint, progress, warm_start.

    Raises
    ------
    StrategyError
        When this worker does not have that version.
    EngineError
        When the engine cannot run here.
    TaskError
        When the task asks for more memory than there is.
    """
    offered = load_engine(stored, resources.data_dir)
    model, config = stored.task, stored.task.optimization_config
    # On a cluster its nodes have the memory.
    room = _room(resources.memory) if resources.ray_address is None else None
    allow_workers()  # on Ray, too: the winner is run again here
    if resources.ray_address is not None:
        send_code(resources.data_dir)
    return make_engine_task(
        offered.engine,
        model.optimization_type,
        space=engine_space_of(store, stored),
        objective=model.objective_function.document() or None,
        evaluations=model.evaluations,
        seconds=config.seconds,
        target=config.target,
        patience=config.patience,
        seed=config.seed,
        holdout=config.holdout,
        limits=Limits(seconds=config.trial_time, memory=_trial_memory(config, room)),
        memory=room,
        lookahead=_lookahead(config),
        prune=True if config.prune is None else config.prune != "off" and config.prune,
        cache=resources.data_dir / "cache" / default_path().name,
        **_executor(config, resources),
        **others,
        **optimizer_settings(model),
    )


def load_engine(stored: StoredTask, data_dir: Path) -> OfferedEngine:
    """Return the engine that a task names, in the version that it pinned. Runs the code of its file."""
    name = stored.task.strategy_name
    offered = load_version(name, stored.strategy_version, data_dir)
    if not isinstance(offered, OfferedEngine):
        raise StrategyError(f"the strategy '{name}' is no engine here: it was one when the task was made")
    return offered


def send_code(data_dir: Path) -> None:
    """Let modules of the file go to other machines with their code: these have no copy of the version."""
    import cloudpickle

    copies = copies_folder(data_dir).resolve()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is not None and Path(file).resolve().is_relative_to(copies):
            cloudpickle.register_pickle_by_value(module)


def _executor(config: OptimizationConfigModel, resources: Resources) -> dict[str, Any]:
    if resources.ray_address is None:
        workers = min(resources.threads, config.parallel_workers or resources.threads)
        return {"executor": "processes", "workers": workers}
    return {
        "executor": "ray",
        "ray_address": resources.ray_address,
        "workers": config.parallel_workers,
        "ray_share": resources.ray_share,
        "ray_patience": RAY_PATIENCE,
    }


def _lookahead(config: OptimizationConfigModel) -> int | None:
    if config.lookahead == "free":
        return None
    return DEFAULT_LOOKAHEAD if config.lookahead is None else config.lookahead


def _room(memory: int | None) -> int | None:
    """Return the bytes that all trials together may take of a task's memory, beside this process."""
    if memory is None:
        return None
    return max(64 * MEGABYTE, int(SHARE * (memory - system.resident_bytes())))


def _trial_memory(config: OptimizationConfigModel, room: int | None) -> int | None:
    if config.trial_memory is None:
        return room if room is not None else Limits().memory
    asked = config.trial_memory * MEGABYTE
    if room is not None and asked > room:
        raise TaskError(
            f"trial_memory is {config.trial_memory:,} MB, but a task of this worker has {room // MEGABYTE:,} MB for "
            "its trials; ask for less, or give the worker more (--task-memory)"
        )
    return asked
