"""Choose one point of a Pareto front.

References
----------
.. [1] Das (1999). On characterizing the "knee" of the Pareto curve based on normal-boundary intersection.
   Structural Optimization 18.
.. [2] Wierzbicki (1980). The use of reference objectives in multiobjective optimization. LNEMS 177.
   (achievement scalarising function)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.optimizer.checks import as_one_per_objective
from strategy_optimizer.optimizer.history import FloatArray

_FLAT = 1e-9  # bulges below this share of the ranges are rounding
_AUGMENTATION = 1e-3  # weight of the sum beside the worst objective: of equals in the worst, the better rest


def knee_point(scores: FloatArray) -> int:
    """Return the index of the knee: where giving up a little more of one objective starts to cost most.

    Parameters
    ----------
    scores : ndarray
        (n, m) of a front, n >= 1, larger is better.

    Notes
    -----
    Objectives are scaled to [0, 1] over the front; the knee is farthest beyond the plane through the ends of
    the axes, for two objectives the line through the two extremes [1]_. Where the front bulges nowhere
    towards the ideal point it has no knee, and the point nearest to the ideal in its worst objective is
    taken instead. Of equals the first counts.

    Examples
    --------
    >>> knee_point(np.array([[0.0, 10.0], [4.0, 9.0], [8.0, 3.0], [10.0, 0.0]]))
    1
    """
    shares = _shares(scores)
    beyond = shares.sum(axis=1) - 1.0
    balance = shares.min(axis=1, initial=1.0) + _AUGMENTATION * shares.sum(axis=1)
    return int(np.argmax(beyond if beyond.max() > _FLAT else balance))


def closest_to(scores: FloatArray, aspiration: ArrayLike) -> int:
    """Return the index of the point that comes closest to wanted scores, or goes furthest beyond them.

    Parameters
    ----------
    scores : ndarray
        (n, m) of a front, n >= 1, larger is better.
    aspiration : array-like
        (m,) the wanted scores; they need not be attainable.

    Notes
    -----
    The largest of the smallest (score - aspiration) / range over the objectives [2]_, so the choice is never
    dominated, whether the aspiration can be reached or not.

    Examples
    --------
    >>> closest_to(np.array([[0.0, 10.0], [4.0, 9.0], [8.0, 3.0], [10.0, 0.0]]), (9.0, 4.0))
    2
    """
    wanted = as_one_per_objective(aspiration, "aspiration", scores.shape[1])
    short = (scores - wanted) / _ranges(scores)
    return int(np.argmax(short.min(axis=1) + _AUGMENTATION * short.sum(axis=1)))


def _ranges(scores: FloatArray) -> FloatArray:
    """Return the range of each objective, (m,); 1 where all are equal."""
    span: FloatArray = scores.max(axis=0) - scores.min(axis=0)
    return np.where(span > 0.0, span, 1.0)


def _shares(scores: FloatArray) -> FloatArray:
    """Return the objectives that differ at all, scaled to [0, 1]."""
    low, high = scores.min(axis=0), scores.max(axis=0)
    differs = high > low
    scaled: FloatArray = (scores - low)[:, differs] / (high - low)[differs]
    return scaled
