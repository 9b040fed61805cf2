"""What pruning over folds saves, and what it costs, against the rules of other packages.

    .venv/bin/python benchmarks/bench_pruning.py > benchmarks/results/pruning.md   # half an hour of one core

A trial is a set of parameters on eight folds: daily bars of the samples `sp500` and `nasdaq` from bar 300 on, cut in
eight equal parts, each traded from a flat start at the usual costs; indicators know 300 bars before it. Its score is
the mean of its folds' scores; a fold without a trade scores 0. Five strategies, two samples and two objectives (the
Sharpe ratio and four weighted metrics) make 20 cells; every search runs with ten seeds. All folds of all trials are
computed, so that what a stopped trial would have become is known. The rules, each on the same seeds, with the same
order of folds and the same estimate told to the optimizer:

* 0.01, 0.003: `FoldPruner`, a paired test with the rungs of successive halving, the default and a stricter one
* paired 0.03: that test alone, without rungs
* Wilcoxon: Optuna's `WilcoxonPruner` (signed ranks against the best trial, p below 0.1, after 2 folds, not while the
  mean is the better one)
* halving: successive halving, the better half of all trials so far goes on after 2 and after 4 folds
* median: Optuna's `MedianPruner` (best running mean so far below the median of the complete trials', after 5 trials)

*Saved*: share of the fold evaluations. *Winner lost*: searches in which a stopped trial would have beaten the winner.
*Score*: (best found - median random) / (best known - median random); its change is against the same search without
pruning, with the standard error over the searches. *In the same time*: the search goes on until it has spent as many
fold evaluations as the one without pruning.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from machine import machine_line
from strategy_optimizer import create_optimizer, get_strategy, load_bars
from strategy_optimizer.backtest import Costs, MetricsTable, Rules
from strategy_optimizer.backtest.evaluate import PopulationEvaluator
from strategy_optimizer.objective import parse_objective
from strategy_optimizer.tasks.pruning import FoldPruner, Race

FloatArray = NDArray[np.float64]
FOLDS, FIRST_BAR, SEEDS, POOL = 8, 300, 10, 2000
STRATEGIES = ("momentum", "ma_cross", "rsi", "bollinger", "donchian")
SAMPLES = ("sp500", "nasdaq")
SEED_WEIGHTS = {"sharpe_ratio": 0.4, "total_return": 0.3, "max_drawdown": 0.2, "win_rate": 0.1}
OBJECTIVES: dict[str, Any] = {"Sharpe": "sharpe_ratio", "weights": SEED_WEIGHTS}
TRIALS = {"random": 300, "ga": 300, "bo": 40}
SETTINGS: dict[str, dict[str, Any]] = {"ga": {"population_size": 30, "generations": 10}}
TRIED = {  # what tells most, for suggestions take time
    "random": ("0.01", "0.003", "paired 0.03", "Wilcoxon", "halving", "median"),
    "ga": ("0.01", "median"),
    "bo": ("0.01",),
}


class Landscape:
    """The scores of all folds of a strategy's points, by objective; each point is run once."""

    def __init__(self, strategy: str, sample: str, folds: int = FOLDS) -> None:
        bars = load_bars(sample)
        edges = np.linspace(FIRST_BAR, bars.n_bars, folds + 1).astype(int).tolist()
        self.strategy = get_strategy(strategy)
        self.space = self.strategy.space()
        costs = Costs(commission=0.0005, slippage=0.0002)
        self._evaluators = [
            PopulationEvaluator(
                self.strategy,
                bars.slice(start - FIRST_BAR, stop),
                Rules(costs, window=(FIRST_BAR, FIRST_BAR + stop - start)),
                threads=1,
            )
            for start, stop in pairwise(edges)
        ]
        self._objectives = {name: parse_objective(goal) for name, goal in OBJECTIVES.items()}
        self._known: dict[int, dict[str, FloatArray]] = {}
        self.pool = self.space.sample(POOL, np.random.default_rng(1))

    def scores(self, points: FloatArray, objective: str) -> FloatArray:
        """Return the scores (n, folds)."""
        keys = self.space.keys(points).tolist()
        new = [row for row, key in enumerate(keys) if key not in self._known]
        if new:
            tables = [evaluator.evaluate(points[new]) for evaluator in self._evaluators]
            by_goal = {
                name: np.stack([_fold_scores(goal, table) for table in tables], axis=1)
                for name, goal in self._objectives.items()
            }
            for place, row in enumerate(new):
                self._known[keys[row]] = {name: values[place] for name, values in by_goal.items()}
        return np.stack([self._known[key][objective] for key in keys])

    def all_means(self, objective: str) -> FloatArray:
        return np.array([scores[objective].mean() for scores in self._known.values()])


