"""Worker processes: how much of ideal they reach, how many are worth having, what they cost, and what kills cost.

python benchmarks/bench_executors.py > benchmarks/results/executors.md
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

sys.path[:0] = [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parent)]

from machine import machine_line, versions
from processes_left import processes_with
from random_kills import Killer, run_under_fire

from strategy_optimizer.tasks.executors import Limits, ProcessExecutor

MEGABYTE = 2**20
ROUNDS = 5


def spin(parameters: dict[str, Any]) -> None:
    """Compute for 20 ms of wall time."""
    end = time.perf_counter() + 0.02
    while time.perf_counter() < end:
        pass


def nap(parameters: dict[str, Any]) -> None:
    time.sleep(0.01)


def run(executor: ProcessExecutor, n: int) -> float:
    """Run n trials as a search does, as many in flight as the executor likes; return the seconds."""
    begin, sent, done = time.perf_counter(), 0, 0
    while done < n:
        while sent < n and executor.in_flight < executor.capacity:
            executor.submit(sent, {"lookback_period": 20, "threshold": 0.02, "number": sent})
            sent += 1
        done += len(executor.wait())
    return time.perf_counter() - begin


def warm(executor: ProcessExecutor, workers: int) -> None:
    """Wait until every worker is there."""
    while executor.usage().workers < workers or executor.usage().busy:
        run(executor, 4 * workers)


def private_bytes() -> tuple[int, int]:
    """Return the private bytes of all workers, and of all guards."""
    guards = psutil.Process().children()
    workers = [child for guard in guards for child in guard.children()]
    return sum(map(_private, workers)), sum(map(_private, guards))


def _private(process: psutil.Process) -> int:
    info = process.memory_full_info()
    return int(info.uss)


def efficiency() -> None:
    print("## 20 ms trials on 2 workers\n")
    print("A trial computes for 20 ms of wall time. Ideal is 2 / 0.02 s = 100 trials a second.\n")
    with ProcessExecutor(spin, 2) as executor:
        warm(executor, 2)
        shares = [300 * 0.01 / run(executor, 300) for _ in range(ROUNDS)]
    best, middle = max(shares), statistics.median(shares)
    print(f"{ROUNDS} rounds of 300 trials: best {best:.1%} of ideal, median {middle:.1%}.\n")


def numbers_of_workers() -> None:
    print("## 1 to 50 workers, trials that wait 10 ms\n")
    print("| workers | trials a second, best of 3 | of ideal | pool's CPU a trial | private memory |")
    print("|---|---|---|---|---|")
    for workers in (1, 2, 4, 8, 16, 32, 50):
        with ProcessExecutor(nap, workers) as executor:
            warm(executor, workers)
            n = min(3000, 150 * workers)
            cpu = time.process_time()
            seconds = min(run(executor, n) for _ in range(3))
            cpu = (time.process_time() - cpu) / (3 * n)
            of_workers, of_guards = private_bytes()
        print(
            f"| {workers} | {n / seconds:,.0f} | {n * 0.01 / workers / seconds:.1%} | {1e6 * cpu:.0f} us "
            f"| workers {of_workers / 1e6:.0f} MB, guards {of_guards / 1e6:.0f} MB |",
            flush=True,
        )
    print()


def data_once() -> None:
    print("## An array of 200 MB in 4 workers\n")
    prices = np.random.default_rng(0).random(25_000_000)

    def function(parameters: Any) -> float:
        time.sleep(0.2)
        return float(prices.sum())

    with ProcessExecutor(function, 4) as executor:
        begin = time.perf_counter()
        run(executor, 4)
        first = time.perf_counter() - begin
        run(executor, 16)
        of_workers, of_guards = private_bytes()
        shared = executor.usage().memory
    print(f"Private memory of the four workers together {of_workers / 1e6:.0f} MB, of their guards ", end="")
    print(
        f"{of_guards / 1e6:.0f} MB; `usage().memory`, the shared array in it once: {shared / 1e6:.0f} MB. ",
        end="",
    )
    print(f"First four trials, workers started and NumPy imported: {first:.2f} s.\n")


def start_and_usage() -> None:
    print("## Start, use, end\n")
    starts, ends = [], []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        executor = ProcessExecutor(nap, 1)
        run(executor, 1)
        starts.append(time.perf_counter() - begin - 0.01)
        begin = time.perf_counter()
        executor.close()
        ends.append(time.perf_counter() - begin)
    print(f"From nothing to the first outcome, without the trial's own time: {min(starts):.3f} s ", end="")
    print(f"(best of {ROUNDS}); `close()` with an idle worker {min(ends):.3f} s.")
    with ProcessExecutor(lambda parameters: time.sleep(60), 50) as executor:
        for number in range(50):
            executor.submit(number, number)
        while executor.usage().busy < 50:
            executor.wait(0.1)
        begin = time.process_time()
        for _ in range(1000):
            executor.usage()
        once = (time.process_time() - begin) / 1000
        begin = time.perf_counter()
    print(f"`usage()` of 50 busy workers takes {1e6 * once:.0f} us; ending them ", end="")
    print(f"{time.perf_counter() - begin:.2f} s.\n")


def reaction() -> None:
    print("## From a limit to the outcome\n")
    print("| what a run does | limit | outcome | after the limit |")
    print("|---|---|---|---|")
    cases: list[tuple[str, Callable[[Any], Any], str]] = [
        ("sleeps for ever", lambda parameters: time.sleep(600), "1 s"),
        ("loops for ever, two children too", _loop_with_children, "1 s"),
    ]
    for name, function, limit in cases:
        late = []
        with ProcessExecutor(function, 1, limits=Limits(seconds=1.0)) as executor:
            for number in range(3):
                executor.submit(number, number)
                outcome = executor.wait()[0]
                late.append(outcome.seconds - 1.0)
        print(f"| {name} | {limit} | `{outcome.reason}` | {max(late):.2f} s |", flush=True)
    print()


def _loop_with_children(parameters: Any) -> None:
    for _ in range(2):
        if os.fork() == 0:
            os.setsid()
            break
    while True:
        pass


def kills() -> None:
    print("## 200 random kill -9 in 2,000 trials\n")
    mark = f"EXECUTOR_BENCHMARK={time.time_ns()}"
    os.environ.update([mark.split("=")])

    def function(parameters: int) -> int:
        time.sleep(0.01)
        return parameters**2

    for guards, victims in ((False, "workers"), (True, "workers and guards")):
        killer = Killer(every=8, most=200, guards=guards)
        begin = time.perf_counter()
        with ProcessExecutor(function, 2, attempts=1000) as executor:
            delivered = run_under_fire(executor, killer, list(range(2000)))
            usage = executor.usage()
        seconds = time.perf_counter() - begin
        time.sleep(1.0)
        numbers = [outcome.number for outcome in delivered]
        lost = sum(outcome.value != outcome.number**2 for outcome in delivered) + 2000 - len(set(numbers))
        print(
            f"Of {victims}: {killer.killed} kills, {lost} lost, {len(numbers) - len(set(numbers))} duplicated, "
            f"{len(processes_with(mark))} processes left; {usage.retried} runs begun again, "
            f"{usage.restarted} workers replaced, {seconds:.0f} s.\n",
            flush=True,
        )


if __name__ == "__main__":
    print("# Executors\n")
    print(f"`python benchmarks/bench_executors.py`, on {machine_line()};")
    print(f"{versions(['cloudpickle', 'psutil', 'numpy'])}.\n", flush=True)
    efficiency()
    numbers_of_workers()
    data_once()
    start_and_usage()
    reaction()
    kills()
