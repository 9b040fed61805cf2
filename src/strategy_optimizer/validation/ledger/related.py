"""How related evenly spread trials of several tasks are, from the sketches of their returns.

Correlations are of monthly returns, each pair over the months that both have. What the trials share no choice among
them can win, so the mean correlation says how well the best of them does by luck (`null_sharpe_variance`). The counts
of independent trials are reported and decide nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.validation.ledger.entry import Trials
from strategy_optimizer.validation.statistics import NotEnough, effective_rank_of, independent_trials
from strategy_optimizer.validation.statistics.not_enough import ROUNDING

FloatArray = NDArray[np.float64]
MOST_ROWS = 256
LEAST_MONTHS = 12  # that two trials must share; below it they count as unrelated


@dataclass(frozen=True)
class Related:
    """How related the trials of several tasks are.

    Attributes
    ----------
    sketched : int
        Trials that this is estimated from, of each task about as many.
    mean_correlation : float
        Of two trials, whichever their tasks.
    independent : float
        Independent trials by that correlation; see `average_correlation_count`.
    effective_rank : float
        Of the correlations of the sketched trials.
    """

    sketched: int
    mean_correlation: float
    independent: float
    effective_rank: float


def related_trials(tasks: Sequence[Trials], distinct: float) -> Related | NotEnough:
    """Return how related the trials of some tasks are, `distinct` in all."""
    most = max(1, MOST_ROWS // len(tasks))
    parts = [task.sketch.thinned(most) for task in tasks]
    months = np.unique(np.concatenate([part.months for part in parts]))
    blocks = [part.at(months) for part in parts]
    rows = np.concatenate(blocks)[:MOST_ROWS].astype(np.float64)
    shares = [
        np.full(len(block), task.distinct / max(1, len(block)))
        for task, block in zip(tasks, blocks, strict=True)
    ]
    weights = np.concatenate(shares)[:MOST_ROWS]
    known = _varying(rows)
    rows, weights = rows[known], weights[known]
    if len(rows) < 2:
        return NotEnough("sketched trials that vary", len(rows), 2)
    correlations = pairwise_correlations(rows)
    mean = _mean_between(correlations, weights)
    return Related(
        sketched=len(rows),
        mean_correlation=mean,
        independent=min(max(independent_trials(mean, distinct), 1.0), distinct),
        effective_rank=effective_rank_of(correlations),
    )


def pairwise_correlations(rows: FloatArray) -> FloatArray:
    """Return the correlations (k, k) of rows (k, m), each pair over the columns in which neither is NaN.

    Pairs that share fewer than `LEAST_MONTHS`, or of which one does not vary there, have 0.
    """
    here = np.isfinite(rows).astype(np.float64)
    x = np.where(here > 0.0, rows, 0.0)
    n = here @ here.T
    with np.errstate(divide="ignore", invalid="ignore"):
        sums, squares = x @ here.T, (x * x) @ here.T
        covariances = x @ x.T - sums * sums.T / n
        variances = squares - sums**2 / n
        found = covariances / np.sqrt(variances * variances.T)
    usable = (n >= LEAST_MONTHS) & (variances > ROUNDING * squares) & (variances.T > ROUNDING * squares.T)
    found = np.where(usable, np.clip(found, -1.0, 1.0), 0.0)
    np.fill_diagonal(found, 1.0)
    return found


def _varying(rows: FloatArray) -> NDArray[np.bool_]:
    """Return which rows have enough months and vary in them."""
    here = np.isfinite(rows)
    n = here.sum(axis=1)
    x = np.where(here, rows, 0.0)
    squares = (x * x).sum(axis=1)
    found: NDArray[np.bool_] = (n >= LEAST_MONTHS) & (
        squares - x.sum(axis=1) ** 2 / np.maximum(n, 1) > ROUNDING * squares
    )
    return found


def _mean_between(correlations: FloatArray, weights: FloatArray) -> float:
    """Return the mean correlation of two different trials; a row stands for `weights` of them."""
    own = float((weights**2).sum())
    pairs = float(weights.sum()) ** 2 - own
    return float(np.clip((weights @ correlations @ weights - own) / pairs, -1.0, 1.0)) if pairs > 0.0 else 1.0
