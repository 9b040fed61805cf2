"""How each metric enters a score: one table, for single metrics and for weights alike.

A score is *larger is better*. Metrics where smaller is better are turned round here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest.metrics import METRICS
from strategy_optimizer.errors import ObjectiveError, nearest_name

FloatArray = NDArray[np.float64]

# metric -> (offset, sign): it enters as offset + sign * metric.
TURNED: Mapping[str, tuple[float, float]] = {
    "max_drawdown": (1.0, -1.0),
    "volatility": (0.0, -1.0),
    "max_drawdown_bars": (0.0, -1.0),
    "turnover": (0.0, -1.0),
    "costs_paid": (0.0, -1.0),
    "kurtosis": (0.0, -1.0),
}


def contribution(metric: str, values: FloatArray) -> FloatArray:
    """Return what a metric's values add to a score before weighting; NaN and infinities stay.

    >>> contribution("max_drawdown", np.array([0.25])), contribution("volatility", np.array([0.25]))
    (array([0.75]), array([-0.25]))
    """
    if metric not in TURNED:
        return values
    offset, sign = TURNED[metric]
    return offset + sign * values


def natural_direction(metric: str) -> str:
    """Return which way a metric is better.

    >>> natural_direction("max_drawdown"), natural_direction("sharpe_ratio")
    ('minimize', 'maximize')
    """
    return "minimize" if metric in TURNED else "maximize"


def describe(metric: str) -> str:
    """Return the term as text, for reports.

    >>> describe("max_drawdown"), describe("turnover"), describe("sharpe_ratio")
    ('1 - max_drawdown', '-turnover', 'sharpe_ratio')
    """
    offset, sign = TURNED.get(metric, (0.0, 1.0))
    return f"{f'{offset:g} - ' if offset else '-'}{metric}" if sign < 0 else metric


def check_metric(name: object, names: Sequence[str] = METRICS) -> str:
    """Return the name of a known metric, or raise an `ObjectiveError` with the nearest one."""
    if not isinstance(name, str) or name not in names:
        hint = nearest_name(str(name), names)
        raise ObjectiveError(f"there is no metric {name!r}{hint} (known: {', '.join(names)})")
    return name
