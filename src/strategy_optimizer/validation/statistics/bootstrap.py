"""The stationary bootstrap: confidence bands of any statistic, and the best of trials without skill.

References
----------
.. [1] Politis and Romano (1994). The stationary bootstrap. Journal of the American Statistical Association 89(428).
.. [2] White (2000). A reality check for data snooping. Econometrica 68(5). (the null of the maximum)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.block_length import optimal_block_length
from strategy_optimizer.validation.statistics.not_enough import (
    ROUNDING,
    FloatArray,
    IntArray,
    NotEnough,
    as_array,
    lacking_returns,
    require,
    varies,
)
from strategy_optimizer.validation.statistics.resampling import index_chunks, weight_chunks

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
RowStatistics: TypeAlias = Callable[[IntArray], Mapping[str, FloatArray]]

LEAST_OBSERVATIONS = 20
_COLUMNS = 512  # trials that are worked on at once


@dataclass(frozen=True)
class ConfidenceBand:
    """A statistic and the percentiles between which resampled ones lie.

    Attributes
    ----------
    estimate : float
        On the returns as they are.
    lower, upper : float
        Observed values of the resampled statistic, without interpolation.
    level : float
        Share of the resampled statistics between them.
    block_length : float
        Mean length of the blocks, in observations.
    """

    estimate: float
    lower: float
    upper: float
    level: float
    block_length: float


def confidence_bands(
    returns: ArrayLike,
    statistics: Mapping[str, Statistic],
    *,
    level: float = 0.9,
    replications: int = 1000,
    block_length: float | None = None,
    seed: int = 0,
) -> dict[str, ConfidenceBand | NotEnough]:
    """Return confidence bands of several statistics from the same resampled returns.

    Parameters
    ----------
    returns : array-like, shape (T,)
        Per observation; at least 20. Constant ones and any NaN are not enough.
    statistics : mapping
        Functions of returns (B, T) that give B values, one a row.
    level : float
        Share of the resampled values inside the band.
    replications : int
    block_length : float, optional
        Mean length of the blocks; by default the optimal one of the returns.
    seed : int

    Returns
    -------
    dict
        A statistic that is NaN on the returns or on any resampled ones is not enough; infinite values count.

    Examples
    --------
    >>> returns = np.random.default_rng(0).normal(0.001, 0.01, 500)
    >>> band = confidence_bands(returns, {"mean": lambda r: r.mean(axis=1)})["mean"]
    >>> band.lower < 0.001 < band.upper
    True
    """
    require(0.0 < level < 1.0, "level", level, "more than 0 and less than 1")
    r = as_array("returns", returns, 1)
    lacking = lacking_returns(r, LEAST_OBSERVATIONS)
    if lacking:
        return dict.fromkeys(statistics, lacking)
    length = block_length if block_length is not None else mean_block_length(r)

    def measure(indices: IntArray) -> dict[str, FloatArray]:
        rows = r[indices]
        return {name: _values(name, statistic, rows) for name, statistic in statistics.items()}

    return bands_of_rows(
        measure, len(r), block_length=length, level=level, replications=replications, seed=seed
    )


def bands_of_rows(
    measure: RowStatistics,
    n: int,
    *,
    block_length: float,
    level: float = 0.9,
    replications: int = 1000,
    seed: int = 0,
) -> dict[str, ConfidenceBand | NotEnough]:
    """Return confidence bands of statistics that share their work, from resampled rows 0 to n - 1.

    Parameters
    ----------
    measure : callable
        Of indices (B, n); returns B values of each statistic by name.
    n : int
        Rows, in their order in time.
    block_length : float
        Mean length of the blocks; 1 for rows that do not depend on each other.
    level, replications, seed
        As for `confidence_bands`, whose rule for NaN holds too.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(0.001, 0.01, 500)
    >>> bands_of_rows(lambda rows: {"mean": values[rows].mean(axis=1)}, 500, block_length=1.0)["mean"].lower < 0.001
    True
    """
    require(0.0 < level < 1.0, "level", level, "more than 0 and less than 1")
    estimates = measure(np.arange(n)[None, :])
    resampled: dict[str, list[FloatArray]] = {name: [] for name in estimates}
    for indices in index_chunks(n, block_length, replications, np.random.default_rng(seed)):
        for name, values in measure(indices).items():
            resampled[name].append(values)
    return {
        name: _band(float(estimates[name][0]), np.concatenate(values), level, block_length)
        for name, values in resampled.items()
    }


def mean_block_length(series: FloatArray) -> float:
    """Return the optimal mean block length of the stationary bootstrap; 1 where it cannot be told."""
    found = optimal_block_length(series)
    return 1.0 if isinstance(found, NotEnough) else found.stationary


def _values(name: str, statistic: Statistic, rows: FloatArray) -> FloatArray:
    values = as_array(name, statistic(rows), 1)
    require(
        len(values) == len(rows), f"the number of values of {name}", len(values), f"{len(rows)}, one a row"
    )
    return values


def _band(estimate: float, resampled: FloatArray, level: float, length: float) -> ConfidenceBand | NotEnough:
    usable = int((~np.isnan(resampled)).sum()) * (not np.isnan(estimate))
    if usable < len(resampled):
        return NotEnough("resampled values", usable, len(resampled))
    tail = (1.0 - level) / 2.0
    # Without interpolation, because infinite values have nothing between them.
    lower, upper = np.quantile(resampled, [tail, 1.0 - tail], method="inverted_cdf")
    return ConfidenceBand(estimate, float(lower), float(upper), level, length)


@dataclass(frozen=True, eq=False)
class MaximumDistribution:
    """What the best Sharpe ratio of the trials would be if none had skill.

    Attributes
    ----------
    observed : float
        The best Sharpe ratio, per observation.
    best : int
        Its column.
    maxima : array, shape (replications,)
        Best Sharpe ratios of resampled trials without skill, ascending.
    n_trials, left_out : int
        Trials that were resampled, and those that never vary or have a value that is not finite.
    """

    observed: float
    best: int
    maxima: FloatArray
    n_trials: int
    left_out: int

    @property
    def p_value(self) -> float:
        """Share of the maxima above the observed one; 0 means less than one in `replications`."""
        return float((self.maxima > self.observed).mean())


def maximum_distribution(
    trials: ArrayLike, *, block_length: float | None = None, replications: int = 1000, seed: int = 0
) -> MaximumDistribution | NotEnough:
    """Return the distribution of the maximum Sharpe ratio over trials that have their mean taken away; [2]_.

    Parameters
    ----------
    trials : array-like, shape (T, k)
        Returns of k trials, at least 20 periods. The trials are resampled together, so that their dependence
        stays: no number of independent trials is needed.
    block_length : float, optional
        Mean length of the blocks; by default the optimal one of the best trial's returns.
    replications, seed : int

    Notes
    -----
    The resampled sums are ``weights @ returns`` and ``weights @ returns^2``, in float64 and in pieces of 512 trials.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((250, 20))
    >>> found = maximum_distribution(noise, replications=200)
    >>> 0.05 < found.p_value < 1.0
    True
    """
    matrix = as_array("trials", trials, 2)
    n = len(matrix)
    if n < LEAST_OBSERVATIONS:
        return NotEnough("returns", n, LEAST_OBSERVATIONS)
    finite = np.isfinite(matrix).all(axis=0)
    used = np.flatnonzero(finite)[varies(matrix[:, finite])]
    if not len(used):
        return NotEnough("trials that vary", 0, 1)
    sharpes = matrix[:, used].mean(axis=0) / matrix[:, used].std(axis=0, ddof=1)
    best = int(used[sharpes.argmax()])
    length = block_length if block_length is not None else mean_block_length(matrix[:, best])
    maxima = [
        _maxima(matrix, used, weights)
        for weights in weight_chunks(n, length, replications, np.random.default_rng(seed))
    ]
    return MaximumDistribution(
        observed=float(sharpes.max()),
        best=best,
        maxima=np.sort(np.concatenate(maxima)),
        n_trials=len(used),
        left_out=matrix.shape[1] - len(used),
    )


def _maxima(matrix: FloatArray, used: IntArray, weights: FloatArray) -> FloatArray:
    """Return the best Sharpe ratio of the centred trials for each row of weights (B, T)."""
    n = len(matrix)
    best = np.full(len(weights), -np.inf)
    for start in range(0, len(used), _COLUMNS):
        returns = matrix[:, used[start : start + _COLUMNS]]
        returns = returns - returns.mean(axis=0)
        mean = weights @ returns
        variance = (weights @ returns**2 - mean**2) * (n / (n - 1.0))
        # Resampled to one value alone: no risk was drawn, so nothing is said.
        sharpe = np.where(variance > ROUNDING * mean**2, mean / np.sqrt(np.maximum(variance, 1e-300)), 0.0)
        best = np.maximum(best, sharpe.max(axis=1))
    return best
