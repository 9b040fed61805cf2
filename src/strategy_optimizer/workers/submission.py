"""Checks a task, and puts it into the queue; what is wrong with it is found here, not when a worker has it.

The API posts tasks, schedules make them: both come through here.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from strategy_optimizer.access.quotas import Quotas
from strategy_optimizer.catalogue.datasets import find_dataset
from strategy_optimizer.catalogue.describing import ENGINE
from strategy_optimizer.catalogue.spaces import MOST_CONSTRAINTS, check_space, own_space
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
from strategy_optimizer.models.task import ParameterModel, TaskModel
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.storage import TASK_MEMORY, Creation, NewTask, Store, TaskRecord
from strategy_optimizer.tasks.budget import DEFAULT_ENGINE_EVALUATIONS, DEFAULT_EVALUATIONS
from strategy_optimizer.tasks.executors.child.words import size_text

NOT_IDS = ("tasks", "start", "compare", "parameter-space")
"""What stands in addresses where the ids of tasks do."""
NOT_COPIED = ("task_id", "deadline")
"""What of a task a copy does not have."""
ENGINE_FIELDS = ("trial_time", "trial_memory", "lookahead", "prune")
"""What of a task's ``optimization_config`` only trials of engines have."""


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
        The same key with the same task gives the task that is there, whatever became of its strategy and data since.

    Raises
    ------
    StrategyOptimizerError
        One of its kinds, naming what cannot be used.
    """
    request = {"task": task.as_asked(), "parent": parent}
    if idempotency_key is not None:
        made = store.tasks.find_made(owner, idempotency_key, request)
        if made is not None:
            return Creation(made, is_new=False)
    stored, memory = _checked(store, owner, task), _memory(task, task_memory)
    _check_deadline(store, task)
    Quotas(store).check_task(
        owner,
        trials=_planned(task, engine=stored.engine),
        memory=memory,
        planned=lambda: _trials_to_make(store, owner),
    )
    new = NewTask(
        owner,
        task.strategy_name,
        stored.document(),
        id=task.task_id,
        parent=parent,
        priority=task.priority,
        deadline=task.deadline,
        memory=memory,
        request=request,
    )
    return store.tasks.create(new, idempotency_key=idempotency_key)


def check(store: Store, owner: str, task: TaskIn, *, task_memory: int = TASK_MEMORY) -> None:
    """Raise what `submit` would, but for quotas, of a task that is made later."""
    _checked(store, owner, task)
    _memory(task, task_memory)


def pinned(store: Store, owner: str, strategy: str, data: str | None) -> tuple[str, str | None]:
    """Return the versions that a strategy and data of these names have now; an engine has no data here.

    Raises
    ------
    StrategyError, DataError
        When there are none.
    """
    name, version = _pinned(store, strategy)
    if is_engine(store, name, version):
        if data is not None:
            raise _own_data(name, data)
    elif data is None:
        raise DataError(f"the strategy '{name}' runs on the built-in kernel; name its data, such as 'nasdaq'")
    return version, _data_digest(store, owner, data)


def is_engine(store: Store, name: str, version: str) -> bool:
    """Return whether a version of a strategy is an engine, which runs its own backtests on its own data."""
    try:
        return bool(store.strategies.version(name, version).details.get("style") == ENGINE)
    except NotStoredError:  # built in, and no worker has told of it yet
        return False


def copy_of(task: TaskRecord, changes: TaskCopyIn | None = None) -> TaskIn:
    """Return the task that does the same again, with some changes; its id and its deadline were those of the first.

    Raises
    ------
    pydantic.ValidationError
        When the changes do not fit.
    """
    asked: dict[str, Any] = {
        key: value for key, value in task.document["task"].items() if key not in NOT_COPIED
    }
    given = {} if changes is None else changes.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if given.pop("warm_start", False):
        asked["warm_start"] = task.id
    config = {**asked.get("optimization_config", {}), **given.pop("optimization_config", {})}
    return TaskIn.model_validate({**asked, **given, **({"optimization_config": config} if config else {})})


def _check_deadline(store: Store, task: TaskIn) -> None:
    if task.deadline is not None and task.deadline <= (now := store.accounts.now()):
        raise TaskError(
            f"the deadline {task.deadline:%Y-%m-%d %H:%M:%S} UTC has passed; it is {now:%Y-%m-%d %H:%M:%S} UTC"
        )


def _planned(task: TaskModel, *, engine: bool) -> int | None:
    """Return the trials that a task makes, or None when time limits them."""
    if task.evaluations is None and task.optimization_config.seconds is None:
        return DEFAULT_ENGINE_EVALUATIONS if engine else DEFAULT_EVALUATIONS
    return task.evaluations


def _trials_to_make(store: Store, owner: str) -> int:
    """Return the trials that the tasks of a user that have not ended are still to make."""
    unfinished = store.tasks.unfinished(owner)
    return sum(max(0, _planned_of(record) - record.trials) for record in unfinished)


def _planned_of(record: TaskRecord) -> int:
    asked = record.document.get("task", {})
    names = ("strategy_name", "optimization_type", "optimization_config")
    try:
        task = TaskModel.model_validate({name: asked[name] for name in names if name in asked})
    except ValidationError:
        return 0  # of another version of this program; its worker says so
    return _planned(task, engine=bool(record.document.get("engine"))) or 0


def _checked(store: Store, owner: str, task: TaskIn) -> StoredTask:
    """Return the task with the versions that are current now."""
    _check_size(task)
    name, version = _pinned(store, task.strategy_name)
    engine = is_engine(store, name, version)
    if engine:
        _check_engine_task(name, task)
    else:
        _check_kernel_task(name, task)
    task = _with_space(store, owner, task, name)
    digest = None if engine else _data_digest(store, owner, task.data)
    if task.warm_start is not None:
        try:
            store.tasks.get(task.warm_start, owner=owner)
        except TaskNotFoundError as error:
            raise TaskNotFoundError(f"warm_start: {error}", task=task.warm_start) from error
    return StoredTask(task=task, strategy_version=version, data_digest=digest, engine=engine)


def _check_size(task: TaskIn) -> None:
    """Refuse what would take long to look at, and an id that no address leads to."""
    if task.task_id in NOT_IDS:
        raise TaskError(f"task_id: {task.task_id!r} is part of an address of the service; choose another id")
    goal = task.objective_function
    counts = {
        "constraints": len(task.constraints),
        "objective_function.constraints": len(goal.constraints),
        "objective_function.metrics": len(goal.metrics or ()),
        "objective_function.weights": len(goal.weights or ()),
    }
    for field, count in counts.items():
        if count > MOST_CONSTRAINTS:
            raise TaskError(f"{field} has {count:,} entries; at most {MOST_CONSTRAINTS} are taken")


def _check_engine_task(name: str, task: TaskIn) -> None:
    """Refuse what an engine decides by itself; which metrics it gives is known only when it has run."""
    if task.data is not None:
        raise _own_data(name, task.data)
    if task.costs is not None:
        raise TaskError(
            f"the strategy '{name}' is an engine, which has its own costs; leave costs out, and set them in its file"
        )
    goal = task.objective_function
    if goal.document():
        parse_objective(goal.document(), names=goal.named())


def _own_data(name: str, data: str) -> DataError:
    return DataError(
        f"the strategy '{name}' is an engine, which has its own data; leave data out (found {data!r})"
    )


def _check_kernel_task(name: str, task: TaskIn) -> None:
    task.objective_function.to_objective()
    config = task.optimization_config
    given = [field for field in ENGINE_FIELDS if getattr(config, field) is not None]
    if given:
        raise TaskError(
            f"{', '.join(given)}: this is for engines, and the strategy '{name}' runs on the built-in kernel; leave it "
            "out (GET /api/v1/strategies says which style each has)"
        )


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
