"""What the block sums of an engine's trials say: which trials can be compared, and their Sharpe ratios.

An engine gives returns without timestamps, so nothing of it is annualised: Sharpe ratios are per observation. Only the
steadiness of trials, which ranks them, has a term of a fixed annual size; for it the returns are taken as daily ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.tasks import EngineSearch, TrialHistory
from strategy_optimizer.tasks.history import PRUNED
from strategy_optimizer.validation.statistics.not_enough import ROUNDING

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

BARS_A_YEAR = 252.0
"""For `steadiness` alone."""


def n_returns(history: TrialHistory) -> int:
    """Return how many returns each trial has; 0 where the engine gives none."""
    return int(history.block_counts.sum())


def gave_metrics(history: TrialHistory) -> BoolArray:
    """Return which trials the engine ran to their end, (n,), whether or not their score could be used."""
    return np.asarray(~np.isnan(history.metrics).all(axis=1) & (history.states != PRUNED))


def gave_returns(history: TrialHistory) -> BoolArray:
    """Return which trials, (n,), have returns that can be compared with those of the others."""
    if not n_returns(history):
        return np.zeros(len(history), np.bool_)
    known = np.isfinite(history.column("sums")).all(axis=(1, 2))
    return np.asarray(known & gave_metrics(history))


def bar_sharpes(blocks: FloatArray) -> FloatArray:
    """Return Sharpe ratios per observation (n,) from block sums (n, B, 3); NaN where the returns never vary.

    >>> returns = np.array([0.01, -0.02, 0.03, 0.01])
    >>> halves = [[2, part.sum(), (part**2).sum()] for part in (returns[:2], returns[2:])]
    >>> bool(np.isclose(bar_sharpes(np.array([halves]))[0], returns.mean() / returns.std(ddof=1)))
    True
    """
    n, total, squares = np.moveaxis(blocks.sum(axis=1), 1, 0)
    n = np.maximum(n, 2.0)
    mean = total / n
    variance = (squares - n * mean**2) / (n - 1.0)
    varies = variance > ROUNDING * mean**2
    return np.asarray(np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), np.nan))


def engine_sharpes(search: EngineSearch) -> FloatArray:
    """Return the Sharpe ratio per observation of each trial, (n,); NaN where there is none."""
    history = search.history
    return np.where(gave_returns(history), bar_sharpes(history.blocks), np.nan)
