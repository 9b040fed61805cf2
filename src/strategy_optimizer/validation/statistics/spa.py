"""Does any model beat the benchmark? Hansen's SPA test, White's reality check, and which models do (StepM).

Works on returns: larger is better, and d_k = models_k - benchmark. The statistic is the largest mean of d_k, each over
a scale, which keeps a few wild models from hiding the others. Under the null the resampled means are centred in one of
three ways: at the mean of every model (upper, White's least favourable case), at the means of those that are not
hopelessly worse than the benchmark (consistent), or at the positive means alone (lower).

Three scales: "deviation", the standard deviation of d_k; "long_run", the standard error of its mean from the same
blocks, which is Hansen's studentising; "none", White's. The long-run one comes from some sqrt(T) blocks, and its noise
makes the best of many models look better than any resampling: tests at 5 % rejected 9 to 15 % of markets without
skill. With the standard deviation they rejected 5 to 6 % (T = 500 and 1,250), and 7 to 9 % for T = 150, because
blocks of sqrt(T) make resampled means vary too little, by a factor of about 1 - 2 / sqrt(T) in variance. See
benchmarks/results/statistics.md. Of fewer than 100 returns there is no answer.

A p-value is the share of resampled statistics above the observed one; 0 means less than one in `replications`.

References
----------
.. [1] Hansen (2005). A test for superior predictive ability. Journal of Business & Economic Statistics 23(4).
.. [2] White (2000). A reality check for data snooping. Econometrica 68(5).
.. [3] Romano and Wolf (2005). Stepwise multiple testing as formalized data snooping. Econometrica 73(4).
.. [4] Politis and Romano (1994). The stationary bootstrap. Journal of the American Statistical Association 89(428).
   (lemma 1, the variance of a resampled mean)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.validation.statistics.comparison import CENTRINGS, Centring, Scale, compare
from strategy_optimizer.validation.statistics.not_enough import NotEnough, require


@dataclass(frozen=True)
class SuperiorAbility:
    """What the SPA test says.

    Attributes
    ----------
    p_lower, p_consistent, p_upper : float
        Probability of a statistic as large where no model beats the benchmark; `p_consistent` is Hansen's.
    statistic : float
        ``sqrt(T)`` times the largest mean difference over its scale.
    best : int
        Column of the model that reaches it.
    n_models, left_out : int
        Models compared; models that were not, because their difference never varies or is not finite.
    block_length : float
    scale : {"deviation", "long_run", "none"}
    """

    p_lower: float
    p_consistent: float
    p_upper: float
    statistic: float
    best: int
    n_models: int
    left_out: int
    block_length: float
    scale: Scale


@dataclass(frozen=True)
class SuperiorModels:
    """Which models beat the benchmark, with an error in any of them at most with probability `size`.

    Attributes
    ----------
    models : tuple of int
        Their columns, ascending.
    steps : int
        Rounds in which models were found.
    n_models, left_out : int
        As in `SuperiorAbility`.
    """

    models: tuple[int, ...]
    steps: int
    n_models: int
    left_out: int


def superior_predictive_ability(
    models: ArrayLike,
    benchmark: ArrayLike,
    *,
    scale: Scale = "deviation",
    block_length: float | None = None,
    replications: int = 1000,
    seed: int = 0,
) -> SuperiorAbility | NotEnough:
    """Test whether the best of many models beats a benchmark; [1]_.

    Parameters
    ----------
    models : array-like, shape (T, k)
        Returns of k models per observation, at least 100; larger is better. Give all models that were tried.
    benchmark : array-like, shape (T,)
        Its returns; zeros for cash.
    scale : {"deviation", "long_run", "none"}
        What each mean difference is divided by.
    block_length : float, optional
        Mean length of the blocks of the stationary bootstrap; by default the whole part of sqrt(T).
    replications, seed : int

    Notes
    -----
    A NaN in the benchmark is not enough; a model with one is left out. All resampled means are one product of weights
    (B, T) and differences (T, k), in float64 and in pieces, so memory does not grow with k beside the input.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((500, 20))
    >>> superior_predictive_ability(noise, np.zeros(500)).p_consistent > 0.1
    True
    >>> found = superior_predictive_ability(noise + np.eye(20)[3] * 0.3, np.zeros(500))
    >>> found.best, found.p_consistent < 0.01
    (3, True)
    """
    compared = compare(models, benchmark, scale, block_length, replications, seed)
    if isinstance(compared, NotEnough):
        return compared
    statistics = compared.statistics
    best = int(statistics.argmax())
    maxima = compared.maxima(np.arange(len(statistics)), CENTRINGS)
    p_lower, p_consistent, p_upper = (maxima > statistics[best]).mean(axis=1).tolist()
    return SuperiorAbility(
        p_lower,
        p_consistent,
        p_upper,
        statistic=float(statistics[best]) * sqrt(len(compared.models)),
        best=int(compared.columns[best]),
        n_models=len(compared.columns),
        left_out=compared.left_out,
        block_length=compared.block_length,
        scale=scale,
    )


def reality_check(
    models: ArrayLike,
    benchmark: ArrayLike,
    *,
    block_length: float | None = None,
    replications: int = 1000,
    seed: int = 0,
) -> float | NotEnough:
    """Return the p-value of White's reality check: the upper one of the SPA test without a scale; [2]_.

    The parameters are those of `superior_predictive_ability`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((500, 20))
    >>> reality_check(noise, np.zeros(500)) > 0.1
    True
    """
    found = superior_predictive_ability(
        models,
        benchmark,
        scale="none",
        block_length=block_length,
        replications=replications,
        seed=seed,
    )
    return found if isinstance(found, NotEnough) else found.p_upper


def superior_models(
    models: ArrayLike,
    benchmark: ArrayLike,
    *,
    size: float = 0.05,
    centring: Centring = "upper",
    scale: Scale = "deviation",
    block_length: float | None = None,
    replications: int = 1000,
    seed: int = 0,
) -> SuperiorModels | NotEnough:
    """Return the models that beat the benchmark, found step by step (StepM); [3]_.

    Parameters
    ----------
    size : float
        Probability that any model is named that does not beat it.
    centring : {"upper", "consistent", "lower"}
        "upper" is [3]_; "consistent" finds more where many models are far worse than the benchmark.

    The other parameters are those of `superior_predictive_ability`.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((500, 20))
    >>> superior_models(noise + np.isin(np.arange(20), [3, 7]) * 0.3, np.zeros(500)).models
    (3, 7)
    """
    require(0.0 < size < 1.0, "size", size, "more than 0 and less than 1")
    require(centring in CENTRINGS, "centring", centring, "'lower', 'consistent' or 'upper'")
    compared = compare(models, benchmark, scale, block_length, replications, seed)
    if isinstance(compared, NotEnough):
        return compared
    statistics = compared.statistics
    remaining, steps = np.arange(len(statistics)), 0
    while len(remaining):
        critical = np.quantile(compared.maxima(remaining, (centring,))[0], 1.0 - size)
        beaten = statistics[remaining] > critical
        if not beaten.any():
            break
        remaining, steps = remaining[~beaten], steps + 1
    named = np.delete(compared.columns, remaining)
    return SuperiorModels(tuple(named.tolist()), steps, len(compared.columns), compared.left_out)
