"""Short reads are made on the event loop where the database is a file that is free, else in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable

import pytest

from strategy_optimizer.api.short_reads import ShortReads
from strategy_optimizer.errors import TaskNotFoundError
from strategy_optimizer.storage import NewTask, Store


def thread_and_count(store: Store) -> tuple[int, int]:
    return threading.get_ident(), store.tasks.count()


def read_once(reads: ShortReads) -> tuple[int, int]:
    try:
        return asyncio.run(reads("count", thread_and_count))
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
            waiting = asyncio.create_task(reads("count", thread_and_count))
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
            asyncio.run(reads("none", lambda store: store.tasks.get("opt_none")))
        reads.close()


def test_what_was_read_is_kept_until_somebody_commits(new_url: Callable[..., str]) -> None:
    reads_made = []

    def count(store: Store) -> int:
        reads_made.append(1)
        return store.tasks.count()

    with Store(new_url("sqlite")) as store:
        reads = ShortReads(store)
        store.accounts.add_user("ada", "operator", user_id="ada")
        assert [asyncio.run(reads("count", count)) for _ in range(3)] == [0, 0, 0]
        assert len(reads_made) == 1
        store.tasks.create(NewTask("ada", "momentum", {}))
        assert asyncio.run(reads("count", count)) == 1
        with Store(store.database.file) as other:
            other.tasks.create(NewTask("ada", "momentum", {}))
        assert [asyncio.run(reads("count", count)) for _ in range(2)] == [2, 2]
        assert len(reads_made) == 3
        reads.close()


def test_an_error_is_not_kept(new_url: Callable[..., str]) -> None:
    with Store(new_url("sqlite")) as store:
        reads = ShortReads(store)
        store.accounts.add_user("ada", "operator", user_id="ada")
        for _ in range(2):
            with pytest.raises(TaskNotFoundError):
                asyncio.run(reads("one", lambda store: store.tasks.get("opt_1")))
        store.tasks.create(NewTask("ada", "momentum", {}, id="opt_1"))
        assert asyncio.run(reads("one", lambda store: store.tasks.get("opt_1"))).state == "queued"
        reads.close()
