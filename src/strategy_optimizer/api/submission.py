"""Checks a task that is posted, and puts it into the queue; what is wrong with it is found here, not by a worker."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.service import Service
from strategy_optimizer.catalogue.datasets import find_dataset
from strategy_optimizer.catalogue.spaces import check_space, own_space
from strategy_optimizer.catalogue.versions import pin_version
from strategy_optimizer.errors import NotStoredError, StrategyError, TaskNotFoundError
from strategy_optimizer.market.samples import SAMPLES
from strategy_optimizer.models.service_task import StoredTask, TaskCopyIn, TaskIn
from strategy_optimizer.models.task import ParameterModel
from strategy_optimizer.storage import Creation, NewTask, TaskRecord


def submit(
    service: Service,
    caller: Principal,
    task: TaskIn,
    *,
    parent: str | None = None,
    idempotency_key: str | None = None,
) -> Creation:
    """Store a task.

    Raises
    ------
    StrategyOptimizerError
        One of its kinds, naming what cannot be used.
    """
    stored = _checked(service, caller, task)
    new = NewTask(
        caller.user_id,
        task.strategy_name,
        stored.document(),
        id=task.task_id,
        parent=parent,
        priority=task.priority,
        deadline=task.deadline,
    )
    return service.store.tasks.create(new, idempotency_key=idempotency_key)


def copy_of(task: TaskRecord, changes: TaskCopyIn) -> TaskIn:
    """Return the task that does the same again, with some changes."""
    asked: dict[str, Any] = {key: value for key, value in task.document["task"].items() if key != "task_id"}
    given = changes.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if given.pop("warm_start", False):
        asked["warm_start"] = task.id
    config = {**asked.get("optimization_config", {}), **given.pop("optimization_config", {})}
    merged = {**asked, **given, **({"optimization_config": config} if config else {})}
    try:
        return TaskIn.model_validate(merged)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _checked(service: Service, caller: Principal, task: TaskIn) -> StoredTask:
    task.objective_function.to_objective()
    try:
        name, version = pin_version(service.store, task.strategy_name)
    except NotStoredError as error:
        raise StrategyError(str(error)) from error
    task = _with_space(service, caller, task, name)
    data_digest = None
    if task.data is not None and task.data not in SAMPLES:
        data_digest = find_dataset(service.store, caller.user_id, task.data).digest
    if task.warm_start is not None:
        try:
            service.store.tasks.get(task.warm_start, owner=caller.owner)
        except TaskNotFoundError as error:
            raise TaskNotFoundError(f"warm_start: {error}", task=task.warm_start) from error
    return StoredTask(task=task, strategy_version=version, data_digest=data_digest)


def _with_space(service: Service, caller: Principal, task: TaskIn, name: str) -> TaskIn:
    """Return the task with the space that its owner keeps for the strategy, where it brings none; checked."""
    if not task.parameter_space:
        kept = service.store.parameter_spaces.find(caller.user_id, name)
        if kept is None:
            if task.constraints:
                space = own_space(service.store, *pin_version(service.store, name))
                space.with_constraints(*task.constraints)
            return task
        constraints = [*kept.space["constraints"], *task.constraints]
        parameters = {
            name: ParameterModel.model_validate(entry)
            for name, entry in kept.space["parameter_space"].items()
        }
        changes = {"parameter_space": parameters, "constraints": tuple(constraints)}
        task = task.model_copy(update=changes)
    document = {"parameter_space": task.parameter_space_json(), "constraints": list(task.constraints)}
    check_space(service.store, name, document)
    return task
