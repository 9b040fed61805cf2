"""Pages of a task's trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from strategy_optimizer.errors import NotStoredError
from strategy_optimizer.reading.bounded import BoundedCache
from strategy_optimizer.reading.history_query import ITERATION, HistoryQuery, RisingOrder, column_of
from strategy_optimizer.reading.trial_table import TrialTable
from strategy_optimizer.storage import Store, TaskRecord

TABLES = 64 << 20
"""Bytes of the tables that are kept."""
Moment: TypeAlias = tuple[str, datetime, int]


@dataclass(frozen=True)
class HistoryPage:
    """A page of trials.

    Attributes
    ----------
    total : int
        How many trials there are of those that are wanted.
    entries : list of dict
    """

    total: int
    entries: list[dict[str, Any]]


class HistoryReader:
    """Reads pages of trials.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables = BoundedCache[Moment, TrialTable | None](
            TABLES, lambda table: table.size if table else 1
        )

    def page(self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int) -> HistoryPage:
        """Return a page of the trials that the task has.

        Raises
        ------
        ObjectiveError
            The trials have no such number to sort by.
        """
        if query.is_plain:
            return self._plain_page(task, query, offset, limit)
        table = self._tables.get(moment_of(task), lambda: self._read(task.id, 0, task.trials))
        if table is None:
            return HistoryPage(0, [])
        query.check(table.layout.metrics)
        order = None
        if query.sort != ITERATION:
            order = RisingOrder.of(column_of(table.rows, table.layout.metrics, query.sort))
        found = query.select(table.rows, order)
        return HistoryPage(len(found), table.entries(found[offset : offset + limit]))

    def trial(self, task: TaskRecord, number: int) -> dict[str, Any]:
        """Return one trial.

        Raises
        ------
        NotStoredError
            The task has no such trial.
        """
        if not 1 <= number <= task.trials:
            raise NotStoredError(
                f"the task {task.id} has no trial {number}; it has {task.trials:,} now, numbered from 1"
            )
        table = self._read(task.id, number - 1, number)
        assert table is not None
        return table.entries([0])[0]

    def _plain_page(self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int) -> HistoryPage:
        """Return a page whose trials are known by their places: only the chunks that hold them are read."""
        start, stop = query.plain_places(task.trials, offset, limit)
        total = max(0, task.trials - query.since)
        table = self._read(task.id, start, stop) if start < stop else None
        places: Sequence[int] = range(stop - start)
        if query.descending:
            places = places[::-1]
        return HistoryPage(total, table.entries(places) if table is not None else [])

    def _read(self, task_id: str, start: int, stop: int) -> TrialTable | None:
        return TrialTable.of(self._store.trials.read(task_id, start, stop))


def moment_of(task: TaskRecord) -> Moment:
    """Return what the trials of a task depend on: trials are only ever added."""
    return task.id, task.created, task.trials
