"""The test of a Sharpe ratio against a benchmark: critical value, power, and how many discoveries are false.

The null is that the true Sharpe ratio is SR0, the alternative that it is SR1, which a share `prior` of all
strategies reaches. Everything is in the `h0` convention of `sharpe`.

References
----------
.. [1] López de Prado, Lipton and Zoonekynd (2025). Sharpe ratio inference: a new standard for reporting and
   decision-making. SSRN 5520741.
"""

from __future__ import annotations

import numpy as np

from strategy_optimizer.validation.statistics.normal import normal_cdf, normal_quantile
from strategy_optimizer.validation.statistics.not_enough import NotEnough, require, where_known
from strategy_optimizer.validation.statistics.sharpe import SharpeMoments, sharpe_standard_error_h0

_CRITICAL = np.linspace(-6.0, 9.0, 1501)  # in standard errors: levels from 1 to 1e-19


def critical_sharpe(
    moments: SharpeMoments, benchmark: float = 0.0, *, level: float = 0.05, maximum_variance: float = 1.0
) -> float | NotEnough:
    """Return the Sharpe ratio above which the benchmark is rejected.

    Parameters
    ----------
    moments : SharpeMoments
        Its Sharpe ratio is not used.
    benchmark : float
        SR0, per observation.
    level : float
        Probability of a false alarm.
    maximum_variance : float
        As in `sharpe_standard_error_h0`.

    Examples
    --------
    >>> round(critical_sharpe(SharpeMoments(0.4557, 24, -2.448, 10.164), level=0.10), 3)
    0.262
    """
    require(0.0 < level < 1.0, "level", level, "more than 0 and less than 1")
    error = sharpe_standard_error_h0(moments, benchmark, maximum_variance=maximum_variance)
    return where_known(lambda error: benchmark - normal_quantile(level) * error, error)


def sharpe_power(
    moments: SharpeMoments,
    alternative: float,
    benchmark: float = 0.0,
    *,
    level: float = 0.05,
    maximum_variance: float = 1.0,
) -> float | NotEnough:
    """Return the probability that a strategy whose true Sharpe ratio is `alternative` passes the test.

    Parameters
    ----------
    alternative : float
        SR1, per observation; the other parameters are those of `critical_sharpe`.

    Examples
    --------
    >>> round(sharpe_power(SharpeMoments(0.4557, 24, -2.448, 10.164), 0.5), 3)
    0.685
    """
    critical = critical_sharpe(moments, benchmark, level=level, maximum_variance=maximum_variance)
    error = sharpe_standard_error_h0(moments, alternative, maximum_variance=maximum_variance)
    return where_known(lambda critical, error: normal_cdf((alternative - critical) / error), critical, error)


def false_discovery_rate(level: float, power: float, prior: float) -> float:
    """Return the share of strategies without an edge among those that pass the test (pFDR).

    Parameters
    ----------
    level, power : float
        Probability to pass without and with an edge.
    prior : float
        Share of the strategies that have one.

    Examples
    --------
    >>> round(false_discovery_rate(0.05, 1 - 0.315, prior=0.05), 3)
    0.581
    """
    require(0.0 < prior < 1.0, "prior", prior, "more than 0 and less than 1")
    false, true = level * (1.0 - prior), power * prior
    require(false > 0.0 and true >= 0.0, "level, power", (level, power), "a level above 0 and a power from 0")
    return false / (false + true)


def observed_false_discovery_rate(
    moments: SharpeMoments,
    alternative: float,
    prior: float,
    benchmark: float = 0.0,
    *,
    maximum_variance: float = 1.0,
) -> float | NotEnough:
    """Return the false discovery rate of a test whose critical value is the observed Sharpe ratio (oFDR).

    Examples
    --------
    >>> observed = SharpeMoments(0.036 / 0.079, 24, -2.448, 10.164)
    >>> round(observed_false_discovery_rate(observed, 0.5, prior=0.05), 3)
    0.306
    """

    def rate(null: float, other: float) -> float:
        p_value = normal_cdf((benchmark - moments.sharpe) / null)
        power = normal_cdf((alternative - moments.sharpe) / other)
        # A p-value that underflows: the discovery is as sure as numbers can say.
        return false_discovery_rate(p_value, power, prior) if p_value else 0.0

    return where_known(rate, *_standard_errors(moments, benchmark, alternative, maximum_variance))


def level_for_false_discovery_rate(
    moments: SharpeMoments,
    alternative: float,
    prior: float,
    rate: float,
    benchmark: float = 0.0,
    *,
    maximum_variance: float = 1.0,
) -> float | NotEnough:
    """Return the highest level at which the false discovery rate is `rate`.

    Parameters
    ----------
    rate : float
        The false discovery rate that is accepted; the other parameters are those of `sharpe_power`.

    Returns
    -------
    float or NotEnough
        1 where even passing everyone meets the rate; not enough where no level does.

    Examples
    --------
    >>> round(level_for_false_discovery_rate(SharpeMoments(0.4557, 24, -2.448, 10.164), 0.5, 0.1, 0.25), 4)
    0.0224
    """
    require(0.0 < rate < 1.0, "rate", rate, "more than 0 and less than 1")
    errors = _standard_errors(moments, benchmark, alternative, maximum_variance)
    return where_known(lambda *known: _level(known, alternative - benchmark, prior, rate), *errors)


def _level(errors: tuple[float, ...], edge: float, prior: float, rate: float) -> float | NotEnough:
    null, other = errors

    def excess(z: float) -> float:
        power = normal_cdf((edge - z * null) / other)
        return false_discovery_rate(normal_cdf(-z), power, prior) - rate

    found = [excess(z) for z in _CRITICAL.tolist()]
    first = next((i for i, value in enumerate(found) if value <= 0.0), None)
    if first is None:
        return NotEnough(
            "true discoveries, in per cent", 100.0 * (1.0 - rate - min(found)), 100.0 * (1.0 - rate)
        )
    if first == 0:
        return 1.0
    from scipy.optimize import brentq

    return normal_cdf(-float(brentq(excess, _CRITICAL[first - 1], _CRITICAL[first], xtol=1e-13)))


def _standard_errors(
    moments: SharpeMoments, benchmark: float, alternative: float, maximum_variance: float
) -> tuple[float | NotEnough, float | NotEnough]:
    """Return those of a Sharpe ratio that is the benchmark, and of one that is the alternative."""
    null = sharpe_standard_error_h0(moments, benchmark, maximum_variance=maximum_variance)
    return null, sharpe_standard_error_h0(moments, alternative, maximum_variance=maximum_variance)
