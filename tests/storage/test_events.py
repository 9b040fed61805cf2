"""Events have no gap, and thinning out leaves none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from storage_worlds import Clock, add_task, leased, make_history
from strategy_optimizer.errors import TrialConflictError
from strategy_optimizer.storage import EventRecord, NewEvent, Store, TrialChunk


def assert_whole(events: Sequence[EventRecord], after: int = 0) -> None:
    """Each event begins where the one before it ended."""
    assert [event.first for event in events] == [after + 1, *(event.seq + 1 for event in events[:-1])]


def test_events_come_in_order_and_in_pages(store: Store, clock: Clock) -> None:
    lease = leased(store)
    for number in range(10):
        assert (
            store.queue.tell(lease, [NewEvent("progress", {"n": number}), NewEvent("tick")]) == 4 + 2 * number
        )
    events = store.events.read(lease.task.id)
    assert [event.seq for event in events] == list(range(1, 23))
    assert_whole(events)
    assert events[2].data == {"n": 0}
    assert events[2].at == clock.now
    assert [event.seq for event in store.events.read(lease.task.id, after=5, limit=3)] == [6, 7, 8]
    assert store.events.read(lease.task.id, after=22) == []
    assert store.tasks.get(lease.task.id).events == 22


def test_each_task_has_its_own_numbers(store: Store) -> None:
    one, two = leased(store), leased(store)
    store.queue.tell(one, [NewEvent("progress")])
    assert store.events.newest([one.task.id, two.task.id, "opt_9"]) == {one.task.id: 3, two.task.id: 2}
    numbers = [event.number for lease in (one, two) for event in store.events.read(lease.task.id)]
    assert len(set(numbers)) == 5


def test_news_of_several_tasks_come_at_once(store: Store) -> None:
    one, two, three = leased(store), leased(store), leased(store)
    store.queue.tell(one, [NewEvent("progress", {"n": number}) for number in range(5)])
    news = store.events.news({one.task.id: 3, two.task.id: 2, three.task.id: 0, "opt_9": 0}, limit=3)
    assert {task: [event.seq for event in events] for task, events in news.items()} == {
        one.task.id: [4, 5, 6],
        two.task.id: [],
        three.task.id: [1, 2],
    }
    assert news[one.task.id][0].data == {"n": 1}
    assert store.events.news({}) == {}


def test_events_are_stored_with_what_they_tell_of_or_not_at_all(store: Store) -> None:
    lease, history = leased(store), make_history(30)
    store.trials.save(lease, TrialChunk.of(history, 0, 10), {}, events=[NewEvent("progress", {"trials": 10})])
    with pytest.raises(TrialConflictError):
        store.trials.save(lease, TrialChunk.of(history, 20, 30), {}, events=[NewEvent("progress")])
    events = store.events.read(lease.task.id)
    assert [event.kind for event in events] == ["state", "state", "progress"]


def test_thinned_progress_leaves_no_gap(store: Store, clock: Clock) -> None:
    lease = leased(store)
    for number in range(6):
        store.queue.tell(lease, [NewEvent("progress", {"n": number})])
    store.queue.tell(lease, [NewEvent("improved")])
    store.queue.tell(lease, [NewEvent("progress", {"n": number}) for number in range(6, 9)])
    moment = clock.move(seconds=1)
    store.queue.tell(lease, [NewEvent("progress", {"n": 9})])
    assert store.events.thin_out(lease.task.id, before=moment) == 5 + 2
    events = store.events.read(lease.task.id)
    assert_whole(events)
    assert [(event.kind, event.data.get("n")) for event in events[2:]] == [
        ("progress", 5),
        ("improved", None),
        ("progress", 8),
        ("progress", 9),
    ]
    assert_whole(store.events.read(lease.task.id, after=8), after=8)
    assert store.events.read(lease.task.id, after=5)[0].seq == 8  # a reader in between gets what came of it
    store.queue.tell(lease, [NewEvent("progress", {"n": 10})])
    assert store.events.thin_out(lease.task.id, before=clock.move(seconds=1)) == 2
    assert_whole(store.events.read(lease.task.id))


def test_nothing_to_thin_out(store: Store, clock: Clock) -> None:
    task_id = add_task(store)
    assert store.events.thin_out(task_id, before=clock.move(days=1)) == 0
