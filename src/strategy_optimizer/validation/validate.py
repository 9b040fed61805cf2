"""Validation of a finished search: its statistics and its verdict, as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from strategy_optimizer.errors import DataError
from strategy_optimizer.plain import plain_fields
from strategy_optimizer.records import Validating
from strategy_optimizer.tasks import (
    EngineResult,
    EngineSearch,
    EngineTask,
    FinishedSearch,
    OptimizationTask,
    Result,
)
from strategy_optimizer.validation.engine_validation import examine_engine_search
from strategy_optimizer.validation.held_out import HeldOut, examine_held_out
from strategy_optimizer.validation.ledger import (
    LEFT_OUT,
    Earlier,
    TrialLedger,
    engine_entry_of,
    entry_of,
    record,
)
from strategy_optimizer.validation.lookahead import check_lookahead
from strategy_optimizer.validation.lookahead_report import LookaheadReport
from strategy_optimizer.validation.overfitting import MOST_TRIALS, Overfitting, examine_overfitting
from strategy_optimizer.validation.recommendation import Recommendation, recommend, recommend_of_engine
from strategy_optimizer.validation.statistics import NotEnough
from strategy_optimizer.validation.verdict import Verdict, judge

QUICK = 0.01  # seconds; slower trials get a short look-ahead check
SHORT_CHECK = 4  # lengths on which the signals are computed again


@dataclass(frozen=True)
class Validation:
    """What can be said of a search.

    Attributes
    ----------
    verdict : Verdict
        On the recommended parameters.
    recommendation : Recommendation
        Which parameters to deploy, and what they were chosen from.
    overfitting : Overfitting
        In sample, the best trial against all trials.
    held_out : HeldOut or None
        The recommended parameters on the bars that the search never saw; None when none were held out.
    lookahead : LookaheadReport or NotEnough
        Whether their signals use bars of the future, as far as that shows without another compilation.
    """

    verdict: Verdict
    recommendation: Recommendation
    overfitting: Overfitting
    held_out: HeldOut | None
    lookahead: LookaheadReport | NotEnough

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; a statistic that there is too little for is ``{"not_enough": text}``."""
        return plain_fields(self)


def validate_search(
    search: FinishedSearch,
    ledger: Earlier | None = None,
    *,
    recommendation: Recommendation | None = None,
    threads: int | None = None,
    most_trials: int = MOST_TRIALS,
) -> Validation:
    """Return the validation of a finished search that has a winner.

    Parameters
    ----------
    search : FinishedSearch
        As an `OptimizationTask` leaves it, `task.search`.
    ledger : Earlier, optional
        What the trial ledger says of earlier searches on the same data, `ledger.record`; without it the search is
        judged alone.
    recommendation : Recommendation, optional
        As `recommend` returns it, where that is known already.
    threads : int, optional
        All cores by default; the result does not depend on it.
    most_trials : int
        Run at most so many trials again for their returns; the verdict does not rest on them.
    """
    recommendation = recommendation or recommend(search, threads=threads)
    overfitting = examine_overfitting(search, ledger, threads=threads, most_trials=most_trials)
    looks = 1 if ledger is None else ledger.looks
    held_out = examine_held_out(search, recommendation.parameters, looks=looks)
    lookahead = _lookahead(search, recommendation.parameters)
    verdict = judge(overfitting, held_out, lookahead)
    return Validation(verdict, recommendation, overfitting, held_out, lookahead)


def validate_engine_search(
    search: EngineSearch,
    ledger: Earlier | None = None,
    *,
    recommendation: Recommendation | None = None,
    threads: int | None = None,
) -> Validation | NotEnough:
    """Return the validation of a finished search on another engine; `NotEnough` where that gives no returns.

    Parameters
    ----------
    search : EngineSearch
        As an `EngineTask` leaves it, `task.search`; it has a winner.
    ledger, recommendation, threads
        As for `validate_search`.
    """
    recommendation = recommendation or recommend_of_engine(search)
    if recommendation is None:
        return NotEnough("trials with returns", 0, 2)
    found = examine_engine_search(search, recommendation, ledger, threads=threads)
    verdict = judge(found.overfitting, found.held_out, found.lookahead, remarks=found.remarks)
    return Validation(verdict, recommendation, found.overfitting, found.held_out, found.lookahead)


