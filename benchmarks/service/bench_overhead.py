"""What the service costs over the library: the same task by `optimize` and by a warm worker.

    .venv/bin/python benchmarks/service/bench_overhead.py [TRIALS] [ROUNDS] > benchmarks/results/service_overhead.md

Both from the call, or from the task's creation in the store (SQLite), to the checked result with its verdict. Each
round makes the two one after the other; both processes have loaded everything before.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from machine import machine_line
from strategy_optimizer.storage import NewTask, Store
from strategy_optimizer.tasks import make_task
from strategy_optimizer.validation import run_and_validate
from strategy_optimizer.validation.ledger import Ledger

PROGRAM = [sys.executable, "-c", "from strategy_optimizer.cli.program import main; main()"]
WARM = "a child is ready"


def by_library(trials: int, ledger: Ledger) -> float:
    """Do what `optimize` does, with a trial ledger of its own."""
    begun = time.perf_counter()
    run_and_validate(make_task("momentum", "nasdaq", "ga", evaluations=trials, seed=1), ledger)
    return time.perf_counter() - begun


def by_worker(store: Store, log: Path, trials: int, number: int) -> float:
    while log.read_text().count(WARM) <= number:
        time.sleep(0.1)
    time.sleep(1.0)
    task = {
        "strategy_name": "momentum",
        "optimization_type": "ga",
        "data": "nasdaq",
        "optimization_config": {"budget": trials, "seed": 1},
    }
    begun = time.perf_counter()
    store.tasks.create(NewTask("ada", "momentum", {"task": task}, id=f"opt_{number}"))
    while (made := store.tasks.get(f"opt_{number}")).state in ("queued", "running"):
        time.sleep(0.05)
    assert made.state == "completed", made
    return time.perf_counter() - begun


def main(trials: int = 100_000, rounds: int = 3) -> None:
    print(f"# What the service costs\n\n{machine_line()}\n")
    print("| round | library | warm worker | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "store.db") as store:
        store.upgrade()
        store.accounts.add_user("ada", "operator", user_id="ada")
        log = Path(folder) / "log"
        with log.open("wb") as file:
            worker = subprocess.Popen(
                [*PROGRAM, "worker", "--data-dir", folder, "--log-level", "debug", "--log-format", "text"],
                stderr=file,
                env=os.environ,
            )
        ledger = Ledger(Path(folder) / "ledger of the library")
        by_library(1000, ledger)
        ratios = []
        for number in range(rounds):
            served, alone = by_worker(store, log, trials, number), by_library(trials, ledger)
            ratios.append(served / alone)
            print(f"| {number + 1} | {alone:.2f} s | {served:.2f} s | {served / alone:.3f} |", flush=True)
        worker.send_signal(signal.SIGTERM)
        worker.wait()
    print(f"\nMedian of {rounds} rounds of {trials:,} trials: {np.median(ratios):.3f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
