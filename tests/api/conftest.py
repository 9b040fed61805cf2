"""The API over a store that holds real searches; they are made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from tests.api.worlds import World, make_world

from stored_searches import ONE, PARETO, add, search
from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import NewTask, Store
from strategy_optimizer.tasks import Result


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service with users, and objects that Ada owns, for tests that change nothing they look at."""
    folder = tmp_path_factory.mktemp("world")
    with Store(folder / "store.db") as store:
        store.upgrade()
        yield make_world(store, folder)


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[TestClient]:
    """Asks it."""
    with TestClient(world.app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def searches() -> dict[str, Result]:
    with_verdict = search("ga", 400, ONE, seed=2)
    assert with_verdict.counts.failed > 10
    assert with_verdict.counts.infeasible > 10
    return {
        "opt_ga": with_verdict,
        "opt_bo": search("bo", 60, ONE, validate=False),
        "opt_pareto": search("nsga2", 300, PARETO, validate=False),
    }


@pytest.fixture(scope="session")
def searched(searches: dict[str, Result], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of the user ada with three searches that have ended, one that runs, and one that waits."""
    with Store(tmp_path_factory.mktemp("searched") / "store.db") as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        store.accounts.add_user("bob", "operator", user_id="bob")
        for task_id, result in searches.items():
            add(store, "ada", task_id, result, PARETO if task_id == "opt_pareto" else ONE)
        add(store, "bob", "opt_bobs", searches["opt_bo"], ONE)
        add(store, "ada", "opt_running", searches["opt_ga"], ONE, trials=250)
        store.tasks.create(
            NewTask("ada", "momentum", {"task": {"strategy_name": "momentum"}}, id="opt_waiting")
        )
        yield store


@pytest.fixture(scope="session")
def reader(searched: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Ada's client on the searches."""
    ada = Principal("ada", "ada", "operator", ROLE_SCOPES["operator"])
    settings = ServiceSettings(data_dir=tmp_path_factory.mktemp("service"))
    with TestClient(
        create_app(Service(searched, settings, lambda connection: ada)), raise_server_exceptions=False
    ) as client:
        yield client


Get = Callable[..., dict[str, object]]


@pytest.fixture
def get(reader: TestClient) -> Get:
    """Asks for something of a task, and returns the JSON of the answer."""

    def ask(path: str, **params: object) -> dict[str, object]:
        answer = reader.get(f"/api/v1/optimize/{path}", params=params)  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    return ask
