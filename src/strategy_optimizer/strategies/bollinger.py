"""Bollinger bands, faded or followed."""

from __future__ import annotations

from typing import Any

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.space import Categorical, Continuous, Discrete
from strategy_optimizer.strategies.indicators import rolling_std, sma


class Bollinger(CompiledStrategy):
    """Enter outside the band, leave at its middle: against the move ("fade") or with it ("follow")."""

    name = "bollinger"
    parameters = {
        "period": Discrete(5, 100, default=20),
        "width": Continuous(0.5, 4.0, default=2.0),
        "mode": Categorical(["fade", "follow"]),
        "direction": Categorical(["long", "both"]),
        "stop_loss": Continuous(0.01, 0.2, default=0.05),
    }
    orders = {"stop_loss": "stop_loss"}
    short = True

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.period)

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        middle = sma(close, p.period)
        deviation = rolling_std(close, p.period)
        fade = p.mode == "fade"
        both = p.direction == "both"
        for t in range(p.period - 1, close.size):
            below = close[t] < middle[t] - p.width * deviation[t]
            above = close[t] > middle[t] + p.width * deviation[t]
            out.entries[t] = below if fade else above
            out.exits[t] = close[t] >= middle[t] if fade else close[t] <= middle[t]
            out.short_entries[t] = both and (above if fade else below)
            out.short_exits[t] = close[t] <= middle[t] if fade else close[t] >= middle[t]
