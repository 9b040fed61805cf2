"""Whatever a strategy does to its process, and whatever is killed, no task is lost, stuck, or run twice."""

from __future__ import annotations

import signal
import subprocess
import time
from datetime import timedelta

import numpy as np
import psutil
import pytest

from processes_left import gone_within, processes_with
from strategy_optimizer.storage.queue import MOST_LOSSES
from worker_worlds import World


@pytest.mark.parametrize(
    ("strategy", "death"),
    [("crash", "its process was killed by SIGSEGV"), ("leaves", "its process ended itself with exit code 7")],
)
def test_a_strategy_that_kills_its_process_fails(served: World, strategy: str, death: str) -> None:
    task = served.wait(served.add(500, optimizer="random", strategy=strategy))
    assert (task.state, task.attempts, task.losses) == ("failed", MOST_LOSSES, MOST_LOSSES)
    assert task.error is not None
    assert death in task.error


def test_a_strategy_that_exits_has_failed_trials(served: World) -> None:
    task = served.wait(served.add(200, optimizer="random", strategy="exits"))
    assert task.state in ("completed", "failed"), task
    assert task.losses == 0


def test_a_task_that_takes_too_much_memory_fails(served: World) -> None:
    task = served.wait(served.add(10_000, strategy="hungry"))
    assert (task.state, task.attempts) == ("failed", 1)
    assert "memory" in (task.error or "")


def test_a_task_may_be_given_less_memory_than_others(served: World) -> None:
    small = served.add(10_000, strategy="hungry", memory=550 * 2**20)
    task = served.wait(small)
    assert (task.state, task.attempts) == ("failed", 1)
    assert "550 MB" in (task.error or ""), task.error
    large = served.add(100, memory=2**40)  # a worker gives each task at most its own limit
    assert served.wait(large).state == "completed"


def test_output_reaches_the_log_within_bounds_and_without_secrets(served: World) -> None:
    task = served.wait(served.add(100, strategy="loud"))
    assert task.state == "completed", task.error
    lines = [line for line in served.log.splitlines() if f"{task.id} | " in line]
    assert lines
    assert sum(map(len, lines)) < 2 * 2**17
    assert "canary-secret" not in served.log
    assert any("secret None None" in line for line in lines)


def test_what_a_task_leaves_behind_is_ended(served: World) -> None:
    task_id = served.add(100_000, strategy="parent")
    served.wait(task_id, lambda task: processes_with("54321"))
    served.store.tasks.cancel(task_id)
    assert served.wait(task_id).state == "cancelled"
    assert gone_within(60, "54321")


