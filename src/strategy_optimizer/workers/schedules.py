"""Runs of schedules: each makes a task, which begins with the best points of the last.

The rules: one run at a time, so a run whose predecessor has not ended is left out. Runs that came due while nobody was
there are made up for by one, at once. What cannot be run is said in the schedule's note, and tried again at the next
time. Of several workers that see a run due one makes the task; when it dies on the way the next one does, and there is
still one task.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime

from strategy_optimizer.errors import (
    NotAllowedError,
    StorageError,
    StrategyOptimizerError,
    TaskNotFoundError,
    TaskStateError,
)
from strategy_optimizer.models.schedule import ScheduledTask
from strategy_optimizer.models.service_task import TaskIn
from strategy_optimizer.service_logs import of_task
from strategy_optimizer.storage import ENDED, TASK_MEMORY, ScheduleRecord, Store, TaskRecord
from strategy_optimizer.workers.cron_times import next_runs
from strategy_optimizer.workers.submission import submit

LOG = logging.getLogger("strategy_optimizer.worker")
MAY_RUN = ("operator", "admin")


@dataclass(frozen=True)
class Run:
    """What came of a schedule that was due: a task, or the reason why there is none."""

    schedule: str
    task: str | None
    note: str | None


def run_due(store: Store, *, task_memory: int = TASK_MEMORY) -> list[Run]:
    """Make the tasks of all schedules that are due; `task_memory` is as in `submit`.

    One that cannot be read any more says so in its note, and keeps none of the others waiting.
    """
    now, found = store.schedules.now(), []
    for schedule in store.schedules.due(now):
        try:
            found.append(_run(store, schedule, now, task_memory))
        except StorageError:
            raise  # the database's fault, not the schedule's: the run is still due
        except (StrategyOptimizerError, ValueError) as error:
            _note_unreadable(store, schedule, error)
    return [run for run in found if run is not None]


def run_now(store: Store, schedule: ScheduleRecord, *, task_memory: int = TASK_MEMORY) -> TaskRecord:
    """Make the task of a schedule now, beside its times.

    Raises
    ------
    TaskStateError
        When its last task has not ended.
    StrategyOptimizerError
        When it cannot be made.
    """
    task = _make_task(store, schedule, task_memory)
    if store.schedules.get(schedule.id).last_task == schedule.last_task:
        store.schedules.change(schedule.id, last_task=task.id, note=None)
    return task


def _note_unreadable(store: Store, schedule: ScheduleRecord, error: Exception) -> None:
    note = f"its runs cannot be made: {str(error).splitlines()[0]}"
    if schedule.note != note:
        LOG.warning("schedule %s: %s", schedule.id, note)
        store.schedules.change(schedule.id, note=note)


def _run(store: Store, schedule: ScheduleRecord, now: datetime, task_memory: int) -> Run | None:
    """Make the task of one run; None when another worker has it."""
    assert schedule.next_run is not None
    plan = ScheduledTask.model_validate(dict(schedule.document))
    (following,) = next_runs(schedule.cron, plan.timezone, now)
    missed = _missed(schedule, plan, now)
    # The task first: whoever repeats a run that was cut off gets the same one.
    task, note = None, None
    try:
        task = _make_task(store, schedule, task_memory)
    except StorageError:
        raise
    except (StrategyOptimizerError, ValueError) as error:  # a task of an older version may not fit any more
        note = f"the run of {schedule.next_run:%Y-%m-%d %H:%M} UTC was left out: {error}"
    if not store.schedules.claim(schedule, next_run=following, now=now):
        return None
    if task is not None and missed:
        note = f"{missed} more runs were missed before {now:%Y-%m-%d %H:%M} UTC; this one stands for them"
    changes = {"note": note, **({} if task is None else {"last_task": task.id})}
    store.schedules.change(schedule.id, **changes)
    text, about = note or f"task {task.id if task else None}", None if task is None else of_task(task.id)
    LOG.info("schedule %s: %s", schedule.id, text, extra=about)
    return Run(schedule.id, None if task is None else task.id, note)


def _missed(schedule: ScheduleRecord, plan: ScheduledTask, now: datetime) -> int:
    """Return how many more runs than the one that is due have passed."""
    assert schedule.next_run is not None
    later = next_runs(schedule.cron, plan.timezone, schedule.next_run, 1000)
    return sum(moment <= now for moment in later)


def _make_task(store: Store, schedule: ScheduleRecord, task_memory: int) -> TaskRecord:
    """Make the task that follows the last one, or return it where somebody else has just made it."""
    _check_owner(store, schedule.owner)
    last = _last_task(store, schedule)
    if last is not None and last.state not in ENDED:
        raise TaskStateError(f"its last task {last.id} is still {last.state}", task=last.id, state=last.state)
    plan = ScheduledTask.model_validate(dict(schedule.document))
    asked = {**plan.task, "strategy_name": schedule.strategy, "data": schedule.dataset or None}
    if plan.warm_start and last is not None and last.trials:
        asked["warm_start"] = last.id
    parent = None if last is None else last.id
    # One key for all who saw the same last task and ask for the same: only one task follows another.
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:32]
    key = f"{schedule.id} after {schedule.last_task} {digest}"
    made = submit(
        store,
        schedule.owner,
        TaskIn.model_validate(asked),
        task_memory=task_memory,
        parent=parent,
        idempotency_key=key,
    )
    return made.task


def _last_task(store: Store, schedule: ScheduleRecord) -> TaskRecord | None:
    try:
        return None if schedule.last_task is None else store.tasks.get(schedule.last_task)
    except TaskNotFoundError:
        return None


def _check_owner(store: Store, owner: str) -> None:
    user = store.accounts.user(owner)
    if user.disabled or user.role not in MAY_RUN:
        state = "disabled" if user.disabled else f"a {user.role}"
        raise NotAllowedError(f"its owner {user.name} is {state} and may run no tasks")
