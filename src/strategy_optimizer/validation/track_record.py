"""Returns per bar of a backtest, and how many of them make a year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from strategy_optimizer.tasks import FinishedSearch

FloatArray = NDArray[np.float64]


def bar_returns(equity: FloatArray) -> FloatArray:
    """Return the returns (T - 1,) of an equity curve (T,); 0 once the account is lost, as in the metrics.

    >>> bar_returns(np.array([100.0, 110.0, 99.0, 0.0, 0.0])).round(3).tolist()
    [0.1, -0.1, -1.0, 0.0]
    """
    before = equity[:-1]
    return np.divide(equity[1:], before, out=np.ones_like(before), where=before > 0.0) - 1.0


def periods_per_year(search: FinishedSearch) -> float:
    """Return the bars of a year in sample, as the metrics of the search count them."""
    if search.rules.periods_per_year is not None:
        return search.rules.periods_per_year
    return (
        search.bars.slice(*search.rules.window).periods_per_year
        if search.rules.window
        else search.bars.periods_per_year
    )
