"""Short reads are made on the event loop where the database is a file that is free, else in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable

import pytest

from strategy_optimizer.api.short_reads import ShortReads
from strategy_optimizer.errors import TaskNotFoundError
from strategy_optimizer.storage import Store


def thread_and_count(store: Store) -> tuple[int, int]:
    return threading.get_ident(), store.tasks.count()


def read_once(reads: ShortReads) -> tuple[int, int]:
    try:
        return asyncio.run(reads(thread_and_count))
    finally:
        reads.close()


def test_a_file_is_read_on_the_event_loop(new_url: Callable[..., str]) -> None:
    with Store(new_url("sqlite")) as store:
        thread, count = read_once(ShortReads(store))
        assert (thread == threading.get_ident(), count) == (True, 0)


def test_a_server_is_asked_from_a_thread(new_url: Callable[..., str]) -> None:
    with Store(new_url("postgresql")) as store:
        thread, count = read_once(ShortReads(store))
        assert (thread == threading.get_ident(), count) == (False, 0)


def test_a_locked_file_holds_no_event_loop(new_url: Callable[..., str]) -> None:
    with Store(new_url("sqlite")) as store:
        reads = ShortReads(store)
        other = sqlite3.connect(store.database.file, isolation_level=None, check_same_thread=False)
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE tasks SET priority = 0")
        other.execute("COMMIT")  # and it still has the file for itself

        async def read_while_another_answers() -> tuple[int, int]:
            waiting = asyncio.create_task(reads(thread_and_count))
            for _ in range(5):
                await asyncio.sleep(0.01)
            assert not waiting.done()
            other.close()
            return await waiting

        thread, count = asyncio.run(read_while_another_answers())
        reads.close()
        assert (thread == threading.get_ident(), count) == (False, 0)


def test_what_a_read_raises_reaches_the_caller(new_url: Callable[..., str]) -> None:
    with Store(new_url("sqlite")) as store:
        reads = ShortReads(store)
        with pytest.raises(TaskNotFoundError):
            asyncio.run(reads(lambda store: store.tasks.get("opt_none")))
        reads.close()
