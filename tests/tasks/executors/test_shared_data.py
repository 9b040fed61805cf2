"""Arrays of the function lie in memory once, read-only, and are gone with the pool."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from contracts.executor import finish, run_all
from strategy_optimizer.tasks.executors import Limits, ProcessExecutor
from strategy_optimizer.tasks.executors.sending import SHARED_FROM
from strategy_optimizer.tasks.executors.shared_file import nameless_file, write_parts

MEGABYTE = 2**20


def own_bytes(_: Any = None) -> dict[str, int]:
    """Return private and shared bytes of this process, in its share of what several map."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


def test_an_array_lies_in_memory_once(mark: str) -> None:
    prices = np.random.default_rng(0).random(25 * MEGABYTE)  # 200 MiB
    total = float(prices.sum())

    def function(parameters: int) -> tuple[int, float, dict[str, int]]:
        result = float(prices.sum())  # reads all of it
        time.sleep(0.3)
        return os.getpid(), result, own_bytes()

    with ProcessExecutor(function, workers=4) as executor:
        found = run_all(executor, list(range(16)))
        usage = executor.usage()
    values = [outcome.value for outcome in found.values()]
    assert len({pid for pid, _, _ in values}) == 4
    assert {result for _, result, _ in values} == {total}
    # 200 MiB each would be private if it were copied. What is shared counts as private while no other has read it yet.
    private: dict[int, int] = {}
    for pid, _, use in values:
        private[pid] = min(use["Private_Dirty"] + use["Private_Clean"], private.get(pid, 1 << 40))
    assert max(private.values()) < 100 * MEGABYTE
    assert min(use["Rss"] for _, _, use in values) > 200 * MEGABYTE
    assert usage.memory < 500 * MEGABYTE


def test_shared_arrays_are_read_only_and_small_ones_are_the_workers_own(mark: str) -> None:
    large, small = np.zeros(SHARED_FROM // 8), np.zeros(SHARED_FROM // 8 - 1)

    def function(which: str) -> float:
        array = large if which == "large" else small
        array[0] += 1
        return float(array[0])

    with ProcessExecutor(function, workers=1) as executor:
        found = run_all(executor, ["small", "small", "large"])
    assert [found[number].value for number in range(2)] == [1.0, 2.0]
    assert found[2].reason == "raised: ValueError: assignment destination is read-only"
    assert large[0] == small[0] == 0.0


def test_nobody_can_write_into_the_file(mark: str) -> None:
    array = np.zeros(MEGABYTE)

    def function(parameters: int) -> str:
        names = []
        for name in Path("/proc/self/fd").iterdir():
            try:
                if "strategy-optimizer-function" in str(name.readlink()):
                    file = os.open(name, os.O_RDWR)
                    os.write(file, b"x")
            except OSError as error:
                names.append(str(error.strerror))
        return " ".join(names) + str(array.sum())

    with ProcessExecutor(function, workers=1) as executor:
        assert "Operation not permitted" in run_all(executor, [0])[0].value


def test_a_replaced_worker_maps_the_same(mark: str) -> None:
    prices = np.arange(MEGABYTE, dtype=float)

    def function(parameters: int) -> float:
        if parameters % 3 == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return float(prices[parameters])

    with ProcessExecutor(function, workers=2, attempts=1) as executor:
        found = run_all(executor, list(range(9)))
    assert [found[number].value for number in range(9)] == [0.0, None, 2.0, 3.0, None, 5.0, 6.0, None, 8.0]


def test_shared_data_are_not_held_against_a_run(mark: str) -> None:
    prices = np.ones(25 * MEGABYTE)
    with ProcessExecutor(
        lambda parameters: [float(prices.sum()), time.sleep(0.5)],
        workers=1,
        limits=Limits(memory=150 * MEGABYTE),
    ) as executor:
        assert run_all(executor, [0])[0].reason == ""


@pytest.mark.parametrize("in_memory", [True, False])
def test_files_have_no_name(in_memory: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    file = nameless_file("test")
    try:
        write_parts(file, [b"abc", memoryview(b"defg")])
        assert os.fstat(file).st_nlink == 0
        assert os.pread(file, 10, 0) == b"abcdefg"
    finally:
        os.close(file)


def test_where_no_file_can_be_made_in_memory(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    array = np.arange(MEGABYTE, dtype=float)
    with ProcessExecutor(lambda x: float(array[x]), workers=1) as executor:
        assert run_all(executor, [5])[0].value == 5.0


def test_no_descriptor_is_left(mark: str) -> None:
    process = psutil.Process()
    with ProcessExecutor(abs, workers=1) as executor:  # whatever is opened once for all
        run_all(executor, [0])
    files = process.num_fds()
    array = np.zeros(MEGABYTE)
    with ProcessExecutor(lambda x: float(array[x]), workers=2) as executor:
        run_all(executor, [1, 2, 3])
    assert process.num_fds() == files


def test_workers_use_one_thread_each(mark: str) -> None:
    def function(parameters: int) -> tuple[int, dict[str, str | None]]:
        import threadpoolctl

        np.linalg.inv(np.eye(300))
        names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS")
        return (
            max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
            {name: os.environ.get(name) for name in names},
        )

    for threads in (1, 2):
        with ProcessExecutor(function, workers=1, threads_per_worker=threads) as executor:
            executor.submit(0, 0)
            most, variables = finish(executor)[0].value
        assert most == threads
        assert set(variables.values()) == {str(threads)}


@pytest.mark.parametrize("cores", [1, 2])
def test_as_many_workers_as_processors_that_may_be_used(cores: int) -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < cores:
        pytest.skip("this machine has fewer processors")
    try:
        os.sched_setaffinity(0, sorted(allowed)[:cores])
        with ProcessExecutor(abs) as executor:
            assert executor.workers == cores
    finally:
        os.sched_setaffinity(0, allowed)
