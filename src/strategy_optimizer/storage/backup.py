"""Backups: one SQLite file of all tables, whatever the database; it can be restored into either.

So the way from a laptop's SQLite file to PostgreSQL, and back, is a backup and a restore.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text

from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage.database import Database, make_private
from strategy_optimizer.storage.migration import newest_revision, revision, upgrade
from strategy_optimizer.storage.tables import metadata

_ROWS = 200
"""Rows in memory at once; a chunk of trials has up to two megabytes."""


def back_up(database: Database, path: Path) -> None:
    """Write a backup while others go on working; it is of one moment.

    Raises
    ------
    StorageError
        When the file exists already, or cannot be written.
    """
    if path.exists():
        raise StorageError(f"the backup {path} exists already; choose another name, or remove it")
    if not path.parent.is_dir():
        raise StorageError(f"the backup {path} cannot be written: there is no folder {path.parent}")
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        if database.is_sqlite:
            _copy_file(database.file, partial)
        else:
            _copy_out(database, partial)
        os.replace(partial, path)  # noqa: PTH105
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"the backup {path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def restore(path: Path, database: Database) -> None:
    """Fill an empty database from a backup; its tables are brought to this version.

    Raises
    ------
    StorageError
        When the backup cannot be read, or the database is not empty.
    """
    if not path.exists():
        raise StorageError(f"there is no backup {path}")
    _check_backup(path)
    if revision(database) is not None and _has_rows(database):
        raise StorageError(f"the database {database} is not empty; restore into a new one")
    if database.is_sqlite:
        database.close()
        _copy_file(path, database.file)
        upgrade(database)
    else:
        _copy_in(path, database)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a database of SQLite by its online backup, which other writers do not disturb."""
    make_private(target)
    with (
        contextlib.closing(sqlite3.connect(source)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
        # A single file, without the two of WAL beside it.
        writing.execute("PRAGMA journal_mode=DELETE").fetchall()


def _check_backup(path: Path) -> None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check").fetchone()[0]
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise StorageError(f"{path} is no backup, or is damaged: {error}") from error
    if found != "ok":
        raise StorageError(f"the backup {path} is damaged: {found}")


def _has_rows(database: Database) -> bool:
    return database.read(
        lambda transaction: any(
            transaction.connection.execute(select(table).limit(1)).first() is not None
            for table in metadata.sorted_tables
        )
    )


def _copy_out(database: Database, path: Path) -> None:
    found = revision(database)
    if found != newest_revision():
        raise StorageError(f"the database {database} has the revision {found}; upgrade it before the backup")
    copy = Database(path)
    try:
        upgrade(copy)
        copy.write(
            lambda writing: database.read(lambda reading: _copy_rows(reading.connection, writing.connection))
        )
    finally:
        copy.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchall()


def _copy_in(path: Path, database: Database) -> None:
    copy = path.with_name(path.name + ".restoring")
    copy.unlink(missing_ok=True)
    _copy_file(path, copy)
    source = Database(copy)
    try:
        upgrade(source)  # an older backup is brought to this version first, and stays as it is
        upgrade(database)
        database.write(
            lambda writing: source.read(lambda reading: _copy_rows(reading.connection, writing.connection))
        )
    finally:
        source.close()
        for name in (copy.name, copy.name + "-wal", copy.name + "-shm"):
            copy.with_name(name).unlink(missing_ok=True)


def _copy_rows(reading: Connection, writing: Connection) -> None:
    for table in metadata.sorted_tables:
        writing.execute(table.delete())  # an attempt that failed halfway was rolled back; this is for safety
        rows = reading.execution_options(yield_per=_ROWS).execute(select(table))
        for part in rows.mappings().partitions():
            writing.execute(insert(table), [dict(row) for row in part])
    if writing.dialect.name == "postgresql":
        _count_on(writing)


def _count_on(writing: Connection) -> None:
    """Let PostgreSQL's counters go on after the rows that were copied."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None and column.name == "number":
            newest = writing.execute(select(func.max(column))).scalar_one()
            if newest is not None:
                sequence = "pg_get_serial_sequence(:table, :column)"
                writing.execute(
                    text(f"SELECT setval({sequence}, :newest)"),
                    {"table": table.name, "column": column.name, "newest": newest},
                )
