"""The standard normal distribution, without SciPy."""

from __future__ import annotations

from math import erfc, sqrt
from statistics import NormalDist

_NORMAL = NormalDist()


def normal_cdf(x: float) -> float:
    """Return the probability of a standard normal below `x`, exact in both tails.

    >>> normal_cdf(0.0), normal_cdf(-10.0) > 7e-24
    (0.5, True)
    """
    return 0.5 * erfc(-x / sqrt(2.0))


def normal_quantile(p: float) -> float:
    """Return the number that a standard normal stays below with probability `p`, above 0 and below 1.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return _NORMAL.inv_cdf(p)
