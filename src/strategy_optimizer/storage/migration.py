"""Bringing a database to this program's tables, and back to older ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage.database import Database
from strategy_optimizer.storage.tables import metadata

_MIGRATING = 7_141_002  # any number that is no other advisory lock of ours


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring a database to a revision, the newest by default; several processes may do so at once.

    Raises
    ------
    StorageError
        When a newer version of this program made the database.
    """
    known = [script.revision for script in _scripts().walk_revisions()]

    def work(connection: Connection) -> None:
        found = revision_of(connection)
        if found is not None and found not in known:
            raise StorageError(
                f"the database {database} has the revision {found}, which this version does not know; "
                "a newer version made it: install that, or restore a backup"
            )
        command.upgrade(_config(connection), revision)

    _locked(database, work)


def downgrade(database: Database, revision: str) -> None:
    """Take a database back to an older revision; ``base`` removes all tables."""
    _locked(database, lambda connection: command.downgrade(_config(connection), revision))


def revision(database: Database) -> str | None:
    """Return the revision of a database, None for an empty one."""
    return database.read(lambda transaction: revision_of(transaction.connection))


def newest_revision() -> str:
    """Return the revision that this program's tables have."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def differences(database: Database) -> list[Any]:
    """Return what the database has other than `tables` says."""

    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    return database.read(lambda transaction: compare(transaction.connection))


def revision_of(connection: Connection) -> str | None:
    """Return the revision that a connection sees."""
    return MigrationContext.configure(connection).get_current_revision()


def _locked(database: Database, work: Callable[[Connection], None]) -> None:
    """Run `work` while no other process migrates: all of it is done, or nothing."""

    def alone(connection: Connection) -> None:
        if not database.is_sqlite:
            # Others wait for longer than for any other lock; an SQLite file has one writer anyway.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
        work(connection)

    database.write(lambda transaction: alone(transaction.connection))


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
