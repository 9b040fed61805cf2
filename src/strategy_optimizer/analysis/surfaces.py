"""How the score changes along one parameter or two, as a model of the trials sees it, with its doubt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from strategy_optimizer.analysis.target import FloatArray, IntArray, Target
from strategy_optimizer.errors import SpaceError, nearest_name
from strategy_optimizer.optimizer.surrogate import Surrogate
from strategy_optimizer.space.checks import Value
from strategy_optimizer.validation.statistics import NotEnough

GRID = 21  # values of a parameter that has more
GOOD_SHARE = 0.1  # trials that are averaged over are drawn from this share, the best
GOOD_TRIALS = 12
OVERLAY = 500  # trials that are shown on a surface
Grid: TypeAlias = tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class TrialMark:
    """A trial on a surface: its number, its values of the parameters, and what it measured."""

    number: int
    x: Value
    y: Value | None
    value: float


@dataclass(frozen=True)
class Surface:
    """A predicted score or metric over one parameter or two.

    Attributes
    ----------
    of : str
        ``score`` or a metric.
    x, y : str or None
        Parameters; y is None for one alone.
    x_values, y_values : tuple
        Values on the axes, evenly spaced on the parameter's own scale; all choices of a categorical one.
    at_best, at_best_deviation : tuple of tuples
        Prediction and its standard deviation with all other parameters as in the best trial, one row for each value of
        y. None where that is infeasible, or the parameter inactive.
    averaged, averaged_deviation : tuple of tuples
        The same averaged over `good_trials`, those where it is feasible; the deviation is that of one of them.
    good_trials : int
        Trials of the best tenth that are averaged over.
    trials : tuple of TrialMark
        At most 500 measured ones to lay over it: half of them the best, the others evenly over the search.
    explained : float
        Share of the trials' variation that the model foresees.
    """

    of: str
    x: str
    y: str | None
    x_values: tuple[Value, ...]
    y_values: tuple[Value, ...]
    at_best: Grid
    at_best_deviation: Grid
    averaged: Grid
    averaged_deviation: Grid
    good_trials: int
    trials: tuple[TrialMark, ...]
    explained: float


def profile(target: Target, x: str) -> Surface | NotEnough:
    """Return how the target changes along one parameter."""
    return surface(target, x, None)


def surface(target: Target, x: str, y: str | None) -> Surface | NotEnough:
    """Return how the target changes over a pair of parameters.

    Parameters
    ----------
    target : Target
    x, y : str
        Names of parameters.

    Raises
    ------
    SpaceError
        A name that the space does not have, or the same twice.
    """
    names = (x,) if y is None else (x, y)
    columns = [_column(target, name) for name in names]
    if len(set(columns)) < len(columns):
        raise SpaceError(f"the surface has '{x}' twice; name two parameters", parameter=x)
    model = target.model
    if isinstance(model, NotEnough):
        return model
    if target.best is None:
        return NotEnough("trials that may win", 0, 1)
    axes = [axis_points(target, column) for column in columns]
    cells = np.array([(a, b) for b in (axes[1] if y is not None else [np.nan]) for a in axes[0]])[
        :, : len(names)
    ]
    width = len(axes[0])
    best = _over(target, model, cells, columns, np.array([target.best]))
    good = _good_rows(target)
    several = _over(target, model, cells, columns, good)
    return Surface(
        of=target.name,
        x=x,
        y=y,
        x_values=_values(target, columns[0], axes[0]),
        y_values=_values(target, columns[1], axes[1]) if y is not None else (),
        at_best=_grid(best[0], width),
        at_best_deviation=_grid(best[1], width),
        averaged=_grid(several[0], width),
        averaged_deviation=_grid(several[1], width),
        good_trials=len(good),
        trials=_marks(target, columns),
        explained=model.explained,
    )


def _column(target: Target, name: str) -> int:
    names = target.space.names
    if name not in names:
        hint = nearest_name(name, names)
        raise SpaceError(f"there is no parameter '{name}'{hint} (known: {', '.join(names)})", parameter=name)
    return names.index(name)


def axis_points(target: Target, column: int) -> FloatArray:
    """Return the values of an axis in natural units, or the indices of all choices."""
    space = target.space
    if space.sizes[column] <= GRID or space.kinds[column] == 2:
        n = int(space.sizes[column])
        unit = (np.arange(n) + 0.5) / n
    else:
        unit = np.linspace(0.0, 1.0, GRID)
    rows = np.tile(space.to_unit(space.default_values[None]), (len(unit), 1))
    rows[:, column] = unit
    return np.unique(space.unconditional().from_unit(rows)[:, column])


def _values(target: Target, column: int, points: FloatArray) -> tuple[Value, ...]:
    return tuple(list(target.space.parameters.values())[column].decode_many(points))


def _good_rows(target: Target) -> IntArray:
    """Return the rows of trials that stand for the good ones: the best tenth, thinned to those most apart in rank."""
    gains = np.where(target.feasible & np.isfinite(target.values), target.gains, -np.inf)
    order = np.argsort(-gains, kind="stable")[: max(1, int(GOOD_SHARE * np.isfinite(gains).sum()))]
    return np.unique(order[np.linspace(0, len(order) - 1, min(len(order), GOOD_TRIALS)).astype(np.int64)])


def _over(
    target: Target, model: Surrogate, cells: FloatArray, columns: list[int], rows: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return mean and deviation (c,) of cells (c, axes), the other parameters as in some trials; NaN where none."""
    space = target.space
    base = np.where(np.isnan(target.points[rows]), space.default_values, target.points[rows])
    dense = np.repeat(base[None], len(cells), axis=0)
    dense[:, :, columns] = cells[:, None, :]
    points = space.deactivate(dense.reshape(-1, space.n_dims))
    usable = space.is_feasible(points) & ~np.isnan(points[:, columns]).any(axis=1)
    predicted = np.full((2, len(points)), np.nan)
    predicted[:, usable] = model.predict(points[usable])
    means, deviations = predicted.reshape(2, len(cells), -1)
    squares = deviations**2
    n = (~np.isnan(means)).sum(axis=1)
    with np.errstate(invalid="ignore"):
        middle = np.nansum(means, axis=1) / n
        # The variance of one of them: its own on average, and that of their means.
        spread = np.sqrt((np.nansum(squares, axis=1) + np.nansum((means - middle[:, None]) ** 2, axis=1)) / n)
    return target.sign * middle, spread


def _grid(values: FloatArray, width: int) -> Grid:
    """Return values (c,) as rows of a grid, None in place of NaN."""
    plain = [None if np.isnan(value) else float(value) for value in values]
    return tuple(tuple(plain[i : i + width]) for i in range(0, len(plain), width))


def _marks(target: Target, columns: list[int]) -> tuple[TrialMark, ...]:
    rows = target.known[~np.isnan(target.points[target.known][:, columns]).any(axis=1)]
    if len(rows) > OVERLAY:
        order = rows[np.argsort(-target.gains[rows], kind="stable")]
        best, others = order[: OVERLAY // 2], np.sort(order[OVERLAY // 2 :])
        even = others[np.linspace(0, len(others) - 1, OVERLAY - len(best)).astype(np.int64)]
        rows = np.sort(np.concatenate([best, even]))
    axes = [_values(target, column, target.points[rows, column]) for column in columns]
    ys = axes[1] if len(axes) > 1 else (None,) * len(rows)
    return tuple(
        TrialMark(int(row) + 1, x, y, float(target.values[row]))
        for row, x, y in zip(rows, axes[0], ys, strict=True)
    )
