"""Faults that pass are tried again, exactly once; those that stay are told with their cause."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import OperationalError

from storage_worlds import (
    DOCUMENT,
    Clock,
    add_task,
    assert_same_history,
    leased,
    make_history,
    make_space,
    save_all,
)
from strategy_optimizer.errors import StorageError, StorageUnavailableError
from strategy_optimizer.storage import NewEvent, NewTask, Store, TrialChunk, outage
from strategy_optimizer.storage.faults import passes
from strategy_optimizer.storage.tables import users
from strategy_optimizer.tasks import TrialHistory


@contextmanager
def lost_answers(store: Store, times: int = 1) -> Iterator[list[int]]:
    """Commit, then lose the connection before the answer arrives, so many times."""
    engine, left, lost = store.database.engine, [times], [0]
    commit = engine.dialect.do_commit

    def commit_and_lose(connection: Any) -> None:
        commit(connection)
        if left[0]:
            left[0] -= 1
            lost[0] += 1
            raise _busy() if engine.dialect.name == "sqlite" else psycopg.OperationalError("connection lost")

    engine.dialect.do_commit = commit_and_lose  # type: ignore[method-assign]
    try:
        yield lost
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign]


def _busy() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


def test_a_task_whose_answer_was_lost_is_there_once(store: Store) -> None:
    for new, key in ((NewTask("ada", "a", DOCUMENT), None), (NewTask("ada", "b", DOCUMENT, id="b"), "k")):
        with lost_answers(store) as lost:
            creation = store.tasks.create(new, idempotency_key=key)
        assert lost == [1]
        assert creation.task == store.tasks.get(creation.task.id)
    assert store.tasks.count() == 2


def test_a_lease_whose_answer_was_lost_is_the_same_lease(store: Store) -> None:
    first, second = add_task(store), add_task(store)
    with lost_answers(store, times=2):
        lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    assert (lease.token, lease.task.attempts) == (1, 1)
    states = {store.tasks.get(task_id).state for task_id in (first, second)}
    assert states == {"running", "queued"}


def test_trials_and_events_whose_answer_was_lost_are_stored_once(store: Store) -> None:
    lease, history = leased(store), make_history(30)
    for first in (0, 10, 20):
        with lost_answers(store, times=3):
            chunk = TrialChunk.of(history, first, first + 10)
            assert (
                store.trials.save(lease, chunk, {"told": first}, events=[NewEvent("progress")]) == first + 10
            )
    with lost_answers(store):
        assert store.queue.tell(lease, [NewEvent("improved")]) == 6
    found = TrialHistory(make_space(), 4)
    store.trials.load(lease.task.id, found)
    assert_same_history(found, history)
    kinds = [event.kind for event in store.events.read(lease.task.id)]
    assert kinds == ["state", "state", "progress", "progress", "progress", "improved"]
    assert store.accounts.usage("ada").trials_today == 30


def test_an_end_whose_answer_was_lost_is_the_end(store: Store) -> None:
    lease = leased(store)
    with lost_answers(store):
        assert store.queue.finish(lease, "completed", stop_reason="budget", result={}).state == "completed"
    other = leased(store)
    with lost_answers(store):
        assert store.queue.release(other).state == "queued"
    assert [event.kind for event in store.events.read(lease.task.id)] == ["state"] * 3


def test_what_people_do_is_done_once(store: Store, clock: Clock) -> None:
    with lost_answers(store):
        user = store.accounts.add_user("eve", "viewer")
    with lost_answers(store):
        store.accounts.add_key(user.id, name="k", prefix="so_1", digest=b"d" * 32)
    with lost_answers(store):
        store.accounts.note("eve", "login")
    with lost_answers(store):
        assert store.tasks.cancel(add_task(store)).state == "cancelled"
    assert len(store.accounts.log()) == len(store.accounts.keys(user.id)) == 1


def test_a_fault_that_stays_is_told_with_its_cause(store: Store) -> None:
    store.database.patience = 2.0
    before = time.monotonic()
    with (
        lost_answers(store, times=10**6) as attempts,
        pytest.raises(StorageUnavailableError, match="could not be used") as caught,
    ):
        store.accounts.note("ada", "login")
    assert time.monotonic() - before < 30
    assert 1 < attempts[0] < 20  # the waits between them grow
    assert caught.value.__cause__ is not None


def test_what_is_wrong_is_not_tried_again(store: Store) -> None:
    attempts = []

    def work(transaction: Any) -> None:
        attempts.append(1)
        transaction.connection.execute(text("SELECT 1 FROM nowhere"))

    with pytest.raises(StorageError, match="nowhere"):
        store.database.write(work)
    assert attempts == [1]


def test_while_a_server_is_away_calls_fail_at_once_and_one_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens at the port: the first call has its patience, the others have none."""
    monkeypatch.setattr(outage, "AGAIN", 3600.0)
    with Store("postgresql://eve@127.0.0.1:1/none", patience=0.3, silence=5.0) as store:
        texts = []
        for _ in range(3):
            with pytest.raises(StorageUnavailableError) as caught:
                store.tasks.count()
            texts.append(str(caught.value))
        assert "could not be used in" in texts[0]
        assert "could not be used in 1 attempts" not in texts[0]
        assert all("does not answer; whether it is back is tried each 0.5 s" in text for text in texts[1:])
        monkeypatch.setattr(outage, "AGAIN", 0.0)
        assert store.database._outage is not None
        store.database._outage.begin()
        with pytest.raises(StorageUnavailableError, match="could not be used in 1 attempts"):
            store.tasks.count()


