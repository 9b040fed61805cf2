"""The hypervolume: how much of the space of scores a front dominates.

References
----------
.. [1] Zitzler and Thiele (1998). Multiobjective optimization using evolutionary algorithms: a comparative case
   study. PPSN V.
.. [2] Beume, Fonseca, Lopez-Ibanez, Paquete and Vahrenhold (2009). On the complexity of computing the
   hypervolume indicator. IEEE TEC 13(5). (the sweep for three objectives)
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.errors import SearchError
from strategy_optimizer.optimizer.history import FloatArray


def hypervolume(scores: FloatArray, reference: ArrayLike) -> float:
    """Return the volume between a reference point and the scores, exactly, for up to three objectives.

    Parameters
    ----------
    scores : ndarray
        (n, m), larger is better; they need not be a front. Points that are not better than the reference in
        every objective add nothing.
    reference : array-like
        (m,) the worst scores that count.

    Notes
    -----
    O(n log n): sorting for two objectives; for three a sweep along the last one, with the area that the
    points so far dominate kept as a staircase [2]_.

    Examples
    --------
    >>> hypervolume(np.array([[3.0, 1.0], [2.0, 2.0], [1.0, 1.0]]), (0.0, 0.0))
    5.0
    """
    worst = np.asarray(reference, np.float64)
    if scores.ndim != 2 or worst.shape != scores.shape[1:]:
        raise SearchError(
            f"scores has shape {scores.shape} and reference {worst.shape}; expected (n, m) and (m,)"
        )
    if not np.isfinite(worst).all():
        raise SearchError(f"reference is {reference!r}; expected finite numbers, one per objective")
    if not 1 <= len(worst) <= 3:
        raise SearchError(
            f"the exact hypervolume is for one to three objectives, found {len(worst)}; "
            "leave objectives out or compare fronts in another way"
        )
    gains = scores - worst
    gains = gains[(gains > 0.0).all(axis=1)]
    if len(gains) == 0:
        return 0.0
    if len(worst) == 1:
        return float(gains.max())
    return _area(gains) if len(worst) == 2 else _volume(gains)


def _area(gains: FloatArray) -> float:
    """Return the area that points dominate from the origin."""
    x, y = gains[np.argsort(-gains[:, 0], kind="stable")].T
    heights = np.diff(np.maximum.accumulate(y), prepend=0.0)
    return float(x @ heights)


def _volume(gains: FloatArray) -> float:
    """Return the volume that points dominate from the origin, from the highest third objective down."""
    x, y, z = gains[np.argsort(-gains[:, 2], kind="stable")].T.tolist()
    # A staircase with x falling and y rising, between sentinels; keys are -x so that bisection can be used.
    keys, xs, ys = [-np.inf, 0.0], [np.inf, 0.0], [0.0, np.inf]
    volume = area = 0.0
    for i in range(len(x)):
        area += _add_step(keys, xs, ys, x[i], y[i])
        below = z[i + 1] if i + 1 < len(z) else 0.0
        volume += area * (z[i] - below)
    return float(volume)


def _add_step(keys: list[float], xs: list[float], ys: list[float], x: float, y: float) -> float:
    """Add a point to the staircase and return the area that it gains."""
    start = stop = bisect_left(keys, -x)  # the steps before reach further right than x
    floor = ys[start - 1]
    if floor >= y or (xs[start] == x and ys[start] >= y):
        return 0.0
    gained = 0.0
    while ys[stop] <= y:  # steps that the point covers
        gained += (x - xs[stop]) * (ys[stop] - floor)
        floor = ys[stop]
        stop += 1
    gained += (x - xs[stop]) * (y - floor)
    keys[start:stop], xs[start:stop], ys[start:stop] = [-x], [x], [y]
    return gained
