"""Reads of the store that take a fraction of a millisecond, made where that costs least."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

from strategy_optimizer.errors import StorageUnavailableError
from strategy_optimizer.storage import Store

T = TypeVar("T")


class ShortReads:
    """Reads a row or a page of rows.

    Parameters
    ----------
    store : Store

    Notes
    -----
    An SQLite file is read on the event loop: to hand a read to a thread costs more than the read, and threads that
    fetch row by row take Python's lock from the loop, and from each other, at each row. Readers of a file in WAL mode
    do not wait for its writer. Where the file is locked all the same the read is not waited for but made in a thread,
    as every read of a database server is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        database = store.database
        self._at_once = Store(database.file, patience=0.0, lock_wait=0.0) if database.is_sqlite else None

    async def __call__(self, read: Callable[[Store], T]) -> T:
        """Return what `read` gives."""
        if self._at_once is not None:
            try:
                return read(self._at_once)
            except StorageUnavailableError:
                pass  # a thread can wait for it
        return await run_in_threadpool(read, self._store)

    def close(self) -> None:
        """Close the connection to the file."""
        if self._at_once is not None:
            self._at_once.close()
