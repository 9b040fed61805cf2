"""The trial ledgers: what each owner's tasks searched, for the verdicts of later tasks.

An entry stays when its task is removed: what was tried was tried. What is in it only `validation` knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select

from strategy_optimizer.storage.database import Transaction
from strategy_optimizer.storage.records import Lease, LedgerRecord, Listing, OldLedgerEntry, Page
from strategy_optimizer.storage.table_access import TableAccess
from strategy_optimizer.storage.tables import ledger
from strategy_optimizer.storage.task_rows import check_newest

OLD = "file:"
"""What the names of entries begin with that were files before; no task's id has a colon."""


class LedgerStore(TableAccess):
    """The ledgers of all owners: one entry for each task that made trials."""

    def put(self, lease: Lease, *, summary: Mapping[str, Any], entry: bytes) -> None:
        """Store the entry of a task, in the place of the one that it has.

        A task that was cancelled, paused or given back may still enter what it did, until another worker has it.

        Parameters
        ----------
        lease : Lease
        summary : mapping
            What people want to know, as JSON.
        entry : bytes

        Raises
        ------
        LeaseLostError
            When another worker has the task.
        """

        def work(transaction: Transaction) -> None:
            check_newest(transaction, lease)
            values = {"recorded": transaction.now(), "summary": dict(summary), "entry": entry}
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
            rows = [{"owner": owner, **vars(entry)} for entry in entries]
            return sum(connection.execute(new.values(row)).first() is not None for row in rows)

        return self._database.write(work)

    def entries(self, owner: str) -> list[tuple[str, bytes]]:
        """Return the task and the entry of all that an owner has, the oldest first."""
        columns = (ledger.c.task, ledger.c.entry)
        statement = select(*columns).where(ledger.c.owner == owner).order_by(ledger.c.recorded, ledger.c.task)
        return self._database.read(
            lambda transaction: [(row.task, row.entry) for row in transaction.connection.execute(statement)]
        )

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
            return transaction.connection.execute(delete(ledger).where(ledger.c.owner == owner)).rowcount

        return self._database.write(work)
