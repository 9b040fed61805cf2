"""Which of several algorithms deserves the next trials: the one that improves the best score most per second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.optimizer.state import decode_array, encode_array

# What an algorithm is thought to gain a trial before it has shown anything, and how many trials that is worth.
FIRST_GAIN, FIRST_TRIALS = 0.02, 8.0


class Credit:
    """Gains and seconds of each algorithm, recent trials counting more.

    Parameters
    ----------
    n : int
        Algorithms.
    floor : float
        No algorithm gets less than this share of the trials.
    memory : float
        Trials, of all algorithms, after which a gain counts a third.
    """

    def __init__(self, n: int, *, floor: float = 0.1, memory: float = 100.0) -> None:
        self._floor = min(floor, 1.0 / n)
        self._memory = memory
        self._gains = np.zeros(n)
        self._seconds = np.zeros(n)
        self._first_seconds = np.ones(n)

    def expect(self, seconds: Sequence[float] | FloatArray) -> None:
        """Say what a trial of each algorithm is thought to take, thinking included, (n,)."""
        self._first_seconds = np.maximum(np.asarray(seconds, np.float64), 1e-9)

    def note(self, authors: IntArray, gains: FloatArray, seconds: FloatArray) -> None:
        """Take in trials in their order: authors (k,), -1 for none, gains in [0, 1] and seconds, all (k,)."""
        ages = np.arange(len(authors))[::-1]
        kept = np.exp(-ages / self._memory)
        fade = np.exp(-len(authors) / self._memory)
        known = authors >= 0
        for total, values in ((self._gains, gains), (self._seconds, seconds)):
            total *= fade
            total += np.bincount(authors[known], (kept * values)[known], minlength=len(total))

    @property
    def worth(self) -> FloatArray:
        """Gain per second of each algorithm, (n,)."""
        gains = self._gains + FIRST_GAIN * FIRST_TRIALS
        return np.asarray(gains / (self._seconds + FIRST_TRIALS * self._first_seconds))

    @property
    def shares(self) -> FloatArray:
        """Shares of the next trials, (n,), adding up to one: in proportion to worth, with a floor."""
        worth = self.worth
        spare = 1.0 - self._floor * len(worth)
        return np.asarray(self._floor + spare * worth / worth.sum())

    def save(self) -> list[dict[str, Any]]:
        """Return JSON values."""
        return [encode_array(column) for column in (self._gains, self._seconds, self._first_seconds)]

    def load(self, data: list[dict[str, Any]]) -> None:
        """Take back what :meth:`save` returned."""
        self._gains, self._seconds, self._first_seconds = (decode_array(column).copy() for column in data)


def improvements(scores: FloatArray, best: float) -> FloatArray:
    """Return by how much each score exceeds the best one before it, (n,); 0 for failures, `best` came before all.

    >>> improvements(np.array([1.0, 3.0, np.nan, 2.0, 4.5]), 2.0)
    array([0. , 1. , 0. , 0. , 1.5])
    """
    usable = np.where(np.isnan(scores), -np.inf, scores)
    before = np.maximum.accumulate(np.append(best, usable))[:-1]
    with np.errstate(invalid="ignore"):
        gains = usable - before
    return np.asarray(np.where(np.isfinite(gains), np.maximum(gains, 0.0), 0.0))
