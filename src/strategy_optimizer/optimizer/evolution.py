"""What the population-based optimizers share: an inbox, a first generation, mutation by type, repair.

They are steady and asynchronous: `ask(n)` breeds exactly `n` children from everything told before, whatever
is still out; results may be told in any order. Asked `population_size` at a time they are the classical
generational algorithms.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks, variation
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.history import BoolArray, FloatArray, Told
from strategy_optimizer.space import ParameterSpace

_REPAIRS = 3
_BRED_ATTEMPTS = 4  # attempts at new children before neighbours of the best are tried
_LEADERS = 8


class EvolutionaryOptimizer(Optimizer):
    """A population that breeds.

    Parameters
    ----------
    population_size : int
        Survivors that breed.
    first_populations : float
        Size of the first generation, in populations; at most a sixth of the budget.
    space, budget, seed, directions, repeats, settings
        See :class:`Optimizer`.
    """

    unbred: ClassVar[tuple[float, ...]] = ()  # the notes of points that were not bred

    def __init__(
        self,
        space: ParameterSpace,
        population_size: int,
        first_populations: float,
        *,
        budget: int,
        seed: int,
        directions: str | Sequence[str] | None,
        repeats: int,
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__(
            space, budget=budget, seed=seed, directions=directions, repeats=repeats, settings=settings
        )
        self._width = space.n_dims + self.n_notes
        self._categorical = space.kinds == 2
        self._stepped = np.isfinite(space.sizes) & ~self._categorical
        self._inbox: list[Told] = []  # told since the last ask
        self._first: FloatArray | None = (
            None  # rows of the first generation not asked yet; None before the first ask
        )
        self._first_populations = first_populations
        self._resize(population_size)

    def _resize(self, population_size: int) -> None:
        """Let so many survive from now on, and the next first generation be as large as that asks for."""
        self.population_size = population_size
        self._n_first = max(8, min(round(self._first_populations * population_size), self.budget // 6))

    def join(self, leader: Optimizer) -> None:
        """See :meth:`Optimizer.join`."""
        super().join(leader)
        self._first = np.empty((0, self._width))

    # -- what an algorithm adds

    @property
    @abstractmethod
    def _members(self) -> Told:
        """The population, best first."""

    @abstractmethod
    def _integrate(self) -> None:
        """Let the trials of the inbox compete with the population."""

    @abstractmethod
    def _breed(self, n: int, attempt: int) -> FloatArray:
        """Return `n` rows of children; later attempts take larger steps."""

    @property
    def batch_size(self) -> int:
        """One population."""
        return self.population_size

    # -- learning

    def _learn(self, told: Told) -> None:
        # Taken in at the next ask, all at once and in the order of asking: how they are told must not matter.
        self._inbox.append(told)

    def _sorted_inbox(self) -> Told:
        """Return the told trials in an order that does not depend on how they were told."""
        told = Told.join([Told.empty(self._width, self.n_objectives), *self._inbox])
        if self.n_notes:
            foreign = np.isnan(told.rows[:, -1])  # not made by this algorithm
            told.rows[foreign, -self.n_notes :] = self.unbred
        # Points that were never asked have no ticket to order them; their own values do.
        ties: tuple[FloatArray, ...] = ()
        if (told.tickets < 0).any():
            ties = (*np.atleast_2d(told.scores.T), *told.rows.T)
        return told.take(np.lexsort((*ties, told.tickets)))

    def _averaged(self, told: Told) -> Told:
        """Where points have several trials, let each compete once and with its mean: luck must not win."""
        if not self._ledger.tried.any_repeated:
            return told
        members = self._members
        n_members = len(members.scores)
        keys = self.space.keys(self.space.deactivate(Told.join([members, told]).rows[:, : self.space.n_dims]))
        means = self._ledger.mean_scores(keys)
        members.scores[:] = means[:n_members]
        _, first = np.unique(keys, return_index=True)
        new = np.sort(first[first >= n_members])
        return told.take(new - n_members)._replace(scores=means[new])

    # -- proposing

    def _propose(self, n: int, attempt: int) -> FloatArray:
        if self._first is None:
            self._first = np.concatenate([self._default_row(), self._fresh_generation()])
        if attempt == 0:
            self._integrate()
        rows, self._first = self._first[:n], self._first[n:]
        if len(rows) == n:
            return rows
        return np.concatenate([rows, self._children(n - len(rows), attempt)])

    def _children(self, n: int, attempt: int) -> FloatArray:
        """Breed; where that made nothing new, look at neighbours of the best."""
        if len(self._members.scores) < 2:
            return self._labelled(self._sample(n))
        if attempt < _BRED_ATTEMPTS:
            return self._breed(n + n // 4 + 1, attempt)  # some will be known already
        if attempt == _BRED_ATTEMPTS:
            return self._neighbours_of_best(n)
        return np.empty((0, self._width))

    def _default_row(self) -> FloatArray:
        return self._labelled(self._with_notes(self.space.default_values[None, :]))

    def _fresh_generation(self) -> FloatArray:
        return self._labelled(self._sample(self._n_first, "sobol"))

    def _labelled(self, rows: FloatArray) -> FloatArray:
        if self.n_notes:
            rows[:, -self.n_notes :] = self.unbred
        return rows

    def _neighbours_of_best(self, n: int) -> FloatArray:
        """Return rows one step from the best members, the best one's first."""
        found: list[FloatArray] = []
        for row in self._members.rows[:_LEADERS]:
            if sum(map(len, found)) >= 4 * n:
                break
            points = self.space.neighbours(self.space.deactivate(row[None, : self.space.n_dims])[0])
            found.append(np.where(np.isnan(points), row[: self.space.n_dims], points))
        return self._labelled(self._with_notes(np.concatenate(found)))

    # -- mutation by type, and repair

    def _mutated(
        self,
        children: FloatArray,
        parents: FloatArray,
        parent_values: FloatArray,
        chosen: BoolArray,
        steps: FloatArray,
    ) -> FloatArray:
        """Return children as dense points in natural units after mutation.

        Parameters
        ----------
        children, parents : ndarray
            (n, n_dims) unit coordinates; the children are changed.
        parent_values : ndarray
            (n, n_dims) the parents in natural units.
        chosen : ndarray
            (n, n_dims) which genes mutate.
        steps : ndarray
            (n,) the size of the rows' mutation steps.
        """
        numeric = chosen & ~self._categorical
        rows, columns = np.nonzero(numeric)
        children[rows, columns] = variation.polynomial_step(children[rows, columns], steps[rows], self._rng)
        # Genes nothing happened to keep their exact value: the way through the unit cube may round.
        dense = np.where(children == parents, parent_values, self._free.from_unit(children))
        self._reset_categories(dense, chosen & self._categorical)
        self._move_at_least_one_step(dense, numeric & self._stepped & (dense == parent_values))
        return dense

    def _reset_categories(self, dense: FloatArray, chosen: BoolArray) -> None:
        rows, columns = np.nonzero(chosen)
        n_choices = self.space.sizes[columns].astype(np.int64)
        dense[rows, columns] = variation.reset_levels(
            dense[rows, columns].astype(np.int64), n_choices, self._rng
        )

    def _move_at_least_one_step(self, dense: FloatArray, stuck: BoolArray) -> None:
        """Move genes that were to change but fell back onto their level by one step; inwards at a bound."""
        rows, columns = np.nonzero(stuck)
        if len(rows) == 0:
            return
        space = self.space
        moves = np.where(self._rng.random(len(rows)) < 0.5, -1.0, 1.0) * space.steps[columns]
        values = dense[rows, columns]
        outside = (values + 0.6 * moves < space.lows[columns]) | (values + 0.6 * moves > space.highs[columns])
        dense[rows, columns] = values + np.where(outside, -moves, moves)
        dense[rows] = space.snap(dense[rows])

    def _repair(self, dense: FloatArray, parents: FloatArray) -> FloatArray:
        """Take random genes of infeasible children back from their feasible parent, a few times."""
        bad = np.arange(len(dense))
        for _ in range(_REPAIRS):
            bad = bad[~self.space.is_feasible(dense[bad])]
            if len(bad) == 0:
                break
            back = self._rng.random((len(bad), dense.shape[1])) < 0.5
            dense[bad] = np.where(back, parents[bad], dense[bad])
        return dense


def as_population_size(population_size: int | None, by_budget: int) -> int:
    """Return a checked population size; `by_budget` when it is None."""
    if population_size is None:
        return by_budget
    return checks.as_count(population_size, "population_size", least=4)


def planned_budget(
    budget: int | None, population_size: int | None, generations: int | None, defaults: tuple[int, int]
) -> int:
    """Return the budget, or else population size x generations, with defaults for what is None."""
    size, rounds = defaults
    rounds = checks.as_count(rounds if generations is None else generations, "generations")
    return checks.as_count(
        as_population_size(population_size, size) * rounds if budget is None else budget, "budget"
    )
