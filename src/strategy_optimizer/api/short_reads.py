"""Reads of the store that take a fraction of a millisecond, made where that costs least."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from strategy_optimizer.errors import StorageUnavailableError
from strategy_optimizer.storage import Store

T = TypeVar("T")
KEPT = 100
"""What was read since the file changed, at most."""


class ShortReads:
    """Reads a row or a page of rows.

    Parameters
    ----------
    store : Store

    Notes
    -----
    An SQLite file is read on the event loop: to hand a read to a thread costs more than the read, and threads that
    fetch row by row take Python's lock from the loop, and from each other, at each row. Readers of a file in WAL mode
    do not wait for its writer. What was read is kept until anybody commits something, which SQLite tells in some
    microseconds: many ask for the same task between two of its commits. Where the file is locked all the same the read
    is not waited for but made in a thread, as every read of a database server is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        database = store.database
        self._at_once = Store(database.file, patience=0.0, lock_wait=0.0) if database.is_sqlite else None
        self._version = -1
        self._kept: dict[Hashable, Any] = {}

    async def __call__(self, key: Hashable, read: Callable[[Store], T]) -> T:
        """Return what `read` gives; what it gives depends on nothing but `key` and the store."""
        if self._at_once is not None:
            try:
                return self._read_at_once(self._at_once, key, read)
            except StorageUnavailableError:
                pass  # a thread can wait for it
        return await run_in_threadpool(read, self._store)

    def _read_at_once(self, store: Store, key: Hashable, read: Callable[[Store], T]) -> T:
        version = store.database.version()
        if version != self._version or len(self._kept) >= KEPT:
            self._version = version
            self._kept.clear()
        if key not in self._kept:
            # A commit between the look at the version and the read is noticed by the next look.
            self._kept[key] = read(store)
        found: T = self._kept[key]
        return found

    def close(self) -> None:
        """Close the connections to the file."""
        if self._at_once is not None:
            self._at_once.close()
