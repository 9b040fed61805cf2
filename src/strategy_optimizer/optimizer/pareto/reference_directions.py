"""Evenly spread directions over the simplex, for NSGA-III and scalarisations.

References
----------
.. [1] Das and Dennis (1998). Normal-boundary intersection. SIAM J. Optimization 8(3). (the simplex lattice)
.. [2] Deb and Jain (2014). An evolutionary many-objective optimization algorithm using reference-point-based
   nondominated sorting approach, part I. IEEE TEC 18(4). (two layers)
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray


def das_dennis(n_objectives: int, n_partitions: int) -> FloatArray:
    """Return the simplex lattice, (n, m): all vectors of multiples of ``1 / n_partitions`` that add up to 1.

    There are ``comb(n_partitions + m - 1, m - 1)`` of them; no partition gives the centre alone.

    >>> das_dennis(3, 1).tolist()
    [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    if n_partitions == 0:
        return np.full((1, n_objectives), 1.0 / n_objectives)
    places = n_partitions + n_objectives - 1
    chosen = list(combinations(range(places), n_objectives - 1))
    bars = np.array(chosen, np.int64).reshape(len(chosen), n_objectives - 1)
    edges = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, places)))
    return (np.diff(edges, axis=1) - 1) / n_partitions


def spread_directions(n_objectives: int, at_most: int) -> FloatArray:
    """Return as many evenly spread directions as a population of `at_most` serves, (n, m).

    One lattice when it has points inside the simplex (as many partitions as objectives or more), else an
    outer one and an inner one, shrunk to half its size about the centre [2]_.

    >>> [len(spread_directions(m, 100)) for m in (2, 3, 4, 8)]
    [100, 91, 84, 72]
    """
    if n_objectives == 1:
        return np.ones((1, 1))
    outer = _partitions(n_objectives, at_most)
    directions = das_dennis(n_objectives, outer)
    if outer >= n_objectives:
        return directions
    inner = _partitions(n_objectives, at_most - len(directions))
    shrunk = 0.5 * das_dennis(n_objectives, inner) + 0.5 / n_objectives
    return np.concatenate([directions, shrunk])


def _partitions(n_objectives: int, at_most: int) -> int:
    """Return the finest partition whose lattice has no more than so many points."""
    n = 0
    while math.comb(n + n_objectives, n_objectives - 1) <= at_most:
        n += 1
    return n
