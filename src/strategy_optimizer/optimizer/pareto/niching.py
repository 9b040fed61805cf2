"""Survival by reference directions (NSGA-III): normalise the front, give each point its direction, share alike.

Scores are turned into losses, smaller is better, as in the paper.

References
----------
.. [1] Deb and Jain (2014). An evolutionary many-objective optimization algorithm using reference-point-based
   nondominated sorting approach, part I. IEEE TEC 18(4).
"""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray

_TINY = 1e-9
_AXIS_WEIGHT = 1e6  # of the other objectives in the scalarisation that finds the end of an axis


class Frame:
    """The ideal point and the ends of the axes, remembered over a search.

    Parameters
    ----------
    ideal : ndarray
        (m,) smallest losses seen; infinite before the first update.
    ends : ndarray
        (k, m) losses of the extreme points so far; k is 0 or m.
    """

    def __init__(self, ideal: FloatArray, ends: FloatArray) -> None:
        self.ideal = ideal
        self.ends = ends

    def update(self, losses: FloatArray) -> None:
        """Take in the losses of a non-dominated front, (n, m), n >= 1."""
        self.ideal = np.minimum(self.ideal, losses.min(axis=0))
        candidates = np.concatenate([self.ends, losses])
        gaps = candidates - self.ideal
        weights = np.where(np.eye(losses.shape[1], dtype=bool), 1.0, _AXIS_WEIGHT)
        furthest = (gaps[None] * weights[:, None]).max(axis=2)  # equation 4: (m, n + k)
        self.ends = candidates[furthest.argmin(axis=1)]

    def scale(self, losses: FloatArray, front: FloatArray) -> FloatArray:
        """Return losses with the ideal at 0 and the plane through the ends cutting each axis at 1."""
        return (losses - self.ideal) / self._intercepts(front)

    def _intercepts(self, front: FloatArray) -> FloatArray:
        """Return where the plane through the ends cuts the axes, (m,); the worst of the front without one."""
        spans = np.maximum(front.max(axis=0) - self.ideal, _TINY)
        try:
            plane = np.linalg.solve(self.ends - self.ideal, np.ones(len(self.ideal)))
        except np.linalg.LinAlgError:
            return np.asarray(spans)
        with np.errstate(divide="ignore"):
            intercepts = np.reciprocal(plane)
        sound = np.isfinite(intercepts).all() and (intercepts > _TINY).all()
        return np.asarray(np.minimum(intercepts, spans) if sound else spans, np.float64)


def associate(places: FloatArray, directions: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the nearest direction of each place, (n,), and the distance from its line, (n,)."""
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    along = places @ unit.T
    squared = (places**2).sum(axis=1)[:, None] - along**2
    nearest = squared.argmin(axis=1)
    distance: FloatArray = np.sqrt(np.maximum(squared[np.arange(len(places)), nearest], 0.0))
    return nearest, distance


def fill_niches(
    niches: IntArray, distances: FloatArray, taken: IntArray, n_keep: int, rng: np.random.Generator
) -> IntArray:
    """Return which `n_keep` of the last front survive, so that the niches are as even as they can be.

    Parameters
    ----------
    niches, distances : ndarray
        (n,) of the last front, n >= n_keep.
    taken : ndarray
        (n_directions,) survivors that each niche already has.

    Notes
    -----
    The paper's algorithm 4 adds one point at a time to a niche that has fewest: to an empty one the point
    nearest to its line, else a random one. The k-th point that a niche gets makes it `taken` + k strong, so
    sorting by that number, equals in random order, is the same.
    """
    n = len(niches)
    lottery = rng.random(n)
    nearest_first = np.lexsort((distances, niches))
    first = np.ones(n, np.bool_)
    first[1:] = niches[nearest_first][1:] != niches[nearest_first][:-1]
    leads = np.zeros(n, np.bool_)
    leads[nearest_first[first]] = taken[niches[nearest_first[first]]] == 0
    order = np.lexsort((np.where(leads, -1.0, lottery), niches))
    starts = np.flatnonzero(np.r_[True, niches[order][1:] != niches[order][:-1]])
    place = np.arange(n) - np.repeat(starts, np.diff(np.r_[starts, n]))
    strength = np.empty(n, np.int64)
    strength[order] = taken[niches[order]] + place
    return np.lexsort((lottery, strength))[:n_keep]
