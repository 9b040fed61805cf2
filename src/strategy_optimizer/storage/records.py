"""What goes into the store and comes out of it: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from strategy_optimizer.storage.states import TaskState

R = TypeVar("R")
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
class Place:
    """Where something stands in a list: by what it is sorted, and its id."""

    value: datetime | int | str
    id: str


@dataclass(frozen=True)
class Listing:
    """Which part of a list is wanted.

    Attributes
    ----------
    sort : str
        The column that it is sorted by.
    ascending : bool
    after : Place or None
        The last place of the page before.
    limit : int
    """

    sort: str
    ascending: bool = True
    after: Place | None = None
    limit: int = 50


@dataclass(frozen=True)
class Page(Generic[R]):
    """A part of a list.

    Attributes
    ----------
    rows : list
    total : int
        How many there are in the whole list.
    last : Place or None
        What the next part begins after; None when there is none.
    """

    rows: list[R]
    total: int
    last: Place | None


@dataclass(frozen=True)
class NewTask:
    """A task to be stored; without an `id` it gets one, without `memory` it may take `TASK_MEMORY` bytes."""

    owner: str
    strategy: str
    document: Mapping[str, Any]
    id: str | None = None
    parent: str | None = None
    priority: int = 0
    deadline: datetime | None = None
    memory: int | None = None


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


@dataclass(frozen=True)
class UserRecord:
    """A user; `password_hash` is what a password hasher made, None for users that only have keys."""

    id: str
    name: str
    role: str
    password_hash: str | None
    disabled: bool
    created: datetime


@dataclass(frozen=True)
class ApiKeyRecord:
    """A key: its `prefix` finds it, `digest` is the SHA-256 of the whole; the key itself is nowhere."""

    id: str
    user_id: str
    name: str
    prefix: str
    digest: bytes
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None


@dataclass(frozen=True)
class SessionRecord:
    """A browser's session by the SHA-256 of its cookie."""

    digest: bytes
    user_id: str
    created: datetime
    expires: datetime


@dataclass(frozen=True)
class KeyHolder:
    """A key with the user whose it is, and the time of the database when they were read."""

    key: ApiKeyRecord
    user: UserRecord
    now: datetime


@dataclass(frozen=True)
class SessionHolder:
    """A session that has not expired, with its user, and the time of the database when they were read."""

    session: SessionRecord
    user: UserRecord
    now: datetime


@dataclass(frozen=True)
class TicketRecord:
    """What a ticket, known by the SHA-256 of it, was made with: a key or a session."""

    digest: bytes
    user_id: str
    key_id: str | None
    session: bytes | None
    expires: datetime


@dataclass(frozen=True)
class AuditRecord:
    """Who did what to what, from where."""

    number: int
    id: str
    at: datetime
    actor: str | None
    action: str
    target: str
    address: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Quota:
    """What a user may use; None is no limit. The queue obeys `running_tasks` and `memory`; the rest is the caller's.

    Attributes
    ----------
    running_tasks, queued_tasks, datasets : int or None
        How many at once.
    trials_a_day : int or None
        Trials that are stored between midnight and midnight UTC.
    memory : int or None
        Bytes that all tasks which run at once may take together.
    """

    running_tasks: int | None = None
    trials_a_day: int | None = None
    memory: int | None = None
    datasets: int | None = None
    queued_tasks: int | None = None
    dataset_bytes: int | None = None


@dataclass(frozen=True)
class Usage:
    """What a user uses: tasks in the queue and running, trials since midnight UTC, datasets, memory.

    `memory` is what the running tasks may take together, in bytes.
    """

    queued_tasks: int
    running_tasks: int
    trials_today: int
    datasets: int
    memory: int = 0


@dataclass(frozen=True)
class DatasetRecord:
    """A dataset: its content is known by `digest`, `size` is its bytes, `details` says what is in it."""

    id: str
    owner: str
    name: str
    digest: str
    size: int
    details: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True)
class NewSchedule:
    """A schedule to be stored; `document` is the task that each run makes."""

    owner: str
    strategy: str
    dataset: str
    cron: str
    document: Mapping[str, Any]
    next_run: datetime | None
    enabled: bool = True


@dataclass(frozen=True)
class ScheduleRecord:
    """A schedule, its last and next run, and what there is to say of the last."""

    id: str
    owner: str
    strategy: str
    dataset: str
    cron: str
    document: Mapping[str, Any]
    enabled: bool
    created: datetime
    last_run: datetime | None
    last_task: str | None
    next_run: datetime | None
    note: str | None = None


@dataclass(frozen=True)
class StrategyRecord:
    """A strategy that tasks can name.

    Attributes
    ----------
    name : str
    source : {"built_in", "package", "file"}
    place : str
        The package, or the file within the folder of strategies.
    newest : str or None
        The digest of its newest version that could be loaded; None while there is none.
    problem : str or None
        Why its present content cannot be used.
    changed : datetime
    """

    name: str
    source: str
    place: str
    newest: str | None
    problem: str | None
    changed: datetime


@dataclass(frozen=True)
class StrategyVersionRecord:
    """One version of a strategy: its `space` is the JSON of its parameters, `details` what else is known."""

    name: str
    digest: str
    description: str
    space: Mapping[str, Any]
    details: Mapping[str, Any]
    created: datetime


@dataclass(frozen=True)
class NewStrategyVersion:
    """A version to be stored."""

    digest: str
    description: str
    space: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ParameterSpaceRecord:
    """The space in which an owner searches a strategy by default, in place of the strategy's own."""

    owner: str
    strategy: str
    space: Mapping[str, Any]
    created: datetime
    changed: datetime


@dataclass(frozen=True)
class WebhookRecord:
    """Where to tell of a user's tasks; `secret` signs what is sent."""

    id: str
    owner: str
    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...]
    enabled: bool
    created: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "events", tuple(self.events))


@dataclass(frozen=True)
class DeliveryRecord:
    """One event for one webhook.

    Attributes
    ----------
    id, webhook_id, task_id, event : str
    created : datetime
    due : datetime or None
        When it is tried next; None when it arrived, or was given up.
    attempts : int
    delivered : datetime or None
    status : int or None
        Of the last answer.
    error : str or None
        Why the last attempt did not succeed.
    """

    id: str
    webhook_id: str
    task_id: str
    event: str
    created: datetime
    due: datetime | None
    attempts: int
    delivered: datetime | None
    status: int | None
    error: str | None
