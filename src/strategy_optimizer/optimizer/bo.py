"""Bayesian optimisation for mixed, conditional and constrained spaces: for trials that cost more than milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from strategy_optimizer.optimizer import checks
from strategy_optimizer.optimizer.base import Optimizer
from strategy_optimizer.optimizer.bayes.acquisition import log_expected_improvement, log_probability_above
from strategy_optimizer.optimizer.bayes.candidates import CandidateSearch
from strategy_optimizer.optimizer.bayes.gaussian_process import GaussianProcess, Hyperparameters, fit
from strategy_optimizer.optimizer.bayes.threads import in_one_thread
from strategy_optimizer.optimizer.bayes.warping import half_rank, standardised
from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray, Told
from strategy_optimizer.optimizer.state import decode_array, encode_array
from strategy_optimizer.space import ParameterSpace

ENUMERATED = 4096  # points of a finite space that are all looked at
FIT_POINTS, MODEL_POINTS = 256, 512  # the most that hyperparameters are fitted to, and that the model knows
REFIT_GROWTH = 1.2  # more trials by this factor before the hyperparameters are fitted again
SURE_OF_FIT = 60  # trials from which a fit starts only where the last one ended
FULL_BATCH, FEW_STEPS = 16, 2  # up to so many points each has a model of its own; more share a few
WAITING_POINTS = 256  # points that are out and that a model expects, the latest ones
ELITE = 24  # best trials from which candidates descend


class Data(NamedTuple):
    """What one model learns from."""

    features: FloatArray  # (n, d)
    targets: FloatArray  # (n,) standardised
    extra_noise: FloatArray | None  # (n,) known variances, in units of the targets


class Outlook(NamedTuple):
    """What is believed after some trials."""

    models: list[GaussianProcess]  # of the score and of each outcome constraint
    thresholds: list[float]  # in the units of their targets; the score's is not used
    best: float | None  # the target to improve on, None before a feasible trial
    elite: FloatArray  # (k, d) dense points, best first
    scores: FloatArray  # (n,) NaN where failed
    targets: FloatArray  # (n,) what the scores became

    def target_of(self, score: float) -> float:
        """Return the target that stands for a score, between those of the trials beside it."""
        known = ~np.isnan(self.scores)
        order = np.argsort(self.scores[known], kind="stable")
        return float(np.interp(score, self.scores[known][order], self.targets[known][order]))


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
    budget, seed, directions, repeats
        See :class:`Optimizer`.

    Notes
    -----
    Scores are warped before they are learnt, see `bayes.warping`; failed trials rank below all others. Told
    standard errors become known noise of their trials. Each told outcome constraint has a model of its own, and
    a trial's worth is its expected improvement times the probability that all constraints hold; before the first
    feasible trial that probability alone. Points that are out count as if they came out as expected, so that
    several of them do not clump.

    Examples
    --------
    >>> space = ParameterSpace("parabola").add_parameter("x", "continuous", (-5.0, 5.0))
    >>> params, score = BOOptimizer(space, n_calls=20).optimize(lambda params: -((params["x"] - 1.0) ** 2))
    >>> round(params["x"], 1)
    1.0
    """

    name: ClassVar[str] = "bo"

    def __init__(
        self,
        param_space: ParameterSpace,
        n_calls: int = 100,
        random_state: int = 42,
        *,
        n_initial: int | None = None,
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
            settings={"n_initial": n_initial},
        )
        self._n_initial = first_trials(self.budget, param_space.n_dims)
        if n_initial is not None:
            self._n_initial = checks.as_count(n_initial, "n_initial", least=2)
        self._categorical = param_space.kinds == 2
        self._first: FloatArray | None = None  # dense points of the first design that are not asked yet
        self._hyperparameters: list[Hyperparameters] = []  # of the score's model and those of the constraints
        self._fitted_at = 0
        self._known: tuple[int, Outlook | None] | None = None  # trials told, what is believed after them
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
        """Nothing: the models are made from the log."""

    # -- proposing

    def _propose(self, n: int, attempt: int) -> FloatArray:
        if self._first is None:
            fresh = self._densify(self.space.sample(self._n_initial, self._rng, "sobol"), random=True)
            self._first = np.concatenate([self.space.default_values[None, :], fresh])[: self._n_initial]
        if attempt > 0:
            return self._sample(4 * n)
        rows, self._first = self._first[:n], self._first[n:]
        if len(rows) == n:
            return rows
        return np.concatenate([rows, self._choose(n - len(rows))])

    @in_one_thread
    def _choose(self, n: int) -> FloatArray:
        """Return up to n dense points, one after the other, each as if those before came out as expected."""
        outlook = self._outlook()
        if outlook is None:
            return self._sample(n)
        search = CandidateSearch(self.space, self._free, self._rng)
        chosen = np.empty((0, self.space.n_dims))
        at_once = _points_of_a_step(n)
        while len(chosen) < n:
            worth = self._worth(outlook, chosen)
            found = self._best_untried(search, worth, outlook.elite, chosen, min(at_once, n - len(chosen)))
            if len(found) == 0:
                break
            chosen = np.concatenate([chosen, found])
        return chosen

    @property
    def _noisy(self) -> bool:
        """Whether the same point may score otherwise: it may be repeated, or its trials came with standard errors."""
        return self.repeats > 1 or bool(np.isfinite(self.log.std_errors).any())

    def _best_row(self) -> int | None:
        """Return the winner's row: where trials are noisy the one that the model thinks best, not the luckiest."""
        if not self._noisy or np.isfinite(self.log.winning_scores).sum() < 2:
            return super()._best_row()
        if self._likeliest is None or self._likeliest[0] != self.n_told:
            self._likeliest = (self.n_told, self._find_likeliest())
        return self._likeliest[1]

    @in_one_thread
    def _find_likeliest(self) -> int:
        """Return the feasible trial with the best posterior mean; reading it leaves the search as it is."""
        order = self._order()
        data = self._data(order, self._densify(self.log.points[order]))[0]
        known = (
            self._hyperparameters[0] if self._hyperparameters else Hyperparameters.default(self.space.n_dims)
        )
        model = GaussianProcess(*_thinned(data), self._categorical, known)
        means = np.where(
            np.isfinite(self.log.winning_scores[order]), model.predict_mean(data.features), -np.inf
        )
        return int(order[np.argmax(means)])

    @in_one_thread
    def worth(self, dense: FloatArray) -> FloatArray | None:
        """Return what a trial of each dense point (n, d) is worth, a logarithm (n,); None before there is a model.

        Points that are out count as if they came out as expected.
        """
        outlook = self._outlook()
        return None if outlook is None else self._worth(outlook, dense[:0])(dense)

    @in_one_thread
    def chance_to_beat(self, dense: FloatArray, score: float) -> FloatArray | None:
        """Return how likely a trial of each dense point (n, d) beats a larger-is-better score, (n,); None as above."""
        outlook = self._outlook()
        if outlook is None:
            return None
        mean, deviation = outlook.models[0].predict_trial(self._features(dense))
        return np.exp(log_probability_above(mean, deviation, outlook.target_of(score)))

    def _outlook(self) -> Outlook | None:
        """Return what is believed after the told trials; None before two of them succeeded."""
        if self._known is None or self._known[0] != self.n_told:
            self._known = (self.n_told, self._look() if np.isfinite(self.log.scores).sum() >= 2 else None)
        return self._known[1]

    def _look(self) -> Outlook:
        order = self._order()
        dense = self._densify(self.log.points[order])
        data = self._data(order, dense)
        self._fit(data)
        models = [
            GaussianProcess(*_thinned(each), self._categorical, hyperparameters)
            for each, hyperparameters in zip(data, self._hyperparameters, strict=True)
        ]
        feasible = self.log.violations[order] <= 0.0
        targets = data[0].targets
        competing = np.where(feasible, targets, targets - 10.0 - self.log.violations[order])
        elite = dense[np.argsort(-competing, kind="stable")[:ELITE]]
        best = self._best_so_far(models[0], data[0], feasible)
        return Outlook(models, [0.0, *self._thresholds(order)], best, elite, self.log.scores[order], targets)

    def _best_so_far(self, model: GaussianProcess, data: Data, feasible: BoolArray) -> float | None:
        """Return what has to be improved on: the best target, by the model's mean where trials are noisy.

        A backtest gives the same score again, so its best trial is no luck. Of noisy trials the best one mostly is.
        """
        if not feasible.any():
            return None
        values = model.predict_mean(data.features[feasible]) if self._noisy else data.targets[feasible]
        return float(values.max())

    def _worth(self, outlook: Outlook, chosen: FloatArray) -> Callable[[FloatArray], FloatArray]:
        """Return the acquisition function of dense points once those out and `chosen` (k, d) came out as expected."""
        models, to_beat = outlook.models, outlook.best
        ahead = self._ledger.pending.export()[1][:, : self.space.n_dims]
        if len(ahead) + len(chosen):
            features = self._features(np.concatenate([ahead, chosen])[-WAITING_POINTS:])
            models = [model.expecting(features) for model in models]
            if to_beat is not None:
                # What is expected already is no improvement: or all would go to one place.
                to_beat = max(to_beat, float(models[0].scores[-len(features) :].max()))

        def worth(points: FloatArray) -> FloatArray:
            features = self._features(points)
            total = np.zeros(len(points))
            if to_beat is not None:
                total += log_expected_improvement(*models[0].predict(features), to_beat)
            for model, threshold in zip(models[1:], outlook.thresholds[1:], strict=True):
                total += log_probability_above(*model.predict(features), threshold)
            return total

        return worth

    def _best_untried(
        self,
        search: CandidateSearch,
        worth: Callable[[FloatArray], FloatArray],
        elite: FloatArray,
        chosen: FloatArray,
        n: int,
    ) -> FloatArray:
        """Return the up to n best points (m, d) that have a trial left and are not `chosen` already."""
        size = self.space.cardinality
        if size is not None and size <= ENUMERATED:
            everything = self.space.enumerate(ENUMERATED)
            points = self._densify(everything) if everything is not None else elite[:0]
            points = points[self._untried(points, chosen)]
            return points[np.argsort(-worth(points), kind="stable")[:n]] if len(points) else points
        points = search.maximise(worth, elite, n)
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
        return np.lexsort((self.log.scores, self.log.keys))

    def _features(self, dense: FloatArray) -> FloatArray:
        points = self.space.deactivate(dense)
        return np.where(self._categorical, points, self.space.to_unit(points))

    def _data(self, order: IntArray, dense: FloatArray) -> list[Data]:
        """Return what the models of the score and of each outcome constraint learn from."""
        features, scores = self._features(dense), self.log.scores[order]
        targets = half_rank(scores)
        errors, noise = self.log.std_errors[order], None
        if np.isfinite(errors).any():
            slope = _slope(scores, targets)
            noise = (np.where(np.isnan(errors), 0.0, errors) * slope) ** 2
        data = [Data(features, targets, noise)]
        if self.log.constraints is not None:
            for values in self.log.constraints[order].T:
                known = ~np.isnan(values)
                data.append(Data(features[known], standardised(values[known])[0], None))
        return data

    def _thresholds(self, order: IntArray) -> list[float]:
        """Return zero in the units of each constraint's targets."""
        if self.log.constraints is None:
            return []
        columns = (values[~np.isnan(values)] for values in self.log.constraints[order].T)
        return [standardised(values)[1] for values in columns]

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
            starts = [Hyperparameters.default(d)] if last is None or n < SURE_OF_FIT else []
            starts = starts if last is None else [last, *starts]
            fitted.append(fit(*_thinned(each, FIT_POINTS), self._categorical, starts))
        self._hyperparameters, self._fitted_at = fitted, n

    # -- state

    def _save(self) -> dict[str, Any]:
        return {
            "first": None if self._first is None else encode_array(self._first),
            "hyperparameters": [each.log_values.tolist() for each in self._hyperparameters],
            "fitted_at": self._fitted_at,
        }

    def _load(self, data: dict[str, Any]) -> None:
        self._first = None if data["first"] is None else decode_array(data["first"])
        self._hyperparameters = [Hyperparameters.from_log(np.array(v)) for v in data["hyperparameters"]]
        self._fitted_at = int(data["fitted_at"])


