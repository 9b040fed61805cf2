"""How many clusters correlated trials form: k-means with the number of clusters chosen by silhouettes.

The features of a trial are its distances ``sqrt((1 - C) / 2)`` from all trials, where C are correlations. For each k
the quality of the clusters is the mean of the silhouettes over their standard deviation; the best k wins. Up to 20
every k is tried, beyond in steps of a tenth. k-means works on the 64 main components of the features,
silhouettes on all of them.

Trials that have nothing in common form no clusters, and silhouettes then favour the fewest: of a thousand independent
trials they find 2. A number of clusters is no lower bound of the number of independent trials.

References
----------
.. [1] López de Prado and Lewis (2019). Detection of false investment strategies using unsupervised learning methods.
   Quantitative Finance 19(9). (section 4, without its second level)
.. [2] Rousseeuw (1987). Silhouettes. Journal of Computational and Applied Mathematics 20.
.. [3] Arthur and Vassilvitskii (2007). k-means++: the advantages of careful seeding. SODA.
.. [4] Halko, Martinsson and Tropp (2011). Finding structure with randomness. SIAM Review 53(2). (algorithm 4.4)
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategy_optimizer.validation.statistics.not_enough import FloatArray, IntArray

# Features and their distances: six digits are enough to compare clusters, and half the work.
Features: TypeAlias = NDArray[np.float32]

_ITERATIONS = 30
_STARTS = 3
_COMPONENTS = 64
_SAME = 1e-6  # distance below which trials are one


def count_clusters(correlations: FloatArray, rng: Generator, most_clusters: int) -> int:
    """Return the number of clusters of trials with these correlations (n, n).

    One where all trials are the same; otherwise at least two, because silhouettes cannot judge a single cluster.

    Examples
    --------
    >>> count_clusters(np.kron(np.eye(5), np.ones((10, 10))), np.random.default_rng(0), 20)
    5
    """
    features = np.sqrt(np.clip((1.0 - correlations) / 2.0, 0.0, None)).astype(np.float32)
    n = len(features)
    if features.max() < _SAME**0.5:
        return 1
    if n < 4:
        return n
    distances = np.sqrt(_squared_distances(features, features))
    candidates = _numbers(min(most_clusters, n // 2))
    components = _main_components(features, rng)
    starts = [_spread_rows(components, candidates[-1], rng) for _ in range(_STARTS)]
    qualities = [
        max(_quality(distances, _k_means(components, rows[:k]), k) for rows in starts) for k in candidates
    ]
    return candidates[int(np.argmax(qualities))]


def _numbers(most: int) -> list[int]:
    """Return the numbers of clusters that are tried.

    >>> _numbers(30)[-6:]
    [20, 22, 24, 26, 28, 30]
    """
    found = [2]
    while (step := found[-1] + max(1, found[-1] // 10)) <= most:
        found.append(step)
    return found


def _main_components(features: Features, rng: Generator) -> Features:
    """Return the rows (n, 64) in the directions in which they vary most, by subspace iteration; [4]_."""
    d = features.shape[1]
    if d <= _COMPONENTS:
        return features
    centred = features - features.mean(axis=0)
    basis = rng.standard_normal((d, _COMPONENTS), dtype=np.float32)
    for _ in range(3):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    found: Features = centred @ basis
    return found


def _k_means(features: Features, first: IntArray) -> IntArray:
    """Return the cluster, from 0, of each row (n, d); the first centres are these rows (k,)."""
    k, centres = len(first), features[first]
    labels = np.full(len(features), -1)
    for _ in range(_ITERATIONS):
        squared = _squared_distances(features, centres)
        nearest = squared.argmin(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        sizes = np.bincount(labels, minlength=k)
        filled = np.flatnonzero(sizes)
        totals = np.zeros_like(centres)
        order = np.argsort(labels, kind="stable")
        starts = np.cumsum(sizes[filled]) - sizes[filled]
        totals[filled] = np.add.reduceat(features[order], starts, axis=0)
        # An empty cluster begins anew at the row that lies worst.
        totals[sizes == 0] = features[squared.min(axis=1).argmax()]
        centres = np.divide(totals, np.maximum(sizes, 1)[:, None], dtype=np.float32)
    return labels


def _spread_rows(features: Features, k: int, rng: Generator) -> IntArray:
    """Return k rows, each drawn with the square of its distance from those before; [3]_.

    The first of them are a start for fewer clusters.
    """
    chosen = [int(rng.integers(len(features)))]
    nearest = _squared_distances(features, features[chosen])[:, 0].astype(np.float64)
    while len(chosen) < k:
        total = nearest.sum()
        chosen.append(
            int(rng.choice(len(features), p=nearest / total))
            if total > 0.0
            else int(rng.integers(len(features)))
        )
        nearest = np.minimum(nearest, _squared_distances(features, features[chosen[-1:]])[:, 0])
    return np.array(chosen)


def _squared_distances(rows: Features, others: Features) -> Features:
    squares = (rows * rows).sum(axis=1)[:, None] + (others * others).sum(axis=1)
    found: Features = np.maximum(squares - 2.0 * (rows @ others.T), 0.0)
    return found


def _quality(distances: Features, labels: IntArray, k: int) -> float:
    """Return mean over standard deviation of the silhouettes; -inf where there is one cluster alone."""
    silhouettes = _silhouettes(distances, labels, k)
    if silhouettes is None:
        return -np.inf
    mean, deviation = float(silhouettes.mean()), float(silhouettes.std())
    # Clusters without any spread inside: all silhouettes are 1.
    return mean / max(deviation, 1e-9)


def _silhouettes(distances: Features, labels: IntArray, k: int) -> FloatArray | None:
    """Return the silhouette of each row: how much nearer its own cluster is than the next; [2]_."""
    sizes = np.bincount(labels, minlength=k)
    if (sizes > 0).sum() < 2:
        return None
    rows = np.arange(len(labels))
    members = np.zeros((len(labels), k), dtype=np.float32)
    members[rows, labels] = 1.0
    totals = (distances @ members).astype(np.float64)
    own = totals[rows, labels] / np.maximum(sizes[labels] - 1, 1)
    others = np.where(sizes > 0, totals / np.maximum(sizes, 1), np.inf)
    others[rows, labels] = np.inf
    next_best = others.min(axis=1)
    larger = np.maximum(own, next_best)
    found = np.divide(next_best - own, larger, out=np.zeros(len(labels)), where=larger > 0.0)
    return np.where(sizes[labels] > 1, found, 0.0)
