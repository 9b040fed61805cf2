"""From a stored document to what runs: the versions that a task pinned, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from strategy_optimizer.catalogue.versions import pin_version
from strategy_optimizer.errors import DataError, StrategyError
from strategy_optimizer.market import load_bars
from strategy_optimizer.models.service_task import StoredTask, TaskIn
from strategy_optimizer.storage import Store
from strategy_optimizer.workers.inputs import resolve


def stored(version: str | None, digest: str | None) -> StoredTask:
    task = TaskIn(strategy_name="momentum", data="nasdaq")
    return StoredTask(task=task, strategy_version=version, data_digest=digest)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        yield store


def test_a_task_gets_the_versions_that_it_pinned(store: Store, tmp_path: Path) -> None:
    _, version = pin_version(store, "momentum")
    digest = load_bars("nasdaq").digest
    strategy, bars = resolve(stored(version, digest), "ada", store, tmp_path)
    assert (strategy.name, bars.digest) == ("momentum", digest)


def test_a_task_runs_on_no_other_data(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not the one that the task was made for"):
        resolve(stored(None, "0" * 64), "ada", store, tmp_path)


def test_a_task_runs_no_other_strategy(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StrategyError, match="momentum"):
        resolve(stored("0" * 64, None), "ada", store, tmp_path)
