"""Events of a task for those who cannot keep a websocket open: a request that waits for news."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from strategy_optimizer.api.dependencies import Caller, TheHub, TheStore
from strategy_optimizer.api.hub import Hub, ending_of
from strategy_optimizer.api.reading import TaskId
from strategy_optimizer.api.routing import Router
from strategy_optimizer.api.watcher import Watcher
from strategy_optimizer.models.frames import EventModel, EventPageOut
from strategy_optimizer.storage import EventRecord, Store, TaskRecord

router = Router(prefix="/api/v1/optimize", tags=["tasks"])
LONGEST_WAIT = 20.0


@router.get("/{task_id}/events")
async def get_events(
    task_id: TaskId,
    caller: Caller,
    store: TheStore,
    hub: TheHub,
    after: Annotated[int, Query(ge=0, le=2**53, description="events after this number")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT, description="seconds to wait while there is none")
    ] = 0.0,
) -> EventPageOut:
    """Return events of a task in their order; `after` of the next request is `seq` of this answer."""
    task, found = await hub.in_thread(_read, store, task_id, caller.owner, after, limit)
    if not found and wait and ending_of(task) is None and not hub.is_stopping:
        with hub.watching(task, caller, None, after) as watcher:
            await _wait(hub, watcher, wait)
        task, found = await hub.in_thread(_read, store, task_id, caller.owner, after, limit)
    return _page(task, found, after)


async def _wait(hub: Hub, watcher: Watcher, seconds: float) -> None:
    """Wait until the task has events that are not known yet, at most some seconds."""
    try:
        async with asyncio.timeout(seconds):
            while watcher.feed.seq <= watcher.sent and watcher.closing is None and not hub.is_stopping:
                await watcher.news()
    except TimeoutError:
        pass


def _read(
    store: Store, task_id: str, owner: str | None, after: int, limit: int
) -> tuple[TaskRecord, Sequence[EventRecord]]:
    task = store.tasks.get(task_id, owner=owner)
    if task.events <= after:
        return task, ()
    return task, store.events.read(task_id, after=after, limit=limit)


def _page(task: TaskRecord, found: Sequence[EventRecord], after: int) -> EventPageOut:
    seq = found[-1].seq if found else min(after, task.events)
    newest = max(seq, task.events)
    ending = ending_of(task)
    return EventPageOut(
        task_id=task.id,
        first=min(after + 1, seq + 1),
        seq=seq,
        newest=newest,
        ended=ending is not None and seq >= ending.seq,
        events=tuple(
            EventModel(seq=event.seq, kind=event.kind, at=event.at, data=dict(event.data)) for event in found
        ),
    )
