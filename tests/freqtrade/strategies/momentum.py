"""Strategies for the tests of the adapter, as a user of freqtrade would write them."""

import sys

from freqtrade.strategy import (
    BooleanParameter,
    CategoricalParameter,
    DecimalParameter,
    IntParameter,
    IStrategy,
    RealParameter,
)


class Momentum(IStrategy):
    """Long while the return over some hours is above a threshold."""

    INTERFACE_VERSION = 3
    timeframe = "1h"
    minimal_roi = {"0": 10.0, "600": 5.0}
    stoploss = -0.3
    startup_candle_count = 60
    process_only_new_candles = True

    buy_lookback = IntParameter(2, 60, default=20, space="buy")
    buy_threshold = DecimalParameter(0.0, 0.05, default=0.01, decimals=3, space="buy")
    buy_side = CategoricalParameter(["rise", "fall"], default="rise", space="buy")
    sell_below = RealParameter(-0.05, 0.05, default=0.0, space="sell")
    sell_patient = BooleanParameter(default=False, space="sell")
    sell_fixed = IntParameter(1, 5, default=3, space="sell", optimize=False)
    sell_own = IntParameter(1, 5, default=3, space="sell", load=False)

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        rise = dataframe["close"].pct_change(self.buy_lookback.value)
        if self.buy_side.value == "fall":
            rise = -rise
        dataframe.loc[rise > self.buy_threshold.value, "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        rise = dataframe["close"].pct_change(self.buy_lookback.value)
        dataframe.loc[rise < self.sell_below.value, "exit_long"] = 1
        return dataframe


class Undeclared(Momentum):
    """No parameters of its own to search."""

    buy_lookback = buy_threshold = buy_side = sell_below = sell_patient = sell_fixed = sell_own = None

    def populate_entry_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["close"] > dataframe["open"], "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        dataframe.loc[dataframe["close"] < dataframe["open"], "exit_long"] = 1
        return dataframe


class Idle(Momentum):
    """Never trades."""

    def populate_entry_trend(self, dataframe, metadata):
        return dataframe


class Raising(Momentum):
    """Fails where it computes its signals."""

    def populate_entry_trend(self, dataframe, metadata):
        raise KeyError("no such column")


class RaisingQuietly(Momentum):
    """Fails in a callback, which freqtrade survives."""

    def confirm_trade_entry(
        self, pair, order_type, amount, rate, time_in_force, current_time, entry_tag, side, **kwargs
    ):
        raise RuntimeError("the callback broke")


class Leaving(Momentum):
    """Ends its process."""

    def populate_indicators(self, dataframe, metadata):
        import os

        os._exit(7)


class Talkative(Momentum):
    """Prints, to where the answers go."""

    def populate_indicators(self, dataframe, metadata):
        sys.stdout.write('{"error": "not an answer"}\n')
        return dataframe


class Hanging(Momentum):
    """Never comes to an end."""

    def populate_indicators(self, dataframe, metadata):
        import time

        time.sleep(3600)
        return dataframe
