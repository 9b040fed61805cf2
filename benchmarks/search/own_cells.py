"""Is `auto` ever far behind the best of our own algorithms? Landscapes x budgets x costs of a trial, one thread.

    .venv-search/bin/python benchmarks/search/own_cells.py run --seeds 3 --minutes 60
    .venv-search/bin/python benchmarks/search/own_cells.py report > benchmarks/search/results/own_cells.md

*Slow* trials are told to take 10 s: all algorithms get the same number of them, one at a time. *Quick* ones are told to
take 10 us, so that time goes into choosing: `ga` and `random` get as many as `auto`, asked by their batch size; `bo`,
`hybrid` and `ensemble` get those that fit into the time `auto` needed for all of its own.

Runs are kept in results/own_cells.jsonl; one that stands there is not repeated.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from landscapes import Landscape, landscapes
from run import ENVIRONMENT, append, read_runs

from strategy_optimizer import create_optimizer

RUNS = Path(__file__).with_name("results") / "own_cells.jsonl"
SLOW, QUICK = 10.0, 1e-5  # seconds a trial is told to take
BUDGETS = {SLOW: (50, 200, 1_000), QUICK: (1_000, 10_000)}
THINKERS = ("bo", "hybrid", "ensemble")
OTHERS = ("ga", *THINKERS, "random")
EXPLANATION = """Mean scores over the landscapes that all have finished. *auto - best*: its mean less that of the best
other algorithm. *Worst landscape*: the same on the landscape where it is furthest behind whichever was best there,
means over the seeds; the best of five noisy means is above the mean of any of them. Of slow trials `auto` lets the
model choose all, as `bo` does with another seed: how far these two are apart is the noise of so many seeds.
"""
FEW_SEEDS_FROM = 1_000  # slow trials: so many of them are run with the first seed only


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "report"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--cost", choices=["slow", "quick"], help="only cells of such trials")
    parser.add_argument("--budgets", type=int, nargs="*", help="only cells of so many trials")
    arguments = parser.parse_args()
    if arguments.what == "report":
        print(report(read_runs(RUNS)))
        return
    if ENVIRONMENT.items() - os.environ.items():  # libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    deadline = time.monotonic() + 60.0 * arguments.minutes
    done = {_key(record): record for record in read_runs(RUNS)}
    for cell in _cells(arguments.seeds):
        if arguments.cost and cell["cost"] != {"slow": SLOW, "quick": QUICK}[arguments.cost]:
            continue
        if arguments.budgets and cell["budget"] not in arguments.budgets:
            continue
        for name in ("auto", *OTHERS):
            key = (name, cell["landscape"], cell["cost"], cell["budget"], cell["seed"])
            if key in done or time.monotonic() > deadline:
                continue
            seconds = (
                done[("auto", *key[1:])]["seconds"] if name in THINKERS and cell["cost"] == QUICK else None
            )
            done[key] = {"optimizer": name} | cell | search(name, seconds=seconds, **cell)
            append(RUNS, done[key])
            print(done[key], flush=True)


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[part] for part in ("optimizer", "landscape", "cost", "budget", "seed"))


def _cells(seeds: int) -> Iterator[dict[str, Any]]:
    names = [landscape.name for landscape in landscapes(["strategy", "grid"])]
    for seed, cost in itertools.product(range(seeds), BUDGETS):
        for budget, name in itertools.product(BUDGETS[cost], names):
            if seed == 0 or cost == QUICK or budget < FEW_SEEDS_FROM:
                yield {"landscape": name, "cost": cost, "budget": budget, "seed": seed}


def search(
    name: str, landscape: str, cost: float, budget: int, seed: int, seconds: float | None
) -> dict[str, Any]:
    """Return the score of a search and the seconds it took; it ends after `seconds` when they are given."""
    found = landscapes([landscape])[0]
    pinned = {"trial_seconds": cost} if name in ("auto", "ensemble") else {}
    optimizer = create_optimizer(name, found.space, budget=budget, seed=seed, **pinned)
    start = time.perf_counter()
    while optimizer.n_told < budget and (seconds is None or time.perf_counter() - start < seconds):
        wanted = optimizer.batch_size if cost == QUICK else 1
        points = optimizer.ask_array(min(wanted, budget - optimizer.n_told))
        if len(points) == 0:
            break
        optimizer.tell_array(points, found.evaluate(points), seconds=cost)
    return {
        "score": _score(found, optimizer.best_score),
        "trials": optimizer.n_told,
        "seconds": round(time.perf_counter() - start, 3),
    }


def _score(landscape: Landscape, best: float | None) -> float:
    return round(landscape.score(best), 5) if best is not None else 0.0


def report(records: list[dict[str, Any]]) -> str:
    """Return the page."""
    from machine import machine_line

    lines = []
    for cost, budget in [(cost, budget) for cost, budgets in BUDGETS.items() for budget in budgets]:
        own = [r for r in records if r["cost"] == cost and r["budget"] == budget]
        if own:
            lines.append(_line(cost, budget, own))
    head = "| a trial takes | trials | seeds | auto | " + " | ".join(OTHERS)
    head += " | auto - best | worst landscape | landscapes more than 0.03 behind |"
    return "\n".join(
        [
            "# auto and the others of ours",
            "",
            *(line for line in __doc__.splitlines()[2:-2] if line),
            "",
            EXPLANATION,
            f"Machine: {machine_line()}",
            "",
            head,
            "|" + "---|" * 2 + "---:|" * (head.count("|") - 3),
            *lines,
        ]
    )


def _line(cost: float, budget: int, records: list[dict[str, Any]]) -> str:
    means: dict[str, dict[str, float]] = {}
    for name in ("auto", *OTHERS):
        by_landscape: dict[str, list[float]] = {}
        for r in records:
            if r["optimizer"] == name:
                by_landscape.setdefault(r["landscape"], []).append(r["score"])
        means[name] = {landscape: statistics.mean(scores) for landscape, scores in by_landscape.items()}
    common = set.intersection(*(set(each) for each in means.values()))
    overall = {name: statistics.mean(each[c] for c in common) for name, each in means.items()}
    behind = np.array([means["auto"][c] - max(means[name][c] for name in OTHERS) for c in common])
    cells = [f"{overall[name]:.3f}" for name in ("auto", *OTHERS)]
    gap = overall["auto"] - max(overall[name] for name in OTHERS)
    seeds = len({r["seed"] for r in records})
    cost_text = "10 s" if cost == SLOW else "10 us"
    return (
        f"| {cost_text} | {budget:,} | {seeds} | "
        + " | ".join(cells)
        + f" | {gap:+.3f} | {behind.min():+.3f} | "
        f"{int((behind < -0.03).sum())} of {len(common)} |"
    )


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    main()
