"""A model of values that were measured at some points of a space: what they are likely to be anywhere else.

It is the Gaussian process of Bayesian optimisation, given the values as they are. Metrics of backtests have heavy
tails, which would ruin the rest: beyond `SOFT` spreads from the median a value counts by the logarithm of its
distance. The model lives in these straightened values, and its answers are brought back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from strategy_optimizer.errors import SearchError
from strategy_optimizer.optimizer.bayes.gaussian_process import (
    EXACT_LENGTHS,
    BoolArray,
    GaussianProcess,
    Hyperparameters,
    fit,
)
from strategy_optimizer.optimizer.bayes.kernel import cross_correlation
from strategy_optimizer.optimizer.history import FloatArray, IntArray
from strategy_optimizer.space import ParameterSpace
from strategy_optimizer.threads import in_one_thread

LEAST_VALUES = 5  # the fewest that a surrogate is fitted to
MOST_POINTS = 768  # that a surrogate knows: its time grows with their cube
MOST_SEARCHED = 4000  # points among which those far from all others are looked for
FIT_POINTS = 256  # of them its length scales are fitted to
SOFT = 2.0  # spreads from the median where a tail begins
_AT_ONCE = 4096  # points that are predicted together
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class Straightening:
    """A rising function that draws heavy tails in, and its inverse.

    Attributes
    ----------
    middle, spread : float
        Where the values lie and how wide; a spread of 0 says that they are all the same.
    lowest, highest : float
        The straightened values that were seen; what is brought back stays within one spread of them.
    """

    middle: float
    spread: float
    lowest: float = -np.inf
    highest: float = np.inf

    @classmethod
    def of(cls, values: FloatArray) -> Straightening:
        """Return the one for finite values (n,)."""
        middle = float(np.median(values))
        away = np.abs(values - middle)
        spread = float(np.quantile(away, 0.75))
        if spread <= 1e-12 * float(away.max()):  # nearly all are the same
            spread = float(values.std())
        if spread <= 1e-12 * abs(middle):
            return cls(middle, 0.0)
        straight = cls(middle, spread).apply(values)
        return cls(middle, spread, float(straight.min()), float(straight.max()))

    def apply(self, values: FloatArray) -> FloatArray:
        """Return straightened values; in units of the spread, 0 for the median.

        >>> Straightening(10.0, 2.0).apply(np.array([8.0, 10.0, 14.0])).tolist()
        [-1.0, 0.0, 2.0]
        """
        if self.spread == 0.0:
            return np.zeros_like(values)
        scaled = (values - self.middle) / self.spread
        beyond = np.maximum(np.abs(scaled) - SOFT, 0.0)
        return np.asarray(np.where(beyond > 0.0, np.sign(scaled) * (SOFT + np.log1p(beyond)), scaled))

    def invert(self, straight: FloatArray) -> FloatArray:
        """Return the values that `apply` makes these of."""
        kept = np.clip(straight, self.lowest - 1.0, self.highest + 1.0)
        beyond = np.maximum(np.abs(kept) - SOFT, 0.0)
        scaled = np.where(beyond > 0.0, np.sign(kept) * (SOFT + np.expm1(beyond)), kept)
        return np.asarray(self.middle + self.spread * scaled)


class Surrogate:
    """What is believed of values at points of a space; `fit_surrogate` makes one.

    Attributes
    ----------
    space : ParameterSpace
    n_values : int
        How many values it was offered, failed ones left out.
    rows : array of int
        Rows of the offered points that it knows.
    """

    def __init__(
        self,
        space: ParameterSpace,
        model: GaussianProcess,
        straightening: Straightening,
        scale: tuple[float, float],
        rows: IntArray,
        n_values: int,
    ) -> None:
        self.space = space
        self.rows = rows
        self.n_values = n_values
        self._model = model
        self._straightening = straightening
        self._mean, self._deviation = scale  # of the straightened values

    @in_one_thread
    def predict(self, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (n,) of what a trial at each point would measure.

        Parameters
        ----------
        points : array-like
            (n, d) as everywhere: natural units, categories by index, NaN where inactive.

        Notes
        -----
        The deviation holds the roughness of the landscape too, which the model takes for noise.
        """
        mean, deviation = self.predict_straight(points)
        values = self._straightening.invert(mean[:, None] + deviation[:, None] * _NODES)
        means = values @ _WEIGHTS
        return means, np.sqrt(np.maximum((values - means[:, None]) ** 2 @ _WEIGHTS, 0.0))

    @in_one_thread
    def predict_mean(self, points: ArrayLike) -> FloatArray:
        """Return the middle (n,) of what is believed, many times faster than `predict`."""
        features = features_of(self.space, points)
        parts = [self._model.predict_mean(part) for part in _in_parts(features)]
        return self._straightening.invert(self._mean + self._deviation * np.concatenate(parts))

    @in_one_thread
    def likeness(self, points: ArrayLike, others: ArrayLike) -> FloatArray:
        """Return how much the value at each of points (n, d) tells of that at others (m, d): correlations (n, m).

        A parameter that does not matter to the values sets no two points apart.
        """
        model = self._model
        found = np.empty((len(np.atleast_2d(points)), len(np.atleast_2d(others))))
        features = features_of(self.space, points), features_of(self.space, others)
        cross_correlation(*features, model.weights, model.categorical, found)
        return found

    def straighten(self, values: ArrayLike) -> FloatArray:
        """Return values (n,) with their heavy tails drawn in, as the model sees them: fit for means and squares."""
        return self._straightening.apply(np.asarray(values, np.float64))

    def restore(self, straight: ArrayLike) -> FloatArray:
        """Return the values (n,) that straightened ones stand for."""
        return self._straightening.invert(np.asarray(straight, np.float64))

    @cached_property
    @in_one_thread
    def explained(self) -> float:
        """Share of the variation of the straightened values it knows that it foresees, each from all others.

        1 is perfect; 0 and below say that the mean of all would foresee no less.
        """
        known = self._model.scores
        total = float(np.sum((known - known.mean()) ** 2))
        if total == 0.0:
            return 0.0
        return 1.0 - float(np.sum((known - self._model.leave_one_out()[0]) ** 2)) / total

    @in_one_thread
    def refitted(
        self, points: ArrayLike, values: ArrayLike, *, seed: int = 0, most: int = MOST_POINTS
    ) -> Surrogate:
        """Return a surrogate of other values with the length scales of this one, many times faster than a new fit."""
        rng = np.random.default_rng(seed)
        return _built(self.space, points, values, most, rng, lambda *_: self._model.hyperparameters)

    @in_one_thread
    def predict_straight(self, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation (n,) of what a trial at each point would measure, straightened.

        Here the belief is a normal distribution; a heavy tail makes that of `predict` lopsided.
        """
        features = features_of(self.space, points)
        parts = [self._model.predict_trial(part) for part in _in_parts(features)]
        mean, deviation = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self._mean + self._deviation * mean, self._deviation * deviation


@in_one_thread
def fit_surrogate(
    space: ParameterSpace,
    points: ArrayLike,
    values: ArrayLike,
    *,
    seed: int = 0,
    most: int = MOST_POINTS,
) -> Surrogate:
    """Fit a surrogate to values measured at points.

    Parameters
    ----------
    space : ParameterSpace
        May have categorical and conditional parameters and constraints.
    points : array-like
        (n, d) canonical: natural units, categories by index, NaN where inactive.
    values : array-like
        (n,) one metric or score, larger is better (turn it round otherwise: the best values are known most
        closely). What is not finite counts as failed and is left out.
    seed : int
        Draws points where there are many: which are known, and to which the length scales are fitted.
    most : int
        The surrogate knows at most so many: a third of them the best, a third drawn, a third far from all others.

    Raises
    ------
    SearchError
        Fewer than `LEAST_VALUES` values are finite.

    Examples
    --------
    >>> space = ParameterSpace("hill").add_parameter("x", "continuous", (0.0, 10.0))
    >>> x = np.linspace(0.0, 10.0, 21)[:, None]
    >>> surrogate = fit_surrogate(space, x, -((x[:, 0] - 4.0) ** 2))
    >>> mean, deviation = surrogate.predict([[4.2], [8.6]])
    >>> mean.round().tolist(), bool((deviation < 1.0).all())
    ([-0.0, -21.0], True)
    """
    rng = np.random.default_rng(seed)
    categorical = space.kinds == 2

    def fitted(features: FloatArray, targets: FloatArray) -> Hyperparameters:
        return _fitted(features, targets, categorical, rng)

    return _built(space, points, values, most, rng, fitted)


def _built(
    space: ParameterSpace,
    points: ArrayLike,
    values: ArrayLike,
    most: int,
    rng: np.random.Generator,
    hyperparameters: Callable[[FloatArray, FloatArray], Hyperparameters],
) -> Surrogate:
    """Return the surrogate of values whose length scales `hyperparameters` gives for features and targets."""
    values = np.asarray(values, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < LEAST_VALUES:
        raise SearchError(f"a surrogate needs {LEAST_VALUES} values, found {len(known)} that are finite")
    features = features_of(space, np.asarray(points, np.float64)[known])
    categorical = space.kinds == 2
    chosen = _chosen(features, values[known], categorical, most, rng)
    straightening = Straightening.of(values[known])
    straight = straightening.apply(values[known][chosen])
    mean, deviation = float(straight.mean()), float(straight.std())
    targets, features = (straight - mean) / (deviation or 1.0), features[chosen]
    model = GaussianProcess(features, targets, None, categorical, hyperparameters(features, targets))
    return Surrogate(space, model, straightening, (mean, deviation), known[chosen], len(known))


def features_of(space: ParameterSpace, points: ArrayLike) -> FloatArray:
    """Return unit coordinates (n, d), the index of a choice, NaN where inactive: what `bayes.kernel` compares."""
    points = np.atleast_2d(np.asarray(points, np.float64))
    return np.where(space.kinds == 2, points, space.to_unit(points))


def _fitted(
    features: FloatArray, targets: FloatArray, categorical: BoolArray, rng: np.random.Generator
) -> Hyperparameters:
    rows = np.arange(len(targets))
    if len(rows) > FIT_POINTS:
        rows = np.sort(rng.choice(rows, FIT_POINTS, replace=False))
    start = Hyperparameters.default(features.shape[1], EXACT_LENGTHS)
    return fit(features[rows], targets[rows], None, categorical, [start], EXACT_LENGTHS)


def _chosen(
    features: FloatArray, values: FloatArray, categorical: BoolArray, most: int, rng: np.random.Generator
) -> IntArray:
    """Return the rows that are known, in rising order: a third the best, a third drawn, a third far from all others.

    The drawn ones lie where trials are dense, so that the model is no worse there than it is elsewhere.
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    order = np.argsort(-values, kind="stable")
    n_each = most // 3
    drawn = n_each + rng.choice(n - n_each, n_each, replace=False)
    order = np.concatenate([order[:n_each], order[drawn], np.delete(order, np.r_[:n_each, drawn])])
    taken, others = order[: 2 * n_each], order[2 * n_each :]
    if len(others) > MOST_SEARCHED:
        others = rng.choice(others, MOST_SEARCHED, replace=False)
    far = farthest(features[others], features[taken], categorical, most - len(taken))
    return np.sort(np.concatenate([taken, others[far]]))


def farthest(features: FloatArray, taken: FloatArray, categorical: BoolArray, n: int) -> IntArray:
    """Return n rows of features (m, d), each the farthest from those `taken` (k, d) and from all before it."""
    weights = np.ones(features.shape[1])
    likeness = np.empty((len(features), len(taken)))  # falls with the distance
    cross_correlation(features, taken, weights, categorical, likeness)
    nearest, column = likeness.max(axis=1, initial=0.0), np.empty((len(features), 1))
    rows = np.empty(n, np.int64)
    for i in range(n):
        rows[i] = int(np.argmin(nearest))
        cross_correlation(features, features[rows[i] : rows[i] + 1], weights, categorical, column)
        np.maximum(nearest, column[:, 0], out=nearest)
    return rows


def _in_parts(features: FloatArray) -> list[FloatArray]:
    """Return the rows in parts that fit into memory with their correlations; at least one part."""
    return [features[i : i + _AT_ONCE] for i in range(0, max(len(features), 1), _AT_ONCE)]
