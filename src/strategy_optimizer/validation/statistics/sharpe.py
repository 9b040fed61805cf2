"""The Sharpe ratio of a track record, how sure it is, and how long the record has to be.

Notation: SR is the Sharpe ratio per observation, never annualised, T the number of observations, g3 the skewness,
g4 the kurtosis (normal = 3), rho the first autocorrelation, SR* the benchmark. Two conventions are in use; they give
different numbers on the same data and are never mixed here:

* `2012` [1]_: the variance at the observed SR, over T - 1, observations independent;
* `h0` [2]_: the variance at the benchmark, over T, autocorrelation of first order, and times the variance of the
  maximum of K normals when SR was selected from K trials.

References
----------
.. [1] Bailey and López de Prado (2012). The Sharpe ratio efficient frontier. Journal of Risk 15(2).
.. [2] López de Prado, Lipton and Zoonekynd (2025). Sharpe ratio inference: a new standard for reporting and
   decision-making. SSRN 5520741.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt

from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.normal import normal_cdf, normal_quantile
from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    NotEnough,
    as_array,
    lacking_returns,
    require,
    where_known,
)

LEAST_OBSERVATIONS = 4  # below which a kurtosis says nothing


@dataclass(frozen=True)
class SharpeMoments:
    """What the distribution of an estimated Sharpe ratio depends on.

    Attributes
    ----------
    sharpe : float
        Per observation, not annualised.
    n_obs : int
        Observations.
    skew, kurtosis : float
        Of the returns; kurtosis is non-excess (normal = 3).
    autocorrelation : float
        Of first order, between -1 and 1; only the `h0` convention uses it.
    """

    sharpe: float
    n_obs: int
    skew: float = 0.0
    kurtosis: float = 3.0
    autocorrelation: float = 0.0

    @property
    def lacking(self) -> NotEnough | None:
        """What no statistic can do without: two observations, finite moments."""
        values = (self.sharpe, self.skew, self.kurtosis, self.autocorrelation)
        if self.n_obs < 2:
            return NotEnough("returns", self.n_obs, 2)
        finite = sum(map(isfinite, values))
        return None if finite == len(values) else NotEnough("finite moments", finite, len(values))


def sharpe_moments(returns: ArrayLike) -> SharpeMoments | NotEnough:
    """Return the moments of a series of returns.

    Parameters
    ----------
    returns : array-like, shape (T,)
        Per observation.

    Returns
    -------
    SharpeMoments or NotEnough
        Fewer than 4 returns, constant ones and any NaN are not enough.

    Notes
    -----
    The Sharpe ratio has ddof 1 and no risk-free rate; skewness and kurtosis are those of the population, as in
    the metrics of a backtest.

    Examples
    --------
    >>> found = sharpe_moments([0.01, -0.01, 0.02, 0.0])
    >>> round(found.sharpe, 6), found.n_obs
    (0.387298, 4)
    >>> print(sharpe_moments([0.01] * 10))
    not enough distinct returns: found 1, needed 2
    """
    r = as_array("returns", returns, 1)
    lacking = lacking_returns(r, LEAST_OBSERVATIONS)
    if lacking:
        return lacking
    deviations = r - r.mean()
    m2 = float((deviations**2).mean())
    return SharpeMoments(
        sharpe=float(r.mean() / r.std(ddof=1)),
        n_obs=len(r),
        skew=float((deviations**3).mean() / m2**1.5),
        kurtosis=float((deviations**4).mean() / m2**2),
        autocorrelation=float(autocorrelations(r, 1)[0]),
    )


def autocorrelations(returns: FloatArray, lags: int) -> FloatArray:
    """Return the autocorrelations of order 1 to `lags` of a series (T,), each over the whole variance."""
    deviations = returns - returns.mean()
    n = len(returns)
    covariances = [deviations[k:] @ deviations[: n - k] for k in range(1, lags + 1)]
    found: FloatArray = as_array("autocorrelations", covariances, 1) / (deviations @ deviations)
    return found


def sharpe_standard_error_2012(moments: SharpeMoments) -> float | NotEnough:
    """Return the standard error of the observed Sharpe ratio; [1]_ equation 4.

    Examples
    --------
    >>> round(sharpe_standard_error_2012(SharpeMoments(0.7079, 134, -0.2250, 2.9570)), 4)
    0.1028
    """
    m = moments
    if m.lacking:
        return m.lacking
    variance = (1.0 - m.skew * m.sharpe + (m.kurtosis - 1.0) / 4.0 * m.sharpe**2) / (m.n_obs - 1)
    return _root(variance)


def sharpe_standard_error_h0(
    moments: SharpeMoments, at: float = 0.0, *, maximum_variance: float = 1.0
) -> float | NotEnough:
    """Return the standard error that an estimated Sharpe ratio has where the true one is `at`.

    Parameters
    ----------
    moments : SharpeMoments
        Its Sharpe ratio is not used.
    at : float
        Per observation.
    maximum_variance : float
        Variance of the maximum of K standard normals where the record was selected from K trials; see
        `expected_maximum`.

    Notes
    -----
    For independent normal returns this is Lo (2002), equation 9: ``sqrt((1 + SR^2 / 2) / T)``.

    Examples
    --------
    >>> round(sharpe_standard_error_h0(SharpeMoments(0.5, 12), at=0.5), 4)
    0.3062
    """
    if moments.lacking:
        return moments.lacking
    return _root(_unit_variance(moments, at) / moments.n_obs * maximum_variance)


def _unit_variance(m: SharpeMoments, at: float) -> float:
    """Return the variance of one observation of a Sharpe ratio that is `at`; [2]_."""
    rho = m.autocorrelation
    require(abs(rho) < 1.0, "autocorrelation", rho, "more than -1 and less than 1")
    a = (1.0 + rho) / (1.0 - rho)
    b = 1.0 + rho / (1.0 - rho) + rho**2 / (1.0 - rho**2)
    c = (1.0 + rho**2) / (1.0 - rho**2)
    return a - b * m.skew * at + c * (m.kurtosis - 1.0) / 4.0 * at**2


def _root(variance: float) -> float | NotEnough:
    """Return the standard error; moments that belong to no distribution, or to one of two values, have none."""
    return sqrt(variance) if variance > 0.0 else NotEnough("variances above zero", 0, 1)


def psr_2012(moments: SharpeMoments, benchmark: float = 0.0) -> float | NotEnough:
    """Return the probability that the true Sharpe ratio exceeds a benchmark; [1]_ equation 9.

    Parameters
    ----------
    moments : SharpeMoments
    benchmark : float
        Sharpe ratio per observation.

    Examples
    --------
    >>> round(psr_2012(SharpeMoments(0.458, 24, -2.448, 10.164)), 3)
    0.913
    """
    error = sharpe_standard_error_2012(moments)
    return where_known(lambda error: normal_cdf((moments.sharpe - benchmark) / error), error)


def psr_h0(
    moments: SharpeMoments, benchmark: float = 0.0, *, maximum_variance: float = 1.0
) -> float | NotEnough:
    """Return one minus the p-value of the observed Sharpe ratio where the true one is the benchmark; [2]_.

    The parameters are those of `psr_2012` and `sharpe_standard_error_h0`.

    Examples
    --------
    >>> round(psr_h0(SharpeMoments(0.036 / 0.079, 24, -2.448, 10.164)), 3)
    0.987
    """
    error = sharpe_standard_error_h0(moments, benchmark, maximum_variance=maximum_variance)
    return where_known(lambda error: normal_cdf((moments.sharpe - benchmark) / error), error)


def minimum_track_record_2012(
    moments: SharpeMoments, benchmark: float = 0.0, *, confidence: float = 0.95
) -> float | NotEnough:
    """Return how many observations the Sharpe ratio needs for a `psr_2012` of `confidence`; [1]_ equation 11.

    Returns
    -------
    float or NotEnough
        Observations, with a fraction; infinite where the Sharpe ratio does not exceed the benchmark.

    Examples
    --------
    >>> days = minimum_track_record_2012(SharpeMoments(2 / 250**0.5, 250), 1 / 250**0.5)
    >>> round(days / 250, 3)  # years
    2.731
    """
    error = sharpe_standard_error_2012(moments)
    if isinstance(error, NotEnough):
        return error
    return 1.0 + error**2 * (moments.n_obs - 1) * _squared_effect(moments, benchmark, confidence)


def minimum_track_record_h0(
    moments: SharpeMoments, benchmark: float = 0.0, *, confidence: float = 0.95
) -> float | NotEnough:
    """Return how many observations the Sharpe ratio needs for a `psr_h0` of `confidence`; [2]_.

    Returns
    -------
    float or NotEnough
        Observations, with a fraction; infinite where the Sharpe ratio does not exceed the benchmark.

    Examples
    --------
    >>> round(minimum_track_record_h0(SharpeMoments(0.036 / 0.079, 24, -2.448, 10.164)), 3)
    13.029
    """
    error = sharpe_standard_error_h0(moments, benchmark)
    if isinstance(error, NotEnough):
        return error
    return error**2 * moments.n_obs * _squared_effect(moments, benchmark, confidence)


def _squared_effect(moments: SharpeMoments, benchmark: float, confidence: float) -> float:
    require(0.5 < confidence < 1.0, "confidence", confidence, "more than 0.5 and less than 1")
    if moments.sharpe <= benchmark:
        return inf
    return (normal_quantile(confidence) / (moments.sharpe - benchmark)) ** 2
