"""Runs a walk-forward's searches and keeps what they found: windows in a checkpoint, trials in the trial ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from strategy_optimizer.errors import TaskError
from strategy_optimizer.tasks import OptimizationTask
from strategy_optimizer.validation.ledger import record, walk_forward_entry
from strategy_optimizer.validation.walkforward.choices import Choice
from strategy_optimizer.validation.walkforward.result import Choosing
from strategy_optimizer.validation.walkforward.searches import WindowSearches
from strategy_optimizer.validation.walkforward.window_store import WindowStore

LEFT_OUT = "the trial ledger was left out: later searches on these data will not count these trials"


def run_recorded(
    searches: WindowSearches, tested: Mapping[range, int]
) -> tuple[dict[range, Choice], tuple[str, ...]]:
    """Run the searches of some training windows, and record their trials in one entry, however they ended.

    Parameters
    ----------
    searches : WindowSearches
    tested : mapping of range to int
        The training windows, and the bar at which the last test of each ends.

    Returns
    -------
    choices : dict
        As `WindowSearches.run` returns them.
    notes : tuple of str
        What went wrong with worker processes and the ledger.
    """
    choices: dict[range, Choice] = {}
    try:
        choices = searches.run(list(tested))
    finally:
        notes = _record(searches, tested, choices)
    return choices, (*searches.notes, *notes)


def run_kept(
    searches: Callable[[WindowStore | None], WindowSearches],
    tested: Mapping[range, int],
    checkpoint: str | Path | None,
    resume: bool,
    identity: Callable[[], Mapping[str, Any]],
) -> tuple[dict[range, Choice], tuple[str, ...]]:
    """Run the searches as `run_recorded` does, and keep the windows that are done in a folder if there is to be one.

    Raises
    ------
    TaskError
        When something is to be resumed and no folder is given.
    CheckpointError
        As for `WindowStore`.
    """
    if checkpoint is None:
        if resume:
            raise TaskError("resume needs the checkpoint's folder")
        return run_recorded(searches(None), tested)
    with WindowStore(checkpoint, identity(), resume=resume) as store:
        return run_recorded(searches(store), tested)


def search_identity(task: OptimizationTask, choose: Choosing, windows: Any) -> dict[str, Any]:
    """Return what the choices of all windows depend on, as JSON values; `windows` says which these are."""
    return {
        **task.identity(),
        "budget": asdict(task.settings.budget),
        "choose": choose,
        "ledger": task.settings.ledger,
        "windows": windows,
    }


def _record(
    searches: WindowSearches, tested: Mapping[range, int], choices: Mapping[range, Choice]
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
        list(tested),
        searches.trials,
        None if last is None else last.parameters,
        seen=max((tested[train] for train in choices), default=0),
        interrupted=len(choices) < len(tested),
    )
    return record(entry).notes
