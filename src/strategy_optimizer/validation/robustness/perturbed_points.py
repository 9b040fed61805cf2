"""Points near a point of a parameter space: each parameter moved alone, and a box around all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.space.columns import CATEGORICAL
from strategy_optimizer.space.sobol import MOST_DIMS, Sobol
from strategy_optimizer.validation.statistics.not_enough import FloatArray, IntArray

SHARES = (0.05, 0.10)
"""Moves of a numeric parameter, as shares of its (log) range; on a grid at least one step."""
BOX = 0.10
_MOST_DRAWS = 8  # times the points wanted, where constraints leave a small part of the box


@dataclass(frozen=True, eq=False)
class PerturbedPoints:
    """Feasible canonical points around a point, without it and without repeats.

    Attributes
    ----------
    points : array, shape (m, d)
        In the space that was searched.
    columns : array of int, shape (m,)
        The parameter that was moved; -1 where all were.
    infeasible : array of int, shape (d + 1,)
        Moves of each parameter that violate a constraint; last those in the box.
    """

    points: FloatArray
    columns: IntArray
    infeasible: IntArray

    def first(self, most: int) -> PerturbedPoints:
        """Return at most `most` of them: half moves of one parameter, the shortest first, half from the box."""
        alone, box = np.flatnonzero(self.columns >= 0), np.flatnonzero(self.columns < 0)
        n_alone = min(len(alone), max(most - len(box), most // 2))
        kept = np.concatenate([alone[:n_alone], box[: most - n_alone]])
        return PerturbedPoints(self.points[kept], self.columns[kept], self.infeasible)


def perturbed_points(space: ParameterSpace, point: FloatArray, n_box: int, seed: int) -> PerturbedPoints:
    """Return the moves of each active parameter and `n_box` points of the box around canonical `point` (d,).

    Notes
    -----
    A numeric parameter moves one step (where it has one) and by the `SHARES` of its range, up and down; a
    categorical one to every other choice. A move beyond a bound ends at the bound. A parameter that a move
    activates takes its default. The box is `BOX` of each numeric range to either side, at least a step, cut at the
    bounds; choices stay; its points are a Sobol sequence with a random shift.
    """
    dense = np.where(np.isnan(point), space.default_values, point)
    active = np.flatnonzero(~np.isnan(point)).tolist()
    moved, columns = _moves(space, dense, active)
    box = _box_points(space, dense, active, n_box, np.random.default_rng(seed))
    points = space.deactivate(np.concatenate([moved, box]))
    columns = np.concatenate([columns, np.full(len(box), -1, np.int64)])
    keep = _new(space, points, point)
    points, columns = points[keep], columns[keep]
    feasible = space.is_feasible(points)
    # Draws of the box end with the one that completes it.
    drawn = (columns >= 0) | (np.cumsum(feasible & (columns < 0)) - (feasible & (columns < 0)) < n_box)
    infeasible = np.bincount(columns[drawn & ~feasible] % (space.n_dims + 1), minlength=space.n_dims + 1)
    kept = drawn & feasible
    return PerturbedPoints(points[kept], columns[kept], infeasible)


def _new(space: ParameterSpace, points: FloatArray, point: FloatArray) -> IntArray:
    """Return the rows that are neither the point nor a repeat."""
    keys = space.keys(np.concatenate([point[None, :], points]))
    _, first = np.unique(keys, return_index=True)
    return np.sort(first[first > 0]) - 1


def _moves(space: ParameterSpace, dense: FloatArray, active: list[int]) -> tuple[FloatArray, IntArray]:
    """Return dense points with one column moved each, and the columns: single steps of all parameters first."""
    found = [
        (rank, column, value)
        for column in active
        for rank, values in enumerate(_moved_values(space, dense, column))
        for value in values
    ]
    found.sort(key=lambda move: move[:2])
    points = np.tile(dense, (len(found), 1))
    columns = np.array([column for _, column, _ in found], dtype=np.int64)
    points[np.arange(len(found)), columns] = [value for _, _, value in found]
    return points, columns


def _moved_values(space: ParameterSpace, dense: FloatArray, column: int) -> list[list[float]]:
    """Return the values of one column after its moves, from the shortest moves to the longest."""
    if space.kinds[column] == CATEGORICAL:
        return [[choice] for choice in np.setdiff1d(np.arange(space.sizes[column]), [dense[column]]).tolist()]
    step = float(space.steps[column])
    moves = [_at_unit(space, dense, column, share) for share in SHARES]
    if not step:
        return moves
    stepped = _snapped(space, dense, column, dense[column] + np.array([-step, step]))
    # A share of the range that rounds to no step is one step, which stands there already.
    return [stepped, *([value for value in values if value != dense[column]] for values in moves)]


def _at_unit(space: ParameterSpace, dense: FloatArray, column: int, share: float) -> list[float]:
    unit = space.to_unit(np.tile(dense, (2, 1)))
    unit[:, column] += [-share, share]
    values: list[float] = _from_unit(space, dense, unit)[:, column].tolist()
    return values


def _snapped(
    space: ParameterSpace, dense: FloatArray, column: int, values: NDArray[np.float64]
) -> list[float]:
    points = np.tile(dense, (len(values), 1))
    points[:, column] = values
    snapped: list[float] = space.snap(points)[:, column].tolist()
    return snapped


def _from_unit(space: ParameterSpace, dense: FloatArray, unit: FloatArray) -> FloatArray:
    """Return dense points; those of the space are canonical, and an inactive column would come back as NaN."""
    points = space.from_unit(unit)
    return np.where(np.isnan(points), dense, points)


def _box_points(
    space: ParameterSpace, dense: FloatArray, active: list[int], n: int, rng: np.random.Generator
) -> FloatArray:
    """Return dense points of the box, enough that usually n of them are feasible and new."""
    numeric = [column for column in active if space.kinds[column] != CATEGORICAL]
    if not numeric or not n:
        return np.empty((0, space.n_dims))
    center, down, up = space.to_unit(space.snap(dense + np.array([[0.0], [-1.0], [1.0]]) * space.steps))[
        :, numeric
    ]
    low = np.maximum(np.minimum(center - BOX, down), 0.0)
    high = np.minimum(np.maximum(center + BOX, up), 1.0)
    many = n * _MOST_DRAWS
    # Sobol numbers are known for 40 dimensions; beyond that independent points do.
    d = len(numeric)
    draws = Sobol(d, rng).random(many) if d <= MOST_DIMS else rng.random((many, d))
    unit = np.tile(space.to_unit(dense[None, :]), (many, 1))
    unit[:, numeric] = low + (high - low) * draws
    return _from_unit(space, dense, unit)
