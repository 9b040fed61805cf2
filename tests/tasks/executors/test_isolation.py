"""What a run can do to the others, to the machine, and to the pool: nothing."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.executor import finish, run_all
from strategy_optimizer.tasks.executors import Limits, Outcome, ProcessExecutor

MEGABYTE = 2**20
LIMITS = Limits(seconds=1.0, memory=400 * MEGABYTE, processes=12, output=MEGABYTE)


def run_among_others(
    function: Callable[[Any], Any], limits: Limits = LIMITS, others: int = 30, **settings: Any
) -> Outcome:
    """Run the function once beside short runs on the other worker, all of which must succeed; return its outcome."""

    def either(parameters: int) -> Any:
        if parameters == 0:
            return function(parameters)
        time.sleep(0.01)
        return parameters

    with ProcessExecutor(either, workers=2, limits=limits, **settings) as executor:
        found = run_all(executor, list(range(others)))
    assert [found[number].value for number in range(1, others)] == list(range(1, others))
    return found[0]


def test_a_run_that_takes_too_long(mark: str, containment: str) -> None:
    outcome = run_among_others(lambda parameters: time.sleep(600))
    assert outcome.reason == "time_limit: ran longer than 1 s"
    assert 1.0 <= outcome.seconds < 60.0


def test_an_endless_loop_that_ignores_signals(mark: str) -> None:
    def function(parameters: int) -> None:
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass

    assert run_among_others(function).failure == "time_limit"


def test_a_loop_in_c_that_holds_the_interpreter(mark: str) -> None:
    # PyDLL keeps the lock of the interpreter: no Python code of the worker runs until it returns.
    outcome = run_among_others(lambda parameters: ctypes.PyDLL(None).usleep(200_000_000))
    assert outcome.failure == "time_limit"


def test_one_allocation_beyond_the_limit(mark: str) -> None:
    outcome = run_among_others(lambda parameters: len(bytearray(2**33)))
    assert outcome.reason == "memory_limit: an allocation beyond the limit of 400 MB failed: MemoryError"


def test_memory_that_grows(mark: str) -> None:
    def function(parameters: int) -> None:
        kept = []
        while True:
            kept.append(b"x" * MEGABYTE)
            time.sleep(0.001)

    outcome = run_among_others(function, Limits(seconds=60.0, memory=400 * MEGABYTE))
    assert outcome.failure == "memory_limit"
    assert "of memory, more than 400 MB" in outcome.message


def test_memory_of_children_and_shared_memory_count(mark: str) -> None:
    def function(parameters: int) -> None:
        for _ in range(3):
            if os.fork() == 0:
                mine = mmap.mmap(-1, 200 * MEGABYTE)
                for at in range(0, len(mine), 4096):
                    mine[at] = 1
                time.sleep(60)
        time.sleep(60)

    outcome = run_among_others(function, Limits(seconds=60.0, memory=400 * MEGABYTE))
    assert outcome.failure == "memory_limit"


def test_a_failed_allocation_of_another_language(mark: str) -> None:
    def function(parameters: int) -> None:
        os.write(2, b"memory allocation of 17179869184 bytes failed\n")
        os.abort()

    outcome = run_among_others(function)
    assert outcome.failure == "memory_limit"
    assert outcome.message.startswith("its process was killed by SIGABRT in test_isolation.py:")
    assert outcome.message.endswith("; its last output: memory allocation of 17179869184 bytes failed")


@pytest.mark.parametrize(
    ("crash", "expected"),
    [
        (lambda parameters: ctypes.string_at(0), "was killed by SIGSEGV"),
        (lambda parameters: os._exit(7), "ended itself with exit code 7"),
        (lambda parameters: os._exit(0), "ended itself with exit code 0"),
        (lambda parameters: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
        (lambda parameters: os.closerange(3, 1000), "ended itself with exit code 1"),
        (
            lambda parameters: [os.kill(os.getppid(), signal.SIGKILL), time.sleep(60)],
            "and its guard were killed",
        ),
    ],
    ids=["segfault", "exit 7", "exit 0", "kill -9", "closes all files", "kills its guard"],
)
def test_a_crash(mark: str, crash: Callable[[Any], Any], expected: str) -> None:
    outcome = run_among_others(crash)
    assert outcome.failure == "crashed"
    assert outcome.message.startswith(f"its process {expected}")
    assert ", in each of 3 attempts" in outcome.message


def test_a_crash_says_where_it_was_and_what_was_said_last(mark: str) -> None:
    def function(parameters: int) -> None:
        if parameters == 0:
            sys.stdout.write("about to divide\n")
            os._exit(3)
        ctypes.string_at(0)

    with ProcessExecutor(function, workers=1, attempts=1) as executor:
        found = run_all(executor, [0, 1])
    assert found[0].reason == (
        "crashed: its process ended itself with exit code 3; its last output: about to divide"
    )
    assert found[1].message.startswith("its process was killed by SIGSEGV in test_isolation.py:")
    assert found[1].message.endswith(" (function)")
    assert "Fatal Python error: Segmentation fault" in found[1].details


def test_a_run_that_crashes_once_succeeds(mark: str, tmp_path: Path) -> None:
    def function(parameters: int) -> str:
        attempt = tmp_path / f"{parameters}"
        if not attempt.exists():
            attempt.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "done"

    with ProcessExecutor(function, workers=2) as executor:
        found = run_all(executor, list(range(6)))
        usage = executor.usage()
    assert [found[number].value for number in range(6)] == ["done"] * 6
    assert usage.retried == 6
    assert usage.restarted >= 6


def test_a_flood_of_output(mark: str) -> None:
    def function(parameters: int) -> None:
        while True:
            os.write(1, b"all work and no play\n" * 1000)

    outcome = run_among_others(function, Limits(seconds=60.0, output=MEGABYTE))
    assert outcome.reason == "output_limit: wrote more than 1 MB to its output"
    assert outcome.details.count("all work and no play") > 100


def test_output_below_the_limit_does_no_harm_and_is_counted_for_each_run(mark: str) -> None:
    def function(parameters: int) -> int:
        sys.stdout.write("x" * 600_000)
        sys.stderr.write("y" * 300_000)
        return parameters

    with ProcessExecutor(function, workers=1, limits=LIMITS) as executor:
        found = run_all(executor, list(range(5)))
    assert [outcome.value for outcome in found.values()] == list(range(5))


def test_a_fork_bomb(mark: str, containment: str) -> None:
    def split(generation: int) -> None:
        # At most 255 processes, each of which ends by itself.
        for _ in range(2):
            if generation and os.fork() == 0:
                os.setsid()
                split(generation - 1)
                os._exit(0)
        time.sleep(30)

    outcome = run_among_others(lambda parameters: split(7), Limits(seconds=20.0, processes=12))
    assert outcome.failure == "process_limit"
    assert "processes at once, more than 12" in outcome.message


def test_a_process_that_forks_and_ends_again_and_again(mark: str, containment: str) -> None:
    def flee() -> None:
        end = time.monotonic() + 20  # never more than three at once, and none after this
        while time.monotonic() < end:
            if os.fork():
                os._exit(0)
            os.setsid()

    def function(parameters: int) -> None:
        for _ in range(2):
            if os.fork() == 0:
                flee()
                os._exit(0)
        time.sleep(60)

    assert run_among_others(function).failure == "time_limit"


def test_daemons_end_with_the_run_that_failed(mark: str, containment: str) -> None:
    def function(parameters: int) -> None:
        fork = "if os.fork(): sys.exit()\n"
        daemonize = f"import os, sys, time\n{fork}os.setsid()\n{fork}time.sleep(60)"
        subprocess.run([sys.executable, "-c", daemonize], check=True)
        time.sleep(60)

    outcome = run_among_others(function)
    assert outcome.failure == "time_limit"
    # The fixture `mark` looks for the daemon.


def test_orphans_of_a_killed_guard_are_found(mark: str, containment: str) -> None:
    def function(parameters: int) -> None:
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    assert run_among_others(function).failure == "crashed"


def test_processes_that_runs_leave_behind_do_not_pile_up(mark: str) -> None:
    def function(parameters: int) -> int:
        subprocess.Popen(["sleep", "60"])
        time.sleep(0.15)
        return parameters

    with ProcessExecutor(function, workers=1, limits=Limits(processes=8)) as executor:
        found = run_all(executor, list(range(15)))
        assert executor.usage().restarted >= 1
    assert [found[number].reason for number in range(15)] == [""] * 15


def test_a_function_that_forks_has_one_outcome(mark: str) -> None:
    def function(parameters: int) -> str:
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
            return "parent"
        return "child"

    with ProcessExecutor(function, workers=1) as executor:
        found = run_all(executor, list(range(10)))
    assert {outcome.value for outcome in found.values()} == {"parent"}


def test_a_leak_is_ended_between_runs(mark: str) -> None:
    kept: list[bytes] = []

    def function(parameters: int) -> int:
        kept.append(b"x" * (20 * MEGABYTE))
        return os.getpid()

    with ProcessExecutor(function, workers=1, recycle_growth=100 * MEGABYTE) as executor:
        found = run_all(executor, list(range(20)))
        usage = executor.usage()
    assert all(outcome.failure is None for outcome in found.values())
    assert usage.restarted >= 3
    assert len({outcome.value for outcome in found.values()}) >= 3
    assert usage.retried == 0


def test_a_worker_that_does_not_grow_stays(mark: str) -> None:
    with ProcessExecutor(lambda parameters: os.getpid(), workers=1) as executor:
        found = run_all(executor, list(range(50)))
        assert executor.usage().restarted == 0
    assert len({outcome.value for outcome in found.values()}) == 1


def test_threads_that_go_on_end_with_the_worker(mark: str) -> None:
    def function(parameters: int) -> int:
        threading.Thread(
            target=time.sleep, args=(60,)
        ).start()  # not a daemon: the interpreter would wait for it
        return parameters

    with ProcessExecutor(function, workers=1) as executor:
        assert run_all(executor, [5])[0].value == 5
        begin = time.monotonic()
    assert time.monotonic() - begin < 30.0


def test_what_a_run_changes_in_its_process_ends_no_search(mark: str) -> None:
    changes: list[Callable[[], object]] = [
        lambda: os.chdir("/"),
        lambda: os.environ.clear(),
        lambda: os.close(1),
        lambda: os.close(0),
        lambda: setattr(sys, "stdout", None),
        lambda: setattr(sys, "stderr", object()),
        lambda: sys.stdin.close(),
        lambda: sys.path.clear(),
        lambda: [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGCHLD)],
        lambda: signal.alarm(1) and None,
        lambda: sys.setrecursionlimit(80),
        lambda: os.umask(0o777),
        lambda: threading.stack_size(2**15),
    ]

    def function(parameters: int) -> int:
        if parameters % 2:
            changes[parameters // 2]()
        else:
            time.sleep(0.05)
        return parameters

    with ProcessExecutor(function, workers=1) as executor:
        found = run_all(executor, list(range(2 * len(changes))))
        run_all(executor, [0] * 30)  # the alarm rings meanwhile
    assert [found[number].value for number in found] == list(range(2 * len(changes)))


def test_limits_hold_from_run_to_run(mark: str) -> None:
    def function(parameters: float) -> float:
        time.sleep(parameters)
        return parameters

    with ProcessExecutor(function, workers=2, limits=Limits(seconds=0.7)) as executor:
        found = run_all(executor, [0.4, 0.4, 0.4, 30.0, 0.4, 0.4, 30.0, 0.4])
    assert [found[number].failure for number in range(8)] == [
        None, None, None, "time_limit", None, None, "time_limit", None,
    ]  # fmt: skip


def test_a_stopped_run_is_not_stuck(mark: str) -> None:
    assert run_among_others(lambda parameters: os.kill(os.getpid(), signal.SIGSTOP)).failure == "time_limit"


def test_a_run_that_stops_its_guard_is_not_stuck(mark: str) -> None:
    def function(parameters: int) -> None:
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(60)

    outcome = run_among_others(function)
    assert outcome.reason == "time_limit: ran longer than 1 s, and its guard did not end it"


def test_closing_ends_what_runs(mark: str) -> None:
    executor = ProcessExecutor(lambda parameters: time.sleep(60), workers=2, limits=Limits(seconds=None))
    for number in range(4):
        executor.submit(number, number)
    assert executor.wait(timeout=0.5) == []
    executor.close()
    assert executor.in_flight == 0


def test_ctrl_c_does_not_reach_the_workers(mark: str) -> None:
    with ProcessExecutor(
        lambda parameters: (os.getpgid(0), os.getsid(0), os.getpid()), workers=1
    ) as executor:
        executor.submit(0, 0)
        group, session, pid = finish(executor)[0].value
    assert group == session == pid
    assert session != os.getsid(0)
