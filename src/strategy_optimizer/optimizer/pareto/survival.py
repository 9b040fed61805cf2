"""Which of parents and children live on: by rank, and within the last front by spread.

References
----------
.. [1] Deb, Pratap, Agarwal and Meyarivan (2002). A fast and elitist multiobjective genetic algorithm:
   NSGA-II. IEEE TEC 6(2).
.. [2] Deb and Jain (2014). An evolutionary many-objective optimization algorithm using reference-point-based
   nondominated sorting approach, part I. IEEE TEC 18(4). (NSGA-III)
"""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.optimizer.pareto.crowding import crowding_distances, keep_spread
from strategy_optimizer.optimizer.pareto.niching import Frame, associate, fill_niches
from strategy_optimizer.optimizer.pareto.sorting import non_dominated_ranks


def crowding_survivors(scores: FloatArray, violations: FloatArray, size: int) -> IntArray:
    """Return the indices of up to `size` survivors, the better one of any two first (NSGA-II).

    Parameters
    ----------
    scores, violations : ndarray
        (n, m), larger is better, and (n,), 0 is feasible. Of equals in everything the earlier one is the
        better.

    Notes
    -----
    Feasible before infeasible ones, those by violation; then by rank; within a front the loneliest first.
    """
    ranks = non_dominated_ranks(scores, violations)
    order = np.argsort(ranks, kind="stable")
    starts = np.searchsorted(ranks[order], np.arange(ranks.max(initial=-1) + 2))
    chosen: list[IntArray] = []
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        front = order[start:stop]
        if violations[front[0]] > 0.0:
            chosen.append(order[start:size])
            break
        if stop > size:
            chosen.append(front[keep_spread(scores[front], size - start)])
            break
        chosen.append(front[np.argsort(-crowding_distances(scores[front]), kind="stable")])
        if stop == size:
            break
    return np.concatenate([np.empty(0, np.int64), *chosen])


def reference_survivors(
    scores: FloatArray,
    violations: FloatArray,
    size: int,
    frame: Frame,
    directions: FloatArray,
    rng: np.random.Generator,
) -> IntArray:
    """Return the indices of up to `size` survivors, by rank, spread over directions (NSGA-III).

    `frame` learns the ideal point and the ends of the axes from the first front.
    """
    ranks = non_dominated_ranks(scores, violations)
    order = np.argsort(ranks, kind="stable")
    feasible = violations[order] <= 0.0
    n_feasible = int(feasible.sum())
    if n_feasible == 0:
        return order[:size]
    losses = -scores[order[:n_feasible]]
    own = ranks[order[:n_feasible]]
    frame.update(losses[own == 0])
    if n_feasible <= size:
        return order[:size]
    last = own[size - 1]
    before = int(np.searchsorted(own, last))
    stop = int(np.searchsorted(own, last, side="right"))
    niches, distances = associate(frame.scale(losses[:stop], losses[own == 0]), directions)
    taken = np.bincount(niches[:before], minlength=len(directions))
    filled = fill_niches(niches[before:], distances[before:], taken, size - before, rng)
    return np.concatenate([order[:before], order[before + filled]])
