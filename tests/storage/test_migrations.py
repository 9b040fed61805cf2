"""Forward and backward on databases that hold something, several at once, and the tables are those of the code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, inspect, text

from storage_worlds import assert_same_history, contents, make_history, make_space, populate, put_content
from strategy_optimizer.errors import StorageError
from strategy_optimizer.storage import (
    Lease,
    NewSchedule,
    NewStrategyVersion,
    NewTask,
    Quota,
    Store,
    migration,
)
from strategy_optimizer.storage.tables import REVISION, events
from strategy_optimizer.tasks import TrialHistory

REVISIONS = ["0001", "0002", "0003", "0004", "0005", "0006", "0007"]


@pytest.fixture
def empty_url(engine_name: str, new_url: Callable[..., str]) -> str:
    return new_url(engine_name, upgraded=False)


def test_the_tables_are_those_of_the_code(url: str) -> None:
    with Store(url) as store:
        assert migration.differences(store.database) == []
        assert migration.revision(store.database) == migration.newest_revision() == REVISIONS[-1] == REVISION


def test_a_missing_column_would_be_seen(url: str) -> None:
    with Store(url) as store:
        with store.database.engine.begin() as connection:
            connection.execute(text("ALTER TABLE tasks DROP COLUMN parent"))
            connection.execute(text("CREATE TABLE more (id INTEGER)"))
        found = {difference[0] for difference in migration.differences(store.database)}
        assert found == {"add_column", "remove_table"}


def test_step_by_step_forward_and_backward_with_rows(empty_url: str) -> None:
    with Store(empty_url) as store:
        store.upgrade()
        populate(store)  # today's code fills tables that were there from the first step on
        filled = contents(store)
        migration.downgrade(store.database, "0001")
        first = contents(store)
        assert _as_before_memory(filled, first) == first
        assert "schedules" not in first
        store.upgrade()
        second = contents(store)
        assert _as_before_memory(second, first) == first
        put_content(store, "d")
        store.datasets.add("ada", "prices", digest="d", size=1, details={})
        store.strategies.save_version("x", "file", "x.py", NewStrategyVersion("d", "", {}))
        store.parameter_spaces.put("ada", "x", {})
        schedule = store.schedules.add(
            NewSchedule("ada", "momentum", "prices", "@daily", {}, datetime.now(UTC))
        )
        store.schedules.change(schedule.id, note="skipped")
        store.webhooks.add("ada", url="https://example.com", secret="s", events=["task.ended"])
        store.tasks.cancel(store.tasks.create(NewTask("ada", "momentum", {}, id="opt_hook")).task.id)
        assert len(contents(store)["deliveries"]) == 1
        store.tasks.create(NewTask("ada", "momentum", {}, id="opt_small", memory=2**30))
        store.ledger.put(leased_again(store), summary={"trials": 3}, entry=b"entry", months=b"months")
        assert list(store.ledger.bars("ada").values()) == [b"months"]
        migration.downgrade(store.database, "0006")
        assert "ledger_bars" not in contents(store)
        store.upgrade()
        assert store.ledger.bars("ada") == {}
        assert store.ledger.undescribed("ada") == store.ledger.entries("ada") != []
        migration.downgrade(store.database, "0005")
        assert "ledger" not in contents(store)
        store.upgrade()
        assert store.ledger.entries("ada") == []
        assert store.tasks.get("opt_small").memory is None
        store.tasks.cancel("opt_small")
        store.tasks.delete("opt_small")
        migration.downgrade(store.database, "0004")
        assert "deliveries" not in contents(store)
        store.upgrade()
        assert store.schedules.get(schedule.id).note is None
        store.tasks.delete("opt_hook")
        store.accounts.set_quota("ada", Quota(running_tasks=1, queued_tasks=7))
        key = store.accounts.add_key("ada", name="laptop", prefix="so_1", digest=bytes(32))
        store.accounts.add_ticket("ada", digest=bytes(32), lasts=timedelta(seconds=30), key_id=key.id)
        migration.downgrade(store.database, "0002")
        assert "tickets" not in contents(store)
        store.upgrade()
        assert store.accounts.quota("ada") == Quota(running_tasks=1)
        assert store.accounts.take_ticket(bytes(32)) is None
        _remove(store, "api_keys", "quotas")
        migration.downgrade(store.database, "0001")
        assert contents(store) == first
        store.upgrade()
        assert contents(store) == second
        assert migration.differences(store.database) == []
        history = TrialHistory(make_space(), 4)
        store.trials.load("opt_1", history)
        assert_same_history(history, make_history(300))
        migration.downgrade(store.database, "base")
        assert inspect(store.database.engine).get_table_names() == ["alembic_version"]


def test_an_upgrade_of_what_is_new_does_nothing(url: str) -> None:
    with Store(url) as store:
        populate(store)
        before = contents(store)
        store.upgrade()
        assert contents(store) == before


def test_a_newer_database_is_left_alone(url: str) -> None:
    with Store(url) as store:
        with store.database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StorageError, match="has the revision 9999, which this version does not know"):
            store.upgrade()


def test_a_step_that_fails_leaves_nothing(empty_url: str) -> None:
    with Store(empty_url) as store:
        with store.database.engine.begin() as connection:
            connection.execute(text("CREATE TABLE schedules (id INTEGER)"))  # in the way of the second step
        with pytest.raises(StorageError, match="schedules"):
            store.upgrade()
        assert inspect(store.database.engine).get_table_names() == ["schedules"]


def test_several_processes_may_start_at_once(empty_url: str) -> None:
    script = (
        "import sys; from strategy_optimizer.storage import Store; Store(sys.argv[1]).upgrade(); print('up')"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, empty_url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    assert [process.communicate()[0] for process in started] == ["up\n"] * 4
    with Store(empty_url) as store:
        assert migration.differences(store.database) == []


def test_every_revision_is_tested() -> None:
    folder = Path(migration.__file__).parent / "migrations" / "versions"
    assert sorted(path.stem[1:5] for path in folder.glob("r*.py")) == REVISIONS


def test_rows_of_unknown_states_are_refused(url: str) -> None:
    with Store(url) as store:
        populate(store)
        with pytest.raises(StorageError, match="ck_tasks_state"):
            store.database.write(
                lambda transaction: transaction.connection.execute(
                    text("UPDATE tasks SET state = 'lost'")
                ).close()
            )


def test_foreign_keys_are_on(url: str) -> None:
    row = {"task_id": "no", "seq": 1, "first": 1, "kind": "x", "at": datetime.now(UTC), "data": {}}
    with Store(url) as store, pytest.raises(StorageError, match=r"(?i)foreign key"):
        store.database.write(
            lambda transaction: transaction.connection.execute(insert(events).values(row)).close()
        )


@pytest.mark.parametrize("table", ["trial_chunks", "dataset_chunks"])
def test_postgresql_does_not_compress_again(table: str, new_url: Callable[..., str]) -> None:
    statement = text(
        f"SELECT attstorage FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = 'payload'"
    )
    with Store(new_url("postgresql")) as store, store.database.engine.connect() as connection:
        assert connection.execute(statement).scalar_one() == "e"


def _as_before_memory(now: dict[str, list[Any]], first: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the rows of the first tables without the column of tasks that came later, the last one."""
    found = {name: rows for name, rows in now.items() if name in first}
    return {**found, "tasks": [row[:-1] for row in found["tasks"]]}


def leased_again(store: Store) -> Lease:
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    store.queue.release(lease)
    return lease


def _remove(store: Store, *names: str) -> None:
    with store.database.engine.begin() as connection:
        for name in names:
            connection.execute(text(f"DELETE FROM {name}"))
