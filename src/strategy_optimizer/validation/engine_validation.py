"""Validation of a search on another engine: the same rule, from what the engine gives.

Returns come without timestamps, and each run may take minutes. So every Sharpe ratio is per observation, statistics of
all trials are made from their block sums, and what needs other runs is left out and named: an even sample of the space
with the tests on it, the rivals, a check for signals that use the future. Beside the trials there are run: the best and
the recommended trial again, both on the data held out, and some neighbours (see `recommendation.engine`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategy_optimizer.market.report import counted
from strategy_optimizer.tasks import EngineSearch
from strategy_optimizer.validation.control_sample import ControlSample
from strategy_optimizer.validation.engine_trials import (
    engine_sharpes,
    gave_metrics,
    gave_returns,
)
from strategy_optimizer.validation.held_out import HeldOut, held_out_record
from strategy_optimizer.validation.ledger import Earlier
from strategy_optimizer.validation.overfitting import (
    CLUSTERED_TRIALS,
    Evidence,
    FurtherRuns,
    Overfitting,
    overfitting_of,
)
from strategy_optimizer.validation.recommendation import Recommendation
from strategy_optimizer.validation.recommendation.engine import (
    LEAST_NEIGHBOURS,
    MOST_SECONDS,
    MOST_SHARE,
    affordable_runs,
)
from strategy_optimizer.validation.statistics import (
    NotEnough,
    distinct_count,
    overfitting_probability,
    sharpe_moments,
    trial_counts,
)

_NO_SAMPLE = NotEnough("runs for an even sample", 0, 2)
LEAST_SHARE = 0.95  # of the trials must have returns, or nothing can be said of all of them


class Judged(NamedTuple):
    """What the verdict on a search of an engine rests on."""

    overfitting: Overfitting
    held_out: HeldOut | None
    lookahead: NotEnough
    remarks: tuple[str, ...]


def examine_engine_search(
    search: EngineSearch,
    recommendation: Recommendation,
    ledger: Earlier | None = None,
    *,
    threads: int | None = None,
) -> Judged:
    """Return what can be said of a finished search whose winner has returns.

    Parameters
    ----------
    search : EngineSearch
    recommendation : Recommendation
    ledger : Earlier, optional
        What the trial ledger says of earlier searches on the same data.
    threads : int, optional
        All cores by default; the result does not depend on it.
    """
    overfitting = examine_engine_overfitting(search, ledger, threads=threads)
    held_out, why_not = _held_out(search, recommendation, 1 if ledger is None else ledger.looks)
    remarks = [*why_not, *_missing_returns(search), *_neighbours(search, recommendation), _NOT_DONE]
    return Judged(overfitting, held_out, NotEnough("signals to look into", 0, 1), tuple(remarks))


def examine_engine_overfitting(
    search: EngineSearch, ledger: Earlier | None = None, *, threads: int | None = None
) -> Overfitting:
    """Return the overfitting statistics of a finished search that has a winner, from the block sums of all trials."""
    history = search.history
    assert history.best is not None
    ran, known = gave_metrics(history), gave_returns(history)
    blocks = history.blocks[known]
    (outcome,) = search.run_searched([history[history.best].parameters])
    # A trial whose returns cannot be compared counts as one more: the number of trials is never too low.
    distinct = (distinct_count(blocks[:, :, 1]) if len(blocks) else 0) + int((ran & ~known).sum())
    enough = known.sum() >= LEAST_SHARE * ran.sum()
    evidence = Evidence(
        n_trials=len(history),
        distinct=distinct,
        blocks=blocks if enough else blocks[:0],
        sharpes=engine_sharpes(search) if enough else np.empty(0),
        winner=np.empty(0) if outcome.value.returns is None else outcome.value.returns,
        periods_per_year=np.nan,
    )
    further = FurtherRuns(
        resampled=0,
        counts=trial_counts(blocks[:, :, 1], most_rows=CLUSTERED_TRIALS),
        maximum_p_value=NotEnough("trials whose returns are kept", 0, 2),
        control=ControlSample(0, _NO_SAMPLE, _NO_SAMPLE, {}, {}),
    )
    whole = overfitting_probability(evidence.blocks, threads=threads)
    return overfitting_of(evidence, whole, further, ledger)


def _held_out(
    search: EngineSearch, recommendation: Recommendation, looks: int
) -> tuple[HeldOut | None, tuple[str, ...]]:
    """Return the record of what is recommended on the data held out, or why there is none."""
    if search.held_out is None:
        return None, (
            f"{search.engine.label} has no held-out part: it cannot divide its data, or holdout is 0 (a function gets "
            "one by CallableEngine(function, held_out=...))",
        )
    (outcome,) = search.run_held_out([recommendation.parameters])
    if outcome.failure is not None:
        return None, (f"the recommended parameters failed on the held-out data: {outcome.reason}",)
    value = outcome.value
    if value.returns is None:
        return None, ("the engine gave no returns on the held-out data",)
    record = held_out_record(
        sharpe_moments(value.returns),
        n_bars=len(value.returns) + 1,
        trades=value.metrics.get("trades", np.nan),
        annual_sharpe=value.metrics.get("sharpe_ratio", np.nan),
        looks=looks,
    )
    return record, ()


# -- what is said beside it --------------------------------------------------------------------------------------

_NOT_DONE = (
    "not examined, because each would cost many runs of the engine: an even sample of the space, the tests against "
    "rivals; and not to be seen from outside: whether its signals use bars of the future"
)


def _missing_returns(search: EngineSearch) -> list[str]:
    ran, known = gave_metrics(search.history), gave_returns(search.history)
    lacking = int((ran & ~known).sum())
    if not lacking:
        return []
    return [
        f"{counted(lacking, 'trial')} of {ran.sum():,} gave no returns, or another number of them than the others: "
        f"each counts as a different trial (with more than {1 - LEAST_SHARE:.0%} of them there is no number; give a "
        "return for each bar, 0 where nothing was held)"
    ]


def _neighbours(search: EngineSearch, recommendation: Recommendation) -> list[str]:
    contenders = {each.trial: each for each in (*recommendation.regions, recommendation.best)}
    run, affordable = sum(each.neighbours for each in contenders.values()), affordable_runs(search.history)
    cap = (
        f"at most {MOST_SHARE:.0%} of the trials and {MOST_SECONDS:.0f} s, here {counted(affordable, 'run')}"
    )
    if run:
        return [f"{counted(run, 'neighbour')} of the steadiest trials were run ({cap})"]
    return [
        f"no neighbours were run ({cap}; fewer than {LEAST_NEIGHBOURS} a trial say too little): the steadiest trial "
        "was chosen by a surrogate of the trials"
    ]
