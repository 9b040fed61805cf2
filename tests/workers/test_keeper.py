"""The threads of a worker that speak with the store: leases are renewed, rests are kept, and no fault ends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from storage_worlds import Clock, add_task
from strategy_optimizer.errors import StorageUnavailableError
from strategy_optimizer.storage import Lease, Store
from strategy_optimizer.workers.keeper import Keeper, Leased, Wished
from strategy_optimizer.workers.settings import WorkerSettings

LEASE = 12.0
PATIENCE = 60.0
FEW = 100
"""Far more calls than a second of rests has, and far fewer than one without."""


@pytest.fixture
def make_keeper(store: Store, tmp_path: Path) -> Iterator[Callable[[float], Keeper]]:
    made: list[Keeper] = []

    def make(heartbeat: float) -> Keeper:
        times = {"lease": LEASE, "heartbeat": heartbeat, "look": 0.1}
        settings = WorkerSettings(database=str(store.database), folder=tmp_path, name="keeping", **times)
        made.append(Keeper(store, settings, wake=lambda: None))
        made[-1].start()
        return made[-1]

    yield make
    for keeper in made:
        keeper.stop(PATIENCE)


def take_one(keeper: Keeper) -> Lease:
    keeper.want_one()
    news = keeper.news.get(timeout=PATIENCE)
    assert isinstance(news, Leased)
    return news.lease


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_renewed(store: Store, lease: Lease, now: Any) -> bool:
    return store.tasks.get(lease.task.id).lease_ends == now + timedelta(seconds=LEASE)


class Failing:
    """A call of the store that fails while it is told to, and is counted."""

    def __init__(self, patch: pytest.MonkeyPatch, part: object, name: str, error: Exception | None) -> None:
        self.error = error
        self.calls: list[float] = []
        self.answered: list[float] = []
        self._call = getattr(part, name)
        patch.setattr(part, name, self)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls.append(time.monotonic())
        if self.error is not None:
            raise self.error
        found = self._call(*arguments, **named)
        self.answered.append(time.monotonic())
        return found


def test_leases_are_renewed_until_they_are_let_go(
    store: Store, clock: Clock, make_keeper: Callable[[float], Keeper]
) -> None:
    one, other = add_task(store), add_task(store)
    keeper = make_keeper(0.1)
    kept, let_go = take_one(keeper), take_one(keeper)
    assert {kept.task.id, let_go.task.id} == {one, other}
    now = clock.move(seconds=5)
    wait_until(lambda: is_renewed(store, kept, now) and is_renewed(store, let_go, now))
    keeper.let_go(let_go)
    for _ in range(2):  # the first heartbeat may have begun before
        now = clock.move(seconds=5)
        wait_until(lambda now=now: is_renewed(store, kept, now))  # type: ignore[misc]
    assert not is_renewed(store, let_go, now)


def test_a_lease_that_another_worker_has_now_is_told(
    store: Store, make_keeper: Callable[[float], Keeper]
) -> None:
    add_task(store)
    keeper = make_keeper(0.1)
    lease = take_one(keeper)
    store.queue.release(lease)
    newer = store.queue.lease("another", LEASE)
    assert newer is not None
    assert keeper.news.get(timeout=PATIENCE) == Wished(lease, "lost")


def test_after_an_outage_others_renew_their_leases_first(
    store: Store,
    make_keeper: Callable[[float], Keeper],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_task(store)
    count = Failing(monkeypatch, store.tasks, "count", StorageUnavailableError("away"))
    keeper = make_keeper(1.0)
    keeper.want_one()
    wait_until(lambda: len(count.calls) >= 2)
    time.sleep(1.0)
    assert keeper.news.empty()
    assert len(count.calls) < FEW
    count.error = None
    assert isinstance(keeper.news.get(timeout=PATIENCE), Leased)
    assert time.monotonic() - count.answered[0] >= 1.0
    assert caplog.text.count("the store answers again") == 1


def test_who_waits_for_a_task_looks_now_and_then(
    store: Store, make_keeper: Callable[[float], Keeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Failing(monkeypatch, store.queue, "has_task", None)
    make_keeper(0.1).want_one()
    wait_until(lambda: len(look.calls) >= 2)
    time.sleep(1.0)
    assert len(look.calls) < FEW


def test_a_fault_is_told_once_and_leases_are_renewed_after_it(
    store: Store,
    clock: Clock,
    make_keeper: Callable[[float], Keeper],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    add_task(store)
    keeper = make_keeper(0.1)
    lease = take_one(keeper)
    beat = Failing(monkeypatch, store.queue, "heartbeats", ValueError("a fault of ours"))
    wait_until(lambda: len(beat.calls) >= 3)
    assert not keeper.is_well
    assert caplog.text.count("ValueError: a fault of ours") == 1
    now = clock.move(seconds=5)
    beat.error = None
    wait_until(lambda: is_renewed(store, lease, now))
    wait_until(lambda: keeper.is_well)


def test_an_end_that_fails_by_a_fault_is_told_and_keeps_nothing_waiting(
    store: Store, clock: Clock, make_keeper: Callable[[float], Keeper], caplog: pytest.LogCaptureFixture
) -> None:
    add_task(store)
    add_task(store)
    keeper = make_keeper(0.1)
    one, other = take_one(keeper), take_one(keeper)

    def fail() -> None:
        raise ValueError("a fault of ours")

    keeper.settle(one, "is given back", fail)
    keeper.settle(other, "is given back", lambda: store.queue.release(other))
    assert keeper.stop(PATIENCE)
    assert f"{one.task.id} is given back: a fault of the program, its lease will run out" in caplog.text
    assert "ValueError: a fault of ours" in caplog.text
    assert store.tasks.get(other.task.id).state == "queued"
    clock.move(seconds=LEASE + 1)
    again = [store.queue.lease("another", LEASE) for _ in range(2)]
    assert {lease.task.id for lease in again if lease is not None} == {one.task.id, other.task.id}


def test_a_fault_in_taking_a_task_is_told_and_it_is_taken_later(
    store: Store,
    make_keeper: Callable[[float], Keeper],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    task_id = add_task(store)
    leasing = Failing(monkeypatch, store.queue, "lease", ValueError("a fault of ours"))
    keeper = make_keeper(0.1)
    keeper.want_one()
    wait_until(lambda: len(leasing.calls) >= 2)
    assert "ValueError: a fault of ours" in caplog.text
    leasing.error = None
    news = keeper.news.get(timeout=PATIENCE)
    assert isinstance(news, Leased)
    assert news.lease.task.id == task_id
