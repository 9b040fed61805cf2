"""How much of a metric is left when the parameters are a little off: plateau or isolated peak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.result import metric_column
from strategy_optimizer.space.checks import Value
from strategy_optimizer.validation.robustness.perturbed_points import PerturbedPoints, perturbed_points
from strategy_optimizer.validation.robustness.subject import Subject
from strategy_optimizer.validation.statistics.not_enough import FloatArray, NotEnough, require

QUANTILE = 0.10
ISOLATED_BELOW = 0.7
LEAST_NEIGHBOURS = 10  # for the 10 % quantile over all of them
LEAST_BOX = 50
_AT_ONCE = 32  # trials between two reports of progress

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Neighbour:
    """A candidate near the one examined, and its metric."""

    parameters: dict[str, Value]
    value: float


@dataclass(frozen=True)
class Plateau:
    """What is left of a metric around a point.

    Attributes
    ----------
    at_point : float or NotEnough
        The metric at the point.
    lower_quantile : float or NotEnough
        The 10 % quantile of the metric around the point (an observed value).
    robustness_ratio : float or NotEnough
        `lower_quantile` over `at_point`; not defined unless `at_point` is above 0. Can be negative.
    worst : Neighbour or NotEnough
        The worst neighbour that has the metric.
    neighbours, infeasible, failed : int
        Evaluated; left out because they violate a constraint; and evaluated without the metric, such as the
        Sharpe ratio where no trade was made. The failed ones count as worse than all others.
    """

    at_point: float | NotEnough
    lower_quantile: float | NotEnough
    robustness_ratio: float | NotEnough
    worst: Neighbour | NotEnough
    neighbours: int
    infeasible: int
    failed: int

    @property
    def is_isolated_peak(self) -> bool:
        """Whether less than 0.7 of the metric is left, or so many neighbours fail that nothing is.

        A warning, never a gate: plateaus tell little of the future by themselves.
        """
        if isinstance(self.robustness_ratio, NotEnough):
            return self.neighbours > 0 and self.failed >= QUANTILE * self.neighbours
        return self.robustness_ratio < ISOLATED_BELOW


@dataclass(frozen=True)
class ParameterPerturbation:
    """Plateaus along each active parameter, and around all of them together.

    Attributes
    ----------
    metric : str
    by_parameter : dict
        One parameter moved alone: a step, 5 % and 10 % of its range, or every other choice.
    overall : Plateau
        All of those, and Sobol points of the box of 10 % around the point.
    """

    metric: str
    by_parameter: dict[str, Plateau]
    overall: Plateau

    @property
    def trials(self) -> int:
        """Candidates that were evaluated."""
        return self.overall.neighbours


def parameter_perturbation(
    subject: Subject,
    *,
    metric: str = "sharpe_ratio",
    n_box: int = 64,
    most_trials: int | None = None,
    seed: int = 0,
    advance: Advance | None = None,
) -> ParameterPerturbation:
    """Evaluate a candidate's neighbours in the parameter space.

    Parameters
    ----------
    subject : Subject
    metric : str
        One where more is better.
    n_box : int
        Points of the box around the point, at least 50 unless `most_trials` leaves fewer. In spaces with few
        values there may be fewer; a point counts once.
    most_trials : int, optional
        Cap on the neighbours; half of it goes to single moves, the shortest first, so that each parameter keeps
        its single step longest.
    seed : int
        Shifts the Sobol sequence.
    advance : callable, optional
        Called with the number of trials done since the last call.

    Raises
    ------
    BacktestError
        When there is no such metric.
    StatisticsError
        When less of the metric is better, since a ratio of it means nothing, or `n_box` is too small.

    Examples
    --------
    >>> from strategy_optimizer import get_strategy, load_bars
    >>> subject = Subject(get_strategy("momentum"), {}, load_bars("nasdaq"))
    >>> found = parameter_perturbation(subject, metric="total_return")
    >>> found.overall.is_isolated_peak, found.overall.neighbours
    (True, 86)
    """
    from strategy_optimizer.objective.directions import TURNED  # loads every optimizer

    column = metric_column(metric)
    require(metric not in TURNED, "metric", metric, "one where more is better")
    require(n_box >= LEAST_BOX, "n_box", n_box, f"at least {LEAST_BOX}")
    near = near_points(subject, n_box, seed)
    if most_trials is not None:
        near = near.first(most_trials)
    candidates = _candidates(subject, near.points)
    values = _evaluate(subject, candidates, column, advance)
    at_point = subject.result.metrics[metric]

    def plateau(rows: NDArray[np.bool_], infeasible: int, least: int) -> Plateau:
        picked = np.flatnonzero(rows)
        return _plateau(at_point, values[picked], [candidates[i] for i in picked], infeasible, least)

    by_parameter = {
        name: plateau(near.columns == i, int(near.infeasible[i]), 1)
        for i, name in enumerate(subject.searched.names)
        if not np.isnan(subject.point[i])
    }
    everywhere = np.ones(len(values), np.bool_)
    return ParameterPerturbation(
        metric, by_parameter, plateau(everywhere, int(near.infeasible.sum()), LEAST_NEIGHBOURS)
    )


def near_points(subject: Subject, n_box: int, seed: int) -> PerturbedPoints:
    """Return the points around the candidate that the searched space and the strategy both allow."""
    near = perturbed_points(subject.searched, subject.point, n_box, seed)
    return _in_own_space(subject, near) if subject.space is not None else near


def _candidates(subject: Subject, points: FloatArray) -> list[dict[str, Value]]:
    """Return the points as parameters of the strategy; those that the space leaves out stay as they are."""
    return [{**subject.candidate, **moved} for moved in subject.searched.to_dicts(points)]


def _in_own_space(subject: Subject, near: PerturbedPoints) -> PerturbedPoints:
    """Take away what violates a constraint of the strategy that the searched space does not have."""
    own, defaults = subject.evaluator.space, subject.evaluator.space.parameters
    filled = [
        {**{name: p.default_value for name, p in defaults.items()}, **candidate}
        for candidate in _candidates(subject, near.points)
    ]
    allowed = own.is_feasible(own.from_dicts(filled)) if filled else np.ones(0, np.bool_)
    refused = np.bincount(near.columns[~allowed] % len(near.infeasible), minlength=len(near.infeasible))
    return PerturbedPoints(near.points[allowed], near.columns[allowed], near.infeasible + refused)


def _evaluate(
    subject: Subject, candidates: list[dict[str, Value]], column: int, advance: Advance | None
) -> FloatArray:
    at_once = _AT_ONCE if advance is not None else max(len(candidates), 1)
    values = [np.empty(0)]
    for first in range(0, len(candidates), at_once):
        part = candidates[first : first + at_once]
        values.append(subject.evaluator.evaluate(part).values[:, column])
        if advance is not None:
            advance(len(part))
    return np.concatenate(values)


def _plateau(
    at_point: float, values: FloatArray, candidates: list[dict[str, Value]], infeasible: int, least: int
) -> Plateau:
    known = ~np.isnan(values)
    failed = len(values) - int(known.sum())
    quantile = _lower_quantile(values, least)
    return Plateau(
        at_point=at_point if at_point == at_point else NotEnough("backtests with the metric", 0, 1),
        lower_quantile=quantile,
        robustness_ratio=_robustness_ratio(at_point, quantile),
        worst=_worst(values, candidates) if known.any() else NotEnough("neighbours with the metric", 0, 1),
        neighbours=len(values),
        infeasible=infeasible,
        failed=failed,
    )


def _lower_quantile(values: FloatArray, least: int) -> float | NotEnough:
    if len(values) < least:
        return NotEnough("neighbours", len(values), least)
    ordered = np.where(np.isnan(values), -np.inf, values)
    quantile = float(np.quantile(ordered, QUANTILE, method="inverted_cdf"))
    if np.isfinite(quantile):
        return quantile
    finite = int(np.isfinite(values).sum())
    return NotEnough("neighbours with the metric", finite, int(np.ceil((1.0 - QUANTILE) * len(values))))


def _robustness_ratio(at_point: float, quantile: float | NotEnough) -> float | NotEnough:
    if isinstance(quantile, NotEnough):
        return quantile
    if at_point != at_point:
        return NotEnough("backtests with the metric", 0, 1)
    if not 0.0 < at_point < np.inf:
        text = f"the metric at the point is {at_point:.4g}; a share of it needs it to be finite and above 0"
        return NotEnough("metric at the point", at_point, 0.0, text)
    return quantile / at_point


def _worst(values: FloatArray, candidates: list[dict[str, Value]]) -> Neighbour:
    row = int(np.nanargmin(values))
    return Neighbour(candidates[row], float(values[row]))
