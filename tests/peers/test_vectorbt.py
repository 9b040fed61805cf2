"""Agreement with vectorbt's `Portfolio.from_signals`, and what remains different (docs/backtest.md)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comparing import (
    Case,
    assert_same_trades,
    momentum_cases,
    opened_beyond_target_and_fell,
    random_cases,
)
from vectorbt_runs import make_portfolio, run_vectorbt

from markets import bars_of
from strategy_optimizer.backtest import Costs, FixedNotional, simulate_signals

pytestmark = pytest.mark.filterwarnings("ignore")  # vectorbt warns of its own dependencies
NAMES = ("sp500", "EURUSD", "GOOG")


def ours(bars, case: Case, costs: Costs | None = None, **settings):
    flags = dict(zip(("entries", "exits", "short_entries", "short_exits"), case.flags, strict=True))
    return simulate_signals(bars, **flags, **(case.orders | settings), costs=costs, fill="close")


def assert_agreement(bars, cases, costs: Costs, percent=None, **settings):
    """Compare all cases, ours without the entry signals that vectorbt's one order a bar cannot follow."""
    fees = {"fees": costs.commission, "fixed_fees": costs.fixed_fee, "slippage": costs.slippage}
    runs = run_vectorbt(bars, cases, percent=percent, **(fees | settings))
    for case, run in zip(cases, runs, strict=True):
        result = ours(bars, case.without_entries(run.bars_left_without_entry), costs)
        assert_same_trades(result.trades, run.trades)
        np.testing.assert_allclose(result.equity, run.equity, rtol=1e-9)
    return sum(len(run.trades) for run in runs)


@pytest.mark.parametrize("costs", [Costs(), Costs(commission=0.0005, fixed_fee=2.0, slippage=0.0002)])
def test_two_hundred_momentum_sets_without_levels(sp500, costs):
    assert assert_agreement(sp500, momentum_cases(sp500, 200, 1), costs) > 10_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "levels",
    [
        {"stop_loss": (0.005, 0.1)},
        {"trailing_stop": (0.005, 0.1)},
        {"stop_loss": (0.005, 0.1), "size": (0.1, 0.99)},
    ],
    ids=["stop", "trailing", "stop and size"],
)
def test_momentum_with_stops_commission_and_slippage(markets, name, levels):
    bars, costs = markets[name], Costs(commission=0.0005, slippage=0.0002)
    cases = momentum_cases(bars, 100, 2, **levels)
    # vectorbt's percentage of the cash has to pay the commission too; ours is the fraction of equity bought.
    percent = [case.size * (1 + costs.commission) for case in cases] if "size" in levels else None
    assert_agreement(bars, cases, costs, percent)


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_limit_orders(markets, name):
    cases = momentum_cases(markets[name], 100, 3, take_profit=(0.005, 0.2))
    assert_agreement(markets[name], cases, Costs(0.0005, slippage=0.0002), stop_exit_price="stoplimit")


@pytest.mark.parametrize("name", NAMES)
def test_stops_and_targets_together_without_slippage(markets, name):
    levels = {"stop_loss": (0.003, 0.1), "take_profit": (0.003, 0.2)}
    bars, costs = markets[name], Costs(commission=0.0005)
    cases = momentum_cases(bars, 50, 4, **levels) + random_cases(bars, 50, 5, **levels)
    opened_beyond = [
        bool(opened_beyond_target_and_fell(bars, case, ours(bars, case, costs))) for case in cases
    ]
    assert_agreement(bars, [case for case, odd in zip(cases, opened_beyond, strict=True) if not odd], costs)
    assert sum(opened_beyond) <= 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("density", [0.02, 0.3, 0.8])
def test_random_long_and_short_signals_with_reversals(markets, name, density):
    cases = random_cases(markets[name], 30, 6, density) + random_cases(
        markets[name], 30, 7, density, stop_loss=(0.003, 0.1)
    ) + random_cases(markets[name], 30, 8, density, trailing_stop=(0.003, 0.1))  # fmt: skip
    assert_agreement(markets[name], cases, Costs(commission=0.0001, slippage=0.0001))


