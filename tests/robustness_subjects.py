"""Strategies whose signals are known, and markets whose returns are."""

from __future__ import annotations

import numpy as np

from markets import bars_of
from strategy_optimizer import Categorical, Discrete
from strategy_optimizer.backtest import CompiledStrategy, Signals, Strategy
from strategy_optimizer.market import Bars


class Hold(Strategy):
    """Buys at the first bar and stays."""

    parameters = {"unused": Discrete(0, 100, default=50)}

    def signals(self, bars):
        always = np.ones(bars.n_bars, np.bool_)
        return Signals(entries=always, exits=~always)


class Idle(Strategy):
    """Never trades."""

    parameters = {"unused": Discrete(0, 100, default=50)}

    def signals(self, bars):
        never = np.zeros(bars.n_bars, np.bool_)
        return Signals(entries=never, exits=never)


class EveryOther(CompiledStrategy):
    """Buys every `period` bars and sells half a period later."""

    parameters = {"period": Discrete(4, 40, default=8)}

    @staticmethod
    def signals(bars, p, out):
        for t in range(bars.close.size):
            out.entries[t] = t % p.period == 0
            out.exits[t] = t % p.period == p.period // 2


class VectorisedEveryOther(Strategy):
    """The same with NumPy."""

    parameters = EveryOther.parameters

    def signals(self, bars):
        t = np.arange(bars.n_bars) % self.period
        return Signals(entries=t == 0, exits=t == self.period // 2)


class Oracle(Strategy):
    """Knows whether the next bar rises, and is wrong on a share of bars that grows away from `best`.

    Class attributes
    ----------------
    reach
        Distance of `at` from 50 up to which it knows as much as at 50.
    """

    parameters = {"at": Discrete(0, 100, default=50), "mode": Categorical(["right", "wrong", "off"])}
    reach = 0

    def signals(self, bars):
        rises = np.append(bars.close[1:] > bars.open[1:], False)
        known = np.random.default_rng(self.at).random(bars.n_bars) < 0.4
        guess = np.random.default_rng(1000 + self.at).random(bars.n_bars) < 0.5
        knows = abs(self.at - 50) <= self.reach
        holds = np.where(known & knows, rises, guess)
        if self.mode == "off":
            holds = np.zeros(bars.n_bars, np.bool_)
        if self.mode == "wrong":
            holds = ~holds
        return Signals(entries=holds, exits=~holds)


class Peak(Oracle):
    """Has its edge at one value alone."""


class Plateau(Oracle):
    """Has its edge on a wide plateau."""

    reach = 40


class Peeking(Strategy):
    """Buys before a rise, which it takes from the next bar."""

    parameters = {"unused": Discrete(0, 100, default=50)}

    def signals(self, bars):
        rises = np.append(bars.close[1:] > bars.close[:-1], False)
        return Signals(entries=rises, exits=~rises)


class Short(Strategy):
    """Is short throughout, at full size."""

    parameters = {"unused": Discrete(0, 100, default=50)}

    def signals(self, bars):
        always, never = np.ones(bars.n_bars, np.bool_), np.zeros(bars.n_bars, np.bool_)
        return Signals(entries=never, exits=never, short_entries=always, short_exits=never)


def market_of_returns(returns) -> Bars:
    """Return bars whose closes have the given simple returns and whose opens are the closes before."""
    close = 100.0 * np.cumprod(np.concatenate([[1.0], 1.0 + np.asarray(returns)]))
    open_ = np.concatenate([[100.0], close[:-1]])
    return bars_of(open_, np.maximum(open_, close), np.minimum(open_, close), close)
