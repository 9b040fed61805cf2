"""The states of a task, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from strategy_optimizer.errors import TaskStateError

TaskState: TypeAlias = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]

FOLLOWERS: Mapping[TaskState, tuple[TaskState, ...]] = {
    "queued": ("running", "paused", "cancelled", "failed"),
    "running": ("queued", "paused", "completed", "failed", "cancelled"),
    "paused": ("queued", "cancelled"),
    "completed": (),
    "failed": (),
    "cancelled": (),
}
"""A running task goes back to the queue when its worker gives it back; one whose worker died stays running."""

STATES: tuple[TaskState, ...] = tuple(FOLLOWERS)
ENDED: tuple[TaskState, ...] = tuple(state for state, followers in FOLLOWERS.items() if not followers)


def check_change(task: str, state: TaskState, new: TaskState) -> None:
    """Raise a `TaskStateError` unless a task may go from one state to another.

    >>> check_change("t", "paused", "queued")
    >>> check_change("t", "completed", "queued")
    Traceback (most recent call last):
    strategy_optimizer.errors.TaskStateError: the task t is completed and cannot become queued; it has ended
    """
    if new not in FOLLOWERS[state]:
        possible = " or ".join(FOLLOWERS[state])
        raise TaskStateError(
            f"the task {task} is {state} and cannot become {new}; "
            + (f"it can become {possible}" if possible else "it has ended"),
            task=task,
            state=state,
        )
