"""Pages of a task's trials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
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
ENTRIES = 4_000
"""Trials of the pages that are kept, by their places."""
Place: TypeAlias = tuple[str, datetime, int, int, bool]
Moment: TypeAlias = tuple[str, datetime, int]


class Entries(list[dict[str, Any]]):
    """Trials as JSON values; they are not changed any more."""

    @cached_property
    def text(self) -> str:
        """All of them as JSON."""
        return json.dumps(self, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class HistoryPage:
    """A page of trials.

    Attributes
    ----------
    total : int
        How many trials there are of those that are wanted.
    entries : Entries
    """

    total: int
    entries: Entries


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
        self._entries = BoundedCache[Place, Entries](ENTRIES, len)

    def page(
        self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int, *, user: str
    ) -> HistoryPage:
        """Return a page of the trials that the task has, for a user who asks.

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
            return HistoryPage(0, Entries())
        places = self._chosen.get((moment_of(task), query), lambda: self._choose(task, query, user))
        table, _ = self._table(task, ITERATION, user)
        return HistoryPage(len(places), Entries(table.entries(places[offset : offset + limit])))

    def _choose(self, task: TaskRecord, query: HistoryQuery, user: str) -> NDArray[Any]:
        """Return the places of the trials that are wanted, in their order."""
        table, order = self._table(task, query.sort, user)
        return query.select(table.rows if table.keys is None else table.keys, order)

    def _table(self, task: TaskRecord, sort: str, user: str) -> tuple[TrialTable, RisingOrder | None]:
        """Return all trials of a task, and their order by a number."""
        if task.trials > IN_MEMORY:
            return self._files.read(task, sort, user)
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

    def kept_page(self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int) -> HistoryPage | None:
        """Return a page that is in memory already; None for one that is to be read."""
        if not query.is_plain:
            return None
        place, total = self._plain_place(task, query, offset, limit)
        entries = Entries() if place is None else self._entries.find(place)
        return None if entries is None else HistoryPage(total, entries)

    def _plain_page(self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int) -> HistoryPage:
        """Return a page whose trials are known by their places: only the chunks that hold them are read."""
        place, total = self._plain_place(task, query, offset, limit)
        if place is None:
            return HistoryPage(total, Entries())
        # Trials are only ever added: those at a place stay the same, and a page that is asked for again is kept.
        return HistoryPage(total, self._entries.get(place, lambda: self._read_entries(place)))

    def _plain_place(
        self, task: TaskRecord, query: HistoryQuery, offset: int, limit: int
    ) -> tuple[Place | None, int]:
        """Return where the trials of a page lie, None for no trials; and how many the task has of those wanted."""
        start, stop = query.plain_places(task.trials, offset, limit)
        total = max(0, task.trials - query.since)
        return (None if start >= stop else (task.id, task.created, start, stop, query.descending)), total

    def _read_entries(self, place: Place) -> Entries:
        task_id, _, start, stop, descending = place
        table = self._read(task_id, start, stop)
        places = range(stop - start)
        return Entries() if table is None else Entries(table.entries(places[::-1] if descending else places))

    def _read(self, task_id: str, start: int, stop: int) -> TrialTable | None:
        return TrialTable.of(self._store.trials.read(task_id, start, stop))


def moment_of(task: TaskRecord) -> Moment:
    """Return what the trials of a task depend on: trials are only ever added."""
    return task.id, task.created, task.trials
