"""PAWN and delta: how much the distribution of values changes with one parameter, from any trials.

Both are free of a model and of the units: they look at the order of the values alone. Values (n,) are compared between
*classes* of one parameter: equal shares of the trials in rising order, or its values where it has few. A parameter
that is inactive in some trials has one class more.

PAWN [1]_ is the median over the classes of the largest distance between the cumulated distribution in the class
and that of all trials. Delta [2]_ [3]_ is the mean over all trials of half the area between the density in their class
and that of all: 0 for a parameter that changes nothing, 1 for one that decides everything.

References
----------
.. [1] Pianosi and Wagener (2018). Distribution-based sensitivity analysis from a generic input-output sample.
   Environmental Modelling & Software 108.
.. [2] Borgonovo (2007). A new uncertainty importance measure. Reliability Engineering & System Safety 92(6).
.. [3] Plischke, Borgonovo and Smith (2013). Global sensitivity measures from given data. EJOR 226(3); equation 26.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

PAWN_CLASSES = 10
LEAST_IN_CLASS = 10
DENSITY_POINTS = 100


def classes_of(values: FloatArray, most: int, is_choice: bool) -> IntArray:
    """Return the class of each trial (n,) by a parameter's values (n,), NaN where it is inactive.

    Choices and whole numbers with at most so many values are classes of their own. Equal values are always in one
    class.

    >>> classes_of(np.array([1.0, 2.0, 3.0, 4.0, np.nan]), 2, False).tolist()
    [0, 0, 1, 1, 2]
    """
    active = ~np.isnan(values)
    levels, level, counts = np.unique(values[active], return_inverse=True, return_counts=True)
    found = np.empty(len(values), np.int64)
    if is_choice or len(levels) <= most:
        found[active] = level
    else:
        middle_ranks = np.cumsum(counts) - 0.5 * counts  # of each level
        _, found[active] = np.unique(
            (middle_ranks * most / active.sum()).astype(np.int64)[level], return_inverse=True
        )
    found[~active] = found[active].max(initial=-1) + 1
    return found


def pawn(classes: IntArray, values: FloatArray) -> float:
    """Return the PAWN index of trials by class (n,) and value (n,); NaN with fewer than two classes.

    Classes with fewer than `LEAST_IN_CLASS` trials are left out.
    """
    distances = _distances(classes, values)
    return float(np.median(distances)) if len(distances) > 1 else math.nan


def _distances(classes: IntArray, values: FloatArray) -> FloatArray:
    """Return the Kolmogorov-Smirnov distance from all trials of each class that is large enough."""
    order = np.argsort(values, kind="stable")
    last = np.append(
        np.diff(values[order]) > 0.0, True
    )  # of equal values the distribution counts all at once
    all_trials = (np.flatnonzero(last) + 1.0) / len(values)
    sizes = np.bincount(classes)
    large = np.flatnonzero(sizes >= LEAST_IN_CLASS)
    member = classes[order][:, None] == large
    inside = np.cumsum(member, axis=0)[last] / sizes[large]
    return np.asarray(np.abs(inside - all_trials[:, None]).max(axis=0, initial=0.0))


def delta_classes(n: int) -> int:
    """Return how many classes n trials are divided into for delta, as in [3]_.

    >>> delta_classes(100), delta_classes(1000), delta_classes(10_000)
    (4, 6, 22)
    """
    exponent = 2.0 / (7.0 + math.tanh((1500.0 - n) / 500.0))
    return min(math.ceil(math.pow(n, exponent)), 48)


def delta(classes: IntArray, values: FloatArray) -> float:
    """Return the delta index of trials by class (n,) and value (n,); NaN with fewer than two classes.

    The densities are those of the values' normal scores, which delta does not feel and a Gaussian kernel fits.
    """
    sizes = np.bincount(classes)
    large = np.flatnonzero(sizes >= LEAST_IN_CLASS)
    if len(large) < 2:
        return math.nan
    scores = normal_scores(values)
    grid = np.linspace(scores.min(), scores.max(), DENSITY_POINTS)
    everywhere = _kernel_density(scores, grid)
    step, total = grid[1] - grid[0], float(sizes[large].sum())
    found = 0.0
    for one in large.tolist():
        inside = scores[classes == one]
        if np.ptp(inside) == 0.0:  # one value alone: all of its density lies elsewhere
            found += sizes[one] / total
            continue
        gap = np.abs(_kernel_density(inside, grid) - everywhere)
        found += sizes[one] / total * 0.5 * step * float(gap.sum() - 0.5 * (gap[0] + gap[-1]))
    return found


def normal_scores(values: FloatArray) -> FloatArray:
    """Return the normal quantiles (n,) of the values' ranks; equal values have the middle of theirs."""
    from scipy.special import ndtri  # loaded when used

    _, level, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(ndtri((np.cumsum(counts) - 0.5 * counts)[level] / len(values)))


def _kernel_density(sample: FloatArray, grid: FloatArray) -> FloatArray:
    """Return the density (g,) of a sample (n,) with Gaussian kernels of Silverman's width, on a grid (g,).

    The sample is counted on a finer grid first, in shares of the two nearest points: the time does not grow with it.
    """
    finer = 2
    n_fine = finer * (len(grid) - 1) + 1
    step = (grid[-1] - grid[0]) / (n_fine - 1)
    at = (sample - grid[0]) / step
    left = np.clip(at.astype(np.int64), 0, n_fine - 2)
    share = at - left
    counts = np.bincount(left, 1.0 - share, n_fine) + np.bincount(left + 1, share, n_fine)
    width = float(sample.std(ddof=1)) * (0.75 * len(sample)) ** -0.2
    kernel = np.exp(-0.5 * (np.arange(1 - n_fine, n_fine) * step / width) ** 2)
    smooth = np.convolve(counts, kernel)[n_fine - 1 : 2 * n_fine - 1 : finer]
    return np.asarray(smooth / (len(sample) * width * math.sqrt(2.0 * math.pi)))
