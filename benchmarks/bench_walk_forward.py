"""A walk-forward with one worker, with two threads, and with two processes; and what a worker process costs.

python benchmarks/bench_walk_forward.py [rounds] > benchmarks/results/walk_forward.md
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from typing import Any

from machine import machine_line, versions
from strategy_optimizer import load_bars
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation import walk_forward
from strategy_optimizer.validation.walkforward import searches
from strategy_optimizer.validation.walkforward.choices import WindowPlan
from strategy_optimizer.validation.walkforward.places import WorkerProcesses
from strategy_optimizer.validation.walkforward.progress import Tracker

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 3
PLAN: dict[str, Any] = {"train": "3y", "test": "1y", "ledger": False}
WORK = {"ga": {"evaluations": 20_000}, "auto": {"evaluations": 1000, "trial_seconds": 1e-5}}
"""With `trial_seconds` all rounds choose the same optimizer."""
MODES = ("1 worker", "2 threads", "2 processes")


def processor_seconds() -> float:
    """Return what this process and all children that have ended used."""
    return sum(
        use.ru_utime + use.ru_stime
        for use in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def run(strategy: str, optimizer: str, mode: str) -> tuple[float, float, Any]:
    """Return seconds, processor seconds and the windows; two threads are what is used where nothing can be sent."""
    may_have_workers = searches.may_have_workers
    if mode == "2 threads":
        searches.may_have_workers = lambda: False
    try:
        begin, used = time.perf_counter(), processor_seconds()
        found = walk_forward(strategy, "nasdaq", optimizer, workers=int(mode[0]), **PLAN, **WORK[optimizer])
        return time.perf_counter() - begin, processor_seconds() - used, found.windows
    finally:
        searches.may_have_workers = may_have_workers


def compare(strategy: str, optimizer: str) -> None:
    """Print the rounds of one search, all modes in turn, and their ratios."""
    ratios: dict[str, list[float]] = {mode: [] for mode in MODES[1:]}
    for number in range(ROUNDS):
        taken = {mode: run(strategy, optimizer, mode) for mode in MODES}
        same = all(str(windows) == str(taken[MODES[0]][2]) for _, _, windows in taken.values())
        for mode in MODES[1:]:
            ratios[mode].append(taken[MODES[0]][0] / taken[mode][0])
        cells = " | ".join(f"{seconds:.1f} s ({used:.1f})" for seconds, used, _ in taken.values())
        speed = " | ".join(f"{ratios[mode][-1]:.2f}" for mode in MODES[1:])
        print(
            f"| `{strategy}`, `{optimizer}`, {number + 1} | {cells} | {speed} "
            f"| {'the same' if same else 'DIFFERENT'} | {os.getloadavg()[0]:.1f} |",
            flush=True,
        )
    medians = " | ".join(f"**{statistics.median(ratios[mode]):.2f}**" for mode in MODES[1:])
    print(f"| `{strategy}`, `{optimizer}`, median | | | | {medians} | | |", flush=True)


def start() -> None:
    """Print what one worker process costs before it searches at full speed."""
    print("\n## What a worker process costs\n")
    print(
        "From nothing to the end of a first, tiny search (10 trials on 760 bars), and of a second one: start of the"
    )
    print(
        "process, import of NumPy, SciPy, Numba and this package, kernels loaded from their cache. The first window"
    )
    print("here had compiled and cached them.\n")
    bars = load_bars("nasdaq")
    task = make_task("momentum", bars, "ga", evaluations=10, holdout=0.0, workers=1)
    plan = WindowPlan(task.strategy, bars, task.space, task.objective, task.settings, "recommended", 1)
    trains = [range(760), range(1, 761)]
    print("| round | first search | processor seconds | second search | load |")
    print("|---|---|---|---|---|")
    for number in range(5):
        begin, used = time.perf_counter(), processor_seconds()
        place = WorkerProcesses(plan, trains, Tracker(2, 10, None), 1)
        seconds = []
        for train in trains:
            place.start(train)
            while not place.ended(1.0):
                pass
            seconds.append(time.perf_counter() - begin - sum(seconds))
        place.close()
        used = processor_seconds() - used
        print(
            f"| {number + 1} | {seconds[0]:.2f} s | {used:.2f} | {seconds[1]:.3f} s | {os.getloadavg()[0]:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    print("# Walk-forward: one worker, two threads, two processes\n")
    print(f"`python benchmarks/bench_walk_forward.py`, on {machine_line()};")
    print(f"{versions(['numpy', 'numba', 'scipy'])}.\n")
    print(
        "17 windows of 3 years of `nasdaq`, tested on 1 year, without the ledger; `ga` with 20,000 trials a window,"
    )
    print(
        "`auto` with 1,000. All modes in turn, in one process; in brackets the processor seconds of all processes."
    )
    print(
        "Where the machine has other things to do two processes get less than two cores: the load stands beside.\n"
    )
    print(f"| search, round | {' | '.join(MODES)} | threads, times as fast | processes | result | load |")
    print("|---|---|---|---|---|---|---|---|")
    run("momentum", "ga", "1 worker")  # loads everything
    for strategy in ("momentum", "ma_cross"):
        for optimizer in WORK:
            compare(strategy, optimizer)
    start()
