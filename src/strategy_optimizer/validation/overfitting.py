"""Overfitting statistics of a whole search: its winner measured against all of its trials.

Sharpe ratios are per observation, never annualised. A statistic that there is too little for is a `NotEnough`.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import run_backtest
from strategy_optimizer.tasks import FinishedSearch
from strategy_optimizer.threads import one_thread
from strategy_optimizer.validation.all_tasks import AllTasks, Alone, examine_all_tasks
from strategy_optimizer.validation.control_sample import ControlSample, examine_control_sample
from strategy_optimizer.validation.ledger import Earlier
from strategy_optimizer.validation.statistics import (
    LoSharpe,
    MaximumDistribution,
    NotEnough,
    OverfittingProbability,
    SharpeMoments,
    SuperiorAbility,
    TrialCounts,
    best_sharpe_without_skill,
    deflated_sharpe_2012,
    deflated_sharpe_h0,
    distinct_count,
    even_trials,
    lo_sharpe,
    maximum_distribution,
    minimum_backtest_length,
    minimum_track_record_2012,
    overfitting_probability,
    psr_2012,
    psr_h0,
    sharpe_moments,
    trial_counts,
    trials_sharpe_variance,
    where_known,
)
from strategy_optimizer.validation.track_record import bar_returns, periods_per_year
from strategy_optimizer.validation.trial_returns import (
    PERIOD_BARS,
    TrialReturns,
    affordable_trials,
    of_periods,
    trial_returns,
    trial_sharpes,
)

FloatArray = NDArray[np.float64]
Number: TypeAlias = "float | NotEnough"

MOST_PERIODS = 500
MOST_TRIALS = 2000  # that are run again for their returns
CLUSTERED_TRIALS = 200
REPLICATIONS = 500  # of the bootstraps


@dataclass(frozen=True)
class Overfitting:
    """What a search's trials say of its winner, in sample; of this search alone unless said otherwise.

    Attributes
    ----------
    n_trials, distinct : int
        Trials made, and those of them with different returns; the latter is what the deflated Sharpe ratio counts.
    counts : TrialCounts
        Other ways to count the trials, of at most `resampled` of them.
    moments : SharpeMoments
        Of the winner's returns per bar.
    psr_2012, psr_h0 : float
        Probability that its true Sharpe ratio is above 0, in both conventions.
    trials_variance : float
        Variance of the trials' Sharpe ratios.
    deflated_sharpe_2012, deflated_sharpe_h0 : float
        Probability that the winner is better than the best of so many trials without skill whose Sharpe ratios have
        that variance.
    deflated_by_count : dict
        The first of the two for each way to count the trials.
    minimum_track_record, minimum_backtest : float
        Observations: for a PSR of 95 %, and for trials without skill not to reach the winner's Sharpe ratio.
    lo : LoSharpe
        The annual Sharpe ratio with autocorrelation taken into account.
    pbo, loss_probability : float
        Probability of backtest overfitting over all trials, and that the best half-sample winner loses in the other.
    control_pbo : float
        That of a space-filling sample, which no search has crowded.
    null_variance : float
        Variance that the Sharpe ratios of that sample have when none has skill; see `null_sharpe_variance`.
    deflated_sharpe_null : float
        `deflated_sharpe_2012` with that variance, where each trial of the search counts as `ADAPTIVE_WORTH` even ones.
    expected_best_sharpe : float
        What the winner is measured by: the Sharpe ratio to expect of the best trial without skill, by that variance
        where it is known, else by that of the trials.
    maximum_p_value : float
        Chance that the best of the resampled trials, none with skill, reaches the winner's Sharpe ratio.
    superior : dict
        Hansen's test of the control sample against each rival: the default parameters, buy-and-hold, cash.
    better : dict
        How many of the control sample StepM finds better than each rival, an error in any of them in at most 5 %.
    resampled, control_trials : int
        Trials that were run again, and those of the control sample.
    periods_per_year : float
        Observations a year; NaN where an engine gives no timestamps, and nothing is annualised.
    all_tasks : AllTasks or None
        Against the trials of all tasks on the same data; None where the ledger has no earlier ones, or was left out.
    """

    n_trials: int
    distinct: int
    counts: TrialCounts | NotEnough
    moments: SharpeMoments | NotEnough
    psr_2012: Number
    psr_h0: Number
    trials_variance: Number
    deflated_sharpe_2012: Number
    deflated_sharpe_h0: Number
    deflated_by_count: Mapping[str, Number]
    minimum_track_record: Number
    minimum_backtest: Number
    lo: LoSharpe | NotEnough
    pbo: Number
    loss_probability: Number
    control_pbo: Number
    null_variance: Number
    deflated_sharpe_null: Number
    expected_best_sharpe: Number
    maximum_p_value: Number
    superior: Mapping[str, SuperiorAbility | NotEnough]
    better: Mapping[str, int | NotEnough]
    resampled: int
    control_trials: int
    periods_per_year: float
    all_tasks: AllTasks | None = None

    @property
    def decisive_deflated_sharpe(self) -> Number:
        """The deflated Sharpe ratio that the verdict rests on: over all tasks where there were earlier ones.

        By the variance without skill where an even sample could be run, else by that of the trials.
        """
        where = self if self.all_tasks is None else self.all_tasks
        known = not isinstance(self.null_variance, NotEnough)
        return where.deflated_sharpe_null if known else where.deflated_sharpe_2012


@dataclass(frozen=True)
class Evidence:
    """What these statistics need of a search, whoever ran its trials.

    Attributes
    ----------
    n_trials : int
    distinct : int
        Those with different returns.
    blocks : array, shape (k, B, 3)
        Block sums of the trials that completed.
    sharpes : array, shape (n,)
        Of the trials, per observation; NaN where there is none.
    winner : array, shape (T,)
        The winner's returns per observation.
    periods_per_year : float
        NaN where it is not known.
    """

    n_trials: int
    distinct: int
    blocks: FloatArray
    sharpes: FloatArray
    winner: FloatArray
    periods_per_year: float


@dataclass(frozen=True)
class FurtherRuns:
    """What is known from running trials again, and others beside them.

    Attributes
    ----------
    resampled : int
        Trials that were run again.
    counts : TrialCounts
    maximum_p_value : float
    control : ControlSample
    """

    resampled: int
    counts: TrialCounts | NotEnough
    maximum_p_value: Number
    control: ControlSample


def examine_overfitting(
    search: FinishedSearch,
    ledger: Earlier | None = None,
    *,
    threads: int | None = None,
    most_trials: int = MOST_TRIALS,
) -> Overfitting:
    """Return the overfitting statistics of a finished search that has a winner.

    Parameters
    ----------
    search : FinishedSearch
    ledger : Earlier, optional
        What the trial ledger says of earlier searches on the same data.
    threads : int, optional
        All cores by default; the result does not depend on it.
    most_trials : int
        Run at most so many trials again for their returns; below 2 the statistics that need them are left out.
    """
    history = search.history
    blocks = history.blocks[np.isfinite(history.metrics[:, 0])]
    evidence = Evidence(
        n_trials=len(history),
        distinct=distinct_count(blocks[:, :, 1]) if len(blocks) else 0,
        blocks=blocks,
        sharpes=trial_sharpes(search),
        winner=_winner_returns(search),
        periods_per_year=periods_per_year(search),
    )
    n_periods = _n_periods(len(evidence.winner))
    again = _resampled(search, n_periods, most_trials, threads)
    # One thread for linear algebra: where the cores are busy, two wait for each other many times as long.
    with one_thread(), ThreadPoolExecutor(1) as beside:
        counting = beside.submit(where_known, _counts, again)
        resampling = beside.submit(where_known, _maximum_p_value, again)
        whole = overfitting_probability(blocks, threads=threads)
        control = examine_control_sample(search, n_periods, replications=REPLICATIONS, threads=threads)
        counts, maximum_p_value = counting.result(), resampling.result()
    resampled = 0 if isinstance(again, NotEnough) else len(again.rows)
    return overfitting_of(evidence, whole, FurtherRuns(resampled, counts, maximum_p_value, control), ledger)


def overfitting_of(
    evidence: Evidence,
    whole: OverfittingProbability | NotEnough,
    further: FurtherRuns,
    ledger: Earlier | None = None,
) -> Overfitting:
    """Return the overfitting statistics of what is known of a search; see `examine_overfitting`.

    Parameters
    ----------
    evidence : Evidence
    whole : OverfittingProbability
        Of its block sums.
    further : FurtherRuns
    ledger : Earlier, optional
    """
    distinct, counts = evidence.distinct, further.counts
    moments = sharpe_moments(evidence.winner)
    variance = trials_sharpe_variance(evidence.sharpes)
    deflated = _deflated(moments, variance, distinct, counts)
    deflated_h0 = where_known(_deflated_h0, moments, variance, distinct)
    null_variance = further.control.null_variance
    deflated_null = where_known(_deflated_2012, moments, null_variance, even_trials(distinct))
    if isinstance(null_variance, NotEnough):
        expected = where_known(best_sharpe_without_skill, variance, max(1.0, distinct))
    else:
        expected = best_sharpe_without_skill(null_variance, even_trials(distinct))
    return Overfitting(
        n_trials=evidence.n_trials,
        distinct=distinct,
        counts=counts,
        moments=moments,
        psr_2012=where_known(psr_2012, moments),
        psr_h0=where_known(psr_h0, moments),
        trials_variance=variance,
        deflated_sharpe_2012=deflated["distinct"],
        deflated_sharpe_h0=deflated_h0,
        deflated_by_count=deflated,
        minimum_track_record=where_known(minimum_track_record_2012, moments),
        minimum_backtest=where_known(_minimum_backtest, moments, distinct),
        lo=_lo(evidence),
        pbo=where_known(lambda found: found.pbo, whole),
        loss_probability=where_known(lambda found: found.loss_probability, whole),
        control_pbo=further.control.pbo,
        null_variance=null_variance,
        deflated_sharpe_null=deflated_null,
        expected_best_sharpe=expected,
        maximum_p_value=further.maximum_p_value,
        superior=further.control.superior,
        better=further.control.better,
        resampled=further.resampled,
        control_trials=further.control.trials,
        periods_per_year=evidence.periods_per_year,
        all_tasks=None
        if ledger is None
        else examine_all_tasks(
            ledger, moments, Alone(distinct, expected, deflated["distinct"], deflated_h0, deflated_null)
        ),
    )


def _winner_returns(search: FinishedSearch) -> FloatArray:
    """Return the winner's returns per bar in sample, (T,)."""
    assert search.history.best is not None
    params = search.history[search.history.best].parameters
    return bar_returns(run_backtest(search.bound_strategy, params, search.bars, search.rules).equity)


