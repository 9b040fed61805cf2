"""Every route and socket of the app x everybody who may ask: what the policy says, and nothing else, happens."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from pydantic import ValidationError
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect
from tests.api.worlds import USERS, World, make_csv, make_world

from strategy_optimizer.access.key_text import new_key_text
from strategy_optimizer.access.policy import POLICY
from strategy_optimizer.access.principal import ROLE_SCOPES
from strategy_optimizer.api.app import ROUTERS, check_policy, create_app, route_names
from strategy_optimizer.api.service import Service
from strategy_optimizer.errors import SettingsError
from strategy_optimizer.models.base import Model
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store
from strategy_optimizer.workers import outside

ROUTES = sorted(route_names(), key=lambda route: (route[1], route[0]))
OWNED = {"task_id", "key_id", "dataset_id", "schedule_id", "webhook_id"}
"""Path parameters that name what somebody owns; others must not find out that it is there."""
SHARED = {"user_id", "strategy", "name", "iteration", "data"}
"""Those that name what everybody may know of, or only administrators."""
OWNED_IN_BODY = {("POST", "/api/v1/optimize/compare")}
"""Routes whose body names what somebody owns."""
ASKING = ("nobody", "wrong key", "viv", "ben", "ada", "root")
"""Those who may least go first: what one of them does, the next may find."""


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "store.db"
    with Store(path) as store:
        store.upgrade()
    return path


@pytest.fixture
def world(empty_store: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copy(empty_store, tmp_path / "store.db")
    with Store(tmp_path / "store.db") as store:
        yield make_world(store, tmp_path)


@pytest.fixture(autouse=True)
def web(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the addresses of the examples a number: tests run without a network."""

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(outside.socket, "getaddrinfo", look_up)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app, raise_server_exceptions=False) as client:
        yield client


def expected(who: str, method: str, template: str) -> int | None:
    """Return the status that the policy asks for; None where the request is let in."""
    rule = POLICY[method, template]
    if rule.scope is None:
        return None
    if who in ("nobody", "wrong key"):
        return 401
    if rule.scope not in ROLE_SCOPES[USERS[who]]:
        return 403
    owned = parameters(template) & OWNED or (method, template) in OWNED_IN_BODY
    return 404 if who not in ("ada", "root") and owned else None


def parameters(template: str) -> set[str]:
    return {part.strip("{}") for part in template.split("/") if part.startswith("{")}


def headers_of(who: str, world: World) -> dict[str, str]:
    if who == "wrong key":
        return {"Authorization": f"Bearer {new_key_text()}"}
    return world.headers(None if who == "nobody" else who)


def body_of(document: dict[str, Any], method: str, template: str) -> dict[str, Any]:
    """Return what is sent with a request: the example of its description."""
    content = document["paths"].get(template, {}).get(method.lower(), {}).get("requestBody", {})
    content = content.get("content", {})
    if "application/json" in content:
        return {"json": example(document, content["application/json"])}
    if content:
        return {"files": {"file": ("rates.csv", make_csv())}, "data": {"name": "rates"}}
    return {}


def example(document: dict[str, Any], content: dict[str, Any]) -> Any:
    schema = content["schema"]
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    assert schema.get("examples"), f"{schema.get('title')} needs an example"
    return schema["examples"][0]


def kept(store: Store) -> dict[str, list[Any]]:
    """Return what a refused request must leave as it is: everything but when keys were used, and the audit log."""
    with contextlib.closing(sqlite3.connect(store.database.file)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        ).fetchall()
        found = {
            name: connection.execute(f"SELECT * FROM {name}").fetchall()
            for (name,) in names
            if name != "audit"
        }
        found["api_keys"] = connection.execute(
            "SELECT id, user_id, scopes, expires, revoked FROM api_keys"
        ).fetchall()
    return found


def ask_socket(client: TestClient, path: str, headers: dict[str, str]) -> int:
    """Return 200 when a socket sent something, else the status with which it was refused."""
    try:
        with client.websocket_connect(path, headers=headers) as socket:
            message = socket.receive()
    except WebSocketDenialResponse as refusal:
        return refusal.status_code
    except WebSocketDisconnect as end:
        message = {"type": "websocket.close", "code": end.code}
    return 200 if message["type"] == "websocket.send" else message["code"] - 4000


@pytest.mark.parametrize(("method", "template"), ROUTES, ids=[" ".join(route) for route in ROUTES])
def test_whoever_asks_gets_what_the_policy_says(
    world: World, client: TestClient, method: str, template: str
) -> None:
    unknown = parameters(template) - OWNED - SHARED
    assert not unknown, f"say in this test whether {unknown} names what somebody owns"
    document = client.get("/openapi.json").json()
    body = body_of(document, method, template)
    for who in ASKING:
        path = world.path(template)
        before = kept(world.store)
        headers = headers_of(who, world)
        if method == "WS":
            status = ask_socket(client, path, headers)
        else:
            answer = client.request(method, path, headers=headers, **body)
            status = answer.status_code
            if status >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
        wanted = expected(who, method, template)
        if wanted is None:
            assert status < 500, f"{who}: {status}"
            missing = {404} if "iteration" in parameters(template) else set()  # the task has no trial yet
            assert (
                status not in {401, 403, 404, 405, 422} - missing or POLICY[method, template].scope is None
            ), f"{who}: {status}"
        else:
            assert status == wanted, f"{who}: {status}"
            assert kept(world.store) == before, f"{who} was refused and changed something"


