"""What the ledger knows of earlier searches on the bars of a search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from strategy_optimizer.errors import StrategyOptimizerError
from strategy_optimizer.market.report import counted
from strategy_optimizer.validation.ledger.entry import Entry
from strategy_optimizer.validation.ledger.folder import Ledger
from strategy_optimizer.validation.ledger.keeping import Reading, TrialLedger
from strategy_optimizer.validation.ledger.months import SAME_FROM, Months

LEFT_OUT = (
    "the trial ledger was left out: earlier searches on these data were not counted, and later ones will not count "
    "this one"
)
_NOT_WRITTEN = "the trial ledger cannot be written, later searches will not count this one"


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


def record(entry: Entry, ledger: TrialLedger | None = None) -> Earlier:
    """Add an entry and return what stands beside it; a folder that cannot be used is a note, not an error.

    It is added before the others are read: of two searches that end together one at least counts the other.

    Parameters
    ----------
    entry : Entry
    ledger : TrialLedger, optional
        That of the user by default.

    Raises
    ------
    StrategyOptimizerError
        Of a ledger that is not a folder, such as a store that another worker writes now.
    """
    try:
        ledger = ledger or Ledger()
    except StrategyOptimizerError as error:  # there is no home folder
        return replace(compare(entry, ()), notes=(f"{_NOT_WRITTEN}: {error}",))
    notes: list[str] = []
    reading = Reading()
    try:
        entry = ledger.add(entry)
    except OSError as error:
        notes.append(f"{_NOT_WRITTEN}: {_reason(error)}")
    try:
        reading = ledger.read(entry)
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
    """Return a sentence on the entries that are not counted."""
    entries = counted(len(reading.unreadable), "entry", "entries")
    why = "damaged, or of another version"
    return f"{entries} of the trial ledger {reading.place} cannot be read ({why}) and not counted"


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
