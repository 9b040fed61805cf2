"""How many independent trials a search made: four answers, because none is right alone.

Each takes a matrix (trials, periods) of returns, or of block means, one row a trial. The raw count is an upper bound
that similar trials inflate; on trials of an adaptive search it is also the only one that keeps the deflated Sharpe
ratio's promise. The average correlation and the effective rank look at linear dependence (the rank is at most
periods - 1, so blocks cap it); the clusters at groups.

Failed trials, with a value that is not finite, are left out of all four; trials whose returns never vary, such as those
that never trade, count as distinct but have no correlation and stay out of the other three.

References
----------
.. [1] Bailey and López de Prado (2014). The deflated Sharpe ratio. Journal of Portfolio Management 40(5). (appendix 3,
   average correlation)
.. [2] Roy and Vetterli (2007). The effective rank. EUSIPCO.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.clusters import count_clusters
from strategy_optimizer.validation.statistics.not_enough import (
    FloatArray,
    NotEnough,
    as_array,
    require,
    varies,
)

LEAST_PERIODS = 3  # two give correlations of 1 and -1 alone
MOST_CLUSTERS = 100  # numbers of clusters that are tried


@dataclass(frozen=True)
class TrialCounts:
    """The number of trials, counted in four ways.

    Attributes
    ----------
    distinct : int
        Trials with different returns.
    average_correlation : float
        Independent trials by their mean correlation.
    effective_rank : float
        By the entropy of the eigenvalues of their correlations.
    clusters : int
        Groups of similar trials.
    """

    distinct: int
    average_correlation: float
    effective_rank: float
    clusters: int


def trial_counts(trials: ArrayLike, *, seed: int = 0, most_rows: int = 1000) -> TrialCounts | NotEnough:
    """Return all four counts of a matrix of trials (N, T); the parameters are those of `cluster_count`.

    Examples
    --------
    >>> four = np.random.default_rng(0).standard_normal((4, 200))
    >>> found = trial_counts(np.repeat(four, 50, axis=0) + np.random.default_rng(1).normal(0, 0.1, (200, 200)))
    >>> found.distinct, found.clusters, 4 < found.effective_rank < 5
    (200, 4, True)
    """
    finite = _finite_rows(trials)
    rows = _standardised(finite)
    if isinstance(rows, NotEnough):
        return rows
    return TrialCounts(
        _distinct_count(finite),
        _average_correlation_count(rows),
        _effective_rank(rows),
        _cluster_count(rows, seed, most_rows),
    )


def distinct_count(trials: ArrayLike) -> int:
    """Return how many trials (N, T) have different returns.

    >>> distinct_count([[0.1, 0.2], [0.1, 0.2], [0.1, 0.3], [np.nan, 0.3]])
    2
    """
    return _distinct_count(_finite_rows(trials))


def _distinct_count(finite: FloatArray) -> int:
    return len({row.tobytes() for row in finite + 0.0})  # -0.0 + 0.0 is 0.0


def average_correlation_count(trials: ArrayLike) -> float | NotEnough:
    """Return ``rho + (1 - rho) N`` for N trials (N, T) whose correlations have the mean rho, from 1 to N; [1]_.

    Examples
    --------
    >>> average_correlation_count([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])
    2.0
    """
    rows = _standardised(_finite_rows(trials))
    return rows if isinstance(rows, NotEnough) else _average_correlation_count(rows)


def _average_correlation_count(rows: FloatArray) -> float:
    n = len(rows)
    if n == 1:
        return 1.0
    total = rows.sum(axis=0)  # the sum of all correlations is the square of the sum
    mean = (float(total @ total) - n) / (n * (n - 1.0))  # of identical trials 1, but for rounding
    return min(max(independent_trials(min(mean, 1.0), n), 1.0), float(n))


def independent_trials(mean_correlation: float, n_trials: float) -> float:
    """Return the number of independent trials by their mean correlation; [1]_.

    >>> independent_trials(0.5, 100)
    50.5
    """
    require(-1.0 <= mean_correlation <= 1.0, "mean_correlation", mean_correlation, "from -1 to 1")
    return mean_correlation + (1.0 - mean_correlation) * n_trials


def effective_rank(trials: ArrayLike) -> float | NotEnough:
    """Return the effective rank of the correlations of trials (N, T), from 1 to min(N, T - 1).

    Examples
    --------
    >>> round(effective_rank([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]]), 12)
    2.0
    """
    rows = _standardised(_finite_rows(trials))
    return rows if isinstance(rows, NotEnough) else _effective_rank(rows)


def _effective_rank(rows: FloatArray) -> float:
    n, periods = rows.shape
    # Both products have the same eigenvalues other than zero.
    return effective_rank_of(rows @ rows.T if n <= periods else rows.T @ rows)


def effective_rank_of(matrix: ArrayLike) -> float:
    """Return the exponential of the entropy of the eigenvalues of a symmetric matrix (n, n); [2]_ definition 1.

    >>> round(effective_rank_of(np.eye(3)), 12)
    3.0
    """
    values = as_array("matrix", matrix, 2)
    require(values.shape[0] == values.shape[1], "the shape of matrix", values.shape, "a square")
    from strategy_optimizer.threads import one_thread

    with one_thread():  # two threads on busy cores take many times as long
        eigenvalues = np.maximum(np.linalg.eigvalsh(values), 0.0)  # negative ones are rounding
    shares = eigenvalues[eigenvalues > 0.0] / eigenvalues.sum()
    return float(np.exp(-(shares @ np.log(shares))))


def cluster_count(
    trials: ArrayLike, *, seed: int = 0, most_rows: int = 1000, most_clusters: int = MOST_CLUSTERS
) -> int | NotEnough:
    """Return the number of clusters of trials (N, T); see `clusters`.

    Parameters
    ----------
    trials : array-like, shape (N, T)
    seed : int
        Of the sample and of the starts of k-means.
    most_rows : int
        Of more trials a random sample of this many is clustered.
    most_clusters : int
        Numbers of clusters that are tried; there are also at most half as many clusters as trials.
    """
    require(most_rows >= 3, "most_rows", most_rows, "at least 3")
    require(most_clusters >= 2, "most_clusters", most_clusters, "at least 2")
    rows = _standardised(_finite_rows(trials))
    return rows if isinstance(rows, NotEnough) else _cluster_count(rows, seed, most_rows, most_clusters)


def _cluster_count(rows: FloatArray, seed: int, most_rows: int, most_clusters: int = MOST_CLUSTERS) -> int:
    rng = np.random.default_rng(seed)
    if len(rows) > most_rows:
        rows = rows[np.sort(rng.choice(len(rows), most_rows, replace=False))]
    from strategy_optimizer.threads import one_thread

    with one_thread():  # many small products, for which threads wait longer than they work
        return count_clusters(rows @ rows.T, rng, most_clusters)


def _finite_rows(trials: ArrayLike) -> FloatArray:
    matrix = as_array("trials", trials, 2)
    finite: FloatArray = matrix[np.isfinite(matrix).all(axis=1)]
    return finite


def _standardised(rows: FloatArray) -> FloatArray | NotEnough:
    """Return the rows that vary with mean 0 and length 1, so that products of rows are correlations."""
    if rows.shape[1] < LEAST_PERIODS:
        return NotEnough("periods", rows.shape[1], LEAST_PERIODS)
    rows = rows[varies(rows, axis=1)]
    if not len(rows):
        return NotEnough("trials that vary", 0, 1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    standardised: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return standardised
