"""Who gets which task, for how long, and that nobody writes with an old lease."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from storage_worlds import Clock, add_task, leased, make_history
from strategy_optimizer.errors import LeaseLostError, TaskStateError
from strategy_optimizer.storage import Lease, NewEvent, Quota, Store, TrialChunk
from strategy_optimizer.storage.queue import MOST_LOSSES


def lease_all(store: Store) -> list[str]:
    found = []
    while (lease := store.queue.lease("worker-1", 12)) is not None:
        found.append(lease.task.id)
    return found


def test_a_lease_says_who_has_the_task_and_until_when(store: Store, clock: Clock) -> None:
    task_id = add_task(store)
    clock.move(seconds=5)
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    assert lease.task == store.tasks.get(task_id)
    assert (lease.worker, lease.token, (lease.ends - clock.now).total_seconds()) == ("worker-1", 1, 12.0)
    task = lease.task
    assert (task.state, task.worker, task.started, task.attempts) == ("running", "worker-1", clock.now, 1)
    assert store.queue.lease("worker-2", 12) is None


def test_priority_goes_first_then_the_longest_wait(store: Store, clock: Clock) -> None:
    for task_id, priority in (("first", 0), ("second", 0), ("urgent", 5), ("last", -1)):
        add_task(store, id=task_id, priority=priority)
        clock.move(seconds=1)
    store.tasks.set_priority("second", 1)
    assert lease_all(store) == ["urgent", "second", "first", "last"]


def test_owners_take_turns(store: Store, clock: Clock) -> None:
    for number in range(4):
        add_task(store, id=f"ada_{number}")
        clock.move(seconds=1)
    for number in range(2):
        add_task(store, owner="ben", id=f"ben_{number}")
        clock.move(seconds=1)
    assert lease_all(store) == ["ada_0", "ben_0", "ada_1", "ben_1", "ada_2", "ada_3"]


def test_an_owner_at_the_quota_waits(store: Store) -> None:
    store.accounts.set_quota("ada", Quota(running_tasks=1))
    first, second = add_task(store, id="a1"), add_task(store, id="a2")
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    assert lease.task.id == first
    assert store.queue.lease("worker-1", 12) is None
    assert add_task(store, owner="ben") == lease_all(store)[0]
    store.queue.finish(lease, "completed", stop_reason="budget")
    assert lease_all(store) == [second]


def test_a_look_says_whether_there_is_anything_to_lease(store: Store, clock: Clock) -> None:
    assert not store.queue.has_task()
    lease = leased(store)
    assert not store.queue.has_task()
    clock.move(seconds=11.9)
    assert not store.queue.has_task()
    clock.move(seconds=0.1)
    assert store.queue.has_task()  # its worker is silent
    store.queue.finish(store.queue.lease("worker-2", 12), "completed")
    assert not store.queue.has_task()
    add_task(store)
    assert store.queue.has_task()
    assert lease.token == 1


HOUR = 3600.0
GIGABYTE = 2**30


def test_tasks_wait_for_room_in_the_quota_of_memory(store: Store, clock: Clock) -> None:
    """Large ones are passed by smaller ones of the same owner and by other owners, and go when there is room."""
    store.accounts.set_quota("ada", Quota(memory=6 * GIGABYTE))
    for task_id, memory in (("a1", None), ("a2", None), ("a3", GIGABYTE), ("a4", GIGABYTE), ("a5", GIGABYTE)):
        add_task(store, id=task_id, memory=memory)
        clock.move(seconds=1)
    add_task(store, owner="ben", id="b1", memory=100 * GIGABYTE)
    first = store.queue.lease("worker-1", 12)
    assert first is not None
    assert (first.task.id, first.task.memory) == ("a1", None)
    assert lease_all(store) == ["b1", "a3", "a4"]
    assert store.accounts.usage("ada").memory == 6 * GIGABYTE
    store.queue.finish(first, "completed", stop_reason="budget")
    assert lease_all(store) == ["a2"]
    assert store.accounts.usage("ada").memory == 6 * GIGABYTE
    store.accounts.set_quota("ada", Quota())
    assert lease_all(store) == ["a5"]


def test_a_task_larger_than_the_quota_waits_until_the_quota_grows(store: Store) -> None:
    """As after a quota was made smaller; the API takes no such task."""
    task_id = add_task(store, memory=2 * GIGABYTE)
    store.accounts.set_quota("ada", Quota(memory=2 * GIGABYTE - 1))
    assert store.queue.lease("worker-1", 12) is None
    store.accounts.set_quota("ada", Quota(memory=2 * GIGABYTE))
    assert lease_all(store) == [task_id]


def test_smaller_tasks_go_before_a_large_one_for_ten_minutes(store: Store, clock: Clock) -> None:
    store.accounts.set_quota("ada", Quota(memory=6 * GIGABYTE))
    running = leased(store, memory=4 * GIGABYTE)
    sizes = {"large": 5, "second": 2, "third": 2}
    large, first, second = (add_task(store, id=name, memory=n * GIGABYTE) for name, n in sizes.items())
    add_task(store, id="never", memory=7 * GIGABYTE, priority=9)  # the quota was larger when it was made
    overtaking = store.queue.lease("w", HOUR)
    assert overtaking is not None
    assert overtaking.task.id == first
    store.queue.finish(overtaking, "completed")
    store.queue.heartbeat(running, HOUR)
    clock.move(minutes=10)
    assert store.queue.lease("w", HOUR) is None
    urgent = add_task(store, memory=GIGABYTE, priority=1)
    others = add_task(store, owner="ben", memory=GIGABYTE)
    taken = [store.queue.lease("w", HOUR) for _ in range(2)]
    assert [lease and lease.task.id for lease in taken] == [urgent, others]
    for lease in (running, taken[0]):
        assert lease is not None
        store.queue.finish(lease, "completed")
    for expected in (large, second):
        lease = store.queue.lease("w", HOUR)
        assert lease is not None
        assert lease.task.id == expected
        store.queue.finish(lease, "completed")
    assert store.queue.lease("w", HOUR) is None


def test_a_lost_task_leaves_its_memory(store: Store, clock: Clock) -> None:
    store.accounts.set_quota("ada", Quota(memory=GIGABYTE))
    lease = leased(store, memory=GIGABYTE)
    clock.move(seconds=1)
    add_task(store, id="next", memory=GIGABYTE)
    assert store.queue.lease("worker-1", 12) is None
    clock.move(seconds=13)
    again = store.queue.lease("worker-2", 12)
    assert again is not None
    assert again.task.id == lease.task.id
    store.accounts.set_quota("ada", Quota(memory=0))
    store.tasks.cancel(lease.task.id)
    clock.move(seconds=13)
    assert store.queue.lease("worker-2", 12) is None
    assert store.tasks.get(lease.task.id).state == "cancelled"  # what only ends needs no memory


def test_a_heartbeat_extends_the_lease(store: Store, clock: Clock) -> None:
    lease = leased(store)
    for _ in range(5):
        clock.move(seconds=10)
        beat = store.queue.heartbeat(lease, 12)
        assert (beat.ends - clock.now).total_seconds() == 12.0
        assert store.queue.lease("worker-2", 12) is None


def test_a_silent_worker_loses_its_task(store: Store, clock: Clock) -> None:
    lease = leased(store)
    clock.move(seconds=11.9)
    assert store.queue.lease("worker-2", 12) is None
    clock.move(seconds=0.1)
    newer = store.queue.lease("worker-2", 12)
    assert newer is not None
    assert (newer.task.id, newer.token, newer.task.worker) == (lease.task.id, 2, "worker-2")
    assert (newer.task.state, newer.task.attempts, newer.task.losses) == ("running", 2, 1)
    with pytest.raises(LeaseLostError):
        store.queue.heartbeat(lease, 12)


def test_a_late_worker_goes_on_when_nobody_took_over(store: Store, clock: Clock) -> None:
    lease = leased(store)
    clock.move(minutes=5)
    store.queue.heartbeat(lease, 12)
    assert store.queue.lease("worker-2", 12) is None


CHUNK = TrialChunk.of(make_history(10), 0, 10)
WRITES: dict[str, Callable[[Store, Lease], Any]] = {
    "heartbeat": lambda store, lease: store.queue.heartbeat(lease, 12),
    "release": lambda store, lease: store.queue.release(lease),
    "release lost": lambda store, lease: store.queue.release(lease, lost="its process died"),
    "tell": lambda store, lease: store.queue.tell(lease, [NewEvent("progress")]),
    "save": lambda store, lease: store.trials.save(lease, CHUNK, {"told": 10}, events=[NewEvent("progress")]),
    "save state": lambda store, lease: store.trials.save(lease, None, {"told": 0}),
    "complete": lambda store, lease: store.queue.finish(lease, "completed", result={"best": 1}),
    "fail": lambda store, lease: store.queue.finish(lease, "failed", error="broke"),
    "pause": lambda store, lease: store.queue.finish(lease, "paused"),
}


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_with_an_old_lease(store: Store, clock: Clock, write: str) -> None:
    old = leased(store)
    clock.move(seconds=13)
    newer = store.queue.lease("worker-2", 12)
    assert newer is not None
    before = store.tasks.get(old.task.id)
    with pytest.raises(LeaseLostError, match="leased again, to worker-2: lease 1 of worker-1 is over"):
        WRITES[write](store, old)
    assert store.tasks.get(old.task.id) == before
    assert (store.trials.summaries(old.task.id), store.trials.checkpoint(old.task.id)) == ([], None)
    assert store.tasks.result(old.task.id) is None
    WRITES[write](store, newer)


@pytest.mark.parametrize("write", WRITES)
def test_nothing_is_written_after_the_end(store: Store, write: str) -> None:
    lease = leased(store)
    ended = store.queue.finish(lease, "completed", stop_reason="budget")
    with pytest.raises(LeaseLostError, match="is completed: lease 1 is over"):
        WRITES[write](store, lease)
    assert store.tasks.get(lease.task.id) == ended


def test_the_end_brings_result_progress_and_events(store: Store, clock: Clock) -> None:
    lease = leased(store)
    clock.move(seconds=3)
    task = store.queue.finish(
        lease,
        "completed",
        stop_reason="converged",
        result={"best": [1, None]},
        progress={"trials": 7},
        events=[NewEvent("verdict", {"decision": "paper"})],
    )
    assert (task.state, task.stop_reason, task.finished, task.lease_ends) == (
        "completed",
        "converged",
        clock.now,
        None,
    )
    assert task.progress == {"trials": 7}
    result = store.tasks.result(task.id)
    assert result is not None
    assert (result.document, result.saved) == ({"best": [1, None]}, clock.now)
    assert [event.kind for event in store.events.read(task.id)] == ["state", "state", "verdict", "state"]


def test_a_running_task_ends_in_a_known_state(store: Store) -> None:
    with pytest.raises(TaskStateError, match="cannot become running"):
        store.queue.finish(leased(store), "running")


def test_a_task_given_back_keeps_its_place(store: Store, clock: Clock) -> None:
    first = leased(store)
    clock.move(seconds=1)
    add_task(store)
    assert store.queue.release(first).state == "queued"
    again = store.queue.lease("worker-2", 12)
    assert again is not None
    assert (again.task.id, again.token, again.task.losses) == (first.task.id, 2, 0)


def test_a_task_that_kills_its_workers_fails(store: Store, clock: Clock) -> None:
    task_id = leased(store).task.id
    for loss in range(1, MOST_LOSSES):
        clock.move(seconds=13)
        lease = store.queue.lease("worker-1", 12)
        assert lease is not None
        assert lease.task.losses == loss
    clock.move(seconds=13)
    assert store.queue.lease("worker-1", 12) is None
    task = store.tasks.get(task_id)
    assert (task.state, task.error) == (
        "failed",
        f"the task was lost {MOST_LOSSES} times, one after the other without a new trial; the last time its worker was "
        "worker-1, and it went silent",
    )


def test_new_trials_wipe_out_the_losses(store: Store, clock: Clock) -> None:
    history, task_id = make_history(100), leased(store).task.id
    for round_ in range(3 * MOST_LOSSES):
        clock.move(seconds=13)
        lease = store.queue.lease("worker-1", 12)
        assert lease is not None
        store.trials.save(lease, TrialChunk.of(history, round_, round_ + 1), {})
    assert store.tasks.get(task_id).trials == 3 * MOST_LOSSES


def test_a_wish_outlives_the_worker(store: Store, clock: Clock) -> None:
    cancelled = leased(store).task.id
    paused = leased(store).task.id
    store.tasks.cancel(cancelled)
    store.tasks.pause(paused)
    clock.move(seconds=13)
    assert store.queue.lease("worker-2", 12) is None
    assert (store.tasks.get(cancelled).state, store.tasks.get(paused).state) == ("cancelled", "paused")


# -- processes that died, and workers with several tasks ---------------------------------------------------------


def test_a_task_whose_process_died_is_free_at_once(store: Store, clock: Clock) -> None:
    first = leased(store)
    clock.move(seconds=1)
    add_task(store)
    task = store.queue.release(first, lost="its process was killed by SIGKILL")
    assert (task.state, task.losses, task.worker) == ("queued", 1, "worker-1")
    again = store.queue.lease("worker-2", 12)
    assert again is not None
    assert (again.task.id, again.token, again.task.losses) == (first.task.id, 2, 1)
    assert [event.data["state"] for event in store.events.read(task.id)] == [
        "queued", "running", "queued", "running",
    ]  # fmt: skip


def test_a_task_whose_processes_die_fails_with_the_reason(store: Store) -> None:
    lease = leased(store)
    for loss in range(1, MOST_LOSSES):
        assert store.queue.release(lease, lost="it died").losses == loss
        found = store.queue.lease(f"worker-{loss + 1}", 12)
        assert found is not None
        lease = found
    task = store.queue.release(lease, lost="its process was killed by SIGSEGV")
    assert (task.state, task.losses, task.lease_ends) == ("failed", MOST_LOSSES, None)
    assert task.error == (
        f"the task was lost {MOST_LOSSES} times, one after the other without a new trial; the last time its worker "
        f"was worker-{MOST_LOSSES}, and its process was killed by SIGSEGV"
    )
    assert store.queue.lease("worker-1", 12) is None


def test_losses_of_both_kinds_count_together_until_a_new_trial(store: Store, clock: Clock) -> None:
    lease, history = leased(store), make_history(10)
    for round_ in range(10):
        store.queue.release(lease, lost="it died")
        assert store.queue.lease("worker-1", 12) is not None
        clock.move(seconds=13)
        found = store.queue.lease("worker-2", 12)
        assert found is not None
        lease = found
        assert lease.task.losses == 2
        store.trials.save(lease, TrialChunk.of(history, round_, round_ + 1), {})


@pytest.mark.parametrize(("wish", "state"), [("cancel", "cancelled"), ("pause", "paused")])
def test_a_wish_is_fulfilled_when_the_process_dies(store: Store, wish: str, state: str) -> None:
    lease = leased(store)
    getattr(store.tasks, wish)(lease.task.id)
    assert store.queue.release(lease, lost="it died").state == state


def test_all_tasks_of_a_dead_worker_are_free_at_once(store: Store) -> None:
    mine, wished = leased(store), leased(store)
    other = store.queue.release(leased(store)).id
    assert store.queue.lease("worker-2", 12) is not None
    store.tasks.cancel(wished.task.id)
    given_back = store.queue.reclaim("worker-1", "the worker died")
    assert {task.id: (task.state, task.losses) for task in given_back} == {
        mine.task.id: ("queued", 1),
        wished.task.id: ("cancelled", 1),
    }
    assert store.queue.reclaim("worker-1", "the worker died") == []
    assert store.tasks.get(other).worker == "worker-2"


def test_lost_tasks_are_settled_without_anybody_who_looks_for_work(store: Store, clock: Clock) -> None:
    cancelled, paused, going_on = leased(store), leased(store), leased(store)
    store.tasks.cancel(cancelled.task.id)
    store.tasks.pause(paused.task.id)
    assert store.queue.settle() == []
    clock.move(seconds=13)
    settled = {task.id: task.state for task in store.queue.settle()}
    assert settled == {cancelled.task.id: "cancelled", paused.task.id: "paused"}
    assert store.tasks.get(going_on.task.id).state == "running"


def test_leases_are_renewed_together(store: Store, clock: Clock) -> None:
    first, second, third = leased(store), leased(store), leased(store)
    store.tasks.cancel(first.task.id)
    store.tasks.pause(second.task.id)
    store.queue.finish(third, "completed")
    clock.move(seconds=10)
    wishes = store.queue.wishes([first, second, third])
    assert {name: (beat.cancel_requested, beat.pause_requested) for name, beat in wishes.items()} == {
        first.task.id: (True, False),
        second.task.id: (False, True),
    }
    assert {beat.ends for beat in wishes.values()} == {first.ends}
    beats = store.queue.heartbeats([first, second, third], 12)
    assert {name: (beat.ends - clock.now).total_seconds() for name, beat in beats.items()} == {
        first.task.id: 12.0,
        second.task.id: 12.0,
    }
    clock.move(seconds=11)
    assert store.queue.lease("worker-2", 12) is None
    assert store.queue.heartbeats([], 12) == store.queue.wishes([]) == {}


def test_an_old_lease_is_not_renewed(store: Store, clock: Clock) -> None:
    old = leased(store)
    clock.move(seconds=13)
    newer = store.queue.lease("worker-2", 12)
    assert newer is not None
    clock.move(seconds=5)
    assert store.queue.wishes([old]) == store.queue.heartbeats([old], 60) == {}
    assert store.tasks.get(old.task.id).lease_ends == newer.ends


def test_the_summary_goes_with_the_events(store: Store) -> None:
    lease = leased(store)
    store.queue.tell(lease, [NewEvent("progress", {"trials": 3})], progress={"trials": 3})
    assert store.tasks.get(lease.task.id).progress == {"trials": 3}
    store.queue.tell(lease, [NewEvent("note")])
    assert store.tasks.get(lease.task.id).progress == {"trials": 3}


def test_the_last_trials_come_with_the_end(store: Store, clock: Clock) -> None:
    history = make_history(13)
    lease = leased(store)
    store.trials.save(lease, TrialChunk.of(history, 0, 10), {"told": 10})
    task = store.queue.finish(lease, "completed", chunk=TrialChunk.of(history, 8, 13))
    assert (task.state, task.trials) == ("completed", 13)
    stored = list(store.trials.read(lease.task.id))
    assert all(chunk.same_trials(TrialChunk.of(history, chunk.first, chunk.stop)) for chunk in stored)
    assert stored[-1].stop == 13


def test_the_last_trials_of_a_lost_lease_are_not_taken(store: Store, clock: Clock) -> None:
    history = make_history(13)
    lease = leased(store)
    clock.move(seconds=20)
    assert store.queue.lease("worker-2", 12) is not None
    with pytest.raises(LeaseLostError):
        store.queue.finish(lease, "completed", chunk=TrialChunk.of(history, 0, 13))
    assert list(store.trials.read(lease.task.id)) == []
