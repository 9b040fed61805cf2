"""A field that a body does not have is named, with the field that may have been meant."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.api.worlds import World

TASK: dict[str, Any] = {"strategy_name": "momentum", "optimization_config": {"budget": 20}, "data": "nasdaq"}


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        (
            {**TASK, "objectiv_function": "x"},
            "objectiv_function",
            "there is no such field; did you mean 'objective_function'?",
        ),
        (
            {**TASK, "optimization_config": {"budgt": 20}},
            "budgt",
            "there is no such field; did you mean 'budget'?",
        ),
        ({**TASK, "zzzzzzzz": 1}, "zzzzzzzz", "there is no such field"),
    ],
)
def test_the_field_that_was_meant_is_told(
    world: World, client: TestClient, body: dict[str, Any], where: str, said: str
) -> None:
    answer = client.post("/api/v1/optimize/start", json=body, headers=world.headers("root"))
    assert answer.status_code == 422, answer.text
    found = {problem["where"][-1]: problem["problem"] for problem in answer.json()["details"]["errors"]}
    assert found[where] == said
