"""How long the blocks of a bootstrap have to be for the dependence of a series.

References
----------
.. [1] Politis and White (2004). Automatic block-length selection for the dependent bootstrap. Econometric Reviews
   23(1).
.. [2] Patton, Politis and White (2009). Correction to "Automatic block-length selection for the dependent bootstrap".
   Econometric Reviews 28(4).
"""

from __future__ import annotations

from math import ceil, log10, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    NotEnough,
    as_array,
    lacking_returns,
)

LEAST_OBSERVATIONS = 20


class BlockLengths(NamedTuple):
    """Optimal mean length for the stationary, and length for the circular bootstrap, in observations."""

    stationary: float
    circular: float


def optimal_block_length(series: ArrayLike) -> BlockLengths | NotEnough:
    """Return the block lengths that make the error of a bootstrapped mean's variance smallest.

    Parameters
    ----------
    series : array-like, shape (T,)
        At least 20 observations; constant ones and any NaN are not enough.

    Returns
    -------
    BlockLengths or NotEnough
        From 1 to ``min(3 sqrt(T), T / 3)``.

    Notes
    -----
    ``(2 G^2 / D)^(1/3) T^(1/3)`` with D corrected by [2]_. The bandwidth is twice the first lag from which
    max(5, log10 T) autocorrelations in a row are within ``2 sqrt(log10(T) / T)``.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(2000)
    >>> walk = np.convolve(noise, 0.9 ** np.arange(100), mode="valid")
    >>> optimal_block_length(noise).stationary < 10 < optimal_block_length(walk).stationary
    True
    """
    x = as_array("series", series, 1)
    lacking = lacking_returns(x, LEAST_OBSERVATIONS)
    if lacking:
        return lacking
    n = len(x)
    run = max(5, int(log10(n)))
    most = ceil(sqrt(n)) + run
    covariances = _autocovariances(x, most)
    bandwidth = _bandwidth(_correlations(x, most), 2.0 * sqrt(log10(n) / n), run)
    lags = np.arange(1, bandwidth + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth))  # a flat top
    tapered = weights * covariances[1 : bandwidth + 1]
    g = 2.0 * float(lags @ tapered)
    long_run_variance = float(covariances[0] + 2.0 * tapered.sum())
    longest = ceil(min(3.0 * sqrt(n), n / 3.0))
    if long_run_variance == 0.0:
        return BlockLengths(float(longest), float(longest))
    stationary, circular = (
        min(max((2.0 * g * g / (c * long_run_variance**2) * n) ** (1.0 / 3.0), 1.0), float(longest))
        for c in (2.0, 4.0 / 3.0)
    )
    return BlockLengths(stationary, circular)


def _autocovariances(x: FloatArray, lags: int) -> FloatArray:
    """Return the autocovariances of order 0 to `lags`, each over all observations."""
    deviations, n = x - x.mean(), len(x)
    return np.array([deviations[k:] @ deviations[: n - k] for k in range(lags + 1)]) / n


def _correlations(x: FloatArray, lags: int) -> FloatArray:
    """Return the absolute correlations of order 1 to `lags`, each over the observations that it compares."""
    deviations, n = x - x.mean(), len(x)
    squares = np.concatenate([[0.0], np.cumsum(deviations**2)])
    found = np.empty(lags)
    for k in range(1, lags + 1):
        length = sqrt(squares[n - k] * (squares[n] - squares[k]))
        found[k - 1] = abs(deviations[k:] @ deviations[: n - k]) / length if length > 0.0 else 0.0
    return found


def _bandwidth(correlations: FloatArray, bound: float, run: int) -> int:
    """Return twice the first lag from which `run` correlations, of order 1 on, are within the bound."""
    small = correlations < bound
    for lag in range(1, len(small) - run + 1):
        if small[lag - 1 : lag - 1 + run].all():
            return min(2 * lag, len(small))
    return len(small)
