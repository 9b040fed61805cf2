"""The queue: which worker has which task, for how long, and what it may still write.

Which task is next stands in `next_task`. One whose worker was silent until its lease ended counts as waiting; after
`MOST_LOSSES` such leases without a new trial it has failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select, text, tuple_, update

from strategy_optimizer.records import StopReason
from strategy_optimizer.storage.database import Database, Transaction
from strategy_optimizer.storage.next_task import ANY_WAITS, next_task
from strategy_optimizer.storage.states import ENDED, TaskState, check_change
from strategy_optimizer.storage.tables import results, tasks
from strategy_optimizer.storage.task_records import Heartbeat, Lease, NewEvent, TaskRecord
from strategy_optimizer.storage.task_rows import (
    COLUMNS,
    change_task,
    get_task,
    leave_running,
    state_event,
    tell,
    to_task,
    was_written,
    write_as_worker,
)
from strategy_optimizer.storage.task_store import pack_json
from strategy_optimizer.storage.trial_chunk import TrialChunk
from strategy_optimizer.storage.trial_store import append_trials, new_part

MOST_LOSSES = 10
"""Leases that may run out, or be lost, one after the other, without a new trial between them."""
_LEASING = 7_141_001  # any number that is no other advisory lock of ours


class Queue:
    """Gives tasks to workers and takes them back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has_task(self) -> bool:
        """Return whether a task waits, or has lost its worker: a quick look that locks nothing.

        `lease` may give none all the same: its owner may have as many running as they are allowed.
        """

        def work(transaction: Transaction) -> bool:
            return transaction.connection.execute(ANY_WAITS, {"now": transaction.now()}).first() is not None

        return self._database.read(work)

    def lease(self, worker: str, seconds: float) -> Lease | None:
        """Return the next task for a worker, or None when none waits.

        Parameters
        ----------
        worker : str
            Its name.
        seconds : float
            How long it may be silent.
        """

        def work(transaction: Transaction) -> Lease | None:
            connection = transaction.connection
            if transaction.is_repeated:
                mine = select(*COLUMNS).where(tasks.c.written_by == transaction.request)
                row = connection.execute(mine.where(tasks.c.state == "running")).one_or_none()
                if row is not None:
                    return _lease_of(to_task(row))
            if connection.dialect.name == "postgresql":
                # One at a time: else two workers count the same running tasks, and exceed a quota together.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LEASING})
            return _take_next(transaction, worker, seconds)

        return self._database.write(work)

    def heartbeat(self, lease: Lease, seconds: float) -> Heartbeat:
        """Extend a lease to `seconds` from now and return what the worker is asked to do.

        Raises
        ------
        LeaseLostError
            When another worker has the task, or it has ended.
        """

        def work(transaction: Transaction) -> Heartbeat:
            now = transaction.now()
            ends = now + timedelta(seconds=seconds)
            task = write_as_worker(transaction, lease, lease_ends=ends, heartbeat=now)
            return Heartbeat(ends, task.cancel_requested, task.pause_requested)

        return self._database.write(work)

    def heartbeats(self, leases: Sequence[Lease], seconds: float) -> Mapping[str, Heartbeat]:
        """Extend several leases at once and return what is asked of each by the task's id; lost ones are missing.

        Unlike `heartbeat` it may be called beside another process that writes with the same lease.
        """

        def work(transaction: Transaction) -> Mapping[str, Heartbeat]:
            now = transaction.now()
            ends = now + timedelta(seconds=seconds)
            rows = transaction.connection.execute(
                update(tasks)
                .where(_held(leases))
                .values(lease_ends=ends, heartbeat=now)
                .returning(tasks.c.id, tasks.c.cancel_requested, tasks.c.pause_requested)
            )
            return {row.id: Heartbeat(ends, row.cancel_requested, row.pause_requested) for row in rows}

        return self._database.write(work) if leases else {}

    def wishes(self, leases: Sequence[Lease]) -> Mapping[str, Heartbeat]:
        """Return the same without extending anything: one query that only reads."""
        columns = (tasks.c.id, tasks.c.lease_ends, tasks.c.cancel_requested, tasks.c.pause_requested)
        statement = select(*columns).where(_held(leases))

        def work(transaction: Transaction) -> Mapping[str, Heartbeat]:
            rows = transaction.connection.execute(statement)
            return {row.id: Heartbeat(*row[1:]) for row in rows}

        return self._database.read(work) if leases else {}

    def release(self, lease: Lease, *, lost: str | None = None) -> TaskRecord:
        """Give a task back to the queue; it keeps its place there. A lost lease is as good.

        Parameters
        ----------
        lease : Lease
        lost : str, optional
            What became of the process that ran it. Counts as a loss: after `MOST_LOSSES` without a new trial between
            them the task has failed. A task that was to be cancelled or paused is so at once.

        Raises
        ------
        LeaseLostError
        """

        def work(transaction: Transaction) -> TaskRecord:
            if was_written(transaction, lease.task.id):
                return get_task(transaction, lease.task.id)
            if lost is None:
                return _end_lease(transaction, lease, "queued")
            task = write_as_worker(transaction, lease)
            return _give_back_lost(transaction, task, lost)

        return self._database.write(work)

    def reclaim(self, worker: str, lost: str) -> list[TaskRecord]:
        """Give back all tasks of a worker that is known to have died, as `release` does; return them."""
        statement = select(*COLUMNS).where(tasks.c.state == "running", tasks.c.worker == worker)

        def work(transaction: Transaction) -> list[TaskRecord]:
            rows = transaction.connection.execute(statement.order_by(tasks.c.id).with_for_update())
            return [_give_back_lost(transaction, to_task(row), lost) for row in rows.all()]

        return self._database.write(work)

    def settle(self) -> list[TaskRecord]:
        """End or pause lost tasks that nobody shall go on with, and return them; `lease` does so on its way."""

        def work(transaction: Transaction) -> list[TaskRecord]:
            now = transaction.now()
            due = or_(tasks.c.cancel_requested, tasks.c.pause_requested, tasks.c.losses + 1 >= MOST_LOSSES)
            lost = select(*COLUMNS).where(tasks.c.state == "running", tasks.c.lease_ends <= now, due)
            rows = transaction.connection.execute(lost.order_by(tasks.c.id).with_for_update(skip_locked=True))
            found = [to_task(row) for row in rows.all()]
            return [get_task(transaction, task.id) for task in found if _settle(transaction, task, now)]

        return self._database.write(work)

    def finish(
        self,
        lease: Lease,
        state: TaskState,
        *,
        stop_reason: StopReason | None = None,
        error: str | None = None,
        result: dict[str, Any] | None = None,
        progress: dict[str, Any] | None = None,
        events: Sequence[NewEvent] = (),
        chunk: TrialChunk | None = None,
    ) -> TaskRecord:
        """End a task, or pause it, and store its result, all at once.

        Parameters
        ----------
        lease : Lease
        state : {"completed", "failed", "cancelled", "paused"}
        stop_reason : str, optional
        error : str, optional
            Why it failed.
        result, progress : dict, optional
            As JSON.
        events : sequence of NewEvent, optional
            Stored before the event of the new state.
        chunk : TrialChunk, optional
            Trials that ended when the search had stopped: they count, and nothing goes on from them.

        Raises
        ------
        LeaseLostError
        """
        check_change(lease.task.id, "running", state)

        def work(transaction: Transaction) -> TaskRecord:
            if was_written(transaction, lease.task.id):
                return get_task(transaction, lease.task.id)
            changes: dict[str, Any] = {"stop_reason": stop_reason, "error": error}
            if progress is not None:
                changes["progress"] = progress
            if chunk is not None:
                changes["trials"] = _add_last(transaction, lease, chunk)
            task = _end_lease(transaction, lease, state, events, **changes)
            if result is not None:
                _keep_result(transaction, task.id, result)
            return task

        return self._database.write(work)

    def tell(
        self, lease: Lease, events: Sequence[NewEvent], *, progress: Mapping[str, Any] | None = None
    ) -> int:
        """Store events of a running task and return the number of the newest.

        Parameters
        ----------
        lease : Lease
        events : sequence of NewEvent
        progress : dict, optional
            The summary that the task shows.

        Raises
        ------
        LeaseLostError
        """

        def work(transaction: Transaction) -> int:
            if was_written(transaction, lease.task.id):
                return get_task(transaction, lease.task.id).events
            write_as_worker(transaction, lease, **({} if progress is None else {"progress": progress}))
            return tell(transaction, lease.task.id, events, transaction.now())

        return self._database.write(work)


