"""Users, and what lets them in and limits them, as the store has them: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
