"""A genetic algorithm for mixed, rugged and partly flat landscapes, as backtests make them.

Three operators make children and share the work in proportion to what their recent children were worth:
crossover (SBX, or a classical one), a differential move towards the elite, and a local search around the
elite. Each child then mutates with a step size that it inherits, varied a little; sizes that make good
children survive with them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks, variation
from strategy_optimizer.optimizer.evolution import EvolutionaryOptimizer, as_population_size, planned_budget
from strategy_optimizer.optimizer.history import FloatArray, IntArray, Told
from strategy_optimizer.optimizer.population import OperatorShares, Population
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.space import ParameterSpace

CROSSOVERS = ("adaptive", "sbx", "uniform", "single_point")
NO_OPERATOR, CROSS, DIFFERENTIAL, LOCAL = -1, 0, 1, 2
_SHARES = (0.35, 0.30, 0.35)  # to begin with

# Chosen on the landscapes of benchmarks/ and eight strategies on daily data; most of them matter little.
TOURNAMENT = 2
FIRST_SIZE, LARGEST_SIZE = 30, 400  # survivors at first, and at most
GROWTH = 1.5  # of the survivors, at each restart
FIRST_POPULATIONS = 1.5  # size of the first generation and of those after a restart
ELITE_SHARE = 0.2
EXCHANGED_SHARE = 0.5  # of the adaptive crossovers exchange whole genes, the others blend them
MIN_SCALE, FIRST_SCALE, MAX_SCALE = 1e-4, 0.1, 0.3  # mutation steps, as a share of a parameter's range
SCALE_LEARNING = 0.3  # standard deviation of the logarithm of a child's step against its parent's
PATIENCE_POPULATIONS, PATIENCE_PER_DIM = 3, 30  # trials without progress before a restart: the larger
TOLERANCE = 0.01  # gains up to this share of a run's height above the median random point are no progress
MIN_SPREAD = 1e-6  # unit-cube standard deviation below which a population has converged to one point
_MAX_ARCHIVE = 16


class GAOptimizer(EvolutionaryOptimizer):
    """Search with a genetic algorithm.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    population_size : int, optional
        Survivors that breed. None: 30 or more at first, see :func:`first_population`, and half as many again after each
        restart of a run that stood still, up to 400: an easy landscape needs few, and a hard one gets more in
        time [3]_.
    generations : int, optional
        The budget is ``population_size x generations`` unless `budget` is given.
    mutation_rate : float, optional
        Chance of each gene to mutate after crossover. None: one gene of a child on average.
    crossover_rate : float
        Chance that a child has two parents; the others are mutated copies.
    crossover : str
        ``"adaptive"``: SBX and differential moves, each as often as it succeeds. ``"sbx"``, ``"uniform"`` or
        ``"single_point"`` (the classical one): only that.
    local_share : float, optional
        Share of children made by local search around the best. None: adapted by success; 0 switches it off.
    adapt : bool
        False keeps operator shares and mutation steps as they begin.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    Told outcome constraints come first: any feasible trial beats any infeasible one, and those compete by
    total violation [1]_. Steps adapt as in evolution strategies [2]_. A run that has made no progress for
    long, or whose population has collapsed, restarts from fresh Sobol points; every second restart invites
    the bests of all earlier runs back in.

    References
    ----------
    .. [1] Deb (2000). An efficient constraint handling method for genetic algorithms. CMAME 186.
    .. [2] Schwefel (1995). Evolution and optimum seeking. (self-adaptation of step sizes by selection)
    .. [3] Auger, Hansen (2005). A restart CMA evolution strategy with increasing population size. CEC. (there
       doubled at each restart)

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> optimizer = GAOptimizer(space, population_size=20, generations=20)
    >>> params, score = optimizer.optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> round(params["x"], 2)
    1.0
    """

    name: ClassVar[str] = "ga"
    n_notes: ClassVar[int] = 2  # operator, mutation step
    unbred: ClassVar[tuple[float, ...]] = (NO_OPERATOR, FIRST_SCALE)

    def __init__(
        self,
        param_space: ParameterSpace,
        population_size: int | None = 50,
        generations: int | None = 100,
        mutation_rate: float | None = 0.1,
        crossover_rate: float = 0.8,
        *,
        crossover: str = "adaptive",
        local_share: float | None = None,
        adapt: bool = True,
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
            "crossover": checks.as_choice(crossover, "crossover", CROSSOVERS),
            "local_share": local_share,
            "adapt": adapt,
        }
        budget = planned_budget(budget, population_size, generations, (50, 100))
        super().__init__(
            param_space,
            as_population_size(population_size, first_population(budget)),
            FIRST_POPULATIONS,
            budget=budget,
            seed=seed,
            directions=directions,
            repeats=repeats,
            settings=settings,
        )
        d = param_space.n_dims
        self._rate = 1.0 / d if mutation_rate is None else checks.as_share(mutation_rate, "mutation_rate")
        self._crossover_rate = float(crossover_rate)
        self._crossover = crossover
        self._adapt = bool(adapt)
        self._shares = _first_shares(crossover, local_share)
        self._population = Population(Told.empty(self._width))
        self._unit = np.empty((0, d))  # unit coordinates of the population
        self._first_scores = np.empty(0)  # of the first generation: what random points are worth
        self._n_first_scores = self._n_first
        self._random_score = math.inf  # their median
        self._best_at_progress = (-math.inf, -math.inf)  # the run's best when it last made progress
        self._run_start = 0  # ticket of the run's first point
        self._since_progress = 0
        self._n_restarts = 0
        self._grows = population_size is None
        self._archive = Population(Told.empty(self._width))  # the best of each finished run

    @property
    def n_restarts(self) -> int:
        """Times the search began anew from fresh points."""
        return self._n_restarts

    def restart(self) -> None:
        """Begin anew from fresh points; what was found so far comes back in with the second restart after."""
        self._integrate()
        self._restart()

    # -- learning
    # -------------------------------------------------------------------------------------------------

    @property
    def _members(self) -> Told:
        return self._population.members

    def _integrate(self) -> None:
        if not self._inbox:
            return
        told = self._sorted_inbox()
        self._inbox = []
        n_told = len(told.scores)
        # Late children of a run that was given up stay out, or they would lead the new run back to its peak.
        welcome = np.isfinite(told.scores) & ((told.tickets >= self._run_start) | (told.tickets < 0))
        told = self._averaged(told.take(welcome))
        if len(self._first_scores) < self._n_first_scores:
            self._see_first(told.scores)
        unit = np.concatenate([self._unit, self.space.to_unit(told.rows[:, : self.space.n_dims])])
        survivors, ranks = self._population.merge(told, self.population_size)
        self._unit = unit[survivors]
        if self._adapt:
            gains = np.maximum(0.0, 1.0 - ranks / (0.5 * self.population_size))
            self._shares.credit(told.rows[:, -2], gains)
        self._watch(n_told)

    def _watch(self, n_told: int) -> None:
        """Count trials without progress; restart when there were many or the population has collapsed."""
        if self._makes_progress(*self._population.best):
            self._best_at_progress = self._population.best
            self._since_progress = 0
        else:
            self._since_progress += n_told
        patience = max(PATIENCE_POPULATIONS * self.population_size, PATIENCE_PER_DIM * self.space.n_dims)
        collapsed = (
            len(self._unit) >= self.population_size and float(self._unit.std(axis=0).max()) < MIN_SPREAD
        )
        if len(self._population) > 1 and (self._since_progress > patience or collapsed):
            if self._grows:
                self._resize(min(round(GROWTH * self.population_size), LARGEST_SIZE))
            self._restart()

    def _see_first(self, scores: FloatArray) -> None:
        self._first_scores = np.append(self._first_scores, scores)[: self._n_first_scores]
        self._random_score = float(np.median(self._first_scores)) if len(self._first_scores) else math.inf

    def _makes_progress(self, feasibility: float, score: float) -> bool:
        """Whether the run's best rose by more than digging on a peak for its last digits brings."""
        before, least = self._best_at_progress
        if feasibility == before:
            least += TOLERANCE * max(0.0, score - self._random_score)
        return (feasibility, score) > (before, least)

    def _restart(self) -> None:
        """Begin anew from fresh points; every second time together with the bests of all runs so far."""
        self._archive.merge(self._population.members.take(slice(1)), _MAX_ARCHIVE)
        self._n_restarts += 1
        self._population = Population(Told.empty(self._width))
        self._unit = np.empty((0, self.space.n_dims))
        if self._n_restarts % 2 == 0:
            self._reunite()
        self._best_at_progress = (-math.inf, -math.inf)
        self._run_start = self.n_asked
        self._since_progress = 0
        self._first = self._fresh_generation()

    def _reunite(self) -> None:
        guests = self._archive.members.take(np.arange(len(self._archive)))
        guests.rows[:, -1] = FIRST_SCALE
        self._population.merge(guests, self.population_size)
        self._unit = self.space.to_unit(self._population.rows[:, : self.space.n_dims])

    # -- proposing
    # ------------------------------------------------------------------------------------------------

    def _breed(self, n: int, attempt: int) -> FloatArray:
        d = self.space.n_dims
        operators = self._shares.draw(n, self._rng)
        base = self._choose_bases(operators)
        parents = self._unit[base]
        children = self._recombine(parents, operators)
        steps = self._steps(self._population.rows[base, -1], attempt)
        dense = self._mutate(children, parents, self._population.rows[base, :d], operators, steps)
        if self.space.constraints:
            dense = self._repair(dense, self._population.rows[base, :d])
        return np.concatenate([dense, operators[:, None], steps[:, None]], axis=1)

    def _choose_bases(self, operators: IntArray) -> IntArray:
        """Return the first parent of each child: a tournament's winner, for local search one of the elite."""
        n, m = len(operators), len(self._population)
        # Members are sorted, so the winner of a tournament is the smallest of some random ranks.
        winners = (self._rng.random((TOURNAMENT, n)).min(axis=0) * m).astype(np.int64)
        elite = (self._rng.random(n) ** 2 * self._n_elite).astype(np.int64)
        return np.where(operators == LOCAL, elite, winners)

    @property
    def _n_elite(self) -> int:
        return max(1, round(ELITE_SHARE * len(self._population)))

    def _recombine(self, parents: FloatArray, operators: IntArray) -> FloatArray:
        """Return children in unit coordinates; local ones are copies so far."""
        children, rng, m = parents.copy(), self._rng, len(self._population)
        crossed = np.flatnonzero(operators == CROSS)
        crossed = crossed[rng.random(len(crossed)) < self._crossover_rate]
        mates = self._unit[(rng.random((2, len(crossed))).min(axis=0) * m).astype(np.int64)]
        children[crossed] = self._cross(parents[crossed], mates)
        moved = np.flatnonzero(operators == DIFFERENTIAL)
        if len(moved):
            elite = (rng.random(len(moved)) * self._n_elite).astype(np.int64)
            others = (rng.random((2, len(moved))) * m).astype(np.int64)
            children[moved] = variation.differential_move(
                parents[moved],
                self._unit[elite],
                self._unit[others[0]],
                self._unit[others[1]],
                self._categorical,
                rng,
            )
        return children

    def _cross(self, first: FloatArray, second: FloatArray) -> FloatArray:
        if self._crossover == "uniform":
            return variation.uniform_crossover(first, second, self._rng)
        if self._crossover == "single_point":
            return variation.single_point_crossover(first, second, self._rng)
        blended = variation.sbx_crossover(first, second, self._categorical, self._rng)
        if self._crossover == "sbx":
            return blended
        exchanged = variation.uniform_crossover(first, second, self._rng)
        return np.where(self._rng.random((len(first), 1)) < EXCHANGED_SHARE, exchanged, blended)

    def _steps(self, inherited: FloatArray, attempt: int) -> FloatArray:
        """Return the children's mutation steps, (n,)."""
        if not self._adapt:
            return inherited * 2.0**attempt
        steps = inherited * np.exp(SCALE_LEARNING * self._rng.standard_normal(len(inherited))) * 2.0**attempt
        return np.clip(steps, MIN_SCALE, MAX_SCALE)

    def _mutate(
        self,
        children: FloatArray,
        parents: FloatArray,
        parent_values: FloatArray,
        operators: IntArray,
        steps: FloatArray,
    ) -> FloatArray:
        """Return the dense children in natural units after mutation."""
        n, d = children.shape
        rates = np.array([self._rate, 0.3 * self._rate, max(self._rate, 1.0 / d)])[operators]
        unchanged = (children == parents).all(axis=1)
        chosen = variation.mutation_mask(n, rates, d, self._rng, unchanged | (operators == LOCAL))
        return self._mutated(children, parents, parent_values, chosen, steps)

    # -- state
    # ----------------------------------------------------------------------------------------------------

    def _save(self) -> dict[str, Any]:
        return {
            "population": self._population.members.encode(),
            "population_size": self.population_size,
            "archive": self._archive.members.encode(),
            "inbox": self._sorted_inbox().encode(),
            "first": None if self._first is None else encode_array(self._first),
            "worth": self._shares.worth.tolist(),
            "first_scores": encode_array(self._first_scores),
            "best_at_progress": encode_array(np.array(self._best_at_progress)),
            "run_start": self._run_start,
            "since_progress": self._since_progress,
            "restarts": self._n_restarts,
        }

    def _load(self, data: dict[str, Any]) -> None:
        self._resize(int(data["population_size"]))
        self._population = Population(Told.decode(data["population"]))
        self._archive = Population(Told.decode(data["archive"]))
        self._inbox = [Told.decode(data["inbox"])]
        self._unit = self.space.to_unit(self._population.rows[:, : self.space.n_dims])
        self._first = None if data["first"] is None else decode_array(data["first"])
        self._shares.worth = np.array(data["worth"])
        self._see_first(decode_array(data["first_scores"]))
        feasibility, score = decode_array(data["best_at_progress"]).tolist()
        self._best_at_progress = (feasibility, score)
        self._run_start = int(data["run_start"])
        self._since_progress = int(data["since_progress"])
        self._n_restarts = int(data["restarts"])


def first_population(budget: int) -> int:
    """Return how many survivors a search of so many trials begins with.

    >>> [first_population(budget) for budget in (20, 100, 200, 2000, 10_000, 100_000)]
    [12, 21, 30, 30, 50, 158]
    """
    most = np.clip(0.5 * budget**0.5, FIRST_SIZE, LARGEST_SIZE)
    return int(np.clip(round(budget**0.66), 12, most))


def _first_shares(crossover: str, local_share: float | None) -> OperatorShares:
    """Return the operators' shares for the settings."""
    cross, differential, local = _SHARES
    if crossover != "adaptive":
        cross, differential = cross + differential, 0.0
    if local_share is None:
        return OperatorShares((cross, differential, local))
    local = checks.as_share(local_share, "local_share")
    scale = (1.0 - local) / (cross + differential)
    return OperatorShares((cross * scale, differential * scale, local), held=(LOCAL,))
