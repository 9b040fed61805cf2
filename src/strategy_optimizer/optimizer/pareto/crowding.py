"""How crowded the points of a front are, and which to keep when there are too many.

References
----------
.. [1] Deb, Pratap, Agarwal and Meyarivan (2002). A fast and elitist multiobjective genetic algorithm:
   NSGA-II. IEEE TEC 6(2).
.. [2] Kukkonen and Deb (2006). Improved pruning of non-dominated solutions based on crowding distance for
   bi-objective optimization problems. CEC. (remove the most crowded one at a time)
.. [3] Kukkonen and Deb (2006). A fast and effective method for pruning of non-dominated solutions in
   many-objective problems. PPSN IX. (product of the distances to the nearest neighbours)
"""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray

_NEIGHBOURS = 8  # nearest ones that are known of each point while pruning with three objectives or more
_FAR = 10.0  # logarithm of a squared distance larger than any on a front scaled to the unit cube


def crowding_distances(scores: FloatArray) -> FloatArray:
    """Return the crowding distance of each point of a front, (n,); larger is lonelier.

    Parameters
    ----------
    scores : ndarray
        (n, m) of one front.

    Notes
    -----
    The sum over objectives of the gap between the neighbours on either side, as a share of the front's range
    [1]_; infinite at the ends of each objective. Of points with equal scores the first one counts and the
    others have distance 0. An objective in which all are equal does not count.

    Examples
    --------
    >>> crowding_distances(np.array([[0.0, 4.0], [1.0, 3.0], [1.0, 3.0], [4.0, 0.0]])).tolist()
    [inf, 2.0, 0.0, inf]
    """
    distinct = first_of_equals(scores)
    distances = np.zeros(len(scores))
    distances[distinct] = _distances(scores[distinct])
    return distances


def keep_spread(scores: FloatArray, n_keep: int) -> IntArray:
    """Return the indices of `n_keep` points of a front that are spread well, (n_keep,), the loneliest first.

    Parameters
    ----------
    scores : ndarray
        (n, m) of one front, n >= n_keep.

    Notes
    -----
    Two objectives: the point with the smallest crowding distance goes, then the smallest of those left, and
    so on [2]_; taking the distances once, as in [1]_, leaves holes where neighbours go together. More
    objectives: the same with the product of the distances to the m nearest neighbours [3]_, because gaps
    along each axis say little about the neighbourhood there. The ends of each objective stay.
    """
    distinct = first_of_equals(scores)
    if len(distinct) > n_keep:
        own = scores[distinct]
        distinct = distinct[_prune_two(own, n_keep) if scores.shape[1] == 2 else _prune_many(own, n_keep)]
    kept = distinct[np.argsort(-_distances(scores[distinct]), kind="stable")]
    if len(kept) == n_keep:
        return kept
    repeated = np.ones(len(scores), np.bool_)
    repeated[distinct] = False
    return np.concatenate([kept, np.flatnonzero(repeated)[: n_keep - len(kept)]])


def first_of_equals(scores: FloatArray) -> IntArray:
    """Return the index of the first of each group of equal rows, rising, (k,)."""
    if len(scores) < 2:
        return np.arange(len(scores))
    order = np.lexsort(scores.T)
    ordered = scores[order]
    same = (ordered[1:] == ordered[:-1]).all(axis=1)
    if not same.any():
        return np.arange(len(scores))
    first = np.ones(len(scores), np.bool_)
    first[order[1:][same]] = False  # lexsort is stable: the first of each group comes first
    return np.flatnonzero(first)


def _distances(scores: FloatArray) -> FloatArray:
    """Return the crowding distances of distinct points."""
    total = np.zeros(len(scores))
    for column, order in zip(scores.T, np.argsort(scores, axis=0, kind="stable").T, strict=True):
        ranked = column[order]
        span = ranked[-1] - ranked[0] if len(ranked) else 0.0
        if span > 0.0:
            total[order[1:-1]] += (ranked[2:] - ranked[:-2]) / span
            total[order[0]] = total[order[-1]] = np.inf
    return total


def _prune_two(scores: FloatArray, n_keep: int) -> IntArray:
    """Return the points that are left of a front of distinct points with two objectives, in rising order."""
    order = np.argsort(scores[:, 0], kind="stable")
    span = np.abs(scores[order[-1]] - scores[order[0]])
    places = scores[order] / np.where(span == 0.0, 1.0, span)
    # Along a front of two objectives the crowding distance is the difference of one coordinate.
    along = (places[:, 0] - places[:, 1]).tolist()
    n = len(along)
    before, after = list(range(-1, n - 1)), list(range(1, n + 1))
    gap = [math.inf, *(b - a for a, b in zip(along, along[2:], strict=False)), math.inf]
    heap = [(gap[i], i) for i in range(1, n - 1)]
    heapify(heap)
    left = n
    while left > n_keep and heap:
        value, i = heappop(heap)
        if value != gap[i]:
            continue  # outdated
        gap[i] = -1.0
        left -= 1
        a, b = before[i], after[i]
        after[a], before[b] = b, a
        if a > 0:
            gap[a] = along[b] - along[before[a]]
            heappush(heap, (gap[a], a))
        if b < n - 1:
            gap[b] = along[after[b]] - along[a]
            heappush(heap, (gap[b], b))
    kept = order[np.array(gap) >= 0.0]
    return kept[:n_keep]


def _prune_many(scores: FloatArray, n_keep: int) -> IntArray:
    """Return the points that are left of a front of distinct points, rising.

    Points go in rounds: of the most crowded ones those that are not nearest to one more crowded still, which
    is nearly the same as one at a time.
    """
    n, m = scores.shape
    near, logs = _neighbours(scores, min(max(_NEIGHBOURS, 2 * m), n - 1))
    ends = scores.argmax(axis=0)
    alive = np.ones(n, np.bool_)
    left = n
    while left > n_keep:
        known = alive[near]
        gaps = np.where(known, logs, _FAR)
        if gaps.shape[1] > m:
            gaps = np.partition(gaps, m - 1, axis=1)[:, :m]
        room = gaps.sum(axis=1)
        room[ends] = np.finfo(np.float64).max  # the last to go
        room[~alive] = np.inf
        n_low = max(1, (left - n_keep) // 2)
        low = np.argsort(room, kind="stable")[:n_low]
        turn = np.full(n, n)  # of the most crowded ones, the most crowded first
        turn[low] = np.arange(n_low)
        nearest = near[low, known[low].argmax(axis=1)]
        going = low[turn[nearest] > turn[low]]  # also where none that is known is left
        alive[going] = False
        left -= len(going)
    return np.flatnonzero(alive)


def _neighbours(scores: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
    """Return the `k` nearest points of each, nearest first, and the logarithms of their squared distances."""
    low, high = scores.min(axis=0), scores.max(axis=0)
    places = (scores - low) / np.where(high > low, high - low, 1.0)
    squares = (places**2).sum(axis=1)
    distances = squares[:, None] + squares - 2.0 * (places @ places.T)
    np.fill_diagonal(distances, np.inf)
    near = np.argpartition(distances, k - 1, axis=1)[:, :k]
    squared = np.take_along_axis(distances, near, axis=1)
    order = np.argsort(squared, axis=1, kind="stable")
    logs = np.log(np.maximum(np.take_along_axis(squared, order, axis=1), 1e-30))
    return np.take_along_axis(near, order, axis=1), logs
