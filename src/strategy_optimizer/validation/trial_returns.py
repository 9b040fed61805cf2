"""Returns of trials, period by period: what statistics need that block sums are too coarse for."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import PopulationEvaluator, Rules
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.tasks import FinishedSearch, bind_evaluator
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.track_record import periods_per_year

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
T = TypeVar("T")
PERIOD_BARS = 5  # a week of daily bars
LONGEST = 30.0  # seconds that trials are run again for: slow engines get fewer
CHUNK = 256  # trials evaluated at a time: of each the kernel writes three sums a period


class TrialReturns(NamedTuple):
    """Returns of some trials of a search, in sample."""

    rows: IntArray  # (k,) of the history, ascending, the winner's among them
    returns: FloatArray  # (periods, k) the sum of each period's returns per bar
    winner: int  # its column


def of_periods(found: T | NotEnough) -> T | NotEnough:
    """Return a statistic of periods; where these are too few, say how long each is.

    >>> print(of_periods(NotEnough("returns", 8, 20)))
    not enough returns of 5 bars each: found 8, needed 20
    """
    if isinstance(found, NotEnough) and found.what == "returns":
        return replace(found, what=f"returns of {PERIOD_BARS} bars each")
    return found


def affordable_trials(search: FinishedSearch, at_most: int) -> int:
    """Return how many trials can be run again within the time for it."""
    seconds = float(np.median(search.history.seconds)) if len(search.history) else 0.0
    return at_most if seconds * at_most <= LONGEST else int(LONGEST / seconds)


def trial_sharpes(search: FinishedSearch) -> FloatArray:
    """Return the trials' Sharpe ratios per observation (n,); NaN where one failed."""
    annual = search.history.metrics[:, METRICS.index("sharpe_ratio")]
    return np.asarray(annual / np.sqrt(periods_per_year(search)))


def choose_trials(search: FinishedSearch, at_most: int) -> IntArray:
    """Return the rows of completed trials (k,): all of them, or a random choice that has the winner."""
    completed = np.flatnonzero(np.isfinite(search.history.metrics[:, 0]))
    if len(completed) <= at_most:
        return completed
    rng = np.random.default_rng(len(search.history))
    chosen = rng.choice(completed, at_most, replace=False)
    winner = search.history.best
    return np.unique(chosen if winner is None or winner in chosen else np.append(chosen[1:], winner))


def trial_returns(search: FinishedSearch, n_periods: int, at_most: int, threads: int | None) -> TrialReturns:
    """Run trials again for their returns in `n_periods` equal parts of the searched bars."""
    rows = choose_trials(search, at_most)
    assert search.history.best is not None
    points = search.history.points[rows]
    sums = evaluate_periods(search, points, replace(search.rules, n_blocks=n_periods), threads)
    return TrialReturns(rows, sums.T, int(np.searchsorted(rows, search.history.best)))


def evaluate_periods(
    search: FinishedSearch, points: FloatArray, rules: Rules, threads: int | None
) -> FloatArray:
    """Return the sums of returns (n, B) of points of the searched space in the B parts of the rules."""
    engine = PopulationEvaluator(search.bound_strategy, search.bars, rules, threads=threads)
    evaluator = bind_evaluator(engine, search.bound_strategy.space(), search.space)
    found = np.empty((len(points), rules.n_blocks))
    for start in range(0, len(points), CHUNK):
        found[start : start + CHUNK] = evaluator.evaluate(points[start : start + CHUNK]).blocks[:, :, 1]
    return found
