"""Users, keys, quotas, sessions, tickets and the audit log over HTTP."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from fastapi.testclient import TestClient
from tests.api.worlds import PASSWORD, UNLIMITED, World, make_world

from strategy_optimizer.access.gate import Limits
from strategy_optimizer.access.key_text import new_key_text
from strategy_optimizer.access.policy import POLICY
from strategy_optimizer.access.sessions import COOKIE
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.errors import StorageError
from strategy_optimizer.service_logs import configure_logs
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewTask, Store

JSON = {"Content-Type": "application/json"}
ORIGIN = {"Origin": "http://testserver"}
TASK = {"strategy_name": "momentum"}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "store.db"
    with Store(path) as store:
        store.upgrade()
    return path


@pytest.fixture
def limits() -> Limits:
    return UNLIMITED


@pytest.fixture
def world(empty_store: Path, tmp_path: Path, limits: Limits) -> Iterator[World]:
    shutil.copy(empty_store, tmp_path / "store.db")
    with Store(tmp_path / "store.db") as store:
        yield make_world(store, tmp_path, limits)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(world.app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ada(world: World) -> dict[str, str]:
    return world.headers("ada")


@pytest.fixture
def root(world: World) -> dict[str, str]:
    return world.headers("root")


def give_password(client: TestClient, root: dict[str, str], name: str = "ada") -> None:
    answer = client.put(f"/api/v1/users/{name}/password", headers=root, json={"password": PASSWORD})
    assert answer.status_code == 204, answer.text


def log_in(client: TestClient, name: str = "ada", password: str = PASSWORD) -> int:
    return client.post("/api/v1/sessions", json={"name": name, "password": password}).status_code


# -- users ----------------------------------------------------------------------------------------------------


def test_a_user_from_first_to_last(client: TestClient, root: dict[str, str]) -> None:
    made = client.post("/api/v1/users", headers=root, json={"name": " eve ", "password": PASSWORD})
    assert made.status_code == 201, made.text
    eve = made.json()
    assert (eve["name"], eve["role"], eve["has_password"], eve["disabled"]) == ("eve", "viewer", True, False)
    assert PASSWORD not in made.text
    place = made.headers["location"]
    assert client.get(place, headers=root).json() == eve
    assert eve in client.get("/api/v1/users", headers=root).json()["users"]
    again = client.post("/api/v1/users", headers=root, json={"name": "eve"})
    assert (again.status_code, again.json()["type"]) == (409, "/problems/already-exists")
    key = client.post(f"{place}/keys", headers=root, json={"name": "hers"}).json()
    hers = {"Authorization": f"Bearer {key['key']}"}
    assert client.post("/api/v1/optimize/start", headers=hers, json=TASK).status_code == 403
    assert client.patch(place, headers=root, json={"role": "operator"}).json()["role"] == "operator"
    # The key keeps the scopes that it was made with; a new one has those of the role.
    assert client.post("/api/v1/optimize/start", headers=hers, json=TASK).status_code == 403
    key = client.post(f"{place}/keys", headers=root, json={"name": "new"}).json()
    hers = {"Authorization": f"Bearer {key['key']}"}
    assert client.post("/api/v1/optimize/start", headers=hers, json=TASK).status_code == 201
    assert client.patch(place, headers=root, json={"disabled": True}).json()["disabled"] is True
    refused = client.get("/api/v1/me", headers=hers)
    assert (refused.status_code, refused.json()["detail"]) == (401, "the user eve is disabled")
    assert log_in(client, "eve") == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "   "}, "letters that can be printed"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "a\u2028b"}, "letters that can be printed"),
        ({"name": "eve", "role": "root"}, "role"),
        ({"name": "eve", "password": "short"}, "12 to 256 letters"),
        ({"name": "eve", "password": 12 * "a"}, "5 different letters"),
        ({"name": "eve", "user_id": "root"}, "user_id"),
    ],
)
def test_what_no_user_can_be(
    client: TestClient, root: dict[str, str], body: dict[str, str], words: str
) -> None:
    answer = client.post("/api/v1/users", headers=root, json=body)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert body.get("password", "no password") not in answer.text


def test_an_administrator_is_left(client: TestClient, root: dict[str, str]) -> None:
    assert client.patch("/api/v1/users/boss", headers=root, json={"disabled": True}).status_code == 200
    answer = client.patch("/api/v1/users/root", headers=root, json={"role": "viewer"})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/last-admin")
    nothing = client.patch("/api/v1/users/ada", headers=root, json={})
    assert (nothing.status_code, nothing.json()["type"]) == (422, "/problems/invalid-account")


def test_what_is_not_there(client: TestClient, root: dict[str, str]) -> None:
    for path in ("users/nobody", "users/nobody/keys", "users/nobody/quota"):
        assert client.get(f"/api/v1/{path}", headers=root).status_code == 404
    assert client.put("/api/v1/users/nobody/quota", headers=root, json={}).status_code == 404
    assert (
        client.put("/api/v1/users/nobody/password", headers=root, json={"password": PASSWORD}).status_code
        == 404
    )
    assert client.patch("/api/v1/users/nobody", headers=root, json={"role": "viewer"}).status_code == 404
    assert client.post("/api/v1/users/nobody/keys", headers=root, json={"name": "k"}).status_code == 404
    assert client.delete("/api/v1/keys/nothing", headers=root).status_code == 404
    assert client.get("/api/v1/users/a%00b", headers=root).status_code == 422


def test_quotas(client: TestClient, ada: dict[str, str], root: dict[str, str]) -> None:
    wanted = {"running_tasks": 1, "queued_tasks": 1, "trials_a_day": 2500, "memory": 2**40, "datasets": 0}
    wanted["dataset_bytes"] = 2**50
    answer = client.put("/api/v1/users/ada/quota", headers=root, json=wanted)
    assert answer.json()["quota"] == wanted
    me = client.get("/api/v1/me", headers=ada).json()
    assert (me["quota"], me["usage"]["queued_tasks"], me["usage"]["trials_today"]) == (wanted, 0, 60)
    too_many = {**TASK, "optimization_config": {"n_calls": 501}}
    refused = client.post("/api/v1/optimize/start", headers=ada, json=too_many)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems/quota-exceeded")
    assert refused.json()["details"] == {
        "quota": "trials_a_day",
        "limit": 2500,
        "used": 2000,  # of the task that runs: 60 are made, the others are to be made
        "asked": 501,
    }
    small = {**TASK, "optimization_config": {"n_calls": 100}}
    assert client.post("/api/v1/optimize/start", headers=ada, json=small).status_code == 201
    refused = client.post("/api/v1/optimize/start", headers=ada, json=small)
    assert (refused.status_code, refused.json()["details"]["quota"]) == (429, "queued_tasks")
    assert client.put("/api/v1/users/ada/quota", headers=root, json={}).json()["quota"] == dict.fromkeys(
        wanted
    )
    assert client.post("/api/v1/optimize/start", headers=ada, json=small).status_code == 201
    for bad in ({"memory": -1}, {"datasets": 2**31}, {"running_tasks": 1.5}, {"trials": 1}):
        assert client.put("/api/v1/users/ada/quota", headers=root, json=bad).status_code == 422


def test_memory_is_for_all_that_runs_at_once(
    client: TestClient, ada: dict[str, str], root: dict[str, str]
) -> None:
    client.put("/api/v1/users/ada/quota", headers=root, json={"memory": 2 * 2**30})
    start, task = "/api/v1/optimize/start", {"strategy_name": "momentum"}
    running = client.get("/api/v1/me", headers=ada).json()["usage"]["memory"]
    refused = client.post(start, headers=ada, json=task)
    assert (refused.status_code, refused.json()["details"]["quota"]) == (429, "memory")
    assert refused.json()["detail"] == (
        "the task may take 4,096 MB; your quota memory is 2,048 MB for all that run at once; give it less with its "
        "field memory (in bytes), or ask an administrator for more"
    )
    for _ in range(3):  # one after the other they fit
        made = client.post(start, headers=ada, json={**task, "memory": 2**30})
        assert (made.status_code, made.json()["memory"]) == (201, 2**30)
    copy = client.post(
        f"/api/v1/optimize/{made.json()['task_id']}/clone", headers=ada, json={"memory": 2**29}
    )
    assert (copy.status_code, copy.json()["memory"]) == (201, 2**29)
    assert client.get("/api/v1/me", headers=ada).json()["usage"]["memory"] == running
    too_large = client.post(start, headers=ada, json={**task, "memory": 5 * 2**30})
    assert too_large.status_code == 422
    assert "memory is 5 GB; a task may take at most 4 GB here" in too_large.json()["detail"]


@pytest.mark.parametrize(
    ("config", "planned"),
    [({"budget": 300}, 300), ({"population_size": 10, "generations": 20}, 200), ({}, 2000)],
)
def test_trials_that_wait_to_be_made_count(
    client: TestClient, root: dict[str, str], world: World, config: dict[str, int], planned: int
) -> None:
    """Else many tasks that each fit into the day would make as many trials as one likes."""
    ben, start = world.headers("ben"), "/api/v1/optimize/start"
    client.put("/api/v1/users/ben/quota", headers=root, json={"trials_a_day": 2 * planned})
    asked = {**TASK, "optimization_type": "ga", "optimization_config": config}
    answers = [client.post(start, headers=ben, json=asked) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 429]
    problem = answers[-1].json()
    assert problem["details"] == {
        "quota": "trials_a_day",
        "limit": 2 * planned,
        "used": 2 * planned,
        "asked": planned,
    }
    assert f"0 trials were made today, {2 * planned:,} more are planned by tasks" in problem["detail"]
    first = answers[0].json()["task_id"]
    assert client.post(f"/api/v1/optimize/{first}/pause", headers=ben).status_code == 200
    assert client.post(start, headers=ben, json=asked).status_code == 429
    client.delete(f"/api/v1/optimize/{first}", headers=ben)
    assert client.post(start, headers=ben, json=asked).status_code == 201


def test_a_task_of_another_version_stops_nobody(
    client: TestClient, root: dict[str, str], world: World
) -> None:
    old = {"task": {"strategy_name": "momentum", "optimization_config": {"colour": "red"}}}
    world.store.tasks.create(NewTask("ben", "momentum", old))
    client.put("/api/v1/users/ben/quota", headers=root, json={"trials_a_day": 2000})
    start = "/api/v1/optimize/start"
    assert client.post(start, headers=world.headers("ben"), json=TASK).status_code == 201
    assert client.post(start, headers=world.headers("ben"), json=TASK).status_code == 429


def test_a_request_that_is_repeated_is_not_counted_twice(
    client: TestClient, root: dict[str, str], world: World
) -> None:
    client.put("/api/v1/users/ben/quota", headers=root, json={"queued_tasks": 1})
    headers = {**world.headers("ben"), "Idempotency-Key": "k"}
    answers = [client.post("/api/v1/optimize/start", headers=headers, json=TASK) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    headers["Idempotency-Key"] = "another"
    assert client.post("/api/v1/optimize/start", headers=headers, json=TASK).status_code == 429


# -- keys -----------------------------------------------------------------------------------------------------


def test_a_key_from_first_to_last(client: TestClient, ada: dict[str, str]) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = client.post(
        "/api/v1/keys", headers=ada, json={"name": "cron", "scopes": ["read"], "expires_at": ends}
    )
    assert made.status_code == 201, made.text
    key = made.json()
    cron = {"Authorization": f"Bearer {key.pop('key')}"}
    assert key in client.get("/api/v1/keys", headers=ada).json()["keys"]
    me = client.get("/api/v1/me", headers=cron).json()
    assert (me["scopes"], me["key_id"], me["expires_at"]) == (["read"], key["key_id"], key["expires_at"])
    assert client.post("/api/v1/optimize/start", headers=cron, json=TASK).status_code == 403
    listed = client.get("/api/v1/keys", headers=ada).json()["keys"]
    assert [one["last_used_at"] is not None for one in listed if one["key_id"] == key["key_id"]] == [True]
    place = made.headers["location"]
    for _ in range(2):
        assert client.delete(place, headers=ada).status_code == 204
    refused = client.get("/api/v1/me", headers=cron)
    assert refused.status_code == 401
    assert refused.json()["detail"] == f"the key {key['prefix']} has been revoked"
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_weak_key_gets_nobody_further(client: TestClient, ada: dict[str, str], world: World) -> None:
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    weak = client.post(
        "/api/v1/keys", headers=ada, json={"name": "weak", "scopes": ["read"], "expires_at": ends}
    ).json()
    shown = {"Authorization": f"Bearer {weak['key']}"}
    more = client.post("/api/v1/keys", headers=shown, json={"name": "x", "scopes": ["run"]})
    assert (more.status_code, more.json()["type"]) == (403, "/problems/not-allowed")
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    assert (
        client.post("/api/v1/keys", headers=shown, json={"name": "x", "expires_at": later}).status_code == 403
    )
    same = client.post("/api/v1/keys", headers=shown, json={"name": "x"}).json()
    assert (same["scopes"], same["expires_at"]) == (["read"], weak["expires_at"])
    assert client.put("/api/v1/me/password", headers=shown, json={"new": PASSWORD}).status_code == 403
    assert client.delete(f"/api/v1/keys/{world.places['key_id']}", headers=shown).status_code == 403
    assert client.delete(f"/api/v1/keys/{weak['key_id']}", headers=shown).status_code == 204


def test_an_administrators_narrow_key_sees_its_own_things_alone(
    client: TestClient, root: dict[str, str], world: World
) -> None:
    task = f"/api/v1/optimize/{world.places['task_id']}"
    narrow = client.post("/api/v1/keys", headers=root, json={"name": "x", "scopes": ["read", "run"]}).json()
    shown = {"Authorization": f"Bearer {narrow['key']}"}
    assert client.get(task, headers=root).status_code == 200
    assert client.get(task, headers=shown).status_code == 404
    assert client.get("/api/v1/users", headers=shown).status_code == 403


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Basic YTpi", "so_key", "Bearer so_x", "Bearer é", f"Bearer {new_key_text()}"],
    ids=["nothing", "a blank", "a password", "no scheme", "no key", "an accent", "an unknown key"],
)
def test_headers_that_name_nobody(client: TestClient, header: str) -> None:
    answer = client.get("/api/v1/me", headers={"Authorization": header.encode("latin-1")})  # type: ignore[dict-item]
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/not-authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


# -- sessions -------------------------------------------------------------------------------------------------


def test_a_session_from_first_to_last(client: TestClient, root: dict[str, str]) -> None:
    give_password(client, root)
    answer = client.post("/api/v1/sessions", json={"name": "ada", "password": PASSWORD}, headers=ORIGIN)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["name"], answer.json()["role"]) == ("ada", "operator")
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=604800"):
        assert part in cookie
    assert "Secure" not in cookie
    assert client.cookies[COOKIE] not in answer.text
    me = client.get("/api/v1/me").json()
    assert (me["user"]["name"], me["key_id"]) == ("ada", None)
    assert client.post("/api/v1/optimize/start", json=TASK, headers=ORIGIN).status_code == 201
    kept = client.cookies[COOKIE]
    assert client.delete("/api/v1/sessions/current", headers=ORIGIN).status_code == 204
    assert COOKIE not in client.cookies
    client.cookies[COOKIE] = kept
    assert client.get("/api/v1/me").status_code == 401


def test_cookies_of_https_stay_there(world: World, root: dict[str, str]) -> None:
    with TestClient(world.app, base_url="https://testserver") as client:
        give_password(client, root)
        answer = client.post("/api/v1/sessions", json={"name": "ada", "password": PASSWORD})
        assert "Secure" in answer.headers["set-cookie"]


def test_another_site_cannot_use_a_session(client: TestClient, root: dict[str, str], world: World) -> None:
    give_password(client, root)
    assert log_in(client) == 201
    writes = [route for route in POLICY if route[0] in ("POST", "PUT", "PATCH", "DELETE")]
    present = {
        (method, path)
        for path, items in client.get("/openapi.json").json()["paths"].items()
        for method in map(str.upper, items)
    }
    tried = 0
    for method, template in sorted(present & set(writes) - {("POST", "/api/v1/sessions")}):
        for headers in (
            {},
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://testserver:81"},
        ):
            answer = client.request(method, world.path(template), headers=headers, json={})
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-allowed")
            tried += 1
    assert tried > 60
    answer = client.post(
        "/api/v1/sessions",
        json={"name": "ada", "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
    )
    assert answer.status_code == 403


def test_one_changes_ones_password(client: TestClient, ada: dict[str, str]) -> None:
    first = client.put("/api/v1/me/password", headers=ada, json={"new": PASSWORD})
    assert first.status_code == 204, first.text
    assert log_in(client) == 201
    other = "another horse battery staple"
    for wrong in ({"new": other}, {"present": "guess", "new": other}):
        refused = client.put("/api/v1/me/password", headers=ORIGIN, json=wrong)
        assert (refused.status_code, refused.json()["detail"]) == (403, "the present password is wrong")
    changed = client.put("/api/v1/me/password", headers=ORIGIN, json={"present": PASSWORD, "new": other})
    assert changed.status_code == 204
    assert client.get("/api/v1/me").status_code == 401  # the session has ended
    assert client.get("/api/v1/me", headers=ada).status_code == 200  # keys stay
    assert (log_in(client), log_in(client, password=other)) == (401, 201)


def test_a_ticket(client: TestClient, ada: dict[str, str], world: World) -> None:
    answer = client.post("/api/v1/ws-tickets", headers=ada)
    assert answer.status_code == 201
    ticket = answer.json()
    left = datetime.fromisoformat(ticket["expires_at"]) - datetime.now(UTC)
    assert left <= timedelta(seconds=30)
    assert (
        client.get("/api/v1/me", params={"ticket": ticket["ticket"]}).status_code == 401
    )  # of sockets alone
    assert world.service.gate.tickets.take(ticket["ticket"]).name == "ada"


# -- those who guess ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [Limits()])
def test_guessing_keys(client: TestClient, ada: dict[str, str]) -> None:
    assert client.get("/api/v1/me", headers=ada).status_code == 200
    statuses = []
    for _ in range(100):
        answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {new_key_text()}"})
        statuses.append(answer.status_code)
    assert statuses == [401] * 20 + [429] * 80
    assert answer.json()["type"] == "/problems/too-many-requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert client.get("/api/v1/me", headers=ada).status_code == 200
    assert log_in(client) == 429
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("limits", [Limits()])
def test_guessing_passwords(client: TestClient, root: dict[str, str]) -> None:
    give_password(client, root)
    statuses = [log_in(client, password=f"guess number {number}") for number in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    assert log_in(client) == 429


def test_a_caller_and_an_address_ask_as_often_as_the_settings_say(world: World, tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path, requests_a_second=1)
    with TestClient(create_app(Service(world.store, settings)), raise_server_exceptions=False) as client:

        def until_refused(headers: dict[str, str], otherwise: int) -> int:
            for number in range(1000):
                answer = client.get("/api/v1/me", headers=headers)
                if answer.status_code == 429:
                    assert answer.json()["type"] == "/problems/too-many-requests"
                    assert int(answer.headers["retry-after"]) >= 1
                    return number
                assert answer.status_code == otherwise, answer.text
            raise AssertionError("nobody was refused")

        ada, ben = world.headers("ada"), world.headers("ben")
        assert until_refused(ada, 200) >= 5
        assert client.get("/api/v1/me", headers=ben).status_code == 200
        assert until_refused({}, 401) >= 5


# -- the audit log --------------------------------------------------------------------------------------------


def test_what_is_done_is_noted(client: TestClient, root: dict[str, str], world: World) -> None:
    made = client.post("/api/v1/users", headers=root, json={"name": "eve"})
    eve = made.json()["user_id"]
    client.patch(f"/api/v1/users/{eve}", headers=root, json={"role": "admin"})
    client.put(f"/api/v1/users/{eve}/password", headers=root, json={"password": PASSWORD})
    client.patch(f"/api/v1/users/{eve}", headers=root, json={"role": "boss"})  # refused: no line
    task = client.post("/api/v1/optimize/start", headers=world.headers("ada"), json=TASK).json()["task_id"]
    client.delete(f"/api/v1/optimize/{task}", headers=root)
    log_in(client, "eve")
    log_in(client, "eve", "a wrong password")
    page = client.get("/api/v1/audit", headers=root).json()
    assert [(line["actor"], line["action"], line["target"]) for line in page["entries"]][::-1] == [
        ("root", "user.create", eve),
        ("root", "user.change", eve),
        ("root", "password.set", eve),
        ("ada", "task.create", task),
        ("root", "task.cancel", task),
        (eve, "session.begin", ""),
        (None, "login.failed", "eve"),
    ]
    changed = page["entries"][-2]
    assert changed["details"]["role"] == "admin"
    assert changed["details"]["key"].startswith("key_")
    assert changed["address"] == "testclient"
    assert page["next_before"] is None


def test_the_audit_log_is_paged(client: TestClient, ada: dict[str, str], root: dict[str, str]) -> None:
    for number in range(5):
        client.post("/api/v1/keys", headers=ada, json={"name": f"k{number}"})
    client.post("/api/v1/keys", headers=root, json={"name": "k"})
    seen, before = [], None
    while True:
        params = {"actor": "ada", "limit": 2} | ({} if before is None else {"before": before})
        page = client.get("/api/v1/audit", headers=root, params=params).json()
        seen += [line["number"] for line in page["entries"]]
        before = page["next_before"]
        if before is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


def test_what_cannot_be_noted_is_done_all_the_same(
    client: TestClient, ada: dict[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(world.store.accounts, "note", refuse)
    with structlog.testing.capture_logs() as lines:
        assert client.post("/api/v1/keys", headers=ada, json={"name": "k"}).status_code == 201
    assert [line["action"] for line in lines if "audit" in line["event"]] == ["key.create"]


# -- canaries -------------------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that the service writes to its log."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    configure_logs("debug", "json", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_no_secret_is_in_a_log_or_a_problem(
    logged: io.StringIO,
    world: World,
    client: TestClient,
    root: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canary = "canary-5f1e9c-password"
    wrong_key = new_key_text()
    client.put("/api/v1/users/ada/password", headers=root, json={"password": canary})
    client.post("/api/v1/users", headers=root, json={"name": "eve", "password": canary, "more": canary})
    client.post("/api/v1/users", headers=root, json={"name": "eve", "password": {"x": canary}})
    problems = [
        client.post("/api/v1/sessions", json={"name": "ada", "password": canary + "!"}),
        client.post("/api/v1/sessions", json={"name": canary * 20, "password": canary * 100}),
        client.post("/api/v1/sessions", content=b'{"password": "' + canary.encode() + b'"'),
        client.post("/api/v1/sessions", content=b'{"password": "' + canary.encode() + b'"', headers=JSON),
        client.get("/api/v1/me", headers={"Authorization": f"Bearer {wrong_key}"}),
        client.get("/api/v1/me", headers={"Authorization": f"Basic {canary}"}),
        client.get("/api/v1/me", headers={"Authorization": f"Bearer {world.keys['ada'][:-1]}"}),
        client.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={canary}"}),
        client.get(f"/api/v1/users/{world.keys['ada']}", headers=root),
    ]
    assert {answer.status_code for answer in problems} == {401, 404, 415, 422}
    assert client.post("/api/v1/sessions", json={"name": "ada", "password": canary}).status_code == 201
    cookie = client.cookies[COOKIE]
    ticket = client.post("/api/v1/ws-tickets", headers=ORIGIN).json()["ticket"]
    client.get("/api/v1/me", params={"ticket": ticket})

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(world.store.accounts, "page_of_users", fail)
    problems.append(client.get("/api/v1/users", headers=root))
    assert problems[-1].status_code == 500
    lines = logged.getvalue()
    assert len([json.loads(line) for line in lines.splitlines()]) > 10
    texts = [lines, *(answer.text for answer in problems if "/users/so_" not in str(answer.url))]
    texts += [json.dumps(client.get("/api/v1/audit", headers=root).json())]
    secrets = [canary, wrong_key[12:], cookie, ticket, *(key[12:] for key in world.keys.values())]
    for text in texts:
        assert not [secret for secret in secrets if secret in text]
