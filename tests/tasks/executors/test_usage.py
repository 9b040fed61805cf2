"""What the pool says it uses is what the system says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from contracts.executor import finish, run_all
from strategy_optimizer.errors import ExecutorError
from strategy_optimizer.tasks.executors import Executor, ProcessExecutor

MEGABYTE = 2**20


def private_bytes(executor_pid: int) -> int:
    """Return what the workers and all below have resident and share with no file, by psutil."""
    total = 0
    for guard in psutil.Process(executor_pid).children():
        for process in guard.children(recursive=True):
            info = process.memory_info()
            total += info.rss - info.shared
    return total


def wait_until_busy(executor: Executor, busy: int) -> None:
    deadline = time.monotonic() + 60
    while executor.usage().busy < busy and time.monotonic() < deadline:
        executor.wait(0.05)


def test_memory_is_that_of_workers_and_of_what_they_start(mark: str) -> None:
    program = "x = b'x' * 80_000_000; import time; time.sleep(60)"

    def function(parameters: int) -> None:
        mine = b"x" * (50 * MEGABYTE)
        subprocess.Popen([sys.executable, "-S", "-c", program])
        time.sleep(60 + len(mine) * 0)

    with ProcessExecutor(function, workers=2) as executor:
        executor.submit(0, 0)
        executor.submit(1, 1)
        wait_until_busy(executor, 2)
        deadline = time.monotonic() + 60
        while executor.usage().memory < 260 * MEGABYTE and time.monotonic() < deadline:
            executor.wait(0.1)
        executor.wait(1.5)
        usage, expected = executor.usage(), private_bytes(os.getpid())
    assert usage.workers == usage.busy == 2
    assert usage.memory == pytest.approx(expected, rel=0.05)


def test_processor_time_is_that_of_all_workers_so_far(mark: str) -> None:
    def function(parameters: int) -> float:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        if parameters == 2:
            os._exit(1)
        return time.process_time()

    with ProcessExecutor(function, workers=2, attempts=1) as executor:
        run_all(executor, [0, 1, 2, 3])
        time.sleep(1.2)
        usage = executor.usage()
    assert 1.2 <= usage.cpu_seconds < 5.0
    assert usage.restarted == 1


def test_many_workers(mark: str) -> None:
    with ProcessExecutor(lambda x: time.sleep(0.01), workers=30) as executor:
        found = run_all(executor, list(range(300)))
        assert executor.usage().workers <= 30
    assert all(outcome.failure is None for outcome in found.values())


def test_workers_are_started_when_there_are_runs_for_them(mark: str) -> None:
    with ProcessExecutor(lambda x: x, workers=8) as executor:
        assert executor.usage().workers == 0
        executor.submit(0, 1)
        finish(executor)
        assert executor.usage().workers == 1


# -- a ceiling for all workers together --------------------------------------------------------------------------


def hungry(megabytes: int, seconds: float) -> Callable[[int], int]:
    """Give a function that holds so much memory for so long."""

    def function(parameters: int) -> int:
        mine = b"x" * (megabytes * MEGABYTE)
        time.sleep(seconds)
        return parameters + 0 * len(mine)

    return function


def test_fewer_runs_at_once_near_the_ceiling(mark: str) -> None:
    found, busy, peaks = {}, [], []
    with ProcessExecutor(hungry(200, 0.5), workers=4, memory=560 * MEGABYTE) as executor:
        for number in range(10):
            executor.submit(number, number)
        while executor.in_flight:
            found.update({outcome.number: outcome for outcome in executor.wait(0.05)})
            if len(found) >= 2:  # the first ones were begun without knowing what they need
                busy.append(executor.usage().busy)
                peaks.append(executor.usage().memory)
    assert {number: outcome.value for number, outcome in found.items()} == {n: n for n in range(10)}
    # Two of 210 MB have room, three have not.
    assert max(busy) == 2
    assert max(peaks) < 560 * MEGABYTE


def test_the_youngest_is_begun_again_when_all_grow(mark: str) -> None:
    # To be stopped for want of room is no attempt.
    with ProcessExecutor(hungry(300, 1.0), workers=3, memory=500 * MEGABYTE, attempts=1) as executor:
        for number in range(3):
            executor.submit(number, number)
        found = {}
        while executor.in_flight:
            found.update({outcome.number: outcome for outcome in executor.wait(1.0)})
        usage = executor.usage()
    assert {number: outcome.value for number, outcome in found.items()} == {0: 0, 1: 1, 2: 2}
    assert usage.retried >= 1


def test_one_run_beyond_the_ceiling_fails(mark: str) -> None:
    with ProcessExecutor(hungry(300, 5.0), workers=2, memory=200 * MEGABYTE) as executor:
        assert run_all(executor, [0])[0].failure == "memory_limit"


def test_no_processes_left_to_start(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with ProcessExecutor(abs, workers=1) as executor:
        monkeypatch.setattr(subprocess, "Popen", refuse)
        executor.submit(0, 0)
        with pytest.raises(
            ExecutorError, match="no worker process can be started: Resource temporarily unavail"
        ):
            executor.wait()
