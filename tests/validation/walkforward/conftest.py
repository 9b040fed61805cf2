"""Strategies for which the right choice of each window is known."""

from __future__ import annotations

import numpy as np
import pytest

from markets import zigzag
from strategy_optimizer import Categorical, Discrete, Signals, Strategy
from strategy_optimizer.market import Bars


class Side(Strategy):
    """Long or short all the time: in a rising market the one is right, in a falling one the other."""

    parameters = {"side": Categorical(["long", "short"], default="long")}

    def signals(self, bars):
        long = np.full(bars.n_bars, self.side == "long")
        return Signals(entries=long, exits=~long, short_entries=~long, short_exits=long)


class Rise(Strategy):
    """Long after a rise over some days."""

    parameters = {"days": Discrete(2, 30, default=20)}

    def warmup(self, p):
        return p.days

    def signals(self, bars):
        rise = np.zeros(bars.n_bars)
        rise[self.days :] = bars.close[self.days :] / bars.close[: -self.days] - 1
        return Signals(entries=rise > 0, exits=rise < 0)


@pytest.fixture
def side() -> type[Strategy]:
    return Side


@pytest.fixture
def rise() -> type[Strategy]:
    return Rise


@pytest.fixture
def turning() -> Bars:
    """100 bars up, 100 down, 100 up, 100 down."""
    return zigzag([(100, 0.004), (100, -0.004), (100, 0.004), (100, -0.004)])
