"""The events of tasks: reading on from a number, and thinning out progress that nobody reads any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import delete, select, update

from strategy_optimizer.storage.database import Database, Transaction
from strategy_optimizer.storage.tables import events, tasks
from strategy_optimizer.storage.task_records import EventRecord
from strategy_optimizer.storage.task_rows import get_task

PROGRESS = "progress"
"""The kind of event that the next of its kind makes superfluous."""
_COLUMNS = [events.c[field.name] for field in fields(EventRecord)]


class EventLog:
    """Reads events; they are written together with what they tell of."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, task_id: str, *, after: int = 0, limit: int = 1000) -> list[EventRecord]:
        """Return a task's events after a number, in their order, at most `limit`.

        Raises
        ------
        TaskNotFoundError
        """

        def work(transaction: Transaction) -> list[EventRecord]:
            get_task(transaction, task_id)
            return _after(transaction, task_id, after, limit)

        return self._database.read(work)

    def newest(self, task_ids: Iterable[str]) -> Mapping[str, int]:
        """Return the number of the newest event of each task that exists: one query tells who has news."""
        statement = select(tasks.c.id, tasks.c.events).where(tasks.c.id.in_(list(task_ids)))
        return self._database.read(
            lambda transaction: {row.id: row.events for row in transaction.connection.execute(statement)}
        )

    def news(self, seen: Mapping[str, int], *, limit: int = 1000) -> Mapping[str, Sequence[EventRecord]]:
        """Return what came after the events that somebody has seen of some tasks, all of one moment.

        Parameters
        ----------
        seen : dict
            The number of the newest event that was seen, of each task.
        limit : int
            At most so many events of one task; the next call gives those after them.

        Returns
        -------
        dict of list of EventRecord
            Of each task that exists.
        """
        numbers = select(tasks.c.id, tasks.c.events).where(tasks.c.id.in_(list(seen)))

        def work(transaction: Transaction) -> dict[str, Sequence[EventRecord]]:
            newest = {row.id: row.events for row in transaction.connection.execute(numbers)}
            return {
                task_id: _after(transaction, task_id, seen[task_id], limit) if last > seen[task_id] else ()
                for task_id, last in newest.items()
            }

        return self._database.read(work)

    def thin_out(self, task_id: str, *, before: datetime, kind: str = PROGRESS) -> int:
        """Join runs of progress events from before a moment to their last ones; return how many went.

        The one that stays says by `first` which it stands for, so a reader still sees that none is missing.
        """

        def work(transaction: Transaction) -> int:
            get_task(transaction, task_id, lock=True)
            rows = transaction.connection.execute(
                select(events.c.seq, events.c.first, events.c.kind, events.c.at)
                .where(events.c.task_id == task_id)
                .order_by(events.c.seq)
            ).all()
            marked = [(row.seq, row.first, row.kind == kind and row.at < before) for row in rows]
            runs = [run for run in _runs(marked) if len(run) > 1]
            for run in runs:
                _join(transaction, task_id, run)
            return sum(len(run) - 1 for run in runs)

        return self._database.write(work)


def _after(transaction: Transaction, task_id: str, after: int, limit: int) -> list[EventRecord]:
    statement = (
        select(*_COLUMNS)
        .where(events.c.task_id == task_id, events.c.seq > after)
        .order_by(events.c.seq)
        .limit(limit)
    )
    return [EventRecord(**row._mapping) for row in transaction.connection.execute(statement)]


def _runs(marked: Sequence[tuple[int, int, bool]]) -> list[list[tuple[int, int]]]:
    """Return the runs of marked events as (seq, first).

    >>> _runs([(1, 1, False), (2, 2, True), (3, 3, True), (4, 4, False), (5, 5, True)])
    [[(2, 2), (3, 3)], [(5, 5)]]
    """
    runs: list[list[tuple[int, int]]] = [[]]
    for seq, first, is_marked in marked:
        if is_marked:
            runs[-1].append((seq, first))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _join(transaction: Transaction, task_id: str, run: Sequence[tuple[int, int]]) -> None:
    last, first = run[-1][0], run[0][1]
    mine = events.c.task_id == task_id
    transaction.connection.execute(delete(events).where(mine, events.c.seq >= run[0][0], events.c.seq < last))
    transaction.connection.execute(update(events).where(mine, events.c.seq == last).values(first=first))
