"""Checks a task, and puts it into the queue; what is wrong with it is found here, not when a worker has it.

The API posts tasks, schedules make them: both come through here.
"""

from __future__ import annotations

from typing import Any

from strategy_optimizer.access.quotas import Quotas
from strategy_optimizer.catalogue.datasets import find_dataset
from strategy_optimizer.catalogue.spaces import check_space, own_space
from strategy_optimizer.catalogue.versions import pin_version
from strategy_optimizer.errors import (
    DataError,
    NotStoredError,
    StrategyError,
    TaskError,
    TaskNotFoundError,
    nearest_name,
)
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.models.service_task import StoredTask, TaskCopyIn, TaskIn
from strategy_optimizer.models.task import ParameterModel
from strategy_optimizer.storage import TASK_MEMORY, Creation, NewTask, Store, TaskRecord
from strategy_optimizer.tasks.executors.child.words import size_text


def submit(
    store: Store,
    owner: str,
    task: TaskIn,
    *,
    task_memory: int = TASK_MEMORY,
    parent: str | None = None,
    idempotency_key: str | None = None,
) -> Creation:
    """Store a task.

    Parameters
    ----------
    store : Store
    owner : str
        Id of the user whose task it is.
    task : TaskIn
    task_memory : int
        Bytes that a task may take, by default and at most.
    parent : str, optional
        The task that it is a copy of.
    idempotency_key : str, optional
        The same key with the same task gives the task that is there.

    Raises
    ------
    StrategyOptimizerError
        One of its kinds, naming what cannot be used.
    """
    stored, memory = _checked(store, owner, task), _memory(task, task_memory)
    if idempotency_key is None or not store.tasks.is_made(owner, idempotency_key):
        Quotas(store).check_task(owner, trials=task.evaluations, memory=memory)
    new = NewTask(
        owner,
        task.strategy_name,
        stored.document(),
        id=task.task_id,
        parent=parent,
        priority=task.priority,
        deadline=task.deadline,
        memory=memory,
    )
    return store.tasks.create(new, idempotency_key=idempotency_key)


def pinned(store: Store, owner: str, strategy: str, data: str) -> tuple[str, str | None]:
    """Return the versions that a strategy and data of these names have now.

    Raises
    ------
    StrategyError, DataError
        When there are none.
    """
    _, version = _pinned(store, strategy)
    return version, _data_digest(store, owner, data)


def copy_of(task: TaskRecord, changes: TaskCopyIn | None = None) -> TaskIn:
    """Return the task that does the same again, with some changes.

    Raises
    ------
    pydantic.ValidationError
        When the changes do not fit.
    """
    asked: dict[str, Any] = {key: value for key, value in task.document["task"].items() if key != "task_id"}
    given = {} if changes is None else changes.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if given.pop("warm_start", False):
        asked["warm_start"] = task.id
    config = {**asked.get("optimization_config", {}), **given.pop("optimization_config", {})}
    return TaskIn.model_validate({**asked, **given, **({"optimization_config": config} if config else {})})


def _checked(store: Store, owner: str, task: TaskIn) -> StoredTask:
    """Return the task with the versions that are current now."""
    task.objective_function.to_objective()
    name, version = _pinned(store, task.strategy_name)
    task = _with_space(store, owner, task, name)
    digest = _data_digest(store, owner, task.data)
    if task.warm_start is not None:
        try:
            store.tasks.get(task.warm_start, owner=owner)
        except TaskNotFoundError as error:
            raise TaskNotFoundError(f"warm_start: {error}", task=task.warm_start) from error
    return StoredTask(task=task, strategy_version=version, data_digest=digest)


def _memory(task: TaskIn, most: int) -> int:
    if task.memory is not None and task.memory > most:
        raise TaskError(
            f"memory is {size_text(task.memory)}; a task may take at most {size_text(most)} here (task_memory of the "
            "service): ask for less, or leave it out"
        )
    return most if task.memory is None else task.memory


def _pinned(store: Store, strategy: str) -> tuple[str, str]:
    try:
        return pin_version(store, strategy)
    except NotStoredError as error:
        raise StrategyError(str(error)) from error


def _with_space(store: Store, owner: str, task: TaskIn, name: str) -> TaskIn:
    """Return the task with the space that its owner keeps for the strategy, where it brings none; checked."""
    if not task.parameter_space:
        kept = store.parameter_spaces.find(owner, name)
        if kept is None:
            if task.constraints:
                own_space(store, *pin_version(store, name)).with_constraints(*task.constraints)
            return task
        parameters = {
            name: ParameterModel.model_validate(entry)
            for name, entry in kept.space["parameter_space"].items()
        }
        constraints = (*kept.space["constraints"], *task.constraints)
        task = task.model_copy(update={"parameter_space": parameters, "constraints": constraints})
    document = {"parameter_space": task.parameter_space_json(), "constraints": list(task.constraints)}
    check_space(store, name, document)
    return task


def _data_digest(store: Store, owner: str, data: str | None) -> str | None:
    """Return the content that a dataset of the owner has now; None for samples, which do not change."""
    if data is None or data in SAMPLES:
        return None
    try:
        return find_dataset(store, owner, data).digest
    except NotStoredError as error:
        near = nearest_name(data, SAMPLES)
        raise DataError(
            f"there are no data {data!r}{near}; expected {', '.join(sorted(SAMPLES))}, or the name of one of your "
            "datasets (GET /api/v1/datasets lists them)"
        ) from error
