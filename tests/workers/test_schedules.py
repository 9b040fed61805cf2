"""Schedules: when they are due, one run at a time, what was missed, and warm starts. The clock is the test's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage_worlds import Clock, make_history
from strategy_optimizer.errors import ScheduleError, StorageUnavailableError, TaskStateError
from strategy_optimizer.models.schedule import ScheduledTask
from strategy_optimizer.storage import TASK_MEMORY, NewSchedule, Quota, ScheduleRecord, Store, TrialChunk
from strategy_optimizer.workers import schedules
from strategy_optimizer.workers.cron_times import next_runs
from strategy_optimizer.workers.schedules import run_due, run_now


def add(store: Store, clock: Clock, cron: str = "@hourly", **values: Any) -> ScheduleRecord:
    plan = ScheduledTask(task={"optimization_type": "ga", "optimization_config": {"budget": 50}}, **values)
    (first,) = next_runs(cron, plan.timezone, clock.now)
    return store.schedules.add(
        NewSchedule("ada", "momentum", "nasdaq", cron, plan.model_dump(mode="json"), first)
    )


def end(store: Store, *, trials: int = 0) -> None:
    lease = store.queue.lease("worker-1", 12)
    assert lease is not None
    if trials:
        store.trials.save(lease, TrialChunk.of(make_history(trials), 0, trials), {})
    store.queue.finish(lease, "completed", stop_reason="budget")


def test_a_run_makes_the_task_that_it_stands_for(store: Store, clock: Clock) -> None:
    schedule = add(store, clock)
    assert run_due(store) == []
    clock.move(hours=1)
    (run,) = run_due(store)
    assert run.note is None
    assert run_due(store) == []
    task = store.tasks.get(str(run.task))
    assert (task.owner, task.strategy, task.state) == ("ada", "momentum", "queued")
    assert task.document["task"]["data"] == "nasdaq"
    assert task.document["task"]["optimization_config"] == {"budget": 50}
    assert "warm_start" not in task.document["task"]
    after = store.schedules.get(schedule.id)
    assert after.last_task == task.id
    assert after.next_run is not None
    assert clock.now < after.next_run <= clock.now + timedelta(hours=1)


def test_the_next_run_begins_with_the_best_of_the_last(store: Store, clock: Clock) -> None:
    add(store, clock)
    clock.move(hours=1)
    (first,) = run_due(store)
    end(store, trials=30)
    clock.move(hours=1)
    (second,) = run_due(store)
    task = store.tasks.get(str(second.task))
    assert (task.document["task"]["warm_start"], task.parent) == (first.task, first.task)


def test_without_warm_start_each_run_begins_anew(store: Store, clock: Clock) -> None:
    add(store, clock, warm_start=False)
    clock.move(hours=1)
    run_due(store)
    end(store, trials=30)
    clock.move(hours=1)
    (second,) = run_due(store)
    assert "warm_start" not in store.tasks.get(str(second.task)).document["task"]


def test_one_run_at_a_time(store: Store, clock: Clock) -> None:
    schedule = add(store, clock)
    clock.move(hours=1)
    (first,) = run_due(store)
    clock.move(hours=1)
    (left_out,) = run_due(store)
    assert left_out.task is None
    assert f"its last task {first.task} is still queued" in str(left_out.note)
    assert store.schedules.get(schedule.id).note == left_out.note
    with pytest.raises(TaskStateError, match="is still queued"):
        run_now(store, store.schedules.get(schedule.id))
    end(store)
    clock.move(hours=1)
    (third,) = run_due(store)
    assert third.task is not None
    assert store.schedules.get(schedule.id).note is None


def test_what_cannot_be_read_keeps_no_other_waiting(store: Store, clock: Clock) -> None:
    """A schedule of another version, or whose zone is not on this machine."""
    plan = ScheduledTask(task={"colour": "red"}).model_dump(mode="json")
    broken = {
        "a field": NewSchedule("ada", "momentum", "nasdaq", "@hourly", plan, clock.now),
        "a zone": NewSchedule(
            "ada", "momentum", "nasdaq", "@hourly", {"timezone": "Mars/Olympus"}, clock.now
        ),
        "a plan": NewSchedule("ada", "momentum", "nasdaq", "@hourly", {"task": 5}, clock.now),
    }
    made = {name: store.schedules.add(new).id for name, new in broken.items()}
    clock.move(seconds=1)
    good = add(store, clock)
    clock.move(hours=1)
    runs = {run.schedule: run for run in run_due(store)}
    assert runs[good.id].task is not None
    assert runs.keys() == {good.id, made["a field"]}
    notes = {name: str(store.schedules.get(schedule_id).note) for name, schedule_id in made.items()}
    assert "was left out: 1 validation error for TaskIn" in notes["a field"]
    assert "its runs cannot be made: there is no time zone 'Mars/Olympus'" in notes["a zone"]
    assert notes["a plan"].startswith("its runs cannot be made: 1 validation error")


def test_many_who_run_it_at_once_make_one_task(store: Store, clock: Clock) -> None:
    schedule = add(store, clock)
    barrier = threading.Barrier(8)

    def run(_: int) -> str:
        seen = store.schedules.get(schedule.id)
        barrier.wait()
        return run_now(store, seen).id

    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(run, range(8)))
    assert len(made) == 1
    assert store.tasks.count() == 1
    assert store.schedules.get(schedule.id).last_task == made.pop()
    end(store)
    first = store.schedules.get(schedule.id).last_task
    assert run_now(store, store.schedules.get(schedule.id)).parent == first
    assert store.tasks.count() == 2


def test_a_run_that_is_due_while_somebody_runs_it_makes_one_task(store: Store, clock: Clock) -> None:
    seen = add(store, clock)
    clock.move(hours=1)
    (run,) = run_due(store)
    assert run_now(store, seen).id == run.task  # who had looked before
    assert store.tasks.count() == 1


def test_missed_runs_are_made_up_for_by_one(store: Store, clock: Clock) -> None:
    add(store, clock)
    clock.move(hours=5, minutes=10)
    (run,) = run_due(store)
    assert run.task is not None
    assert "4 more runs were missed" in str(run.note)
    assert run_due(store) == []
    assert store.tasks.count() == 1


def test_a_run_that_was_cut_off_makes_one_task(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, clock)
    clock.move(hours=1)

    def dies(*_: Any, **__: Any) -> bool:
        raise StorageUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(type(store.schedules), "claim", dies)  # the worker dies between task and claim
        with pytest.raises(StorageUnavailableError):
            run_due(store)
    assert store.tasks.count() == 1
    (run,) = run_due(store)
    assert store.tasks.count() == 1
    assert run.task == store.tasks.page()[0].id


def test_of_two_workers_one_makes_the_task(store: Store, clock: Clock) -> None:
    add(store, clock)
    now = clock.move(hours=1)
    (seen,) = store.schedules.due(now)
    runs = [schedules._run(store, seen, now, TASK_MEMORY) for _ in range(3)]
    assert [run is None for run in runs] == [False, True, True]
    assert store.tasks.count() == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda store: store.accounts.set_quota("ada", Quota(queued_tasks=0)),
            "your quota queued_tasks is 0",
        ),
        (lambda store: store.accounts.change_user("ada", role="viewer"), "its owner ada is a viewer"),
        (lambda store: store.accounts.change_user("ada", disabled=True), "its owner ada is disabled"),
    ],
)
def test_what_cannot_run_is_said_and_tried_again(store: Store, clock: Clock, spoil: Any, words: str) -> None:
    schedule = add(store, clock)
    store.accounts.add_user("root", "admin")
    spoil(store)
    clock.move(hours=1)
    (run,) = run_due(store)
    assert words in str(run.note)
    after = store.schedules.get(schedule.id)
    assert after.enabled
    assert after.next_run is not None
    assert after.next_run > clock.now


def test_a_dataset_that_is_gone_is_said(store: Store, clock: Clock) -> None:
    schedule = add(store, clock)
    store.schedules.change(schedule.id, dataset="prices")
    clock.move(hours=1)
    (run,) = run_due(store)
    assert "there are no data 'prices'" in str(run.note)


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        ("@daily", "2026-11-29T22:00", ["2026-11-30T05:00", "2026-12-01T05:00"]),
        ("0 9 * * 1-5", "2026-11-27T20:00", ["2026-11-30T14:00", "2026-12-01T14:00"]),
        # Clocks go forward at 2:00 on 8 March 2026: the half hour after two does not come, the run right after does.
        ("30 2 * * *", "2026-03-07T12:00", ["2026-03-08T07:00", "2026-03-09T06:30"]),
        # They go back at 2:00 on 1 November 2026: half past one comes twice and runs once.
        ("30 1 * * *", "2026-10-31T12:00", ["2026-11-01T05:30", "2026-11-02T06:30"]),
    ],
)
def test_times_follow_the_clocks_of_a_place(cron: str, after: str, expected: list[str]) -> None:
    found = next_runs(cron, "America/New_York", datetime.fromisoformat(after).replace(tzinfo=UTC), 2)
    assert [moment.strftime("%Y-%m-%dT%H:%M") for moment in found] == expected


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("* * *", "UTC", "has 3 fields; expected five"),
        ("* * * * * *", "UTC", "has 6 fields"),
        ("61 * * * *", "UTC", "cannot be read"),
        ("0 0 30 2 *", "UTC", "cannot be read: Bad day-of-month"),
        ("@daily", "Mars/Olympus", "there is no time zone 'Mars/Olympus'"),
        ("@daily", "../etc/passwd", "there is no time zone"),
        ("", "UTC", "has 0 fields"),
    ],
)
def test_what_is_no_time_is_said(cron: str, zone: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        next_runs(cron, zone, datetime(2026, 1, 1, tzinfo=UTC))
