"""The genetic algorithm's population as a struct of arrays, and the shares of its operators."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told


class Population:
    """Trials that may breed, best first.

    Feasible ones stand before infeasible ones, those by total violation [1]_; then by score; of equals the
    youngest first, so that a population drifts over a plateau instead of sticking to where it entered it.

    Parameters
    ----------
    members : Told
        The trials to begin with, best first.

    References
    ----------
    .. [1] Deb (2000). An efficient constraint handling method for genetic algorithms. CMAME 186.
    """

    def __init__(self, members: Told) -> None:
        self.members = members

    def __len__(self) -> int:
        return len(self.members.scores)

    @property
    def rows(self) -> FloatArray:
        """Dense points and notes, (n, width)."""
        return self.members.rows

    def merge(self, told: Told, size: int) -> tuple[IntArray, IntArray]:
        """Take in newcomers and keep the best `size`.

        Returns
        -------
        survivors : ndarray
            (m,) for each member now, its index in (old members, newcomers) before.
        ranks : ndarray
            (n,) the newcomers' ranks before the cut; 0 is the best.
        """
        n_old, all_trials = len(self), Told.join([self.members, told])
        order = np.lexsort((-all_trials.tickets, -all_trials.scores, all_trials.violations))
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        self.members = all_trials.take(order[:size])
        return order[:size], ranks[n_old:]

    @property
    def best(self) -> tuple[float, float]:
        """(minus violation, score) of the first member: the larger tuple is the better one."""
        if len(self) == 0:
            return -np.inf, -np.inf
        return -float(self.members.violations[0]), float(self.members.scores[0])


class OperatorShares:
    """How often each operator is used, in proportion to what its recent children were worth [1]_.

    Parameters
    ----------
    first : sequence of float
        Shares to begin with; an operator with share 0 is never used.
    held : tuple of int
        Operators that keep the share they begin with.
    floor : float
        No adapted operator falls below this share.
    memory : float
        Children over which the estimate of an operator's worth forgets (exponentially).

    References
    ----------
    .. [1] Thierens (2005). An adaptive pursuit strategy for allocating operator probabilities. (probability
       matching)
    """

    def __init__(
        self,
        first: tuple[float, ...],
        *,
        held: tuple[int, ...] = (),
        floor: float = 0.05,
        memory: float = 100.0,
    ) -> None:
        self._first = np.array(first) / sum(first)
        self._free = self._first > 0.0  # whose share is adapted
        self._free[list(held)] = False
        self._floor = floor
        self._memory = memory
        self.worth = np.array(first)

    @property
    def worth(self) -> FloatArray:
        """Mean gain of each operator's recent children."""
        return self._worth

    @worth.setter
    def worth(self, worth: FloatArray) -> None:
        self._worth = worth
        self._steps = np.cumsum(self.shares)[:-1]

    def credit(self, operators: FloatArray, gains: FloatArray) -> None:
        """Learn from children: which operator made each, (n,), and how good it turned out, (n,) in [0, 1]."""
        worth = self.worth.copy()
        for operator in range(len(worth)):
            own = gains[operators == operator]
            if len(own):
                kept = np.exp(-len(own) / self._memory)
                worth[operator] = kept * worth[operator] + (1.0 - kept) * own.mean()
        self.worth = worth

    @property
    def shares(self) -> FloatArray:
        """Shares, adding up to one."""
        shares, free = self._first.copy(), self._free
        if free.any():
            worth = self.worth[free] + 1e-9
            spare = shares[free].sum() - self._floor * free.sum()
            shares[free] = self._floor + max(spare, 0.0) * worth / worth.sum()
        return shares / float(shares.sum())

    def draw(self, n: int, rng: np.random.Generator) -> IntArray:
        """Return `n` operators."""
        return np.searchsorted(self._steps, rng.random(n), side="right")
