"""How good a point each optimizer finds: our GA against random search and a textbook GA.

Run: .venv/bin/python benchmarks/bench_optimizer_quality.py [--seeds 10] [--budgets 200 1000 10000]
The score of a run is (best found - median random) / (best known - median random), where best known is the
enumerated optimum of a finite space and else the best of all runs. Up to 200 trials are asked one by one, up
to 1,000 eight at a time, beyond that a population at a time. +- is the standard error over seeds of the mean
over landscapes.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np

from optimizer_landscapes import ALL, Landscape
from strategy_optimizer.optimizer import create_optimizer

NAMES = ("random", "textbook", "ga single_point", "ga")


def search(name: str, landscape: Landscape, budget: int, seed: int) -> float:
    settings = {"crossover": "single_point"} if "single_point" in name else {}
    optimizer = create_optimizer(name.split()[0], landscape.space, budget=budget, seed=seed, **settings)
    batch = 1 if budget <= 200 else 8 if budget <= 1000 else optimizer.batch_size
    while optimizer.n_told < budget:
        points = optimizer.ask_array(min(batch, budget - optimizer.n_told))
        if len(points) == 0:
            break
        optimizer.tell_array(points, landscape.function(points))
    return float("-inf") if optimizer.best_score is None else optimizer.best_score


def textbook(landscape: Landscape, budget: int, seed: int) -> float:
    """Population 50, tournaments of three, single-point crossover 0.8, reset mutation 0.1, two elites."""
    rng, space = np.random.default_rng(seed), landscape.space
    size, d = 50, space.n_dims
    points = space.sample(size, rng)
    scores = np.nan_to_num(landscape.function(points), nan=-1e9)
    best = scores.max()
    for _ in range(budget // size - 1):
        rounds = rng.integers(0, size, (2, size, 3))
        winners = np.take_along_axis(rounds, scores[rounds].argmax(axis=2)[:, :, None], 2)[:, :, 0]
        first, second = points[winners[0]], points[winners[1]]
        keep = (np.arange(d) < rng.integers(1, d, (size, 1))) | (rng.random((size, 1)) > 0.8)
        children = np.where(keep, first, second)
        fresh = space.from_unit(rng.random((size, d)))
        children = np.where(rng.random((size, d)) < 0.1, fresh, children)
        bad = ~space.is_feasible(children)
        children[bad] = first[bad]
        values = np.nan_to_num(landscape.function(children), nan=-1e9)
        elite = np.argsort(-scores)[:2]
        children[:2], values[:2] = points[elite], scores[elite]
        points, scores = children, values
        best = max(best, scores.max())
    return float(best)


def best_known(landscape: Landscape, found: float) -> float:
    """Return the enumerated optimum of a finite space, else the best of all runs."""
    points = landscape.space.enumerate(100_000)
    return found if points is None else float(np.nanmax(landscape.function(points)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budgets", type=int, nargs="+", default=[200, 1000, 10_000])
    arguments = parser.parse_args()
    landscapes = [make() for make in ALL]
    found = np.empty((len(arguments.budgets), len(NAMES), len(landscapes), arguments.seeds))
    seconds = time.perf_counter()
    for index in np.ndindex(*found.shape):
        b, a, i, seed = index
        run = textbook if NAMES[a] == "textbook" else partial(search, NAMES[a])
        found[index] = run(landscapes[i], arguments.budgets[b], seed)
    best = np.array([best_known(land, found[:, :, i].max()) for i, land in enumerate(landscapes)])
    rng = np.random.default_rng(99)
    medians = np.array([np.nanmedian(land.function(land.space.sample(4000, rng))) for land in landscapes])
    scores = (found - medians[:, None]) / (best - medians)[:, None]
    print(f"{arguments.seeds} seeds, {time.perf_counter() - seconds:.0f} s")
    print(
        f"{'trials':>7s} {'optimizer':16s} {'mean':>14s} "
        + "".join(f"{land.name:>12s}" for land in landscapes)
    )
    for b, budget in enumerate(arguments.budgets):
        for a, name in enumerate(NAMES):
            error = scores[b, a].mean(axis=0).std(ddof=1) / np.sqrt(arguments.seeds)
            cells = "".join(f"{cell:12.3f}" for cell in scores[b, a].mean(axis=1))
            print(f"{budget:7d} {name:16s} {scores[b, a].mean():6.3f} +- {error:.3f} {cells}")


if __name__ == "__main__":
    main()
