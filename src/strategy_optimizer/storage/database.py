"""Connections and transactions: the only place that opens them, and that tries again after a passing fault."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, SQLAlchemyError, StatementError

from strategy_optimizer.errors import StorageError, StorageUnavailableError
from strategy_optimizer.storage.address import without_passwords
from strategy_optimizer.storage.faults import passes, wait_before
from strategy_optimizer.storage.outage import AGAIN, Outage

T = TypeVar("T")
PATIENCE = 20.0
"""Seconds for which a call tries again before it gives up."""
LOCK_WAIT = 10.0
_POSTGRES_OPTIONS = (
    "-c lock_timeout=10000 -c idle_in_transaction_session_timeout=30000 -c statement_timeout=120000"
)
_WAITS = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_SHORT_WAITS = {"connect_timeout": 2, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 2}


@dataclass(frozen=True)
class Transaction:
    """One attempt at a piece of work.

    Attributes
    ----------
    connection : Connection
    request : str
        The same in all attempts at the same work, and in no other work.
    is_repeated : bool
        Whether an attempt failed before: it may have been committed, with the answer lost.
    """

    connection: Connection
    request: str
    is_repeated: bool
    clock: Callable[[], datetime] | None = None

    def now(self) -> datetime:
        """Return the time of the database: workers on other machines may have other clocks."""
        if self.clock is not None:
            return self.clock()
        if self.connection.dialect.name == "sqlite":
            return datetime.now(UTC)
        now: datetime = self.connection.execute(select(func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)

    def insert(self, table: Any) -> Any:
        """Return an INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.connection.dialect.name == "sqlite" else postgresql.insert(table)


class Database:
    """A database by its address.

    Parameters
    ----------
    url : str or Path
        A path is an SQLite file. ``sqlite:///FILE``, or ``postgresql://USER@HOST/NAME`` (psycopg 3).
    patience : float
        Seconds for which a call tries again after faults that pass by themselves.
    silence : float, optional
        Seconds for which a server may say nothing to one that waits for it; then it counts as away. While it is away
        calls fail at once, but for one each half second that tries. By default a server has all the time that it takes,
        and each call its patience.
    clock : callable, optional
        Gives the time in place of the database's, for tests.
    lock_wait : float
        Seconds for which one attempt waits until an SQLite file is not locked.

    Raises
    ------
    StorageError
        When the address cannot be read, or the driver is not installed.
    """

    def __init__(
        self,
        url: str | Path | URL,
        *,
        patience: float = PATIENCE,
        silence: float | None = None,
        clock: Callable[[], datetime] | None = None,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        self.url = _read_url(url)
        self.patience = patience
        self._clock = clock
        self.engine = _make_engine(self.url, silence, lock_wait)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # A file is never away: others hold it, and who waits for their turn gets it.
        self._outage = None if silence is None or self.is_sqlite else Outage()
        self._writer = self.engine.execution_options(begin="IMMEDIATE")
        self._reader = self.engine
        if not self.is_sqlite:
            self._reader = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    @property
    def file(self) -> Path:
        """The SQLite file."""
        assert self.is_sqlite
        return Path(self.url.database or "")

    def close(self) -> None:
        """Close all connections that are not in use."""
        if "_watch" in vars(self):
            self._watch.close()
            del self._watch
        self.engine.dispose()

    @cached_property
    def _watch(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=0.0, isolation_level=None)

    def version(self) -> int:
        """Return a number that changes whenever any other process or connection commits to the SQLite file.

        It takes some microseconds. To be called from one thread.

        Raises
        ------
        StorageUnavailableError
            When the file is locked.
        """
        try:
            found: tuple[int] = self._watch.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError as error:
            raise StorageUnavailableError(f"the database {self} could not be used: {error}") from error
        return found[0]

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction and commit it; again from its start after a passing fault.

        Raises
        ------
        StorageUnavailableError
            When the fault did not pass within `patience`.
        StorageError
            When the database refuses.
        """
        return self._run(self._writer, work)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work`, which only reads, in one transaction: all that it reads is of one moment."""
        return self._run(self._reader, work)

    def _run(self, engine: Engine, work: Callable[[Transaction], T]) -> T:
        patience = self._patience()
        request, begun, attempt = uuid4().hex, time.monotonic(), 0
        while True:
            try:
                with engine.begin() as connection:
                    done = work(Transaction(connection, request, attempt > 0, self._clock))
            except SQLAlchemyError as error:
                attempt += 1
                wait = wait_before(attempt)
                self._give_up(error, time.monotonic() + wait - begun, attempt, patience)
                time.sleep(wait)
            else:
                self._note_answer()
                return done

    def _patience(self) -> float:
        """Return the patience of a call that begins now: none while the server is away, and most calls may not try."""
        if self._outage is None or not self._outage.is_on:
            return self.patience
        if not self._outage.lets_try():
            raise StorageUnavailableError(
                f"the database {self} does not answer; whether it is back is tried each {AGAIN:g} s"
            )
        return 0.0

    def _note_answer(self) -> None:
        if self._outage is not None:
            self._outage.end()

    def _give_up(self, error: SQLAlchemyError, elapsed: float, attempt: int, patience: float) -> None:
        """Raise, unless the work is to be tried again."""
        if not passes(error):
            self._note_answer()
            raise StorageError(f"the database {self} refuses: {_cause(error)}") from error
        if elapsed > patience:
            if self._outage is not None:
                self._outage.begin()
            raise StorageUnavailableError(
                f"the database {self} could not be used in {attempt} attempts over {elapsed:.1f} s: {_cause(error)}"
            ) from error

    def __str__(self) -> str:
        return without_passwords(self.url)


def _cause(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    return str(cause).strip().split("\n")[0]


def _read_url(url: str | Path | URL) -> URL:
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))
    try:
        read = make_url(url)
    except ArgumentError as error:
        raise StorageError(
            "the address of the database cannot be read; expected sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from error
    if read.get_backend_name() == "postgresql":
        return read.set(drivername="postgresql+psycopg")
    if read.get_backend_name() != "sqlite":
        raise StorageError(
            f"databases of the kind {read.drivername} are not supported; "
            "expected sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    if not read.database or read.database == ":memory:":
        raise StorageError("an SQLite database needs a file: several processes use it")
    return read


def _make_engine(url: URL, silence: float | None, lock_wait: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        wait = lock_wait if silence is None else min(lock_wait, silence)
        engine = create_engine(url, connect_args={"timeout": wait})
        event.listen(engine, "do_connect", lambda *_: make_private(Path(url.database or "")))
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    waits = _WAITS if silence is None else _SHORT_WAITS
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=5.0 if silence is None else 1.0,
            connect_args={**waits, "options": _POSTGRES_OPTIONS},
        )
    except ModuleNotFoundError as error:
        raise StorageError("PostgreSQL needs psycopg: pip install 'strategy-optimizer[postgres]'") from error
    if silence is not None:
        from strategy_optimizer.storage.silence import limit_silence  # needs psycopg

        limit_silence(engine, silence)
    return engine


def make_private(file: Path) -> None:
    """Make a file of a database, if there is none, that this user alone reads: it has digests and secrets."""
    with contextlib.suppress(OSError):  # it is there, or SQLite says what is wrong with its place
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see `_begin_sqlite`
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # what was acknowledged survives a power cut
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins as a reader and then writes fails where another has written in between.
    mode = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
