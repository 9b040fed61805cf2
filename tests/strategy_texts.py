"""Texts of strategy files."""

DIP = """
from strategy_optimizer import Continuous, Discrete, Signals, Strategy


class Dip(Strategy):
    \"\"\"Buys dips.\"\"\"

    parameters = {"days": Discrete(2, 50, default=10), "depth": Continuous(0.0, 0.1)}
    constraints = ("days > 3",)

    def signals(self, bars):
        return Signals(entries=bars.close < bars.open, exits=bars.close > bars.open)
"""

TWO = """
from strategy_optimizer import Discrete, Signals, Strategy


class Base(Strategy):
    def signals(self, bars):
        return Signals(entries=bars.close < bars.open, exits=bars.close > bars.open)


class One(Base):
    parameters = {"days": Discrete(2, 50)}


class Two(Base):
    parameters = {"weeks": Discrete(2, 50)}
"""

WITH_HELPER = """
from helper import DAYS
from strategy_optimizer import Discrete, Signals, Strategy


class Helped(Strategy):
    parameters = {"days": Discrete(1, DAYS)}

    def signals(self, bars):
        return Signals(entries=bars.close < bars.open, exits=bars.close > bars.open)
"""
