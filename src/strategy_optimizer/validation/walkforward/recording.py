"""Records the trials of a walk-forward's searches in the trial ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strategy_optimizer.validation.ledger import record, walk_forward_entry
from strategy_optimizer.validation.walkforward.choices import Choice
from strategy_optimizer.validation.walkforward.searches import WindowSearches

LEFT_OUT = "the trial ledger was left out: later searches on these data will not count these trials"


def run_recorded(
    searches: WindowSearches, trains: Sequence[range]
) -> tuple[dict[range, Choice], tuple[str, ...]]:
    """Run the searches of some training windows, and record their trials in one entry, however they ended.

    Returns
    -------
    choices : dict
        As `WindowSearches.run` returns them.
    notes : tuple of str
        What went wrong with worker processes and the ledger.
    """
    choices: dict[range, Choice] = {}
    try:
        choices = searches.run(trains)
    finally:
        notes = _record(searches, trains, choices)
    return choices, (*searches.notes, *notes)


def _record(
    searches: WindowSearches, trains: Sequence[range], choices: Mapping[range, Choice]
) -> tuple[str, ...]:
    if not searches.task.settings.ledger:
        return (LEFT_OUT,)
    if not searches.trials:
        return ()
    chosen = [choice for choice in choices.values() if choice.parameters is not None]
    last = max(chosen, key=lambda choice: choice.train.stop, default=None)
    entry = walk_forward_entry(
        searches.task,
        searches.bars,
        trains,
        searches.trials,
        None if last is None else last.parameters,
        interrupted=len(choices) < len(trains),
    )
    return record(entry).notes
