"""Which trials of a task are wanted, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.errors import ObjectiveError, nearest_name
from strategy_optimizer.reading.trial_table import SCORE
from strategy_optimizer.records import TRIAL_STATES, TrialState

ITERATION, SECONDS = "iteration", "seconds"
SCORE_NAMES = ("score", SCORE)


@dataclass(frozen=True)
class HistoryQuery:
    """Which trials are wanted, and in which order.

    Attributes
    ----------
    states : tuple of {"completed", "failed", "pruned"}
        Empty for all.
    feasible : bool or None
    min_score, max_score : float or None
        Trials without a score are outside of every range.
    since : int
        Only trials after the one of this number.
    sort : str
        ``iteration``, ``score``, ``seconds`` or a metric. Trials without the number come last, in either order.
    descending : bool
        Trials with equal numbers turn round too: one order is the other backwards.
    """

    states: tuple[TrialState, ...] = ()
    feasible: bool | None = None
    min_score: float | None = None
    max_score: float | None = None
    since: int = 0
    sort: str = ITERATION
    descending: bool = False

    @property
    def filters(self) -> bool:
        """Whether trials are chosen by what they hold."""
        return bool(self.states) or self.feasible is not None or self.has_range

    @property
    def has_range(self) -> bool:
        """Whether trials are chosen by their score."""
        return self.min_score is not None or self.max_score is not None

    @property
    def is_plain(self) -> bool:
        """Whether the places of the wanted trials are known without reading any."""
        return self.sort == ITERATION and not self.filters

    def plain_places(self, n: int, offset: int, limit: int) -> tuple[int, int]:
        """Return the wanted range of the n trials, start and stop, counted from 0; in either order of reading.

        >>> HistoryQuery(since=90).plain_places(100, 5, 10)
        (95, 100)
        >>> HistoryQuery(descending=True).plain_places(100, 5, 10)
        (85, 95)
        """
        if not self.descending:
            start = min(n, self.since + offset)
            return start, min(n, start + limit)
        stop = max(min(self.since, n), n - offset)
        return max(min(self.since, n), stop - limit), stop

    def matching(self, rows: NDArray[np.void]) -> NDArray[np.bool_]:
        """Return which rows, which begin at the first trial and have score, state and feasible, are wanted, (n,)."""
        wanted = np.ones(len(rows), np.bool_)
        wanted[: self.since] = False
        if self.states:
            wanted &= np.isin(rows["state"], [TRIAL_STATES.index(state) for state in self.states])
        if self.feasible is not None:
            wanted &= rows["feasible"] == self.feasible
        if self.has_range:
            with np.errstate(invalid="ignore"):
                wanted &= rows["score"] >= (-np.inf if self.min_score is None else self.min_score)
                wanted &= rows["score"] <= (np.inf if self.max_score is None else self.max_score)
        return wanted

    def select(self, rows: NDArray[np.void], order: RisingOrder | None) -> NDArray[Any]:
        """Return the indices of the wanted trials in their order.

        Parameters
        ----------
        rows : array, shape (n,)
            From the first trial on, with the columns score, state and feasible.
        order : RisingOrder, optional
            Of the numbers that they are sorted by; None when that is the iteration.
        """
        places = np.arange(len(rows), dtype=np.int32) if order is None else order.places
        known = len(rows) if order is None else order.known
        if self.descending:
            places = np.concatenate([places[:known][::-1], places[known:]])
        if not self.filters and self.since == 0:
            return places
        return places[self.matching(rows)[places]]


@dataclass(frozen=True)
class RisingOrder:
    """The places of numbers from the lowest to the highest, equal ones as they came, NaN at the end.

    Attributes
    ----------
    places : array of int32, shape (n,)
    known : int
        How many are no NaN.

    Examples
    --------
    >>> RisingOrder.of(np.array([2.0, np.nan, 1.0, 2.0]))
    RisingOrder(places=array([2, 0, 3, 1], dtype=int32), known=3)
    """

    places: NDArray[np.int32]
    known: int

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Self:
        """Return the order of values, (n,)."""
        places = np.argsort(values, kind="stable").astype(np.int32)
        return cls(places, len(values) - int(np.count_nonzero(np.isnan(values))))


def column_of(rows: NDArray[np.void], metrics: Sequence[str], sort: str) -> NDArray[np.float64]:
    """Return the numbers that trials are sorted by, (n,).

    Raises
    ------
    ObjectiveError
        There are no such numbers.
    """
    known = (ITERATION, *SCORE_NAMES, SECONDS, *metrics)
    if sort not in known:
        raise ObjectiveError(
            f"trials cannot be sorted by {sort!r}{nearest_name(sort, known)}; expected one of {', '.join(known)}"
        )
    if sort in SCORE_NAMES:
        return np.asarray(rows["score"])
    if sort == SECONDS:
        return np.asarray(rows["seconds"])
    return np.asarray(rows["metrics"][:, list(metrics).index(sort)])
