"""The winner of a search beside what was there before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strategy_optimizer.analysis.comparable import SCORE, check_same
from strategy_optimizer.analysis.prediction import MetricPrediction, Predictor
from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.objective.directions import natural_direction
from strategy_optimizer.tasks import Result

# Metrics of which more, or less, is better for everyone; the others describe.
JUDGED = frozenset(
    {
        "total_return",
        "annual_return",
        "sharpe_ratio",
        "sortino_ratio",
        "calmar_ratio",
        "win_rate",
        "profit_factor",
    }
    | {"expectancy", "max_drawdown", "max_drawdown_bars", "volatility", SCORE}
)


@dataclass(frozen=True)
class Change:
    """One metric before and after.

    Attributes
    ----------
    metric : str
    before, after, difference : float
        The difference is after - before; NaN where one is missing.
    better : bool or None
        Whether after is better; None where they are equal or unknown, and of metrics that only describe.
    interval : tuple of float or None
        Where `before` is predicted and not measured: its 90 % interval.
    """

    metric: str
    before: float
    after: float
    difference: float
    better: bool | None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class BeforeAfter:
    """The winner beside earlier parameters, metric by metric.

    Attributes
    ----------
    what : str
        What the earlier parameters are.
    before, after : dict
        Parameters.
    in_sample, held_out : tuple of Change
        On the bars that were searched, and on those that were kept out; the latter empty where not both were measured
        there.
    predicted : bool
        Whether the numbers before are predictions of a model, for want of a trial.
    """

    what: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    in_sample: tuple[Change, ...]
    held_out: tuple[Change, ...]
    predicted: bool


def compare_before_after(
    result: Result, before: Mapping[str, Any] | Result | None = None, *, predictor: Predictor | None = None
) -> BeforeAfter:
    """Return the winner of a search beside what was there before.

    Parameters
    ----------
    result : Result
    before : mapping or Result, optional
        Earlier parameters: their trial is taken, or a prediction where there was none. Or an earlier result on the same
        data: its winner. By default the strategy's default parameters.
    predictor : Predictor, optional
        Of the result, where there is one already.

    Raises
    ------
    TaskError
        The earlier result is not on the same bars, with the same costs and rules.
    SpaceError
        The parameters do not lie in the space that was searched.
    """
    if isinstance(before, Result):
        check_same(result, before, ("data", "costs", "rules"))
        return _between(result, f"the winner of {before.task_id}", before.best_parameters, before.best)
    if before is None:
        return _between(result, "the default parameters", result.default_parameters, result.defaults)
    found = (predictor or Predictor(result)).predict(before)
    if found.measured is not None:
        measured = found.measured.metrics | {SCORE: found.measured.score}
        changes = _changes(measured, result.best.in_sample)
        what = f"trial {found.measured.number:,}"
        return BeforeAfter(what, found.parameters, result.best_parameters, changes, (), predicted=False)
    known = {name: each for name, each in found.metrics.items() if isinstance(each, MetricPrediction)}
    named = {SCORE if name == "score" else name: each for name, each in known.items()}
    values = {name: each.value for name, each in named.items()}
    intervals = {name: each.most for name, each in named.items()}
    changes = _changes(values, result.best.in_sample, intervals)
    return BeforeAfter("a prediction", found.parameters, result.best_parameters, changes, (), predicted=True)


def _between(result: Result, what: str, parameters: Mapping[str, Any], before: Any) -> BeforeAfter:
    both = before.held_out is not None and result.best.held_out is not None
    return BeforeAfter(
        what,
        parameters,
        result.best_parameters,
        _changes(before.in_sample, result.best.in_sample),
        _changes(before.held_out, result.best.held_out or {}) if both else (),
        predicted=False,
    )


def _changes(
    before: Mapping[str, float],
    after: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> tuple[Change, ...]:
    return tuple(
        _change(name, before[name], after[name], (intervals or {}).get(name))
        for name in (SCORE, *METRICS)
        if name in before and name in after and not (math.isnan(before[name]) and math.isnan(after[name]))
    )


def _change(name: str, before: float, after: float, interval: tuple[float, float] | None) -> Change:
    difference = after - before
    better: bool | None = None
    if name in JUDGED and difference != 0.0 and not math.isnan(difference):
        smaller_is_better = name != SCORE and natural_direction(name) == "minimize"
        better = (difference < 0.0) == smaller_is_better
    if interval is not None and interval[0] <= after <= interval[1]:
        better = None  # the measured number may as well be that of the earlier parameters
    return Change(name, before, after, difference, better, interval)