@pytest.mark.parametrize("name", NAMES)
def test_with_slippage_stops_and_targets_together_differ_in_the_targets_price_alone(markets, name):
    """One setting covers both orders: "stopmarket" lets targets pay, "stoplimit" lets stops pay none."""
    bars, slippage = markets[name], 0.0005
    cases = momentum_cases(bars, 40, 9, stop_loss=(0.003, 0.05), take_profit=(0.003, 0.1))
    reasons = set()
    for case, run in zip(cases, run_vectorbt(bars, cases, slippage=slippage), strict=True):
        result = ours(bars, case.without_entries(run.bars_left_without_entry), Costs(slippage=slippage))
        odd = opened_beyond_target_and_fell(bars, case, result)
        assert len(result.trades) == len(run.trades)
        assert len(odd) <= 0.05 * len(run.trades)
        for a, b in zip(result.trades, run.trades, strict=True):
            assert (a.entry_bar, a.exit_bar, a.side) == (b.entry_bar, b.exit_bar, b.side)
            assert a.entry_price == pytest.approx(b.entry_price, rel=1e-12)
            if a.exit_price is not None and a not in odd:
                paid = 1 - slippage if a.exit_reason == "take_profit" else 1.0
                assert a.exit_price * paid == pytest.approx(b.exit_price, rel=1e-12)
            reasons.add(a.exit_reason)
    assert reasons >= {"signal", "stop_loss", "take_profit"}


# What remains, one by one.


def at(n, *bars):
    return np.isin(np.arange(n), bars)


def both(prices, entries=(), exits=(), shorts=(), covers=(), costs=None, **settings):
    """Run hand-made bars (open, high, low, close) through both; return our result and vectorbt's run."""
    bars = bars_of(*zip(*prices, strict=True))
    orders = {
        k: settings.pop(k) for k in ("size", "stop_loss", "take_profit", "trailing_stop") if k in settings
    }
    case = Case(*(at(len(prices), *when) for when in (entries, exits, shorts, covers)), **orders)
    costs = costs or Costs()
    fees = {"fees": costs.commission, "fixed_fees": costs.fixed_fee, "slippage": costs.slippage}
    return ours(bars, case, costs), run_vectorbt(bars, [case], **(fees | settings))[0]


FLAT = (100.0, 100.0, 100.0, 100.0)
DIP = (100.0, 101.0, 90.0, 98.0)


def test_by_default_vectorbt_takes_levels_from_the_close_without_slippage():
    slipped = Costs(slippage=0.01)
    mine, theirs = both([FLAT, DIP], [0], costs=slipped, stop_loss=0.05, stop_entry_price="close")
    assert mine.trades[0].exit_price == pytest.approx(101 * 0.95 * 0.99)
    assert theirs.trades[0].exit_price == pytest.approx(100 * 0.95 * 0.99)
    mine, theirs = both([FLAT, DIP], [0], stop_loss=0.05, stop_entry_price="close")
    assert mine.trades[0].exit_price == pytest.approx(theirs.trades[0].exit_price, rel=1e-14)


def test_by_default_vectorbt_lets_stops_pay_no_slippage():
    mine, theirs = both(
        [FLAT, DIP], [0], costs=Costs(slippage=0.01), stop_loss=0.05, stop_exit_price="stoplimit"
    )
    assert theirs.trades[0].exit_price == pytest.approx(101 * 0.95)
    assert mine.trades[0].exit_price == pytest.approx(101 * 0.95 * 0.99)


def test_by_default_vectorbt_ignores_both_signals_of_a_conflict():
    mine, theirs = both([FLAT] * 3, [0, 1], [1], upon_long_conflict="ignore")
    assert mine.trades[0].exit_bar == 1
    assert theirs.trades[0].exit_bar is None


def test_vectorbt_takes_the_stop_although_the_bar_opened_beyond_the_target():
    mine, theirs = both([FLAT, (120.0, 121.0, 90.0, 91.0)], [0], stop_loss=0.05, take_profit=0.1)
    assert (mine.trades[0].exit_price, mine.trades[0].exit_reason) == (120.0, "take_profit")
    assert theirs.trades[0].exit_price == 95.0