def _n_periods(n_returns: int) -> int | NotEnough:
    """Return in how many parts the bars are cut for the returns of trials."""
    n_periods = min(MOST_PERIODS, n_returns // PERIOD_BARS)
    return n_periods if n_periods >= 2 else NotEnough("returns", n_returns, 2 * PERIOD_BARS)


def _resampled(
    search: FinishedSearch, n_periods: int | NotEnough, most_trials: int, threads: int | None
) -> TrialReturns | NotEnough:
    at_most = affordable_trials(search, most_trials)
    if isinstance(n_periods, NotEnough):
        return n_periods
    if at_most < 2:
        return NotEnough("trials that can be run again in time", at_most, 2)
    return trial_returns(search, n_periods, at_most, threads)


def _counts(again: TrialReturns) -> TrialCounts | NotEnough:
    return trial_counts(again.returns.T, most_rows=CLUSTERED_TRIALS)


def _deflated(
    moments: SharpeMoments | NotEnough, variance: Number, distinct: int, counts: TrialCounts | NotEnough
) -> dict[str, Number]:
    """Return the deflated Sharpe ratio for each way to count the trials."""
    by_count: dict[str, float] = {"distinct": distinct}
    if not isinstance(counts, NotEnough):
        by_count |= {
            "average_correlation": counts.average_correlation,
            "effective_rank": counts.effective_rank,
            "clusters": counts.clusters,
        }
    return {name: where_known(_deflated_2012, moments, variance, n) for name, n in by_count.items()}


def _deflated_2012(moments: SharpeMoments, variance: float, n_trials: float) -> Number:
    return deflated_sharpe_2012(moments, n_trials=max(1.0, n_trials), trials_variance=variance)


def _deflated_h0(moments: SharpeMoments, variance: float, n_trials: float) -> Number:
    return deflated_sharpe_h0(moments, n_trials=max(1.0, n_trials), trials_variance=variance)


def _lo(evidence: Evidence) -> LoSharpe | NotEnough:
    if not isfinite(evidence.periods_per_year):
        return NotEnough("timestamps of the returns", 0, len(evidence.winner))
    return lo_sharpe(evidence.winner, max(1, round(evidence.periods_per_year)))


def _minimum_backtest(moments: SharpeMoments, n_trials: float) -> Number:
    if moments.sharpe <= 0.0:
        return NotEnough("Sharpe ratios above zero", 0, 1)
    return minimum_backtest_length(max(1.0, n_trials), moments.sharpe)


def _maximum_p_value(again: TrialReturns) -> Number:
    """Return how often the best of the trials, resampled without skill, reaches the winner's Sharpe ratio."""

    def share(found: MaximumDistribution) -> float:
        winner = again.returns[:, again.winner]
        deviation = float(winner.std(ddof=1))
        return float((found.maxima > winner.mean() / deviation).mean()) if deviation > 0.0 else 1.0

    found = maximum_distribution(again.returns, replications=REPLICATIONS)
    return where_known(share, of_periods(found))
