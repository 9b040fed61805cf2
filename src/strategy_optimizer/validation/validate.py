"""Validation of a finished search: its statistics and its verdict, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from strategy_optimizer.plain import plain_fields
from strategy_optimizer.records import Validating
from strategy_optimizer.tasks import FinishedSearch, OptimizationTask, Result
from strategy_optimizer.validation.held_out import HeldOut, examine_held_out
from strategy_optimizer.validation.ledger import LEFT_OUT, Earlier, entry_of, record
from strategy_optimizer.validation.overfitting import MOST_TRIALS, Overfitting, examine_overfitting
from strategy_optimizer.validation.verdict import Verdict, judge


@dataclass(frozen=True)
class Validation:
    """What can be said of a search's winner.

    Attributes
    ----------
    verdict : Verdict
    overfitting : Overfitting
        In sample, against all trials.
    held_out : HeldOut or None
        On the bars that the search never saw; None when none were held out.
    """

    verdict: Verdict
    overfitting: Overfitting
    held_out: HeldOut | None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; a statistic that there is too little for is ``{"not_enough": text}``."""
        return plain_fields(self)


def validate_search(
    search: FinishedSearch,
    ledger: Earlier | None = None,
    *,
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
    threads : int, optional
        All cores by default; the result does not depend on it.
    most_trials : int
        Run at most so many trials again for their returns; the verdict does not rest on them.
    """
    overfitting = examine_overfitting(search, ledger, threads=threads, most_trials=most_trials)
    held_out = examine_held_out(search, looks=1 if ledger is None else ledger.looks)
    return Validation(judge(overfitting, held_out), overfitting, held_out)


def run_and_validate(task: OptimizationTask) -> Result:
    """Run a task and return its result, with a verdict unless its settings say otherwise.

    A search that was interrupted has none: whoever stopped it wants to go on, or to go home. Its trials are recorded
    in the ledger all the same, and so are those of a search without a winner.
    """
    try:
        result = task.run()
    except BaseException:
        _record(task)
        raise
    earlier = _record(task)
    notes = (LEFT_OUT,) if earlier is None else earlier.notes
    result = replace(result, notes=(*result.notes, *notes))
    if not task.settings.validate or task.search is None or result.stop_reason == "interrupted":
        return result
    if task.sink is not None:
        task.sink(Validating(len(task.search.history)))
    return replace(result, validation=validate_search(task.search, earlier, threads=task.settings.workers))


def _record(task: OptimizationTask) -> Earlier | None:
    """Record a search that has ended; None where the ledger is left out, or there is nothing to record."""
    if not task.settings.ledger or task.search is None or not len(task.search.history):
        return None
    return record(entry_of(task.search, threads=task.settings.workers))
