"""The store: what a save costs, and how long a page and a curve of a million trials take.

    .venv/bin/python benchmarks/bench_storage.py [TRIALS] [URL] > benchmarks/results/storage.md   # two minutes

Without a URL: an SQLite file in a temporary folder. Random numbers, which compress worse than real trials.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from machine import machine_line
from strategy_optimizer import ParameterSpace
from strategy_optimizer.storage import Lease, NewEvent, NewTask, Store, TrialChunk
from strategy_optimizer.tasks import TrialHistory
from strategy_optimizer.tasks.history import TrialColumns

FULL, SMALL = 4096, 32


def make_history(n: int) -> TrialHistory:
    space = ParameterSpace("stored")
    for number in range(5):
        space.add_parameter(f"p{number}", "continuous", (0.0, 1.0))
    history, rng = TrialHistory(space), np.random.default_rng(0)
    for first in range(0, n, 50_000):
        rows = min(50_000, n - first)
        columns = history.columns(rows)
        for column in (columns.points, columns.metrics, columns.sums, columns.scores, columns.seconds):
            column[...] = rng.normal(size=column.shape)
        columns.states[...], columns.feasible[...], columns.reasons[...] = 0, True, 0
        columns.asked[...], columns.known[...] = np.arange(first, first + rows), first
        history.extend(TrialColumns(**vars(columns)))
    return history


def save_all(
    store: Store, lease: Lease, history: TrialHistory, start: int, stop: int, batch: int
) -> list[float]:
    seconds = []
    for first in range(start, stop, batch):
        chunk = TrialChunk.of(history, first, min(first + batch, stop))
        begun = time.perf_counter()
        store.trials.save(lease, chunk, {"told": first}, events=[NewEvent("progress", {"trials": first})])
        seconds.append(time.perf_counter() - begun)
    return seconds


def milliseconds(work: Callable[[], object], times: int = 15) -> str:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - begun))
    return f"{np.median(taken):.1f} | {max(taken):.1f}"


def measure(store: Store, n: int) -> None:
    store.accounts.add_user("ada", "operator", user_id="ada")
    history = make_history(n)
    for task_id in ("small", "full"):
        store.tasks.create(NewTask("ada", "momentum", {}, id=task_id))
    leases = {
        lease.task.id: lease
        for lease in (store.queue.lease("w", 86_400), store.queue.lease("w", 86_400))
        if lease
    }
    small = save_all(store, leases["small"], history, 0, min(n, 200 * SMALL), SMALL)
    full = save_all(store, leases["full"], history, 0, n, FULL)
    print("| what | median, ms | longest, ms |\n|---|---|---|")
    for name, seconds in ((f"save of {SMALL} trials", small), (f"save of {FULL:,} trials", full)):
        print(f"| {name} | {1e3 * np.median(seconds):.1f} | {1e3 * max(seconds):.1f} |")
    rng = np.random.default_rng(1)

    def page() -> None:
        first = int(rng.integers(0, n - 200))
        assert sum(map(len, store.trials.read("full", first, first + 200))) == 200

    print(f"| page of 200 of {n:,} trials, anywhere | {milliseconds(page)} |")
    print(f"| curve of {n:,} trials in 1,000 points | {milliseconds(lambda: store.trials.curve('full'))} |")
    print(f"| summaries of all chunks | {milliseconds(lambda: store.trials.summaries('full'))} |")
    print(f"| heartbeat | {milliseconds(lambda: store.queue.heartbeat(leases['full'], 86_400))} |")
    begun = time.perf_counter()
    store.trials.load("full", TrialHistory(history.space))
    print(
        f"\nLoading all of them: {time.perf_counter() - begun:.1f} s. The database: {store.size / 1e6:,.0f} MB."
    )


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with (
        tempfile.TemporaryDirectory() as folder,
        Store(sys.argv[2] if len(sys.argv) > 2 else Path(folder) / "store.db") as store,
    ):
        store.upgrade()
        print(f"# The store, {n:,} trials of 5 parameters on {store.database.engine.dialect.name}\n")
        print(f"    .venv/bin/python benchmarks/bench_storage.py {n}\n\nMachine: {machine_line()}.\n")
        measure(store, n)


if __name__ == "__main__":
    main()
