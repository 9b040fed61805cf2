"""Learns models from the log of a search, and what is to be believed after them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from strategy_optimizer.optimizer.bayes.belief import (
    MODEL_POINTS,
    Belief,
    Data,
    hypervolume_reference,
    margin_data,
    score_data,
)
from strategy_optimizer.optimizer.bayes.candidates import far_apart
from strategy_optimizer.optimizer.bayes.gaussian_process import (
    EXACT_LENGTHS,
    NOISY_LENGTHS,
    GaussianProcess,
    Hyperparameters,
    LengthPrior,
    fit,
)
from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray, KeyArray, TrialLog
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated
from strategy_optimizer.optimizer.pareto.survival import crowding_survivors
from strategy_optimizer.optimizer.points import with_defaults
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.threads import in_one_thread

FIT_POINTS = 256  # the most that hyperparameters are fitted to
REFIT_GROWTH = 1.2  # more trials by this factor before the hyperparameters are fitted again
SURE_OF_FIT = 60  # trials from which a fit starts only where the last one ended
ELITE = 24  # best trials from which candidates descend
SPREAD_FROM = 30  # trials from which candidates at times descend from good trials of different regions
GAP = 0.15  # that these are apart in at least one parameter, a share of its range


class Learning:
    """Makes models of a log; their hyperparameters are kept from one time to the next.

    Parameters
    ----------
    space : ParameterSpace
        Where the points come from.
    free : ParameterSpace
        The same without conditions and constraints.
    n_objectives : int
        Scores per trial, m.

    Attributes
    ----------
    fitted_at : int
        Trials told when the hyperparameters were fitted.
    """

    def __init__(self, space: ParameterSpace, free: ParameterSpace, n_objectives: int) -> None:
        self._space = space
        self._free = free
        self._n_objectives = n_objectives
        self._categorical = space.kinds == 2
        self._hyperparameters: list[Hyperparameters] = []  # of the score's model and those of the constraints
        self.fitted_at = 0

    def save(self) -> dict[str, Any]:
        """Return the hyperparameters, as JSON values."""
        return {
            # Not their logarithms: these do not always give the same bits again.
            "hyperparameters": [[*each.lengths.tolist(), each.noise] for each in self._hyperparameters],
            "fitted_at": self.fitted_at,
        }

    def load(self, data: Mapping[str, Any]) -> None:
        """Take back what `save` returned."""
        self._hyperparameters = [
            Hyperparameters(np.array(lengths), noise) for *lengths, noise in data["hyperparameters"]
        ]
        self.fitted_at = int(data["fitted_at"])

    def features(self, dense: FloatArray) -> FloatArray:
        """Return what the models see of dense points (n, d): unit coordinates, choices by index."""
        points = self._space.deactivate(dense)
        return np.where(self._categorical, points, self._space.to_unit(points))

    def belief(self, log: TrialLog, competing: BoolArray, noisy: bool) -> Belief:
        """Return what is believed after the trials of a log; candidates descend from those `competing`, (n,)."""
        order = self._order(log)
        dense, violations = with_defaults(self._space, log.points[order]), log.violations[order]
        features, scores = self.features(dense), self._table(log.scores[order])
        may_win = (violations <= 0.0) & ~np.isnan(scores[:, 0])
        data = score_data(features, scores, self._table(log.std_errors[order]), may_win)
        margins = None if log.constraints is None else log.constraints[order]
        hopeless = np.isposinf(violations) & ~np.isnan(scores[:, 0])
        constraints, thresholds = margin_data(features, margins, hopeless)
        self._fit(len(log), [*data, *constraints], noisy)
        models = [
            GaussianProcess(*each.thinned(), self._categorical, hyperparameters)
            for each, hyperparameters in zip([*data, *constraints], self._hyperparameters, strict=True)
        ]
        m = self._n_objectives
        targets = np.column_stack([each.targets for each in data])
        competing = competing[order]
        to_beat = may_win & competing
        front = self._front(models[:m], features[to_beat], targets[to_beat], noisy)
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

    @in_one_thread
    def believed_scores(self, log: TrialLog) -> FloatArray:
        """Return what is believed of each trial's score, a target (n,): NaN where it failed or is left out.

        The model is fitted for this once, so it does not depend on when it is looked at.
        """
        order = self._order(log)
        features = self.features(with_defaults(self._space, log.points[order]))
        scores, errors = self._table(log.scores[order]), self._table(log.std_errors[order])
        may_win = log.violations[order] <= 0.0
        data = score_data(features, scores, errors, may_win)[0]
        start = Hyperparameters.default(self._space.n_dims, EXACT_LENGTHS)
        fitted = fit(*data.thinned(FIT_POINTS), self._categorical, [start], EXACT_LENGTHS)
        # Of many the best are kept that may win: others may score higher.
        kept = data._replace(targets=np.where(may_win, data.targets, data.targets - 10.0)).kept(MODEL_POINTS)
        means = np.full(len(log), np.nan)
        means[order[kept]] = GaussianProcess(*data.take(kept), self._categorical, fitted).own_means()
        return _mean_of_each_point(np.where(np.isnan(log.scores), np.nan, means), log.keys)

    def _table(self, scores: FloatArray) -> FloatArray:
        """Return scores as (n, m), also with one objective."""
        return scores.reshape(-1, self._n_objectives)

    def _best_first(self, targets: FloatArray, violations: FloatArray) -> IntArray:
        """Return the trials from which candidates descend, the best first: feasible ones before the others."""
        if self._n_objectives > 1:
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
        self, models: list[GaussianProcess], features: FloatArray, targets: FloatArray, noisy: bool
    ) -> FloatArray | None:
        """Return the targets to improve on, (k, m), of the trials that may win: the models' own where they are noisy.

        A backtest gives the same score again, so its best trial is no luck. Of noisy trials the best one mostly is.
        """
        if len(targets) == 0:
            return None
        if noisy:
            targets = np.column_stack([model.predict_mean(features) for model in models])
        return targets[is_non_dominated(targets)]

    def _order(self, log: TrialLog) -> IntArray:
        """Return the log's trials in an order that does not depend on how they were told: sums must not either."""
        # Trials of one point may have the same score and be told with other errors and margins.
        margins = () if log.constraints is None else log.constraints.T
        scores, errors = self._table(log.scores).T, self._table(log.std_errors).T
        return np.lexsort((*margins, *errors, *scores, log.keys))

    def _fit(self, n: int, data: list[Data], noisy: bool) -> None:
        """Fit the hyperparameters anew where n trials are enough new to learn from."""
        d, lengths = self._space.n_dims, _lengths(noisy)
        stale = n >= max(self.fitted_at + 1, REFIT_GROWTH * self.fitted_at)
        if len(self._hyperparameters) == len(data) and not stale:
            return
        old: list[Hyperparameters | None] = [*self._hyperparameters]
        old += [None] * (len(data) - len(old))
        fitted = []
        for each, last in zip(data, old, strict=True):
            starts = [Hyperparameters.default(d, lengths)] if last is None or n < SURE_OF_FIT else []
            starts = starts if last is None else [last, *starts]
            fitted.append(fit(*each.thinned(FIT_POINTS), self._categorical, starts, lengths))
        self._hyperparameters, self.fitted_at = fitted, n


def _lengths(noisy: bool) -> LengthPrior:
    """Return what is believed of the length scales before any data."""
    return NOISY_LENGTHS if noisy else EXACT_LENGTHS


def _mean_of_each_point(values: FloatArray, keys: KeyArray) -> FloatArray:
    """Return the mean of the values (n,) of each point, by its key (n,); NaN where all of them are."""
    _, index = np.unique(keys, return_inverse=True)
    known = ~np.isnan(values)
    counts = np.bincount(index[known], minlength=index.max() + 1)[index]
    sums = np.bincount(index[known], values[known], minlength=index.max() + 1)[index]
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
