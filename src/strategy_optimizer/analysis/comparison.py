"""What is better than what: parameters before and after, tasks side by side, optimizers over several seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from strategy_optimizer.analysis.prediction import MetricPrediction, Predictor
from strategy_optimizer.analysis.target import FloatArray
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import TaskError
from strategy_optimizer.objective.directions import natural_direction
from strategy_optimizer.tasks import Result
from strategy_optimizer.validation.statistics import NotEnough

SCORE = "composite_score"
# Metrics of which more, or less, is better for everyone; the others describe.
JUDGED = frozenset(
    {
        "total_return",
        "annual_return",
        "sharpe_ratio",
        "sortino_ratio",
        "calmar_ratio",
        "win_rate",
        "profit_factor",
    }
    | {"expectancy", "max_drawdown", "max_drawdown_bars", "volatility", SCORE}
)
LEAST_SEEDS = 6  # with fewer pairs even a clean sweep has a two-sided p-value above 5 %
EXACT_PAIRS = 12  # up to which all signs are tried
FLIPS = 20_000
SIGNIFICANT = 0.05
PROBLEM = ("strategy_digest", "data", "space", "objective", "costs", "rules")  # fields of a result


# -- before and after


@dataclass(frozen=True)
class Change:
    """One metric before and after.

    Attributes
    ----------
    metric : str
    before, after, difference : float
        The difference is after - before; NaN where one is missing.
    better : bool or None
        Whether after is better; None where they are equal or unknown, and of metrics that only describe.
    interval : tuple of float or None
        Where `before` is predicted and not measured: its 90 % interval.
    """

    metric: str
    before: float
    after: float
    difference: float
    better: bool | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class BeforeAfter:
    """The winner beside earlier parameters, metric by metric.

    Attributes
    ----------
    what : str
        What the earlier parameters are.
    before, after : dict
        Parameters.
    in_sample, held_out : tuple of Change
        On the bars that were searched, and on those that were kept out; the latter empty where not both were measured
        there.
    predicted : bool
        Whether the numbers before are predictions of a model, for want of a trial.
    """

    what: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    in_sample: tuple[Change, ...]
    held_out: tuple[Change, ...]
    predicted: bool


def compare_before_after(
    result: Result, before: Mapping[str, Any] | Result | None = None, *, predictor: Predictor | None = None
) -> BeforeAfter:
    """Return the winner of a search beside what was there before.

    Parameters
    ----------
    result : Result
    before : mapping or Result, optional
        Earlier parameters: their trial is taken, or a prediction where there was none. Or an earlier result on the same
        data: its winner. By default the strategy's default parameters.
    predictor : Predictor, optional
        Of the result, where there is one already.

    Raises
    ------
    TaskError
        The earlier result is not on the same bars, with the same costs and rules.
    SpaceError
        The parameters do not lie in the space that was searched.
    """
    if isinstance(before, Result):
        _check_same(result, before, ("data", "costs", "rules"))
        return _between(result, f"the winner of {before.task_id}", before.best_parameters, before.best)
    if before is None:
        return _between(result, "the default parameters", result.default_parameters, result.defaults)
    found = (predictor or Predictor(result)).predict(before)
    if found.measured is not None:
        measured = found.measured.metrics | {SCORE: found.measured.score}
        changes = _changes(measured, result.best.in_sample)
        what = f"trial {found.measured.number:,}"
        return BeforeAfter(what, found.parameters, result.best_parameters, changes, (), predicted=False)
    known = {name: each for name, each in found.metrics.items() if isinstance(each, MetricPrediction)}
    named = {SCORE if name == "score" else name: each for name, each in known.items()}
    values = {name: each.value for name, each in named.items()}
    intervals = {name: each.most for name, each in named.items()}
    changes = _changes(values, result.best.in_sample, intervals)
    return BeforeAfter("a prediction", found.parameters, result.best_parameters, changes, (), predicted=True)


def _between(result: Result, what: str, parameters: Mapping[str, Any], before: Any) -> BeforeAfter:
    both = before.held_out is not None and result.best.held_out is not None
    return BeforeAfter(
        what,
        parameters,
        result.best_parameters,
        _changes(before.in_sample, result.best.in_sample),
        _changes(before.held_out, result.best.held_out or {}) if both else (),
        predicted=False,
    )


def _changes(
    before: Mapping[str, float],
    after: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[Change, ...]:
    return tuple(
        _change(name, before[name], after[name], (intervals or {}).get(name))
        for name in (SCORE, *METRICS)
        if name in before and name in after and not (math.isnan(before[name]) and math.isnan(after[name]))
    )


def _change(name: str, before: float, after: float, interval: tuple[float, float] | None) -> Change:
    difference = after - before
    better: bool | None = None
    if name in JUDGED and difference != 0.0 and not math.isnan(difference):
        smaller_is_better = name != SCORE and natural_direction(name) == "minimize"
        better = (difference < 0.0) == smaller_is_better
    if interval is not None and interval[0] <= after <= interval[1]:
        better = None  # the measured number may as well be that of the earlier parameters
    return Change(name, before, after, difference, better, interval)


# -- tasks


@dataclass(frozen=True)
class TaskRow:
    """One task in a table of several.

    Attributes
    ----------
    task_id, strategy, data, objective, optimizer : str
    seed, trials : int
    seconds : float
    score, held_out_score : float
        Of the winner; NaN with several objectives, and where nothing was held out.
    sharpe_ratio, held_out_sharpe_ratio : float
    parameters : dict
        The winner's.
    verdict : str or None
        ``deploy``, ``paper`` or ``reject``; None where there is none.
    """

    task_id: str
    strategy: str
    data: str
    objective: str
    optimizer: str
    seed: int
    trials: int
    seconds: float
    score: float
    held_out_score: float
    sharpe_ratio: float
    held_out_sharpe_ratio: float
    parameters: Mapping[str, Any]
    verdict: str | None


def compare_tasks(results: Iterable[Result]) -> tuple[TaskRow, ...]:
    """Return one row a task, in their order."""
    return tuple(_row(result) for result in results)


def _row(result: Result) -> TaskRow:
    held_out = result.best.held_out or {}
    return TaskRow(
        task_id=result.task_id,
        strategy=result.strategy_name,
        data=result.data.name,
        objective=str(result.objective["text"]),
        optimizer=str(result.optimizer["name"]),
        seed=result.seed,
        trials=result.counts.trials,
        seconds=result.seconds,
        score=result.best.in_sample[SCORE],
        held_out_score=held_out.get(SCORE, math.nan),
        sharpe_ratio=result.best.in_sample["sharpe_ratio"],
        held_out_sharpe_ratio=held_out.get("sharpe_ratio", math.nan),
        parameters=result.best_parameters,
        verdict=None if result.verdict is None else str(result.verdict.decision),
    )


# -- optimizers


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
        _check_same(results[0], other, PROBLEM)
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


def same_problem(results: Sequence[Result]) -> bool:
    """Return whether results are of one problem with one objective, so that their optimizers can be compared."""
    return not results[0].pareto_front and all(
        _difference(results[0], other, PROBLEM) is None for other in results[1:]
    )


def _check_same(first: Result, second: Result, names: Sequence[str]) -> None:
    """Refuse results that differ in what makes their numbers comparable."""
    name = _difference(first, second, names)
    if name is not None:
        what = {"strategy_digest": "code of the strategy"}.get(name, name)
        raise TaskError(f"{first.task_id} and {second.task_id} cannot be compared: they differ in the {what}")


def _difference(first: Result, second: Result, names: Sequence[str]) -> str | None:
    """Return the first of these fields in which results differ; of the data which they are, and their division."""
    for name in names:
        mine, theirs = getattr(first, name), getattr(second, name)
        if name == "data":
            mine, theirs = ((data.digest, data.in_sample, data.held_out) for data in (mine, theirs))
        if mine != theirs:
            return name
    return None
