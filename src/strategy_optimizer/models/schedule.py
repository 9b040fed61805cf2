"""Schedules of re-optimisation as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, StrictBool, field_validator

from strategy_optimizer.models.base import Model, PageModel
from strategy_optimizer.models.service_task import TaskIn

_SET_BY_SCHEDULE = ("task_id", "strategy_name", "data", "warm_start", "deadline")


class ScheduledTask(Model):
    """What the store keeps of each run: the task without strategy and data, the zone of its times."""

    task: dict[str, Any] = Field(default_factory=dict)
    timezone: str = "UTC"
    warm_start: bool = True


class _Task(Model):
    task: dict[str, Any] = Field(
        default_factory=dict,
        description="what of a posted task a run has: space, objective, budget; strategy and data stand beside it",
    )

    @field_validator("task")
    @classmethod
    def _is_a_task(cls, task: dict[str, Any]) -> dict[str, Any]:
        if named := [name for name in _SET_BY_SCHEDULE if name in task]:
            raise ValueError(f"{', '.join(named)} of each run is set by the schedule; leave it out")
        whole = TaskIn.model_validate({"strategy_name": "momentum", **task})
        kept = whole.model_dump(mode="json", exclude_unset=True)
        return {name: value for name, value in kept.items() if name != "strategy_name"}


class ScheduleIn(_Task):
    """A schedule to be made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "strategy_name": "momentum",
                    "data": "nasdaq",
                    "cron": "30 6 * * 1",
                    "timezone": "America/New_York",
                    "task": {"optimization_type": "auto", "optimization_config": {"n_calls": 2000}},
                }
            ]
        }
    )

    strategy_name: str = Field(min_length=1, max_length=200)
    data: str | None = Field(
        default=None, min_length=1, max_length=200, description="left out for an engine, which has its own"
    )
    cron: str = Field(min_length=1, max_length=100)
    timezone: str = Field(default="UTC", max_length=64)
    warm_start: StrictBool = Field(
        default=True, description="each run tries the best points of the last one first"
    )
    enabled: StrictBool = True


class ScheduleChangeIn(Model):
    """What of a schedule changes; fields that are not given stay."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cron": "0 7 * * 1-5", "enabled": True}]})

    cron: str | None = Field(default=None, min_length=1, max_length=100)
    timezone: str | None = Field(default=None, max_length=64)
    data: str | None = Field(default=None, min_length=1, max_length=200)
    warm_start: StrictBool | None = None
    enabled: StrictBool | None = None


class ScheduleOut(Model):
    """A schedule, its last run and its next ones."""

    schedule_id: str
    owner: str
    strategy_name: str
    data: str | None
    cron: str
    timezone: str
    warm_start: bool
    enabled: bool
    task: dict[str, Any]
    created_at: datetime
    last_run: datetime | None
    last_task: str | None
    next_runs: list[datetime] = Field(description="the next five, in UTC; none while it is disabled")
    note: str | None = Field(description="why the last run was left out, or what it stands for")


class SchedulesOut(PageModel):
    """One's schedules."""

    schedules: list[ScheduleOut]
