"""Donchian's channel breakout with a stop measured in average true ranges."""

from __future__ import annotations

from typing import Any

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.space import Categorical, Continuous, Discrete
from strategy_optimizer.strategies.indicators import atr, rolling_max, rolling_min


class Donchian(CompiledStrategy):
    """Long above the highest high of the `entry_period` bars before, out below the lowest low of `exit_period`.

    The stop is `stop_atr` average true ranges, as known when the entry was decided, below the fill.
    """

    name = "donchian"
    parameters = {
        "entry_period": Discrete(5, 120, default=20),
        "exit_period": Discrete(3, 60, default=10),
        "atr_period": Discrete(5, 50, default=20),
        "stop_atr": Continuous(0.5, 6.0, default=2.0),
        "direction": Categorical(["long", "both"]),
    }
    constraints = ("exit_period <= entry_period",)
    per_bar = ("stop_loss",)
    short = True

    @staticmethod
    def warmup(p: Any) -> int:
        return max(int(p.entry_period), int(p.atr_period)) + 1

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        upper = rolling_max(bars.high, p.entry_period)
        lower = rolling_min(bars.low, p.entry_period)
        exit_low = rolling_min(bars.low, p.exit_period)
        exit_high = rolling_max(bars.high, p.exit_period)
        ranges = atr(bars.high, bars.low, close, p.atr_period)
        both = p.direction == "both"
        for t in range(1, close.size):
            # The channel of the bars before t, or the close could never be outside it.
            out.entries[t] = close[t] > upper[t - 1]
            out.exits[t] = close[t] < exit_low[t - 1]
            out.short_entries[t] = both and close[t] < lower[t - 1]
            out.short_exits[t] = close[t] > exit_high[t - 1]
            if (
                out.entries[t] or out.short_entries[t]
            ):  # elsewhere nobody reads it, and in a dead market it is 0
                out.stop_loss[t] = p.stop_atr * ranges[t] / close[t]
