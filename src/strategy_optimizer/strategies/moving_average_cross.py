"""Two moving averages that cross."""

from __future__ import annotations

from typing import Any

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.space import Categorical, Continuous, Discrete
from strategy_optimizer.strategies.indicators import moving_average


class MovingAverageCross(CompiledStrategy):
    """Long while the fast average is above the slow one, by at least `band`; short below it, or flat."""

    name = "ma_cross"
    parameters = {
        "ma": Categorical(["sma", "ema", "wma"]),
        "fast": Discrete(5, 60, default=20),
        "slow": Discrete(20, 250, default=100),
        "band": Continuous(0.0, 0.03, default=0.0),
        "direction": Categorical(["long", "both"]),
        "stop": Categorical(["none", "fixed", "trailing"]),
        "stop_loss": Continuous(0.01, 0.2, default=0.1, condition="stop == 'fixed'"),
        "trail": Continuous(0.01, 0.2, default=0.1, condition="stop == 'trailing'"),
    }
    constraints = ("fast < slow",)
    orders = {"stop_loss": "stop_loss", "trailing_stop": "trail"}
    short = True

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.slow)

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        fast = moving_average(bars.close, p.fast, p.ma)
        slow = moving_average(bars.close, p.slow, p.ma)
        both = p.direction == "both"
        for t in range(p.slow, fast.size):
            above = fast[t] > slow[t] * (1.0 + p.band)
            below = fast[t] < slow[t] * (1.0 - p.band)
            out.entries[t] = above
            out.exits[t] = below
            out.short_entries[t] = both and below
            out.short_exits[t] = above
