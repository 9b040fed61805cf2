"""What one more trial is worth with several objectives: the hypervolume that it is expected to add to the front.

The scores that would add something are cut into boxes. A trial with the scores y adds the volume of
``[reference, y]`` inside each box, which is a product over objectives, ``prod_j (min(y_j, upper_j) - lower_j)+``. The
objectives are believed independent, so its expectation is the product of ``EI_j(lower_j) - EI_j(upper_j)``: exact,
for any number of objectives.

References
----------
.. [1] Daulton, Balandat and Bakshy (2020). Differentiable expected hypervolume improvement for parallel
   multi-objective Bayesian optimization. NeurIPS 33. (equations 3 and 4: the sum over boxes)
.. [2] Ament, Daulton, Eriksson, Balandat and Bakshy (2023). Unexpected improvements to expected improvement for
   Bayesian optimization. NeurIPS 36. (why the logarithm)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategy_optimizer.optimizer.bayes.acquisition import log_expected_improvement
from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.optimizer.pareto.crowding import keep_spread
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated

# Points of a front of so many objectives that make about 500 boxes; longer ones are thinned to an even spread.
MOST_POINTS = {1: 1, 2: 500, 3: 50, 4: 20, 5: 10, 6: 7}
FEWEST_POINTS = 5  # with more objectives


class Boxes(NamedTuple):
    """Where a trial's scores would add to the front, larger is better."""

    lower: FloatArray  # (k, m)
    upper: FloatArray  # (k, m), inf where open


def boxes_above(front: FloatArray, reference: FloatArray) -> Boxes:
    """Return disjoint boxes that fill what no point of a front dominates and the reference does.

    Parameters
    ----------
    front : ndarray
        (n, m), m >= 1; need not be non-dominated. Points that are not above the reference in every objective
        count as nothing.
    reference : ndarray
        (m,) the worst scores that count.

    Examples
    --------
    >>> boxes_above(np.array([[2.0, 1.0], [1.0, 2.0]]), np.zeros(2)).lower.tolist()
    [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]
    """
    front = front[(front > reference).all(axis=1)]
    if len(front):
        front = front[is_non_dominated(front)]
        most = MOST_POINTS.get(len(reference), FEWEST_POINTS)
        front = front[keep_spread(front, most)] if len(front) > most else front
    return Boxes(*_cut(front, reference))


def _cut(front: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cut along the last objective into slabs, and each slab along the others."""
    m = len(reference)
    if m == 1:
        best = max(front.max(initial=-np.inf), reference[0])
        return np.array([[best]]), np.array([[np.inf]])
    levels, count = np.unique(-front[:, -1], return_counts=True)
    order = np.argsort(-front[:, -1], kind="stable")
    tops = np.concatenate([[np.inf], -levels])
    bottoms = np.append(-levels, reference[-1])
    lowers, uppers = [], []
    for top, bottom, known in zip(tops, bottoms, np.append(0, np.cumsum(count)), strict=True):
        below = front[order[:known], :-1]  # what dominates within this slab
        if len(below):
            below = below[is_non_dominated(below)]
        lower, upper = _cut(below, reference[:-1])
        lowers.append(np.column_stack([lower, np.full(len(lower), bottom)]))
        uppers.append(np.column_stack([upper, np.full(len(upper), top)]))
    return np.concatenate(lowers), np.concatenate(uppers)


def log_expected_hypervolume_improvement(
    means: FloatArray, deviations: FloatArray, boxes: Boxes
) -> FloatArray:
    """Return the logarithm of the expected hypervolume improvement, (n,).

    Parameters
    ----------
    means, deviations : ndarray
        (n, m) of the believed scores, independent and normal.
    boxes : Boxes
        From :func:`boxes_above`.
    """
    from scipy.special import logsumexp  # loaded with the first model

    total = np.zeros((len(means), len(boxes.lower)))
    for j in range(means.shape[1]):
        levels, places = _levels(boxes, j)
        table = _log_improvements(means[:, j], deviations[:, j], levels)
        near, far = table[:, places[0]], table[:, places[1]]
        with np.errstate(divide="ignore"):  # a box too low for the digits that are left adds nothing
            total += near + np.log1p(-np.exp(np.minimum(far - near, 0.0)))
    return np.asarray(logsumexp(total, axis=1))


def _levels(boxes: Boxes, j: int) -> tuple[FloatArray, IntArray]:
    """Return the different bounds of the boxes in objective j, and where each lower and upper one is, (2, k)."""
    levels, places = np.unique(np.stack([boxes.lower[:, j], boxes.upper[:, j]]), return_inverse=True)
    return levels, places.reshape(2, -1)


def _log_improvements(mean: FloatArray, deviation: FloatArray, levels: FloatArray) -> FloatArray:
    """Return the log expected improvement over each level, (n, len(levels)); over infinity it is nothing."""
    finite = np.isfinite(levels)
    table = np.full((len(mean), len(levels)), -np.inf)
    table[:, finite] = log_expected_improvement(mean[:, None], deviation[:, None], levels[finite])
    return table
