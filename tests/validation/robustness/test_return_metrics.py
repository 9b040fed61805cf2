"""Metrics of many series at once are those of the backtest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_bars, random_signals
from strategy_optimizer.backtest import Costs, Rules
from strategy_optimizer.backtest.metrics import equity_metrics
from strategy_optimizer.backtest.plan import account_values, signal_rows
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.validation.robustness.return_metrics import (
    RETURN_METRICS,
    TRADE_METRICS,
    return_metrics,
    trade_metrics,
)
from strategy_optimizer.validation.track_record import bar_returns


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    fill=st.sampled_from(["next_open", "close"]),
    wild=st.sampled_from([0.01, 0.05, 0.3]),
    n_symbols=st.integers(1, 2),
)
def test_they_are_the_kernels(seed, fill, wild, n_symbols):
    bars = random_bars(seed, 120, n_symbols=n_symbols, wild=wild)
    rules = Rules(Costs(0.001, 1.0, 0.001, 0.02), fill=fill, window=(7, 110))
    plan = signal_rows(random_signals(seed, bars), bars)
    result = run_plan(bars, plan, rules)
    account = account_values(rules, bars, plan.size_is_notional)
    found = return_metrics(
        bar_returns(result.equity)[None, :],
        years=account.years,
        periods_per_year=account.periods_per_year,
        first_equity=result.equity[0] / rules.cash,
    )
    assert tuple(sorted(found)) == tuple(sorted(RETURN_METRICS))
    for name in RETURN_METRICS:
        assert found[name][0] == pytest.approx(result.metrics[name], rel=1e-9, abs=1e-9, nan_ok=True), name
    _check_trade_metrics(result)


def _check_trade_metrics(result):
    closed = [trade for trade in result.trades if trade.exit_bar is not None]
    if closed:
        pnl = np.array([[trade.pnl for trade in closed]])
        notional = np.array([[trade.size * trade.entry_price for trade in closed]])
        found = trade_metrics(pnl, pnl / notional)
        for name in TRADE_METRICS:
            assert found[name][0] == pytest.approx(result.metrics[name], rel=1e-9, nan_ok=True), name


def test_each_row_is_the_slow_computation():
    rng = np.random.default_rng(0)
    r = rng.normal(0.0, 0.05, (20, 60))
    r[3] = 0.0
    r[4] = 0.01  # constant
    r[5, 10] = -1.0
    r[6, 20] = -1.3
    found = return_metrics(r, years=0.5, periods_per_year=120.0, first_equity=0.99)
    for row in range(len(r)):
        equity = [0.99 * 1000.0]
        for value in r[row].tolist():
            equity.append(equity[-1] * (1.0 + value) if equity[-1] > 0.0 else equity[-1])
        expected = equity_metrics(equity, 1000.0, 0.5, 120.0)
        for name in RETURN_METRICS:
            value = pytest.approx(expected[name], rel=1e-9, abs=1e-12, nan_ok=True)
            assert found[name][row] == value, (name, row)


def test_without_a_loss_ratios_are_infinite_and_without_a_trade_not_defined():
    gains = trade_metrics(np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[0.1, 0.2], [0.0, 0.0]]))
    assert gains["profit_factor"][0] == math.inf
    assert math.isnan(gains["profit_factor"][1])
    assert gains["win_rate"].tolist() == [1.0, 0.0]
