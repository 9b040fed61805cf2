"""The compiled kernel agrees with the slow reference simulator, trade by trade and metric by metric.

Tolerances: trades' bars, sides and reasons are equal; prices, sizes and equity are equal to 1e-12 relative (the
same operations in the same order); metrics and block sums to 1e-9 (running sums against exact sums).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from markets import bars_of, random_bars, random_signals
from strategy_optimizer.backtest import METRICS, Costs, FixedNotional, Rules, Signals, VolatilityTarget
from strategy_optimizer.backtest.plan import signal_rows
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.backtest.simulator import Simulator
from strategy_optimizer.validation.track_record import bar_returns


def both(bars, signals, rules, warmup=0):
    plan = signal_rows(signals, bars, warmup)
    return run_plan(bars, plan, rules, "kernel"), run_plan(bars, plan, rules, "reference")


def assert_same(fast, slow):
    assert len(fast.trades) == len(slow.trades)
    for a, b in zip(fast.trades, slow.trades, strict=True):
        assert (a.entry_bar, a.exit_bar, a.side, a.exit_reason, a.symbol) == (
            b.entry_bar, b.exit_bar, b.side, b.exit_reason, b.symbol,
        )  # fmt: skip
        assert a.entry_price == pytest.approx(b.entry_price, rel=1e-12)
        assert a.size == pytest.approx(b.size, rel=1e-12)
        assert (a.exit_price is None) == (b.exit_price is None)
        if a.exit_price is not None:
            assert a.exit_price == pytest.approx(b.exit_price, rel=1e-12)
        assert a.pnl == pytest.approx(b.pnl, rel=1e-9, abs=1e-6)
    np.testing.assert_allclose(fast.equity, slow.equity, rtol=1e-12, atol=1e-7)
    np.testing.assert_allclose(fast.blocks, slow.blocks, rtol=1e-9, atol=1e-12)
    for name, value in fast.metrics.items():
        expected = slow.metrics[name]
        if math.isnan(expected) or math.isnan(value):
            assert math.isnan(value) == math.isnan(expected), (name, value, expected)
        else:
            relative, absolute = rounding(name, slow)
            assert value == pytest.approx(expected, rel=1e-8 + relative, abs=1e-9 + absolute), name


def rounding(name, slow):
    """The kernel's moments come from running sums of powers, which lose (mean / deviation)^k of their digits.

    That is nothing for returns as markets give them; it shows where two bars have almost the same return.
    """
    if name not in ("volatility", "sharpe_ratio", "skew", "kurtosis"):
        return 0.0, 0.0
    returns = bar_returns(slow.equity)  # 0 once the account is lost, where plain division would fail
    if len(returns) < 2 or returns.std() == 0.0:
        return 0.0, 0.0
    lost = max(1.0, abs(returns.mean()) / returns.std())
    return 1e-14 * lost**2, 1e-14 * lost ** {"skew": 3, "kurtosis": 4}.get(name, 0)


costs_of = st.builds(
    Costs,
    commission=st.sampled_from([0.0, 0.001, 0.05]),
    fixed_fee=st.sampled_from([0.0, 1.0, 5_000.0]),
    slippage=st.sampled_from([0.0, 0.0005, 0.08]),
    borrow=st.sampled_from([0.0, 0.03, 2.0]),
)


@settings(max_examples=1500, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(1, 80),
    density=st.sampled_from([0.02, 0.15, 0.5, 0.95]),
    wild=st.sampled_from([0.0, 0.01, 0.05, 0.4]),
    short=st.booleans(),
    per_bar=st.booleans(),
    costs=costs_of,
    fill=st.sampled_from(["next_open", "close"]),
    reentry=st.sampled_from(["while_true", "fresh_signal"]),
    warmup=st.integers(0, 12),
    n_blocks=st.integers(1, 20),
)
@example(3, 1, 0.95, 0.0, True, True, Costs(), "close", "while_true", 0, 16)
@example(  # the account ends at exactly nothing
    seed=70,
    n_bars=80,
    density=0.15,
    wild=0.0,
    short=True,
    per_bar=False,
    costs=Costs(commission=0.0, fixed_fee=5_000.0, slippage=0.0),
    fill="close",
    reentry="while_true",
    warmup=0,
    n_blocks=1,
)
def test_one_symbol(seed, n_bars, density, wild, short, per_bar, costs, fill, reentry, warmup, n_blocks):
    bars = random_bars(seed, n_bars, wild=wild)
    signals = random_signals(seed + 1, bars, density=density, short=short, per_bar=per_bar)
    rules = Rules(costs=costs, fill=fill, reentry=reentry, n_blocks=n_blocks)
    assert_same(*both(bars, signals, rules, warmup))


@settings(max_examples=500, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(30, 500),
    density=st.sampled_from([0.003, 0.02, 0.1]),
    wild=st.sampled_from([0.001, 0.02, 0.2]),
    short=st.booleans(),
    stop=st.sampled_from([None, 0.02, 0.2, 0.8]),
    target=st.sampled_from([None, 0.02, 0.3]),
    costs=costs_of,
    fill=st.sampled_from(["next_open", "close"]),
    reentry=st.sampled_from(["while_true", "fresh_signal"]),
    cut=st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)),
)
@example(  # a new peak and the loss of the whole account in one group of bars
    seed=113,
    n_bars=486,
    density=0.02,
    wild=0.2,
    short=True,
    stop=0.2,
    target=None,
    costs=Costs(fixed_fee=5_000.0),
    fill="next_open",
    reentry="while_true",
    cut=(0.25, 1.0),
)
def test_positions_that_last(seed, n_bars, density, wild, short, stop, target, costs, fill, reentry, cut):
    """The kernel looks at whole groups of bars; here positions outlast them, and windows end inside them."""
    bars = random_bars(seed, n_bars, wild=wild)
    signals = random_signals(seed + 1, bars, density=density, short=short)
    signals = replace(signals, stop_loss=stop, take_profit=target, trailing_stop=None)
    start, end = int(cut[0] * n_bars), max(int(cut[1] * n_bars), int(cut[0] * n_bars) + 1)
    rules = Rules(costs=costs, fill=fill, reentry=reentry, window=(start, end))
    assert_same(*both(bars, signals, rules, warmup=start // 2))


@settings(max_examples=600, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_bars=st.integers(1, 60),
    n_symbols=st.integers(2, 5),
    density=st.sampled_from([0.05, 0.3, 0.9]),
    wild=st.sampled_from([0.01, 0.05, 0.3]),
    short=st.booleans(),
    per_bar=st.booleans(),
    costs=costs_of,
    fill=st.sampled_from(["next_open", "close"]),
    reentry=st.sampled_from(["while_true", "fresh_signal"]),
)
@example(2, 3, 3, 0.3, 0.3, False, False, Costs(slippage=0.0005), "close", "while_true")
@example(1, 3, 3, 0.9, 0.05, False, True, Costs(), "next_open", "while_true")
def test_several_symbols_share_one_account(
    seed, n_bars, n_symbols, density, wild, short, per_bar, costs, fill, reentry
):
    bars = random_bars(seed, n_bars, n_symbols=n_symbols, wild=wild)
    signals = random_signals(seed + 1, bars, density=density, short=short, per_bar=per_bar)
    assert_same(*both(bars, signals, Rules(costs=costs, fill=fill, reentry=reentry)))


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    start=st.integers(0, 30),
    length=st.integers(1, 40),
    fill=st.sampled_from(["next_open", "close"]),
)
def test_a_window_starts_flat_and_ends_at_its_last_bar(seed, start, length, fill):
    bars = random_bars(seed, 80)
    signals = random_signals(seed + 1, bars, density=0.4)
    rules = Rules(costs=Costs(commission=0.001), window=(start, start + length), fill=fill)
    fast, slow = both(bars, signals, rules, warmup=5)
    assert_same(fast, slow)
    assert len(fast.equity) == length
    assert all(start <= trade.entry_bar < start + length for trade in fast.trades)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_symbols=st.integers(1, 3))
def test_fixed_notional_and_volatility_target(seed, n_symbols):
    bars = random_bars(seed, 60, n_symbols=n_symbols)
    for size in (FixedNotional(30_000.0), VolatilityTarget(0.2, 10)):
        signals = replace(random_signals(seed + 1, bars), size=size)
        assert_same(*both(bars, signals, Rules(costs=Costs(commission=0.001, slippage=0.001))))


def one_trade(prices, entries, exits, fill="next_open", costs=None, **levels):
    """Run hand-made bars, given as (open, high, low, close), through both simulators."""
    bars = bars_of(*zip(*prices, strict=True))
    flags = [np.isin(np.arange(bars.n_bars), at) for at in (entries, exits)]
    fast, slow = both(bars, Signals(*flags, **levels), Rules(costs=costs or Costs(), fill=fill))
    assert_same(fast, slow)
    return fast


def test_a_gap_through_the_stop_fills_at_the_open():
    result = one_trade([(100, 100, 100, 100), (100, 101, 99, 100), (90, 92, 88, 91)], [0], [], stop_loss=0.05)
    trade = result.trades[0]
    assert (trade.exit_bar, trade.exit_price, trade.exit_reason) == (2, 90.0, "stop_loss")


def test_a_gap_through_the_target_fills_at_the_better_open_without_slippage():
    prices = [(100, 100, 100, 100), (100, 101, 99, 100), (120, 122, 118, 121)]
    trade = one_trade(prices, [0], [], take_profit=0.1, costs=Costs(slippage=0.01)).trades[0]
    assert (trade.exit_price, trade.exit_reason) == (120.0, "take_profit")


def test_of_two_levels_in_one_bar_the_stop_comes_first():
    trade = one_trade(
        [(100, 100, 100, 100), (100, 115, 90, 100)], [0], [], stop_loss=0.05, take_profit=0.1
    ).trades[0]
    assert (trade.exit_price, trade.exit_reason) == (95.0, "stop_loss")


def test_levels_hold_on_the_fill_bar_at_the_open_but_not_on_the_bar_filled_at_its_close():
    prices = [(100, 100, 100, 100), (100, 101, 80, 100), (100, 101, 99, 100)]
    assert one_trade(prices, [0], [], stop_loss=0.05).trades[0].exit_bar == 1
    assert one_trade(prices, [1], [], fill="close", stop_loss=0.05).trades[0].exit_bar is None


def test_the_trailing_stop_rises_only_after_the_bars_check():
    # The high of 120 on bar 1 raises the level to 108 for bar 2; within bar 1 the low of 101 is not below 90.
    prices = [(100, 100, 100, 100), (100, 120, 101, 119), (115, 116, 107, 110)]
    trade = one_trade(prices, [0], [], trailing_stop=0.1).trades[0]
    assert (trade.exit_bar, trade.exit_price, trade.exit_reason) == (2, 108.0, "trailing_stop")


def test_an_entry_fills_at_the_next_open_and_an_exit_beats_an_entry():
    prices = [(100, 101, 99, 100), (102, 103, 101, 102), (104, 105, 103, 104), (106, 107, 105, 106)]
    trades = one_trade(prices, [0, 1], [1]).trades
    assert [(t.entry_bar, t.entry_price, t.exit_bar, t.exit_price) for t in trades] == [(1, 102.0, 2, 104.0)]


def test_the_last_bars_signal_never_fills_at_the_next_open():
    assert one_trade([(100, 101, 99, 100)] * 3, [2], []).trades == ()


def test_an_all_nan_indicator_means_no_trade():
    bars = random_bars(1, 50)
    indicator = np.full(50, np.nan)
    fast, slow = both(bars, Signals(indicator > 0, indicator < 0), Rules())
    assert_same(fast, slow)
    assert fast.metrics["trades"] == 0
    assert (fast.equity == 100_000.0).all()


def test_fees_larger_than_the_account_open_nothing():
    bars = random_bars(2, 30)
    fast, slow = both(bars, random_signals(3, bars), Rules(costs=Costs(fixed_fee=200_000.0)))
    assert_same(fast, slow)
    assert fast.trades == ()


def test_a_short_that_more_than_doubles_ends_the_run():
    prices = [(100, 100, 100, 100), (100, 100, 100, 100), (210, 250, 200, 240), (240, 240, 240, 240)]
    bars = bars_of(*zip(*prices, strict=True))
    none = np.zeros(4, dtype=bool)
    signals = Signals(none, none, np.array([True, False, False, False]), none)
    fast, slow = both(bars, signals, Rules())
    assert_same(fast, slow)
    assert fast.trades[0].exit_reason == "bankruptcy"
    assert fast.metrics["annual_return"] == -1.0
    assert (fast.equity[2:] == fast.equity[2]).all()


def test_an_opposite_entry_reverses_on_one_bar():
    bars = random_bars(4, 12)
    long_in, short_in = np.arange(12) == 1, np.arange(12) == 5
    none = np.zeros(12, dtype=bool)
    fast, slow = both(bars, Signals(long_in, none, short_in, none), Rules())
    assert_same(fast, slow)
    assert [(t.side, t.entry_bar, t.exit_bar) for t in fast.trades] == [("long", 2, 6), ("short", 6, None)]


def test_a_bar_within_a_rounding_of_the_stop_does_not_touch_it():
    """Levels are looked for in single precision, in which 95.000001 is 95."""
    near = 95.000001
    assert np.float32(near) == np.float32(95.0)
    quiet = (100, 101, 99, 100)
    prices = [quiet, quiet, (100, 101, near, 100), (100, 101, near, 100), *[quiet] * 40, (100, 101, 95, 100)]
    trade = one_trade(prices, [0], [], stop_loss=0.05).trades[0]
    assert (trade.exit_bar, trade.exit_price, trade.exit_reason) == (44, 95.0, "stop_loss")
    trade = one_trade(prices, [0], [2], stop_loss=0.05).trades[0]
    assert (trade.exit_bar, trade.exit_reason) == (3, "signal")


@pytest.mark.parametrize(
    ("fill", "reentry", "short", "density", "per_bar"),
    [
        ("next_open", "while_true", True, 0.3, False),
        ("close", "fresh_signal", True, 0.1, False),
        ("close", "while_true", False, 0.01, True),
        ("next_open", "fresh_signal", False, 0.0005, False),
    ],
)
def test_candidates_that_walk_together_over_many_bars(fill, reentry, short, density, per_bar):
    """Over very many bars candidates take turns and their paths are measured in pieces."""
    bars = random_bars(7, 36_000, wild=0.002, gaps=0.001)
    rules = Rules(costs=Costs(commission=1e-5, borrow=0.01), fill=fill, reentry=reentry)
    plans = [
        signal_rows(random_signals(s, bars, density=density, short=short, per_bar=per_bar), bars, 17 * s)
        for s in range(3)
    ]
    simulator = Simulator(bars, rules)
    n = simulator.together + 1
    assert n > 2
    for plan in plans:
        assert_same(run_plan(bars, plan, rules, "kernel"), run_plan(bars, plan, rules, "reference"))
    chosen = [plans[i % 3] for i in range(n)]
    chosen = [plan for plan in chosen if plan.form == plans[0].form]
    sets = simulator.sets([np.stack([p.given_flags[k] for p in chosen]) for k in range(4 if short else 2)])
    levels = [np.stack([p.levels[k] for p in chosen]) for k in range(4)]
    warmups = np.array([p.warmup for p in chosen])
    out = np.empty((len(chosen), len(METRICS))), np.empty((len(chosen), rules.n_blocks, 3))
    simulator.run(sets, levels, warmups, False, simulator.room(), out)
    for i, plan in enumerate(chosen):
        alone = run_plan(bars, plan, rules, "kernel")
        np.testing.assert_array_equal(out[0][i], list(alone.metrics.values()))
        np.testing.assert_array_equal(out[1][i], alone.blocks)


def test_packing_is_compiled_once_for_any_number_of_candidates(nasdaq):
    """Or the first trials of a search took the time of compiling, and `auto` believed that all are so slow."""
    simulator = Simulator(nasdaq, Rules())
    for n in (1, 3):
        simulator.sets([np.zeros((n, 1, nasdaq.n_bars), np.bool_)] * 2)
    assert len(simulator.kernel.pack_signals.signatures) == 1
