"""Whether an optimizer is to be told how sure the score of a pruned trial is.

    .venv/bin/python benchmarks/bench_pruning_told_errors.py > benchmarks/results/pruning_told_errors.md   # 20 minutes

The cells and the pruning of `bench_pruning.py`. `bo` is told the estimate of each trial that was stopped: as if it
were exact, as searches here do, or with its standard error, or a part of it, as known noise. *Change*: of the best
score, in units of (best known - median random), beside the same search whose estimates count as exact; with the
standard error over the searches.
"""

from __future__ import annotations

import sys

import numpy as np

from bench_pruning import OBJECTIVES, RULES, SAMPLES, SEEDS, STRATEGIES, TRIALS, Landscape, scale, search
from machine import machine_line

PARTS = (1.0, 0.6, 0.3)
OPTIMIZER = "bo"


def main() -> None:
    changes: list[list[float]] = []
    for strategy in STRATEGIES:
        for sample in SAMPLES:
            changes += changes_of(Landscape(strategy, sample))
            print(f"{strategy}, {sample}: done", file=sys.stderr, flush=True)
    print("# The standard errors of pruned trials", "", *__doc__.splitlines()[2:], sep="\n")
    print(f"\nMachine: {machine_line()}. {len(changes)} searches of {TRIALS[OPTIMIZER]} trials a row.\n")
    print("| told standard error | change of the best score |")
    print("|---:|---:|")
    for part, column in zip(PARTS, np.array(changes).T, strict=True):
        error = column.std(ddof=1) / np.sqrt(len(column))
        print(f"| {part:g} of it | {column.mean():+.4f} ± {error:.4f} |")


def changes_of(land: Landscape) -> list[list[float]]:
    """Return the change of the best score by each part of the error, for each objective and seed."""
    found = []
    for objective in OBJECTIVES:
        searches = [
            [
                search(land, objective, OPTIMIZER, seed, RULES["0.01"], told_error=part).best
                for part in (0.0, *PARTS)
            ]
            for seed in range(SEEDS)
        ]
        land.scores(land.pool, objective)
        middle, top = scale(land, objective)
        found += [[(best - exact) / (top - middle) for best in others] for exact, *others in searches]
    return found


if __name__ == "__main__":
    main()