def _points_of_a_step(n: int) -> int:
    """Return how many of n points are taken from one model before the next one expects them."""
    return 1 if n <= FULL_BATCH else -(-n // FEW_STEPS)


def first_trials(budget: int, d: int) -> int:
    """Return how many trials come before the first model of d parameters."""
    return int(np.clip(min(2 * d + 2, budget // 5), 5, 30))


def _slope(scores: FloatArray, targets: FloatArray) -> float:
    """Return how much a target changes with its score among the better half, which is warped by a line only."""
    better = scores >= np.nanmedian(scores)
    span = float(np.ptp(scores[better]))
    return float(np.ptp(targets[better])) / span if span > 0.0 else 0.0


def _thinned(data: Data, at_most: int = MODEL_POINTS) -> Data:
    """Return at most so many points: half of them the best, the others an even choice of the rest."""
    n = len(data.targets)
    if n <= at_most:
        return data
    order = np.argsort(-data.targets, kind="stable")
    best, others = order[: at_most // 2], np.sort(order[at_most // 2 :])
    even = others[np.linspace(0, len(others) - 1, at_most - len(best)).astype(np.int64)]
    kept = np.sort(np.concatenate([best, even]))
    noise = None if data.extra_noise is None else data.extra_noise[kept]
    return Data(data.features[kept], data.targets[kept], noise)
