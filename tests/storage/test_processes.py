"""Several processes at one database: killed, late, and in each other's way."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_worlds import add_task, assert_same_history, make_history, make_space
from strategy_optimizer.storage import Store
from strategy_optimizer.tasks import TrialHistory

sys.path.insert(0, str(Path(__file__).parent))
from forked_workers import Forker, is_alive, kill, lines, wait_until

WORKERS, TASKS = 8, 200
KILLS, TRIALS = 26, 1200
ZOMBIES, WRITES = 4, 25


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    with Forker() as forker:
        yield forker


@pytest.fixture
def shared(url: str) -> Iterator[Store]:
    """A store by the database's own clock, which other processes use too."""
    with Store(url) as store:
        for name in ("ada", "ben"):
            store.accounts.add_user(name, "operator", user_id=name)
        yield store


def test_each_task_is_leased_once(shared: Store, url: str, forker: Forker, tmp_path: Path) -> None:
    made = [add_task(shared, owner=("ada", "ben")[number % 2]) for number in range(TASKS)]
    files = [tmp_path / f"worker_{number}" for number in range(WORKERS)]
    pids = [forker.start("take_tasks", url, file, file.name) for file in files]
    wait_until(lambda: not any(map(is_alive, pids)))
    taken = Counter(task_id for file in files for task_id in lines(file))
    assert taken == Counter(made)
    ended = shared.tasks.page(limit=TASKS)
    assert {(task.state, task.attempts, task.token, task.events) for task in ended} == {
        ("completed", 1, 1, 3)
    }


def test_killed_workers_lose_and_repeat_nothing(
    shared: Store, url: str, forker: Forker, tmp_path: Path
) -> None:
    """Two workers make the trials of two tasks at a time, and one of them is killed, again and again."""
    moments, tasks = random.Random(5), []
    names = iter(range(10**6))

    def start() -> tuple[int, Path]:
        file = tmp_path / f"worker_{next(names)}"
        while shared.tasks.count(states=["queued", "running"]) < 2:
            tasks.append(add_task(shared, id=f"opt_{len(tasks)}"))
        return forker.start("append_trials", url, file, file.name, TRIALS, 0.01), file

    running = [start(), start()]
    kills = 0
    while kills < KILLS:
        pid, file = running.pop(moments.randrange(2))
        wait_until(lambda file=file, pid=pid: lines(file) or not is_alive(pid))  # type: ignore[misc]
        time.sleep(moments.uniform(0.0, 0.15))
        kills += is_alive(pid)
        kill(pid)
        for task_id, trials in (line.split() for line in lines(file)):
            assert shared.tasks.get(task_id).trials >= int(trials), "an acknowledged trial was lost"
        running.append(start())
    wait_until(lambda: not any(is_alive(pid) for pid, _ in running))
    for task_id in tasks:
        assert_whole(shared, task_id)


def assert_whole(store: Store, task_id: str) -> None:
    """The task has each trial once, and its events tell of each batch once."""
    task, found = store.tasks.get(task_id), TrialHistory(make_space(), 4)
    record = store.trials.load(task_id, found)
    assert record is not None
    assert (task.state, task.trials, record.trials, record.state) == (
        "completed",
        TRIALS,
        TRIALS,
        {"told": TRIALS},
    )
    assert_same_history(found, make_history(TRIALS, seed=int(task_id.split("_")[1])))
    events = store.events.read(task_id, limit=10**6)
    assert [event.seq for event in events] == list(range(1, task.events + 1))
    told = [event.data["trials"] for event in events if event.kind == "progress"]
    assert told == sorted(set(told))
    assert told[-1] == TRIALS


def test_late_workers_write_nothing(shared: Store, url: str, forker: Forker, tmp_path: Path) -> None:
    made = {add_task(shared) for _ in range(ZOMBIES)}
    files, go = [tmp_path / f"zombie_{number}" for number in range(ZOMBIES)], tmp_path / "go"
    pids = [forker.start("come_back_late", url, file, go, WRITES) for file in files]
    wait_until(lambda: all(lines(file) for file in files))
    leases = []
    wait_until(
        lambda: leases.append(shared.queue.lease("heir", 600)) or len([*filter(None, leases)]) == ZOMBIES
    )
    before = {task_id: shared.tasks.get(task_id) for task_id in made}
    go.touch()
    wait_until(lambda: not any(map(is_alive, pids)))
    assert [lines(file)[1] for file in files] == [str(WRITES)] * ZOMBIES
    assert {lines(file)[0] for file in files} <= made
    assert {task_id: shared.tasks.get(task_id) for task_id in made} == before
    assert all(shared.trials.summaries(task_id) == [] for task_id in made)


def test_events_of_several_writers_have_no_gap(
    shared: Store, url: str, forker: Forker, tmp_path: Path
) -> None:
    task_id = add_task(shared)
    files = [tmp_path / f"toggle_{number}" for number in range(4)]
    pids = [forker.start("toggle", url, file, task_id, 40) for file in files]
    seen: list[int] = []
    while any(map(is_alive, pids)):
        seen += [event.seq for event in shared.events.read(task_id, after=seen[-1] if seen else 0)]
    seen += [event.seq for event in shared.events.read(task_id, after=seen[-1] if seen else 0, limit=10**6)]
    assert [lines(file) for file in files] == [["done"]] * 4
    assert seen == list(range(1, shared.tasks.get(task_id).events + 1))
    assert len(seen) > 40
