"""What a ledger is to a search: a place that takes entries and gives all of them back."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from strategy_optimizer.validation.ledger.entry import Entry


class Reading(NamedTuple):
    """What is in a ledger.

    Attributes
    ----------
    entries : tuple of Entry
        One for each task, the oldest first.
    unreadable : tuple of str
        Names of those that are damaged, or of another version.
    place : str
        Where they lie, for people.
    """

    entries: tuple[Entry, ...] = ()
    unreadable: tuple[str, ...] = ()
    place: str = ""


class TrialLedger(Protocol):
    """Where entries are kept: in a folder (`Ledger`) for libraries and the command line, in the store for a service.

    An entry that `add` has returned is seen by every later `read`, whoever reads: so of two searches that end together
    one at least counts the other.
    """

    def add(self, entry: Entry) -> Entry:
        """Keep an entry, and return it with what earlier sessions of the same task left, see `continued`."""
        ...

    def read(self, beside: Entry | None = None) -> Reading:
        """Return all entries; one that cannot be read is named, not raised.

        Beside an entry, those may be left out that share no bars with it.
        """
        ...
