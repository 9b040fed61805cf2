"""Nothing is lost, nothing comes twice, and nothing is left when processes are killed at random."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from contracts.executor import run_all
from processes_left import gone_within, processes_with
from random_kills import Killer, run_under_fire
from strategy_optimizer.tasks.executors import ProcessExecutor


@pytest.mark.parametrize("guards", [False, True], ids=["workers", "workers and guards"])
def test_random_kills(mark: str, containment: str, guards: bool) -> None:
    """20 kills in 200 runs; benchmarks/bench_executors.py makes 200 in 2,000."""

    def function(parameters: int) -> int:
        time.sleep(0.01)
        return parameters**2

    killer = Killer(every=8, most=20, guards=guards)
    with ProcessExecutor(function, workers=2, attempts=100) as executor:
        delivered = run_under_fire(executor, killer, list(range(200)))
        usage = executor.usage()
    assert sorted((outcome.number, outcome.value) for outcome in delivered) == [(n, n**2) for n in range(200)]
    assert killer.killed >= 15
    assert usage.restarted > 0


PROGRAM = """
    import os, subprocess, sys, time
    import numpy as np
    from strategy_optimizer.tasks.executors import ProcessExecutor
    from strategy_optimizer.tasks.executors.child import cgroup
    if sys.argv[1] == "sweeps":
        cgroup.folder = lambda: None
    prices = np.zeros(1_000_000)
    def function(x):
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            time.sleep(60)
        print(prices.sum(), x)
        time.sleep(60)
    executor = ProcessExecutor(function, workers=3)
    for number in range(3):
        executor.submit(number, number)
    executor.wait(0.5)
    while executor.usage().busy < 3:
        executor.wait(0.1)
    time.sleep(0.5)
    print("ready", flush=True)
    executor.wait()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_everything_ends_with_the_parent(mark: str, containment: str, how: signal.Signals) -> None:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), containment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        assert len(processes_with(mark)) >= 1 + 3 * 4  # guard, worker, its program, its copy
        parent.send_signal(how)
        assert gone_within(30.0, mark)


@pytest.mark.parametrize(
    "ending", ["sys.exit()", "raise ValueError", "del executor", "os.kill(os.getpid(), 9)"]
)
def test_a_program_that_does_not_close_leaves_nothing(mark: str, ending: str) -> None:
    program = f"""
    import os, sys, time
    from strategy_optimizer.tasks.executors import ProcessExecutor
    executor = ProcessExecutor(lambda x: time.sleep(x), workers=2)
    for number in range(2):
        executor.submit(number, 60 * number)
    executor.wait()
    {ending}
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ("ValueError" in done.stderr) == ("ValueError" in ending)
    assert "Resource" not in done.stderr
    assert "Exception ignored" not in done.stderr
    # The fixture `mark` looks for what is left.


def test_a_forked_copy_of_the_parent_ends_nothing(mark: str) -> None:
    with ProcessExecutor(lambda x: x, workers=1) as executor:
        pid = run_all(executor, [1])[0].worker
        child = os.fork()
        if child == 0:
            executor.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert run_all(executor, [1])[0].worker == pid


def test_a_worker_ends_with_its_guard_whether_or_not_anybody_looks(mark: str, containment: str) -> None:
    def function(parameters: int) -> None:
        if parameters:
            subprocess.Popen(["sleep", "60"])  # closing has to find this one
        time.sleep(60 * parameters)

    with ProcessExecutor(function, workers=1) as executor:
        worker = int(run_all(executor, [0])[0].worker.removeprefix("process "))
        executor.submit(0, 1)
        deadline = time.monotonic() + 30.0
        while len(processes_with(mark)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        for guard in psutil.Process().children():
            guard.kill()
        deadline = time.monotonic() + 30.0
        while worker in processes_with(mark) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert worker not in processes_with(mark)
