"""Compiled strategies that only the benchmark has: 7 to 10 mixed parameters, conditions and constraints."""

from __future__ import annotations

from typing import Any

import numpy as np

from strategy_optimizer.backtest import CompiledStrategy
from strategy_optimizer.space import Categorical, Continuous, Discrete
from strategy_optimizer.strategies.indicators import (
    atr,
    change,
    moving_average,
    rolling_max,
    rolling_min,
    rolling_std,
    rsi,
    sma,
)


class TrendFilter(CompiledStrategy):
    """A cross of two averages, kept out by a filter, left by the cross back, a target or a trailing stop."""

    name = "trend"
    parameters = {
        "ma": Categorical(["sma", "ema"]),
        "fast": Discrete(2, 60, default=20, log=True),
        "slow": Discrete(20, 250, default=100),
        "band": Continuous(0.0, 0.03, default=0.0),
        "filter": Categorical(["none", "slope", "calm"]),
        "filter_period": Discrete(20, 250, default=100, condition="filter != 'none'"),
        "exit": Categorical(["signal", "target", "trailing"]),
        "target": Continuous(0.01, 0.5, default=0.1, log=True, condition="exit == 'target'"),
        "trail": Continuous(0.01, 0.3, default=0.1, log=True, condition="exit == 'trailing'"),
        "stop_loss": Continuous(0.01, 0.3, default=0.1, log=True),
    }
    constraints = ("fast < slow",)
    orders = {"stop_loss": "stop_loss", "take_profit": "target", "trailing_stop": "trail"}

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.slow)

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        fast = moving_average(close, p.fast, p.ma)
        slow = moving_average(close, p.slow, p.ma)
        allowed = np.ones(close.size, np.bool_)
        if p.filter == "slope":
            rise = change(close, p.filter_period)
            allowed[:] = rise > 0.0
        if p.filter == "calm":
            steps = change(close, 1)
            steps[0] = 0.0
            allowed[:] = rolling_std(steps, p.filter_period // 5) < rolling_std(steps, p.filter_period)
        for t in range(p.slow, close.size):
            out.entries[t] = allowed[t] and fast[t] > slow[t] * (1.0 + p.band)
            out.exits[t] = fast[t] < slow[t] * (1.0 - p.band)


class Breakout(CompiledStrategy):
    """A channel breakout on either side, stop and target in average true ranges."""

    name = "breakout"
    parameters = {
        "entry_period": Discrete(5, 150, default=40),
        "exit_period": Discrete(3, 80, default=20),
        "source": Categorical(["extremes", "closes"]),
        "atr_period": Discrete(5, 60, default=20),
        "stop_atr": Continuous(0.5, 8.0, default=3.0),
        "target_atr": Continuous(1.0, 30.0, default=10.0, log=True),
        "side": Categorical(["long", "short", "both"]),
        "buffer": Continuous(0.0, 0.02, default=0.0),
    }
    constraints = ("exit_period <= entry_period",)
    per_bar = ("stop_loss", "take_profit")
    short = True

    @staticmethod
    def warmup(p: Any) -> int:
        return max(int(p.entry_period), int(p.atr_period)) + 1

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        high = bars.high if p.source == "extremes" else close
        low = bars.low if p.source == "extremes" else close
        upper, lower = rolling_max(high, p.entry_period), rolling_min(low, p.entry_period)
        exit_low, exit_high = rolling_min(low, p.exit_period), rolling_max(high, p.exit_period)
        ranges = atr(bars.high, bars.low, close, p.atr_period)
        goes_long, goes_short = p.side != "short", p.side != "long"
        for t in range(1, close.size):
            out.entries[t] = goes_long and close[t] > upper[t - 1] * (1.0 + p.buffer)
            out.exits[t] = close[t] < exit_low[t - 1]
            out.short_entries[t] = goes_short and close[t] < lower[t - 1] * (1.0 - p.buffer)
            out.short_exits[t] = close[t] > exit_high[t - 1]
            out.stop_loss[t] = p.stop_atr * ranges[t] / close[t]
            out.take_profit[t] = p.target_atr * ranges[t] / close[t]


class Reversion(CompiledStrategy):
    """Buy weakness measured in one of three ways, until it has recovered or a stop is hit."""

    name = "reversion"
    parameters = {
        "measure": Categorical(["rsi", "score", "drop"]),
        "period": Discrete(2, 40, default=10, log=True),
        "depth": Continuous(0.2, 3.0, default=1.0),
        "recovery": Continuous(-1.0, 2.0, default=0.0),
        "trend": Categorical(["none", "above", "below"]),
        "trend_period": Discrete(20, 250, default=100, condition="trend != 'none'"),
        "stop": Categorical(["none", "fixed", "trailing"]),
        "stop_loss": Continuous(0.01, 0.3, default=0.1, log=True, condition="stop == 'fixed'"),
        "trail": Continuous(0.01, 0.3, default=0.1, log=True, condition="stop == 'trailing'"),
    }
    orders = {"stop_loss": "stop_loss", "trailing_stop": "trail"}

    @staticmethod
    def warmup(p: Any) -> int:
        return max(int(p.period) + 1, int(p.trend_period))

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        weakness = np.zeros(close.size)  # in standard deviations, about
        if p.measure == "rsi":
            weakness[:] = (50.0 - rsi(close, p.period)) / 15.0
        elif p.measure == "score":
            weakness[:] = (sma(close, p.period) - close) / (rolling_std(close, p.period) + 1e-9 * close)
        else:
            weakness[:] = -change(close, p.period) / (0.012 * np.sqrt(p.period))
        average = sma(close, p.trend_period)
        for t in range(max(p.period, p.trend_period), close.size):
            above = close[t] >= average[t]
            allowed = p.trend == "none" or above == (p.trend == "above")
            out.entries[t] = allowed and weakness[t] > p.depth
            out.exits[t] = weakness[t] < -p.recovery


class ScaledMomentum(CompiledStrategy):
    """Momentum that skips the latest bars, sized for a volatility."""

    name = "scaled"
    parameters = {
        "lookback": Discrete(5, 250, default=60, log=True),
        "skip": Discrete(0, 20, default=0),
        "threshold": Continuous(0.0005, 0.1, default=0.01, log=True),
        "exit_level": Continuous(-0.1, 0.05, default=0.0),
        "volatility_period": Discrete(5, 100, default=20),
        "volatility": Continuous(0.05, 0.6, default=0.2, log=True),
        "stop_loss": Continuous(0.01, 0.3, default=0.1, log=True),
    }
    constraints = ("skip < lookback",)
    orders = {"stop_loss": "stop_loss"}
    per_bar = ("size",)

    @staticmethod
    def warmup(p: Any) -> int:
        return int(p.lookback) + int(p.volatility_period)

    @staticmethod
    def signals(bars: Any, p: Any, out: Any) -> None:
        close = bars.close
        steps = change(close, 1)
        steps[0] = 0.0
        deviation = rolling_std(steps, p.volatility_period)
        for t in range(p.lookback, close.size):
            rise = close[t - p.skip] / close[t - p.lookback] - 1.0
            out.entries[t] = rise > p.threshold
            out.exits[t] = rise < min(p.exit_level, p.threshold)
        for t in range(close.size):
            yearly = 16.0 * deviation[t]
            out.size[t] = min(1.0, p.volatility / yearly) if yearly > 0.0 else 1.0


STRATEGIES = {strategy.name: strategy for strategy in (TrendFilter, Breakout, Reversion, ScaledMomentum)}
