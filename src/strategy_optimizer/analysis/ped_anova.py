"""PED-ANOVA: which parameters decide whether a trial is among the best, from the trials alone.

For each parameter the density of the best trials is compared with that of all trials. Their Pearson divergence is the
variance of "is among the best" along this parameter, in closed form of one-dimensional densities. Because both
densities are of the trials that were made, a parameter along which the search has only crowded is not taken for an
important one.

Notation: gamma' is the share of the best, p the density of all trials on the cells of a grid, p' that of the best;
``v = gamma'^2 sum_g p_g (p'_g / p_g - 1)^2``.

References
----------
.. [1] Watanabe, Bansal and Hutter (2023). PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
   Subspaces. IJCAI; equations 10 to 12.
.. [2] Scott (1992). Multivariate Density Estimation. (the bandwidth)
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.space import Categorical, Parameter

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

CELLS = 50  # of the grid, at most
BEST_SHARE = 0.1  # gamma'
PRIOR_WEIGHT = 1.0  # trials that an even density counts for
LEAST_WIDTH = 0.5 / 1.64  # of a kernel, in cells: 90 % of it lie in one
FLOOR = 1e-12


def cells_of(parameter: Parameter, values: FloatArray) -> tuple[IntArray, int]:
    """Return the grid cell of each value (n,), natural units or index of a choice, and how many cells there are.

    >>> from strategy_optimizer.space import Continuous
    >>> cells_of(Continuous(0.0, 49.0), np.array([0.0, 0.4, 0.6, 49.0]))[0].tolist()
    [0, 0, 1, 49]
    """
    if isinstance(parameter, Categorical):
        return values.astype(np.int64), len(parameter.choices)
    n_cells = CELLS if parameter.size is None else min(parameter.size, CELLS)
    low, high = float(parameter.low), float(parameter.high)
    if n_cells == 1:
        return np.zeros(len(values), np.int64), 1
    if parameter.log:
        low, high, values = math.log(low), math.log(high), np.log(values)
    cells = np.ceil((values - low) / (high - low) * (n_cells - 1) - 0.5)
    return np.clip(cells, 0, n_cells - 1).astype(np.int64), n_cells


def density(counts: FloatArray, categorical: bool) -> FloatArray:
    """Return the density (g,) on a grid of trials counted by cell (g,), with a little of an even one.

    Numbers have a Gaussian kernel of Scott's width, cut at the ends of the grid; choices the share of their trials.
    """
    n, n_cells = float(counts.sum()), len(counts)
    if categorical:
        return np.asarray((counts + PRIOR_WEIGHT / n_cells) / (n + PRIOR_WEIGHT))
    cells = np.flatnonzero(counts).astype(np.float64)
    kernels = _kernels(np.append(cells, (n_cells - 1) / 2.0), _widths(cells, counts), n_cells)
    weights = np.append(counts[counts > 0], PRIOR_WEIGHT)
    return np.asarray(weights @ kernels / weights.sum())


def _widths(cells: FloatArray, counts: FloatArray) -> FloatArray:
    """Return the widths of the kernels at occupied cells, and that of the prior; [2]_."""
    weights, n = counts[counts > 0], float(counts.sum())
    mean = float(cells @ weights) / n
    deviation = math.sqrt(float((cells - mean) ** 2 @ weights) / max(1.0, n - 1.0))
    cumulated = np.cumsum(weights)
    first = int(np.searchsorted(cumulated, n // 4, side="left"))
    third = int(np.searchsorted(cumulated, n * 3 // 4, side="right"))
    quartiles = cells[min(len(cells) - 1, third)] - cells[first]
    width = 1.059 * min(quartiles / 1.34, deviation) * n**-0.2
    return np.append(np.full(len(cells), max(width, LEAST_WIDTH)), float(len(counts)))


def _kernels(middles: FloatArray, widths: FloatArray, n_cells: int) -> FloatArray:
    """Return the probability of each cell (k, g) under Gaussian kernels that are cut at the ends of the grid."""
    from scipy.special import ndtr  # loaded when used

    edges = np.arange(n_cells + 1) - 0.5
    below = ndtr((edges - middles[:, None]) / widths[:, None])
    return np.asarray(np.diff(below, axis=1) / (below[:, -1:] - below[:, :1]))


def divergence(best: FloatArray, region: FloatArray, categorical: bool) -> float:
    """Return the Pearson divergence of the best trials from all of a region, both counted by cell (g,)."""
    top, all_trials = density(best, categorical) + FLOOR, density(region, categorical) + FLOOR
    return float(all_trials @ (top / all_trials - 1.0) ** 2)


def best_rows(gains: FloatArray, share: float = BEST_SHARE) -> NDArray[np.bool_]:
    """Return which trials (n,) are among the best: those as good as the one at the quantile.

    >>> best_rows(np.array([1.0, 5.0, 3.0, 3.0]), 0.5).tolist()
    [False, True, True, True]
    """
    at = math.ceil(share * len(gains)) - 1
    return np.asarray(gains >= -np.partition(-gains, at)[at])
