"""Schedules: re-optimise a strategy on its data again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Response

from strategy_optimizer.api.dependencies import Caller, TheService, TheStore
from strategy_optimizer.api.first_look import TheFirstLook
from strategy_optimizer.api.paging import AskedPage, asked_page
from strategy_optimizer.api.routing import Router
from strategy_optimizer.api.task_views import shown
from strategy_optimizer.models.schedule import (
    ScheduleChangeIn,
    ScheduledTask,
    ScheduleIn,
    ScheduleOut,
    SchedulesOut,
)
from strategy_optimizer.models.service_task import TaskIn, TaskOut
from strategy_optimizer.service_settings import MEGABYTE
from strategy_optimizer.storage import NewSchedule, ScheduleRecord
from strategy_optimizer.workers.cron_times import next_runs
from strategy_optimizer.workers.schedules import run_now
from strategy_optimizer.workers.submission import check, pinned

router = Router(prefix="/api/v1/schedules", tags=["schedules"])
ScheduleId = Annotated[str, Path(max_length=64)]
SHOWN = 5


@router.post("", status_code=201)
def make_schedule(
    schedule: ScheduleIn,
    caller: Caller,
    service: TheService,
    first_look: TheFirstLook,
    response: Response,
) -> ScheduleOut:
    """Make a schedule; its first run is at the next time that its cron expression names."""
    store, memory = service.store, service.settings.task_memory * MEGABYTE
    first_look.told(lambda: pinned(store, caller.user_id, schedule.strategy_name, schedule.data))
    each = {**schedule.task, "strategy_name": schedule.strategy_name, "data": schedule.data}
    check(store, caller.user_id, TaskIn.model_validate(each), task_memory=memory)
    (first,) = next_runs(schedule.cron, schedule.timezone, store.schedules.now())
    document = ScheduledTask(task=schedule.task, timezone=schedule.timezone, warm_start=schedule.warm_start)
    made = store.schedules.add(
        NewSchedule(
            caller.user_id,
            schedule.strategy_name,
            schedule.data or "",
            schedule.cron,
            document.model_dump(mode="json"),
            first,
            schedule.enabled,
        )
    )
    response.headers["Location"] = f"{router.prefix}/{made.id}"
    return _shown(made, store.schedules.now())


@router.get("")
def list_schedules(
    caller: Caller,
    store: TheStore,
    page: Annotated[AskedPage, asked_page(Literal["created", "strategy"])],
) -> SchedulesOut:
    """List one's schedules, by default the oldest first; an administrator sees everybody's."""
    now = store.schedules.now()
    found = store.schedules.page(page.listing, owner=caller.owner)
    return SchedulesOut(
        schedules=[_shown(each, now) for each in found.rows],
        total=found.total,
        next_cursor=page.next_cursor(found.last),
    )


@router.get("/{schedule_id}")
def get_schedule(schedule_id: ScheduleId, caller: Caller, store: TheStore) -> ScheduleOut:
    """Return a schedule."""
    return _shown(store.schedules.get(schedule_id, owner=caller.owner), store.schedules.now())


@router.patch("/{schedule_id}")
def change_schedule(
    schedule_id: ScheduleId, change: ScheduleChangeIn, caller: Caller, store: TheStore
) -> ScheduleOut:
    """Change a schedule; its next run is reckoned anew."""
    schedule = store.schedules.get(schedule_id, owner=caller.owner)
    given = change.model_dump(exclude_unset=True, exclude_none=True)
    if "data" in given:
        pinned(store, schedule.owner, schedule.strategy, given["data"])
    plan: dict[str, Any] = {name: given[name] for name in ("timezone", "warm_start") if name in given}
    document: dict[str, Any] = {**schedule.document, **plan}
    cron, now = given.get("cron", schedule.cron), store.schedules.now()
    (following,) = next_runs(cron, document["timezone"], now)
    values: dict[str, Any] = {"cron": cron, "document": document, "next_run": following}
    if "data" in given:
        values["dataset"] = given["data"]
    if "enabled" in given:
        values["enabled"] = given["enabled"]
    return _shown(store.schedules.change(schedule_id, **values), now)


@router.delete("/{schedule_id}", status_code=204)
def remove_schedule(schedule_id: ScheduleId, caller: Caller, store: TheStore) -> None:
    """Remove a schedule; its tasks stay."""
    store.schedules.get(schedule_id, owner=caller.owner)
    store.schedules.remove(schedule_id)


@router.post("/{schedule_id}/run", status_code=201)
def run_schedule(schedule_id: ScheduleId, caller: Caller, service: TheService) -> TaskOut:
    """Make the task of a schedule now, beside its times."""
    schedule = service.store.schedules.get(schedule_id, owner=caller.owner)
    return shown(run_now(service.store, schedule, task_memory=service.settings.task_memory * MEGABYTE))


def _shown(schedule: ScheduleRecord, now: datetime) -> ScheduleOut:
    plan = ScheduledTask.model_validate(dict(schedule.document))
    return ScheduleOut(
        schedule_id=schedule.id,
        owner=schedule.owner,
        strategy_name=schedule.strategy,
        data=schedule.dataset or None,
        cron=schedule.cron,
        timezone=plan.timezone,
        warm_start=plan.warm_start,
        enabled=schedule.enabled,
        task=plan.task,
        created_at=schedule.created,
        last_run=schedule.last_run,
        last_task=schedule.last_task,
        next_runs=next_runs(schedule.cron, plan.timezone, now, SHOWN) if schedule.enabled else [],
        note=schedule.note,
    )
