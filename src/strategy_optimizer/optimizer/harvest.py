"""Gather points that may be asked: feasible, and not tried or out already."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, TriedPoints
from strategy_optimizer.space import ParameterSpace


class Harvest:
    """Collects admissible rows until there are enough."""

    def __init__(self, space: ParameterSpace, tried: TriedPoints, n: int) -> None:
        self._space = space
        self._tried = tried
        self.missing = n
        self._rows: list[FloatArray] = []
        self._points: list[FloatArray] = []
        self._keys: list[int] = []

    def offer(self, rows: FloatArray) -> None:
        """Keep rows (in bounds, on steps) that satisfy the constraints and have a trial left."""
        if self.missing == 0:
            return
        space = self._space
        points = space.deactivate(rows[:, : space.n_dims])
        if space.constraints:
            feasible = space.is_feasible(points)
            rows, points = rows[feasible], points[feasible]
        keys = space.keys(points).tolist()
        chosen = self._tried.admit(keys, self.missing)
        if len(chosen) < len(keys):
            rows, points, keys = rows[chosen], points[chosen], [keys[i] for i in chosen]
        self._rows.append(rows)
        self._points.append(points)
        self._keys += keys
        self.missing -= len(keys)

    def result(self) -> tuple[FloatArray, FloatArray, list[int]]:
        """Return rows, canonical points and keys."""
        return np.concatenate(self._rows), np.concatenate(self._points), self._keys
