"""Numbers that were worked out by hand, and a simulator that was written from the design's text alone.

That kernel and reference agree says nothing when both are wrong; what stands here was not taken from either.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from markets import bars_of, random_bars
from strategy_optimizer import Bars, Costs, FixedNotional, load_bars, simulate_signals

CASH = 1000.0
# open, high, low, close
RISE = [
    (100, 101, 99, 100),
    (102, 103, 101, 102),
    (104, 106, 103, 105),
    (107, 108, 106, 107),
    (110, 111, 108, 109),
    (108, 109, 107, 108),
]
START = [(100, 100, 100, 100), (100, 102, 99, 101)]  # decided on the first bar, filled at 100


def bars(rows) -> Bars:
    return bars_of(*np.array(rows, float).T)


def at(market: Bars, *rows: int) -> np.ndarray:
    """Return a signal that is true on these bars."""
    flags = np.zeros(market.n_bars, bool)
    flags[list(rows)] = True
    return flags


def trades(rows, entries, exits=(), *, shorts=(), covers=(), engine="kernel", **options):
    market = bars(rows)
    flags = [at(market, *when) for when in (entries, exits, shorts, covers)]
    return simulate_signals(
        market, *flags[:2], short_entries=flags[2], short_exits=flags[3], cash=CASH, engine=engine, **options
    )


@pytest.fixture(params=["kernel", "reference"])
def engine(request):
    return request.param


def approx(value):
    return pytest.approx(value, rel=1e-12)


def test_costs_of_a_long_trade(engine):
    costs = Costs(commission=0.01, fixed_fee=10.0, slippage=0.02)
    result = trades(RISE, [0], [2], costs=costs, engine=engine)
    (trade,) = result.trades
    bought, sold = 102 * 1.02, 107 * 0.98
    shares = (CASH - 10) / (bought * 1.01)  # what the cash affords after costs
    assert (trade.entry_price, trade.exit_price, trade.size) == (approx(bought), approx(sold), approx(shares))
    assert trade.pnl == approx(shares * sold * 0.99 - 10 - CASH)
    assert result.equity == pytest.approx(
        [CASH, shares * 102, shares * 105] + [shares * sold * 0.99 - 10] * 3, rel=1e-12
    )
    paid = shares * (bought + sold) * 0.01 + 20 + shares * (bought - 102 + 107 - sold)
    assert result.metrics["costs_paid"] == approx(paid)


def test_slippage_is_adverse_to_a_short_too(engine):
    (trade,) = trades(RISE, [], shorts=[0], covers=[2], costs=Costs(slippage=0.01), engine=engine).trades
    assert (trade.side, trade.entry_price, trade.exit_price) == (
        "short",
        approx(102 * 0.99),
        approx(107 * 1.01),
    )
    assert trade.pnl == approx(trade.size * (102 * 0.99 - 107 * 1.01))


def test_borrow_is_paid_on_what_the_short_is_worth_at_each_close(engine):
    rows = [(close,) * 4 for close in (100, 100, 110, 120, 100)]
    (trade,) = trades(rows, [], shorts=[0], covers=[3], costs=Costs(borrow=0.365), engine=engine).trades
    a_bar = 0.365 / bars(rows).periods_per_year
    assert trade.pnl == approx(-trade.size * a_bar * (100 + 110 + 120))


@pytest.mark.parametrize(
    ("size", "shares"), [(1.0, CASH / 102), (0.5, CASH / 204), (FixedNotional(300.0), 300 / 102)]
)
def test_sizes(engine, size, shares):
    assert trades(RISE, [0], [2], size=size, engine=engine).trades[0].size == approx(shares)


@pytest.mark.parametrize(
    ("bar", "options", "price"),
    [
        ((101, 101, 90, 96), {"stop_loss": 0.05}, 101 * 0.95 * 0.99),  # the level from the slipped fill
        ((90, 92, 85, 91), {"stop_loss": 0.05}, 90 * 0.99),  # a gap: the open, a market order
        ((101, 120, 100, 110), {"take_profit": 0.1}, 101 * 1.1),  # a limit order pays no slippage
        ((115, 118, 90, 91), {"take_profit": 0.1, "stop_loss": 0.05}, 115),  # the open came before the low
        ((101, 115, 90, 96), {"take_profit": 0.1, "stop_loss": 0.05}, 101 * 0.95 * 0.99),  # the stop first
        ((99, 101, 90, 96), {"trailing_stop": 0.05}, 102 * 0.95 * 0.99),  # below the highest high, 102
        ((99, 101, 90, 96), {"trailing_stop": 0.05, "stop_loss": 0.03}, 101 * 0.97 * 0.99),  # the nearer one
    ],
)
def test_levels_with_slippage(engine, bar, options, price):
    result = trades(
        [*START, bar, (96, 97, 95, 96)], [0], costs=Costs(slippage=0.01), engine=engine, **options
    )
    assert (result.trades[0].exit_bar, result.trades[0].exit_price) == (2, approx(price))


@pytest.mark.parametrize(
    ("options", "bar", "price"),
    [
        ({"stop_loss": 0.05}, 2, 105),
        ({"take_profit": 0.1}, 3, 90),
        ({"trailing_stop": 0.06}, 2, 99 * 1.06),  # above the lowest low, 99
    ],
)
def test_levels_of_a_short(engine, options, bar, price):
    rows = [*START, (101, 107, 100, 103), (96, 97, 85, 96)]
    (trade,) = trades(rows, [], shorts=[0], engine=engine, **options).trades
    assert (trade.exit_bar, trade.exit_price) == (bar, approx(price))


def test_a_high_before_the_fill_at_the_close_raises_no_trailing_stop(engine):
    rows = [(90, 150, 90, 100), (100, 100, 92, 95), (95, 95, 85, 95)]
    (trade,) = trades(rows, [0], trailing_stop=0.1, fill="close", engine=engine).trades
    assert (trade.exit_bar, trade.exit_price) == (2, approx(90))


def test_a_reversal_pays_for_both_fills(engine):
    costs = Costs(commission=0.01, fixed_fee=1.0)
    long, short = trades(RISE, [0], shorts=[2], costs=costs, engine=engine).trades
    left = 999 / (102 * 1.01) * 107 * 0.99 - 1
    assert (long.exit_bar, short.entry_bar) == (3, 3)
    assert long.pnl == approx(left - CASH)
    assert short.size == approx((left - 1) / (107 * 1.01))


def test_an_entry_that_stays_true_opens_again_after_a_stop_unless_a_fresh_one_is_asked_for(engine):
    rows = [*START, (100, 100, 90, 100), *[(100, 100, 100, 100)] * 3]
    again = trades(rows, range(5), stop_loss=0.05, engine=engine).trades
    assert [(trade.entry_bar, trade.exit_bar) for trade in again] == [(1, 2), (3, None)]
    fresh = {"stop_loss": 0.05, "reentry": "fresh_signal", "engine": engine}
    assert len(trades(rows, range(5), **fresh).trades) == 1
    assert trades(rows, [0, 1, 2, 4], **fresh).trades[1].entry_bar == 5


def test_an_open_trade_counts_in_equity_and_not_in_the_win_rate(engine):
    result = trades(RISE, [0, 3], [2], engine=engine)
    after_first = CASH / 102 * 107
    assert result.metrics["total_return"] == approx(after_first / 110 * 108 / CASH - 1)
    assert result.metrics["win_rate"] == 1.0
    assert result.trades[1].exit_bar is None


def test_symbols_share_the_cash_and_closes_come_before_opens(engine):
    prices = np.array([(100, 50), (100, 50), (110, 50), (110, 40), (110, 40)], float)
    market = bars_of(prices, prices, prices, prices)
    entries, exits = np.zeros((5, 2), bool), np.zeros((5, 2), bool)
    entries[0, 1] = entries[1, 0] = True  # the second takes all the cash, and the first comes too late
    late = simulate_signals(market, entries, exits, cash=CASH, engine=engine)
    assert [trade.symbol for trade in late.trades] == [1]
    assert late.equity == pytest.approx([1000, 1000, 1000, 800, 800])
    exits[1, 1] = True  # the second is sold at the open at which the first is bought
    both = simulate_signals(market, entries, exits, cash=CASH, engine=engine)
    assert {trade.symbol: trade.size for trade in both.trades} == {0: approx(CASH / 110), 1: approx(20)}


class PlainAccount:
    """One symbol by the sentences of DESIGN 4.4, whole cash a trade, nothing borrowed."""

    def __init__(self, market: Bars, flags, levels, costs: Costs, fill: str) -> None:
        self.market, self.flags, self.levels, self.costs, self.fill = market, flags, levels, costs, fill
        self.cash, self.shares, self.paid, self.extreme, self.filled = CASH, 0.0, 0.0, 0.0, -1
        self.n_trades = 0

    def equity(self) -> np.ndarray:
        curve, wanted = [], (False, 0)
        for t in range(self.market.n_bars):
            if self.fill == "next_open":
                self.act(t, wanted, self.market.open[t])
            if self.shares and not (self.fill == "close" and self.filled == t):
                self.meet_levels(t)
            wanted = self.decide(t)
            if self.fill == "close":
                self.act(t, wanted, self.market.close[t])
            curve.append(self.cash + self.shares * self.market.close[t])
        return np.array(curve)

    def decide(self, t: int) -> tuple[bool, int]:
        """Return whether to leave, and the side to open."""
        enter_long, leave_long, enter_short, leave_short = (bool(flag[t]) for flag in self.flags)
        side = int(enter_long and not leave_long) - int(enter_short and not leave_short)
        held = np.sign(self.shares)
        leave = (leave_long if held > 0 else leave_short) or side == -held
        return leave, 0 if side == held else side

    def act(self, t: int, wanted: tuple[bool, int], price: float) -> None:
        leave, side = wanted
        if self.shares and leave:
            self.close(price)
        if not self.shares and side:
            self.paid = self.extreme = price * (1 + side * self.costs.slippage)
            size = (self.cash - self.costs.fixed_fee) / (self.paid * (1 + self.costs.commission))
            self.shares, self.filled = side * size, t
            self.cash -= self.shares * self.paid + self.fee(size * self.paid)
            self.n_trades += 1

    def close(self, price: float, slippage: float | None = None) -> None:
        slippage = self.costs.slippage if slippage is None else slippage
        price *= 1 - np.sign(self.shares) * slippage
        self.cash += self.shares * price - self.fee(abs(self.shares) * price)
        self.shares = 0.0

    def fee(self, notional: float) -> float:
        return notional * self.costs.commission + self.costs.fixed_fee

    def meet_levels(self, t: int) -> None:
        side, market = np.sign(self.shares), self.market
        stop_loss, take_profit, trail = self.levels
        stops = [self.paid * (1 - side * stop_loss), self.extreme * (1 - side * trail)]
        stop, target = side * max(side * stops[0], side * stops[1]), self.paid * (1 + side * take_profit)
        low, high = (market.low[t], market.high[t])[
            :: int(side)
        ]  # the worse end of the bar and the better one
        if side * market.open[t] <= side * stop:
            self.close(market.open[t])
        elif side * market.open[t] >= side * target:
            self.close(market.open[t], 0.0)
        elif side * low <= side * stop:
            self.close(stop)
        elif side * high >= side * target:
            self.close(target, 0.0)
        else:
            self.extreme = side * max(side * self.extreme, side * high)


@pytest.mark.parametrize("fill", ["next_open", "close"])
def test_a_simulator_from_the_text_alone_agrees(fill):
    for seed in range(150):
        rng = np.random.default_rng(seed)
        market = random_bars(seed, int(rng.integers(2, 60)))
        flags = [rng.random(market.n_bars) < 0.25 for _ in range(4)]
        levels = tuple(rng.choice([0.02, 0.05, 0.1, 9.0], 3))  # a stop of 9 lies below 0: none
        levels = tuple(min(level, 0.999) if i != 1 else level for i, level in enumerate(levels))
        costs = Costs(*(rng.choice([0, 1], 3) * (0.002, 1.0, 0.001)))
        account = PlainAccount(market, flags, levels, costs, fill)
        expected = account.equity()
        result = simulate_signals(
            market,
            *flags[:2],
            short_entries=flags[2],
            short_exits=flags[3],
            stop_loss=levels[0],
            take_profit=levels[1],
            trailing_stop=levels[2],
            costs=costs,
            fill=fill,
            cash=CASH,
        )
        assert (expected > 0).all(), seed  # nobody is ruined here
        np.testing.assert_allclose(result.equity, expected, rtol=1e-9, err_msg=str(seed))
        assert len(result.trades) == account.n_trades, seed


def test_metrics_from_equity_and_trades_alone():
    market = load_bars("nasdaq", start="2008", end="2012")
    rng = np.random.default_rng(4)
    flags = [rng.random(market.n_bars) < 0.05 for _ in range(4)]
    costs = Costs(0.001, 2.0, 0.0005, 0.03)
    result = simulate_signals(
        market, *flags[:2], short_entries=flags[2], short_exits=flags[3], stop_loss=0.05, costs=costs
    )
    equity = [float(value) for value in result.equity]
    steps = [after / before - 1 for before, after in pairwise(equity)]
    n = len(steps)
    years = (int(market.timestamp[-1]) - int(market.timestamp[0])) / 1e9 / 86400 / 365.25
    mean = sum(steps) / n
    moments = [sum((step - mean) ** power for step in steps) / n for power in (2, 3, 4)]
    deviation, a_year = math.sqrt(moments[0] * n / (n - 1)), math.sqrt(n / years)
    peaks = np.maximum.accumulate([100_000.0, *equity])[1:]
    below = "".join("x" if value < peak else " " for value, peak in zip(equity, peaks, strict=True))
    closed = [trade for trade in result.trades if trade.exit_bar is not None]
    held = {t for trade in result.trades for t in range(trade.entry_bar, trade.exit_bar or market.n_bars)}
    fills = [(trade.entry_bar, trade.size * trade.entry_price) for trade in result.trades]
    fills += [(trade.exit_bar, trade.size * trade.exit_price) for trade in closed]
    gains = [trade.pnl for trade in closed if trade.pnl > 0]
    losses = [trade.pnl for trade in closed if trade.pnl <= 0]
    total, drawdown = equity[-1] / 100_000 - 1, max(1 - np.array(equity) / peaks)
    annual = (1 + total) ** (1 / years) - 1
    expected = {
        "total_return": total,
        "annual_return": annual,
        "volatility": deviation * a_year,
        "sharpe_ratio": mean / deviation * a_year,
        "sortino_ratio": mean / math.sqrt(sum(min(step, 0) ** 2 for step in steps) / n) * a_year,
        "calmar_ratio": annual / drawdown,
        "max_drawdown": drawdown,
        "max_drawdown_bars": max(map(len, below.split())),
        "win_rate": len(gains) / len(closed),
        "profit_factor": sum(gains) / -sum(losses),
        "expectancy": sum(trade.pnl / (trade.size * trade.entry_price) for trade in closed) / len(closed),
        "exposure": len(held) / market.n_bars,
        "turnover": sum(cash / equity[t - 1] for t, cash in fills) / years,
        "trades": len(result.trades),
        "skew": moments[1] / moments[0] ** 1.5,
        "kurtosis": moments[2] / moments[0] ** 2,
    }
    found = {name: result.metrics[name] for name in expected}
    assert found == pytest.approx(expected, rel=1e-9)
    assert set(result.metrics) - set(expected) == {"costs_paid"}
    parts = [steps[k * n // 16 : (k + 1) * n // 16] for k in range(16)]
    sums = [(len(part), sum(part), sum(step * step for step in part)) for part in parts]
    assert result.blocks == pytest.approx(np.array(sums), abs=1e-12)
