"""The seed's routes for tasks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app, route_names
from strategy_optimizer.api.service import Service
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewStrategyVersion, NewTask, Store
from strategy_optimizer.workers.submission import NOT_IDS

TASK = {
    "strategy_name": "momentum_strategy",
    "optimization_type": "ga",
    "parameter_space": {"lookback_period": {"type": "discrete", "bounds": [10, 100]}},
    "objective_function": {"type": "multi_objective", "weights": {"sharpe_ratio": 1.0}},
    "optimization_config": {"population_size": 10, "generations": 5},
}
JSON = {"Content-Type": "application/json"}
START = "/api/v1/optimize/start"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        yield store


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    user = store.accounts.add_user("ada", "operator")
    ada = Principal(user.id, "ada", "operator", ROLE_SCOPES["operator"])
    app = create_app(Service(store, ServiceSettings(data_dir=tmp_path, workers=0), lambda connection: ada))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_task_of_the_seed_is_queued(client: TestClient) -> None:
    answer = client.post(
        START, json=TASK | {"task_id": "opt_1", "status": "done", "progress": 1, "created_at": "x"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/api/v1/optimize/opt_1"
    assert answer.json()["status"] == "queued"
    assert answer.json()["data"] == "sp500"
    status = client.get("/api/v1/optimize/opt_1/status").json()
    assert (status["task_id"], status["status"], status["progress"]) == ("opt_1", "queued", 0.0)


def test_an_id_that_is_taken_is_a_conflict(client: TestClient) -> None:
    assert client.post(START, json=TASK | {"task_id": "opt_1"}).status_code == 201
    answer = client.post(START, json=TASK | {"task_id": "opt_1"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/already-exists"


def test_a_key_makes_one_task(client: TestClient) -> None:
    first = client.post(START, json=TASK, headers={"Idempotency-Key": "k"})
    again = client.post(START, json=TASK, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["task_id"] == again.json()["task_id"]
    other = client.post(START, json=TASK | {"data": "nasdaq"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 409


def test_a_repeated_request_finds_its_task_whatever_became_of_the_strategy(
    client: TestClient, store: Store
) -> None:
    """Whoever lost the answer asks again: by then the file may have changed, or the deadline have passed."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    asked = {"strategy_name": "mine", "deadline": later}
    store.strategies.save_version("mine", "file", "mine.py", NewStrategyVersion("a" * 64, "", {}))
    first = client.post(START, json=asked, headers={"Idempotency-Key": "k"})
    assert first.status_code == 201, first.text
    store.strategies.save_version("mine", "file", "mine.py", NewStrategyVersion("b" * 64, "", {}))
    again = client.post(START, json=asked, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["task_id"]) == (200, first.json()["task_id"])
    assert again.json()["strategy_version"] == "a" * 64
    store.strategies.retire("mine", "the file mine.py is gone")
    assert client.post(START, json=asked).status_code == 422
    assert client.post(START, json=asked, headers={"Idempotency-Key": "k"}).status_code == 200
    assert store.tasks.count() == 1


def test_a_deadline_that_has_passed_is_refused_and_is_not_copied(client: TestClient, store: Store) -> None:
    answer = client.post(START, json=TASK | {"deadline": "2020-01-01T00:00:00Z"})
    assert answer.status_code == 422
    assert "the deadline 2020-01-01 00:00:00 UTC has passed; it is 20" in answer.json()["detail"]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    task = client.post(START, json=TASK | {"deadline": later}).json()
    assert task["deadline"] is not None
    place = f"/api/v1/optimize/{task['task_id']}"
    assert client.post(f"{place}/rerun").json()["deadline"] is None
    assert client.post(f"{place}/clone", json={"priority": 1}).json()["deadline"] is None
    assert client.post(f"{place}/clone", json={"deadline": later}).json()["deadline"] == task["deadline"]
    old = client.post(f"{place}/clone", json={"deadline": "2020-01-01T00:00:00Z"})
    assert old.status_code == 422


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"colour": "red"}, "invalid-request", "colour"),
        ({"strategy_name": "momentun"}, "invalid-strategy", "did you mean 'momentum'"),
        ({"parameter_space": {"n": {"type": "discrete", "bounds": [9, 1]}}}, "invalid-space", "'n'"),
        ({"objective_function": {"weights": {"sharp": 1.0}}}, "invalid-objective", "sharp"),
        ({"task_id": "../x"}, "invalid-request", "task_id"),
        ({"warm_start": "opt_9"}, "not-found", "opt_9"),
    ],
)
def test_what_is_wrong_with_a_task_is_said(
    client: TestClient, change: dict[str, object], kind: str, words: str
) -> None:
    answer = client.post(START, json=TASK | change)
    assert answer.status_code in (404, 422)
    assert answer.json()["type"] == f"/problems/{kind}"
    assert words in answer.json()["detail"]


