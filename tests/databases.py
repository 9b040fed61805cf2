"""Databases for tests: every test that takes `store` or `url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage_worlds import Clock, Postgres
from strategy_optimizer.storage import Store

ENGINES = ("sqlite", "postgresql")
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "upgraded.db"
    with Store(path) as store:
        store.upgrade()
    return path


NewUrl = Callable[..., str]


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Makes databases: ``new_url("sqlite")`` has the tables, ``new_url("sqlite", upgraded=False)`` is empty."""

    def make(engine: str, *, upgraded: bool = True) -> str:
        if engine == "postgresql":
            made: str = request.getfixturevalue("postgres").create(upgraded=upgraded)
            return made
        path = tmp_path / f"store_{next(_numbers)}.db"
        if upgraded:
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"

    return make


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(engine_name: str, new_url: NewUrl) -> str:
    return new_url(engine_name)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    """A store with the users ada and ben, whose clock only the test moves."""
    with Store(url, clock=clock) as store:
        for name in ("ada", "ben"):
            store.accounts.add_user(name, "operator", user_id=name)
        yield store
