"""The trial ledgers in the store: one entry for each task, whoever writes it, and it outlives the task."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storage_worlds import Clock, add_task, leased
from strategy_optimizer.errors import LeaseLostError
from strategy_optimizer.storage import Listing, OldLedgerEntry, Retention, Store
from strategy_optimizer.storage.queue import MOST_LOSSES


def test_a_task_has_one_entry_which_a_later_lease_replaces(store: Store, clock: Clock) -> None:
    old = leased(store)
    store.ledger.put(old, summary={"trials": 3}, entry=b"three")
    clock.move(seconds=13)
    new = store.queue.lease("worker-2", 12)
    assert new is not None
    assert store.ledger.entries("ada") == [(old.task.id, b"three")]
    store.ledger.put(new, summary={"trials": 5}, entry=b"five")
    assert store.ledger.entries("ada") == [(old.task.id, b"five")]
    (record,) = store.ledger.page("ada", Listing("recorded")).rows
    assert (record.task, record.recorded, record.summary) == (old.task.id, clock.now, {"trials": 5})
    assert store.ledger.entries("ben") == []


def test_a_late_worker_enters_nothing(store: Store, clock: Clock) -> None:
    old = leased(store)
    clock.move(seconds=13)
    assert store.queue.lease("worker-2", 12) is not None
    with pytest.raises(LeaseLostError, match="leased again, to worker-2: lease 1 of worker-1 is over"):
        store.ledger.put(old, summary={}, entry=b"late")
    assert store.ledger.entries("ada") == []


@pytest.mark.parametrize("state", ["cancelled", "paused", "queued"])
def test_what_was_stopped_is_entered_after_its_end(store: Store, state: str) -> None:
    lease = leased(store)
    if state == "queued":
        store.queue.release(lease)
    else:
        store.queue.finish(lease, state)  # type: ignore[arg-type]
    store.ledger.put(lease, summary={}, entry=b"made")
    assert store.ledger.entries("ada") == [(lease.task.id, b"made")]


def test_an_entry_outlives_its_task_and_every_tidying(store: Store, clock: Clock) -> None:
    lease = leased(store)
    store.ledger.put(lease, summary={}, entry=b"made")
    store.queue.finish(lease, "completed", stop_reason="budget")
    clock.move(days=4000)
    assert store.tidy(Retention(tasks=1, audit=1)).tasks == 1
    store.vacuum()
    assert store.ledger.entries("ada") == [(lease.task.id, b"made")]
    with pytest.raises(LeaseLostError, match="was deleted"):
        store.ledger.put(lease, summary={}, entry=b"later")


def test_a_ledger_is_paged_and_emptied(store: Store, clock: Clock) -> None:
    for owner, n in (("ada", 5), ("ben", 1)):
        for number in range(n):
            add_task(store, owner=owner, id=f"{owner}_{number}")
            lease = store.queue.lease("worker-1", 12)
            assert lease is not None
            store.ledger.put(lease, summary={"n": number}, entry=b"x")
            store.queue.finish(lease, "completed", stop_reason="budget")
            clock.move(seconds=number % 2)  # some have the same moment
    found: list[int] = []
    listing = Listing("recorded", ascending=False, limit=2)
    while True:
        page = store.ledger.page("ada", listing)
        found += [record.summary["n"] for record in page.rows]
        assert page.total == 5
        if page.last is None:
            break
        listing = replace(listing, after=page.last)
    assert found == [4, 3, 2, 1, 0]
    assert store.ledger.count("ada") == 5
    assert store.ledger.clear("ada") == 5
    assert (store.ledger.count("ada"), store.ledger.count("ben")) == (0, 1)


def test_what_was_kept_elsewhere_is_taken_in_once(store: Store) -> None:
    moment = datetime(2025, 5, 1, tzinfo=UTC)
    entries = [OldLedgerEntry(f"file:{n}", moment, {"n": n}, bytes([n])) for n in range(3)]
    assert store.ledger.take_in("ada", entries[:2]) == 2
    assert store.ledger.take_in("ada", entries) == 1
    assert store.ledger.entries("ada") == [(f"file:{n}", bytes([n])) for n in range(3)]
    assert store.ledger.take_in("ada", []) == 0


def test_a_task_that_kills_its_workers_keeps_its_entry(store: Store, clock: Clock) -> None:
    lease = leased(store)
    store.ledger.put(lease, summary={}, entry=b"made")
    for _ in range(MOST_LOSSES):
        clock.move(seconds=13)
        store.queue.lease("worker-1", 12)
    assert store.tasks.get(lease.task.id).state == "failed"
    assert store.ledger.count("ada") == 1


def test_entries_are_found_by_the_bars_that_they_are_about(store: Store) -> None:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    months = [b"one", b"two", b"one", None]
    entries = [OldLedgerEntry(f"file:{n}", at, {}, bytes([n]), found) for n, found in enumerate(months)]
    assert store.ledger.take_in("ada", entries) == 4
    one, two = (hashlib.sha256(found).hexdigest() for found in (b"one", b"two"))
    assert store.ledger.bars("ada") == {one: b"one", two: b"two"}
    assert store.ledger.bars("ben") == {}

    def found(*bars: str) -> list[str]:
        return [task for task, _ in store.ledger.entries("ada", bars=bars)]

    assert found(one) == ["file:0", "file:2", "file:3"]  # the last is about nobody knows what
    assert found(two) == ["file:1", "file:3"]
    assert store.ledger.undescribed("ada") == [("file:3", b"\3")]
    store.ledger.describe("ada", {"file:3": b"three", "file:0": b"three"})
    assert found(one) == ["file:0", "file:2"]
    assert store.ledger.undescribed("ada") == []
    assert store.ledger.bars("ada")[hashlib.sha256(b"three").hexdigest()] == b"three"
    assert len(store.ledger.entries("ada")) == 4
    assert (store.ledger.clear("ada"), store.ledger.bars("ada")) == (4, {})


def test_a_later_lease_may_be_about_other_bars(store: Store) -> None:
    lease = leased(store)
    for months in (None, b"one", b"two"):
        store.ledger.put(lease, summary={}, entry=b"entry", months=months)
    two = hashlib.sha256(b"two").hexdigest()
    assert store.ledger.entries("ada", bars=[two]) == [(lease.task.id, b"entry")]
    assert store.ledger.undescribed("ada") == []
