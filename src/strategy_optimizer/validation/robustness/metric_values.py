"""Metrics as values that are never a silent NaN, and their quantiles over replications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from strategy_optimizer.backtest import METRICS
from strategy_optimizer.validation.statistics.not_enough import FloatArray, NotEnough

MetricValues: TypeAlias = dict[str, float | NotEnough]

LEAST_REPLICATIONS = 20


@dataclass(frozen=True)
class MetricQuantiles:
    """A metric on the data as they are, and its quantiles over replications of something else.

    Attributes
    ----------
    unperturbed : float
        NaN never occurs; infinite where the metric is.
    lower, median, upper : float
        Observed values, without interpolation.
    level : float
        Share of the replications between `lower` and `upper`.
    """

    unperturbed: float
    lower: float
    median: float
    upper: float
    level: float


def stated_values(metrics: Mapping[str, float]) -> MetricValues:
    """Return the metrics with `NotEnough` in the place of NaN.

    >>> stated_values({"trades": 3.0, "win_rate": float("nan")})["win_rate"].what
    'backtests with a win_rate'
    """
    return {
        name: value if value == value else NotEnough(f"backtests with a {name}", 0, 1)
        for name, value in metrics.items()
    }


def metric_quantiles(
    values: FloatArray,  # (replications, metrics)
    unperturbed: Mapping[str, float],
    level: float,
) -> dict[str, MetricQuantiles | NotEnough]:
    """Return the quantiles of each metric over the replications.

    A metric that is NaN as it stands or in any replication is not enough: without the replications that
    lost all their trades the others would look better than they are.
    """
    return {name: _quantiles(values[:, i], unperturbed[name], name, level) for i, name in enumerate(METRICS)}


def _quantiles(
    values: FloatArray, unperturbed: float, name: str, level: float
) -> MetricQuantiles | NotEnough:
    if len(values) < LEAST_REPLICATIONS:
        return NotEnough("replications", len(values), LEAST_REPLICATIONS)
    if unperturbed != unperturbed:
        return NotEnough(f"backtests with a {name}", 0, 1)
    usable = int((~np.isnan(values)).sum())
    if usable < len(values):
        return NotEnough(f"replications with a {name}", usable, len(values))
    tail = (1.0 - level) / 2.0
    lower, median, upper = np.quantile(values, [tail, 0.5, 1.0 - tail], method="inverted_cdf").tolist()
    return MetricQuantiles(unperturbed, lower, median, upper, level)
