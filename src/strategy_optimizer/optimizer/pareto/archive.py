"""The Pareto set of everything seen so far, kept up to date a batch at a time."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.optimizer.pareto.crowding import keep_spread
from strategy_optimizer.optimizer.pareto.sorting import dominated_by, is_non_dominated


class ParetoArchive:
    """Points that no other one seen dominates; equals all stay.

    Adding costs time in proportion to the new points and to the front, never to what was seen before, and
    the memory is that of the front.

    Parameters
    ----------
    n_objectives : int
        Scores per point.
    capacity : int, optional
        Points to keep; beyond it the most crowded go. None: all, which on plateaus and with many objectives
        can be most of what was seen.

    Examples
    --------
    >>> archive = ParetoArchive(2)
    >>> archive.add(np.array([[1.0, 2.0], [2.0, 1.0]]), np.array([0, 1]))
    >>> archive.add(np.array([[2.0, 2.0], [0.0, 3.0]]), np.array([2, 3]))
    >>> archive.labels.tolist()
    [2, 3]
    """

    def __init__(self, n_objectives: int, capacity: int | None = None) -> None:
        self._capacity = capacity
        self.scores: FloatArray = np.empty((0, n_objectives))  # (n, m), in the order of adding
        self.labels: IntArray = np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def add(self, scores: FloatArray, labels: IntArray) -> None:
        """Take in points: scores (n, m), larger is better, no NaN; labels (n,) say which they are."""
        own = is_non_dominated(scores)
        new, new_labels = scores[own], labels[own]
        welcome = ~dominated_by(new, self.scores)
        new, new_labels = new[welcome], new_labels[welcome]
        kept = ~dominated_by(self.scores, new)
        self.scores = np.concatenate([self.scores[kept], new])
        self.labels = np.concatenate([self.labels[kept], new_labels])
        if self._capacity is not None and len(self) > self._capacity:
            spread = np.sort(keep_spread(self.scores, self._capacity))
            self.scores, self.labels = self.scores[spread], self.labels[spread]
