"""A child takes seconds to be ready, so a worker serves a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_worlds import Clock, Postgres
from strategy_optimizer.storage import Store
from worker_strategies import install
from worker_worlds import World


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """A store on SQLite with one user, whose clock is the test's."""
    with Store(tmp_path / "store.db", clock=clock) as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        yield store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A store with one worker of two slots."""
    folder = tmp_path_factory.mktemp("worker")
    url = f"sqlite:///{folder / 'store.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create()
    world = World(url, folder)
    world.start_worker("--slots", "2", PYTHONPATH=install(folder / "strategies"))
    try:
        yield world
    finally:
        world.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A store on SQLite with one worker of two slots, of little memory, that has a secret in its environment."""
    folder = tmp_path_factory.mktemp("worker")
    world = World(f"sqlite:///{folder / 'store.db'}", folder)
    path = install(folder / "strategies")
    world.start_worker(
        "--slots", "2", "--task-memory", "700", PYTHONPATH=path, CANARY_PASSWORD="canary-secret"
    )
    try:
        yield world
    finally:
        world.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[World]:
    """A store on SQLite without a worker."""
    world = World(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    world.path = install(tmp_path / "strategies")
    try:
        yield world
    finally:
        world.close()
