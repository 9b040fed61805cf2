"""Successive halving and the paired test: alone, together, and as an order of running; over orders of the folds.

    .venv/bin/python benchmarks/bench_pruning_halving.py > benchmarks/results/pruning_halving.md   # 40 minutes

The cells, folds and scores of `bench_pruning.py`; random search of 300 trials. Twenty seeds a cell, none of them used
when the rules were chosen, and eight orders in which the folds are run: spread (the one that searches use), by time,
backwards, and five by chance. The rules:

* paired E: stopped when the chance of ending above the best trial is below E
* halving: stopped in the lower half of all trials that came to the rung so far, after 2 and after 4 folds
* halving at 4: the same at that rung only
* paired E, F in the lower half: stopped below E, and below F in the lower half of a rung
* paired E, F in the lower half at 2, and that of 4: the same, but there a trial that is behind at all is stopped
* best first, N at once: N trials run two folds each; then the best of them runs on until it is complete or stopped by
  the paired test at 0.03, then the next: the incumbent is found early, and what comes later is judged by a better one
* rungs, N at once: the same, but the better half of them runs to four folds and the better half of these to eight
  before the others go on

*Saved*: share of the fold evaluations. *Winner lost*: searches in which a stopped trial would have beaten the winner;
*at most*: in the order that lost most. *Change*: of the best score against no pruning, on the scale from the median of
random trials to the best of the pool.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench_pruning import FOLDS, OBJECTIVES, POOL, SAMPLES, STRATEGIES, TRIALS, Landscape
from machine import machine_line
from strategy_optimizer.tasks.pruning import FoldPruner, Race

FloatArray = NDArray[np.float64]
SEEDS = range(20, 40)
FEW = 5  # trials before which no trial is stopped
BEHIND = 0.5  # the chance of a trial that is as good as the best one so far


@dataclass
class Search:
    """A search while it runs: what was spent, what is complete, what was stopped."""

    spent: int = 0
    complete: list[FloatArray] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)
    race: Race | None = None

    def chance(self, seen: list[float]) -> float:
        """Return the chance that a trial becomes the best one; 1 where it may not be judged yet."""
        if len(seen) < 2 or len(self.complete) < FEW:
            return 1.0
        if self.race is None:
            best = max(self.complete, key=np.mean)
            self.race = FoldPruner(FOLDS).race(best.tolist(), np.array(self.complete))
        return self.race.chance(seen)

    def end(self, scores: FloatArray, k: int) -> None:
        """Take in a trial that ended after k folds."""
        if k == FOLDS:
            self.complete.append(scores)
            self.race = None
        else:
            self.stopped.append(float(scores.mean()))

    def run(self, scores: FloatArray, k: int, until: int, error: float) -> int:
        """Run a trial on from k folds until so many, or until it is stopped; return after how many it stands."""
        seen = scores.tolist()
        while k < until and not self.chance(seen[:k]) < error:
            k += 1
            self.spent += 1
        if k < until or k == FOLDS:
            self.end(scores, k)
        return k


Rule = Callable[[FloatArray], Search]


def halving(*rungs: int) -> Rule:
    """Return the rule that stops the lower half at each rung, without a test."""

    def rule(matrix: FloatArray) -> Search:
        search, means = Search(), {k: list[float]() for k in rungs}
        for scores in matrix:
            for k in range(1, FOLDS + 1):
                search.spent += 1
                if k in means and is_low(means[k], float(scores[:k].mean())):
                    break
            search.end(scores, k)
        return search

    return rule


def paired(error: float, in_lower_half: Mapping[int, float] | None = None) -> Rule:
    """Return the paired test, with another error in the lower half at rungs."""
    limits = in_lower_half or {}

    def rule(matrix: FloatArray) -> Search:
        search, means = Search(), {k: list[float]() for k in limits}
        for scores in matrix:
            seen = scores.tolist()
            for k in range(1, FOLDS + 1):
                search.spent += 1
                low = k in limits and is_low(means[k], sum(seen[:k]) / k)
                if search.chance(seen[:k]) < (limits[k] if low else error):
                    break
            search.end(scores, k)
        return search

    return rule


def is_low(means: list[float], mean: float) -> bool:
    """Say whether a running mean is below the median of those before it at its rung, and add it to them."""
    n = len(means)
    low = n >= FEW and mean < (means[(n - 1) // 2] + means[n // 2]) / 2
    insort(means, mean)
    return low


def best_first(error: float, at_once: int, rungs: bool = False) -> Rule:
    """Return the paired test for trials of which some are begun together and the best ones go on first."""

    def rule(matrix: FloatArray) -> Search:
        search = Search()
        for start in range(0, len(matrix), at_once):
            begun = matrix[start : start + at_once]
            search.spent += 2 * len(begun)
            going = [(scores, 2) for scores in begun]
            waiting: list[tuple[FloatArray, int]] = []
            for until in (4, FOLDS) if rungs else ():
                going.sort(key=so_far, reverse=True)
                half = max(1, len(going) // 2)
                going, waiting = going[:half], [*waiting, *going[half:]]
                stands = [(scores, search.run(scores, k, until, error)) for scores, k in going]
                going = [(scores, k) for scores, k in stands if k == until < FOLDS]
            for scores, k in sorted([*going, *waiting], key=so_far, reverse=True):
                search.run(scores, k, FOLDS, error)
        return search

    return rule


def so_far(trial: tuple[FloatArray, int]) -> float:
    """Return the mean of a trial's folds so far."""
    scores, k = trial
    return float(scores[:k].mean())


