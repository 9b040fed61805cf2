"""What is believed after some trials: a model of each objective and of each outcome constraint, and what to beat."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from strategy_optimizer.optimizer.bayes.acquisition import log_expected_improvement, log_probability_above
from strategy_optimizer.optimizer.bayes.gaussian_process import GaussianProcess
from strategy_optimizer.optimizer.bayes.hypervolume_improvement import (
    boxes_above,
    log_expected_hypervolume_improvement,
)
from strategy_optimizer.optimizer.bayes.warping import half_rank, standardised
from strategy_optimizer.optimizer.history import BoolArray, FloatArray, IntArray
from strategy_optimizer.optimizer.pareto.sorting import is_non_dominated

MODEL_POINTS = 512  # the most that a model knows
CONFIDENCE = 2.0  # standard deviations
LARGEST_ERROR = (
    1e6  # told standard errors count as this at most, in deviations of the targets: infinite ones too
)
REFERENCE_MARGIN = 0.1  # the hypervolume's reference lies below the front by this share of its range


class Data(NamedTuple):
    """What one model learns from."""

    features: FloatArray  # (n, d)
    targets: FloatArray  # (n,) standardised
    extra_noise: FloatArray | None  # (n,) known variances, in units of the targets

    def thinned(self, at_most: int = MODEL_POINTS) -> Data:
        """Return at most so many points: half of them the best, the others an even choice of the rest."""
        return self if len(self.targets) <= at_most else self.take(self.kept(at_most))

    def take(self, rows: IntArray) -> Data:
        """Return some of the points."""
        noise = None if self.extra_noise is None else self.extra_noise[rows]
        return Data(self.features[rows], self.targets[rows], noise)

    def kept(self, at_most: int) -> IntArray:
        """Return which points `thinned` returns, in their order."""
        n = len(self.targets)
        if n <= at_most:
            return np.arange(n)
        order = np.argsort(-self.targets, kind="stable")
        best, others = order[: at_most // 2], np.sort(order[at_most // 2 :])
        even = others[np.linspace(0, len(others) - 1, at_most - len(best)).astype(np.int64)]
        return np.sort(np.concatenate([best, even]))


class Regret(NamedTuple):
    """How much better than the best trial a point may be, and what one trial can tell of it; in scores."""

    bound: float
    noise: float  # standard deviation of one trial


class Belief(NamedTuple):
    """Models of the objectives and of the outcome constraints."""

    score_models: list[GaussianProcess]  # one an objective
    margin_models: list[GaussianProcess]  # one an outcome constraint
    thresholds: list[float]  # of the margins, in the units of their targets
    front: FloatArray | None  # (k, m) targets to improve on, None before a feasible trial
    reference: FloatArray  # (m,) the worst targets that add to the hypervolume; not used with one objective
    elite: FloatArray  # (k, d) dense points, best first
    spread: FloatArray  # (k, d) dense points, the best ones of different regions, best first
    scores: FloatArray  # (n, m) NaN where failed
    targets: FloatArray  # (n, m) what the scores became

    def expecting(self, features: FloatArray) -> Belief:
        """Return the belief once trials at features (k, d) came out as expected."""
        score_models = [model.expecting(features) for model in self.score_models]
        expected = np.column_stack([model.scores[-len(features) :] for model in score_models])
        return self._replace(
            score_models=score_models,
            margin_models=[model.expecting(features) for model in self.margin_models],
            # What is expected already is no improvement: or all would go to one place.
            front=None if self.front is None else np.concatenate([self.front, expected]),
        )

    def acquisition(self) -> Callable[[FloatArray], FloatArray]:
        """Return the function of features (n, d) that says what a trial there is worth, a logarithm (n,)."""
        improvement = self._improvement()

        def worth(features: FloatArray) -> FloatArray:
            total = np.zeros(len(features)) if improvement is None else improvement(features)
            for model, threshold in zip(self.margin_models, self.thresholds, strict=True):
                total += log_probability_above(*model.predict(features), threshold)
            return total

        return worth

    def _improvement(self) -> Callable[[FloatArray], FloatArray] | None:
        if self.front is None:
            return None
        if len(self.score_models) == 1:
            model, best = self.score_models[0], float(self.front.max())
            return lambda features: log_expected_improvement(*model.predict(features), best)
        boxes = boxes_above(self.front, self.reference)

        def improvement(features: FloatArray) -> FloatArray:
            means, deviations = zip(*(model.predict(features) for model in self.score_models), strict=True)
            return log_expected_hypervolume_improvement(
                np.column_stack(means), np.column_stack(deviations), boxes
            )

        return improvement

    def optimism(self) -> Callable[[FloatArray], FloatArray]:
        """Return the function of features (n, d) that says how good the only objective may be there, a target (n,)."""
        model = self.score_models[0]

        def upper(features: FloatArray) -> FloatArray:
            mean, deviation = model.predict(features)
            return np.asarray(mean + CONFIDENCE * deviation)

        return upper

    def regret(self, highest: float) -> Regret:
        """Return how much `highest`, a target, lies above what the best trial is at least believed to be worth."""
        model = self.score_models[0]
        mean, deviation = model.predict(model.features)
        certain = mean - CONFIDENCE * deviation
        row = int(np.argmax(certain))
        known = 0.0 if model.extra_noise is None else float(model.extra_noise[row])
        noise = float(np.sqrt(model.scale * (model.hyperparameters.noise + known)))
        to_score = 1.0 / (_slope(self.scores[:, 0], self.targets[:, 0]) or 1.0)
        return Regret(to_score * (highest - float(certain[row])), to_score * noise)

    def target_of(self, score: float) -> float:
        """Return the target that stands for a score of the only objective, between those of the trials beside it."""
        scores, targets = self.scores[:, 0], self.targets[:, 0]
        known = ~np.isnan(scores)
        order = np.argsort(scores[known], kind="stable")
        return float(np.interp(score, scores[known][order], targets[known][order]))


def score_data(
    features: FloatArray, scores: FloatArray, std_errors: FloatArray, may_win: BoolArray
) -> list[Data]:
    """Return what the models of the scores (n, m) learn from; told standard errors (n, m) become known noise."""
    found = []
    front = _front_of(scores[may_win]) if scores.shape[1] > 1 else None
    for j, (column, errors) in enumerate(zip(scores.T, std_errors.T, strict=True)):
        # Every trade-off of a front matters, its bad end too: only what is worse than all of it goes by rank.
        targets = half_rank(column, None if front is None else float(front[:, j].min()))
        found.append(Data(features, targets, _known_noise(errors, _slope(column, targets))))
    return found


def _known_noise(errors: FloatArray, slope: float) -> FloatArray | None:
    """Return the variances of targets (n,) whose scores have standard errors, NaN for none; None where none has."""
    if np.isnan(errors).all():
        return None
    most = LARGEST_ERROR / slope if slope > 0.0 else 0.0
    return (np.minimum(np.where(np.isnan(errors), 0.0, errors), most) * slope) ** 2


def margin_data(
    features: FloatArray, margins: FloatArray | None, hopeless: BoolArray
) -> tuple[list[Data], list[float]]:
    """Return what the models of the margins (n, k) learn from, and what their zeros became.

    Margins that are NaN in trials that are `hopeless` (n,), told and infinitely far from feasible, are as low as can
    be; elsewhere they are not known. One of which none is known has no model.
    """
    found, thresholds = [], []
    for told in () if margins is None else margins.T:
        column = np.where(np.isnan(told) & hopeless, -np.inf, told)
        known = ~np.isnan(column)
        if not known.any():
            continue
        targets, threshold = standardised(column[known])
        found.append(Data(features[known], targets, None))
        thresholds.append(threshold)
    return found, thresholds


def hypervolume_reference(front: FloatArray) -> FloatArray:
    """Return the worst targets that count, (m,): a little worse than the front (k, m), or than the mean of all.

    While the front is short, a trial that only extends it would otherwise be worth nothing.
    """
    nadir = front.min(axis=0)
    return np.asarray(np.minimum(nadir - REFERENCE_MARGIN * np.ptp(front, axis=0), 0.0))


def _front_of(scores: FloatArray) -> FloatArray | None:
    """Return the scores that no other ones beat, (k, m); None of none."""
    return scores[is_non_dominated(scores)] if len(scores) else None


def _slope(scores: FloatArray, targets: FloatArray) -> float:
    """Return how much a target changes with its score among the better half, which is warped by a line only."""
    better = scores >= np.nanmedian(scores)
    span = float(np.ptp(scores[better]))
    return min(float(np.ptp(targets[better])) / span, sys.float_info.max) if span > 0.0 else 0.0
