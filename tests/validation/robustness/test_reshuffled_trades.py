"""Another order of the same trades changes the way, not the end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_bars, random_signals
from strategy_optimizer.backtest import Costs, Rules, Trade, run_backtest
from strategy_optimizer.backtest.plan import signal_rows
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.strategies import get_strategy
from strategy_optimizer.validation.robustness import reshuffled_trades
from strategy_optimizer.validation.robustness.reshuffled_trades import balance_returns
from strategy_optimizer.validation.statistics import NotEnough, stationary_indices


def _trades(pnl):
    return [
        Trade(2 * i, 2 * i + 1, 100.0, 101.0, 1.0, "long", value, "signal") for i, value in enumerate(pnl)
    ]


def _slow_drawdown(returns):
    balance = peak = 1.0
    deepest = 0.0
    for value in returns:
        balance *= 1.0 + value
        peak = max(peak, balance)
        deepest = max(deepest, 1.0 - balance / peak)
    return deepest


@settings(deadline=None)
@given(
    pnl=st.lists(st.floats(-30.0, 40.0), min_size=20, max_size=40).filter(lambda x: np.ptp(x) > 1e-3),
    seed=st.integers(0, 1000),
)
def test_a_permutation_leaves_return_and_sharpe_ratio_unchanged(pnl, seed):
    found = reshuffled_trades(_trades(pnl), 10_000.0, replications=20, seed=seed)
    np.testing.assert_allclose(1.0 + found.total_returns, 1.0 + found.total_return, rtol=1e-12)
    np.testing.assert_allclose(found.sharpe_ratios, found.sharpe_ratio, rtol=1e-7, atol=1e-9)
    assert 1.0 + found.total_return == pytest.approx((10_000.0 + sum(pnl)) / 10_000.0)
    assert (found.max_drawdowns >= 0.0).all()


@pytest.mark.parametrize("n_symbols", [1, 3])
def test_the_end_is_the_closed_trades_balance(n_symbols):
    """Also with the overlapping trades of several symbols."""
    bars = random_bars(0, 500, n_symbols=n_symbols, wild=0.01)
    plan = signal_rows(random_signals(1, bars), bars)
    result = run_plan(bars, plan, Rules(Costs(commission=0.0005)))
    found = reshuffled_trades(result.trades, 100_000.0)
    earned = sum(trade.pnl for trade in result.trades if trade.exit_bar is not None)
    assert found.total_return == pytest.approx(earned / 100_000.0)


def test_drawdowns_and_alarm_are_the_slow_ones():
    rng = np.random.default_rng(0)
    trades = _trades(rng.normal(20.0, 200.0, 60))
    returns = balance_returns(trades, 10_000.0)
    rows = np.random.default_rng(4).permuted(np.tile(np.arange(60), (200, 1)), axis=1)
    expected = [_slow_drawdown(returns[row]) for row in rows]
    found = reshuffled_trades(trades, 10_000.0, replications=200, seed=4)
    np.testing.assert_allclose(found.max_drawdowns, expected, rtol=1e-12)
    assert found.max_drawdown == pytest.approx(_slow_drawdown(returns))
    assert found.alarm_drawdown == pytest.approx(sorted(expected)[189])
    assert np.unique(found.max_drawdowns).size > 100


def test_a_bootstrap_changes_the_end_too():
    rng = np.random.default_rng(0)
    trades = _trades(rng.normal(20.0, 200.0, 60))
    returns = balance_returns(trades, 10_000.0)
    found = reshuffled_trades(
        trades, 10_000.0, method="bootstrap", block_length=3.0, replications=100, seed=4
    )
    rows = stationary_indices(60, 3.0, 100, np.random.default_rng(4))
    for k, row in enumerate(rows):
        drawn = returns[row]
        assert found.total_returns[k] == pytest.approx(np.prod(1.0 + drawn) - 1.0)
        assert found.sharpe_ratios[k] == pytest.approx(drawn.mean() / drawn.std(ddof=1))
        assert found.max_drawdowns[k] == pytest.approx(_slow_drawdown(drawn))
    assert found.total_returns.std() > 0.01


def test_losses_that_come_together_are_kept_together_by_the_bootstrap():
    rng = np.random.default_rng(2)
    streaks = np.convolve(rng.normal(5.0, 60.0, 400), np.full(8, 1.0), mode="valid")
    trades = _trades(streaks)
    permuted, bootstrapped = (
        reshuffled_trades(trades, 100_000.0, method=m, replications=300) for m in ("permutation", "bootstrap")
    )
    assert permuted.block_length == 1.0
    assert bootstrapped.block_length > 3.0
    assert bootstrapped.alarm_drawdown > 1.3 * permuted.alarm_drawdown


def test_the_balance_is_the_equity_at_each_exit(nasdaq):
    result = run_backtest(get_strategy("momentum"), {}, nasdaq)
    closed = [trade for trade in result.trades if trade.exit_bar is not None]
    balances = 100_000.0 * np.cumprod(1.0 + balance_returns(result.trades, 100_000.0))
    alone = [i for i, trade in enumerate(closed[:-1]) if closed[i + 1].entry_bar > trade.exit_bar]
    assert len(alone) > 100
    for i in alone:
        assert balances[i] == pytest.approx(result.equity[closed[i].exit_bar])


def test_too_little_is_not_enough():
    assert reshuffled_trades([], 100.0) == NotEnough("closed trades", 0, 20)
    assert reshuffled_trades(_trades(range(19)), 1e4) == NotEnough("closed trades", 19, 20)
    open_trade = Trade(1, None, 100.0, None, 1.0, "long", 5.0, "open")
    assert reshuffled_trades([*_trades(range(19)), open_trade], 1e4) == NotEnough("closed trades", 19, 20)
    assert reshuffled_trades(_trades([0.0] * 30), 1e4) == NotEnough("distinct returns", 1, 2)
    assert reshuffled_trades(_trades([*range(25), -2e4]), 1e4).what == "cash in the account"
    with pytest.raises(StatisticsError, match="method is 'shuffle'"):
        reshuffled_trades(_trades(range(30)), 1e4, method="shuffle")
