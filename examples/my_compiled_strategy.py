"""The same strategy in the compiled style: a loop over bars that becomes machine code.

Look for mistakes:  strategy-optimizer check examples/my_compiled_strategy.py --data nasdaq
Find parameters:    strategy-optimizer optimize examples/my_compiled_strategy.py --data nasdaq -n 20000
"""

from strategy_optimizer import CompiledStrategy, Continuous, Discrete
from strategy_optimizer.strategies.indicators import sma


class CompiledPullback(CompiledStrategy):
    """Buy a dip within an uptrend: below the short average while it is above the long one."""

    parameters = {
        "trend": Discrete(50, 250, default=150, step=10),
        "dip": Discrete(3, 30, default=10),
        "depth": Continuous(0.0, 0.05, default=0.01),
        "stop_loss": Continuous(0.02, 0.2, default=0.1),
    }
    constraints = ("dip < trend",)
    orders = {"stop_loss": "stop_loss"}  # the stop is the parameter of that name

    @staticmethod
    def warmup(p):
        """Return how many bars the averages need; no decision is made before."""
        return p.trend

    @staticmethod
    def signals(bars, p, out):
        """Set `out.entries[t]` and `out.exits[t]`, which start as False, from bars up to t."""
        close = bars.close
        trend = sma(close, p.trend)
        dip = sma(close, p.dip)
        for t in range(p.trend, close.size):
            out.entries[t] = close[t] < dip[t] * (1 - p.depth) and close[t] > trend[t]
            out.exits[t] = close[t] > dip[t]
