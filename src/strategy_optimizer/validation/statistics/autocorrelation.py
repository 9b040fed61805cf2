"""Sharpe ratios of longer periods when returns are autocorrelated.

References
----------
.. [1] Lo (2002). The statistics of Sharpe ratios. Financial Analysts Journal 58(4).
.. [2] Newey and West (1994). Automatic lag selection in covariance matrix estimation. Review of Economic Studies
   61(4). (the lag length)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    NotEnough,
    as_array,
    lacking_finite,
    lacking_returns,
    require,
)
from strategy_optimizer.validation.statistics.sharpe import autocorrelations

LEAST_OBSERVATIONS = 20


@dataclass(frozen=True)
class LoSharpe:
    """A Sharpe ratio over q observations, corrected for autocorrelation.

    Attributes
    ----------
    sharpe : float
        eta(q) times the Sharpe ratio of one observation; annualised where q observations are a year.
    standard_error : float
        Of `sharpe`, robust to autocorrelation and unequal variance; the autocorrelations count as known.
    scaling : float
        eta(q); for independent returns sqrt(q).
    lags : int
        Autocorrelations used; those beyond count as zero.
    """

    sharpe: float
    standard_error: float
    scaling: float
    lags: int


def lo_scaling(q: int, autocorrelation: ArrayLike = ()) -> float | NotEnough:
    """Return eta(q), by which a Sharpe ratio per observation becomes one of q observations; [1]_ equation 20.

    Parameters
    ----------
    q : int
        Observations in the longer period.
    autocorrelation : array-like, shape (lags,)
        Of order 1, 2, ...; those of order q and more play no part, and those not given are zero.

    Returns
    -------
    float or NotEnough
        Not enough where the autocorrelations would make the variance of the longer period negative.

    Examples
    --------
    >>> round(lo_scaling(12), 4), round(lo_scaling(12, [0.2**k for k in range(1, 12)]), 4)
    (3.4641, 2.8788)
    """
    require(q >= 1, "q", q, "at least 1")
    rho = as_array("autocorrelation", autocorrelation, 1)[: q - 1]
    lacking = lacking_finite("autocorrelations", rho)
    if lacking:
        return lacking
    variance = q + 2.0 * float((q - np.arange(1, len(rho) + 1)) @ rho)
    return q / sqrt(variance) if variance > 0.0 else NotEnough("variances above zero", 0, 1)


def lo_sharpe(returns: ArrayLike, q: int, *, lags: int | None = None) -> LoSharpe | NotEnough:
    """Return the Sharpe ratio of q observations and its standard error, from returns (T,) per observation.

    Parameters
    ----------
    returns : array-like, shape (T,)
        At least 20; constant ones and any NaN are not enough.
    q : int
        Observations in the longer period, for instance a year's.
    lags : int, optional
        Autocorrelations to estimate; by default ``4 (T / 100)^(2/9)`` [2]_. All q - 1 of them, as in [1]_,
        are mostly noise where q is not small beside T.

    Notes
    -----
    The standard error is [1]_ equation 15: the influence of each observation on the Sharpe ratio, its long-run
    variance with Bartlett weights over the same lags.

    Examples
    --------
    >>> returns = np.random.default_rng(0).normal(0.001, 0.01, 1000)
    >>> found = lo_sharpe(returns, 252, lags=0)
    >>> round(found.scaling, 4), bool(found.standard_error > 0.4)
    (15.8745, True)
    """
    r = as_array("returns", returns, 1)
    lacking = lacking_returns(r, LEAST_OBSERVATIONS)
    if lacking:
        return lacking
    n = len(r)
    if lags is None:
        lags = int(4.0 * (n / 100.0) ** (2.0 / 9.0))
    require(0 <= lags < n, "lags", lags, f"0 to {n - 1}")
    scaling = lo_scaling(q, autocorrelations(r, min(lags, q - 1)))
    if isinstance(scaling, NotEnough):
        return scaling
    sharpe = float(r.mean() / r.std(ddof=1))
    return LoSharpe(scaling * sharpe, scaling * _robust_error(r, lags), scaling, min(lags, q - 1))


def _robust_error(returns: FloatArray, lags: int) -> float:
    """Return the standard error of the Sharpe ratio per observation."""
    z = (returns - returns.mean()) / returns.std()
    influence = z - returns.mean() / returns.std() / 2.0 * (z * z - 1.0)
    n = len(z)
    variance = influence @ influence
    for k in range(1, lags + 1):  # Bartlett weights keep it from becoming negative
        variance += 2.0 * (1.0 - k / (lags + 1.0)) * (influence[k:] @ influence[: n - k])
    return sqrt(max(float(variance), 0.0)) / n
