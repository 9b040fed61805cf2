"""Agreement with RaptorBT, at close and at next-open fills, and what remains different (docs/backtest.md)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comparing import (
    Case,
    PeerTrade,
    assert_same_trades,
    momentum_cases,
    opened_beyond_target_and_fell,
    random_cases,
)

from markets import bars_of
from strategy_optimizer.backtest import Costs, simulate_signals

pytestmark = pytest.mark.filterwarnings("ignore")
TIMINGS = {"close": "same_bar_close", "next_open": "next_bar_open"}


def run_raptorbt(bars, case: Case, costs: Costs, fill, cash=100_000.0):
    import raptorbt

    config = raptorbt.BacktestConfig(
        initial_capital=cash, fees=costs.commission, slippage=costs.slippage, fill_timing=TIMINGS[fill]
    )
    for level, put in (
        (case.stop_loss, config.set_fixed_stop),
        (case.trailing_stop, config.set_trailing_stop),
        (case.take_profit, config.set_fixed_target),
    ):
        if level is not None:
            put(level)
    prices = (bars.timestamp, bars.open, bars.high, bars.low, bars.close, bars.volume)
    result = raptorbt.run_single_backtest(*prices, case.entries, case.exits, config=config)
    return [_trade(t) for t in result.trades()], np.array(result.equity_curve()), result.metrics


def _trade(t) -> PeerTrade:
    is_open = t.exit_reason == "EndOfData"
    return PeerTrade(
        entry_bar=t.entry_idx,
        exit_bar=None if is_open else t.exit_idx,
        entry_price=t.entry_price,
        exit_price=None if is_open else t.exit_price,
        size=t.size,
        side="long" if t.direction == 1 else "short",
        pnl=t.pnl,
    )


def ours(bars, case: Case, costs: Costs, fill):
    return simulate_signals(bars, case.entries, case.exits, **case.orders, costs=costs, fill=fill)


def alternating(case: Case) -> Case:
    """Return the case with entries only where an exit signal came since the last, as RaptorBT reads them."""
    entries, armed = np.zeros_like(case.entries), True
    for t in range(len(entries)):
        entries[t] = armed and case.entries[t]
        armed = (armed or bool(case.exits[t])) and not entries[t]
    return replace(case, entries=entries)


def cases_of(bars, **levels):
    """Return momentum signals and random ones, without bars on which entry and exit are both true."""
    mixed = momentum_cases(bars, 20, 30, **levels) + random_cases(bars, 20, 31, short=False, **levels)
    return [replace(case, exits=case.exits & ~case.entries) for case in mixed]


@pytest.mark.parametrize("name", ["sp500", "EURUSD", "GOOG"])
@pytest.mark.parametrize("fill", TIMINGS)
@pytest.mark.parametrize(
    "levels", [{}, {"stop_loss": (0.003, 0.1)}, {"trailing_stop": (0.003, 0.1)}], ids=str
)
def test_the_same_trades_to_the_last_digits(markets, name, fill, levels):
    bars, costs = markets[name], Costs(commission=0.0005, slippage=0.0002)
    count = 0
    for case in cases_of(bars, **levels):
        theirs, equity, _ = run_raptorbt(bars, case, costs, fill)
        result = ours(bars, alternating(case), costs, fill)
        assert_same_trades(_closed(result.trades), _closed(theirs))
        count += len(_closed(theirs))
        # Its last point already closes what is open, with the commission.
        np.testing.assert_allclose(result.equity[:-1], equity[:-1], rtol=1e-9)
    assert count > 500


def _closed(trades):
    return [trade for trade in trades if trade.exit_bar is not None]


@pytest.mark.parametrize("name", ["sp500", "EURUSD", "GOOG"])
def test_targets_there_pay_slippage_and_gain_nothing_from_a_gap(markets, name):
    bars, costs = markets[name], Costs(slippage=0.0005)
    reasons = set()
    for case in cases_of(bars, stop_loss=(0.003, 0.1), take_profit=(0.003, 0.1)):
        theirs, _, _ = run_raptorbt(bars, case, costs, "close")
        mine = ours(bars, alternating(case), costs, "close")
        for a, b in zip(_closed(mine.trades), _closed(theirs), strict=True):
            assert (a.entry_bar, a.exit_bar) == (b.entry_bar, b.exit_bar)
            expected = a.exit_price
            if a in opened_beyond_target_and_fell(bars, case, mine):
                expected = a.entry_price * (1 - case.stop_loss) * (1 - costs.slippage)
            elif a.exit_reason == "take_profit":
                expected = a.entry_price * (1 + case.take_profit) * (1 - costs.slippage)
            assert expected == pytest.approx(b.exit_price, rel=1e-12)
            reasons.add(a.exit_reason)
    assert reasons == {"signal", "stop_loss", "take_profit"}


FLAT = (100.0, 100.0, 100.0, 100.0)


def test_after_a_stop_it_waits_for_an_exit_signal():
    """Neither the bar of the stop nor later ones open again while the entry signal stays true."""
    bars = bars_of(*zip(*[FLAT, (100.0, 101.0, 90.0, 98.0), FLAT, FLAT], strict=True))
    always, never = np.ones(4, dtype=bool), np.zeros(4, dtype=bool)
    case = Case(always, never, never, never, stop_loss=0.05)
    theirs, _, _ = run_raptorbt(bars, case, Costs(), "close")
    assert [(t.entry_bar, t.exit_bar) for t in theirs] == [(0, 1)]
    assert [(t.entry_bar, t.exit_bar) for t in ours(bars, case, Costs(), "close").trades] == [
        (0, 1),
        (1, None),
    ]


def test_a_gap_beyond_the_target_fills_at_the_target_there():
    bars = bars_of(*zip(*[FLAT, (120.0, 121.0, 119.0, 120.0), FLAT], strict=True))
    case = Case(np.arange(3) == 0, *[np.zeros(3, dtype=bool)] * 3, take_profit=0.1)
    assert run_raptorbt(bars, case, Costs(), "close")[0][0].exit_price == pytest.approx(110.0)
    assert ours(bars, case, Costs(), "close").trades[0].exit_price == 120.0


def test_an_entry_beats_an_exit_there():
    bars = bars_of(*zip(*[FLAT] * 3, strict=True))
    both, never = np.arange(3) == 1, np.zeros(3, dtype=bool)
    case = Case(both, both, never, never)
    assert len(run_raptorbt(bars, case, Costs(), "close")[0]) == 1
    assert ours(bars, case, Costs(), "close").trades == ()
