"""Multi-objective search: NSGA-II, and NSGA-III from four objectives.

The result is the set of trade-offs that no trial beats, ``optimizer.pareto_front``. The population only
breeds; the front is drawn from every trial ever told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks, variation
from strategy_optimizer.optimizer.evolution import EvolutionaryOptimizer, as_population_size, planned_budget
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.pareto.niching import Frame
from strategy_optimizer.optimizer.pareto.reference_directions import spread_directions
from strategy_optimizer.optimizer.pareto.survival import crowding_survivors, reference_survivors
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.space import ParameterSpace

NICHINGS = ("auto", "crowding", "reference")
REFERENCE_FROM = 4  # objectives from which "auto" means "reference"

# Chosen on ZDT, DTLZ and seven tasks with strategies on daily data.
FIRST_POPULATIONS = 1.0  # size of the first generation
EXCHANGED_SHARE = 0.5  # of the crossovers exchange whole genes, the others blend them
MUTATION_STEP = 1.0 / 21.0  # 1 / (1 + eta) with eta 20, as a share of a parameter's range
STEP_VARIETY = 1.0  # standard deviation of the logarithm of a child's mutation step
MIN_STEP, MAX_STEP = 1e-4, 0.3


class NSGA2Optimizer(EvolutionaryOptimizer):
    """Search for the best trade-offs between several objectives.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    population_size : int, optional
        Survivors that breed. None: chosen by the budget, see :func:`default_population`.
    generations : int, optional
        The budget is ``population_size x generations`` unless `budget` is given.
    mutation_rate : float, optional
        Chance of each gene to mutate after crossover. None: one gene of a child on average.
    crossover_rate : float
        Chance that a child has two parents; the others are mutated copies.
    niching : str
        How survivors of equal rank are spread: ``"crowding"`` (NSGA-II [1]_), ``"reference"`` directions
        (NSGA-III [2]_), or ``"auto"``: crowding for up to three objectives.
    budget, seed, directions, repeats
        See :class:`Optimizer`. With one direction it is a plain genetic algorithm; `ga` is better at that.

    Notes
    -----
    Survivors are chosen from old and new together: feasible before infeasible ones, which compete by total
    violation; then by rank; then by spread. Of equals the youngest live on. Each parent is the better one of
    two. Crossover is SBX (eta 15) or an exchange of whole genes in equal shares, mutation polynomial (eta
    20, the step varied from child to child), at least one step on stepped and whole numbers; categories are
    exchanged and redrawn. Inactive genes are carried along.

    References
    ----------
    .. [1] Deb, Pratap, Agarwal and Meyarivan (2002). A fast and elitist multiobjective genetic algorithm:
       NSGA-II. IEEE TEC 6(2).
    .. [2] Deb and Jain (2014). An evolutionary many-objective optimization algorithm using
       reference-point-based nondominated sorting approach, parts I and II. IEEE TEC 18(4).

    Examples
    --------
    >>> space = ParameterSpace("schaffer").add_parameter("x", "continuous", (-10.0, 10.0))
    >>> optimizer = NSGA2Optimizer(space, 20, 20, directions=["minimize", "minimize"])
    >>> params, scores = optimizer.optimize(lambda params: (params["x"] ** 2, (params["x"] - 2.0) ** 2))
    >>> front = optimizer.pareto_front
    >>> all(-0.05 < params["x"] < 2.05 for params in front.params), abs(params["x"] - 1.0) < 0.05
    (True, True)
    """

    name: ClassVar[str] = "nsga2"
    several: ClassVar[bool] = True

    def __init__(
        self,
        param_space: ParameterSpace,
        population_size: int | None = 100,
        generations: int | None = 100,
        mutation_rate: float | None = None,
        crossover_rate: float = 0.9,
        *,
        niching: str = "auto",
        budget: int | None = None,
        seed: int = 0,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
    ) -> None:
        settings = {
            "population_size": population_size,
            "generations": generations,
            "mutation_rate": mutation_rate,
            "crossover_rate": checks.as_share(crossover_rate, "crossover_rate"),
            "niching": checks.as_choice(niching, "niching", NICHINGS),
        }
        budget = planned_budget(budget, population_size, generations, (100, 100))
        n_objectives = len(checks.as_directions(directions, several=True, name=self.name))
        super().__init__(
            param_space,
            as_population_size(population_size, default_population(budget, n_objectives)),
            FIRST_POPULATIONS,
            budget=budget,
            seed=seed,
            directions=directions,
            repeats=repeats,
            settings=settings,
        )
        d, m = param_space.n_dims, self.n_objectives
        self._rate = 1.0 / d if mutation_rate is None else checks.as_share(mutation_rate, "mutation_rate")
        self._crossover_rate = float(crossover_rate)
        self._survivors = Told.empty(self._width, m)
        self._unit = np.empty((0, d))  # unit coordinates of the survivors
        by_reference = niching == "reference" or (niching == "auto" and m >= REFERENCE_FROM)
        self._reference = spread_directions(m, self.population_size) if by_reference else None
        self._frame = Frame(np.full(m, np.inf), np.empty((0, m)))

    def restart(self) -> None:
        """Begin anew from fresh points; the front keeps what was found."""
        self._integrate()
        self._survivors, self._unit = Told.empty(self._width, self.n_objectives), self._unit[:0]
        self._first = self._fresh_generation()

    # -- learning

    @property
    def _members(self) -> Told:
        return self._survivors

    def _integrate(self) -> None:
        if not self._inbox:
            return
        told = self._sorted_inbox()
        self._inbox = []
        told = self._averaged(told.take(~told.failed))
        # The youngest first: of equals they live on, so that a population drifts over a plateau.
        everyone = Told.join([told.take(slice(None, None, -1)), self._survivors])
        n_new = len(told.scores)
        unit = np.concatenate([self.space.to_unit(everyone.rows[:n_new]), self._unit])
        chosen = self._select(everyone)
        self._survivors, self._unit = everyone.take(chosen), unit[chosen]

    def _select(self, everyone: Told) -> IntArray:
        """Return which trials survive, (k,), the better one of any two first."""
        scores = everyone.scores.reshape(-1, self.n_objectives)
        if self._reference is None:
            return crowding_survivors(scores, everyone.violations, self.population_size)
        return reference_survivors(
            scores, everyone.violations, self.population_size, self._frame, self._reference, self._rng
        )

    # -- proposing

    def _breed(self, n: int, attempt: int) -> FloatArray:
        first, second = self._choose_parents(n)
        parents, values = self._unit[first], self._survivors.rows[first]
        children = parents.copy()
        crossed = np.flatnonzero(self._rng.random(n) < self._crossover_rate)
        exchanged = self._rng.random(len(crossed)) < EXCHANGED_SHARE
        children[crossed] = variation.sbx_or_exchange(
            parents[crossed], self._unit[second[crossed]], self._categorical, exchanged, self._rng
        )
        unchanged = (children == parents).all(axis=1)
        chosen = variation.mutation_mask(n, np.full(n, self._rate), self.space.n_dims, self._rng, unchanged)
        dense = self._mutated(children, parents, values, chosen, self._steps(n, attempt))
        return self._repair(dense, values) if self.space.constraints else dense

    def _steps(self, n: int, attempt: int) -> FloatArray:
        """Return the children's mutation steps, (n,)."""
        steps = MUTATION_STEP * np.exp(STEP_VARIETY * self._rng.standard_normal(n)) * 2.0**attempt
        return np.clip(steps, MIN_STEP, MAX_STEP)

    def _choose_parents(self, n: int) -> IntArray:
        """Return two parents of each child, (2, n): winners of tournaments of two."""
        m = len(self._survivors.scores)
        if self._reference is None:
            # Members are sorted, so the winner of a tournament is the smaller of two random ranks.
            return np.asarray(self._rng.random((2, 2, n)).min(axis=0) * m, np.int64)
        one, other = (self._rng.random((2, 2, n)) * m).astype(np.int64)
        violations = self._survivors.violations
        return np.asarray(np.where(violations[other] < violations[one], other, one))

    # -- state

    def _save(self) -> dict[str, Any]:
        return {
            "population": self._survivors.encode(),
            "inbox": self._sorted_inbox().encode(),
            "first": None if self._first is None else encode_array(self._first),
            "ideal": encode_array(self._frame.ideal),
            "ends": encode_array(self._frame.ends),
        }

    def _load(self, data: dict[str, Any]) -> None:
        self._survivors = Told.decode(data["population"])
        self._inbox = [Told.decode(data["inbox"])]
        self._unit = self.space.to_unit(self._survivors.rows[:, : self.space.n_dims])
        self._first = None if data["first"] is None else decode_array(data["first"])
        self._frame = Frame(decode_array(data["ideal"]), decode_array(data["ends"]))


def default_population(budget: int, n_objectives: int = 2) -> int:
    """Return the population for a budget: 20 at 200 trials, 35 at 1,000, 78 at 10,000, 174 at 100,000.

    From three objectives half as many again. Smaller ones converge faster and larger ones spread further; on
    fronts that are surfaces small ones lost whole parts of them. The front is drawn from all trials, so it
    may have many more points than the population.
    """
    width = 1.0 if n_objectives < 3 else 1.5
    return int(np.clip(round(3.1 * width * budget**0.35), 12, 400))
