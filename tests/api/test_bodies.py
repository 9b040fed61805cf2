"""What a body says is read strictly, the same on every route, and by nobody who may not ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.types import Message
from tests.api.worlds import World

from strategy_optimizer.api.app import ROUTERS
from strategy_optimizer.api.description import describe, operations
from strategy_optimizer.api.routing import Route

START = "/api/v1/optimize/start"
TASK = '{"strategy_name": "momentum", "optimization_config": {"budget": 20, %s"seed": 1}}'
LARGE = '"status": [' + ", ".join(["{}"] * 30_000) + "], "
"""More than is read on the event loop."""


def post(client: TestClient, path: str, headers: dict[str, str], content: str | bytes) -> Any:
    return client.post(path, content=content, headers=headers | {"Content-Type": "application/json"})


@pytest.mark.parametrize("more", ["", LARGE])
def test_a_key_that_stands_twice_is_named(world: World, client: TestClient, more: str) -> None:
    before = world.store.tasks.count()
    content = "{" + more + (TASK % '"budget": 500, ')[1:]
    answer = post(client, START, world.headers("ada"), content)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "/problems/invalid-request")
    assert problem["detail"] == "the key 'budget' stands twice in one object; keep one of them"
    assert problem["details"] == {"key": "budget"}
    assert world.store.tasks.count() == before


def bodies(world: World) -> Iterator[tuple[str, str]]:
    """Yield every operation that takes JSON."""
    for method, path, operation in operations(describe(world.app)):
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            yield method, path


def test_no_route_takes_the_last_of_two(world: World, client: TestClient) -> None:
    asked = list(bodies(world))
    assert len(asked) > 15
    headers = world.headers("root") | {"Content-Type": "application/json"}
    for method, path in asked:
        answer = client.request(method, world.path(path), content='{"x": 1, "x": 1}', headers=headers)
        assert answer.json()["details"] == {"key": "x"}, (method, path)


def test_all_routes_are_of_the_kind_that_is_strict() -> None:
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    assert len(routes) > 50
    assert [route.path for route in routes if not isinstance(route, Route)] == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[" * 100_000, "nested too deeply (character 0)"),
        (b'{"task_id": ' + b"9" * 5000 + b"}", "a number has too many digits (character 0)"),
        (b'{"task_id": "\xff"}', "it is not UTF-8 text (character 13)"),
        (b'{"task_id": "\\ud83d"}', "half of a surrogate pair is no letter (character 13)"),
        (b'{"deadline": NaN}', "NaN is no number of JSON (character 13)"),
        (b'{"deadline": -Infinity}', "-Infinity is no number of JSON (character 13)"),
        (b'{"optimization_config": {"target": -1e999}}', "-1e999 is no number of JSON (character 35)"),
        (b'{"\\uDC00": 1}', "half of a surrogate pair is no letter (character 2)"),
    ],
)
def test_what_is_no_json_is_said(world: World, client: TestClient, content: bytes, said: str) -> None:
    answer = post(client, START, world.headers("ada"), content)
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"body: it is no JSON: {said}"


def test_a_copy_is_not_made_without_the_number_that_was_too_large(world: World, client: TestClient) -> None:
    path = world.path("/api/v1/optimize/{task_id}/clone")
    answer = post(client, path, world.headers("ada"), '{"optimization_config": {"budget": 1e999}}')
    assert answer.status_code == 422


def test_what_would_be_ignored_is_refused(world: World, client: TestClient) -> None:
    headers = world.headers("ada")
    for method, path in (("POST", "rerun"), ("POST", "pause"), ("DELETE", "")):
        address = world.path("/api/v1/optimize/{task_id}/" + path).rstrip("/")
        answer = client.request(method, address, content='{"priority": 9}', headers=headers)
        assert answer.status_code == 422, address
        assert answer.json()["detail"].startswith("body: nothing is expected here")
    before = world.store.tasks.count()
    rerun = world.path("/api/v1/optimize/{task_id}/rerun")
    for content in ("", "{}", " null "):
        assert client.post(rerun, content=content, headers=headers).status_code == 201
    assert world.store.tasks.count() == before + 3


def test_of_very_many_mistakes_a_hundred_are_told(world: World, client: TestClient) -> None:
    fields = ", ".join(f'"f{number}": 1' for number in range(20_000))
    problem = post(client, START, world.headers("ada"), f"{{{fields}}}").json()
    assert len(problem["details"]["errors"]) == 100
    assert problem["detail"].endswith("; and 19,996 more")


def test_the_mark_that_windows_puts_first_and_whole_pairs_are_no_mistake(
    world: World, client: TestClient
) -> None:
    content = b"\xef\xbb\xbf" + json.dumps({"name": "\N{GRINNING FACE}"}).encode()
    answer = post(client, "/api/v1/keys", world.headers("ada"), content)
    assert (answer.status_code, answer.json()["name"]) == (201, "\N{GRINNING FACE}")


@pytest.mark.parametrize(("who", "status"), [(None, 401), ("viv", 403)])
def test_nothing_is_read_of_who_may_not_ask(world: World, who: str | None, status: int) -> None:
    """FastAPI would read all of the body first, and say what is wrong with it."""
    read = []

    class Watched:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def noted() -> Message:
                message: Message = await receive()
                read.append(message)
                return message

            await self.app(scope, noted if scope["type"] == "http" else receive, send)

    with TestClient(Watched(world.app), raise_server_exceptions=False) as client:
        answer = post(client, START, world.headers(who), b"{nope")
    assert (answer.status_code, read) == (status, [])


def test_columns_of_an_upload_are_read_so_too(world: World, client: TestClient) -> None:
    answer = client.post(
        "/api/v1/datasets",
        params={"name": "twice", "columns": '{"close": "a", "close": "b"}'},
        content=b"date,close\n2026-01-01,1\n",
        headers=world.headers("ada"),
    )
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "columns: the key 'close' stands twice in one object; keep one of them"
    )


BEYOND = ("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59")
"""Moments that are none in UTC."""


@pytest.mark.parametrize("moment", BEYOND)
def test_a_moment_that_utc_has_not_is_refused(world: World, client: TestClient, moment: str) -> None:
    headers = world.headers("ada")
    task = {"strategy_name": "momentum", "deadline": moment}
    for path, body in ((START, task), ("/api/v1/keys", {"name": "late", "expires_at": moment})):
        answer = client.post(path, json=body, headers=headers)
        assert answer.status_code == 422, answer.text
        assert "beyond the years 1 to 9999" in answer.json()["detail"]
    assert client.get("/api/v1/keys", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"constraints": ["nonsense >"]}, "constraint 'nonsense >'"),
        ({"constraints": ["lookback_period > 1"] * 101}, "at most 100 are taken"),
        ({"parameter_space": {"nope": {"type": "discrete", "bounds": [1, 2]}}}, "unknown parameter 'nope'"),
        ({"objective_function": {"metric": "nope"}}, "there is no metric 'nope'"),
        ({"optimization_config": {"trial_time": 3}}, "trial_time: this is for engines"),
    ],
)
def test_a_schedule_is_not_made_whose_tasks_could_not_be(
    world: World, client: TestClient, task: dict[str, Any], said: str
) -> None:
    schedule = {"strategy_name": "momentum", "data": "nasdaq", "cron": "0 0 * * *", "task": task}
    answer = client.post("/api/v1/schedules", json=schedule, headers=world.headers("ada"))
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
