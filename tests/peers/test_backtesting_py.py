"""Agreement with backtesting.py at next-open fills, and what remains different (docs/backtest.md)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from backtesting_runs import CASH, make_backtest, mirror_of, representable, run_backtesting
from comparing import (
    Case,
    assert_same_trades,
    momentum_cases,
    opened_beyond_target_and_fell,
    random_cases,
)

from markets import bars_of
from strategy_optimizer.backtest import Costs, simulate_signals

pytestmark = pytest.mark.filterwarnings("ignore")  # it warns of orders it cancels and of trades left open
NAMES = ("sp500", "EURUSD", "GOOG")


def ours(bars, case: Case, costs: Costs | None = None, cash=CASH):
    flags = dict(zip(("entries", "exits", "short_entries", "short_exits"), case.flags, strict=True))
    return simulate_signals(bars, **flags, **case.orders, costs=costs, cash=cash)


def assert_agreement(bars, cases, commission=0.0):
    """Compare all cases; return how many trades, and how many were left out (open beyond the target)."""
    trades = odd = 0
    for case in cases:
        possible = representable(bars, case)
        result = ours(bars, possible, Costs(commission=commission))
        if opened_beyond_target_and_fell(bars, possible, result):
            odd += 1
            continue
        run = run_backtesting(bars, possible, commission=commission)
        closed = [trade for trade in result.trades if trade.exit_bar is not None]
        # Whole shares: one of 10 ** 10 at 1,000 a share, and of fewer when much is lost.
        assert_same_trades(closed, run.trades, sizes=1e-7)
        np.testing.assert_allclose(result.equity, run.equity, rtol=1e-6)
        trades += len(closed)
    return trades, odd


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("commission", [0.0, 0.001])
def test_momentum_without_levels(markets, name, commission):
    trades, _ = assert_agreement(markets[name], momentum_cases(markets[name], 8, 1), commission)
    assert trades > 100


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "levels",
    [
        {"stop_loss": (0.003, 0.1), "take_profit": (0.003, 0.2)},
        {"trailing_stop": (0.003, 0.1), "size": (0.1, 0.9)},
        {"stop_loss": (0.003, 0.05), "trailing_stop": (0.003, 0.1), "take_profit": (0.003, 0.1)},
    ],
    ids=["stop and target", "trailing and size", "all three"],
)
def test_momentum_with_levels_and_commission(markets, name, levels):
    trades, odd = assert_agreement(markets[name], momentum_cases(markets[name], 8, 2, **levels), 0.0005)
    assert trades > 50
    assert odd <= 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("density", [0.02, 0.4])
def test_random_long_and_short_signals_with_reversals(markets, name, density):
    bars = markets[name]
    cases = random_cases(bars, 3, 3, density) + random_cases(
        bars, 3, 4, density, stop_loss=(0.003, 0.1), take_profit=(0.003, 0.1), size=(0.2, 0.9)
    )  # fmt: skip
    trades, odd = assert_agreement(bars, cases, 0.0005)
    assert trades > 50
    assert odd <= 2


# What remains, one by one.

FLAT = (100.0, 100.0, 100.0, 100.0)
DIP = (100.0, 101.0, 90.0, 98.0)
# Enough bars for its statistics, which fail on one or two.
CALM = [FLAT] * 5


def at(n, *bars):
    return np.isin(np.arange(n), bars)


def both(prices, entries=(), exits=(), shorts=(), covers=(), costs=None, cash=100_000.0, peer=None, **orders):
    """Run hand-made bars (open, high, low, close) through both."""
    bars = bars_of(*zip(*prices, strict=True))
    case = Case(*(at(len(prices), *when) for when in (entries, exits, shorts, covers)), **orders)
    return ours(bars, case, costs, cash), run_backtesting(bars, case, cash=cash, **(peer or {}))


def test_stop_and_target_on_the_fill_bar_are_checked_by_both():
    mine, theirs = both([FLAT, FLAT, DIP, *CALM], [1], stop_loss=0.05)
    assert (mine.trades[0].exit_bar, mine.trades[0].exit_price) == (2, 95.0)
    assert (theirs.trades[0].exit_bar, theirs.trades[0].exit_price) == (2, 95.0)


def test_it_takes_the_stop_although_the_bar_opened_beyond_the_target():
    mine, theirs = both(
        [FLAT, FLAT, FLAT, (120.0, 121.0, 90.0, 91.0), *CALM], [1], stop_loss=0.05, take_profit=0.1
    )
    assert (mine.trades[0].exit_price, mine.trades[0].exit_reason) == (120.0, "take_profit")
    assert theirs.trades[0].exit_price == 95.0


def test_it_trades_whole_shares():
    mine, theirs = both([FLAT, FLAT, FLAT, *CALM], [1], [3], cash=1_050.0)
    assert mine.trades[0].size == pytest.approx(10.5)
    assert theirs.trades[0].size == 10.0


def test_its_fraction_includes_the_commission():
    costs, peer = Costs(commission=0.09), {"commission": 0.09}
    prices = [FLAT, FLAT, FLAT, *CALM]
    bars = bars_of(*zip(*prices, strict=True))
    case = Case(at(8, 1), at(8, 3), at(8), at(8), size=0.5)
    uncorrected = make_backtest(bars, mirror_of(bars, case), cash=CASH, **peer).run()["_trades"]["Size"][0]
    assert ours(bars, case, costs).trades[0].size == pytest.approx(CASH * 0.5 / 100)
    assert uncorrected == pytest.approx(CASH * 0.5 / 109, rel=1e-8)


def test_its_fraction_takes_a_fixed_fee_for_one_a_share():
    mine, theirs = both(
        [FLAT, FLAT, FLAT, *CALM], [1], [3], costs=Costs(fixed_fee=24.0), peer={"commission": (24.0, 0.0)}
    )
    assert mine.trades[0].size == pytest.approx((100_000.0 - 24.0) / 100)
    assert theirs.trades[0].size == 100_000 // 124  # a fifth of the cash stays idle for a fee of 24
    # Only the size is wrong: the fee that it books is one.
    assert theirs.equity[-1] == pytest.approx(100_000.0 - 48.0)


def test_its_spread_is_paid_at_the_entry_alone():
    mine, theirs = both(
        [FLAT, FLAT, FLAT, *CALM], [1], [3], costs=Costs(slippage=0.01), peer={"spread": 0.01}
    )
    assert (mine.trades[0].entry_price, mine.trades[0].exit_price) == (101.0, 99.0)
    assert (theirs.trades[0].entry_price, theirs.trades[0].exit_price) == (101.0, 100.0)


def test_finalized_trades_end_at_an_open_before_the_decision():
    """`finalize_trades` closes after the last bar, at the open of that bar: a price of the past."""
    last = (100.0, 150.0, 100.0, 150.0)
    mine, theirs = both([FLAT, FLAT, FLAT, FLAT, last], [1], peer={"finalize_trades": True})
    assert (mine.trades[0].exit_bar, mine.equity[-1]) == (None, 150_000.0)
    assert (theirs.trades[0].exit_bar, theirs.trades[0].exit_price) == (4, 100.0)


def test_the_first_bar_makes_no_decision():
    mine, theirs = both([FLAT, FLAT, FLAT, *CALM], [0], [3])
    assert len(mine.trades) == 1
    assert theirs.trades == []


def test_levels_are_prices_set_before_the_fill_is_known():
    prices = [FLAT, FLAT, (110.0, 110.0, 110.0, 110.0), *CALM]
    bars = bars_of(*zip(*prices, strict=True))
    case = Case(at(8, 1), at(8), at(8), at(8), stop_loss=0.05)
    assert ours(bars, case).trades[0].exit_price == 100.0  # the level is 104.5, the next open 100
    with pytest.raises(ValueError, match="Long orders require"):
        run_backtesting(bars, case)
    assert not representable(bars, case).entries.any()


def test_a_lost_account_is_set_to_zero():
    mine, theirs = both([FLAT, FLAT, FLAT, (100.0, 250.0, 100.0, 240.0), *CALM], shorts=[1])
    assert mine.trades[0].exit_reason == "bankruptcy"
    assert mine.equity[-1] == pytest.approx(-40_000.0)  # what is owed
    assert theirs.equity[-1] == 0.0


# Statistics.


def test_statistics_of_equal_trades_agree(sp500):
    for case in momentum_cases(sp500, 5, 5, stop_loss=(0.02, 0.1)):
        possible = representable(sp500, case)
        mine, theirs = ours(sp500, possible).metrics, run_backtesting(sp500, possible).stats
        assert mine["total_return"] == pytest.approx(theirs["Return [%]"] / 100, rel=1e-6)
        assert mine["annual_return"] == pytest.approx(theirs["CAGR [%]"] / 100, rel=1e-6)
        assert mine["max_drawdown"] == pytest.approx(-theirs["Max. Drawdown [%]"] / 100, rel=1e-6)
        assert mine["win_rate"] == pytest.approx(theirs["Win Rate [%]"] / 100)
        assert mine["expectancy"] == pytest.approx(theirs["Expectancy [%]"] / 100, abs=1e-8)


def test_its_sharpe_ratio_divides_a_compound_return_by_a_lognormal_volatility(sp500):
    case = representable(sp500, momentum_cases(sp500, 1, 6)[0])
    result, stats = ours(sp500, case), run_backtesting(sp500, case).stats
    returns = result.equity[1:] / result.equity[:-1] - 1
    growth, variance = np.exp(np.log1p(returns).mean()), returns.var(ddof=1)
    compound = growth**252 - 1
    volatility = np.sqrt((variance + growth**2) ** 252 - growth ** (2 * 252))
    assert stats["Sharpe Ratio"] == pytest.approx(compound / volatility, rel=1e-6)
    plain = returns.mean() / returns.std(ddof=1) * np.sqrt(sp500.periods_per_year)
    assert result.metrics["sharpe_ratio"] == pytest.approx(plain, rel=1e-9)
    assert abs(plain - stats["Sharpe Ratio"]) > 0.005


def test_its_profit_factor_and_exposure_mean_something_else(sp500):
    case = representable(sp500, momentum_cases(sp500, 1, 7)[0])
    result, run = ours(sp500, case), run_backtesting(sp500, case)
    closed = [trade for trade in result.trades if trade.exit_bar is not None]
    returns = np.array([trade.pnl / (trade.size * trade.entry_price) for trade in closed])
    pnl = np.array([trade.pnl for trade in closed])
    # Percentages of trades of different sizes are added there, cash here.
    assert run.stats["Profit Factor"] == pytest.approx(
        returns[returns > 0].sum() / -returns[returns < 0].sum(), rel=1e-6
    )
    assert result.metrics["profit_factor"] == pytest.approx(
        pnl[pnl > 0].sum() / -pnl[pnl < 0].sum(), rel=1e-9
    )
    # The bar of an exit counts as held there; at its close nothing is held.
    held = np.zeros(sp500.n_bars, dtype=bool)
    closes_held = held.copy()
    for trade in result.trades:
        last = sp500.n_bars if trade.exit_bar is None else trade.exit_bar
        closes_held[trade.entry_bar : last] = True
        if trade.exit_bar is not None:
            held[trade.entry_bar : last + 1] = True
    assert run.stats["Exposure Time [%]"] == pytest.approx(100 * held.mean())
    assert result.metrics["exposure"] == pytest.approx(closes_held.mean())


def test_the_engines_warn_rather_than_fill_a_last_order():
    """An order decided on the last bar has no next open in either engine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine, theirs = both([FLAT] * 5, [4])
    assert mine.trades == ()
    assert theirs.trades == []
