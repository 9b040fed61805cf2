"""Making, reading and listing tasks, and what their owners ask of them."""

from __future__ import annotations

import math

import pytest

from storage_worlds import DOCUMENT, Clock, add_task, leased
from strategy_optimizer.errors import (
    NotStoredError,
    StorageError,
    TaskExistsError,
    TaskNotFoundError,
    TaskStateError,
)
from strategy_optimizer.storage import NewTask, Place, Store


def test_a_task_comes_back_as_it_was_given(store: Store, clock: Clock) -> None:
    new = NewTask("ada", "momentum", DOCUMENT, id="opt_1", parent="opt_0", priority=3, deadline=clock.now)
    creation = store.tasks.create(new)
    task = store.tasks.get("opt_1")
    assert creation.is_new
    assert creation.task == task
    assert (task.id, task.owner, task.strategy, task.parent) == ("opt_1", "ada", "momentum", "opt_0")
    assert (task.state, task.priority, task.deadline, task.created) == ("queued", 3, clock.now, clock.now)
    assert task.document == DOCUMENT
    assert list(task.document["parameter_space"]) == ["z", "a"]  # the order of the keys is that of the space
    assert (task.trials, task.events, task.attempts, task.token, task.started) == (0, 1, 0, 0, None)


def test_a_task_without_an_id_gets_one(store: Store) -> None:
    assert add_task(store) != add_task(store)


def test_an_id_is_taken_once(store: Store) -> None:
    add_task(store, id="opt_1")
    with pytest.raises(TaskExistsError, match="opt_1 is taken"):
        add_task(store, owner="ben", id="opt_1")


def test_the_same_key_makes_one_task(store: Store) -> None:
    first = store.tasks.create(NewTask("ada", "momentum", DOCUMENT), idempotency_key="k")
    again = store.tasks.create(NewTask("ada", "momentum", DOCUMENT), idempotency_key="k")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.task == first.task
    assert store.tasks.create(NewTask("ben", "momentum", DOCUMENT), idempotency_key="k").is_new
    with pytest.raises(TaskExistsError, match="the idempotency key 'k' was used"):
        store.tasks.create(NewTask("ada", "momentum", {**DOCUMENT, "data": "nasdaq"}), idempotency_key="k")
    assert store.tasks.count() == 2


def test_a_task_has_an_owner_that_exists(store: Store) -> None:
    with pytest.raises(NotStoredError, match="no user 'eve'"):
        add_task(store, owner="eve")


def test_what_json_cannot_say_is_refused(store: Store) -> None:
    with pytest.raises(StorageError, match="JSON"):
        store.tasks.create(NewTask("ada", "momentum", {"target": math.nan}))
    assert store.tasks.count() == 0


def test_an_unknown_task(store: Store) -> None:
    with pytest.raises(TaskNotFoundError) as caught:
        store.tasks.get("opt_9")
    assert str(caught.value) == "there is no task 'opt_9'"
    assert caught.value.task == "opt_9"
    for call in (store.tasks.cancel, store.tasks.pause, store.tasks.result, store.trials.summaries):
        with pytest.raises(TaskNotFoundError):
            call("opt_9")
    with pytest.raises(KeyError):
        store.events.read("opt_9")


def test_somebody_elses_task_does_not_exist(store: Store) -> None:
    task_id = add_task(store)
    assert store.tasks.get(task_id, owner="ada").id == task_id
    with pytest.raises(TaskNotFoundError):
        store.tasks.get(task_id, owner="ben")


def test_pages_have_every_task_once_the_newest_first(store: Store, clock: Clock) -> None:
    made = []
    for number in range(7):
        made.append(add_task(store, owner="ada" if number % 2 else "ben", id=f"opt_{number}"))
        if number % 3:
            clock.move(seconds=1)
    seen, last = [], None
    while page := store.tasks.page(before=last, limit=2):
        seen += [task.id for task in page]
        last = Place(page[-1].created, page[-1].id)
    assert sorted(seen) == made
    assert [task.created for task in store.tasks.page()] == sorted(
        (task.created for task in store.tasks.page()), reverse=True
    )


@pytest.mark.parametrize("ascending", [False, True])
def test_pages_can_be_sorted_by_what_many_have_in_common(store: Store, ascending: bool) -> None:
    for number in range(7):
        add_task(store, id=f"opt_{number}", priority=number % 3)
    seen, last = [], None
    while page := store.tasks.page(sort="priority", ascending=ascending, before=last, limit=2):
        seen += [(task.priority, task.id) for task in page]
        last = Place(page[-1].priority, page[-1].id)
    assert len(seen) == 7
    assert seen == sorted(seen, reverse=not ascending)


def test_pages_can_be_filtered(store: Store) -> None:
    mine, other = add_task(store), add_task(store, owner="ben")
    store.tasks.cancel(mine)
    assert [task.id for task in store.tasks.page(owner="ada")] == [mine]
    assert [task.id for task in store.tasks.page(states=["queued", "running"])] == [other]
    assert store.tasks.page(strategy="rsi") == []
    assert (store.tasks.count(), store.tasks.count(owner="ben"), store.tasks.count(states=["failed"])) == (
        2,
        1,
        0,
    )


def test_a_task_that_waits_is_cancelled_at_once(store: Store, clock: Clock) -> None:
    task = store.tasks.cancel(add_task(store))
    assert (task.state, task.stop_reason, task.finished) == ("cancelled", "cancelled", clock.now)
    assert store.tasks.cancel(task.id) == task
    assert [event.data["state"] for event in store.events.read(task.id)] == ["queued", "cancelled"]
    assert store.queue.lease("worker-1", 12) is None


def test_a_running_task_is_asked_to_end(store: Store) -> None:
    lease = leased(store)
    assert store.tasks.cancel(lease.task.id).state == "running"
    assert store.queue.heartbeat(lease, 12).cancel_requested
    assert store.queue.finish(lease, "cancelled", stop_reason="cancelled").state == "cancelled"


def test_pausing_and_going_on(store: Store) -> None:
    task_id = add_task(store)
    assert store.tasks.pause(task_id).state == "paused"
    assert store.tasks.pause(task_id).state == "paused"
    assert store.queue.lease("worker-1", 12) is None
    assert store.tasks.resume(task_id).state == "queued"
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    assert store.tasks.pause(task_id).pause_requested
    assert not store.tasks.resume(task_id).pause_requested
    assert store.tasks.pause(task_id).pause_requested
    assert store.queue.heartbeat(lease, 12).pause_requested
    paused = store.queue.finish(lease, "paused")
    assert (paused.state, paused.finished, paused.pause_requested) == ("paused", None, False)


def test_what_has_ended_stays_ended(store: Store) -> None:
    task_id = add_task(store)
    store.tasks.cancel(task_id)
    for call in (store.tasks.pause, store.tasks.resume):
        with pytest.raises(TaskStateError, match="is cancelled and cannot become") as caught:
            call(task_id)
        assert caught.value.state == "cancelled"
    with pytest.raises(TaskStateError, match="is cancelled and waits for no worker any more") as caught:
        store.tasks.set_priority(task_id, 5)
    assert caught.value.state == "cancelled"
    assert store.tasks.get(task_id).priority == 0


def test_only_what_has_ended_is_deleted(store: Store) -> None:
    task_id = add_task(store)
    with pytest.raises(TaskStateError, match="cancel it before"):
        store.tasks.delete(task_id)
    store.tasks.cancel(task_id)
    store.tasks.delete(task_id)
    with pytest.raises(TaskNotFoundError):
        store.tasks.delete(task_id)
