"""What the trial ledger is worth to someone who searches until the verdict pleases, and what it costs.

    .venv/bin/python benchmarks/bench_ledger.py > benchmarks/results/ledger.md   # half an hour of one core

Ten searches of 200 trials by the genetic algorithm on the same twelve years of daily bars, the last quarter held out:
momentum and crossing averages in turn, each with another seed. Every search is judged once alone and once with a ledger
that knows the earlier ones. Markets: random walk, GARCH and regimes in turn, without an edge and without costs; and
with a planted one, at the usual costs. The ledgers are in temporary folders.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench_verdict import COSTS, EDGES, FREE, LOOKBACK, MARKETS, N_BARS
from machine import machine_line
from strategy_optimizer.market.synthetic import synthetic_market
from strategy_optimizer.tasks import FinishedSearch, make_task
from strategy_optimizer.validation import validate_search
from strategy_optimizer.validation.ledger import KeySet, Ledger, compare, count_beyond, entry_of, record

SEARCHES, TRIALS, NULL_MARKETS, PLANTED_MARKETS, PLANTED = 10, 200, 120, 45, 1.5
FIRST_SEED = 7_000_000  # markets that no other benchmark uses
Decisions = list[tuple[str, str]]  # alone and with the ledger, search after search


def main() -> None:
    print("# The trial ledger", "", *__doc__.splitlines()[2:], "", sep="\n")
    print(f"Machine: {machine_line()}.\n")
    null = [searches_on(k, planted=0.0) for k in range(NULL_MARKETS)]
    print(f"## Without an edge: markets of {NULL_MARKETS} on which one of the searches so far passed\n")
    print("\n".join(passed_table(null)))
    found = [searches_on(k, planted=PLANTED) for k in range(PLANTED_MARKETS)]
    print(f"\n## With an edge of {PLANTED}: the same, of {PLANTED_MARKETS} markets\n")
    print("\n".join(passed_table(found)))
    print(f"\n## Speed\n\nMachine: {machine_line()}.\n")
    print("\n".join(speed_table()))


def searches_on(number: int, planted: float) -> Decisions:
    """Return the decisions of the searches on one market."""
    model = list(MARKETS.values())[number % len(MARKETS)]
    edge = EDGES[planted] if planted else 0.0
    bars = synthetic_market(N_BARS, model, seed=FIRST_SEED + number, edge=edge, lookback=LOOKBACK)
    with tempfile.TemporaryDirectory() as folder:
        return list(_decisions(bars, Ledger(Path(folder)), COSTS if planted else FREE))


def _decisions(bars: Any, ledger: Ledger, costs: Any) -> Iterator[tuple[str, str]]:
    for seed in range(SEARCHES):
        strategy = ("momentum", "ma_cross")[seed % 2]
        search = _search(strategy, bars, TRIALS, seed=seed, costs=costs)
        earlier = record(entry_of(search, threads=1), ledger)
        alone, counted = (
            validate_search(search, known, threads=1, most_trials=0).verdict.decision
            for known in (None, earlier)
        )
        yield alone, counted


def _search(strategy: str, bars: Any, trials: int, **settings: Any) -> FinishedSearch:
    task = make_task(strategy, bars, "ga", evaluations=trials, workers=1, **settings)
    task.run()
    assert task.search is not None
    return task.search


def passed_table(markets: list[Decisions]) -> list[str]:
    lines = [
        "| searches | deploy, alone | deploy, with the ledger | paper or deploy, alone | with the ledger |"
    ]
    lines.append("|---:|---:|---:|---:|---:|")
    for n in (1, 2, 5, SEARCHES):
        cells = [
            sum(any(decision[way] in passing for decision in market[:n]) for market in markets) / len(markets)
            for passing in (("deploy",), ("deploy", "paper"))
            for way in (0, 1)
        ]
        lines.append(f"| {n} | " + " | ".join(f"{cell:.1%}" for cell in cells) + " |")
    return lines


def speed_table() -> list[str]:
    """Return the milliseconds of recording a large task and of reading and counting 200 of them."""
    search = _search("momentum", "nasdaq", 20_000, seed=1)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder))
        own = entry_of(search)
        for k in range(200):
            keys = KeySet.of(rng.integers(0, 2**64, 2_000 if k % 2 else 20_000, dtype=np.uint64))
            ledger.write(replace(own, task_id=str(k), trials=replace(own.trials, keys=keys)))
        ledger.write(own)
        size = max(path.stat().st_size for path in ledger.folder.iterdir())
        rows = {
            "entry of a task of 20,000 trials": _milliseconds(lambda: entry_of(search)),
            "writing it": _milliseconds(lambda: ledger.write(own)),
            "reading 200 entries": _milliseconds(ledger.read),
        }
        entries = ledger.read().entries
        rows["which of them count"] = _milliseconds(lambda: compare(own, entries))
        others = [entry.trials.keys for entry in entries]
        rows["their different trials"] = _milliseconds(lambda: count_beyond(own.trials.keys, others))
    lines = ["| step | ms, median of 9 |", "|---|---:|"]
    lines += [f"| {name} | {value:.1f} |" for name, value in rows.items()]
    return [*lines, "", f"The largest entry has {size:,} bytes."]


def _milliseconds(function: Any) -> float:
    times = []
    for _ in range(9):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


if __name__ == "__main__":
    sys.exit(main())