def _fold_scores(objective: Any, table: MetricsTable) -> FloatArray:
    found: FloatArray = np.nan_to_num(objective.score_table(table).score, nan=0.0)
    return found


# -- rules


@dataclass
class Seen:
    """What is known while a search runs, all in the order in which folds are run."""

    rows: FloatArray = field(default_factory=lambda: np.full((POOL, FOLDS), np.nan))  # of trials that ended
    n: int = 0
    n_complete: int = 0
    races: dict[FoldPruner, Race] = field(default_factory=dict)  # until another trial has ended
    incumbent: FloatArray | None = None
    running: list[list[float]] = field(default_factory=lambda: [[] for _ in range(FOLDS + 1)])

    @property
    def ended(self) -> FloatArray:
        return self.rows[: self.n]

    @property
    def complete(self) -> FloatArray:
        return self.ended[~np.isnan(self.ended[:, -1])]

    def add(self, scores: FloatArray) -> None:
        """Take in the scores of a trial that has ended; fewer than all when it was stopped."""
        self.rows[self.n, : len(scores)] = scores
        self.n += 1
        self.races.clear()
        if len(scores) == self.rows.shape[1]:
            self.n_complete += 1
            if self.incumbent is None or scores.mean() > self.incumbent.mean():
                self.incumbent = scores


Rule = Callable[[FloatArray, Seen], bool]


class Paired(FoldPruner):
    """The paired test without rungs."""

    @property
    def rungs(self) -> tuple[int, ...]:
        return ()


def judged_by(pruner: FoldPruner) -> Rule:
    """Return the rule of a pruner."""

    def rule(scores: FloatArray, seen: Seen) -> bool:
        if seen.incumbent is None:
            return False
        if pruner not in seen.races:
            seen.races[pruner] = pruner.race(seen.incumbent, seen.ended)
        return seen.races[pruner].verdict(scores.tolist()) is not None

    return rule


def wilcoxon(scores: FloatArray, seen: Seen) -> bool:
    if seen.incumbent is None or len(scores) < 2 or scores.mean() >= seen.incumbent.mean():
        return False
    differences = scores - seen.incumbent[: len(scores)]
    sizes = np.unique(np.abs(np.append(0.0, differences)), return_inverse=True)[1][1:]
    return signed_rank_p(tuple(sorted((np.sign(differences) * sizes).astype(int).tolist()))) < 0.1


@cache
def signed_rank_p(signed_sizes: tuple[int, ...]) -> float:
    """Return SciPy's p-value, which depends on signs and order of size only; it takes long to find."""
    from scipy.stats import wilcoxon as test

    return float(test(np.array(signed_sizes, float), alternative="less", zero_method="zsplit").pvalue)


def median(scores: FloatArray, seen: Seen) -> bool:
    k = len(scores)
    if seen.n_complete < 5:
        return False
    best = (np.cumsum(scores) / np.arange(1, k + 1)).max()
    return bool(best < np.median(seen.complete[:, :k].mean(axis=1)))


def halving(scores: FloatArray, seen: Seen) -> bool:
    means = seen.running[len(scores)]
    return len(scores) in (2, 4) and len(means) >= 5 and bool(scores.mean() < np.median(means))


RULES: dict[str, Rule] = {
    "0.01": judged_by(FoldPruner(FOLDS)),
    "0.003": judged_by(FoldPruner(FOLDS, error=0.003)),
    "paired 0.03": judged_by(Paired(FOLDS, error=0.03)),
    "Wilcoxon": wilcoxon,
    "halving": halving,
    "median": median,
}


