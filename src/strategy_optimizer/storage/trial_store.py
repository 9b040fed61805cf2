"""The trials of tasks in compressed chunks, and the state of the search that goes with them.

Trials are acknowledged when the transaction that holds them, the search's state and their events is committed.
Small chunks are joined as they come in: a chunk takes in those before it that are not larger than it has become,
so that each trial is written again a few times only, and a long task has few chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from strategy_optimizer.errors import TrialConflictError
from strategy_optimizer.storage.database import Database, Transaction
from strategy_optimizer.storage.score_curve import ScoreCurve, read_curve
from strategy_optimizer.storage.tables import checkpoints, trial_chunks, usage
from strategy_optimizer.storage.task_records import CheckpointRecord, Lease, NewEvent, TaskRecord
from strategy_optimizer.storage.task_rows import get_task, tell, was_written, write_as_worker
from strategy_optimizer.storage.task_store import pack_json, unpack_json
from strategy_optimizer.storage.trial_chunk import (
    CHUNK_ROWS,
    TrialChunk,
    describe,
    join,
)
from strategy_optimizer.tasks.history import TrialHistory


@dataclass(frozen=True)
class ChunkSummary:
    """One chunk without its trials.

    Attributes
    ----------
    first, rows : int
        Index of its first trial, from 0, and how many it has.
    completed, failed, pruned : int
    best_trial : int or None
        Index of its best feasible trial.
    size : int
        Bytes that it takes.
    """

    first: int
    rows: int
    completed: int
    failed: int
    pruned: int
    best_trial: int | None
    size: int


class TrialStore:
    """Trials and checkpoints of tasks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- writing ---------------------------------------------------------------------------------------------

    def save(
        self,
        lease: Lease,
        chunk: TrialChunk | None,
        state: Mapping[str, Any],
        *,
        progress: Mapping[str, Any] | None = None,
        events: Sequence[NewEvent] = (),
    ) -> int:
        """Store new trials with the state of the search after them and what there is to tell, all or nothing.

        Parameters
        ----------
        lease : Lease
        chunk : TrialChunk or None
            The next trials. Those that are stored already are not stored again; when none is new, nothing of the
            call is.
        state : dict
            What the search goes on from, as JSON.
        progress : dict, optional
            The summary that the task shows.
        events : sequence of NewEvent, optional

        Returns
        -------
        int
            How many trials of the task are stored now.

        Raises
        ------
        LeaseLostError
            When another worker has the task, or it has ended.
        TrialConflictError
            When stored trials differ from those of the same numbers here, or trials before them are missing.
        """
        packed = pack_json(state)

        def work(transaction: Transaction) -> int:
            if was_written(transaction, lease.task.id):
                return get_task(transaction, lease.task.id).trials
            task = write_as_worker(transaction, lease)
            new = None if chunk is None else new_part(transaction, task, chunk)
            if chunk is not None and new is None:
                return task.trials
            now = transaction.now()
            total = task.trials + (0 if new is None else len(new))
            if new is not None:
                append_trials(transaction, task, new, now)
            _keep_state(transaction, lease, total, packed, now)
            changes: dict[str, Any] = {"trials": total, "losses": 0} if new is not None else {}
            if progress is not None:
                changes["progress"] = progress
            if changes:
                write_as_worker(transaction, lease, **changes)
            if events:
                tell(transaction, task.id, events, now)
            return total

        return self._database.write(work)

    # -- reading ---------------------------------------------------------------------------------------------

    def checkpoint(self, task_id: str) -> CheckpointRecord | None:
        """Return the state that was saved last, None when there is none."""

        def work(transaction: Transaction) -> CheckpointRecord | None:
            get_task(transaction, task_id)
            row = transaction.connection.execute(
                select(checkpoints).where(checkpoints.c.task_id == task_id)
            ).one_or_none()
            if row is None:
                return None
            return CheckpointRecord(**{**row._mapping, "state": unpack_json(row.state)})

        return self._database.read(work)

    def read(self, task_id: str, start: int = 0, stop: int | None = None) -> Iterator[TrialChunk]:
        """Yield the trials from `start` to before `stop`, counted from 0, in chunks; one is in memory at a time."""
        at = start
        while stop is None or at < stop:
            chunk = self._chunk_with(task_id, at)
            if chunk is None:
                return
            yield chunk.rows(at, chunk.stop if stop is None else min(stop, chunk.stop))
            at = chunk.stop

    def load(self, task_id: str, history: TrialHistory) -> CheckpointRecord | None:
        """Fill an empty history and return the state that belongs to its end; None when the task is new."""
        record = self.checkpoint(task_id)
        if record is not None:
            for chunk in self.read(task_id, 0, record.trials):
                chunk.add_to(history)
        return record

    def summaries(self, task_id: str) -> list[ChunkSummary]:
        """Return what the task's chunks hold, in their order."""

        def work(transaction: Transaction) -> list[ChunkSummary]:
            get_task(transaction, task_id)
            return [
                ChunkSummary(**row._mapping) for row in transaction.connection.execute(_summaries(task_id))
            ]

        return self._database.read(work)

    def curve(self, task_id: str, points: int = 1000) -> ScoreCurve:
        """Return the scores of all trials in at most so many points.

        A task of few trials is read as it is; of a long one only the outlines are, of sixteen trials each.
        """

        def work(transaction: Transaction) -> ScoreCurve:
            return read_curve(transaction, get_task(transaction, task_id), points)

        return self._database.read(work)

    def _chunk_with(self, task_id: str, index: int) -> TrialChunk | None:
        """Return the chunk that holds a trial; chunks may have been joined since the last look."""
        statement = (
            select(trial_chunks.c.payload)
            .where(
                trial_chunks.c.task_id == task_id,
                trial_chunks.c.first <= index,
                trial_chunks.c.first + trial_chunks.c.rows > index,
            )
            .order_by(trial_chunks.c.first.desc())
            .limit(1)
        )

        def work(transaction: Transaction) -> bytes | None:
            get_task(transaction, task_id)
            return transaction.connection.execute(statement).scalar_one_or_none()

        payload = self._database.read(work)
        return None if payload is None else TrialChunk.from_payload(payload)


