"""The trial ledger over HTTP: one's own, page by page, and forgotten only by who may, with a line in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.api.worlds import SUMMARY, World, make_world

from strategy_optimizer.storage import NewTask, OldLedgerEntry, Store

LEDGER = "/api/v1/ledger"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        yield make_world(store, tmp_path)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app, raise_server_exceptions=False) as client:
        yield client


def enter(store: Store, owner: str, n: int) -> list[str]:
    made = []
    for _ in range(n):
        task_id = store.tasks.create(NewTask(owner, "momentum", {"task": {}}, priority=9)).task.id
        lease = store.queue.lease("worker-1", 12)
        assert lease is not None
        assert lease.task.id == task_id
        store.ledger.put(lease, summary=SUMMARY, entry=b"entry")
        store.queue.finish(lease, "completed", stop_reason="budget")
        made.append(task_id)
    return made


def test_a_ledger_is_shown_page_by_page(world: World, client: TestClient) -> None:
    made = enter(world.store, "ben", 5)
    found, cursor = [], None
    while True:
        query = {"limit": 2, **({} if cursor is None else {"cursor": cursor})}
        page = client.get(LEDGER, headers=world.headers("ben"), params=query).json()
        assert (page["owner"], page["total"]) == ("ben", 5)
        found += [entry["task_id"] for entry in page["entries"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == made[::-1]
    entry = client.get(LEDGER, headers=world.headers("ben")).json()["entries"][0]
    assert (entry["trials"], entry["distinct"]) == (60, 58)
    assert "recorded" not in entry
    assert client.get(LEDGER, headers=world.headers("ben"), params={"cursor": "x"}).status_code == 422


def test_what_was_a_file_before_names_no_task(world: World, client: TestClient) -> None:
    old = OldLedgerEntry("file:00", world.store.accounts.now(), SUMMARY, b"entry")
    world.store.ledger.take_in("ben", [old])
    (entry,) = client.get(LEDGER, headers=world.headers("ben")).json()["entries"]
    assert (entry["task_id"], entry["trials"]) == (None, 60)


def test_only_administrators_name_an_owner(world: World, client: TestClient) -> None:
    enter(world.store, "ben", 1)
    for method in ("GET", "DELETE"):
        for who in ("ada", "ben"):
            other = {"owner": "ben" if who == "ada" else "ada"}
            answer = client.request(method, LEDGER, headers=world.headers(who), params=other)
            assert answer.status_code == 404, (method, who)
        unknown = client.request(method, LEDGER, headers=world.headers("root"), params={"owner": "no"})
        assert unknown.status_code == 404
    assert client.get(LEDGER, headers=world.headers("ben"), params={"owner": "ben"}).json()["total"] == 1
    assert client.get(LEDGER, headers=world.headers("root"), params={"owner": "ben"}).json()["total"] == 1
    assert client.get(LEDGER, headers=world.headers("root")).json()["total"] == 0


def test_forgetting_is_asked_for_and_noted(world: World, client: TestClient) -> None:
    enter(world.store, "ben", 3)
    assert client.delete(LEDGER, headers=world.headers("viv")).status_code == 403
    mine = client.delete(LEDGER, headers=world.headers("ada"))
    assert mine.json() == {"owner": "ada", "removed": 0}
    assert client.delete(LEDGER, headers=world.headers("root"), params={"owner": "ben"}).json() == {
        "owner": "ben",
        "removed": 3,
    }
    assert client.get(LEDGER, headers=world.headers("ben")).json()["entries"] == []
    lines = [line for line in world.store.accounts.log() if line.action == "ledger.reset"]
    assert [(line.actor, line.details["owner"], line.details["removed"]) for line in lines] == [
        ("root", "ben", 3),
        ("ada", "ada", 0),
    ]
