"""The SQLite file of cached trials: one connection and short transactions, for many processes at once.

The row's number is the beginning of the key, so one tree is both the table and its index, new rows fill the gaps
that evicted ones left, and the rest of the key tells the rare two apart that begin alike.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from strategy_optimizer.errors import TaskError

SCHEMA = 1
APPLICATION = 0x534F5443  # "SOTC", at a fixed place of the file: it is ours
BUSY_SECONDS = 2.0
OPEN_ATTEMPTS = 20
LEAST_BYTES = 2**18
FIRST_PAGES = 2**15  # bytes of the tables themselves
ROOM = 0.95  # of the limit is left after making room, so that not every trial has to
MOST_ROWS = 512  # that make room in one transaction: it stays short
PAGE = 4096
_TABLES = (
    "CREATE TABLE trials (id INTEGER PRIMARY KEY, key BLOB NOT NULL, size INTEGER NOT NULL, seconds REAL NOT NULL, "
    "used INTEGER NOT NULL, value BLOB NOT NULL)",
    "CREATE INDEX trials_by_use ON trials (used)",
    "CREATE TABLE total (size INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0)",
    "CREATE TRIGGER added AFTER INSERT ON trials BEGIN UPDATE total SET size = size + new.size; END",
    "CREATE TRIGGER removed AFTER DELETE ON trials BEGIN UPDATE total SET size = size - old.size; END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)


class OtherSchemaError(ValueError):
    """The file is ours, and of another version."""


class Stored(NamedTuple):
    """What the file holds: trials, and the seconds that they took to compute."""

    trials: int
    seconds: float


class CacheFile:
    """An open file.

    Parameters
    ----------
    path : Path
        Made when missing; its folder must be there.
    max_bytes : int
        Of all trials, with the room that lies between them; the write-ahead log has some megabytes more.

    Raises
    ------
    sqlite3.Error
        The file cannot be opened, or is damaged.
    OtherSchemaError
    TaskError
        The file is another program's database.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.inode = path.stat().st_ino if path.exists() else None
        self._last_use = 0
        self._connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(path)
        except BaseException:
            self.close()
            raise
        self.inode = path.stat().st_ino

    def close(self) -> None:
        """Close the connection."""
        with suppress(sqlite3.Error):
            self._connection.close()

    # -- trials

    def read(self, key: bytes) -> bytes | None:
        """Return the value of a key; None when there is none."""
        row = self._connection.execute(
            "SELECT key, value FROM trials WHERE id = ?", (row_number(key),)
        ).fetchone()
        return row[1] if row is not None and row[0] == key else None

    def write(self, key: bytes, value: bytes, seconds: float, used: Iterable[bytes] = ()) -> None:
        """Add a value, note which others were used since, and make room when there is too little."""
        with self._transaction():
            self._touch(used)
            size = room(len(value))
            self._make_room(size)
            # The values of one key are the same; of two keys that begin alike the first stays.
            row = (row_number(key), key, size, seconds, self._now(), value)
            self._connection.execute("INSERT OR IGNORE INTO trials VALUES (?, ?, ?, ?, ?, ?)", row)

    def touch(self, used: Iterable[bytes]) -> None:
        """Note that these keys were used, in this order."""
        with self._transaction():
            self._touch(used)

    def remove(self, key: bytes) -> None:
        """Remove a value."""
        with self._transaction():
            self._connection.execute("DELETE FROM trials WHERE id = ? AND key = ?", (row_number(key), key))

    def clear(self) -> None:
        """Remove everything, and give the room back to the disk."""
        with self._transaction():
            self._connection.execute("DELETE FROM trials")
        # A script, because `execute` takes one step of what frees a page with each.
        self._connection.executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")

    @property
    def size(self) -> int:
        """Bytes of the pages in use."""
        return PAGE * (self._pragma("page_count") - self._pragma("freelist_count"))

    def stored(self) -> Stored:
        """Count the trials; takes some milliseconds when they are many."""
        return Stored(*self._connection.execute("SELECT count(*), total(seconds) FROM trials").fetchone())

    # -- within a transaction

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # IMMEDIATE waits for its turn here; a reader that becomes a writer later could be refused at once.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):  # a full disk has rolled it back already
                self._connection.execute("ROLLBACK")
            raise

    def _touch(self, used: Iterable[bytes]) -> None:
        rows = [(self._now(), row_number(key)) for key in used]
        if rows:
            self._connection.executemany("UPDATE trials SET used = ? WHERE id = ?", rows)

    def _make_room(self, wanted: int) -> None:
        """Evict the rows that were used longest ago, until so many bytes may be added."""
        total: int = wanted + self._connection.execute("SELECT size FROM total").fetchone()[0]
        limit = self.max_bytes - FIRST_PAGES
        if total <= limit:
            return
        oldest = self._connection.execute("SELECT id, size FROM trials ORDER BY used LIMIT ?", (MOST_ROWS,))
        evicted = []
        for number, size in oldest.fetchall():
            if total <= ROOM * limit:
                break
            evicted.append((number,))
            total -= size
        self._connection.executemany("DELETE FROM trials WHERE id = ?", evicted)

    def _now(self) -> int:
        """Return a time that only grows, in nanoseconds."""
        self._last_use = max(self._last_use + 1, time.time_ns())
        return self._last_use

    def _pragma(self, name: str) -> int:
        value: int = self._connection.execute(f"PRAGMA {name}").fetchone()[0]
        return value

    # -- opening

    def _prepare(self, path: Path) -> None:
        for attempt in range(OPEN_ATTEMPTS):
            try:
                self._make_tables(path)
                return
            except sqlite3.OperationalError as error:
                # Two processes that make the file at once: one is refused the change to WAL without waiting.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == OPEN_ATTEMPTS - 1:
                    raise
                time.sleep(0.05)

    def _make_tables(self, path: Path) -> None:
        if not self._is_ready(path):
            self._connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table
        self._connection.execute("PRAGMA journal_mode = WAL").fetchone()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA journal_size_limit = {2**22}").fetchone()
        with self._transaction():
            if not self._is_ready(path):
                for statement in _TABLES:
                    self._connection.execute(statement)

    def _is_ready(self, path: Path) -> bool:
        """Return whether the tables are there; refuse a file that is not ours to write to."""
        with closing(self._connection.execute("SELECT count(*) FROM sqlite_master")) as rows:
            n_tables = int(rows.fetchone()[0])
        if not n_tables:
            return False
        if self._pragma("application_id") != APPLICATION:
            raise TaskError(
                f"{path} is another program's SQLite database; name another file for the trial cache"
            )
        if self._pragma("user_version") != SCHEMA:
            raise OtherSchemaError(f"it has schema {self._pragma('user_version')}, this program has {SCHEMA}")
        return True


def row_number(key: bytes) -> int:
    """Return the 63 bits that a key begins with."""
    return int.from_bytes(key[:8], "big") >> 1


def room(length: int) -> int:
    """Return the bytes that a value of this length takes in the file, with what lies idle beside it.

    A long row keeps its beginning in the tree and the rest in pages of its own, by SQLite's rule. The pages of a tree
    that grows in random places are about 70 % full. The index has some 40 bytes of its own.
    """
    payload = length + 60  # key, numbers and the row's header
    most, least, per_page = PAGE - 35, (PAGE - 12) * 32 // 255 - 23, PAGE - 4
    if payload <= most:
        inside = payload
    else:
        inside = least + (payload - least) % per_page
        inside = inside if inside <= most else least
    pages = -(-(payload - inside) // per_page)
    return PAGE * pages + (PAGE if inside > PAGE // 2 else 3 * (inside + 30) // 2) + 40
