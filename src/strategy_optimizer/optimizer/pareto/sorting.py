"""Non-dominated sorting: which scores beat which, when no objective counts more than another.

Notation
--------
scores
    (n, m) float64, *larger is better* in every objective, no NaN; -inf is allowed.
a dominates b
    a is at least as good in every objective and better in one. Equal scores do not dominate each other.
front, rank
    Front 0 holds what nothing dominates, front k what only fronts before k dominate; the rank is the number
    of the front.

References
----------
.. [1] Kung, Luccio and Preparata (1975). On finding the maxima of a set of vectors. J. ACM 22(4). (sweeps)
.. [2] Jensen (2003). Reducing the run-time complexity of multiobjective EAs. IEEE TEC 7(5). (sorting for two
   objectives)
.. [3] Zhang, Tian, Cheng and Jin (2015). An efficient approach to nondominated sorting for evolutionary
   multiobjective optimization. IEEE TEC 19(2). (binary search over the fronts)
.. [4] Deb (2000). An efficient constraint handling method for genetic algorithms. CMAME 186.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray

_MATRIX_AT_MOST = 512  # points up to which all pairs are compared at once
_BLOCK, _PIECE = 256, 1024


def non_dominated_ranks(scores: FloatArray, violations: FloatArray | None = None) -> IntArray:
    """Return the rank of each point, (n,); 0 is the best.

    Parameters
    ----------
    scores : ndarray
        (n, m), larger is better.
    violations : ndarray, optional
        (n,) total constraint violation. Every feasible point (violation 0) ranks before every infeasible one,
        and those rank by violation alone [4]_.

    Notes
    -----
    O(n log n) for two objectives, O(n log^2 n) for three in most cases, else O(n^2 m) vectorised.

    Examples
    --------
    >>> non_dominated_ranks(np.array([[1.0, 3.0], [3.0, 1.0], [0.5, 2.0], [0.0, 0.0]])).tolist()
    [0, 0, 1, 2]
    """
    if violations is None or not (infeasible := violations > 0.0).any():
        return _ranks(scores)
    ranks = np.empty(len(scores), np.int64)
    feasible = ~infeasible
    ranks[feasible] = _ranks(scores[feasible])
    n_fronts = ranks[feasible].max(initial=-1) + 1
    ranks[infeasible] = n_fronts + np.unique(violations[infeasible], return_inverse=True)[1]
    return ranks


def is_non_dominated(scores: FloatArray) -> BoolArray:
    """Return which points no other one dominates, (n,).

    O(n log n) for up to three objectives, else O(n f m), vectorised, with a front of f points.

    >>> is_non_dominated(np.array([[1.0, 3.0], [3.0, 1.0], [0.5, 2.0], [3.0, 1.0]])).tolist()
    [True, True, False, True]
    """
    n, m = scores.shape
    if n == 0 or m == 1:
        return np.asarray(scores[:, 0] == scores[:, 0].max(initial=-np.inf))
    order = np.lexsort(-scores.T[::-1])  # a point comes after all that dominate it
    ordered = scores[order]
    if m == 2:
        kept = _first_front_of_two(ordered)
    elif m == 3:
        kept = np.array(_ranks_of_three(ordered, only_first=True)) == 0
    else:
        kept = _first_front_of_many(ordered)
    mask = np.empty(n, np.bool_)
    mask[order] = kept
    return mask


def dominance(first: FloatArray, second: FloatArray) -> BoolArray:
    """Return which of `first`, (n, m), dominate which of `second`, (k, m): (n, k)."""
    at_least = np.ones((len(first), len(second)), np.bool_)
    better = np.zeros_like(at_least)
    for a, b in zip(first.T, second.T, strict=True):
        at_least &= a[:, None] >= b
        better |= a[:, None] > b
    return at_least & better


def dominated_by(points: FloatArray, others: FloatArray) -> BoolArray:
    """Return which of `points`, (n, m), something in `others`, (k, m), dominates: (n,).

    All pairs, in pieces that stay small in memory.
    """
    dominated = np.zeros(len(points), np.bool_)
    for first in range(0, len(points), _PIECE):
        piece = points[first : first + _PIECE]
        left = np.arange(len(piece))
        for start in range(0, len(others), _PIECE):
            beaten = dominance(others[start : start + _PIECE], piece[left]).any(axis=0)
            dominated[first + left[beaten]] = True
            left = left[~beaten]
    return dominated


def _ranks(scores: FloatArray) -> IntArray:
    n, m = scores.shape
    if m == 1:
        return np.unique(-scores[:, 0], return_inverse=True)[1].astype(np.int64)
    if m > 2 and n <= _MATRIX_AT_MOST:
        return _ranks_by_matrix(scores)
    if m > 3:
        return _ranks_by_peeling(scores)
    order = np.lexsort(-scores.T[::-1])
    ordered = scores[order]
    ranks = np.empty(n, np.int64)
    ranks[order] = _ranks_of_two(ordered) if m == 2 else _ranks_of_three(ordered)
    return ranks


def _repeats(ordered: FloatArray) -> list[bool]:
    """Return which rows of sorted scores equal the row before."""
    return [False, *(ordered[1:] == ordered[:-1]).all(axis=1).tolist()][: len(ordered)]


def _ranks_of_two(ordered: FloatArray) -> list[int]:
    """Return the ranks of points sorted by the first, then the second objective, best first.

    A point belongs to the first front whose last point has a worse second objective: those lasts fall from
    front to front, so they can be searched by halving, as when sorting by patience.
    """
    lasts: list[float] = []  # negated second objectives, rising
    ranks: list[int] = []
    rank = 0
    for key, repeated in zip((-ordered[:, 1]).tolist(), _repeats(ordered), strict=True):
        if not repeated:
            rank = bisect_right(lasts, key)
            if rank == len(lasts):
                lasts.append(key)
            else:
                lasts[rank] = key
        ranks.append(rank)
    return ranks


def _first_front_of_two(ordered: FloatArray) -> BoolArray:
    second = ordered[:, 1]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(second)[:-1]])
    kept = second > before
    kept[0] = True  # also when it is -inf
    new = ~np.array(_repeats(ordered))
    # An equal of a point shares its fate.
    return np.asarray(kept[np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))])


class _Staircase:
    """The maxima of points in the plane, as x rising and y falling."""

    __slots__ = ("x", "y")

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []

    def covers(self, x: float, y: float) -> bool:
        """Say whether some point is at least as good in both."""
        at = bisect_left(self.x, x)
        return at < len(self.x) and self.y[at] >= y

    def add(self, x: float, y: float) -> None:
        """Take in a point that is not covered, and drop those that it covers."""
        xs, ys = self.x, self.y
        stop = bisect_right(xs, x)
        start = stop
        while start and ys[start - 1] <= y:
            start -= 1
        xs[start:stop] = [x]
        ys[start:stop] = [y]


def _ranks_of_three(ordered: FloatArray, *, only_first: bool = False) -> list[int]:
    """Return the ranks of points sorted best first; with `only_first` 0 or 1 (any later front).

    Of the points before, one dominates this one if it covers its second and third objective.
    """
    fronts = [_Staircase()]
    ranks: list[int] = []
    rank = 0
    for x, y, repeated in zip(*ordered[:, 1:].T.tolist(), _repeats(ordered), strict=True):
        if not repeated:
            rank = _first_not_covering(fronts, x, y)
            if not (only_first and rank):
                if rank == len(fronts):
                    fronts.append(_Staircase())
                fronts[rank].add(x, y)
        ranks.append(rank)
    return ranks


def _first_not_covering(fronts: list[_Staircase], x: float, y: float) -> int:
    """Return the first front that does not cover a point; all before it do."""
    low, high = 0, len(fronts)
    while low < high:
        middle = (low + high) // 2
        if fronts[middle].covers(x, y):
            low = middle + 1
        else:
            high = middle
    return low


def _ranks_by_matrix(scores: FloatArray) -> IntArray:
    """Return the ranks from all pairs: take away what nothing left dominates, again and again."""
    beats = dominance(scores, scores)
    n_above = beats.sum(axis=0)
    ranks = np.empty(len(scores), np.int64)
    left, rank = len(scores), 0
    while left:
        front = np.flatnonzero(n_above == 0)
        ranks[front] = rank
        n_above -= beats[front].sum(axis=0)
        n_above[front] = -1
        left -= len(front)
        rank += 1
    return ranks


def _ranks_by_peeling(scores: FloatArray) -> IntArray:
    ranks = np.empty(len(scores), np.int64)
    left = np.arange(len(scores))
    rank = 0
    while len(left) > _MATRIX_AT_MOST:
        first = is_non_dominated(scores[left])
        ranks[left[first]] = rank
        left = left[~first]
        rank += 1
    ranks[left] = rank + _ranks_by_matrix(scores[left])
    return ranks


def _first_front_of_many(ordered: FloatArray) -> BoolArray:
    """Return which points are in the first front, block by block against the front so far."""
    front = np.empty((0, ordered.shape[1]))
    kept = np.zeros(len(ordered), np.bool_)
    for start in range(0, len(ordered), _BLOCK):
        block = ordered[start : start + _BLOCK]
        alive = np.flatnonzero(~dominated_by(block, front))
        alive = alive[~dominance(block[alive], block[alive]).any(axis=0)]
        kept[start + alive] = True
        front = np.concatenate([front, block[alive]])
    return kept
