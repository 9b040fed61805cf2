"""Buying weakness measured by the relative strength index."""

from __future__ import annotations

from typing import Any

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.space import Continuous, Discrete
from strategy_optimizer.strategies.indicators import rsi, sma


class RsiReversion(CompiledStrategy):
    """Long when the index falls below `buy_below` in an uptrend; out when it rises above `sell_above`."""

    name = "rsi"
    parameters = {
        "period": Discrete(2, 30, default=14),
        "buy_below": Continuous(5.0, 45.0, default=30.0),
        "sell_above": Continuous(40.0, 90.0, default=55.0),
        "trend": Discrete(0, 250, default=0, step=10),
        "stop_loss": Continuous(0.01, 0.2, default=0.1),
    }
    constraints = ("buy_below < sell_above",)
    orders = {"stop_loss": "stop_loss"}

    @staticmethod
    def warmup(p: Any) -> int:
        return max(int(p.period) + 1, int(p.trend))

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        index = rsi(bars.close, p.period)
        average = sma(bars.close, max(p.trend, 1))
        for t in range(max(p.period, p.trend), index.size):
            out.entries[t] = index[t] < p.buy_below and bars.close[t] >= average[t]
            out.exits[t] = index[t] > p.sell_above