RULES: dict[str, Rule] = {
    "paired 0.01": paired(0.01),
    "paired 0.02": paired(0.02),
    "paired 0.03": paired(0.03),
    "paired 0.05": paired(0.05),
    "halving": halving(2, 4),
    "halving at 4": halving(4),
    "paired 0.005, 0.10 in the lower half": paired(0.005, {2: 0.10, 4: 0.10}),
    "paired 0.01, 0.10 in the lower half (the default)": paired(0.01, {2: 0.10, 4: 0.10}),
    "paired 0.01, 0.15 in the lower half": paired(0.01, {2: 0.15, 4: 0.15}),
    "paired 0.02, 0.10 in the lower half": paired(0.02, {2: 0.10, 4: 0.10}),
    "paired 0.02, 0.20 in the lower half": paired(0.02, {2: 0.20, 4: 0.20}),
    "paired 0.01, 0.10 in the lower half at 2, and that of 4": paired(0.01, {2: 0.10, 4: BEHIND}),
    "best first, 8 at once": best_first(0.03, 8),
    "best first, 300 at once": best_first(0.03, 300),
    "rungs, 30 at once": best_first(0.03, 30, rungs=True),
}


def orders() -> Iterator[list[int]]:
    """Yield the orders of the folds."""
    yield list(FoldPruner(FOLDS).order)
    yield list(range(FOLDS))
    yield list(range(FOLDS))[::-1]
    for seed in range(5):
        yield np.random.default_rng(seed).permutation(FOLDS).tolist()


def outcomes(rule: Rule, matrices: Iterable[FloatArray]) -> FloatArray:
    """Return saved, lost and change of each search, (n, 3)."""
    rows = []
    for matrix in matrices:
        means = matrix.mean(axis=1)
        scale = means.max() - np.median(means)
        for seed in SEEDS:
            tried = matrix[np.random.default_rng(seed).permutation(POOL)[: TRIALS["random"]]]
            search = rule(tried)
            best = max(float(scores.mean()) for scores in search.complete)
            lost = max(search.stopped, default=-np.inf) > best
            change = (best - tried.mean(axis=1).max()) / scale
            rows.append((1 - search.spent / tried.size, lost, change))
    return np.array(rows, float)


def main() -> None:
    lands = [Landscape(strategy, sample) for strategy in STRATEGIES for sample in SAMPLES]
    matrices = [land.scores(land.pool, goal) for land in lands for goal in OBJECTIVES]
    print("# Successive halving and the paired test", "", *__doc__.splitlines()[2:], sep="\n")
    print(f"\nMachine: {machine_line()}.\n")
    print("| rule | searches | saved | winner lost | at most | change of the score |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, rule in RULES.items():
        by_order = [outcomes(rule, [matrix[:, order] for matrix in matrices]) for order in orders()]
        saved, lost, change = np.concatenate(by_order).T
        error = change.std(ddof=1) / np.sqrt(len(change))
        print(
            f"| {name} | {len(saved)} | {saved.mean():.1%} | {lost.mean():.1%} | "
            f"{max(rows[:, 1].mean() for rows in by_order):.1%} | {change.mean():+.4f} ± {error:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
