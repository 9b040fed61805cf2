"""The Pareto front of a running search: the trials that no other one beats in every objective."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.objective import ParetoObjective
from strategy_optimizer.optimizer.pareto import ParetoArchive

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class RunningFront:
    """Keeps the front of a history up to date, and the point that is chosen on it.

    Of trials with equal objectives the first one counts: parameters that change nothing would otherwise fill
    the front with copies of one trade-off.

    Parameters
    ----------
    objective : ParetoObjective
    """

    def __init__(self, objective: ParetoObjective) -> None:
        self.objective = objective
        self._archive = ParetoArchive(len(objective.metrics))
        self._found: tuple[IntArray, FloatArray] | None = None

    def add(self, metrics: FloatArray, feasible: NDArray[np.bool_], first: int) -> None:
        """Let trials compete: metrics (n, len(METRICS)), whether they may win (n,), the row of the first."""
        rows = np.flatnonzero(feasible)
        if len(rows):
            self._archive.add(self.objective.gains(metrics[rows]), rows + first)
            self._found = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows(self) -> IntArray:
        """Rows of the front in the history, (n,), the best in the first objective first."""
        return self._distinct[0]

    @property
    def gains(self) -> FloatArray:
        """Their objectives, larger is better, (n, m)."""
        return self._distinct[1]

    @property
    def _distinct(self) -> tuple[IntArray, FloatArray]:
        if self._found is None:
            gains, first = np.unique(self._archive.scores, axis=0, return_index=True)
            self._found = self._archive.labels[first][::-1], gains[::-1]
        return self._found

    @property
    def chosen(self) -> int | None:
        """Row of the knee, or of the point closest to the reference; None while the front is empty."""
        if not len(self):
            return None
        return int(self.rows[self.objective.choose(self.objective.raw(self.gains))])

    @property
    def ends(self) -> list[int]:
        """Rows of the best trial in each objective."""
        return list(dict.fromkeys(self.rows[np.argmax(self.gains, axis=0)].tolist())) if len(self) else []

    def selection(self, most: int) -> IntArray:
        """Return the rows of at most about `most` points, spread evenly, in the order of `rows`.

        The best in each objective and the chosen point are always among them.
        """
        rows = self.rows
        if len(rows) <= most:
            return rows
        kept = np.isin(rows, self.ends) | (rows == self.chosen)
        kept[np.linspace(0, len(rows) - 1, most).astype(np.int64)] = True
        selected: IntArray = rows[kept]
        return selected

    @property
    def newest(self) -> int | None:
        """Row of the last trial that the front has gained."""
        return int(self.rows.max()) if len(self) else None
