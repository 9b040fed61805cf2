"""What a query says and no route knows is refused, everywhere, with the nearest name."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse
from tests.api.worlds import World

from strategy_optimizer.access.policy import POLICY
from strategy_optimizer.api.app import route_names

ROUTES = sorted(route_names(), key=lambda route: (route[1], route[0]))


@pytest.mark.parametrize(("method", "template"), ROUTES)
def test_no_route_ignores_what_it_does_not_know(
    world: World, client: TestClient, method: str, template: str
) -> None:
    path, headers = f"{world.path(template)}?surprise=1", world.headers("root")
    if method == "WS":
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect(path, headers=headers),
        ):
            pass
        answer = refused.value
    else:
        answer = client.request(method, path, headers=headers)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "/problems/invalid-request"
    assert problem["details"]["errors"][0]["where"] == ["query", "surprise"]
    assert problem["details"]["errors"][0]["kind"] == "unknown_parameter"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (
            "/api/v1/optimize/tasks?limt=5",
            "query.limt: there is no such parameter; did you mean 'limit'? "
            "(there are cursor, limit, order, sort, status, strategy)",
        ),
        ("/api/v1/me?limit=5", "query.limit: there is no such parameter (there are none here)"),
        ("/api/v1/optimize/{task_id}/history?min-score=1&since=3", "did you mean 'min_score'?"),
    ],
)
def test_the_nearest_name_is_told(world: World, client: TestClient, path: str, said: str) -> None:
    answer = client.get(world.path(path), headers=world.headers("root"))
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_what_may_stand_once_is_refused_twice(world: World, client: TestClient) -> None:
    headers = world.headers("root")
    answer = client.get(
        "/api/v1/optimize/tasks?limit=5&limit=50&status=paused&status=queued", headers=headers
    )
    assert answer.status_code == 422
    assert answer.json()["detail"] == "query.limit: it stands twice; keep one of them"
    assert (
        client.get("/api/v1/optimize/tasks?status=paused&status=queued", headers=headers).status_code == 200
    )


def test_who_may_not_ask_is_told_that_first(world: World, client: TestClient) -> None:
    for (method, template), rule in POLICY.items():
        if method == "GET" and rule.scope is not None:
            assert client.get(f"{world.path(template)}?surprise=1").status_code == 401


def test_a_ticket_opens_a_socket_and_nothing_else(world: World, client: TestClient) -> None:
    ada = world.headers("ada")
    ticket = client.post("/api/v1/ws-tickets", headers=ada).json()["ticket"]
    assert client.get(f"/api/v1/me?ticket={ticket}", headers=ada).status_code == 422
    path = world.path("/ws/optimize/{task_id}/progress")
    with client.websocket_connect(f"{path}?ticket={ticket}&after=0") as socket:
        assert socket.receive_json()["type"] in ("events", "end")
