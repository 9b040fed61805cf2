"""Which optimizer does better on one problem, over several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from strategy_optimizer.analysis.comparable import PROBLEM, SCORE, check_same
from strategy_optimizer.analysis.target import FloatArray
from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import Result
from strategy_optimizer.validation.statistics import NotEnough

LEAST_SEEDS = 6  # with fewer pairs even a clean sweep has a two-sided p-value above 5 %
EXACT_PAIRS = 12  # up to which all signs are tried
FLIPS = 20_000
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class OptimizerRow:
    """What one optimizer reached over several seeds: the best score of each search.

    Attributes
    ----------
    name : str
    seeds : tuple of int
    mean, spread, lowest, highest : float
        Of the best scores; the spread is their standard deviation, NaN of one.
    held_out_mean : float
        Of the winners' scores on the bars that were kept out; NaN where nothing was.
    trials, seconds : float
        Means.
    """

    name: str
    seeds: tuple[int, ...]
    mean: float
    spread: float
    lowest: float
    highest: float
    held_out_mean: float
    trials: float
    seconds: float


@dataclass(frozen=True)
class PairTest:
    """Two optimizers on the same seeds.

    Attributes
    ----------
    first, second : str
    seeds : int
        That both have.
    difference : float
        Mean of first - second over these.
    p_value : float or NotEnough
        The chance of a difference at least as large, either way, if neither were better: signs of the differences are
        exchanged [1]_, and with several pairs the value is raised for their number (Holm).
    winner : str or None
        Only with a p-value below 5 %.

    References
    ----------
    .. [1] Fisher (1935). The Design of Experiments, section 21.
    """

    first: str
    second: str
    seeds: int
    difference: float
    p_value: float | NotEnough
    winner: str | None


@dataclass(frozen=True)
class OptimizerComparison:
    """Several optimizers on one problem, the best mean first, and every pair tested."""

    rows: tuple[OptimizerRow, ...]
    pairs: tuple[PairTest, ...]


def compare_optimizers(results: Sequence[Result]) -> OptimizerComparison:
    """Return which optimizer does better on one problem, with several seeds of each.

    Parameters
    ----------
    results : sequence of Result
        Of the same strategy, data, space, objective, costs and rules, for one objective.

    Raises
    ------
    TaskError
        They are not of one problem, or one optimizer has the same seed twice.
    """
    if not results:
        raise TaskError("there is nothing to compare: give results of at least one optimizer")
    for other in results[1:]:
        check_same(results[0], other, PROBLEM)
    if results[0].pareto_front:
        raise TaskError(
            "optimizers are compared by their best score, which a search for several objectives has not"
        )
    scores = _by_seed(results)
    rows = [_optimizer_row(name, [r for r in results if r.optimizer["name"] == name]) for name in scores]
    pairs = [_pair(a, b, scores[a], scores[b]) for a, b in combinations(scores, 2)]
    return OptimizerComparison(tuple(sorted(rows, key=lambda row: -row.mean)), tuple(_adjusted(pairs)))


def _by_seed(results: Sequence[Result]) -> dict[str, dict[int, float]]:
    scores: dict[str, dict[int, float]] = {}
    for result in results:
        mine = scores.setdefault(str(result.optimizer["name"]), {})
        if result.seed in mine:
            raise TaskError(
                f"{result.optimizer['name']} has the seed {result.seed} twice: it counts as one search; use other seeds"
            )
        mine[result.seed] = result.best_score
    return scores


def _optimizer_row(name: str, results: Sequence[Result]) -> OptimizerRow:
    scores = np.array([result.best_score for result in results])
    held_out = [(result.best.held_out or {}).get(SCORE, math.nan) for result in results]
    return OptimizerRow(
        name=name,
        seeds=tuple(result.seed for result in results),
        mean=float(scores.mean()),
        spread=float(scores.std(ddof=1)) if len(scores) > 1 else math.nan,
        lowest=float(scores.min()),
        highest=float(scores.max()),
        held_out_mean=float(np.mean(held_out)),
        trials=float(np.mean([result.counts.trials for result in results])),
        seconds=float(np.mean([result.seconds for result in results])),
    )


def _pair(first: str, second: str, a: Mapping[int, float], b: Mapping[int, float]) -> PairTest:
    seeds = sorted(set(a) & set(b))
    differences = np.array([a[seed] - b[seed] for seed in seeds])
    mean = float(differences.mean()) if seeds else math.nan
    p_value = (
        NotEnough(f"seeds that {first} and {second} have in common", len(seeds), LEAST_SEEDS)
        if len(seeds) < LEAST_SEEDS
        else sign_flip_p_value(differences)
    )
    return PairTest(first, second, len(seeds), mean, p_value, None)


def sign_flip_p_value(differences: FloatArray, *, seed: int = 0) -> float:
    """Return the chance of a mean at least as far from 0 when the sign of each difference (n,) is a coin's.

    Exact up to 12 differences, else from 20,000 draws.

    >>> sign_flip_p_value(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    0.03125
    """
    n, reached = len(differences), abs(float(differences.sum()))
    if n <= EXACT_PAIRS:
        signs = 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1)
        return float(np.mean(np.abs(signs @ differences) >= reached * (1.0 - 1e-12)))
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (FLIPS, n))
    beyond = int(np.sum(np.abs(signs @ differences) >= reached * (1.0 - 1e-12)))
    return (beyond + 1.0) / (FLIPS + 1.0)


def _adjusted(pairs: Sequence[PairTest]) -> list[PairTest]:
    """Return pairs with their p-values raised for their number (Holm), and a winner where these are small."""
    tested = sorted(
        (i for i, pair in enumerate(pairs) if not isinstance(pair.p_value, NotEnough)),
        key=lambda i: float(pairs[i].p_value),  # type: ignore[arg-type]
    )
    found, least = list(pairs), 0.0
    for rank, i in enumerate(tested):
        pair = pairs[i]
        assert not isinstance(pair.p_value, NotEnough)
        least = max(least, min(1.0, pair.p_value * (len(tested) - rank)))
        winner = pair.first if pair.difference > 0.0 else pair.second
        found[i] = PairTest(
            pair.first,
            pair.second,
            pair.seeds,
            pair.difference,
            least,
            winner if least < SIGNIFICANT else None,
        )
    return found
