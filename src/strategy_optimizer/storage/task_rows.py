"""What the parts of the store that change a task share: reading its row, fencing off old leases, its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from strategy_optimizer.errors import LeaseLostError, TaskNotFoundError
from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.states import TaskState
from strategy_optimizer.storage.tables import events, tasks
from strategy_optimizer.storage.task_records import Lease, NewEvent, TaskRecord
from strategy_optimizer.storage.webhooks import deliver_events

COLUMNS = [tasks.c[field.name] for field in fields(TaskRecord)]

# Made once: to make a statement of so many columns takes longer than SQLite takes to answer it.
_TASK = select(*COLUMNS).where(tasks.c.id == bindparam("task_id"))
_LOCKED = _TASK.with_for_update()


def to_task(row: Row[Any]) -> TaskRecord:
    """Return the record of a row of `COLUMNS`."""
    return TaskRecord(**row._mapping)


def find_task(transaction: Transaction, task_id: str, *, lock: bool = False) -> TaskRecord | None:
    """Return a task; with `lock` nobody else changes it until the transaction ends."""
    row = transaction.connection.execute(_LOCKED if lock else _TASK, {"task_id": task_id}).one_or_none()
    return None if row is None else to_task(row)


def get_task(transaction: Transaction, task_id: str, *, lock: bool = False) -> TaskRecord:
    """Return a task, or raise a `TaskNotFoundError`."""
    task = find_task(transaction, task_id, lock=lock)
    if task is None:
        raise TaskNotFoundError(task=task_id)
    return task


def was_written(transaction: Transaction, task_id: str) -> bool:
    """Return whether an earlier attempt at this write of a worker was committed, with its answer lost."""
    if not transaction.is_repeated:
        return False
    written_by = transaction.connection.execute(
        select(tasks.c.written_by).where(tasks.c.id == task_id)
    ).scalar_one_or_none()
    return written_by == transaction.request


def write_as_worker(transaction: Transaction, lease: Lease, **values: Any) -> TaskRecord:
    """Change the task of a lease and return it; nobody else changes it until the transaction ends.

    Raises
    ------
    LeaseLostError
        When the lease is not the newest, or the task does not run any more.
    """
    row = transaction.connection.execute(
        update(tasks)
        .where(tasks.c.id == lease.task.id, tasks.c.token == lease.token, tasks.c.state == "running")
        .values(written_by=transaction.request, **values)
        .returning(*COLUMNS)
    ).one_or_none()
    if row is None:
        raise _lost(transaction, lease)
    return to_task(row)


def check_newest(transaction: Transaction, lease: Lease) -> None:
    """Refuse a lease that another one has followed; the task may have ended. None follows until the transaction ends.

    Raises
    ------
    LeaseLostError
    """
    task = find_task(transaction, lease.task.id, lock=True)
    if task is None or task.token != lease.token:
        raise _lost(transaction, lease)


def _lost(transaction: Transaction, lease: Lease) -> LeaseLostError:
    task = find_task(transaction, lease.task.id)
    if task is None:
        return LeaseLostError(f"the task {lease.task.id} was deleted")
    if task.token != lease.token:
        return LeaseLostError(
            f"the task {task.id} was leased again, to {task.worker}: lease {lease.token} of {lease.worker} is "
            f"over, the newest is {task.token}"
        )
    return LeaseLostError(f"the task {task.id} is {task.state}: lease {lease.token} is over")


def change_task(transaction: Transaction, task_id: str, **values: Any) -> TaskRecord:
    """Change a task whose row this transaction has locked, and return it."""
    return to_task(
        transaction.connection.execute(
            update(tasks).where(tasks.c.id == task_id).values(**values).returning(*COLUMNS)
        ).one()
    )


def leave_running(state: TaskState, **values: Any) -> dict[str, Any]:
    """Return the values of a task that leaves its worker."""
    wishes = {"cancel_requested": False, "pause_requested": False}
    return {"state": state, "lease_ends": None, **wishes, **values}


def tell(transaction: Transaction, task_id: str, news: Sequence[NewEvent], now: datetime) -> int:
    """Add events to a task and return the number of its newest.

    The numbers are counted up in the task's row, which stays locked until the transaction ends: they have no gap,
    and a reader sees them in their order.
    """
    last: int = transaction.connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id)
        .values(events=tasks.c.events + len(news))
        .returning(tasks.c.events)
    ).scalar_one()
    rows = [
        {"task_id": task_id, "seq": seq, "first": seq, "kind": event.kind, "at": now, "data": event.data}
        for seq, event in enumerate(news, start=last - len(news) + 1)
    ]
    if rows:
        transaction.connection.execute(insert(events), rows)
        deliver_events(transaction, task_id, news, now)
    return last


def state_event(task: TaskRecord) -> NewEvent:
    """Return the event that tells of a task's new state."""
    return NewEvent(
        "state",
        {"state": task.state, "stop_reason": task.stop_reason, "error": task.error, "worker": task.worker},
    )
