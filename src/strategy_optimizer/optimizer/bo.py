"""Bayesian optimisation for mixed, conditional and constrained spaces: for trials that cost more than milliseconds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.bayes.acquisition import log_probability_above
from strategy_optimizer.optimizer.bayes.belief import Belief, Regret
from strategy_optimizer.optimizer.bayes.candidates import CandidateSearch
from strategy_optimizer.optimizer.bayes.learning import Learning
from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray, Told
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.threads import in_one_thread

ENUMERATED = 4096  # points of a finite space that are all looked at
FULL_BATCH, FEW_STEPS = 16, 2  # up to so many points each has a model of its own; more share a few
WAITING_POINTS = 256  # points that are out and that a model expects, the latest ones
REGRET_TRIALS = 30  # before which nothing is said of the regret
# Trials asked when a second search begins and when the two become one, and the fresh points it begins with.
SECOND_FROM, SECOND_UNTIL, SECOND_FIRST = 100, 160, 10


class BOOptimizer(Optimizer):
    """Search with a Gaussian process and expected improvement.

    Parameters
    ----------
    param_space : ParameterSpace
        Where to search.
    n_calls : int
        The budget unless `budget` is given.
    random_state : int
        The seed unless `seed` is given.
    n_initial : int, optional
        Trials before the first model: the defaults, then Sobol points. None: chosen by budget and dimension.
    second_search : bool
        Whether trials 101 to 160 are a search of their own that begins anew, for one objective and a budget of 200 or
        more. False where other algorithms share the trials.
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    Scores are warped before they are learnt, see `bayes.warping`; failed trials rank below all others. Told
    standard errors become known noise of their trials. Each told outcome constraint has a model of its own, and
    a trial's worth is its expected improvement times the probability that all constraints hold; before the first
    feasible trial that probability alone. Points that are out count as if they came out as expected, so that
    several of them do not clump.

    A search settles in a region, and what it would have found from other first points differs by more than its second
    hundred trials gain. So after a hundred a second one begins from fresh points: it shares the model, but its
    candidates descend from its own trials alone and have its own best to beat. At the end both are one again.

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> params, score = BOOptimizer(space, n_calls=20).optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> round(params["x"], 1)
    1.0
    """

    name: ClassVar[str] = "bo"
    several: ClassVar[bool] = True

    def __init__(
        self,
        param_space: ParameterSpace,
        n_calls: int = 100,
        random_state: int = 42,
        *,
        n_initial: int | None = None,
        second_search: bool = True,
        budget: int | None = None,
        seed: int | None = None,
        directions: str | Sequence[str] | None = None,
        repeats: int = 1,
    ) -> None:
        super().__init__(
            param_space,
            budget=checks.as_count(n_calls, "n_calls") if budget is None else budget,
            seed=random_state if seed is None else seed,
            directions=directions,
            repeats=repeats,
            settings={"n_initial": n_initial, "second_search": bool(second_search)},
        )
        self._n_initial = first_trials(self.budget, param_space.n_dims)
        if n_initial is not None:
            self._n_initial = checks.as_count(n_initial, "n_initial", least=2)
        self._first: FloatArray | None = None  # dense points of the first design that are not asked yet
        self._learning = Learning(param_space, self._free, self.n_objectives)
        # Trials told, apart; what is believed, and the learning after it.
        self._known: tuple[tuple[int, bool], Belief | None, Learning] | None = None
        size = param_space.cardinality
        self._enumerates = size is not None and size <= ENUMERATED
        alone = self.n_objectives == 1 and not self._enumerates
        self._second_due = bool(second_search) and alone and self.budget >= 2 * SECOND_FROM
        self._second_since: int | None = None  # ticket of its first point
        self._second_keys: list[int] = []  # of its told trials

    @property
    def batch_size(self) -> int:
        """One: each trial is chosen with all others known."""
        return 1

    def join(self, leader: Optimizer) -> None:
        """See :meth:`Optimizer.join`."""
        super().join(leader)
        self._first = np.empty((0, self.space.n_dims))

    def _learn(self, told: Told) -> None:
        """Remember which trials are of the second search; the models are made from the log."""
        if self._second_since is None:
            return
        own = (told.tickets >= self._second_since) & (told.tickets < SECOND_UNTIL)
        if own.any():
            points = self.space.deactivate(told.rows[own, : self.space.n_dims])
            self._second_keys += self.space.keys(points).tolist()

    # -- proposing

    def _propose(self, n: int, attempt: int) -> FloatArray:
        if self._first is None:
            fresh = self._fresh(self._n_initial)
            self._first = np.concatenate([self.space.default_values[None, :], fresh])[: self._n_initial]
        if attempt > 0:
            return self._sample(4 * n)
        if self._second_due and len(self._first) == 0 and self.n_asked >= SECOND_FROM:
            self._second_due = False
            if self.n_asked < SECOND_UNTIL:
                self._second_since, self._first = self.n_asked, self._fresh(SECOND_FIRST)
        rows, self._first = self._first[:n], self._first[n:]
        if len(rows) == n:
            return rows
        return np.concatenate([rows, self._choose(n - len(rows))])

    def _fresh(self, n: int) -> FloatArray:
        """Return n dense points spread evenly."""
        return self._densify(self.space.sample(n, self._rng, "sobol"), random=True)

    @property
    def _apart(self) -> bool:
        """Whether a second search is under way and not yet one with the first."""
        return self._second_since is not None and self.n_asked < SECOND_UNTIL

    def _competing(self) -> BoolArray:
        """Return which of the log's trials have descendants now, (n,): all but while a second search is apart."""
        if not self._apart:
            return np.ones(self.n_told, bool)
        return np.isin(self.log.keys, np.array(self._second_keys, self.log.keys.dtype))

    @in_one_thread
    def _choose(self, n: int) -> FloatArray:
        """Return up to n dense points, one after the other, each as if those before came out as expected."""
        belief = self._belief()
        if belief is None:
            return self._sample(n)
        search = CandidateSearch(self.space, self._free, self._rng)
        chosen = np.empty((0, self.space.n_dims))
        at_once = _points_of_a_step(n)
        while len(chosen) < n:
            worth = self._worth(belief, chosen)
            found = self._best_untried(search, worth, belief, chosen, min(at_once, n - len(chosen)))
            if len(found) == 0:
                break
            chosen = np.concatenate([chosen, found])
        return chosen

    @in_one_thread
    def refresh(self) -> None:
        """Fit the model to what was told where that is due, as `ask` does; only reading leaves the fit as it was."""
        self._belief()

    @in_one_thread
    def worth(self, dense: FloatArray) -> FloatArray | None:
        """Return what a trial of each dense point (n, d) is worth, a logarithm (n,); None before there is a model.

        Points that are out count as if they came out as expected.
        """
        belief, _ = self._look()
        return None if belief is None else self._worth(belief, dense[:0])(dense)

    @in_one_thread
    def chance_to_beat(self, dense: FloatArray, score: float) -> FloatArray | None:
        """Return how likely a trial of each dense point (n, d) beats a larger-is-better score, (n,); None as above."""
        belief, _ = self._look()
        if belief is None:
            return None
        mean, deviation = belief.score_models[0].predict_trial(self._learning.features(dense))
        return np.exp(log_probability_above(mean, deviation, belief.target_of(score)))

    @property
    def converged(self) -> str | None:
        """See :attr:`Optimizer.converged`; of noisy trials also when no point can be better by more than their noise.

        Of exact trials the model's bound is no ground to stop: on real strategies, which are rougher than it believes,
        it was below its own noise long before the search ended to improve.
        """
        found = self._regret() if self._noisy and self.n_objectives == 1 else None
        if found is None or found.bound > found.noise:
            return super().converged
        return (
            f"no point is likely to be better than the best by more than {max(found.bound, 0.0):.2g}, less than the "
            f"noise of one trial, {found.noise:.2g}"
        )

    @in_one_thread
    def _regret(self) -> Regret | None:
        """Return how much better than the best a point may be; None before there is enough to tell.

        Source: Makarova et al. (2022), Automatic Termination for Hyperparameter Optimization, equation 3.
        """
        belief = self._look()[0] if self.n_told >= REGRET_TRIALS else None
        if belief is None or belief.front is None:
            return None
        optimism = belief.optimism()
        # A generator of its own: looking must not change the search.
        search = CandidateSearch(self.space, self._free, np.random.default_rng([self.seed, self.n_told]))

        def upper(points: FloatArray) -> FloatArray:
            return optimism(self._learning.features(points))

        highest = search.search_everywhere(upper, belief.elite, 1)
        return belief.regret(float(upper(highest)[0]))

    def _belief(self) -> Belief | None:
        """Return what is believed after the told trials; None before two that have descendants succeeded."""
        belief, self._learning = self._look()
        return belief

    def _look(self) -> tuple[Belief | None, Learning]:
        """Return the same and the learning after it, which a reader leaves: looking must not change the search."""
        moment = self.n_told, self._apart
        if self._known is None or self._known[0] != moment:
            learning = copy.copy(self._learning)
            enough = (self._competing() & ~self.log.failed).sum() >= 2
            belief = learning.belief(self.log, self._competing(), self._noisy) if enough else None
            self._known = (moment, belief, learning)
        return self._known[1:]

    def _worth(self, belief: Belief, chosen: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return the acquisition function of dense points once those out and `chosen` (k, d) came out as expected."""
        ahead = self._ledger.pending.export()[1][:, : self.space.n_dims]
        if len(ahead) + len(chosen):
            belief = belief.expecting(
                self._learning.features(np.concatenate([ahead, chosen])[-WAITING_POINTS:])
            )
        acquisition = belief.acquisition()
        return lambda points: acquisition(self._learning.features(points))

    def _best_untried(
        self,
        search: CandidateSearch,
        worth: Callable[[FloatArray], FloatArray],
        belief: Belief,
        chosen: FloatArray,
        n: int,
    ) -> FloatArray:
        """Return the up to n best points (m, d) that have a trial left and are not `chosen` already."""
        size = self.space.cardinality
        if size is not None and size <= ENUMERATED:
            everything = self.space.enumerate(ENUMERATED)
            points = self._densify(everything) if everything is not None else belief.elite[:0]
            points = points[self._untried(points, chosen)]
            return points[np.argsort(-worth(points), kind="stable")[:n]] if len(points) else points
        points = search.maximise(worth, belief.elite, belief.spread, n)
        return points[self._untried(points, chosen)[:n]]

    def _untried(self, points: FloatArray, chosen: FloatArray) -> IntArray:
        keys = self.space.keys(self.space.deactivate(np.concatenate([chosen, points]))).tolist()
        seen, allows, untried = set(keys[: len(chosen)]), self._ledger.tried.allows, []
        for i, key in enumerate(keys[len(chosen) :]):
            if key not in seen and allows(key):
                untried.append(i)
            seen.add(key)
        return np.array(untried, np.int64)

    # -- state

    def _save(self) -> dict[str, Any]:
        return {
            "first": None if self._first is None else encode_array(self._first),
            **self._learning.save(),
            "second": [self._second_due, self._second_since, sorted(self._second_keys)],
        }

    def _load(self, data: dict[str, Any]) -> None:
        self._first = None if data["first"] is None else decode_array(data["first"])
        self._learning.load(data)
        self._second_due, self._second_since, self._second_keys = data["second"]


def _points_of_a_step(n: int) -> int:
    """Return how many of n points are taken from one model before the next one expects them."""
    return 1 if n <= FULL_BATCH else -(-n // FEW_STEPS)


def first_trials(budget: int, d: int) -> int:
    """Return how many trials come before the first model of d parameters."""
    return int(np.clip(min(2 * d + 2, budget // 5), 5, 30))