def _take_next(transaction: Transaction, worker: str, seconds: float) -> Lease | None:
    """Lease the next task; those that must not run any more are ended on the way."""
    while True:
        now = transaction.now()
        row = transaction.connection.execute(next_task(now)).one_or_none()
        if row is None:
            return None
        task = to_task(row)
        if task.state == "running" and _settle(transaction, task, now):
            continue
        leased = change_task(
            transaction,
            task.id,
            state="running",
            worker=worker,
            token=task.token + 1,
            lease_ends=now + timedelta(seconds=seconds),
            heartbeat=now,
            started=task.started or now,
            attempts=task.attempts + 1,
            losses=task.losses + (task.state == "running"),
            written_by=transaction.request,
        )
        tell(transaction, task.id, [state_event(leased)], now)
        return _lease_of(get_task(transaction, task.id))


def _held(leases: Sequence[Lease]) -> ColumnElement[bool]:
    """Return the condition that these leases are the newest of running tasks."""
    held = [(lease.task.id, lease.token) for lease in leases]
    return and_(tasks.c.state == "running", tuple_(tasks.c.id, tasks.c.token).in_(held))


def _give_back_lost(transaction: Transaction, task: TaskRecord, lost: str) -> TaskRecord:
    """Queue a task whose process is gone, or end it when that is due."""
    now = transaction.now()
    if not _settle(transaction, task, now, lost):
        queued = change_task(transaction, task.id, **leave_running("queued", losses=task.losses + 1))
        tell(transaction, task.id, [state_event(queued)], now)
    return get_task(transaction, task.id)


