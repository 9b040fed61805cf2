"""Quantiles leave out nothing, and NaN is said."""

from __future__ import annotations

import numpy as np

from strategy_optimizer.backtest import METRICS
from strategy_optimizer.validation.robustness.metric_values import metric_quantiles, stated_values
from strategy_optimizer.validation.statistics import NotEnough

UNPERTURBED = dict.fromkeys(METRICS, 1.0)


def test_quantiles_are_observed_values():
    values = np.tile(np.arange(20.0)[::-1, None], (1, len(METRICS)))
    found = metric_quantiles(values, UNPERTURBED, 0.8)["win_rate"]
    assert (found.unperturbed, found.lower, found.median, found.upper) == (1.0, 1.0, 9.0, 17.0)
    values[0] = np.inf
    assert metric_quantiles(values, UNPERTURBED, 1.0 - 1e-9)["win_rate"].upper == np.inf


def test_one_replication_without_the_metric_is_one_too_many():
    values = np.ones((30, len(METRICS)))
    values[7, METRICS.index("win_rate")] = np.nan
    found = metric_quantiles(values, UNPERTURBED, 0.9)
    assert found["win_rate"] == NotEnough("replications with a win_rate", 29, 30)
    assert found["trades"].median == 1.0


def test_nan_is_said():
    assert stated_values({"skew": np.nan, "trades": 0.0}) == {
        "skew": NotEnough("backtests with a skew", 0, 1),
        "trades": 0.0,
    }