def _lookahead(search: FinishedSearch, params: Mapping[str, Any]) -> LookaheadReport | NotEnough:
    cuts = None if np.median(search.history.seconds) < QUICK else SHORT_CHECK
    try:
        return check_lookahead(search.bound_strategy, params, search.bars, cuts=cuts, indices=False)
    except DataError:
        return NotEnough("bars for a look-ahead check", search.bars.n_bars, search.bars.n_bars + 1)


@overload
def run_and_validate(task: OptimizationTask, ledger: TrialLedger | None = None) -> Result: ...


@overload
def run_and_validate(task: EngineTask, ledger: TrialLedger | None = None) -> EngineResult: ...


def run_and_validate(
    task: OptimizationTask | EngineTask, ledger: TrialLedger | None = None
) -> Result | EngineResult:
    """Run a task and return its result, with a verdict unless its settings say otherwise.

    Parameters
    ----------
    task : OptimizationTask or EngineTask
    ledger : TrialLedger, optional
        Where its trials are recorded, and those of earlier searches are found; the user's by default.

    Notes
    -----
    A search that was interrupted has none: whoever stopped it wants to go on, or to go home. Its trials are recorded
    in the ledger all the same, and so are those of a search without a winner. A search on an engine that gives no
    returns has none either, and a note says so.
    """
    try:
        result = task.run()
        recommendation = None if result.stop_reason == "interrupted" else _recommended(task)
    except BaseException:
        _record(task, ledger)
        raise
    earlier = _record(task, ledger, recommendation)
    notes = (LEFT_OUT,) if earlier is None else (*earlier.notes, *_known_by_engine(task))
    result = replace(result, notes=(*result.notes, *notes))
    if recommendation is None or task.search is None:
        return result
    threads = task.settings.workers
    found: Validation | NotEnough
    if isinstance(task.search, EngineSearch):
        found = validate_engine_search(task.search, earlier, recommendation=recommendation, threads=threads)
    else:
        found = validate_search(task.search, earlier, recommendation=recommendation, threads=threads)
    return result if isinstance(found, NotEnough) else replace(result, validation=found)


def _known_by_engine(task: OptimizationTask | EngineTask) -> Iterator[str]:
    """Say which searches the ledger counts where an engine cannot say which data it holds."""
    if isinstance(task, EngineTask) and task.search is not None and task.search.data is None:
        yield (
            f"{task.engine.label} does not say which data it holds (`Engine.data_digest`): the trial ledger knows its "
            "searches by code and data together, and does not count those of other code on the same data"
        )


def _recommended(task: OptimizationTask | EngineTask) -> Recommendation | None:
    """Return what a finished task recommends; None where that is not wanted, or there are no returns."""
    if not task.settings.validate or task.search is None:
        return None
    if task.sink is not None:
        task.sink(Validating(len(task.search.history)))
    if isinstance(task.search, EngineSearch):
        return recommend_of_engine(task.search)
    return recommend(task.search, threads=task.settings.workers)


def _record(
    task: OptimizationTask | EngineTask,
    ledger: TrialLedger | None,
    recommendation: Recommendation | None = None,
) -> Earlier | None:
    """Record a search that has ended; None where the ledger is left out, or there is nothing to record."""
    if not task.settings.ledger or task.search is None or not len(task.search.history):
        return None
    shown = None if recommendation is None else recommendation.trial - 1
    if isinstance(task.search, EngineSearch):
        return record(engine_entry_of(task.search, shown=shown), ledger)
    return record(entry_of(task.search, shown=shown, threads=task.settings.workers), ledger)
