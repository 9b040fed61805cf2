"""Bayesian optimisation for mixed, conditional and constrained spaces: for trials that cost more than milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.bayes.acquisition import log_probability_above
from strategy_optimizer.optimizer.bayes.belief import (
    Belief,
    Data,
    Regret,
    hypervolume_reference,
    margin_data,
    score_data,
)
from strategy_optimizer.optimizer.bayes.candidates import CandidateSearch, far_apart
from strategy_optimizer.optimizer.bayes.gaussian_process import (
    EXACT_LENGTHS,
    NOISY_LENGTHS,
    GaussianProcess,
    Hyperparameters,
    LengthPrior,
    fit,
)
from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray, Told
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated
from strategy_optimizer.optimizer.pareto.survival import crowding_survivors
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.threads import in_one_thread

ENUMERATED = 4096  # points of a finite space that are all looked at
FIT_POINTS = 256  # the most that hyperparameters are fitted to
REFIT_GROWTH = 1.2  # more trials by this factor before the hyperparameters are fitted again
SURE_OF_FIT = 60  # trials from which a fit starts only where the last one ended
FULL_BATCH, FEW_STEPS = 16, 2  # up to so many points each has a model of its own; more share a few
WAITING_POINTS = 256  # points that are out and that a model expects, the latest ones
REGRET_TRIALS = 30  # before which nothing is said of the regret
ELITE = 24  # best trials from which candidates descend
SPREAD_FROM = 30  # trials from which candidates at times descend from good trials of different regions
GAP = 0.15  # that these are apart in at least one parameter, a share of its range
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
        self._categorical = param_space.kinds == 2
        self._first: FloatArray | None = None  # dense points of the first design that are not asked yet
        self._hyperparameters: list[Hyperparameters] = []  # of the score's model and those of the constraints
        self._fitted_at = 0
        self._known: tuple[tuple[int, bool], Belief | None] | None = (
            None  # trials told, apart; what is believed
        )
        size = param_space.cardinality
        self._enumerates = size is not None and size <= ENUMERATED
        alone = self.n_objectives == 1 and not self._enumerates
        self._second_due = bool(second_search) and alone and self.budget >= 2 * SECOND_FROM
        self._second_since: int | None = None  # ticket of its first point
        self._second_keys: list[int] = []  # of its told trials
        self._likeliest: tuple[int, int] | None = None  # trials told, the winner's row of a noisy search

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

    @property
    def _noisy(self) -> bool:
        """Whether the same point may score otherwise: it may be repeated, or its trials came with standard errors."""
        return self.repeats > 1 or bool(np.isfinite(self.log.std_errors).any())

    @property
    def _lengths(self) -> LengthPrior:
        """What is believed of the length scales before any data."""
        return NOISY_LENGTHS if self._noisy else EXACT_LENGTHS

    def _best_row(self) -> int | None:
        """Return the winner's row: where trials are noisy the one that the model thinks best, not the luckiest."""
        if self.n_objectives > 1 or not self._noisy or np.isfinite(self.log.winning_scores).sum() < 2:
            return super()._best_row()
        if self._likeliest is None or self._likeliest[0] != self.n_told:
            self._likeliest = (self.n_told, self._find_likeliest())
        return self._likeliest[1]

    @in_one_thread
    def _find_likeliest(self) -> int:
        """Return the feasible trial with the best posterior mean; reading it leaves the search as it is."""
        order = self._order()
        features = self._features(self._densify(self.log.points[order]))
        scores, errors = self._table(self.log.scores[order]), self._table(self.log.std_errors[order])
        data = score_data(features, scores, errors, self.log.violations[order] <= 0.0)[0]
        known = (
            self._hyperparameters[0]
            if self._hyperparameters
            else Hyperparameters.default(self.space.n_dims, self._lengths)
        )
        model = GaussianProcess(*data.thinned(), self._categorical, known)
        means = np.where(
            np.isfinite(self.log.winning_scores[order]), model.predict_mean(data.features), -np.inf
        )
        return int(order[np.argmax(means)])

    @in_one_thread
    def worth(self, dense: FloatArray) -> FloatArray | None:
        """Return what a trial of each dense point (n, d) is worth, a logarithm (n,); None before there is a model.

        Points that are out count as if they came out as expected.
        """
        belief = self._belief()
        return None if belief is None else self._worth(belief, dense[:0])(dense)

    @in_one_thread
    def chance_to_beat(self, dense: FloatArray, score: float) -> FloatArray | None:
        """Return how likely a trial of each dense point (n, d) beats a larger-is-better score, (n,); None as above."""
        belief = self._belief()
        if belief is None:
            return None
        mean, deviation = belief.score_models[0].predict_trial(self._features(dense))
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
        belief = self._belief() if self.n_told >= REGRET_TRIALS else None
        if belief is None or belief.front is None:
            return None
        optimism = belief.optimism()
        # A generator of its own: looking must not change the search.
        search = CandidateSearch(self.space, self._free, np.random.default_rng([self.seed, self.n_told]))

        def upper(points: FloatArray) -> FloatArray:
            return optimism(self._features(points))

        highest = search.search_everywhere(upper, belief.elite, 1)
        return belief.regret(float(upper(highest)[0]))

    def _belief(self) -> Belief | None:
        """Return what is believed after the told trials; None before two that have descendants succeeded."""
        moment = self.n_told, self._apart
        if self._known is None or self._known[0] != moment:
            enough = (self._competing() & ~self.log.failed).sum() >= 2
            self._known = (moment, self._learnt() if enough else None)
        return self._known[1]

    def _learnt(self) -> Belief:
        order = self._order()
        dense, violations = self._densify(self.log.points[order]), self.log.violations[order]
        features, scores = self._features(dense), self._table(self.log.scores[order])
        may_win = (violations <= 0.0) & ~np.isnan(scores[:, 0])
        data = score_data(features, scores, self._table(self.log.std_errors[order]), may_win)
        margins = None if self.log.constraints is None else self.log.constraints[order]
        constraints, thresholds = margin_data(features, margins)
        self._fit([*data, *constraints])
        models = [
            GaussianProcess(*each.thinned(), self._categorical, hyperparameters)
            for each, hyperparameters in zip([*data, *constraints], self._hyperparameters, strict=True)
        ]
        m = self.n_objectives
        targets = np.column_stack([each.targets for each in data])
        competing = self._competing()[order]
        to_beat = may_win & competing
        front = self._front(models[:m], features[to_beat], targets[to_beat])
        ranked = dense[competing][self._best_first(targets[competing], violations[competing])]
        return Belief(
            score_models=models[:m],
            margin_models=models[m:],
            thresholds=thresholds,
            front=front,
            reference=np.zeros(m) if front is None else hypervolume_reference(front),
            elite=ranked[:ELITE],
            spread=self._spread(ranked),
            scores=scores,
            targets=targets,
        )

    def _table(self, scores: FloatArray) -> FloatArray:
        """Return scores as (n, m), also with one objective."""
        return scores.reshape(-1, self.n_objectives)

    def _best_first(self, targets: FloatArray, violations: FloatArray) -> IntArray:
        """Return the trials from which candidates descend, the best first: feasible ones before the others."""
        if self.n_objectives > 1:
            return crowding_survivors(targets, violations, ELITE)
        competing = np.where(violations <= 0.0, targets[:, 0], targets[:, 0] - 10.0 - violations)
        return np.argsort(-competing, kind="stable")

    def _spread(self, ranked: FloatArray) -> FloatArray:
        """Return good trials of different regions, the best of each, of dense points that are the best first."""
        if len(ranked) < SPREAD_FROM:
            return ranked[:ELITE]
        better = ranked[: max(ELITE, len(ranked) // 2)]
        places = np.where(self._categorical, better, self._free.to_unit(better))
        return better[far_apart(places, GAP, ELITE)]

    def _front(
        self, models: list[GaussianProcess], features: FloatArray, targets: FloatArray
    ) -> FloatArray | None:
        """Return the targets to improve on, (k, m), of the trials that may win: the models' own where they are noisy.

        A backtest gives the same score again, so its best trial is no luck. Of noisy trials the best one mostly is.
        """
        if len(targets) == 0:
            return None
        if self._noisy:
            targets = np.column_stack([model.predict_mean(features) for model in models])
        return targets[is_non_dominated(targets)]

    def _worth(self, belief: Belief, chosen: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return the acquisition function of dense points once those out and `chosen` (k, d) came out as expected."""
        ahead = self._ledger.pending.export()[1][:, : self.space.n_dims]
        if len(ahead) + len(chosen):
            belief = belief.expecting(self._features(np.concatenate([ahead, chosen])[-WAITING_POINTS:]))
        acquisition = belief.acquisition()
        return lambda points: acquisition(self._features(points))

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

    # -- the models

    def _order(self) -> IntArray:
        """Return the log's trials in an order that does not depend on how they were told: sums must not either."""
        return np.lexsort((*self._table(self.log.scores).T, self.log.keys))

    def _features(self, dense: FloatArray) -> FloatArray:
        points = self.space.deactivate(dense)
        return np.where(self._categorical, points, self.space.to_unit(points))

    def _fit(self, data: list[Data]) -> None:
        """Fit the hyperparameters anew where there is enough new to learn."""
        n, d = self.n_told, self.space.n_dims
        stale = n >= max(self._fitted_at + 1, REFIT_GROWTH * self._fitted_at)
        if len(self._hyperparameters) == len(data) and not stale:
            return
        old: list[Hyperparameters | None] = [*self._hyperparameters]
        old += [None] * (len(data) - len(old))
        fitted = []
        for each, last in zip(data, old, strict=True):
            starts = [Hyperparameters.default(d, self._lengths)] if last is None or n < SURE_OF_FIT else []
            starts = starts if last is None else [last, *starts]
            fitted.append(fit(*each.thinned(FIT_POINTS), self._categorical, starts, self._lengths))
        self._hyperparameters, self._fitted_at = fitted, n

    # -- state

    def _save(self) -> dict[str, Any]:
        return {
            "first": None if self._first is None else encode_array(self._first),
            "hyperparameters": [each.log_values.tolist() for each in self._hyperparameters],
            "fitted_at": self._fitted_at,
            "second": [self._second_due, self._second_since, sorted(self._second_keys)],
        }

    def _load(self, data: dict[str, Any]) -> None:
        self._first = None if data["first"] is None else decode_array(data["first"])
        self._hyperparameters = [Hyperparameters.from_log(np.array(v)) for v in data["hyperparameters"]]
        self._fitted_at = int(data["fitted_at"])
        self._second_due, self._second_since, self._second_keys = data["second"]


def _points_of_a_step(n: int) -> int:
    """Return how many of n points are taken from one model before the next one expects them."""
    return 1 if n <= FULL_BATCH else -(-n // FEW_STEPS)


def first_trials(budget: int, d: int) -> int:
    """Return how many trials come before the first model of d parameters."""
    return int(np.clip(min(2 * d + 2, budget // 5), 5, 30))