def test_the_description_says_what_the_policy_asks(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    described = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described.keys() == {route for route in ROUTES if route[0] != "WS"} - {("GET", "/openapi.json")}
    for route, operation in described.items():
        scope = POLICY[route].scope
        assert operation["security"] == ([] if scope is None else [{"key": []}, {"session": []}])
        assert operation.get("x-scope") == scope
    assert document["components"]["securitySchemes"].keys() == {"key", "session"}


def test_the_app_has_no_other_routes(world: World, client: TestClient) -> None:
    for path in ("/", "/docs", "/redoc", "/api/v1", "/api/v1/openapi.json", "/static/x", "/..", "//health"):
        for who in ("nobody", "root"):
            assert client.get(path, headers=headers_of(who, world)).status_code == 404, path
    for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"):
        assert client.request(method, "/health").status_code == 405


def test_a_route_without_a_rule_stops_the_start(empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new = APIRouter()
    new.add_api_route("/new", lambda: None, methods=["GET", "PUT"])
    new.add_api_websocket_route("/ws/new", lambda socket: None)
    with pytest.raises(SettingsError, match=r"no rule in access/policy.py: GET /new, PUT /new, WS /ws/new"):
        check_policy([*ROUTERS, new])
    mounted = APIRouter()
    mounted.mount("/files", lambda scope, receive, send: None)
    with pytest.raises(SettingsError, match="cannot guard it"):
        check_policy([mounted])
    for route in ROUTES:
        with monkeypatch.context() as patch, Store(empty_store) as store:
            patch.delitem(POLICY, route)  # type: ignore[arg-type]
            with pytest.raises(SettingsError, match=f"no rule.*{route[0]} {route[1]}".replace("{", r"\{")):
                create_app(Service(store, ServiceSettings(data_dir=empty_store.parent)))


def test_a_route_that_loses_its_rule_is_refused_to_everybody(
    world: World, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(POLICY, ("GET", "/api/v1/me"))  # type: ignore[arg-type]
    for who in ("nobody", "root"):
        assert client.get("/api/v1/me", headers=headers_of(who, world)).status_code == 403


# -- mass assignment ------------------------------------------------------------------------------------------

IGNORED = {"status", "progress", "created_at"}
"""Fields of the seed's task file that say how another task fared; the service takes and ignores them."""


def models(document: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield method, path and the schema of each body of JSON."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if content is not None:
                name = content["schema"]["$ref"].rsplit("/", 1)[1]
                yield method.upper(), path, name, document["components"]["schemas"][name]


INSIDE = {"owner", "user_id", "role", "state", "password_hash", "digest", "scopes", "disabled", "token"}
"""What the service knows of things, and decides itself."""


def fields_shown(document: dict[str, Any]) -> set[str]:
    """Return the name of every field that the service shows or takes anywhere."""
    return INSIDE | {
        field
        for schema in document["components"]["schemas"].values()
        for field in schema.get("properties", ())
    }


def classes(of: type[Model] = Model) -> dict[str, type[Model]]:
    return {of.__name__: of} | {
        name: found for one in of.__subclasses__() for name, found in classes(one).items()
    }


def test_no_body_takes_a_field_that_it_does_not_describe(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    fields, known, tried = fields_shown(document), classes(), 0
    for _, _, name, schema in models(document):
        good = example(document, {"schema": schema})
        known[name].model_validate(good)
        for field in fields - schema["properties"].keys():
            with pytest.raises(ValidationError) as caught:
                known[name].model_validate({**good, field: "admin"})
            assert {error["type"] for error in caught.value.errors()} == {"extra_forbidden"}, (name, field)
            tried += 1
    assert tried > 500


def test_nobody_decides_what_the_service_decides(world: World, client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for method, path, name, schema in models(document):
        good, before = example(document, {"schema": schema}), kept(world.store)
        for field in sorted(INSIDE - schema["properties"].keys()):
            answer = client.request(
                method, world.path(path), headers=world.headers("root"), json={**good, field: "admin"}
            )
            assert answer.status_code == 422, (name, field)
            assert {error["kind"] for error in answer.json()["details"]["errors"]} == {"extra_forbidden"}
        assert kept(world.store) == before, name


def test_no_body_holds_a_part_that_takes_more(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    open_to_more, seen = set(), set()
    queue = [name for _, _, name, _ in models(document)]
    while queue:
        name = queue.pop()
        if name in seen:
            continue
        seen.add(name)
        schema = document["components"]["schemas"][name]
        if "properties" in schema and schema.get("additionalProperties") is not False:
            open_to_more.add(name)
        queue += _references(schema)
    assert not open_to_more
    assert len(seen) > 5


def test_what_a_task_says_of_its_state_is_ignored(world: World, client: TestClient) -> None:
    claims = {"status": "completed", "progress": 1.0, "created_at": "2001-01-01T00:00:00Z"}
    answer = client.post(
        "/api/v1/optimize/start", headers=world.headers("ben"), json={"strategy_name": "momentum", **claims}
    )
    assert answer.status_code == 201
    task = world.store.tasks.get(answer.json()["task_id"])
    assert (task.owner, task.state, task.progress, task.created.year > 2001) == ("ben", "queued", None, True)
    assert not IGNORED & task.document["task"].keys()


def _references(schema: Any) -> list[str]:
    if isinstance(schema, dict):
        own = [schema["$ref"].rsplit("/", 1)[1]] if isinstance(schema.get("$ref"), str) else []
        return own + [name for value in schema.values() for name in _references(value)]
    return [name for value in schema for name in _references(value)] if isinstance(schema, list) else []