def test_after_a_stop_vectorbt_waits_a_bar():
    mine, theirs = both([FLAT, DIP, FLAT], [0, 1], stop_loss=0.05)
    assert [(t.entry_bar, t.exit_bar) for t in mine.trades] == [(0, 1), (1, None)]
    assert [(t.entry_bar, t.exit_bar) for t in theirs.trades] == [(0, 1)]


def test_the_commission_is_inside_vectorbts_percentage():
    mine, theirs = both([FLAT] * 2, [0], costs=Costs(commission=0.25), size=0.5, percent=[0.5])
    assert mine.trades[0].size == pytest.approx(500.0)
    assert theirs.trades[0].size == pytest.approx(500.0 / 1.25)


def test_a_fixed_value_is_divided_by_the_unslipped_price():
    bars = bars_of(*zip(*[FLAT] * 2, strict=True))
    case = Case(at(2, 0), *[at(2)] * 3)
    mine = ours(bars, case, Costs(slippage=0.25), size=FixedNotional(10_000.0))
    theirs = run_vectorbt(bars, [case], slippage=0.25, size=10_000.0, size_type="value")[0]
    assert mine.trades[0].size * mine.trades[0].entry_price == pytest.approx(10_000.0)
    assert theirs.trades[0].size * theirs.trades[0].entry_price == pytest.approx(12_500.0)


def test_a_reversal_is_one_order_with_one_fixed_fee():
    mine, theirs = both([FLAT] * 3, [0], shorts=[1], covers=[2], costs=Costs(fixed_fee=100.0))
    assert mine.metrics["costs_paid"] == pytest.approx(400.0)
    assert 100_000.0 - theirs.equity[-1] == pytest.approx(300.0)


def test_vectorbt_trades_on_with_a_lost_account():
    prices = [FLAT, (100.0, 250.0, 100.0, 240.0), FLAT]
    mine, theirs = both(prices, shorts=[0])
    assert mine.trades[0].exit_reason == "bankruptcy"
    assert mine.equity[-1] < 0
    assert theirs.equity[1] < 0 < theirs.equity[2]  # it lives on as if nobody had called the loan


# Metrics.


def test_metrics_of_equal_trades_agree(sp500):
    cases = [
        replace(case, exits=case.exits | at(sp500.n_bars, sp500.n_bars - 1))
        for case in momentum_cases(sp500, 20, 10)
    ]
    portfolio = make_portfolio(sp500, cases, fees=0.0005)
    results = [ours(sp500, case, Costs(commission=0.0005)) for case in cases]
    for name, theirs in (
        ("total_return", portfolio.total_return()),
        ("win_rate", portfolio.trades.win_rate()),
        ("profit_factor", portfolio.trades.profit_factor()),
        ("max_drawdown", -portfolio.max_drawdown()),
        ("trades", portfolio.trades.count()),
    ):
        np.testing.assert_allclose(
            [r.metrics[name] for r in results], theirs.to_numpy(), rtol=1e-9, err_msg=name
        )


def test_vectorbts_year_has_365_bars_of_a_daily_series(sp500):
    case = momentum_cases(sp500, 1, 11)[0]
    theirs = float(make_portfolio(sp500, [case]).sharpe_ratio().iloc[0])
    mine = ours(sp500, case).metrics["sharpe_ratio"]
    n = sp500.n_bars
    # It also counts the first bar, whose return from the starting cash is zero here: n returns, not n - 1.
    returns = np.diff(ours(sp500, case).equity, prepend=100_000.0) / np.append(
        100_000.0, ours(sp500, case).equity[:-1]
    )
    assert theirs == pytest.approx(returns.mean() / returns.std(ddof=1) * np.sqrt(365), rel=1e-9)
    assert theirs == pytest.approx(mine * np.sqrt(365 / sp500.periods_per_year), rel=2 / n)


def test_vectorbt_counts_open_trades_as_won_or_lost():
    bars = bars_of(*zip(*[FLAT, FLAT, (110.0, 110.0, 110.0, 110.0)], strict=True))
    case = Case(at(3, 0), *[at(3)] * 3)
    assert np.isnan(ours(bars, case).metrics["win_rate"])
    assert float(make_portfolio(bars, [case]).trades.win_rate().iloc[0]) == 1.0
