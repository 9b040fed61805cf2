"""Tasks and what belongs to them, as they go into the store and come out of it: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from strategy_optimizer.storage.states import TaskState

TaskSort: TypeAlias = Literal["created", "priority", "trials"]
"""What tasks can be listed by."""
TASK_MEMORY = 4 * 2**30
"""Bytes that a task may take which says nothing else."""


@dataclass(frozen=True)
class TaskRecord:
    """A task as the store has it.

    Attributes
    ----------
    id, owner, strategy : str
    document : dict
        The task as it was given.
    parent : str or None
        The task that it is a copy of.
    priority : int
        Larger goes first.
    memory : int or None
        Bytes that it may take; None, `TASK_MEMORY`.
    state : {"queued", "running", "paused", "completed", "failed", "cancelled"}
    stop_reason, error : str or None
        Why it ended; why it failed.
    progress : dict or None
        The summary that the worker saved last.
    created, queued, started, finished, deadline : datetime or None
        `queued` is when it last joined the queue.
    cancel_requested, pause_requested : bool
        What the worker is asked to do.
    worker : str or None
        Who has it, or had it last.
    token : int
        The number of its newest lease.
    lease_ends, heartbeat : datetime or None
    attempts, losses : int
        Leases so far; those that ran out since the last new trial.
    trials, events : int
        How many are stored; `events` is the number of the newest event.
    """

    id: str
    owner: str
    strategy: str
    document: Mapping[str, Any]
    parent: str | None
    priority: int
    memory: int | None
    state: TaskState
    stop_reason: str | None
    error: str | None
    progress: Mapping[str, Any] | None
    created: datetime
    queued: datetime
    started: datetime | None
    finished: datetime | None
    deadline: datetime | None
    cancel_requested: bool
    pause_requested: bool
    worker: str | None
    token: int
    lease_ends: datetime | None
    heartbeat: datetime | None
    attempts: int
    losses: int
    trials: int
    events: int


@dataclass(frozen=True)
class NewTask:
    """A task to be stored; without an `id` it gets one, without `memory` it may take `TASK_MEMORY` bytes.

    A repeated request of an idempotency key is known by its `request`: what was asked for, where the document has more.
    """

    owner: str
    strategy: str
    document: Mapping[str, Any]
    id: str | None = None
    parent: str | None = None
    priority: int = 0
    deadline: datetime | None = None
    memory: int | None = None
    request: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Creation:
    """A task, and whether this call made it; with an idempotency key it may have been there."""

    task: TaskRecord
    is_new: bool


@dataclass(frozen=True)
class Lease:
    """The right of one worker to write a task, until `ends` or until it is renewed.

    Each lease of a task has a larger `token` than the one before it, and only the newest is obeyed.
    """

    task: TaskRecord
    worker: str
    token: int
    ends: datetime


@dataclass(frozen=True)
class Heartbeat:
    """The answer to a heartbeat: until when the lease holds, and what the worker is asked to do."""

    ends: datetime
    cancel_requested: bool
    pause_requested: bool


@dataclass(frozen=True)
class NewEvent:
    """An event to be stored."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EventRecord:
    """An event of a task.

    Attributes
    ----------
    number : int
        Unique over all tasks. PostgreSQL gives it out before the event can be seen: read on by `seq`.
    seq, first : int
        Its place among the task's events, from 1. It stands for all from `first` to `seq`: more than one where
        progress was thinned out. So the `first` of an event is always the `seq` before it plus one.
    kind : str
    at : datetime
    data : dict
    """

    number: int
    task_id: str
    seq: int
    first: int
    kind: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class CheckpointRecord:
    """The state of a search after its first `trials` trials."""

    task_id: str
    trials: int
    token: int
    saved: datetime
    state: Mapping[str, Any]


@dataclass(frozen=True)
class ResultRecord:
    """The result of a task."""

    task_id: str
    saved: datetime
    document: Mapping[str, Any]


@dataclass(frozen=True)
class LedgerRecord:
    """What is known of a task in its owner's trial ledger; `summary` is for people."""

    owner: str
    task: str
    recorded: datetime
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class OldLedgerEntry:
    """An entry that was kept elsewhere before; `task` is a name that it keeps, `months` say which bars it is about."""

    task: str
    recorded: datetime
    summary: Mapping[str, Any]
    entry: bytes
    months: bytes | None = None
