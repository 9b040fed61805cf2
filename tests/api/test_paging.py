"""Every list comes in pages of one form: the same parameters, the same way to go on, the same refusals."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.api.worlds import SUMMARY, World, make_world

from strategy_optimizer.api.app import bare_app
from strategy_optimizer.api.description import describe, operations
from strategy_optimizer.storage import NewSchedule, NewStrategyVersion, NewTask, Store

LISTS = {
    "list_tasks": ("/api/v1/optimize/tasks", "tasks"),
    "list_users": ("/api/v1/users", "users"),
    "list_my_keys": ("/api/v1/keys", "keys"),
    "list_keys": ("/api/v1/users/{user_id}/keys", "keys"),
    "list_schedules": ("/api/v1/schedules", "schedules"),
    "list_webhooks": ("/api/v1/webhooks", "webhooks"),
    "list_deliveries": ("/api/v1/webhooks/{webhook_id}/deliveries", "deliveries"),
    "list_datasets": ("/api/v1/datasets", "datasets"),
    "list_strategies": ("/api/v1/strategies", "strategies"),
    "list_versions": ("/api/v1/strategies/{name}/versions", "versions"),
    "get_ledger": ("/api/v1/ledger", "entries"),
}
"""Path and the field that holds the rows, by operation."""
PARAMETERS = ["cursor", "limit", "order", "sort"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with some of everything that is listed."""
    folder = tmp_path_factory.mktemp("paging")
    with Store(folder / "store.db") as store:
        store.upgrade()
        world = make_world(store, folder)
        hook = world.places["webhook_id"]
        for number in range(3):
            for user in ("ada", "root"):
                world.service.gate.keys.create(user, f"more {number}")
            store.accounts.add_user(f"more-{number}", "viewer")
            plan = {"task": {}, "timezone": "UTC", "warm_start": True}
            store.schedules.add(NewSchedule("ben", "rsi", "nasdaq", "@daily", plan, None))
            store.webhooks.add("ben", url="https://example.com", secret="s", events=["task.ended"])
            (first,) = store.datasets.all(owner="ada")
            store.datasets.add("ben", f"d{number}", digest=first.digest, size=9, details=dict(first.details))
            space = {"parameter_space": {}, "constraints": []}
            details = {"style": "compiled", "multi_symbol": False, "defaults": {}}
            version = NewStrategyVersion(str(number) * 64, "", space, details)
            store.strategies.save_version("momentum", "built_in", "", version)
            for owner in ("ada", "root"):
                store.tasks.create(NewTask(owner, "momentum", {"task": {}}, priority=number % 2))
        while (lease := store.queue.lease("worker-1", 60)) is not None:
            store.ledger.put(lease, summary=SUMMARY, entry=b"entry")
            store.queue.finish(lease, "completed", stop_reason="budget")
        assert len(store.webhooks.deliveries(hook)) == 3
        yield world


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def described() -> dict[str, dict[str, Any]]:
    return {each["operationId"]: each for _, _, each in operations(describe(bare_app()))}


def test_no_list_is_without_pages(described: dict[str, dict[str, Any]]) -> None:
    assert {name for name in described if name.startswith("list_")} <= set(LISTS)
    for name in LISTS:
        found = {each["name"]: each["schema"] for each in described[name]["parameters"]}
        assert set(PARAMETERS) <= set(found), name
        assert (found["limit"]["default"], found["limit"]["maximum"]) == (50, 200)


@pytest.mark.parametrize("name", LISTS)
def test_pages_are_the_whole_list(
    world: World, client: TestClient, described: dict[str, dict[str, Any]], name: str
) -> None:
    path, rows = LISTS[name]
    (sorts,) = [each["schema"] for each in described[name]["parameters"] if each["name"] == "sort"]

    def ask(**query: Any) -> dict[str, Any]:
        answer = client.get(world.path(path), params=query, headers=world.headers("root"))
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    for sort in sorts.get("enum") or [sorts["const"]]:
        whole = ask(sort=sort, limit=200)
        assert (whole["total"], whole["next_cursor"]) == (len(whole[rows]), None)
        assert name == "list_strategies" or whole["total"] > 2
        assert (
            ask(sort=sort, limit=200, order="ascending")[rows][::-1]
            == (ask(sort=sort, limit=200, order="descending")[rows])
        )
        found: list[Any] = []
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            place = {"cursor": page["next_cursor"]} if found else {}
            page = ask(sort=sort, limit=1, **place)
            found += page[rows]
        assert found == whole[rows]


def cursor(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("users", "nonsense"),
        ("users", cursor("created", 1, "u")),  # of another list
        ("users", cursor("name", 1, "u")),
        ("users", cursor("name", "a\0b", "u")),
        ("users", cursor("name", "a", "\ud800")),
        ("users?sort=created", cursor("created", "now", "u")),
        ("users?sort=created", cursor("created", 10**30, "u")),
        ("datasets?sort=size", cursor("size", 2**63, "d")),
        ("optimize/tasks?sort=priority", cursor("priority", 2**31, "t")),
        ("schedules", cursor("created", True, "s")),
    ],
)
def test_a_cursor_of_nothing_is_refused(world: World, client: TestClient, path: str, text: str) -> None:
    sign = "&" if "?" in path else "?"
    answer = client.get(f"/api/v1/{path}{sign}cursor={text}", headers=world.headers("root"))
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert "is none that a page of this list gave" in answer.json()["detail"]