def test_lists_are_sorted(client: TestClient) -> None:
    for number in (3, 1, 2):
        client.post(START, json=TASK | {"task_id": f"opt_{number}", "priority": number})
    query = {"sort": "priority", "order": "ascending", "limit": 2}
    first = client.get("/api/v1/optimize/tasks", params=query).json()
    rest = client.get("/api/v1/optimize/tasks", params=query | {"cursor": first["next_cursor"]}).json()
    assert [task["priority"] for task in first["tasks"] + rest["tasks"]] == [1, 2, 3]
    elsewhere = client.get("/api/v1/optimize/tasks", params={"cursor": first["next_cursor"]})
    assert (elsewhere.status_code, elsewhere.json()["type"]) == (422, "/problems/invalid-request")
    assert client.get("/api/v1/optimize/tasks", params={"sort": "colour"}).status_code == 422


@pytest.mark.parametrize(
    ("content", "headers", "status", "said"),
    [
        (
            b'{"strategy_name": "momentum"}',
            {"Content-Type": "application/x-www-form-urlencoded"},  # what curl says of -d
            415,
            "the body is application/x-www-form-urlencoded, and JSON is expected: send the header "
            "'Content-Type: application/json'",
        ),
        (b"{}", {}, 415, "the body is of a type that was not said, and JSON is expected: send the header"),
        (b"", {}, 422, "body: a JSON document is expected, and there is none"),
        (
            b"{nope",
            JSON,
            422,
            "body: it is no JSON: Expecting property name enclosed in double quotes (character 1)",
        ),
        (b"[]", JSON, 422, "body: a JSON object is expected: {...}"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(
    client: TestClient, content: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = client.post(START, content=content, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["detail"][: len(said)]) == (status, said)
    kind = {415: "unsupported-media-type", 422: "invalid-request"}[status]
    assert problem["type"] == f"/problems/{kind}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"constraints": ["lookback_period > 1"] * 101},
            "constraints has 101 entries; at most 100 are taken",
        ),
        (
            {"objective_function": {"metric": "sharpe_ratio", "constraints": ["trades >= 1"] * 30_000}},
            "objective_function.constraints has 30,000 entries; at most 100 are taken",
        ),
        ({"task_id": "tasks"}, "task_id: 'tasks' is part of an address of the service; choose another id"),
        ({"task_id": "parameter-space"}, "task_id: 'parameter-space' is part of an address"),
    ],
)
def test_what_is_out_of_measure_or_out_of_reach_is_refused(
    client: TestClient, change: dict[str, Any], said: str
) -> None:
    answer = client.post(START, json=TASK | change)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)


def test_every_part_of_an_address_that_an_id_may_be_taken_for_is_known() -> None:
    prefix = "/api/v1/optimize/"
    places = {path.removeprefix(prefix).split("/")[0] for _, path in route_names() if path.startswith(prefix)}
    assert {place for place in places if not place.startswith("{")} == set(NOT_IDS)


def test_a_method_that_is_not_there_names_the_ones_that_are(client: TestClient) -> None:
    answer = client.put("/api/v1/optimize/tasks")
    assert (answer.status_code, answer.json()["detail"]) == (405, "PUT is not possible here; GET is")


