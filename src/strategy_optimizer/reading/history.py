"""Pages of a task's trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from numpy.typing import NDArray

from strategy_optimizer.errors import NotStoredError
from strategy_optimizer.reading.bounded import BoundedCache
from strategy_optimizer.reading.history_query import ITERATION, HistoryQuery, RisingOrder, column_of
from strategy_optimizer.reading.table_files import TableFiles
from strategy_optimizer.reading.trial_table import TrialTable
from strategy_optimizer.storage import Store, TaskRecord

IN_MEMORY = 8192
"""Trials of the longest task that is sorted and searched in memory: two chunks."""
TABLES, CHOSEN = 64 << 20, 64 << 20
"""Bytes of the tables, and of the places of chosen trials, that are kept in memory."""
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
    files : TableFiles
        Of tasks with more than `IN_MEMORY` trials.

    Notes
    -----
    A page in the order of the trials reads the one or two chunks that hold it. For others all trials are read once,
    for tasks of more than `IN_MEMORY` trials by a child process; what came since is read when the next page is asked
    for. What was chosen, and in which order, is kept for the pages that follow.
    """

    def __init__(self, store: Store, files: TableFiles) -> None:
        self._store = store
        self._files = files
        self._tables = BoundedCache[Moment, TrialTable | None](
            TABLES, lambda table: table.size if table else 1
        )
        self._chosen = BoundedCache[tuple[Moment, HistoryQuery], NDArray[Any]](
            CHOSEN, lambda places: places.nbytes + 1
        )

    def page(self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int) -> HistoryPage:
        """Return a page of the trials that the task has.

        Raises
        ------
        ObjectiveError
            The trials have no such number to sort by.
        ComputationError
            The trials are many, and could not be read now.
        """
        if query.is_plain:
            return self._plain_page(task, query, offset, limit)
        if task.trials == 0:
            return HistoryPage(0, [])
        places = self._chosen.get((moment_of(task), query), lambda: self._choose(task, query))
        table, _ = self._table(task, ITERATION)
        return HistoryPage(len(places), table.entries(places[offset : offset + limit]))

    def _choose(self, task: TaskRecord, query: HistoryQuery) -> NDArray[Any]:
        """Return the places of the trials that are wanted, in their order."""
        table, order = self._table(task, query.sort)
        return query.select(table.rows if table.keys is None else table.keys, order)

    def _table(self, task: TaskRecord, sort: str) -> tuple[TrialTable, RisingOrder | None]:
        """Return all trials of a task, and their order by a number."""
        if task.trials > IN_MEMORY:
            return self._files.read(task, sort)
        table = self._tables.get(moment_of(task), lambda: self._read(task.id, 0, task.trials))
        assert table is not None
        if sort == ITERATION:
            return table, None
        return table, RisingOrder.of(column_of(table.rows, table.layout.metrics, sort))

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
