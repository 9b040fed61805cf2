"""Checks a task that is posted, and puts it into the queue; what is wrong with it is found here, not by a worker."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from strategy_optimizer.access.principal import Principal
from strategy_optimizer.api.service import Service
from strategy_optimizer.errors import StrategyError, TaskNotFoundError, nearest_name
from strategy_optimizer.models.service_task import StoredTask, TaskCopyIn, TaskIn
from strategy_optimizer.storage import Creation, NewTask, TaskRecord
from strategy_optimizer.strategies.registry import ALIASES, BUILT_IN


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
    if idempotency_key is None or not service.store.tasks.is_made(caller.user_id, idempotency_key):
        service.gate.quotas.check_task(caller.user_id, trials=task.evaluations)
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
    if task.parameter_space or task.constraints:
        task.to_space()
    known = {*BUILT_IN, *ALIASES}
    if task.strategy_name not in known:
        raise StrategyError(
            f"there is no strategy {task.strategy_name!r}{nearest_name(task.strategy_name, known)} "
            "(GET /api/v1/strategies lists them)"
        )
    if task.warm_start is not None:
        try:
            service.store.tasks.get(task.warm_start, owner=caller.owner)
        except TaskNotFoundError as error:
            raise TaskNotFoundError(f"warm_start: {error}", task=task.warm_start) from error
    return StoredTask(task=task)
