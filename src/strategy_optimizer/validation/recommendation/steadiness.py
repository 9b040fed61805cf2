"""How evenly a trial earned over the searched bars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

EVEN = 0.3  # added to the deviation, an annual Sharpe ratio: no trial is steady because it hardly traded


def steadiness(blocks: FloatArray, periods_per_year: float) -> FloatArray:
    """Return the mean of the annual Sharpe ratios of a trial's blocks over their deviation + 0.3, (n,).

    Parameters
    ----------
    blocks : array, shape (n, B, 3)
        Count, sum and sum of squares of the returns of n trials in B blocks. A block without a trade has a Sharpe
        ratio of 0.
    periods_per_year : float

    Returns
    -------
    array, shape (n,)
        NaN where a block has no finite sums.

    Notes
    -----
    A trial that owes its score to one lucky block has a high mean and a high deviation. Without the 0.3 the root of B
    times this is the t-statistic of the block Sharpe ratios.

    Examples
    --------
    >>> lucky, steady = [[100, 0.0, 0.01]] * 3 + [[100, 0.4, 0.01]], [[100, 0.1, 0.01]] * 4
    >>> steadiness(np.array([lucky, steady]), 252.0).round(2).tolist()
    [0.52, 5.29]
    """
    sharpes = block_sharpes(blocks, periods_per_year)
    return np.asarray(sharpes.mean(axis=1) / (sharpes.std(axis=1) + EVEN))


def block_sharpes(blocks: FloatArray, periods_per_year: float) -> FloatArray:
    """Return the annual Sharpe ratio of n trials in B blocks, (n, B); 0 where the returns never vary."""
    counts, sums, squares = np.moveaxis(blocks, 2, 0)
    n = np.maximum(counts, 2.0)
    mean = sums / n
    variance = (squares - n * mean**2) / (n - 1.0)
    varies = variance > 1e-14 * mean**2
    sharpes = np.where(varies, mean / np.sqrt(np.where(varies, variance, 1.0)), 0.0)
    return np.asarray(np.where(np.isfinite(sums), sharpes * np.sqrt(periods_per_year), np.nan))