def _settle(transaction: Transaction, task: TaskRecord, now: datetime, lost: str = "it went silent") -> bool:
    """End or pause a task that lost its worker, when that is due; return whether it was."""
    changes: dict[str, Any] = {"losses": task.losses + 1}
    if task.cancel_requested:
        state: TaskState = "cancelled"
        changes["stop_reason"] = "cancelled"
    elif task.losses + 1 >= MOST_LOSSES:
        state = "failed"
        changes["error"] = (
            f"the task was lost {task.losses + 1} times, one after the other without a new trial; the last time its "
            f"worker was {task.worker}, and {lost}"
        )
    elif task.pause_requested:
        state = "paused"
    else:
        return False
    if state in ENDED:
        changes["finished"] = now
    moved = change_task(transaction, task.id, **leave_running(state, **changes))
    tell(transaction, task.id, [state_event(moved)], now)
    return True


def _lease_of(task: TaskRecord) -> Lease:
    assert task.worker is not None
    assert task.lease_ends is not None
    return Lease(task, task.worker, task.token, task.lease_ends)


def _end_lease(
    transaction: Transaction,
    lease: Lease,
    state: TaskState,
    events: Sequence[NewEvent] = (),
    **changes: Any,
) -> TaskRecord:
    now = transaction.now()
    if state in ENDED:
        changes["finished"] = now
    moved = write_as_worker(transaction, lease, **leave_running(state, **changes))
    tell(transaction, moved.id, [*events, state_event(moved)], now)
    return get_task(transaction, moved.id)


def _add_last(transaction: Transaction, lease: Lease, chunk: TrialChunk) -> int:
    """Add trials that have no state of a search after them; return how many the task has then."""
    task = get_task(transaction, lease.task.id)
    new = new_part(transaction, task, chunk)
    if new is None:
        return task.trials
    append_trials(transaction, task, new, transaction.now())
    return task.trials + len(new)


def _keep_result(transaction: Transaction, task_id: str, result: dict[str, Any]) -> None:
    values = {"saved": transaction.now(), "document": pack_json(result)}
    statement = transaction.insert(results).values(task_id=task_id, **values)
    transaction.connection.execute(
        statement.on_conflict_do_update(index_elements=[results.c.task_id], set_=values)
    )
