"""Whether successive halving saves more than the paired test alone when no trial is stopped without that test.

    .venv/bin/python benchmarks/bench_pruning_halving.py > benchmarks/results/pruning_halving.md   # ten minutes

The cells, folds and scores of `bench_pruning.py`; random search of 300 trials, fifty seeds a cell.
The forms of halving that were tried:

* halving: the better half of all trials so far goes on after 2 and after 4 folds, without any test
* paired A, and B in the lower half: stopped at the error A, and at the looser B where it is also below the median of
  the trials so far after 2 or 4 folds (the lowest quarter: below their first quartile)
* paired A, and the lower half after 4 folds: the same at that one rung, and there without any test
* best first, N at once: N trials run two folds each; then the best of them runs on until it is complete or stopped by
  the paired test, then the next: the incumbent is found early, and whatever is judged later is judged by a better one
* rungs, N at once: the same, but the better half of them runs to four folds and the better half of these to eight
  before the others go on

*Saved*: share of the fold evaluations. *Winner lost*: searches in which a stopped trial would have beaten the winner.
*Change*: of the best score against no pruning, on the scale from the median of random trials to the best of the pool.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench_pruning import FOLDS, OBJECTIVES, POOL, SAMPLES, STRATEGIES, TRIALS, Landscape
from machine import machine_line
from strategy_optimizer.tasks.pruning import FoldPruner, Race

FloatArray = NDArray[np.float64]
SEEDS = 50
ORDER = list(FoldPruner(FOLDS).order)


@dataclass
class Search:
    """A search while it runs: what was spent, what is complete, what was stopped."""

    error: float
    spent: int = 0
    complete: list[FloatArray] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)
    race: Race | None = None

    def chance(self, seen: list[float]) -> float:
        """Return the chance that a trial becomes the best one; 1 where it may not be judged yet."""
        if len(seen) < 2 or len(self.complete) < 5:
            return 1.0
        if self.race is None:
            best = max(self.complete, key=np.mean)
            self.race = FoldPruner(FOLDS, error=self.error).race(best.tolist(), self.complete)
        return self.race.chance(seen)

    def end(self, scores: FloatArray, k: int) -> None:
        """Take in a trial that ended after k folds."""
        if k == FOLDS:
            self.complete.append(scores)
            self.race = None
        else:
            self.stopped.append(float(scores.mean()))

    def run(self, scores: FloatArray, k: int, until: int = FOLDS) -> int:
        """Run a trial on from k folds until so many, or until it is stopped; return after how many it stands."""
        seen = scores[ORDER].tolist()
        while k < until and not self.chance(seen[:k]) < self.error:
            k += 1
            self.spent += 1
        if k < until or k == FOLDS:
            self.end(scores, k)
        return k


Rule = Callable[[FloatArray], Search]


def paired(error: float, in_lower: float = 0.0, share: float = 0.5, rungs: tuple[int, ...] = (2, 4)) -> Rule:
    """Return the paired test; at the error `in_lower` for trials in the lower share at the rungs.

    An `in_lower` of 1 stops these without a test: an error of 0 and 1 there is halving.
    """

    def rule(matrix: FloatArray) -> Search:
        search = Search(error)
        means: dict[int, list[float]] = {k: [] for k in rungs}
        for scores in matrix:
            seen = scores[ORDER].tolist()
            for k in range(1, FOLDS + 1):
                search.spent += 1
                low = k in rungs and is_low(means[k], sum(seen[:k]) / k, share)
                if low and in_lower == 1.0:
                    break
                chance = search.chance(seen[:k]) if error else 1.0
                if chance < error or (low and chance < in_lower):
                    break
            search.end(scores, k)
        return search

    return rule


def is_low(means: list[float], mean: float, share: float) -> bool:
    """Say whether a running mean is in the lower share of all so far at its rung, itself included."""
    insort(means, mean)
    return len(means) >= 5 and bisect(means, mean) <= share * len(means)


def best_first(error: float, at_once: int, rungs: bool = False) -> Rule:
    """Return the paired test for trials of which some are begun together and the best ones go on first."""

    def rule(matrix: FloatArray) -> Search:
        search = Search(error)
        for start in range(0, len(matrix), at_once):
            begun = matrix[start : start + at_once]
            search.spent += 2 * len(begun)
            going = [(scores, 2) for scores in begun]
            waiting: list[tuple[FloatArray, int]] = []
            for until in (4, FOLDS) if rungs else ():
                going.sort(key=so_far, reverse=True)
                half = max(1, len(going) // 2)
                going, waiting = going[:half], [*waiting, *going[half:]]
                stands = [(scores, search.run(scores, k, until)) for scores, k in going]
                going = [(scores, k) for scores, k in stands if k == until < FOLDS]
            for scores, k in sorted([*going, *waiting], key=so_far, reverse=True):
                search.run(scores, k)
        return search

    return rule


def so_far(trial: tuple[FloatArray, int]) -> float:
    """Return the mean of a trial's folds so far."""
    scores, k = trial
    return float(scores[ORDER[:k]].mean())


RULES: dict[str, Rule] = {
    "paired 0.02": paired(0.02),
    "paired 0.03 (the default)": paired(0.03),
    "paired 0.04": paired(0.04),
    "paired 0.05": paired(0.05),
    "halving": paired(0.0, 1.0),
    "halving after 4 folds only": paired(0.0, 1.0, rungs=(4,)),
    "paired 0.02, and 0.10 in the lower half": paired(0.02, 0.10),
    "paired 0.03, and 0.10 in the lower half": paired(0.03, 0.10),
    "paired 0.03, and 0.10 in the lowest quarter": paired(0.03, 0.10, 0.25),
    "paired 0.02, and the lower half after 4 folds": paired(0.02, 1.0, rungs=(4,)),
    "paired 0.03, and the lower half after 4 folds": paired(0.03, 1.0, rungs=(4,)),
    "best first, 8 at once, 0.03": best_first(0.03, 8),
    "best first, 300 at once, 0.02": best_first(0.02, 300),
    "best first, 300 at once, 0.03": best_first(0.03, 300),
    "rungs, 30 at once, 0.03": best_first(0.03, 30, rungs=True),
}


def outcomes(rule: Rule, matrices: Iterable[FloatArray]) -> FloatArray:
    """Return saved, lost and change of each search, (n, 3)."""
    rows = []
    for matrix in matrices:
        means = matrix.mean(axis=1)
        scale = means.max() - np.median(means)
        for seed in range(SEEDS):
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
    print("# Successive halving beside the paired test", "", *__doc__.splitlines()[2:], sep="\n")
    print(f"\nMachine: {machine_line()}.\n")
    print("| rule | searches | saved | winner lost | change of the score |")
    print("|---|---:|---:|---:|---:|")
    for name, rule in RULES.items():
        saved, lost, change = outcomes(rule, matrices).T
        error = change.std(ddof=1) / np.sqrt(len(change))
        print(
            f"| {name} | {len(saved)} | {saved.mean():.1%} | {lost.mean():.1%} | {change.mean():+.4f} ± {error:.4f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
