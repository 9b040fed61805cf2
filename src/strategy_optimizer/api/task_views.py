"""Tasks of the store as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategy_optimizer.errors import TaskStateError
from strategy_optimizer.models.service_task import DEFAULT_DATA, StatusOut, TaskDocumentOut, TaskOut
from strategy_optimizer.storage import ENDED, TASK_MEMORY, TaskRecord

_SHOWN = (
    "stage",
    "failed",
    "infeasible",
    "evaluations",
    "best_score",
    "best_parameters",
    "best_metrics",
    "front",
    "elapsed",
    "trials_per_second",
    "seconds_left",
    "usage",
)


def status_of(task: TaskRecord) -> StatusOut:
    """Return how far a task is."""
    return StatusOut(**_status(task))


def shown(task: TaskRecord) -> TaskOut:
    """Return a task for lists."""
    return TaskOut(**_status(task), **_facts(task))


def shown_whole(task: TaskRecord) -> TaskDocumentOut:
    """Return a task with all that was asked for."""
    return TaskDocumentOut(**_status(task), **_facts(task), task=dict(task.document["task"]))


def progress_of(task: TaskRecord) -> float:
    """Return the share of a task that is done, 0 to 1."""
    if task.state == "completed":
        return 1.0
    return min(1.0, max(0.0, float((task.progress or {}).get("progress") or 0.0)))


def no_result(task: TaskRecord) -> TaskStateError:
    """Return the error that says why a task has no result."""
    hint = f": {task.error}" if task.error else "" if task.state in ENDED else "; ask again when it has ended"
    text = f"the task {task.id} is {task.state} and has no result{hint}"
    return TaskStateError(text, task=task.id, state=task.state)


def _status(task: TaskRecord) -> dict[str, Any]:
    progress: Mapping[str, Any] = task.progress or {}
    return {
        "task_id": task.id,
        "status": task.state,
        "progress": progress_of(task),
        "stop_reason": task.stop_reason,
        "error": task.error,
        "trials": task.trials,
        "pause_requested": task.pause_requested and task.state == "running",
        "cancel_requested": task.cancel_requested and task.state == "running",
        **{name: progress[name] for name in _SHOWN if name in progress},
    }


def _facts(task: TaskRecord) -> dict[str, Any]:
    asked = task.document["task"]
    return {
        "strategy_name": task.strategy,
        "strategy_version": task.document.get("strategy_version"),
        "optimization_type": asked.get("optimization_type", "auto"),
        "data": None if task.document.get("engine") else asked.get("data") or DEFAULT_DATA,
        "data_digest": task.document.get("data_digest"),
        "owner": task.owner,
        "parent": task.parent,
        "priority": task.priority,
        "memory": TASK_MEMORY if task.memory is None else task.memory,
        "attempts": task.attempts,
        "worker": task.worker,
        "created_at": task.created,
        "queued_at": task.queued,
        "started_at": task.started,
        "finished_at": task.finished,
        "deadline": task.deadline,
        "events": task.events,
    }
