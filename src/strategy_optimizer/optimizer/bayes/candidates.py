"""Where the acquisition function is looked at: most often among few children of good trials, at times everywhere.

Backtest landscapes are rough. A model takes the roughness for noise, and the point that maximises an acquisition
function over the whole space is where the model knows least: trial after trial goes to regions that are merely
unknown. The best of few children of good trials is a point that both crossing good trials and the model speak for.
The best trials mostly lie in one region, which often is not the best one: every other time the parents are good trials
that are apart. decisions/004 has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from strategy_optimizer.machine_code import compiled
from strategy_optimizer.optimizer import variation
from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.space import ParameterSpace

# A candidate's worth, larger is better: dense points (n, d) -> (n,).
Acquisition = Callable[[FloatArray], FloatArray]
WIDE_SHARE = 0.2  # of the searches look everywhere
SPREAD_SHARE = 0.5  # of the searches descend from good trials of different regions instead of the best ones
FEW, FEW_PER_POINT = 30, 4  # children of the others: at least, and for each point wanted
FRESH, CHILDREN = 160, 320  # of a wide search's first pool
LARGEST_STEP = 0.3
ROUNDS, BREEDERS, PER_BREEDER = 4, 16, 12
FIRST_STEP, LAST_STEP = 0.15, 0.01


class CandidateSearch:
    """Maximises an acquisition function over a space."""

    def __init__(self, space: ParameterSpace, free: ParameterSpace, rng: np.random.Generator) -> None:
        self.space = space
        self.free = free  # the same parameters without conditions and constraints
        self.rng = rng
        self._categorical = space.kinds == 2
        self._stepped = np.isfinite(space.sizes) & ~self._categorical

    def pool(self, elite: FloatArray) -> FloatArray:
        """Return a first pool of dense points: fresh ones, children of the elite (k, d), and the best's neighbours."""
        fresh = self._filled(self.space.sample(FRESH, self.rng, "uniform"))
        best = self.space.neighbours(self.space.deactivate(elite[:1])[0])
        beside = np.where(np.isnan(best), elite[0], best)
        steps = np.exp(self.rng.uniform(np.log(LAST_STEP), np.log(0.4), CHILDREN))
        return np.concatenate([fresh, beside, self.children(elite, CHILDREN, steps)])

    def children(self, elite: FloatArray, n: int, steps: FloatArray) -> FloatArray:
        """Return n feasible children: mutated crossings of the elite, better members more often."""
        k, d = elite.shape
        first = elite[(self.rng.random(n) ** 2 * k).astype(np.int64)]
        second = elite[(self.rng.random(n) ** 2 * k).astype(np.int64)]
        crossed = self.rng.random((n, 1)) < 0.4
        parents = np.where(crossed & (self.rng.random((n, d)) < 0.5), second, first)
        return self.mutated(parents, steps)

    def mutated(self, parents: FloatArray, steps: FloatArray) -> FloatArray:
        """Return feasible copies of dense parents (n, d) with one or more genes moved by about `steps` (n,)."""
        n, d = parents.shape
        rng = self.rng
        rate = np.exp(rng.uniform(np.log(1.0 / d), 0.0, n))
        chosen = variation.mutation_mask(n, rate, d, rng, np.ones(n, bool))
        unit = self.free.to_unit(parents)
        moved = variation.reflect(unit + steps[:, None] * rng.standard_normal((n, d)))
        dense = np.where(chosen & ~self._categorical, self.free.from_unit(moved), parents)
        self._step_at_least_once(dense, chosen & self._stepped & (dense == parents))
        rows, columns = np.nonzero(chosen & self._categorical)
        n_choices = self.space.sizes[columns].astype(np.int64)
        dense[rows, columns] = variation.reset_levels(dense[rows, columns].astype(np.int64), n_choices, rng)
        return (
            dense[self.space.is_feasible(self.space.deactivate(dense))] if self.space.constraints else dense
        )

    def _step_at_least_once(self, dense: FloatArray, stuck: np.ndarray) -> None:
        rows, columns = np.nonzero(stuck)
        if len(rows) == 0:
            return
        moves = np.where(self.rng.random(len(rows)) < 0.5, -1.0, 1.0) * self.space.steps[columns]
        dense[rows, columns] += moves
        dense[rows] = self.space.snap(dense[rows])

    def _filled(self, points: FloatArray) -> FloatArray:
        """Give inactive genes a random value of their own range."""
        return np.where(np.isnan(points), self.free.from_unit(self.rng.random(points.shape)), points)

    def maximise(self, acquisition: Acquisition, elite: FloatArray, spread: FloatArray, n: int) -> FloatArray:
        """Return up to n dense points in falling order of their worth, (m, d), that descend from either parents."""
        parents = spread if self.rng.random() < SPREAD_SHARE else elite
        if self.rng.random() < WIDE_SHARE:
            return self.search_everywhere(acquisition, parents, n)
        n_children = max(FEW, FEW_PER_POINT * n)
        steps = np.exp(self.rng.uniform(np.log(LAST_STEP), np.log(LARGEST_STEP), n_children))
        points = self.children(parents, n_children, steps)
        return points[np.argsort(-acquisition(points), kind="stable")[: max(n, FEW)]]

    def search_everywhere(self, acquisition: Acquisition, elite: FloatArray, n: int) -> FloatArray:
        """Return the best points of a pool that evolves, inside and outside the best region."""
        points = self.pool(elite)
        worth = acquisition(points)
        for step in np.geomspace(FIRST_STEP, LAST_STEP, ROUNDS):
            breeders = points[np.argsort(-worth, kind="stable")[:BREEDERS]]
            steps = step * np.exp(self.rng.normal(0.0, 0.7, PER_BREEDER * len(breeders)))
            found = self.mutated(np.repeat(breeders, PER_BREEDER, axis=0), steps)
            points = np.concatenate([points, found])
            worth = np.concatenate([worth, acquisition(found)])
        return points[np.argsort(-worth, kind="stable")[:n]]


def far_apart(points: FloatArray, gap: float, at_most: int) -> IntArray:
    """Return which of points (n, d), the best first, differ by `gap` in some coordinate from all better ones taken.

    >>> far_apart(np.array([[0.5, 0.5], [0.51, 0.5], [0.5, 0.9], [0.52, 0.88]]), 0.1, 3).tolist()
    [0, 2]
    """
    taken = np.empty(min(at_most, len(points)), np.int64)
    return taken[: _take_far_apart(points, gap, taken)]


@compiled(nogil=True)
def _take_far_apart(points: FloatArray, gap: float, taken: IntArray) -> int:
    """Write the rows into `taken` until it is full or there are no more, and return how many they are."""
    n = 0
    for i in range(len(points)):
        near = n == len(taken)
        for k in range(n):
            apart = False
            for j in range(points.shape[1]):
                apart = apart or not abs(points[i, j] - points[taken[k], j]) < gap
            near = near or not apart
        if not near:
            taken[n] = i
            n += 1
    return n
