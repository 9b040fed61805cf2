"""What the ledger knows of earlier searches on the bars of a search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.market.report import counted
from strategy_optimizer.validation.ledger.entry import Entry
from strategy_optimizer.validation.ledger.folder import Ledger, Reading
from strategy_optimizer.validation.ledger.months import SAME_FROM, Months

LEFT_OUT = (
    "the trial ledger was left out: earlier searches on these data were not counted, and later ones will not count "
    "this one"
)


@dataclass(frozen=True)
class Earlier:
    """The earlier searches beside one.

    Attributes
    ----------
    own : Entry
        Of the search itself.
    searches : tuple of Entry
        Those whose trials count: they searched most of its bars too.
    looks : int
        Different winners that were ever shown on most of its held-out bars, its own included; at least 1.
    notes : tuple of str
        What went wrong with the ledger.
    """

    own: Entry
    searches: tuple[Entry, ...] = ()
    looks: int = 1
    notes: tuple[str, ...] = ()


def record(entry: Entry, ledger: Ledger | None = None) -> Earlier:
    """Write an entry and return what stands beside it; a ledger that cannot be used is a note, not an error.

    It is written before the others are read: of two searches that end together one at least counts the other.

    Parameters
    ----------
    entry : Entry
    ledger : Ledger, optional
        That of the user by default.
    """
    notes: list[str] = []
    reading = Reading()
    try:
        ledger = ledger or Ledger()
        entry = _with_earlier_sessions(entry, ledger.find(entry.task_id))
        ledger.write(entry)
    except (OSError, StrategyOptimizerError) as error:
        notes.append(
            f"the trial ledger cannot be written, later searches will not count this one: {_reason(error)}"
        )
    try:
        reading = Reading() if ledger is None else ledger.read()
    except OSError as error:
        notes.append(f"the trial ledger cannot be read, no earlier search is counted: {_reason(error)}")
    notes += [unreadable_note(reading)] if reading.unreadable else []
    return replace(compare(entry, reading.entries), notes=tuple(notes))


def compare(own: Entry, entries: Iterable[Entry]) -> Earlier:
    """Return which of some entries count for a search, its own among them or not."""
    others = [entry for entry in entries if entry.task_id != own.task_id]
    seen = [own.shown, *(entry.shown for entry in others if saw(entry, own.held_out))]
    return Earlier(
        own,
        searches=tuple(entry for entry in others if own.searched.mostly_in(entry.searched)),
        looks=max(1, len(np.unique(np.concatenate(seen)))),
    )


def saw(entry: Entry, held_out: Months) -> bool:
    """Return whether a task showed most of these bars, as held-out ones or because it searched them."""
    return held_out.shared_with(entry.held_out) + held_out.shared_with(entry.searched) >= SAME_FROM


def unreadable_note(reading: Reading) -> str:
    """Return a sentence on the files that are not counted."""
    files = counted(len(reading.unreadable), "file")
    return (
        f"{files} of the trial ledger {reading.unreadable[0].parent} cannot be read (damaged, or of another version) "
        "and not counted"
    )


def _with_earlier_sessions(entry: Entry, old: Entry | None) -> Entry:
    """Return the entry that takes the place of the same task's old one.

    A task that is run again makes the same trials, so the longer run has them all. A winner that was only shown
    because the search was interrupted is forgotten when it is continued, as if it had never stopped.
    """
    if old is None:
        return entry
    longer = max(old.trials, entry.trials, key=lambda trials: trials.made)
    if old.interrupted:
        return replace(entry, trials=longer)
    return replace(entry, trials=longer, interrupted=False, shown=np.union1d(old.shown, entry.shown))


def _reason(error: Exception) -> str:
    if not isinstance(error, OSError):
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