def test_lists_are_paged(client: TestClient) -> None:
    made = [client.post(START, json=TASK).json()["task_id"] for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = client.get(
            "/api/v1/optimize/tasks", params={"limit": 3} | ({"cursor": cursor} if cursor else {})
        ).json()
        assert page["total"] == 7
        seen += [task["task_id"] for task in page["tasks"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]
    assert client.get("/api/v1/optimize/tasks", params={"status": "running"}).json()["total"] == 0
    assert client.get("/api/v1/optimize/tasks", params={"cursor": "?"}).status_code == 422


def test_cancelling_is_idempotent_and_keeps_the_task(client: TestClient) -> None:
    task = client.post(START, json=TASK).json()["task_id"]
    for _ in range(2):
        answer = client.delete(f"/api/v1/optimize/{task}")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert client.get(f"/api/v1/optimize/{task}").json()["stop_reason"] == "cancelled"
    place = f"/api/v1/optimize/{task}"
    for answer in (client.post(f"{place}/pause"), client.patch(place, json={"priority": 5})):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


def test_a_task_is_paused_and_resumed(client: TestClient) -> None:
    task = client.post(START, json=TASK).json()["task_id"]
    assert client.post(f"/api/v1/optimize/{task}/pause").json()["status"] == "paused"
    assert client.post(f"/api/v1/optimize/{task}/resume").json()["status"] == "queued"


def test_a_copy_takes_changes(client: TestClient) -> None:
    task = client.post(START, json=TASK | {"task_id": "opt_1", "priority": 3}).json()["task_id"]
    changes = {"data": "nasdaq", "optimization_config": {"generations": 9}, "warm_start": True}
    copy = client.post(f"/api/v1/optimize/{task}/clone", json=changes)
    assert copy.status_code == 201, copy.text
    whole = client.get(copy.headers["location"]).json()
    assert (whole["parent"], whole["data"], whole["priority"]) == ("opt_1", "nasdaq", 3)
    assert whole["task"]["optimization_config"] == {"population_size": 10, "generations": 9}
    assert whole["task"]["warm_start"] == "opt_1"
    again = client.post(f"/api/v1/optimize/{task}/rerun")
    assert again.status_code == 201
    assert client.get(again.headers["location"]).json()["task"]["optimization_config"]["generations"] == 5
    bad = client.post(f"/api/v1/optimize/{task}/clone", json={"optimization_config": {"generations": -1}})
    assert bad.status_code == 422


def test_a_task_without_result_says_so(client: TestClient) -> None:
    task = client.post(START, json=TASK).json()["task_id"]
    for what in ("results", "best-params"):
        answer = client.get(f"/api/v1/optimize/{task}/{what}")
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/wrong-state")


def test_a_foreign_task_does_not_exist(client: TestClient, store: Store) -> None:
    bob = store.accounts.add_user("bob", "operator")
    store.tasks.create(NewTask(bob.id, "momentum", {"task": {}}, id="opt_b"))
    answer = client.get("/api/v1/optimize/opt_b")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert client.delete("/api/v1/optimize/opt_b").status_code == 404
    assert store.tasks.get("opt_b").state == "queued"


def test_no_task_begins_with_what_somebody_else_found(client: TestClient, store: Store) -> None:
    store.accounts.add_user("eve", "operator", user_id="eve")
    store.tasks.create(NewTask("eve", "momentum", {"task": {}}, id="hers"))
    missing = client.post(START, json=TASK | {"warm_start": "nothing"})
    foreign = client.post(START, json=TASK | {"warm_start": "hers"})
    assert (missing.status_code, foreign.status_code) == (404, 404)
    assert foreign.json()["detail"] == "warm_start: there is no task 'hers'"
    own = client.post(START, json=TASK).json()["task_id"]
    assert client.post(START, json=TASK | {"warm_start": own}).status_code == 201


def test_large_bodies_are_refused_unread(client: TestClient) -> None:
    answer = client.post(START, content=b"[" * (2 << 20), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-large")
    chunks = (b" " * 65_536 for _ in range(40))
    answer = client.post(START, content=chunks, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_the_server_tells_of_itself(client: TestClient) -> None:
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/ready").json() == {"ready": True, "database": "ok"}
    assert client.get("/api/v1/server").json()["settings"] is None
    assert client.get("/nowhere").json()["type"] == "/problems/not-found"
    assert client.get("/openapi.json").json()["openapi"].startswith("3.1")


def test_prometheus_gets_counts_by_route(client: TestClient) -> None:
    client.post(START, json=TASK | {"task_id": "opt_1"})
    client.get("/api/v1/optimize/opt_1/status")
    text = client.get("/metrics").text
    route = 'route="/api/v1/optimize/{task_id}/status"'
    assert f'strategy_optimizer_requests_total{{method="GET",{route},status="200"}} 1.0' in text
    assert 'strategy_optimizer_tasks{state="queued"} 1.0' in text
    assert "strategy_optimizer_database_up 1.0" in text
