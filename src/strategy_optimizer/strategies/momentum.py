"""The momentum strategy, in both styles."""

from __future__ import annotations

from typing import Any

from strategy_optimizer.backtest import CompiledStrategy, Parameters, Signals, Strategy
from strategy_optimizer.market import Bars
from strategy_optimizer.space import Continuous, Discrete, Parameter
from strategy_optimizer.strategies.indicators import lagged

PARAMETERS: dict[str, Parameter] = {
    "lookback_period": Discrete(10, 100, default=20),
    "threshold": Continuous(0.01, 0.05, default=0.02),
    "position_size": Continuous(0.1, 1.0, default=0.5),
    "stop_loss": Continuous(0.01, 0.1, default=0.05),
    "take_profit": Continuous(0.02, 0.2, default=0.1),
}


class Momentum(CompiledStrategy):
    """Long when the price rose by more than `threshold` over `lookback_period` bars; out when the rise is gone."""

    name = "momentum"
    parameters = PARAMETERS
    orders = {"size": "position_size", "stop_loss": "stop_loss", "take_profit": "take_profit"}

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.lookback_period)

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        # Slices that start together are read from index 0, which the compiler turns into vector instructions.
        n = p.lookback_period
        now, before = bars.close[n:], bars.close[:-n]
        entries, exits = out.entries[n:], out.exits[n:]
        factor = 1.0 + p.threshold
        for t in range(now.size):
            entries[t] = now[t] > factor * before[t]
            exits[t] = now[t] < before[t]


class VectorisedMomentum(Strategy):
    """The same strategy with NumPy arrays: what a user's first strategy may look like."""

    name = "momentum_vectorised"
    parameters = PARAMETERS

    lookback_period: int
    threshold: float
    position_size: float
    stop_loss: float
    take_profit: float

    def warmup(self, p: Parameters) -> int:
        return int(p.lookback_period)

    def signals(self, bars: Bars) -> Signals:
        before = self.indicator(lagged, bars.close, self.lookback_period)
        return Signals(
            entries=bars.close > (1.0 + self.threshold) * before,
            exits=bars.close < before,
            size=self.position_size,
            stop_loss=self.stop_loss,
            take_profit=self.take_profit,
        )
