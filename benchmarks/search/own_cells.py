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

from report import holm, p_value
from strategy_optimizer import create_optimizer

RUNS = Path(__file__).with_name("results") / "own_cells.jsonl"
SLOW, QUICK = 10.0, 1e-5  # seconds a trial is told to take
BUDGETS = {SLOW: (50, 200, 1_000), QUICK: (1_000, 10_000)}
THINKERS = ("bo", "hybrid", "ensemble")
OTHERS = ("ga", *THINKERS, "random")
EXPLANATION = """Mean scores over the landscapes that all have finished. *auto - best*: its mean less that of the best
other algorithm. *Worst landscape*: the same on the landscape where it is furthest behind whichever was best there,
means over the seeds; the best of five noisy means is above the mean of any of them. So the last column counts the same
for the best of the others, with `auto` among its rivals: what noise alone does to a good algorithm. Of slow trials
`auto` lets the model choose all, as `bo` does with another seed: how far these two are apart is the noise of so many
seeds.
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

    lines, comparisons = [], []
    for cost, budget in [(cost, budget) for cost, budgets in BUDGETS.items() for budget in budgets]:
        own = [r for r in records if r["cost"] == cost and r["budget"] == budget]
        if own:
            lines.append(_line(cost, budget, own))
            comparisons.append(_comparison(cost, budget, own))
    head = "| a trial takes | trials | seeds | auto | " + " | ".join(OTHERS)
    head += (
        " | auto - best | worst landscape | landscapes more than 0.03 behind | the same of the best other |"
    )
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
            "",
            "auto minus the other over the same landscapes: difference, and p of Wilcoxon's signed-rank test over",
            "landscape means after Holm's correction.",
            "",
            "| a trial takes | trials | landscapes | " + " | ".join(f"{name} | p" for name in OTHERS) + " |",
            "|---|" + "---:|" * (2 + 2 * len(OTHERS)),
            *comparisons,
        ]
    )


def _means(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return each algorithm's means over seeds of the landscapes that all have finished, in one order."""
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in ("auto", *OTHERS)}
    for r in records:
        scores[r["optimizer"]].setdefault(r["landscape"], []).append(r["score"])
    common = sorted(set.intersection(*(set(each) for each in scores.values())))
    return {name: np.array([statistics.mean(each[c]) for c in common]) for name, each in scores.items()}


def _line(cost: float, budget: int, records: list[dict[str, Any]]) -> str:
    means = _means(records)
    best_other = max(OTHERS, key=lambda name: means[name].mean())
    behind, usual = _behind(means, "auto"), _behind(means, best_other)
    cells = [f"{each.mean():.3f}" for each in means.values()]
    gap = means["auto"].mean() - means[best_other].mean()
    counts = [f"{int((each < -0.03).sum())} of {len(each)}" for each in (behind, usual)]
    return (
        f"| {_cost_text(cost)} | {budget:,} | {_seeds(records)} | {' | '.join(cells)} "
        f"| {gap:+.3f} | {behind.min():+.3f} | {counts[0]} | {best_other}: {counts[1]} |"
    )


def _behind(means: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Return how far an algorithm is ahead of the best other one, landscape by landscape."""
    return means[name] - np.max([each for other, each in means.items() if other != name], axis=0)


def _comparison(cost: float, budget: int, records: list[dict[str, Any]]) -> str:
    means = _means(records)
    differences = [means["auto"] - means[name] for name in OTHERS]
    adjusted = holm([p_value(means["auto"], means[name]) for name in OTHERS])
    cells = [f"{d.mean():+.3f} | {p:.2g}" for d, p in zip(differences, adjusted, strict=True)]
    return f"| {_cost_text(cost)} | {budget:,} | {len(means['auto'])} | {' | '.join(cells)} |"


def _cost_text(cost: float) -> str:
    return "10 s" if cost == SLOW else "10 us"


def _seeds(records: list[dict[str, Any]]) -> str:
    """Return the fewest and the most seeds of an algorithm on a landscape."""
    seeds: dict[tuple[str, str], set[int]] = {}
    for r in records:
        seeds.setdefault((r["optimizer"], r["landscape"]), set()).add(r["seed"])
    counts = sorted({len(each) for each in seeds.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}-{counts[-1]}"


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    main()
