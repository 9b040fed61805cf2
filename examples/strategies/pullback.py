"""A strategy for a service's folder: `strategy-optimizer serve --strategies examples/strategies`.

The file is watched: when it changes, tasks that are made from then on have the new version.
"""

from averages import moving_average

from strategy_optimizer import Continuous, Discrete, Signals, Strategy


class Pullback(Strategy):
    """Buys a dip within an uptrend: below the short average while it is above the long one."""

    parameters = {
        "trend": Discrete(50, 250, default=150, step=10),
        "dip": Discrete(3, 30, default=10),
        "depth": Continuous(0.0, 0.05, default=0.01),
    }
    constraints = ("dip < trend",)

    def warmup(self, p):
        """Return how many bars the averages need."""
        return p.trend

    def signals(self, bars):
        """Return when to buy and when to sell; the value at bar t may use bars up to t only."""
        trend = self.indicator(moving_average, bars.close, self.trend)
        dip = self.indicator(moving_average, bars.close, self.dip)
        return Signals(
            entries=(bars.close < dip * (1 - self.depth)) & (bars.close > trend), exits=bars.close > dip
        )
