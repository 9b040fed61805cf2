"""Backup and restore, between all databases; retention; giving room back."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from storage_worlds import (
    DOCUMENT,
    Clock,
    add_task,
    assert_same_history,
    contents,
    leased,
    make_history,
    make_space,
    populate,
    save_all,
)
from strategy_optimizer.errors import StorageError, TaskNotFoundError
from strategy_optimizer.storage import NewEvent, NewSchedule, NewTask, Retention, Store, TrialChunk, migration
from strategy_optimizer.tasks import TrialHistory

ENGINES = ("sqlite", "postgresql")


@pytest.mark.parametrize("target", ENGINES)
def test_everything_comes_back(
    url: str, target: str, new_url: Callable[..., str], tmp_path: Path, clock: Clock
) -> None:
    with Store(url) as store:
        populate(store)
        store.schedules.add(NewSchedule("ada", "momentum", "nasdaq", "@daily", {}, clock.now))
        store.back_up(tmp_path / "backup.db")
        before = contents(store)
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]
    with Store(new_url(target, upgraded=False)) as restored:
        restored.restore(tmp_path / "backup.db")
        assert contents(restored) == before
        assert migration.differences(restored.database) == []
        lease = leased(restored)
        assert restored.queue.tell(lease, [NewEvent("progress")]) == 3  # the counters go on
        restored.accounts.note("ada", "login")
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]


def test_nobody_else_reads_a_database_or_a_backup(engine_name: str, url: str, tmp_path: Path) -> None:
    """They have digests of keys and passwords, and the secrets that sign webhooks."""
    with Store(url) as store:
        store.back_up(tmp_path / "backup.db")
    with Store(tmp_path / "restored.db") as restored:
        restored.restore(tmp_path / "backup.db")
    with Store(tmp_path / "new.db") as new:
        new.upgrade()
        new.ping()
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.glob("*.db*")}
    assert {"backup.db", "restored.db", "new.db"} <= modes.keys()
    assert set(modes.values()) == {"0o600"}


def test_an_older_backup_is_brought_to_this_version(
    engine_name: str, new_url: Callable[..., str], tmp_path: Path
) -> None:
    with Store(tmp_path / "old.db") as old:
        old.upgrade()
        populate(old)
        migration.downgrade(old.database, "0001")
        old.back_up(tmp_path / "backup.db")
    with Store(new_url(engine_name, upgraded=False)) as store:
        store.restore(tmp_path / "backup.db")
        assert migration.revision(store.database) == migration.newest_revision()
        assert store.tasks.get("opt_1").trials == 300


def test_a_backup_is_of_one_moment_while_others_write(url: str, tmp_path: Path) -> None:
    history, saved, over = make_history(3000), threading.Event(), threading.Event()
    with Store(url) as store:
        store.accounts.add_user("ada", "operator", user_id="ada")
        lease = leased(store)

        def write() -> None:
            for first in range(0, 3000, 20):
                chunk = TrialChunk.of(history, first, first + 20)
                store.trials.save(lease, chunk, {"told": first + 20}, events=[NewEvent("progress")])
                saved.set()
                if over.is_set():
                    return

        thread = threading.Thread(target=write)
        thread.start()
        saved.wait()
        store.back_up(tmp_path / "backup.db")
        over.set()
        thread.join()
    with Store(tmp_path / "backup.db") as copy:
        task = copy.tasks.get(lease.task.id)
        found = TrialHistory(make_space(), 4)
        record = copy.trials.load(task.id, found)
        assert record is not None
        assert task.trials == len(found) == record.trials == record.state["told"] >= 20
        assert task.events == len(copy.events.read(task.id)) == 2 + task.trials // 20


def test_what_cannot_be_backed_up_or_restored(url: str, tmp_path: Path) -> None:
    with Store(url) as store:
        populate(store)
        store.back_up(tmp_path / "backup.db")
        with pytest.raises(StorageError, match="exists already"):
            store.back_up(tmp_path / "backup.db")
        with pytest.raises(StorageError, match="cannot be written"):
            store.back_up(tmp_path / "no" / "backup.db")
        with pytest.raises(StorageError, match="is not empty"):
            store.restore(tmp_path / "backup.db")
        with pytest.raises(StorageError, match="there is no backup"):
            store.restore(tmp_path / "other.db")
        (tmp_path / "text.db").write_text("not a database, though long enough to be looked at" * 100)
        with pytest.raises(StorageError, match="is no backup, or is damaged"):
            store.restore(tmp_path / "text.db")
        assert store.tasks.get("opt_1").trials == 300


def test_a_backup_whose_rows_are_damaged_is_refused(tmp_path: Path) -> None:
    """It opens, and says which revision it has; only looking through it finds the rows."""
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        populate(store)
        store.back_up(tmp_path / "backup.db")
    with contextlib.closing(sqlite3.connect(tmp_path / "backup.db")) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE tasks SET state = 'nowhere'")
        connection.commit()
    with Store(tmp_path / "new.db") as new:
        with pytest.raises(StorageError, match=r"the backup .* is damaged: CHECK constraint failed in tasks"):
            new.restore(tmp_path / "backup.db")
        assert migration.revision(new.database) is None


def test_retention_removes_what_is_old(store: Store, clock: Clock) -> None:
    old, running = leased(store), leased(store)
    for lease in (old, running):
        save_all(store, lease, make_history(30), 10)
        for number in range(4):
            store.queue.tell(lease, [NewEvent("progress", {"n": number})])
    store.queue.finish(old, "completed", stop_reason="budget")
    store.accounts.note("ada", "login")
    store.accounts.add_session("ada", digest=b"s" * 32, expires=clock.now + timedelta(hours=1))
    assert store.tidy() == store.tidy()
    clock.move(days=8)
    removed = store.tidy()
    assert (removed.tasks, removed.events, removed.audit, removed.sessions) == (0, 3, 0, 1)
    assert len(store.events.read(running.task.id)) == 6
    clock.move(days=400)
    removed = store.tidy(Retention(tasks=90))
    assert (removed.tasks, removed.audit) == (1, 1)
    with pytest.raises(TaskNotFoundError):
        store.tasks.get(old.task.id)
    found = TrialHistory(make_space(), 4)
    store.trials.load(running.task.id, found)
    assert_same_history(found, make_history(30))


def test_keys_that_ended_long_ago_go(store: Store, clock: Clock) -> None:
    ends = {
        "ended": clock.now + timedelta(days=1),
        "lasting": clock.now + timedelta(days=999),
        "endless": None,
    }
    for number, (name, end) in enumerate(ends.items()):
        store.accounts.add_key("ada", name=name, prefix=name, digest=bytes([number] * 32), expires=end)
    store.accounts.revoke_key(store.accounts.add_key("ada", name="x", prefix="x", digest=b"9" * 32).id)
    clock.move(days=364)
    assert store.tidy().api_keys == 0
    clock.move(days=3)
    assert store.tidy().api_keys == 2
    assert {key.name for key in store.accounts.keys("ada")} >= {"lasting", "endless"}


@pytest.mark.parametrize("days", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("what", ["tasks", "progress", "audit", "idempotency"])
def test_what_is_no_time_to_keep_something_is_refused(what: str, days: float) -> None:
    """A negative one would remove the whole log."""
    with pytest.raises(StorageError, match=rf"{what} are to be kept for .* days; expected 0 to 100,000"):
        Retention(**{what: days})


def test_an_idempotency_key_is_forgotten(store: Store, clock: Clock) -> None:

    new = NewTask("ada", "momentum", DOCUMENT)
    store.tasks.create(new, idempotency_key="k")
    clock.move(days=8)
    assert store.tidy().idempotency_keys == 1
    assert store.tasks.create(new, idempotency_key="k").is_new


def test_vacuum_gives_room_back(store: Store, engine_name: str) -> None:
    lease = leased(store)
    save_all(store, lease, make_history(12_000), 4000)
    store.queue.finish(lease, "completed")
    store.vacuum()
    before = store.size
    store.tasks.delete(lease.task.id)
    store.vacuum()
    assert store.size < before - 2_000_000
    add_task(store)
