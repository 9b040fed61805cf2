"""The maximum of N normals: how well the best of N trials without skill looks, and what is left of the winner.

References
----------
.. [1] Bailey and López de Prado (2014). The deflated Sharpe ratio. Journal of Portfolio Management 40(5).
.. [2] López de Prado, Lipton and Zoonekynd (2025). Sharpe ratio inference: a new standard for reporting and
   decision-making. SSRN 5520741.
.. [3] Bailey, Borwein, López de Prado and Zhu (2014). Pseudo-mathematics and financial charlatanism. Notices of
   the AMS 61(5). (minimum backtest length)
.. [4] Owen and Steck (1962). Moments of order statistics from the equicorrelated multivariate normal distribution.
   Annals of Mathematical Statistics 33(4). (the mean of the maximum shrinks by the root of one minus the correlation)
"""

from __future__ import annotations

from functools import lru_cache
from math import e, inf, sqrt
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.scipy_parts import special
from strategy_optimizer.validation.statistics.normal import normal_quantile
from strategy_optimizer.validation.statistics.not_enough import NotEnough, as_array, require, varies
from strategy_optimizer.validation.statistics.sharpe import SharpeMoments, psr_2012, psr_h0

Method: TypeAlias = Literal["exact", "approximate"]

EULER_MASCHERONI = 0.5772156649015329
LEAST_EVEN = 10  # trials: of fewer the mean correlation is a guess
ADAPTIVE_WORTH = 100.0
"""Evenly spread trials that one of an adaptive search is worth: it goes where it was good by luck before.

Chosen so that on markets without an edge the winner of a search beats the best trial to expect, with 95 %, in at most 5
of 100 cases; see docs/decisions/005-the-verdict.md."""


class Maximum(NamedTuple):
    """Mean and standard deviation of the maximum of N standard normals."""

    mean: float
    deviation: float


@lru_cache(maxsize=4096)
def expected_maximum(n_trials: float) -> Maximum:
    """Return mean and standard deviation of the maximum of `n_trials` independent standard normals, exactly.

    Parameters
    ----------
    n_trials : float
        At least 1; numbers of effective trials need not be whole.

    Notes
    -----
    The density is ``N phi(x) Phi(x)^(N-1)``. It is smooth and vanishes at both ends, so the trapezoidal rule
    converges faster than any power of its step: the error is below 1e-12 up to 1e7 trials and beyond.

    Examples
    --------
    >>> expected_maximum(1)
    Maximum(mean=0.0, deviation=1.0)
    >>> round(expected_maximum(2).mean, 6), round(expected_maximum(100).mean, 6)
    (0.56419, 2.507594)
    """
    require(1.0 <= n_trials < inf, "n_trials", n_trials, "a number of at least 1")
    if n_trials == 1:
        return Maximum(0.0, 1.0)
    x = np.linspace(-9.0, 15.0, 3073)  # a step of 1/128
    density = np.exp((n_trials - 1.0) * special().log_ndtr(x) - x * x / 2.0)
    density /= density.sum()  # the constant, N / sqrt(2 pi) and the step cancel
    mean = float(density @ x)
    return Maximum(mean, sqrt(float(density @ (x - mean) ** 2)))


def approximate_expected_maximum(n_trials: float) -> float:
    """Return the usual approximation of `expected_maximum`, 7.9 % too low for two trials; [1]_ equation 1.

    Examples
    --------
    >>> round(approximate_expected_maximum(100), 6), approximate_expected_maximum(1)
    (2.530603, 0.0)
    """
    require(1.0 <= n_trials < inf, "n_trials", n_trials, "a number of at least 1")
    if n_trials == 1:  # where the formula is not defined
        return 0.0
    # The lower tails: 1 - 1/N has lost digits for a large N.
    return -(1.0 - EULER_MASCHERONI) * normal_quantile(1.0 / n_trials) - EULER_MASCHERONI * normal_quantile(
        1.0 / (n_trials * e)
    )


def trials_sharpe_variance(sharpes: ArrayLike) -> float | NotEnough:
    """Return the variance (ddof 1) of the trials' Sharpe ratios (N,), per observation.

    Trials without a Sharpe ratio (NaN) are left out; two different ones are needed.

    Examples
    --------
    >>> round(trials_sharpe_variance([0.1, 0.2, 0.3, np.nan]), 6)
    0.01
    """
    values = as_array("sharpes", sharpes, 1)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return NotEnough("trials with a Sharpe ratio", len(values), 2)
    if (values == values[0]).all():
        return NotEnough("distinct Sharpe ratios", 1, 2)
    return float(values.var(ddof=1))


