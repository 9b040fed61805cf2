"""Who asks for strategies while no worker has looked yet is not told that there are none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from strategy_optimizer.access.principal import ROLE_SCOPES, Principal
from strategy_optimizer.api import first_look
from strategy_optimizer.api.app import create_app
from strategy_optimizer.api.service import Service
from strategy_optimizer.catalogue.strategy_folder import StrategyFolder, told_file
from strategy_optimizer.service_settings import ServiceSettings
from strategy_optimizer.storage import Store
from strategy_optimizer.strategies.registry import BUILT_IN
from strategy_texts import DIP

ADA = Principal("ada", "ada", "operator", ROLE_SCOPES["operator"])
Make = Callable[..., FastAPI]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        yield store


@pytest.fixture
def make(store: Store, tmp_path: Path) -> Make:
    """Makes the app of a service that has just been started for the first time, with a folder of strategies."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "dip.py").write_text(DIP)

    def make_app(**settings: int) -> FastAPI:
        made = ServiceSettings(data_dir=tmp_path, strategies=tmp_path / "strategies", **settings)  # type: ignore[arg-type]
        return create_app(Service(store, made, lambda connection: ADA))

    return make_app


def names(client: TestClient) -> list[str]:
    answer = client.get("/api/v1/strategies")
    assert answer.status_code == 200, answer.text
    return [strategy["name"] for strategy in answer.json()["strategies"]]


def look(store: Store, tmp_path: Path) -> None:
    """Look as a worker does."""
    StrategyFolder(store, tmp_path, tmp_path / "strategies", clock=lambda: time.time() + 60).scan()


def test_the_first_look_is_waited_for(
    store: Store, tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_look, "PATIENCE", 300.0)
    with TestClient(make()) as client, ThreadPoolExecutor(4) as threads:
        listed = threads.submit(names, client)
        started = threads.submit(client.post, "/api/v1/optimize/start", json={"strategy_name": "dip"})
        spaced = threads.submit(client.get, "/api/v1/optimize/parameter-space/dip")
        assert client.post("/api/v1/optimize/start", json={"strategy_name": "momentum"}).status_code == 201
        time.sleep(0.5)
        assert [each.done() for each in (listed, started, spaced)] == [False] * 3
        look(store, tmp_path)
        assert listed.result(timeout=60) == sorted([*BUILT_IN, "dip"])
        assert started.result(timeout=60).status_code == 201
        assert spaced.result(timeout=60).status_code == 200


def test_it_is_not_waited_for_longer_than_a_worker_may_take(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_look, "PATIENCE", 0.5)
    with TestClient(make()) as client:
        assert names(client) == sorted(BUILT_IN)  # what this process knows itself
        answer = client.post("/api/v1/optimize/start", json={"strategy_name": "dip"})
        assert answer.status_code == 422


def test_without_a_worker_beside_it_nothing_is_waited_for(make: Make) -> None:
    with TestClient(make(workers=0)) as client:
        assert names(client) == sorted(BUILT_IN)
        shown = client.get("/api/v1/strategies/momentum").json()
        assert shown["parameter_space"]["lookback_period"]["type"] == "discrete"
        assert shown["problem"] is None


def test_what_this_process_tells_is_what_a_worker_tells(store: Store, tmp_path: Path, make: Make) -> None:
    with TestClient(make(workers=0)) as client:
        names(client)
        ours = store.strategies.newest_versions()
        assert set(ours) == set(BUILT_IN)
        for name in BUILT_IN:
            store.strategies.remove(name)
        look(store, tmp_path)
        theirs = store.strategies.newest_versions()
    for name in BUILT_IN:
        one, other = vars(ours[name]), vars(theirs[name])
        assert {**one, "created": None} == {**other, "created": None}


def test_a_later_start_waits_for_nothing(store: Store, tmp_path: Path, make: Make) -> None:
    look(store, tmp_path)
    assert told_file(tmp_path).exists()
    with TestClient(make()) as client:
        assert names(client) == sorted([*BUILT_IN, "dip"])
        assert client.app.state.first_look._is_over  # type: ignore[attr-defined]


def test_built_in_ones_appear_all_at_once(store: Store, tmp_path: Path) -> None:
    seen: set[int] = set()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            seen.add(len(store.strategies.all()))

    thread = threading.Thread(target=watch)
    thread.start()
    StrategyFolder(store, tmp_path).scan()
    is_over.set()
    thread.join()
    assert seen - {len(BUILT_IN)} <= {0}
