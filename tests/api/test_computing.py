"""Child processes of the API: their limits, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from strategy_optimizer.api.computing import CallCancelledError, ComputePool, Limits
from strategy_optimizer.errors import (
    ComputationBusyError,
    ComputationError,
    ComputationMemoryError,
    ComputationTimeError,
    StrategyOptimizerError,
    TaskNotFoundError,
)
from strategy_optimizer.storage import Store

EXPORT = {"task": "opt_ga", "trials": 400, "format": "csv"}
Make = Callable[[Limits], ComputePool]


@pytest.fixture
def make(searched: Store) -> Iterator[Make]:
    made: list[ComputePool] = []

    def pool(limits: Limits) -> ComputePool:
        address = searched.database.url.render_as_string(hide_password=False)
        made.append(ComputePool(address, limits))
        return made[-1]

    yield pool
    for each in made:
        each.close()
        assert each.processes == []


def until(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it did not come true in 30 s")


def exported(pool: ComputePool) -> bytes:
    with pool.begin("export", EXPORT, user="ada") as call:
        return b"".join(call)


def test_one_process_is_kept_warm_and_ended_when_it_is_idle(make: Make) -> None:
    pool = make(Limits(idle=3.0))
    assert pool.processes == []
    first = exported(pool)
    warm = pool.processes
    assert len(warm) == 1
    assert exported(pool) == first
    assert pool.processes == warm
    until(lambda: pool.processes == [])
    until(lambda: not psutil.pid_exists(warm[0]))


def test_the_address_of_the_store_is_neither_in_its_arguments_nor_in_its_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRATEGY_OPTIMIZER_DATABASE_URL", "postgresql://canary")
    monkeypatch.setenv("PGPASSWORD", "canary")
    pool = make(Limits())
    exported(pool)
    process = psutil.Process(pool.processes[0])
    shown = json.dumps([process.cmdline(), process.environ()])
    assert "canary" not in shown
    assert "store.db" not in shown


def test_what_takes_too_long_is_ended(make: Make) -> None:
    pool = make(Limits(seconds=0.01))
    with pytest.raises(ComputationTimeError, match=r"0\.01 s"):
        pool.run("export", EXPORT, user="ada")
    assert pool.processes == []


def test_what_takes_too_much_memory_is_ended(make: Make) -> None:
    pool = make(Limits(memory=1 << 20))
    with pytest.raises(ComputationMemoryError, match="1 MB"):
        pool.run("export", EXPORT, user="ada")
    assert pool.processes == []


def test_a_process_that_has_grown_is_not_used_again(make: Make) -> None:
    pool = make(Limits(reused=1 << 20))
    assert exported(pool)
    assert pool.processes == []


def test_a_process_that_dies_is_an_error_and_replaced(make: Make) -> None:
    pool = make(Limits())
    with pool.begin("export", EXPORT, user="ada") as call:
        os.kill(pool.processes[0], signal.SIGKILL)
        with pytest.raises(ComputationError, match="-9"):
            list(call)
    assert pool.processes == []
    exported(pool)
    os.kill(pool.processes[0], signal.SIGKILL)
    until(lambda: psutil.Process(pool.processes[0]).status() == psutil.STATUS_ZOMBIE)
    assert exported(pool)


def test_errors_come_as_they_were_raised(make: Make) -> None:
    pool = make(Limits())
    with pytest.raises(TaskNotFoundError, match="opt_none") as raised:
        pool.run("export", EXPORT | {"task": "opt_none"}, user="ada")
    assert raised.value.task == "opt_none"
    with pytest.raises(StrategyOptimizerError, match="no function 'eval'"):
        pool.run("eval", {}, user="ada")
    with pytest.raises(ComputationError, match="KeyError"):
        pool.run("export", {}, user="ada")
    assert len(pool.processes) == 1  # none of these is a reason to end it


def test_a_cancelled_call_frees_its_process(make: Make) -> None:
    pool, cancelled = make(Limits(processes=1, waiting=1)), threading.Event()
    call = pool.begin("export", EXPORT, user="ada", cancelled=cancelled)
    cancelled.set()
    with call, pytest.raises(CallCancelledError):
        list(call)
    assert pool.processes == []
    assert exported(pool)


def test_few_wait_and_not_for_ever(make: Make) -> None:
    pool = make(Limits(processes=1, waiting=1, patience=1.0))
    with pool.begin("export", EXPORT, user="ada"):
        found: list[BaseException] = []

        def wait() -> None:
            try:
                pool.begin("export", EXPORT, user="ada")
            except ComputationBusyError as error:
                found.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        until(lambda: pool.waiting == 1)
        with pytest.raises(ComputationBusyError, match="wait already"):
            pool.begin("export", EXPORT, user="ada")
        thread.join()
        assert "were busy for 1 s" in str(found[0])
    assert exported(pool)


def test_closing_ends_what_runs(make: Make) -> None:
    pool = make(Limits())
    call = pool.begin("export", EXPORT, user="ada")
    pool.close()
    with call, pytest.raises(ComputationError):
        list(call)
    with pytest.raises(ComputationError, match="ending"):
        pool.begin("export", EXPORT, user="ada")


PARENT = """
import sys, time
from strategy_optimizer.api.computing import ComputePool
pool = ComputePool(sys.argv[1])
call = pool.begin("export", {"task": "opt_ga", "trials": 400, "format": "csv"}, user="ada")
call.next_block()
print(*pool.processes, flush=True)
time.sleep(600)
"""


def test_it_ends_with_its_parent(searched: Store, tmp_path: Path) -> None:
    address = searched.database.url.render_as_string(hide_password=False)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, address], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    until(lambda: not psutil.pid_exists(child))
