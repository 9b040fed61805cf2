"""Workers without a folder in common count each other's trials, and none of them twice, whatever is killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from storage_worlds import Postgres
from strategy_optimizer.models.schedule import ScheduledTask
from strategy_optimizer.storage import NewSchedule, OldLedgerEntry
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation import run_and_validate
from strategy_optimizer.validation.ledger import Ledger, decode, encode
from strategy_optimizer.validation.ledger.earlier import compare
from strategy_optimizer.workers import store_ledger
from strategy_optimizer.workers.schedules import run_now
from strategy_optimizer.workers.store_ledger import StoreLedger, take_in_folders
from worker_strategies import install
from worker_worlds import World


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.create()
    world = World(url, tmp_path)
    world.path = install(tmp_path / "strategies")
    try:
        yield world
    finally:
        world.close()


def counted(world: World, task_id: str) -> tuple[int, int]:
    """Return how many earlier searches and how many trials of all the verdict of a task counts."""
    task = world.wait(task_id)
    assert task.state == "completed", task.error
    result = world.store.tasks.result(task_id)
    assert result is not None
    found: Mapping[str, Any] | None = result.document["validation"]["overfitting"]["all_tasks"]
    return (0, task.trials) if found is None else (found["searches"], found["n_trials"])


def entries(world: World) -> dict[str, int]:
    """Return the trials that the ledger has of each task."""
    return {task: decode(entry).trials.made for task, entry in world.store.ledger.entries("ada")}


def test_two_workers_count_each_others_trials_once(world: World, tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "other"
    world.start_worker(folder=first)
    one = world.add(60, optimizer="random", seed=1)
    assert counted(world, one) == (0, 60)
    assert not (first / "ledger").exists()
    assert world.stop_workers() == [0]

    world.start_worker(folder=second)
    two = world.add(100, optimizer="random", seed=2)
    assert counted(world, two) == (1, 160)

    # Killed between its entry and its result: the next process enters the same.
    three = world.add(40, optimizer="random", seed=3, strategy="slow")
    world.wait_until(lambda: three in entries(world))
    assert world.store.tasks.get(three).state == "running"
    world.child_of(world.store.tasks.get(three)).kill()
    assert counted(world, three) == (2, 200)
    assert world.store.tasks.get(three).attempts == 2
    assert entries(world) == {one: 60, two: 100, three: 40}

    # The same again is the same trials: another task, and none of them new.
    again = world.add(100, optimizer="random", seed=2)
    assert counted(world, again) == (2, 200)

    plan = ScheduledTask(
        task={"optimization_type": "random", "optimization_config": {"budget": 30, "seed": 7}}
    )
    document = plan.model_dump(mode="json")
    schedule = world.store.schedules.add(NewSchedule("ada", "momentum", "nasdaq", "@yearly", document, None))
    assert counted(world, run_now(world.store, schedule).id) == (3, 230)

    world.store.accounts.add_user("ben", "operator", user_id="ben")
    assert world.store.ledger.clear("ada") == 5
    assert counted(world, world.add(50, optimizer="random", seed=4)) == (0, 50)


def test_a_task_that_goes_on_elsewhere_has_one_entry(world: World, tmp_path: Path) -> None:
    world.start_worker(folder=tmp_path / "one")
    task_id = world.add(300, strategy="slow")
    world.wait(task_id, lambda task: task.trials >= 50)
    assert world.stop_workers() == [0]
    ((name, entry),) = world.store.ledger.entries("ada")
    given_back = decode(entry)
    stored = world.store.tasks.get(task_id)
    assert (name, stored.state, given_back.interrupted) == (task_id, "queued", True)
    assert 50 <= given_back.trials.made == stored.trials < 300
    world.start_worker(folder=tmp_path / "other")
    assert counted(world, task_id) == (0, 300)
    ((_, entry),) = world.store.ledger.entries("ada")
    assert (decode(entry).trials.made, decode(entry).interrupted) == (300, False)


def test_ledgers_in_folders_are_taken_in_once(alone: World, tmp_path: Path) -> None:
    """As of workers before the ledger was in the store."""
    data = tmp_path / "data"
    folder = data / "ledger" / "ada"
    for seed in (1, 2):
        run_and_validate(make_task("momentum", "nasdaq", "random", evaluations=40, seed=seed), Ledger(folder))
    (folder / "damaged.entry").write_bytes(b"no entry")
    (data / "ledger" / "nobody").mkdir()
    alone.start_worker(folder=data)
    assert counted(alone, alone.add(60, optimizer="random", seed=3)) == (2, 140)
    assert not folder.exists()
    assert len(list((data / "ledger" / "taken-in" / "ada").iterdir())) == 3
    assert "2 entries of trial ledgers" in alone.log
    assert "1 entry of the trial ledger" in alone.log
    # The same task as one of the folder, and the folder once more: nothing is new.
    assert counted(alone, alone.add(40, optimizer="random", seed=1)) == (2, 140)
    (data / "ledger" / "taken-in" / "ada").rename(folder)
    assert take_in_folders(alone.store, data) == 0
    assert alone.store.ledger.count("ada") == 4
    alone.store.ledger.clear("ada")
    assert take_in_folders(alone.store, data) == 0
    assert alone.store.ledger.count("ada") == 0


def test_what_was_searched_on_other_bars_is_not_read(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of entries that older versions left, which do not say what they are about."""
    folder = Ledger(tmp_path / "folder")
    for data, seed in (("nasdaq", 1), ("nasdaq", 2), ("sp500", 1)):
        run_and_validate(make_task("momentum", data, "random", evaluations=30, seed=seed), folder)
    kept = folder.read().entries
    old = [
        OldLedgerEntry(f"file:{n}", datetime.now(UTC), entry.to_dict(), encode(entry))
        for n, entry in enumerate(kept)
    ]
    store = world.store
    store.ledger.take_in("ada", [*old, OldLedgerEntry("file:bad", datetime.now(UTC), {}, b"no entry")])
    world.add(30)
    lease = store.queue.lease("worker-1", 3600)
    assert lease is not None
    writer = SimpleNamespace(store=store, lease=lease, insist=lambda call: call())
    ledger = StoreLedger(writer)  # type: ignore[arg-type]
    read: list[str] = []
    monkeypatch.setattr(store_ledger, "decode", lambda data: read.append(decode(data).data) or decode(data))
    for _ in range(2):
        read.clear()
        reading = ledger.read(kept[0])
        assert reading.unreadable == ("file:bad",)
        one, other = (compare(kept[0], entries) for entries in (reading.entries, kept))
        assert [each.task_id for each in one.searches] == [each.task_id for each in other.searches]
        assert (len(one.searches), one.looks) == (1, other.looks)
    assert read == ["nasdaq", "nasdaq"]
    assert len(ledger.read().entries) == 3