def _summaries(task_id: str) -> Any:
    names = ("first", "rows", "completed", "failed", "pruned", "best_trial")
    return (
        select(*[trial_chunks.c[name] for name in names], func.length(trial_chunks.c.payload).label("size"))
        .where(trial_chunks.c.task_id == task_id)
        .order_by(trial_chunks.c.first)
    )


def append_trials(transaction: Transaction, task: TaskRecord, new: TrialChunk, now: datetime) -> None:
    """Add the next trials of a task, and count them for its owner."""
    _append(transaction, task.id, new)
    _count_usage(transaction, task.owner, len(new), now)


def new_part(transaction: Transaction, task: TaskRecord, chunk: TrialChunk) -> TrialChunk | None:
    """Return the trials that are not stored yet, or None; raise when the others are not the same ones."""
    if chunk.first > task.trials:
        raise TrialConflictError(
            f"the trials from {chunk.first + 1} on cannot be stored: the task {task.id} has {task.trials}"
        )
    for stored in _stored(transaction, task.id, chunk.first, min(chunk.stop, task.trials)):
        if not stored.same_trials(chunk.rows(stored.first, stored.stop)):
            raise TrialConflictError(
                f"the trials {stored.first + 1} to {stored.stop} of the task {task.id} are stored already, and are "
                "not those that were sent"
            )
    return chunk.rows(task.trials, chunk.stop) if chunk.stop > task.trials else None


def _stored(transaction: Transaction, task_id: str, start: int, stop: int) -> Iterator[TrialChunk]:
    if start >= stop:
        return
    statement = (
        select(trial_chunks.c.payload)
        .where(
            trial_chunks.c.task_id == task_id,
            trial_chunks.c.first < stop,
            trial_chunks.c.first + trial_chunks.c.rows > start,
        )
        .order_by(trial_chunks.c.first)
    )
    for row in transaction.connection.execute(statement).all():
        yield TrialChunk.from_payload(row.payload).rows(start, stop)


def _append(transaction: Transaction, task_id: str, new: TrialChunk) -> None:
    """Add the next trials, joined with the small chunks before them."""
    earlier = _to_join(transaction, task_id, len(new))
    chunks = [TrialChunk.from_payload(row.payload) for row in earlier]
    if chunks and describe(chunks[-1].head) != describe(new.head):
        raise TrialConflictError(
            f"the trials from {new.first + 1} on have the shape {describe(new.head)}, those before them in the "
            f"task {task_id} have {describe(chunks[-1].head)}"
        )
    if chunks:
        transaction.connection.execute(
            delete(trial_chunks).where(
                trial_chunks.c.task_id == task_id, trial_chunks.c.first >= chunks[0].first
            )
        )
    whole = join([*chunks, new])
    for first in range(whole.first, whole.stop, CHUNK_ROWS):
        part = whole.rows(first, min(first + CHUNK_ROWS, whole.stop))
        transaction.connection.execute(insert(trial_chunks).values(_row(task_id, part)))


def _to_join(transaction: Transaction, task_id: str, rows: int) -> list[Row[Any]]:
    """Return the newest chunks that are not larger than what comes after them, in their order."""
    mine = trial_chunks.c.task_id == task_id
    sizes = transaction.connection.execute(
        select(trial_chunks.c.first, trial_chunks.c.rows)
        .where(mine)
        .order_by(trial_chunks.c.first.desc())
        .limit(16)
    ).all()
    start = None
    for chunk in sizes:
        if chunk.rows > rows or rows + chunk.rows > CHUNK_ROWS:
            break
        rows, start = rows + chunk.rows, chunk.first
    if start is None:
        return []
    statement = select(trial_chunks.c.payload).where(mine, trial_chunks.c.first >= start)
    return list(transaction.connection.execute(statement.order_by(trial_chunks.c.first)).all())


def _row(task_id: str, chunk: TrialChunk) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "first": chunk.first,
        "rows": len(chunk),
        "completed": chunk.count("completed"),
        "failed": chunk.count("failed"),
        "pruned": chunk.count("pruned"),
        "best_trial": chunk.best_trial(),
        "outline": chunk.outline().tobytes(),
        "payload": chunk.payload(),
    }


def _keep_state(transaction: Transaction, lease: Lease, trials: int, packed: bytes, now: datetime) -> None:
    values = {"trials": trials, "token": lease.token, "saved": now, "state": packed}
    statement = transaction.insert(checkpoints).values(task_id=lease.task.id, **values)
    transaction.connection.execute(
        statement.on_conflict_do_update(index_elements=[checkpoints.c.task_id], set_=values)
    )


def _count_usage(transaction: Transaction, owner: str, trials: int, now: datetime) -> None:
    statement = transaction.insert(usage).values(
        user_id=owner, day=now.astimezone(UTC).date().isoformat(), trials=trials
    )
    transaction.connection.execute(
        statement.on_conflict_do_update(
            index_elements=[usage.c.user_id, usage.c.day], set_={"trials": usage.c.trials + trials}
        )
    )
