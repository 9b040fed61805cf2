"""What a search has to beat: the default parameters, buy-and-hold, and cash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from strategy_optimizer.backtest import run_backtest
from strategy_optimizer.errors import SpaceError, StrategyError
from strategy_optimizer.tasks import FinishedSearch, buy_and_hold

FloatArray = NDArray[np.float64]


def rival_returns(search: FinishedSearch, n_periods: int) -> dict[str, FloatArray]:
    """Return the returns (n_periods,) of each rival in sample, summed as those of trials are.

    The default parameters are left out where the strategy fails on them.
    """
    rules = replace(search.rules, n_blocks=n_periods)
    rivals = {
        "buy_and_hold": buy_and_hold(search.bars, rules).blocks[:, 1],
        "cash": np.zeros(n_periods),
    }
    try:
        defaults = run_backtest(search.strategy, search.strategy.space().defaults(), search.bars, rules)
    except (SpaceError, StrategyError):
        return rivals
    return {"defaults": defaults.blocks[:, 1], **rivals}
