"""Scores made fit for a Gaussian process.

Backtest scores have heavy bad tails, and trials that failed have no score at all. How bad a bad point is does not
matter to the search: only that it is bad. So the worse half is replaced by the Gaussian quantiles of its ranks,
with the spread of the better half, and failures rank below everything.

Source: the half-rank warper of Song et al. (2024), The Vizier Gaussian Process Bandit Algorithm, appendix B.
"""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray
from strategy_optimizer.scipy_parts import special


def half_rank(scores: FloatArray, middle: float | None = None) -> FloatArray:
    """Return scores (n,), NaN for failures, standardised and with their worse half spread as Gaussian quantiles.

    The order is kept; equal scores stay equal. The worse half is what lies below the median, or below `middle` if
    that is lower.
    """
    ndtri = special().ndtri  # loaded with the first model
    n = len(scores)
    failed = np.isnan(scores)
    if failed.all():
        return np.zeros(n)
    filled = np.where(failed, -np.inf, scores)
    levels, level, counts = np.unique(filled, return_inverse=True, return_counts=True)
    # Of equal scores each has the middle of their ranks.
    quantiles = ((np.cumsum(counts) - 0.5 * counts) / n)[level]
    median = np.median(filled)
    if not np.isfinite(median):  # more than half failed: all successes are the better half
        median = levels[np.isfinite(levels)][0]
    if middle is not None:
        median = min(median, middle)
    better = filled >= median
    above = np.where(better, filled - median, 0.0)
    spread = _root_mean_square(above[better]) or 1.0
    anchor = float(quantiles[better].min()) if better.any() else 0.5
    fall = ndtri(quantiles) - ndtri(min(max(anchor, 0.5 / n), 1.0 - 0.5 / n))
    warped = np.where(better, above / spread, np.minimum(fall, 0.0))
    deviation = float(warped.std())
    return np.asarray((warped - warped.mean()) / (deviation or 1.0))


def _root_mean_square(values: FloatArray) -> float:
    """Return the root of the mean square, also where the squares are too large or too small for a float."""
    scale = 2.0 ** np.frexp(values.max(initial=0.0))[1]  # a power of two changes no digit
    return float(scale * np.sqrt(np.mean((values / scale) ** 2)))


def standardised(values: FloatArray) -> tuple[FloatArray, float]:
    """Return values (n,) with mean 0 and deviation 1, far ones drawn in, and where 0 comes to lie.

    Only the sign of an outcome constraint matters, so its tails, infinities too, are cut at three deviations around
    the middle.
    """
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    middle = float(np.median(finite))
    spread = float(np.quantile(np.abs(finite - middle), 0.75)) or float(finite.std()) or 1.0
    scaled = np.clip((values - middle) / spread, -3.0, 3.0)
    mean, deviation = float(scaled.mean()), float(scaled.std()) or 1.0
    return (scaled - mean) / deviation, (np.clip(-middle / spread, -3.0, 3.0) - mean) / deviation
