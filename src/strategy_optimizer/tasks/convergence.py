"""How a search went: when it converged, what it gained, how widely it looked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.tasks.history import TrialHistory
from strategy_optimizer.tasks.result import FRONT_POINTS, Convergence

FloatArray = NDArray[np.float64]
BINS = 10


def analyse_convergence(history: TrialHistory, default_score: float) -> Convergence:
    """Return the convergence analysis of a history that has a winner.

    With several objectives: of its Pareto front, which has no improvement in one number.
    """
    if history.front is not None:
        return Convergence(
            convergence_iteration=front_convergence(
                history.front.objective.gains(history.metrics),
                history.feasible,
                history.front.selection(FRONT_POINTS),
            ),
            final_improvement=np.nan,
            exploration_ratio=exploration_ratio(history.space, history.points),
        )
    scores = np.where(history.feasible, history.scores, -np.inf)
    return Convergence(
        convergence_iteration=convergence_iteration(scores),
        final_improvement=history.best_score - default_score,
        exploration_ratio=exploration_ratio(history.space, history.points),
    )


def convergence_iteration(scores: FloatArray) -> int:
    """Return the first trial (from 1) whose best so far is within 1 % of (final - first) of the final best.

    Parameters
    ----------
    scores : array, shape (n,)
        Larger is better, -inf where a trial cannot win; at least one is finite. The first best is that of the
        first trial that can win.

    Examples
    --------
    >>> convergence_iteration(np.array([-np.inf, 1.0, 1.5, 1.995, 1.2, 2.0]))
    4
    """
    best = np.maximum.accumulate(scores)
    first, final = best[np.isfinite(best)][0], best[-1]
    return int(np.argmax(best >= final - 0.01 * (final - first))) + 1


def front_convergence(gains: FloatArray, feasible: NDArray[np.bool_], front: NDArray[np.int64]) -> int:
    """Return the first trial (from 1) at which the front comes within 1 % of the final one everywhere.

    Parameters
    ----------
    gains : array, shape (n, m)
        Larger is better.
    feasible : array of bool, shape (n,)
        Which trials may win.
    front : array of int
        Rows of the final front, one at least.

    Notes
    -----
    For every point of the final front some feasible trial so far must be at most 1 % of the front's range behind
    it in each objective.

    Examples
    --------
    >>> gains = np.array([[0.0, 1.0], [0.995, 0.0], [0.5, 0.5], [1.0, 0.0], [0.5, 0.501]])
    >>> front_convergence(gains, np.ones(5, bool), np.array([0, 3, 4]))
    3
    """
    slack = 0.01 * np.ptp(gains[front], axis=0)
    last = 0
    for row in front.tolist():
        # The point itself is near enough, so that there is a first one.
        near = (gains[: row + 1] >= gains[row] - slack).all(axis=1) & feasible[: row + 1]
        last = max(last, int(np.argmax(near)))
    return last + 1


def exploration_ratio(space: ParameterSpace, points: FloatArray) -> float:
    """Return the distinct cells of a grid with `BINS` bins a parameter that `points` visit / their number.

    Choices are cells of their own up to `BINS` of them; being inactive is one more cell.
    """
    unit = space.to_unit(points)
    inactive = np.isnan(unit)
    cells = np.where(inactive, BINS, np.clip(np.where(inactive, 0.0, unit) * BINS, 0, BINS - 1))
    rows = np.ascontiguousarray(cells.astype(np.uint8))
    keys = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
    return len(np.unique(keys)) / len(points)
