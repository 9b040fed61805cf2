"""What must hold for every backtest, whatever the market and the signals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import DAY, bars_of, random_bars, random_signals
from strategy_optimizer import Costs, FixedNotional, get_strategy
from strategy_optimizer.backtest import (
    METRICS,
    PopulationEvaluator,
    Rules,
    Signals,
    evaluate_population,
    run_backtest,
    simulate_signals,
)
from strategy_optimizer.market import Bars
from strategy_optimizer.strategies.momentum import Momentum, VectorisedMomentum

seeds = st.integers(0, 2**32 - 1)
fills = st.sampled_from(["next_open", "close"])
some_costs = Costs(commission=0.001, fixed_fee=2.0, slippage=0.0005, borrow=0.02)


def run(bars, signals: Signals, **rules):
    return simulate_signals(
        bars,
        signals.entries,
        signals.exits,
        short_entries=signals.short_entries,
        short_exits=signals.short_exits,
        size=signals.size,
        stop_loss=signals.stop_loss,
        take_profit=signals.take_profit,
        trailing_stop=signals.trailing_stop,
        **rules,
    )


@settings(max_examples=200, deadline=None)
@given(seed=seeds, fill=fills, n_symbols=st.integers(1, 3))
def test_no_cash_appears_or_vanishes(seed, fill, n_symbols):
    bars = random_bars(seed, 60, n_symbols=n_symbols)
    result = run(bars, random_signals(seed + 1, bars), fill=fill, costs=some_costs)
    assert result.equity[-1] == pytest.approx(100_000.0 + sum(trade.pnl for trade in result.trades), rel=1e-9)


@settings(max_examples=150, deadline=None)
@given(seed=seeds, fill=fills, cost=st.sampled_from(["commission", "slippage", "borrow", "fixed_fee"]))
def test_a_higher_cost_never_raises_the_equity_of_the_same_fills(seed, fill, cost):
    # A fixed notional and no levels: the fills stay the same whatever they cost.
    bars = random_bars(seed, 50, wild=0.01)
    flags = random_signals(seed + 1, bars)
    signals = Signals(
        flags.entries, flags.exits, flags.short_entries, flags.short_exits, FixedNotional(5_000.0)
    )
    ends = []
    for level in (0.0, 0.001, 0.002):
        costs = Costs(**{cost: level * (1000.0 if cost == "fixed_fee" else 1.0)})
        ends.append(run(bars, signals, fill=fill, costs=costs).equity[-1])
    assert ends[0] >= ends[1] >= ends[2]


@settings(max_examples=150, deadline=None)
@given(seed=seeds, fill=fills, scale=st.sampled_from([0.001, 7.0, 4096.0]))
def test_the_unit_of_prices_and_cash_does_not_matter(seed, fill, scale):
    bars = random_bars(seed, 50)
    signals = random_signals(seed + 1, bars, per_bar=True)
    costs = Costs(commission=0.001, slippage=0.0005, borrow=0.02)
    scaled = bars_of(*(a * scale for a in (bars.open, bars.high, bars.low, bars.close)))
    one = run(bars, signals, fill=fill, costs=costs)
    other = run(scaled, signals, fill=fill, costs=costs, cash=100_000.0 * scale)
    np.testing.assert_allclose(other.equity / scale, one.equity, rtol=1e-9)


@settings(max_examples=100, deadline=None)
@given(seed=seeds, cut=st.integers(5, 55), fill=fills)
def test_bars_after_the_cut_change_nothing_before_it(seed, cut, fill):
    bars = random_bars(seed, 60)
    signals = random_signals(seed + 1, bars)
    start = Signals(
        signals.entries[:cut],
        signals.exits[:cut],
        signals.short_entries[:cut],
        signals.short_exits[:cut],
        signals.size,
        signals.stop_loss,
        signals.take_profit,
        signals.trailing_stop,
    )
    shorter = run(bars.slice(0, cut), start, fill=fill, costs=Costs(commission=0.001)).equity
    longer = run(bars, signals, fill=fill, costs=Costs(commission=0.001)).equity[:cut]
    np.testing.assert_array_equal(shorter, longer)


@settings(max_examples=50, deadline=None)
@given(seed=seeds)
def test_flat_signals_leave_the_equity_alone_and_shifted_dates_change_nothing(seed):
    bars = random_bars(seed, 40)
    never = np.zeros(40, dtype=bool)
    assert (simulate_signals(bars, never, never).equity == 100_000.0).all()
    later = Bars(
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.timestamp + 12 * 366 * DAY,
        bars.symbols,
        "later",
    )
    signals = random_signals(seed, bars)
    assert run(bars, signals).metrics == pytest.approx(run(later, signals).metrics, nan_ok=True)


def test_one_thread_or_two_give_the_same_bits(nasdaq):
    for strategy in (Momentum, VectorisedMomentum):
        points = strategy.space().sample(200, np.random.default_rng(3))
        tables = [evaluate_population(strategy, points, nasdaq, threads=n) for n in (1, 2, 5)]
        for table in tables[1:]:
            np.testing.assert_array_equal(table.values, tables[0].values)
            np.testing.assert_array_equal(table.blocks, tables[0].blocks)


def test_both_styles_of_the_momentum_strategy_agree_to_the_last_bit(nasdaq):
    points = Momentum.space().sample(300, np.random.default_rng(4))
    one, other = (
        evaluate_population(strategy, points, nasdaq, costs=some_costs)
        for strategy in (Momentum, VectorisedMomentum)
    )
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("name", ["momentum", "ma_cross", "rsi", "bollinger", "donchian"])
def test_the_built_in_strategies_agree_with_the_reference_simulator(name, nasdaq):
    strategy = get_strategy(name)
    rules = Rules(costs=some_costs)
    points = strategy.space().sample(6, np.random.default_rng(5))
    table = PopulationEvaluator(strategy, nasdaq, rules).evaluate(points)
    for i, params in enumerate(strategy.space().to_dicts(points)):
        slow = run_backtest(strategy, params, nasdaq, rules, engine="reference")
        for metric in METRICS:
            assert table[i][metric] == pytest.approx(slow.metrics[metric], rel=1e-8, abs=1e-9, nan_ok=True), (
                metric
            )
        np.testing.assert_allclose(table.blocks[i], slow.blocks, rtol=1e-9, atol=1e-12)


def test_rotation_agrees_with_the_reference_simulator_on_several_symbols():
    bars = random_bars(6, 600, n_symbols=4, wild=0.02)
    strategy = get_strategy("rotation")
    points = strategy.space().sample(8, np.random.default_rng(6))
    table = evaluate_population(strategy, points, bars, costs=some_costs)
    for i, params in enumerate(strategy.space().to_dicts(points)):
        slow = run_backtest(strategy, params, bars, Rules(costs=some_costs), engine="reference")
        for metric in METRICS:
            assert table[i][metric] == pytest.approx(slow.metrics[metric], rel=1e-8, abs=1e-9, nan_ok=True), (
                metric
            )


def test_a_strategy_of_one_symbol_trades_each_of_several_from_one_account():
    bars = random_bars(7, 400, n_symbols=3, wild=0.02)
    points = Momentum.space().sample(5, np.random.default_rng(7))
    table = evaluate_population(Momentum, points, bars)
    for i, params in enumerate(Momentum.space().to_dicts(points)):
        slow = run_backtest(Momentum, params, bars, Rules(), engine="reference")
        assert {trade.symbol for trade in slow.trades} == {0, 1, 2}
        assert table[i]["sharpe_ratio"] == pytest.approx(slow.metrics["sharpe_ratio"], rel=1e-9)
