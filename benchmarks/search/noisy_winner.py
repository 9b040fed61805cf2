"""Which trial of a noisy search is the best one: the luckiest, or the one that a model of all trials believes in.

    .venv/bin/python benchmarks/search/noisy_winner.py > benchmarks/search/results/noisy_winner.md   # 10 minutes

Each trial of the landscapes of real strategies is told with normal noise and its standard deviation, a share of the
distance from the median random point to the best known one. The score of a trial is its true one on that scale, 0 to
1. *Luckiest*: the trial with the highest told score. *Winner*: `best_point`. *Best tried*: the highest true score.
*Difference*: winner less luckiest, with the standard error over the landscapes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from landscapes import Landscape, landscapes

from machine import machine_line
from strategy_optimizer import create_optimizer

SEARCHES = {"random": 150, "ga": 200, "bo": 100}
SHARES = (0.05, 0.1, 0.2, 0.4)
SEED = 0


def main() -> None:
    cells = landscapes(["strategy", "grid"])
    print("# The winner of a noisy search", "", *__doc__.splitlines()[2:], sep="\n")
    print(f"\nMachine: {machine_line()}. {len(cells)} landscapes, one seed.\n")
    print("| search | noise | luckiest | winner | best tried | difference |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, trials in SEARCHES.items():
        for share in SHARES:
            found = np.array([true_scores(cell, name, trials, share) for cell in cells])
            lucky, winner, best = found.mean(axis=0)
            gained = found[:, 1] - found[:, 0]
            error = gained.std(ddof=1) / np.sqrt(len(gained))
            print(
                f"| {name}, {trials} trials | {share:g} | {lucky:.3f} | {winner:.3f} | {best:.3f} "
                f"| {gained.mean():+.3f} ± {error:.3f} |",
                flush=True,
            )


def true_scores(cell: Landscape, name: str, trials: int, share: float) -> tuple[float, float, float]:
    """Return the true scores of the luckiest trial, of the winner, and of the best trial."""
    noise = share * (cell.best_known - cell.median_random)
    rng = np.random.default_rng(SEED)
    optimizer = create_optimizer(name, cell.space, budget=trials, seed=SEED)
    told, true = [], []
    while len(true) < trials:
        points = optimizer.ask_array(min(optimizer.batch_size, trials - len(true)))
        if not len(points):
            break
        heights = cell.evaluate(points)
        scores = heights + noise * rng.normal(size=len(points))
        optimizer.tell_array(points, scores, std_errors=np.full(len(points), noise))
        told += scores.tolist()
        true += heights.tolist()
    point = optimizer.best_point
    assert point is not None
    winner = float(cell.evaluate(point[None])[0])
    return cell.score(true[int(np.nanargmax(told))]), cell.score(winner), cell.score(float(np.nanmax(true)))


if __name__ == "__main__":
    main()
