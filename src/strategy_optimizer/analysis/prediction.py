"""What a backtest of parameters that were not tried is likely to measure, with intervals that hold what they promise.

A model of the trials predicts a middle and a deviation. How far such predictions miss is measured on trials that the
model did not know: these are put aside in turn, a fifth at a time, and the interval is made as wide as their misses,
in deviations, were (cross-conformal prediction [1]_), among trials of which the model was about as sure. So it is right
about trials like those of the search, whatever the model is worth; where no trial is near, the deviation is all there
is to widen it.

References
----------
.. [1] Vovk (2015). Cross-conformal predictors. Annals of Mathematics and Artificial Intelligence 74.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategy_optimizer.analysis.target import (
    LEAST_TRIALS,
    SCORE,
    FloatArray,
    IntArray,
    Target,
    main_targets,
    target_of,
)
from strategy_optimizer.optimizer.surrogate import Surrogate, fit_surrogate
from strategy_optimizer.records import Trial
from strategy_optimizer.tasks import Result, TrialHistory
from strategy_optimizer.tasks.history import FAILED
from strategy_optimizer.validation.statistics import NotEnough

SHOWN = ("sharpe_ratio", "total_return", "max_drawdown", "win_rate", "trades")
LEVELS = (0.5, 0.9)
FOLDS = 5
MOST_CALIBRATED = 1000  # trials whose misses are measured
LEAST_IN_GROUP, MOST_GROUPS = 60, 4  # of them, grouped by the model's deviation
# What a metric cannot leave, whatever a model says.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "total_return": (-1.0, math.inf),
    "annual_return": (-1.0, math.inf),
    "volatility": (0.0, math.inf),
    "max_drawdown": (0.0, 1.0),
    "max_drawdown_bars": (0.0, math.inf),
    "win_rate": (0.0, 1.0),
    "profit_factor": (0.0, math.inf),
    "exposure": (0.0, 1.0),
    "turnover": (0.0, math.inf),
    "trades": (0.0, math.inf),
    "kurtosis": (1.0, math.inf),
}


@dataclass(frozen=True)
class MetricPrediction:
    """What a metric is likely to be.

    Attributes
    ----------
    value : float
        The middle of what is believed.
    half, most : tuple of float
        Intervals that hold the measured value in 50 % and in 90 % of trials like those of the search.
    explained : float
        Share of the trials' variation that the model foresees; near 0 the interval is that of any trial.
    """

    value: float
    half: tuple[float, float]
    most: tuple[float, float]
    explained: float


@dataclass(frozen=True)
class Prediction:
    """What parameters are likely to do in sample.

    Attributes
    ----------
    parameters : dict
    metrics : dict
        A `MetricPrediction` for each metric asked for, and for ``score``; a `NotEnough` where there is too little.
    failure : float or NotEnough
        The chance that the trial fails, such as for want of a trade, by what those nearby did; 0 when none failed.
    measured : Trial or None
        The trial of these very parameters, when there is one: then the predictions are its numbers.
    trials : int
        That the predictions rest on.
    """

    parameters: Mapping[str, Any]
    metrics: Mapping[str, MetricPrediction | NotEnough]
    failure: float | NotEnough
    measured: Trial | None
    trials: int


class Predictor:
    """Predicts what parameters measure, from the trials of a search.

    Models are fitted when a metric is first asked for, and kept.

    Parameters
    ----------
    source : Result or TrialHistory
    seed : int
        Divides the trials on which intervals are calibrated.

    Examples
    --------
    >>> from strategy_optimizer import optimize
    >>> result = optimize("momentum", "nasdaq", "random", evaluations=200, validate=False)
    >>> found = Predictor(result).predict(result.default_parameters | {"lookback_period": 60})
    >>> sharpe = found.metrics["sharpe_ratio"]
    >>> sharpe.most[0] < sharpe.half[0] < sharpe.value < sharpe.half[1] < sharpe.most[1]
    True
    """

    def __init__(self, source: Result | TrialHistory, *, seed: int = 0) -> None:
        self.history = source.history if isinstance(source, Result) else source
        self.seed = seed
        self._points = self.history.points
        self._keys = self.history.space.keys(self._points)
        self._targets: dict[str, Target] = {}
        self._models: dict[str, CalibratedModel | NotEnough] = {}
        self._failure: Surrogate | float | NotEnough | None = None

    @property
    def default_metrics(self) -> tuple[str, ...]:
        """What is predicted when nothing is named: what the search was for, and the usual metrics."""
        shown = [name for name in SHOWN if name in self.history.metric_names]
        return tuple(dict.fromkeys((*main_targets(self.history), *shown)))

    def predict(self, params: Mapping[str, Any], metrics: Sequence[str] | None = None) -> Prediction:
        """Return what parameters are likely to measure.

        Parameters
        ----------
        params : mapping
            All active parameters; inside the space, and feasible.
        metrics : sequence of str, optional
            Metrics, or ``score``; `default_metrics` when left out.

        Raises
        ------
        SpaceError
            The parameters do not lie in the space that was searched, naming the one.
        ObjectiveError
            An unknown metric.
        """
        space = self.history.space
        known = space.validate(params)
        point = space.from_dicts([known])
        measured = self._measured(point)
        names = self.default_metrics if metrics is None else tuple(metrics)
        found = {name: self._metric(name, point, measured) for name in names}
        return Prediction(
            parameters=known,
            metrics=found,
            failure=self._chance_of_failure(point, measured),
            measured=measured,
            trials=len(self.history) - self.history.n_failed,
        )

    def _measured(self, point: FloatArray) -> Trial | None:
        rows = np.flatnonzero(self._keys == self.history.space.keys(point)[0])
        return self.history[int(rows[0])] if len(rows) else None

    def _metric(self, name: str, point: FloatArray, measured: Trial | None) -> MetricPrediction | NotEnough:
        target = self.target(name)
        if measured is not None and measured.state == "completed":
            value = measured.score if name == SCORE else measured.metrics[name]
            if math.isfinite(value):
                return MetricPrediction(value, (value, value), (value, value), 1.0)
        model = self.model(name)
        return model if isinstance(model, NotEnough) else model.predict(point, target)[0]

    def target(self, name: str) -> Target:
        """Return what is predicted of a metric or the score."""
        if name not in self._targets:
            self._targets[name] = target_of(self.history, name)
        return self._targets[name]

    def model(self, name: str) -> CalibratedModel | NotEnough:
        """Return the calibrated model of a metric or the score."""
        if name not in self._models:
            target = self.target(name)
            # The score of a search for one metric is that metric.
            same = (other for other in self._models if _are_same(self.target(other), target))
            twin = next(same, None)
            self._models[name] = self._calibrated(target) if twin is None else self._models[twin]
        return self._models[name]

    def _calibrated(self, target: Target) -> CalibratedModel | NotEnough:
        surrogate = target.surrogate
        return surrogate if isinstance(surrogate, NotEnough) else calibrated(surrogate, target, self.seed)

    def _chance_of_failure(self, point: FloatArray, measured: Trial | None) -> float | NotEnough:
        if measured is not None:
            return float(measured.state == "failed")
        if self._failure is None:
            self._failure = self._failure_model()
        if not isinstance(self._failure, Surrogate):
            return self._failure
        return float(np.clip(self._failure.predict_mean(point)[0], 0.0, 1.0))

    def _failure_model(self) -> Surrogate | float | NotEnough:
        failed = self.history.states == FAILED
        if not failed.any() or failed.all():
            return float(failed.any())
        if len(failed) < LEAST_TRIALS:
            return NotEnough("trials", len(failed), LEAST_TRIALS)
        return fit_surrogate(self.history.space, self._points, failed.astype(np.float64), seed=self.seed)


def _are_same(first: Target, second: Target) -> bool:
    return first.minimized == second.minimized and np.array_equal(first.values, second.values, equal_nan=True)


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """A surrogate, and how many deviations its predictions miss by.

    Attributes
    ----------
    surrogate : Surrogate
        Of the gains: larger is better.
    edges : array (g - 1,)
        Deviations, straightened, that divide the calibrated trials into groups of equal size.
    misses : list of g arrays
        Signed misses in deviations of the trials of each group, in rising order, by models that did not know them.
    explained : float
    """

    surrogate: Surrogate
    edges: FloatArray
    misses: list[FloatArray]
    explained: float

    def predict(self, points: FloatArray, target: Target) -> list[MetricPrediction]:
        """Return predictions of points (n, d), in the units of the target."""
        mean, deviation = self.surrogate.predict_straight(points)
        group = np.searchsorted(self.edges, deviation)
        half, most = (self._ends(mean, deviation, group, level, target) for level in LEVELS)
        low, high = BOUNDS.get(target.name, (-math.inf, math.inf))
        middle = np.clip(target.sign * self.surrogate.restore(mean), low, high)
        return [
            MetricPrediction(float(value), _pair(half, i), _pair(most, i), self.explained)
            for i, value in enumerate(middle)
        ]

    def _ends(
        self, mean: FloatArray, deviation: FloatArray, group: IntArray, level: float, target: Target
    ) -> FloatArray:
        """Return both ends (2, n) of the interval that holds a share `level` of what is measured."""
        widths = np.array([_tails(misses, level) for misses in self.misses])[group]
        ends = target.sign * self.surrogate.restore(mean[:, None] + widths * deviation[:, None])
        return np.clip(np.sort(ends, axis=1), *BOUNDS.get(target.name, (-math.inf, math.inf))).T


def _pair(ends: FloatArray, i: int) -> tuple[float, float]:
    return float(ends[0, i]), float(ends[1, i])


def _tails(misses: FloatArray, level: float) -> tuple[float, float]:
    """Return the misses, of sorted ones (k,), between which a further one lies with the probability `level`."""
    n = len(misses)
    # The next one is below the k-th of n with the probability k / (n + 1).
    k = max(math.floor(0.5 * (1.0 - level) * (n + 1) + 1e-9), 1)
    lower, upper = misses[k - 1], misses[n - k]
    return float(lower), float(upper)


def calibrated(surrogate: Surrogate, target: Target, seed: int = 0) -> CalibratedModel:
    """Return a surrogate with the misses of models like it on trials that these did not know.

    The trials are grouped by their deviation: where the search crowded a model misses by other multiples of it than
    far from all trials.
    """
    rows = np.random.default_rng(seed).permutation(target.known)
    misses, deviations = [], []
    for fold in range(FOLDS):
        held = rows[fold::FOLDS]
        others = np.setdiff1d(target.known, held)
        # It knows the same share of its trials: knowing more, it would miss by less.
        most = len(surrogate.rows) * len(others) // len(rows)
        model = surrogate.refitted(target.points[others], target.gains[others], seed=seed, most=most)
        tested = held[: MOST_CALIBRATED // FOLDS]
        mean, deviation = model.predict_straight(target.points[tested])
        misses.append((model.straighten(target.gains[tested]) - mean) / deviation)
        deviations.append(deviation)
    together, width = np.concatenate(misses), np.concatenate(deviations)
    n_groups = int(np.clip(len(together) // LEAST_IN_GROUP, 1, MOST_GROUPS))
    edges = np.quantile(width, np.arange(1, n_groups) / n_groups)
    group = np.searchsorted(edges, width)
    return CalibratedModel(
        surrogate, edges, [np.sort(together[group == g]) for g in range(n_groups)], surrogate.explained
    )


def predict(
    source: Result | TrialHistory,
    params: Mapping[str, Any],
    metrics: Sequence[str] | None = None,
    *,
    seed: int = 0,
) -> Prediction:
    """Return what parameters are likely to measure; for many of them keep a `Predictor`.

    See `Predictor.predict`.
    """
    return Predictor(source, seed=seed).predict(params, metrics)
