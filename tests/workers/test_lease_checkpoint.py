"""A search that is saved into the store beside itself, stopped, lost, and continued."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from storage_worlds import add_task
from strategy_optimizer.errors import CheckpointError, LeaseLostError, StorageUnavailableError
from strategy_optimizer.records import Progress
from strategy_optimizer.storage import Lease, Store
from strategy_optimizer.tasks import OptimizationTask, make_task
from strategy_optimizer.workers import store_writer
from strategy_optimizer.workers.lease_checkpoint import LeaseCheckpoint
from strategy_optimizer.workers.store_writer import StoreWriter

TRIALS = {"ga": 3000, "nsga2": 3000, "random": 20_000, "bo": 150, "hybrid": 150}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        add_task(store, id="opt_1")
        yield store


def leased(store: Store, seconds: float = 600) -> Lease:
    lease = store.queue.lease("worker", seconds)
    assert lease is not None
    return lease


def writing(store: Store, lease: Lease) -> StoreWriter:
    writer = StoreWriter(store, lease, on_lost=lambda: None)
    writer.start()
    return writer


def search(
    optimizer: str, writer: StoreWriter, stop_at: int | None = None, seed: int = 3
) -> OptimizationTask:
    objective = ["sharpe_ratio", "max_drawdown"] if optimizer == "nsga2" else "sharpe_ratio"

    def watch(event: object) -> None:
        if stop_at is not None and isinstance(event, Progress) and event.trials >= stop_at:
            task.cancel()

    task = make_task(
        "momentum",
        "nasdaq",
        optimizer,
        objective=objective,
        evaluations=TRIALS[optimizer],
        seed=seed,
        ledger=False,
        checkpoint=lambda identity: LeaseCheckpoint(writer, identity),
        progress=watch,
    )
    return task


@pytest.mark.parametrize("optimizer", TRIALS)
def test_a_search_continued_in_the_store_is_the_same(store: Store, optimizer: str) -> None:
    add_task(store, id="opt_2")
    first, second = leased(store), leased(store)
    first_writer = writing(store, first)
    search(optimizer, first_writer, stop_at=TRIALS[optimizer] // 3).run()
    first_writer.flush()
    n = store.tasks.get(first.task.id).trials
    assert 0 < n < TRIALS[optimizer]
    store.queue.release(first)
    continued_writer = writing(store, leased(store))
    continued = search(optimizer, continued_writer)
    continued.run()
    continued_writer.flush()
    whole_writer = writing(store, second)
    whole = search(optimizer, whole_writer)
    whole.run()
    assert len(continued.history) == TRIALS[optimizer]
    for name in ("points", "scores", "metrics", "blocks", "states"):
        np.testing.assert_array_equal(getattr(continued.history, name), getattr(whole.history, name))
    assert store.tasks.get("opt_1").trials == TRIALS[optimizer]
    notes = [event.data["text"] for event in store.events.read("opt_1") if event.kind == "note"]
    assert notes == [f"continued after {n:,} trials"]


def test_another_search_is_not_continued(store: Store) -> None:
    first = writing(store, leased(store))
    search("ga", first, stop_at=100).run()
    first.flush()
    store.queue.release(first.lease)
    other = search("ga", writing(store, leased(store)), seed=4)
    with pytest.raises(
        CheckpointError, match=r"checkpoint of the task opt_1 belongs to another search; seed: was 3"
    ):
        other.run()


def test_a_lost_lease_ends_the_search_and_nothing_is_written(store: Store) -> None:
    lost = threading.Event()
    writer = StoreWriter(store, leased(store), on_lost=lost.set)
    writer.start()
    task = search("ga", writer, stop_at=100)
    store.queue.release(writer.lease)
    leased(store)
    before = store.tasks.get("opt_1")

    def run() -> None:
        task.run()
        writer.flush()

    with pytest.raises(LeaseLostError):
        run()
    assert lost.is_set()
    assert store.tasks.get("opt_1") == before


def test_who_insists_rests_between_two_attempts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_writer, "AGAIN", 0.05)
    attempts: list[float] = []

    def away() -> int:
        attempts.append(time.monotonic())
        if len(attempts) < 4:
            raise StorageUnavailableError
        return len(attempts)

    assert StoreWriter(store, leased(store), on_lost=lambda: None).insist(away) == 4
    assert attempts[-1] - attempts[0] >= 3 * 0.05


def test_what_waits_for_the_database_is_written_when_it_is_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_writer, "AGAIN", 0.01)
    save, failures = store.trials.save, iter(range(5))

    def away(*arguments: object, **named: object) -> int:
        if next(failures, None) is not None:
            raise StorageUnavailableError
        return save(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store.trials, "save", away)
    writer = writing(store, leased(store))
    task = search("ga", writer)
    task.run()
    writer.flush()
    assert next(failures, None) is None
    assert store.tasks.get("opt_1").trials == len(task.history) == 3000
    events = store.events.read("opt_1")
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
