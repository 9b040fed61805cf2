"""Datasets, strategies, parameter spaces, schedules and webhooks, as the store has them: frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


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