def test_a_server_that_says_nothing_is_away(new_url: Callable[..., str]) -> None:
    with Store(new_url("postgresql"), patience=0.0, silence=0.5) as store:
        assert store.tasks.count() == 0
        slow = text("SELECT pg_sleep(60)")
        before = time.monotonic()
        with pytest.raises(StorageUnavailableError, match=r"the server said nothing for 0\.5 s"):
            store.database.read(lambda transaction: transaction.connection.execute(slow).close())
        assert time.monotonic() - before < 30
        time.sleep(0.6)
        assert store.tasks.count() == 0  # by a new connection


def test_a_long_answer_is_no_silence(new_url: Callable[..., str]) -> None:
    rows = text("SELECT repeat('x', 10000), pg_sleep(0.01) FROM generate_series(1, 200)")
    with Store(new_url("postgresql"), patience=0.0, silence=1.0) as store:
        found = store.database.read(lambda transaction: len(transaction.connection.execute(rows).all()))
        assert found == 200


def test_a_connection_that_takes_too_long_passes() -> None:
    assert passes(OperationalError("", {}, psycopg.errors.ConnectionTimeout("connection timeout expired")))


def test_a_password_is_in_no_message() -> None:
    with Store("postgresql://eve:canary@127.0.0.1:1/none", patience=0.0) as store:
        with pytest.raises(StorageUnavailableError) as caught:
            store.ping()
        assert "canary" not in str(caught.value)
        assert "canary" not in str(store.database)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("store.db", "cannot be read; expected"),
        ("mysql://host/name", "mysql are not supported"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_addresses_that_cannot_be_used(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        Store(url)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="unable to open"):
        Store(tmp_path / "no" / "store.db", patience=0.0).ping()


def test_writers_wait_for_each_other(url: str) -> None:
    """A writer that holds SQLite's one lock for a second makes others wait, not fail."""
    with Store(url) as store:
        store.accounts.add_user("ada", "operator", user_id="ada")
        holds, over = threading.Event(), threading.Event()

        def hold(transaction: Any) -> None:
            transaction.connection.execute(select(users).with_for_update()).all()
            holds.set()
            over.wait(60)

        thread = threading.Thread(target=lambda: store.database.write(hold))
        thread.start()
        holds.wait(60)
        release = threading.Timer(0.5, over.set)
        release.start()
        store.accounts.note("ada", "login")
        store.accounts.change_user("ada", role="admin")
        thread.join()
        assert store.accounts.user("ada").role == "admin"


def test_sqlite_tells_when_somebody_holds_it_for_too_long(new_url: Callable[..., str]) -> None:
    with Store(new_url("sqlite"), patience=0.3, lock_wait=0.05) as store:
        other = sqlite3.connect(store.database.file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store.tasks.count()  # readers do not care
        with pytest.raises(StorageUnavailableError, match="database is locked"):
            store.accounts.add_user("ada", "operator")
        other.execute("COMMIT")
        other.close()
        store.accounts.add_user("ada", "operator")


def test_connections_that_the_server_drops_are_made_again(new_url: Callable[..., str]) -> None:
    """PostgreSQL ends all connections, again and again, while a worker appends."""
    history = make_history(200)
    with Store(new_url("postgresql")) as store:
        store.accounts.add_user("ada", "operator", user_id="ada")
        lease = leased(store)
        worker = threading.Thread(target=lambda: save_all(store, lease, history, 10))
        worker.start()
        dropped = saved = 0
        with psycopg.connect(
            store.database.url.set(drivername="postgresql").render_as_string(hide_password=False),
            autocommit=True,
        ) as admin:

            def number(query: str) -> int:
                return admin.execute(query).fetchone()[0]  # type: ignore[index,arg-type,no-any-return]

            while worker.is_alive():
                dropped += number(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                # In the middle of the next chunk, however long a chunk takes here.
                while worker.is_alive() and number("SELECT count(*) FROM trial_chunks") == saved:
                    time.sleep(0.005)
                saved = number("SELECT count(*) FROM trial_chunks")
        worker.join()
        found = TrialHistory(make_space(), 4)
        store.trials.load(lease.task.id, found)
        assert_same_history(found, history)
    assert dropped >= 10


def test_what_finds_no_room_is_written_once_there_is_some(tmp_path: Path) -> None:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        engine, pages, refused = store.database.engine, [1], []

        @event.listens_for(engine, "begin")
        def limit(connection: Any) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages[0]}").fetchall()

        @event.listens_for(engine, "handle_error")
        def make_room(context: Any) -> None:
            refused.append(str(context.original_exception))
            if len(refused) == 3:
                pages[0] = 10**6

        document = {"text": secrets.token_hex(2**18)}
        made = store.tasks.create(NewTask("ada", "momentum", document, id="large"))
        assert refused == ["database or disk is full"] * 3
        assert store.tasks.get("large") == made.task
        pages[0] = 1
        store.database.patience = 0.1
        refused += ["not again"] * 3
        with pytest.raises(StorageUnavailableError, match="database or disk is full"):
            store.tasks.create(NewTask("ada", "momentum", document))
        assert store.tasks.count() == 1
