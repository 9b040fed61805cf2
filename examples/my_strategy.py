"""A strategy of your own, in the vectorised style: NumPy arrays, or any library that makes them.

Look for mistakes:  strategy-optimizer check examples/my_strategy.py --data nasdaq
Find parameters:    strategy-optimizer optimize examples/my_strategy.py --data nasdaq --evaluations 1000
"""

import numpy as np

from strategy_optimizer import Continuous, Discrete, Signals, Strategy


class Pullback(Strategy):
    """Buy a dip within an uptrend: below the short average while it is above the long one."""

    parameters = {
        "trend": Discrete(50, 250, default=150, step=10),
        "dip": Discrete(3, 30, default=10),
        "depth": Continuous(0.0, 0.05, default=0.01),
        "stop_loss": Continuous(0.02, 0.2, default=0.1),
    }
    constraints = ("dip < trend",)

    def warmup(self, p):
        """Return how many bars the averages need; no decision is made before."""
        return p.trend

    def signals(self, bars):
        """Return when to buy and when to sell; the value at bar t may use bars up to t only."""
        # `indicator` computes each average once, however many candidates ask for it.
        trend = self.indicator(moving_average, bars.close, self.trend)
        dip = self.indicator(moving_average, bars.close, self.dip)
        return Signals(
            entries=(bars.close < dip * (1 - self.depth)) & (bars.close > trend),
            exits=bars.close > dip,
            stop_loss=self.stop_loss,
        )


def moving_average(values, n):
    """Return the mean of the last `n` values at each bar, NaN before there are so many."""
    out = np.full(values.size, np.nan)
    out[n - 1 :] = np.lib.stride_tricks.sliding_window_view(values, n).mean(axis=1)
    return out