def null_sharpe_variance(returns: ArrayLike, observations: int) -> float | NotEnough:
    """Return the variance that the Sharpe ratios of trials have when none has skill: (1 - r) / observations.

    The estimates of trials without skill lie around 0 with the variance 1 / observations. What they share, their mean
    correlation r, moves all of them alike, so across the trials the rest is left: the best of N of them is expected
    at ``sqrt((1 - r) / observations)`` times the mean of the maximum of N independent normals; [4]_.

    Unlike `trials_sharpe_variance` it does not grow with an edge, which spreads the trials apart, nor with the path of
    a search, which tries good and bad regions in turn.

    Parameters
    ----------
    returns : array-like, shape (T, N)
        Returns of trials that are spread evenly, of any length of period. Trials that never vary, or with a NaN, are
        left out; `LEAST_EVEN` others are needed.
    observations : int
        Returns that a Sharpe ratio is computed from.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> market, own = rng.standard_normal((500, 1)), rng.standard_normal((500, 50))
    >>> round(null_sharpe_variance(market + own, 500) * 500, 2)  # they correlate by a half
    0.49
    """
    require(observations >= 1, "observations", observations, "a whole number of at least 1")
    values = as_array("returns", returns, 2)
    values = values[:, np.isfinite(values).all(axis=0)]
    if len(values) < 2:
        return NotEnough("returns", len(values), 2)
    values = values[:, varies(values)]
    if values.shape[1] < LEAST_EVEN:
        return NotEnough("trials whose returns vary", values.shape[1], LEAST_EVEN)
    scores = (values - values.mean(axis=0)) / values.std(axis=0)
    return float(scores.var(axis=1, ddof=1).mean()) / observations  # the mean of 1 - r over all pairs


def even_trials(n_trials: float) -> float:
    """Return how many evenly spread trials so many of a search are worth, at least one."""
    return max(1.0, ADAPTIVE_WORTH * n_trials)


def best_sharpe_without_skill(trials_variance: float, n_trials: float, *, method: Method = "exact") -> float:
    """Return the expected Sharpe ratio, per observation, of the best of `n_trials` trials that have none.

    Parameters
    ----------
    trials_variance : float
        Variance of the Sharpe ratios across the trials, per observation.
    n_trials : float
        Independent trials selected from.
    method : {"exact", "approximate"}
        "approximate" is the formula of [1]_.

    Examples
    --------
    >>> round(best_sharpe_without_skill(0.5 / 250, 100, method="approximate"), 6)
    0.113172
    """
    require(0.0 <= trials_variance < inf, "trials_variance", trials_variance, "a number of at least 0")
    return sqrt(trials_variance) * _mean_maximum(n_trials, method)


def _mean_maximum(n_trials: float, method: Method) -> float:
    require(method in ("exact", "approximate"), "method", method, "'exact' or 'approximate'")
    return expected_maximum(n_trials).mean if method == "exact" else approximate_expected_maximum(n_trials)


def deflated_sharpe_2012(
    moments: SharpeMoments, *, n_trials: float, trials_variance: float, method: Method = "exact"
) -> float | NotEnough:
    """Return the probability that a Sharpe ratio beats the best of `n_trials` without skill; [1]_.

    Parameters
    ----------
    moments : SharpeMoments
        Of the selected trial.
    n_trials : float
        Independent trials selected from. Count every trial, also those that failed or were pruned.
    trials_variance : float
        Variance of the Sharpe ratios across the trials, per observation; see `trials_sharpe_variance`.
    method : {"exact", "approximate"}
        Of the expected maximum.

    Notes
    -----
    `psr_2012` against `best_sharpe_without_skill`; with one trial against 0. Look-ahead: uses the whole sample,
    so it belongs after a search, not into it.

    Examples
    --------
    >>> best = SharpeMoments(2.5 / 250**0.5, 1250, skew=-3.0, kurtosis=10.0)
    >>> for method in ("approximate", "exact"):
    ...     found = deflated_sharpe_2012(best, n_trials=100, trials_variance=0.5 / 250, method=method)
    ...     print(method, round(found, 4))
    approximate 0.9004
    exact 0.9054
    """
    return psr_2012(moments, best_sharpe_without_skill(trials_variance, n_trials, method=method))


def deflated_sharpe_h0(
    moments: SharpeMoments, *, n_trials: float, trials_variance: float, method: Method = "exact"
) -> float | NotEnough:
    """Return one minus the p-value of a Sharpe ratio as the best of `n_trials` without skill; [2]_.

    The parameters are those of `deflated_sharpe_2012`. The variance is that of the maximum of `n_trials` normals,
    which is exact with both methods.

    Examples
    --------
    >>> best = SharpeMoments(0.036 / 0.079, 24, -2.448, 10.164)
    >>> round(deflated_sharpe_h0(best, n_trials=10, trials_variance=0.1, method="approximate"), 3)
    0.416
    """
    benchmark = best_sharpe_without_skill(trials_variance, n_trials, method=method)
    return psr_h0(moments, benchmark, maximum_variance=expected_maximum(n_trials).deviation ** 2)


def minimum_backtest_length(n_trials: float, sharpe: float, *, method: Method = "exact") -> float:
    """Return how long a backtest has to be for `n_trials` without skill not to be expected to reach `sharpe`.

    Parameters
    ----------
    n_trials : float
        Independent trials.
    sharpe : float
        Above 0.
    method : {"exact", "approximate"}
        Of the expected maximum; [3]_ uses the approximation.

    Returns
    -------
    float
        In years where `sharpe` is annualised, in observations where it is per observation; [3]_ theorem 1.
        Below ``2 ln(n_trials) / sharpe^2``.

    Examples
    --------
    >>> round(minimum_backtest_length(45, 1.0, method="approximate"), 3)
    4.998
    """
    require(0.0 < sharpe < inf, "sharpe", sharpe, "a number above 0")
    return (_mean_maximum(n_trials, method) / sharpe) ** 2
