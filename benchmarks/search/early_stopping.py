"""What `patience="auto"` saves of a budget of 2,000 quick trials, and what it loses.

    .venv-search/bin/python benchmarks/search/early_stopping.py > benchmarks/search/results/early_stopping.md

Every search runs to its end; where `optimizer.converged` would have ended it is noted on the way. *Saved* is the
share of the trials after that, *loss* is by how much they raised the score: 0 is the median random trial of a
landscape, 1 its best known (on grids the optimum). *Loss at 1,200* is what ending every search there would have lost,
which saves 40 % without looking at anything. The rule was chosen on the seeds 10 to 19; these are others.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from landscapes import Landscape, landscapes
from run import ENVIRONMENT

from strategy_optimizer import create_optimizer

BUDGET, SECONDS = 2_000, 1e-5  # trials of a search, and what one of them is told to take
FIXED = 1_200  # trials of the rule that looks at nothing
OPTIMIZERS = ("auto",)
SEEDS = range(20, 30)
ASKED = "asked: at least 40 % saved at a mean loss of at most 0.01"


class Search(NamedTuple):
    """One search that ran to its end."""

    saved: float  # share of the trials after the stop
    lost: float  # what these raised the score by
    lost_at_fixed: float  # what those after the 1,200th did
    score: float  # at the end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--optimizers", nargs="+", default=list(OPTIMIZERS))
    arguments = parser.parse_args()
    if ENVIRONMENT.items() - os.environ.items():  # libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    found: dict[tuple[str, str], list[Search]] = {}
    for name, seed, landscape in itertools.product(
        arguments.optimizers, arguments.seeds, landscapes(["strategy", "grid"])
    ):
        search = run(name, landscape, seed)
        found.setdefault((name, landscape.group), []).append(search)
        print(name, landscape.name, seed, search, file=sys.stderr, flush=True)
    print(report(found, len(arguments.seeds)))


def run(name: str, landscape: Landscape, seed: int) -> Search:
    """Return what one search would have saved and lost."""
    pinned = {"trial_seconds": SECONDS} if name == "auto" else {}
    optimizer = create_optimizer(name, landscape.space, budget=BUDGET, seed=seed, **pinned)
    stop, score_then = BUDGET, None
    while optimizer.n_told < BUDGET:
        points = optimizer.ask_array(min(optimizer.batch_size, BUDGET - optimizer.n_told))
        if len(points) == 0:  # every point of a small grid was tried
            break
        optimizer.tell_array(points, landscape.evaluate(points), seconds=SECONDS)
        if score_then is None and optimizer.n_told < BUDGET and optimizer.converged:
            stop, score_then = optimizer.n_told, landscape.score(optimizer.best_score)
    score = landscape.score(optimizer.best_score)
    score_at_fixed = landscape.score(float(optimizer.log.winning_scores[:FIXED].max()))
    lost = 0.0 if score_then is None else score - score_then
    return Search(1.0 - stop / BUDGET, lost, score - score_at_fixed, score)


def report(found: dict[tuple[str, str], list[Search]], seeds: int) -> str:
    """Return the page."""
    from machine import machine_line

    lines = [
        "# Early stopping",
        "",
        *__doc__.splitlines()[2:],
        "",
        f"Machine: {machine_line()}. {seeds} seeds; {ASKED}.",
        "",
        "| optimizer | landscapes | runs | saved | stopped | mean loss | its error | largest | without loss "
        "| loss at 1,200 | its error | score |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in dict.fromkeys(name for name, _ in found):
        groups = {group: searches for (of, group), searches in found.items() if of == name}
        for group, searches in {**groups, "all": list(itertools.chain(*groups.values()))}.items():
            lines.append(_line(name, group, searches))
    return "\n".join(lines)


def _line(name: str, group: str, searches: list[Search]) -> str:
    saved, lost, lost_at_fixed, score = np.array(searches).T
    return (
        f"| {name} | {group} | {len(searches)} | {saved.mean():.0%} | {np.mean(saved > 0):.0%} | {lost.mean():.4f} | "
        f"{_error(lost):.4f} | {lost.max():.3f} | {np.mean(lost <= 0):.0%} | {lost_at_fixed.mean():.4f} | "
        f"{_error(lost_at_fixed):.4f} | {score.mean():.3f} |"
    )


def _error(values: np.ndarray) -> float:
    """Return the standard error of the mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values)))


if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[1]))
    main()