# -- searches


@dataclass(frozen=True)
class Outcome:
    """How a search ended: fold evaluations, the winner's score, and the best of those that were stopped."""

    folds: int
    best: float
    stopped: FloatArray

    @property
    def lost(self) -> bool:
        return bool((self.stopped > self.best).any())


def search(
    land: Landscape,
    objective: str,
    name: str,
    seed: int,
    rule: Rule | None,
    same_time: bool = False,
    told_error: float = 0.0,
) -> Outcome:
    """Run a search; with `same_time` until its fold evaluations are those of one without pruning.

    Estimates are told as exact, or with so much of their standard error.
    """
    planned = TRIALS[name]
    budget = planned * FOLDS if same_time else sys.maxsize
    estimator = FoldPruner(FOLDS)
    order = list(estimator.order)
    seen, stopped, folds = Seen(), [], 0
    for points, tell in batches(land, name, seed, POOL if same_time else planned):
        told, errors = np.empty(len(points)), np.full(len(points), np.nan)
        for row, scores in enumerate(land.scores(points, objective)[:, order]):
            k = run_trial(scores, seen, rule)
            folds += k
            told[row] = scores.mean()
            if k < FOLDS:
                stopped.append(told[row])
                estimate = estimator.estimate(scores[:k].tolist(), seen.incumbent, seen.ended)
                told[row] = estimate.score
                errors[row] = told_error * estimate.std_error or np.nan
            seen.add(scores[:k])
            if folds >= budget:
                return Outcome(folds, float(seen.incumbent.mean()), np.array(stopped))
        tell(told, errors)
    assert seen.incumbent is not None
    return Outcome(folds, float(seen.incumbent.mean()), np.array(stopped))


def run_trial(scores: FloatArray, seen: Seen, rule: Rule | None) -> int:
    """Return after how many folds the trial ends; scores are in the order of running."""
    if rule is not None:
        for k in range(1, len(scores)):
            seen.running[k].append(float(scores[:k].mean()))
            if rule(scores[:k], seen):
                return k
    return len(scores)


def batches(
    land: Landscape, name: str, seed: int, trials: int
) -> Iterable[tuple[FloatArray, Callable[[FloatArray, FloatArray], None]]]:
    """Yield points, and what takes their scores and standard errors."""
    if name == "random":
        chosen = land.pool[np.random.default_rng(seed).permutation(POOL)[:trials]]
        yield chosen, lambda told, errors: None
        return
    optimizer = create_optimizer(name, land.space, budget=TRIALS[name], seed=seed, **SETTINGS.get(name, {}))
    made = 0
    while made < trials:
        points = optimizer.ask_array(min(optimizer.batch_size, trials - made))
        if not len(points):
            return
        made += len(points)
        yield (
            points,
            lambda told, errors, points=points: optimizer.tell_array(points, told, std_errors=errors),
        )


# -- report


@dataclass(frozen=True)
class Row:
    """One search with a rule beside the same search without, on the scale of its cell."""

    optimizer: str
    rule: str
    saved: float
    lost: bool
    score: float
    change: float


def main() -> None:
    rows: list[Row] = []
    for strategy in STRATEGIES:
        for sample in SAMPLES:
            land = Landscape(strategy, sample)
            rows += cell_rows(land, ("random", "ga")) + cell_rows(land, ("bo",))
            print(f"{strategy}, {sample}: done", file=sys.stderr, flush=True)
    print_report(rows)


