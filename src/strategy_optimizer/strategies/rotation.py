"""Rotation into the strongest of several symbols."""

from __future__ import annotations

from typing import Any

import numpy as np

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.space import Continuous, Discrete


class Rotation(CompiledStrategy):
    """Every `every` bars hold the `hold` symbols that rose most over `lookback_period`, if they rose at all.

    Each gets an equal part of `invested`, so that the account is never levered.
    """

    name = "rotation"
    parameters = {
        "lookback_period": Discrete(20, 250, default=120),
        "every": Discrete(5, 60, default=20, step=5),
        "hold": Discrete(1, 5, default=1),
        "minimum": Continuous(-0.1, 0.1, default=0.0),
        "invested": Continuous(0.1, 1.0, default=1.0),
        "stop_loss": Continuous(0.02, 0.3, default=0.2),
    }
    orders = {"stop_loss": "stop_loss"}
    per_bar = ("size",)
    multi_symbol = True

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.lookback_period)

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        n_bars, n_symbols = close.shape
        hold = min(p.hold, n_symbols)
        out.size[:] = p.invested / hold
        rise = np.empty(n_symbols)
        for t in range(p.lookback_period, n_bars, p.every):
            for s in range(n_symbols):
                rise[s] = close[t, s] / close[t - p.lookback_period, s] - 1.0
            for s in range(n_symbols):
                stronger = 0
                for other in range(n_symbols):
                    if rise[other] > rise[s] or (rise[other] == rise[s] and other < s):
                        stronger += 1
                chosen = stronger < hold and rise[s] > p.minimum
                out.entries[t, s] = chosen
                out.exits[t, s] = not chosen
