"""Worker processes: how much of ideal they reach, how many are worth having, what they cost, and what kills cost.

python benchmarks/bench_executors.py > benchmarks/results/executors.md
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from machine import machine_line, versions
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


def run(executor: ProcessExecutor, n: int, inside: list[float] | None = None) -> float:
    """Run n trials as a search does, as many in flight as the executor likes; return the seconds."""
    begin, sent, done = time.perf_counter(), 0, 0
    while done < n:
        while sent < n and executor.in_flight < executor.capacity:
            executor.submit(sent, {"lookback_period": 20, "threshold": 0.02, "number": sent})
            sent += 1
        outcomes = executor.wait()
        done += len(outcomes)
        if inside is not None:
            inside.extend(outcome.seconds for outcome in outcomes)
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
    print(
        "A trial computes for 20 ms of wall time; ideal is 2 / 0.02 s = 100 trials a second. Where the machine has"
    )
    print(
        "other things to do, a trial itself takes longer than that; the last column does not depend on it: the share"
    )
    print("of the time in which the workers were inside the function.\n")
    print("| round of 300 trials | of ideal | inside the function |")
    print("|---|---|---|")
    shares, busy = [], []
    with ProcessExecutor(spin, 2) as executor:
        warm(executor, 2)
        for number in range(ROUNDS):
            inside: list[float] = []
            seconds = run(executor, 300, inside)
            shares.append(300 * 0.01 / seconds)
            busy.append(sum(inside) / 2 / seconds)
            print(
                f"| {number + 1}, load {os.getloadavg()[0]:.1f} | {shares[-1]:.1%} | {busy[-1]:.1%} |",
                flush=True,
            )
    print(f"\nMedian: {statistics.median(shares):.1%} of ideal, {statistics.median(busy):.1%} inside.\n")


def numbers_of_workers() -> None:
    print("## 1 to 50 workers, trials that wait 10 ms\n")
    print("Each line is three rounds, the best of which counts; the load is the machine's after them.\n")
    print("| workers | trials a second | of ideal | pool's CPU a trial | private memory | load |")
    print("|---|---|---|---|---|---|")
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
            f"| workers {of_workers / 1e6:.0f} MB, guards {of_guards / 1e6:.0f} MB | {os.getloadavg()[0]:.1f} |",
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
    print(
        "Three runs each; the time between the limit of 1 s and the outcome in the caller's hands, by which time all"
    )
    print("that the run started is gone.\n")
    print("| what a run does | outcome | after the limit, at most |")
    print("|---|---|---|")
    for name, function in (
        ("sleeps for ever", _sleep),
        ("loops for ever, nine children too", _loop_with_children),
    ):
        late = []
        with ProcessExecutor(function, 1, limits=Limits(seconds=1.0)) as executor:
            for number in range(3):
                executor.submit(2 * number, False)
                executor.wait()
                begin = time.perf_counter()
                executor.submit(2 * number + 1, True)
                outcome = executor.wait()[0]
                late.append(time.perf_counter() - begin - 1.0)
        print(f"| {name} | `{outcome.reason}` | {max(late):.2f} s |", flush=True)
    print()


def _sleep(is_asked: bool) -> None:
    if is_asked:
        time.sleep(600)


def _loop_with_children(is_asked: bool) -> None:
    for _ in range(9):
        if is_asked and os.fork() == 0:
            os.setsid()
            break
    while is_asked:
        pass


def kills() -> None:
    print("## 200 random kill -9 in 2,000 trials\n")
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from processes_left import processes_with
    from random_kills import Killer, run_under_fire

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