def print_report(rows: list[Row]) -> None:
    print("# Pruning over folds", "", *__doc__.splitlines()[2:], sep="\n")
    print(f"\nMachine: {machine_line()}.")
    for name, trials in TRIALS.items():
        print(f"\n## {name}, {trials} trials\n")
        print("| rule | searches | saved | winner lost | score | change of the score | worst change |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for rule in dict.fromkeys(row.rule for row in rows):
            print_row(rule, [row for row in rows if (row.optimizer, row.rule) == (name, rule)])
    print("\n## The order of folds, and other numbers of them (random, 300 trials, 0.01)\n")
    print_orders()


def cell_rows(land: Landscape, names: Iterable[str]) -> list[Row]:
    found: list[tuple[str, str, str, Outcome, Outcome]] = []
    for objective in OBJECTIVES:
        land.scores(land.pool, objective)
        for name in names:
            for seed in range(SEEDS):
                found += [(objective, name, *rest) for rest in compared(land, objective, name, seed)]
    scales = {goal: scale(land, goal) for goal in OBJECTIVES}
    return [row_of(scales[goal], name, rule, plain, other) for goal, name, rule, plain, other in found]


def compared(land: Landscape, objective: str, name: str, seed: int) -> Iterable[tuple[str, Outcome, Outcome]]:
    """Yield each rule with the search without and with it."""
    plain = search(land, objective, name, seed, None)
    for rule in TRIED[name]:
        yield rule, plain, search(land, objective, name, seed, RULES[rule])
    if name != "bo":
        longer = search(land, objective, name, seed, RULES["0.01"], same_time=True)
        yield "0.01, in the same time", plain, longer


def scale(land: Landscape, objective: str) -> tuple[float, float]:
    """Return the median of random trials and the best trial so far, of all searches of the cell."""
    return float(np.median(land.scores(land.pool, objective).mean(axis=1))), float(
        land.all_means(objective).max()
    )


def row_of(scale: tuple[float, float], name: str, rule: str, plain: Outcome, other: Outcome) -> Row:
    middle, top = scale
    return Row(
        name,
        rule,
        saved=1 - other.folds / plain.folds,
        lost=other.lost,
        score=(other.best - middle) / (top - middle),
        change=(other.best - plain.best) / (top - middle),
    )


def print_row(rule: str, rows: list[Row]) -> None:
    if not rows:
        return
    changes = np.array([row.change for row in rows])
    print(
        f"| {rule} | {len(rows)} | {np.mean([row.saved for row in rows]):.1%} | "
        f"{np.mean([row.lost for row in rows]):.1%} | {np.mean([row.score for row in rows]):.3f} | "
        f"{changes.mean():+.4f} ± {changes.std(ddof=1) / np.sqrt(len(changes)):.4f} | {changes.min():+.3f} |"
    )


def print_orders() -> None:
    print("| folds | order | saved | winner lost |")
    print("|---:|---|---:|---:|")
    for folds in (4, 8, 16):
        lands = [Landscape(s, sample, folds) for s in STRATEGIES for sample in SAMPLES]
        matrices = [land.scores(land.pool, goal) for land in lands for goal in OBJECTIVES]
        for name, order in orders(folds).items():
            results = [
                replay(matrix[np.random.default_rng(seed).permutation(POOL)[: TRIALS["random"]]][:, order])
                for matrix in matrices
                for seed in range(3)
            ]
            saved, lost = np.mean(results, axis=0)
            print(f"| {folds} | {name} | {saved:.1%} | {lost:.1%} |", flush=True)


def orders(folds: int) -> dict[str, list[int]]:
    rng = np.random.default_rng(folds)
    return {
        "as `fold_order`": list(FoldPruner(folds).order),
        "by time": list(range(folds)),
        "backwards": list(range(folds))[::-1],
        "by chance": rng.permutation(folds).tolist(),
    }


def replay(matrix: FloatArray) -> tuple[float, bool]:
    """Return the share of folds saved and whether the winner was lost; columns are in the order of running."""
    folds = matrix.shape[1]
    seen = Seen(rows=np.full((POOL, folds), np.nan), running=[[] for _ in range(folds + 1)])
    spent, stopped = 0, [-np.inf]
    rule = judged_by(FoldPruner(folds))
    for scores in matrix:
        k = run_trial(scores, seen, rule)
        spent += k
        if k < folds:
            stopped.append(scores.mean())
        seen.add(scores[:k])
    return 1 - spent / matrix.size, max(stopped) > seen.incumbent.mean()


if __name__ == "__main__":
    main()
