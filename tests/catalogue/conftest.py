"""A store with two users, and a folder of strategies whose clock runs ahead: nothing is waited for."""

from __future__ import annotations

import shutil
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from strategy_optimizer.catalogue.confinement import Confinement
from strategy_optimizer.catalogue.strategy_folder import StrategyFolder
from strategy_optimizer.storage import Store

QUICK = Confinement(seconds=20.0, memory=2**30)


@pytest.fixture(scope="session")
def told_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a database that knows the built-in strategies, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("told")
    with Store(folder / "store.db") as store:
        store.upgrade()
        for name in ("ada", "ben"):
            store.accounts.add_user(name, "operator", user_id=name)
        StrategyFolder(store, folder).scan()
    return folder / "store.db"


@pytest.fixture
def store(told_template: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copy(told_template, tmp_path / "store.db")
    with Store(tmp_path / "store.db") as store:
        yield store


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "my strategies"
    place.mkdir()
    return place


Write = Callable[[str, str], Path]


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes a file of the folder."""

    def put(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return put


@pytest.fixture
def watcher(store: Store, data_dir: Path, folder: Path) -> StrategyFolder:
    return StrategyFolder(store, data_dir, folder, limits=QUICK, clock=lambda: time.time() + 60)