@pytest.mark.parametrize("optimizer", ["ga", "bo"])
def test_a_killed_process_costs_nothing(alone: World, optimizer: str) -> None:
    n = {"ga": 400, "bo": 60}[optimizer]
    alone.start_worker()
    task_id = alone.add(n, optimizer=optimizer, strategy="slow")
    task = alone.wait(task_id, lambda task: task.trials >= n // 4)
    alone.child_of(task).kill()
    again = alone.wait(task_id, lambda now: now.token > task.token)
    assert (again.attempts, again.losses) == (2, 1)
    assert again.trials >= task.trials
    assert alone.wait(task_id).state == "completed"
    assert_as_undisturbed(alone, task_id, n, optimizer)


def test_a_killed_worker_costs_nothing(alone: World) -> None:
    """Another one on the machine notices the death at once; the guard ends the child."""
    first = alone.start_worker()
    task_id = alone.add(400, strategy="slow")
    task = alone.wait(task_id, lambda task: task.trials >= 100)
    child = alone.child_of(task)
    alone.start_worker()
    first.kill()
    first.wait()
    alone.workers.remove(first)
    again = alone.wait(task_id, lambda now: now.token > task.token)
    assert again.worker != task.worker
    assert again.trials >= task.trials
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()
    assert alone.wait(task_id).state == "completed"
    assert_as_undisturbed(alone, task_id, 400, "ga")


def freeze(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGSTOP)
    while psutil.Process(worker.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)


def test_a_worker_that_is_frozen_loses_its_task_and_takes_nothing_back(alone: World) -> None:
    first = alone.start_worker()
    task_id = alone.add(5000, optimizer="random", strategy="noting")
    task = alone.wait(task_id, lambda task: task.trials >= 20)
    assert task.lease_ends is not None
    assert task.heartbeat is not None
    assert task.lease_ends - task.heartbeat <= timedelta(seconds=15)
    child = alone.child_of(task)
    alone.start_worker()
    # While nobody writes: SQLite's lock would be frozen with the worker, and nobody could take the task.
    alone.store.database.write(lambda transaction: freeze(first))
    try:
        again = alone.wait(task_id, lambda now: now.token > task.token)
        psutil.wait_procs([child], timeout=60)
        assert not child.is_running()  # it went on computing, and nothing that it wrote was taken any more
    finally:
        first.send_signal(signal.SIGCONT)
    assert again.worker != task.worker
    assert again.trials >= task.trials
    assert (again.attempts, again.losses) == (2, 1)
    now = alone.wait(task_id, lambda now: now.trials >= again.trials + 100)
    assert (now.token, now.worker) == (again.token, again.worker)
    assert first.poll() is None
    trials = [f"{trial.parameters['n']} {trial.parameters['m']}" for trial in alone.history(task_id)]
    assert len(trials) == len(set(trials)) >= now.trials
    alone.store.tasks.cancel(task_id)
    assert alone.wait(task_id).state == "cancelled"


def test_a_worker_that_is_ended_gives_its_task_back(alone: World) -> None:
    alone.start_worker()
    task_id = alone.add(400, strategy="slow")
    task = alone.wait(task_id, lambda task: task.trials >= 100)
    assert alone.stop_workers() == [0]
    back = alone.store.tasks.get(task_id)
    assert (back.state, back.losses) == ("queued", 0)
    assert back.trials >= task.trials
    assert len(alone.history(task_id)) == back.trials
    alone.start_worker()
    assert alone.wait(task_id).state == "completed"
    assert_as_undisturbed(alone, task_id, 400, "ga")


def test_a_worker_that_is_ended_saves_all_that_its_task_has_found(alone: World) -> None:
    """What was saved too little of is run once more; the defaults are run at each start."""
    alone.start_worker()
    task_id = alone.add(5000, optimizer="random", strategy="noting")
    alone.wait(task_id, lambda task: task.trials >= 20)
    assert alone.stop_workers() == [0]
    first = alone.noted()
    saved = [f"{trial.parameters['n']} {trial.parameters['m']}" for trial in alone.history(task_id)]
    assert first[: len(saved)] == saved
    alone.start_worker()
    alone.wait(task_id, lambda task: task.trials > len(saved))
    assert alone.noted()[len(first)] not in first


def test_a_second_signal_ends_a_worker_at_once(alone: World) -> None:
    worker = alone.start_worker()
    task_id = alone.add(10_000, strategy="stuck")
    alone.wait(task_id, lambda task: (alone.folder / "strategies" / "stuck").exists())
    child = alone.child_of(alone.store.tasks.get(task_id))
    worker.send_signal(signal.SIGINT)
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(worker.pid).wait(1.0)
    worker.send_signal(signal.SIGINT)
    worker.wait(60)
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()
    alone.workers.clear()


def assert_as_undisturbed(world: World, task_id: str, n: int, optimizer: str) -> None:
    """The task is what another one of the same kind is, which nobody disturbs."""
    other_id = world.add(n, optimizer=optimizer, strategy="slow")
    assert world.wait(other_id).state == "completed"
    one, other = world.history(task_id), world.history(other_id)
    assert len(one) == len(other) == n
    for name in ("points", "scores", "metrics", "blocks", "states"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    mine, theirs = world.store.tasks.result(task_id), world.store.tasks.result(other_id)
    assert mine is not None
    assert theirs is not None
    for name in ("best_parameters", "best", "defaults", "convergence_analysis", "recommended_parameters"):
        assert mine.document[name] == theirs.document[name], name
    events = world.store.events.read(task_id, limit=10**6)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    found = [event.data["iteration"] for event in events if event.kind == "improvement"]
    assert found == sorted(set(found)), "an improvement is told once"
