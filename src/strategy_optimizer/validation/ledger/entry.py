"""What the ledger keeps of a task: which trials it made, on which bars, and what was seen of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.validation.ledger.keys import KeyArray, KeySet, count_beyond, union
from strategy_optimizer.validation.ledger.months import Months
from strategy_optimizer.validation.ledger.spread import SharpeSpread, pooled

Kind: TypeAlias = Literal["search", "walk-forward"]
MOST_SYMBOLS = 20  # that an entry names
SKETCHED = 64  # trials whose returns are kept
_SKETCH_BYTES = 48_000
_LONGEST_TEXT = 200


@dataclass(frozen=True, eq=False)
class Sketch:
    """Returns of evenly spread trials of a task's space by calendar month.

    Attributes
    ----------
    months : array of int32, shape (m,)
        Months since January 1970, ascending.
    returns : array of float32, shape (k, m)
        The sum of the returns per bar; NaN in months that a trial did not see.
    diversity : float, optional
        One minus the mean correlation of the trials' returns of five bars each; None where it is not known.
    """

    months: NDArray[np.int32]
    returns: NDArray[np.float32]
    diversity: float | None = None

    @classmethod
    def none(cls) -> Sketch:
        """Return the sketch of no trial."""
        return cls(np.empty(0, np.int32), np.empty((0, 0), np.float32))

    def at(self, months: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the returns (k, m) of other months, ascending; NaN where there are none."""
        found = np.full((len(self.returns), len(months)), np.nan, np.float32)
        here = np.isin(self.months, months)
        found[:, np.searchsorted(months, self.months[here])] = self.returns[:, here]
        return found

    def thinned(self, at_most: int) -> Sketch:
        """Return the sketch of at most so many of the trials, evenly chosen."""
        k = len(self.returns)
        rows = np.linspace(0, k - 1, min(k, at_most)).round().astype(np.intp)
        return replace(self, returns=self.returns[rows])


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of a task.

    Attributes
    ----------
    made : int
        All of them, also those that failed.
    distinct : int
        Those with different returns.
    keys : KeySet
        One key for each of these.
    spread : SharpeSpread
        Of the Sharpe ratios of all that completed.
    sketch : Sketch
    """

    made: int
    distinct: int
    keys: KeySet
    spread: SharpeSpread
    sketch: Sketch


def most_sketched(n_months: int) -> int:
    """Return of how many trials so many monthly returns may be kept."""
    return min(SKETCHED, _SKETCH_BYTES // (4 * max(1, n_months)))


def mean_diversity(parts: Sequence[Trials]) -> float | None:
    """Return that of the trials within the parts; None where one is not known."""
    known = [(part.distinct, part.sketch.diversity) for part in parts if part.sketch.diversity is not None]
    weight = sum(distinct for distinct, _ in known)
    if len(known) < len(parts) or weight == 0:
        return None
    return sum(distinct * diversity for distinct, diversity in known) / weight


def joined(parts: Sequence[Trials]) -> Trials:
    """Return the trials of several searches as those of one task."""
    keys = union([part.keys for part in parts])
    months = np.unique(np.concatenate([part.sketch.months for part in parts]))
    returns = np.concatenate([part.sketch.at(months) for part in parts])
    sketch = Sketch(months, returns, mean_diversity(parts))
    return Trials(
        made=sum(part.made for part in parts),
        distinct=round(keys.count.value),
        keys=keys,
        spread=pooled([part.spread for part in parts]),
        sketch=sketch.thinned(most_sketched(len(months))),
    )


@dataclass(frozen=True, eq=False)
class Entry:
    """One task in the ledger.

    Attributes
    ----------
    task_id : str
        Recording a task again replaces its entry.
    kind : {"search", "walk-forward"}
    recorded : str
        When, ISO 8601 in UTC.
    interrupted : bool
        Whether it may yet be continued.
    strategy, strategy_digest : str
    data : str
        What the data were called; they are known again by their months alone.
    symbols : tuple of str
        The first `MOST_SYMBOLS` of them.
    first, last : str
        Of the searched bars.
    trials : Trials
    searched, held_out : Months
    shown : array of uint64
        Keys of the winners whose numbers on the held-out bars were shown; without such bars those that were shown.
    """

    task_id: str
    kind: Kind
    recorded: str
    interrupted: bool
    strategy: str
    strategy_digest: str
    data: str
    symbols: tuple[str, ...]
    first: str
    last: str
    trials: Trials
    searched: Months
    held_out: Months
    shown: KeyArray

    @property
    def looks(self) -> int:
        """How many winners were shown on the held-out bars."""
        return len(self.shown) if self.held_out.n_bars else 0

    def to_dict(self) -> dict[str, Any]:
        """Return what people want to know, as JSON values."""
        return {
            "task_id": self.task_id,
            "kind": self.kind,
            "recorded": self.recorded,
            "interrupted": self.interrupted,
            "strategy": self.strategy,
            "strategy_digest": self.strategy_digest,
            "data": self.data,
            "symbols": list(self.symbols),
            "first": self.first,
            "last": self.last,
            "searched_bars": self.searched.n_bars,
            "held_out_bars": self.held_out.n_bars,
            "trials": self.trials.made,
            "distinct": self.trials.distinct,
            "held_out_looks": self.looks,
        }


def continued(entry: Entry, old: Entry | None) -> Entry:
    """Return the entry that takes the place of the same task's old one.

    A task that is run again makes the same trials, so the longer run has them all; where a limit of time made them
    others, those of both are kept. A winner that was only shown because the search was interrupted is forgotten when
    it is continued, as if it had never stopped.
    """
    if old is None:
        return entry
    shorter, longer = sorted((entry.trials, old.trials), key=lambda trials: trials.made)
    if old.interrupted:
        return replace(entry, trials=longer)
    if count_beyond(longer.keys, [shorter.keys]).value > 0.0:
        longer = joined([longer, shorter])
    return replace(entry, trials=longer, interrupted=False, shown=np.union1d(old.shown, entry.shown))


def one_each(entries: Iterable[Entry]) -> list[Entry]:
    """Return one entry for each task of several, the oldest first: its newest, see `continued`."""
    found: dict[str, Entry] = {}
    for entry in entries:
        found[entry.task_id] = continued(entry, found.pop(entry.task_id, None))
    return list(found.values())


def now() -> str:
    """Return the moment, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def short(text: str) -> str:
    """Return a text that an entry may hold."""
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
