"""The points one move away from a point."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space.columns import CATEGORICAL, CONTINUOUS
from strategy_optimizer.space.layout import Layout

FloatArray: TypeAlias = NDArray[np.float64]

CONTINUOUS_MOVE = 0.05
"""One move of a continuous parameter without a step, as a share of its (log) range."""


def neighbours(layout: Layout, point: FloatArray) -> FloatArray:
    """Return the feasible canonical points (m, d) one move away from canonical `point` (d,)."""
    dense = np.where(np.isnan(point), layout.columns.defaults, point)
    moves = [_moved(layout, dense, column) for column in np.flatnonzero(~np.isnan(point)).tolist()]
    if not moves:
        return np.empty((0, layout.n_dims))
    candidates = layout.activation.deactivate(np.concatenate(moves))
    fresh = ~np.all((candidates == point) | (np.isnan(candidates) & np.isnan(point)), axis=1)
    distinct = layout.satisfying(candidates[fresh])
    _, first = np.unique(layout.columns.keys(distinct), return_index=True)
    return distinct[np.sort(first)]


def _moved(layout: Layout, dense: FloatArray, column: int) -> FloatArray:
    """Return copies of `dense` (d,) moved along one column: a step each way, or every other choice."""
    columns = layout.columns
    if columns.kinds[column] == CATEGORICAL:
        values = np.setdiff1d(np.arange(columns.sizes[column]), [dense[column]])
    elif columns.kinds[column] == CONTINUOUS and columns.steps[column] == 0.0:
        return _moved_in_cube(layout, dense, column)
    else:
        values = dense[column] + np.array([-1.0, 1.0]) * columns.steps[column]
    moved = np.tile(dense, (len(values), 1))
    moved[:, column] = values
    return columns.snap(moved)


def _moved_in_cube(layout: Layout, dense: FloatArray, column: int) -> FloatArray:
    unit = layout.columns.to_unit(np.tile(dense, (2, 1)))
    unit[:, column] += [-CONTINUOUS_MOVE, CONTINUOUS_MOVE]
    moved = np.tile(dense, (2, 1))
    moved[:, column] = layout.columns.from_unit(unit)[:, column]
    return moved
