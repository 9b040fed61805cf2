"""Keeping a database small: what may go after a while, and giving its room back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, select, text

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage.database import Database, Transaction
from strategy_optimizer.storage.datasets import is_unused
from strategy_optimizer.storage.event_log import EventLog
from strategy_optimizer.storage.tables import (
    api_keys,
    audit,
    dataset_contents,
    idempotency_keys,
    sessions,
    tasks,
    tickets,
)

_UPLOADED_WITHIN = 1.0
"""Days that an upload may take from its first chunk of content to its dataset."""

_MOST_DAYS = 100_000


@dataclass(frozen=True)
class Retention:
    """Days for which things are kept; None keeps them.

    Attributes
    ----------
    tasks : float or None
        Tasks that have ended, with events, trials and result.
    progress : float or None
        Single progress events of tasks that have ended; after it only the last of each run stays.
    audit : float or None
    idempotency : float
        After it the same key makes a new task.

    Raises
    ------
    StorageError
        When one of them is no number of days.
    """

    tasks: float | None = None
    progress: float | None = 7.0
    audit: float | None = 365.0
    idempotency: float = 7.0

    def __post_init__(self) -> None:
        for name, days in vars(self).items():
            if days is not None and not 0 <= days <= _MOST_DAYS:
                raise StorageError(f"{name} are to be kept for {days:g} days; expected 0 to {_MOST_DAYS:,}")


@dataclass(frozen=True)
class Removed:
    """How many rows went."""

    tasks: int
    events: int
    audit: int
    idempotency_keys: int
    sessions: int
    tickets: int
    api_keys: int
    dataset_contents: int = 0


def tidy(database: Database, retention: Retention = Retention()) -> Removed:
    """Remove what `retention` lets go, sessions that ended, and keys that ended long ago."""
    return Removed(
        tasks=_remove_tasks(database, retention.tasks),
        events=_thin_out(database, retention.progress),
        audit=_remove(database, audit, audit.c.at, retention.audit),
        idempotency_keys=_remove(
            database, idempotency_keys, idempotency_keys.c.created, retention.idempotency
        ),
        sessions=_remove(database, sessions, sessions.c.expires, 0.0),
        tickets=_remove(database, tickets, tickets.c.expires, 0.0),
        api_keys=_remove(
            database, api_keys, func.coalesce(api_keys.c.revoked, api_keys.c.expires), retention.audit
        ),
        dataset_contents=_remove_unused_contents(database),
    )


def vacuum(database: Database) -> None:
    """Give the room of removed rows back to the disk; on SQLite nobody writes meanwhile."""
    with database.engine.connect() as connection:
        if database.is_sqlite:
            # Neither runs inside a transaction, so not through the driver's.
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        else:
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            alone.execute(text("SET statement_timeout = 0"))
            alone.execute(text("VACUUM ANALYZE"))
            alone.execute(text("RESET statement_timeout"))


def size(database: Database) -> int:
    """Return the bytes that the database takes."""
    if database.is_sqlite:
        names = ("", "-wal")
        files = [database.file.with_name(database.file.name + name) for name in names]
        return sum(file.stat().st_size for file in files if file.exists())
    statement = text("SELECT pg_database_size(current_database())")
    return database.read(lambda transaction: int(transaction.connection.execute(statement).scalar_one()))


def _remove(database: Database, table: Table, column: ColumnElement[Any], days: float | None) -> int:
    if days is None:
        return 0

    def work(transaction: Transaction) -> int:
        before = transaction.now() - timedelta(days=days)
        return transaction.connection.execute(delete(table).where(column < before)).rowcount

    return database.write(work)


def _remove_unused_contents(database: Database) -> int:
    """Remove what uploads left behind that were broken off."""

    def work(transaction: Transaction) -> int:
        before = transaction.now() - timedelta(days=_UPLOADED_WITHIN)
        statement = delete(dataset_contents).where(dataset_contents.c.created < before, is_unused())
        return transaction.connection.execute(statement).rowcount

    return database.write(work)


def _remove_tasks(database: Database, days: float | None) -> int:
    """Remove one task at a time: each may have a hundred megabytes of trials, and others want to write."""

    def remove(task_id: str) -> int:
        statement = delete(tasks).where(tasks.c.id == task_id)
        return database.write(lambda transaction: transaction.connection.execute(statement).rowcount)

    return sum(remove(task_id) for task_id in _ended_before(database, days))


def _thin_out(database: Database, days: float | None) -> int:
    events = EventLog(database)
    now = database.read(lambda transaction: transaction.now())
    return sum(events.thin_out(task_id, before=now) for task_id in _ended_before(database, days))


def _ended_before(database: Database, days: float | None) -> list[str]:
    if days is None:
        return []

    def work(transaction: Transaction) -> list[str]:
        before = transaction.now() - timedelta(days=days)
        return list(
            transaction.connection.execute(select(tasks.c.id).where(tasks.c.finished < before)).scalars()
        )

    return database.read(work)
