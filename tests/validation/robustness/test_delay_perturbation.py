"""Delayed decisions: signals that are known, shifted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from markets import random_bars, random_signals
from robustness_subjects import EveryOther, Hold, Peeking, VectorisedEveryOther
from strategy_optimizer.backtest import Costs, Rules, Signals, Strategy, simulate_signals
from strategy_optimizer.backtest.plan import signal_rows
from strategy_optimizer.backtest.simulate import run_plan
from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.robustness import Subject, delay_perturbation, delayed_signals


@pytest.mark.parametrize("strategy", [EveryOther, VectorisedEveryOther])
@pytest.mark.parametrize("fill", ["next_open", "close"])
@pytest.mark.parametrize("bars_late", [1, 3])
def test_known_signals_come_later(strategy, fill, bars_late):
    bars, costs = random_bars(1, 300), Costs(0.001, 0.0, 0.0005)
    found = delay_perturbation(
        Subject(strategy, {"period": 10}, bars, Rules(costs, fill=fill)), bars=bars_late
    )
    t = np.arange(300) - bars_late
    entries, exits = (t >= 0) & (t % 10 == 0), (t >= 0) & (t % 10 == 5)
    by_hand = simulate_signals(bars, entries, exits, costs=costs, fill=fill)
    assert found.perturbed == by_hand.metrics
    assert found.bars == bars_late


@settings(deadline=None)
@given(seed=st.integers(0, 500), late=st.integers(1, 5), engine=st.sampled_from(["kernel", "reference"]))
def test_fills_and_levels_are_those_of_the_earlier_decision(seed, late, engine):
    """Every array by hand: also sizes and levels that change from bar to bar, and those that do not."""
    bars = random_bars(seed, 150, n_symbols=2)
    signals = random_signals(seed, bars, per_bar=seed % 2 == 0)

    def shifted(values, missing):
        if values is None or np.ndim(values) == 0:
            return values
        empty = np.full((late, *values.shape[1:]), missing)
        return np.concatenate([empty, values[:-late]]).astype(values.dtype)

    flags = [
        shifted(getattr(signals, name), False)
        for name in ("entries", "exits", "short_entries", "short_exits")
    ]
    levels = [
        shifted(getattr(signals, name), np.nan)
        for name in ("size", "stop_loss", "take_profit", "trailing_stop")
    ]
    by_hand = run_plan(bars, signal_rows(Signals(*flags, *levels), bars), Rules(), engine)
    found = run_plan(bars, delayed_signals(signal_rows(signals, bars), late), Rules(), engine)
    assert found.trades == by_hand.trades
    np.testing.assert_array_equal(found.equity, by_hand.equity)


def test_decisions_before_the_window_are_not_made_up_for():
    bars = random_bars(2, 100)
    subject = Subject(EveryOther, {"period": 10}, bars, Rules(window=(20, 60)))
    plan = delayed_signals(subject.signals, 1, 20)
    trades = run_plan(bars, plan, subject.rules).trades
    assert trades[0].entry_bar == 22  # decided at 20, carried out at the open after next
    late_start = Subject(EveryOther, {"period": 10}, bars, Rules(window=(21, 60)))
    first = run_plan(bars, delayed_signals(late_start.signals, 1, 21), late_start.rules).trades[0]
    assert first.entry_bar == 32


def test_the_warm_up_comes_later_too():
    class Warm(VectorisedEveryOther):
        def warmup(self, p):
            return 15

    subject = Subject(Warm, {"period": 10}, random_bars(2, 100))
    plan = delayed_signals(subject.signals, 2)
    assert plan.warmup == 17
    assert run_plan(subject.bars, plan, subject.rules).trades[0].entry_bar == 23


def test_knowledge_of_the_next_bar_is_worth_nothing_one_bar_later():
    found = delay_perturbation(Subject(Peeking, {}, random_bars(5, 2000, wild=0.01, gaps=0.0)))
    assert found.unperturbed["sharpe_ratio"] > 10.0
    assert abs(found.perturbed["sharpe_ratio"]) < 1.5


def test_who_only_holds_buys_a_bar_later():
    bars = random_bars(5, 200)
    found = delay_perturbation(Subject(Hold, {}, bars))
    expected = (bars.close[-1] / bars.open[2], bars.close[-1] / bars.open[1])
    assert 1.0 + found.perturbed["total_return"] == pytest.approx(expected[0])
    assert 1.0 + found.unperturbed["total_return"] == pytest.approx(expected[1])


def test_longer_than_the_data_leaves_no_trade():
    class Now(Strategy):
        parameters = Hold.parameters

        def signals(self, bars):
            first = np.arange(bars.n_bars) == 0
            return Signals(entries=first, exits=~first)

    found = delay_perturbation(Subject(Now, {}, random_bars(5, 50)), bars=50)
    assert found.perturbed["trades"] == 0.0
    assert (
        str(found.perturbed["sharpe_ratio"]) == "not enough backtests with a sharpe_ratio: found 0, needed 1"
    )
    with pytest.raises(StatisticsError, match="bars is 0"):
        delay_perturbation(Subject(Now, {}, random_bars(5, 50)), bars=0)
