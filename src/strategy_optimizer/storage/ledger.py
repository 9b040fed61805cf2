"""The trial ledgers: what each owner's tasks searched, for the verdicts of later tasks.

An entry stays when its task is removed: what was tried was tried. What is in it only `validation` knows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select, update

from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.listing import Listing, Page
from strategy_optimizer.storage.table_access import TableAccess
from strategy_optimizer.storage.tables import ledger, ledger_bars
from strategy_optimizer.storage.task_records import Lease, LedgerRecord, OldLedgerEntry
from strategy_optimizer.storage.task_rows import check_newest

OLD = "file:"
"""What the names of entries begin with that were files before; no task's id has a colon."""


_MOST_BARS = 10_000
"""So many names fit into one question; who searched on more different bars reads everything."""


class LedgerStore(TableAccess):
    """The ledgers of all owners: one entry for each task that made trials."""

    def put(
        self, lease: Lease, *, summary: Mapping[str, Any], entry: bytes, months: bytes | None = None
    ) -> None:
        """Store the entry of a task, in the place of the one that it has.

        A task that was cancelled, paused or given back may still enter what it did, until another worker has it.

        Parameters
        ----------
        lease : Lease
        summary : mapping
            What people want to know, as JSON.
        entry : bytes
        months : bytes, optional
            Which bars it is about, for those who look for entries on the same.

        Raises
        ------
        LeaseLostError
            When another worker has the task.
        """

        def work(transaction: Transaction) -> None:
            check_newest(transaction, lease)
            bars = _put_bars(transaction, lease.task.owner, months)
            values = {"recorded": transaction.now(), "summary": dict(summary), "entry": entry, "bars": bars}
            statement = transaction.insert(ledger).values(
                owner=lease.task.owner, task=lease.task.id, **values
            )
            transaction.connection.execute(
                statement.on_conflict_do_update(index_elements=list(ledger.primary_key.columns), set_=values)
            )

        self._database.write(work)

    def take_in(self, owner: str, entries: Sequence[OldLedgerEntry]) -> int:
        """Store entries that were kept elsewhere before and return how many are new; the same again changes nothing."""

        def work(transaction: Transaction) -> int:
            connection, key = transaction.connection, list(ledger.primary_key.columns)
            new = (
                transaction.insert(ledger).on_conflict_do_nothing(index_elements=key).returning(ledger.c.task)
            )
            rows = [
                {
                    "owner": owner,
                    "task": entry.task,
                    "recorded": entry.recorded,
                    "summary": entry.summary,
                    "entry": entry.entry,
                    "bars": _put_bars(transaction, owner, entry.months),
                }
                for entry in entries
            ]
            return sum(connection.execute(new.values(row)).first() is not None for row in rows)

        return self._database.write(work)

    def bars(self, owner: str) -> dict[str, bytes]:
        """Return the different bars that an owner's entries are about: their name, and their months."""
        statement = select(ledger_bars.c.bars, ledger_bars.c.months).where(ledger_bars.c.owner == owner)
        return self._database.read(
            lambda transaction: {row.bars: row.months for row in transaction.connection.execute(statement)}
        )

    def entries(self, owner: str, *, bars: Collection[str] | None = None) -> list[tuple[str, bytes]]:
        """Return the task and the entry of what an owner has, the oldest first.

        Parameters
        ----------
        owner : str
        bars : collection of str, optional
            Only entries about these bars, and those of which it is not known.
        """
        wanted = [ledger.c.owner == owner]
        if bars is not None and len(bars) <= _MOST_BARS:
            wanted.append(ledger.c.bars.in_(bars) | ledger.c.bars.is_(None))
        columns = (ledger.c.task, ledger.c.entry)
        statement = select(*columns).where(*wanted).order_by(ledger.c.recorded, ledger.c.task)
        return self._database.read(
            lambda transaction: [(row.task, row.entry) for row in transaction.connection.execute(statement)]
        )

    def undescribed(self, owner: str) -> list[tuple[str, bytes]]:
        """Return the task and the entry of those of which it is not known which bars they are about."""
        return self.entries(owner, bars=())

    def describe(self, owner: str, months: Mapping[str, bytes]) -> None:
        """Store which bars entries are about, by their tasks; what is known already stays."""

        def work(transaction: Transaction) -> None:
            for task, found in months.items():
                row = (ledger.c.owner == owner) & (ledger.c.task == task) & ledger.c.bars.is_(None)
                bars = _put_bars(transaction, owner, found)
                transaction.connection.execute(update(ledger).where(row).values(bars=bars))

        self._database.write(work)

    def page(self, owner: str, listing: Listing) -> Page[LedgerRecord]:
        """Return what is known of a part of an owner's entries."""
        return self.page_rows(ledger, LedgerRecord, listing, ledger.c.owner == owner, id_name="task")

    def count(self, owner: str) -> int:
        """Return how many entries an owner has."""
        statement = select(func.count()).select_from(ledger).where(ledger.c.owner == owner)
        return self._database.read(
            lambda transaction: int(transaction.connection.execute(statement).scalar_one())
        )

    def clear(self, owner: str) -> int:
        """Remove all entries of an owner and return how many there were."""

        def work(transaction: Transaction) -> int:
            transaction.connection.execute(delete(ledger_bars).where(ledger_bars.c.owner == owner))
            return transaction.connection.execute(delete(ledger).where(ledger.c.owner == owner)).rowcount

        return self._database.write(work)


def _put_bars(transaction: Transaction, owner: str, months: bytes | None) -> str | None:
    """Store the months of some bars once, and return the name of the bars."""
    if months is None:
        return None
    name = hashlib.sha256(months).hexdigest()
    statement = transaction.insert(ledger_bars).values(owner=owner, bars=name, months=months)
    key = list(ledger_bars.primary_key.columns)
    transaction.connection.execute(statement.on_conflict_do_nothing(index_elements=key))
    return name
