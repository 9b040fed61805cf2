"""Windows put end to end."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from markets import bars_of, random_bars
from strategy_optimizer import Costs, Rules, get_strategy, run_backtest
from strategy_optimizer.backtest import METRICS
from strategy_optimizer.tasks.result_aggregator import buy_and_hold
from strategy_optimizer.validation.statistics import NotEnough, psr_2012, psr_h0
from strategy_optimizer.validation.walkforward.track_record import flat, record_of, run_part, stitch

MOMENTUM = get_strategy("momentum")
PARTS = (range(300, 420), range(420, 480), range(500, 700))


@pytest.fixture
def rules() -> Rules:
    return Rules(Costs(commission=0.001, slippage=0.0005), cash=5_000.0)


def momentum(bars, rules):
    return run_backtest(MOMENTUM, {"lookback_period": 30}, bars, rules)


def test_one_part_is_the_backtest_itself(nasdaq, rules) -> None:
    record = record_of(momentum, [range(300, 900)], nasdaq, rules)
    whole = run_backtest(MOMENTUM, {"lookback_period": 30}, nasdaq, replace(rules, window=(300, 900)))
    assert record.equity == pytest.approx(whole.equity, rel=1e-12)
    for name in METRICS:
        assert record.metrics[name] == pytest.approx(whole.metrics[name], rel=1e-9, nan_ok=True), name


def test_the_equity_is_the_product_of_the_windows(nasdaq, rules) -> None:
    runs = [run_part(momentum, nasdaq, rules, part) for part in PARTS]
    record = stitch(runs, PARTS, nasdaq, rules)
    product = math.prod(1 + run.metrics["total_return"] for run in runs)
    assert record.equity[-1] / rules.cash == pytest.approx(product, rel=1e-12)
    assert np.prod(1 + record.returns) == pytest.approx(product, rel=1e-12)
    assert record.metrics["total_return"] == pytest.approx(product - 1, rel=1e-9)
    assert len(record.returns) == len(record.equity) == sum(map(len, PARTS))
    assert record.metrics["trades"] == sum(run.metrics["trades"] for run in runs)
    held = sum(run.metrics["exposure"] * len(part) for run, part in zip(runs, PARTS, strict=True))
    assert record.metrics["exposure"] == pytest.approx(held / 380)


def test_each_part_starts_flat_with_warm_indicators(nasdaq, rules) -> None:
    part = range(300, 420)
    run = run_part(momentum, nasdaq, rules, part)
    assert run.equity[0] == rules.cash  # nothing is held at the first close
    assert min(trade.entry_bar for trade in run.trades) > part.start
    assert min(trade.entry_bar for trade in run.trades) < part.start + 30  # no warm-up inside the part


def test_a_part_sees_no_bar_after_its_end(nasdaq, rules) -> None:
    seen = []

    def peeking(bars, within):
        seen.append(bars.n_bars)
        return momentum(bars, within)

    run_part(peeking, nasdaq, rules, range(300, 420))
    assert seen == [420]


def test_the_sharpe_ratio_of_the_statistics_is_that_of_the_metrics(nasdaq, rules) -> None:
    record = record_of(momentum, [range(300, 900), range(900, 1400)], nasdaq, rules)
    periods = 1099 / ((nasdaq.timestamp[1399] - nasdaq.timestamp[300]) / (365.25 * 86400e9))
    sharpe = record.moments.sharpe
    assert sharpe * math.sqrt(periods) == pytest.approx(record.metrics["sharpe_ratio"], rel=1e-9)
    assert record.psr_h0 == psr_h0(record.moments)
    assert record.psr_2012 == psr_2012(record.moments)
    assert record.t_statistic == pytest.approx(sharpe * math.sqrt(1099))


def test_holding_cash_has_no_statistics(nasdaq, rules) -> None:
    record = record_of(flat, PARTS, nasdaq, rules)
    assert set(record.equity.tolist()) == {rules.cash}
    assert record.metrics["total_return"] == record.metrics["trades"] == 0
    assert math.isnan(record.metrics["sharpe_ratio"])
    for value in (record.moments, record.psr_h0, record.psr_2012, record.t_statistic):
        assert str(value) == "not enough distinct returns: found 1, needed 2"


def test_a_lost_account_stays_lost() -> None:
    prices = np.concatenate([np.full(10, 100.0), np.full(10, 300.0), np.full(20, 310.0)])
    bars = bars_of(prices, prices, prices, prices)
    rules = Rules(fill="close")

    def short(known, within):
        from strategy_optimizer import simulate_signals

        always = np.ones(known.n_bars, np.bool_)
        return simulate_signals(
            known,
            ~always,
            ~always,
            short_entries=always,
            short_exits=~always,
            fill="close",
            window=within.window,
        )

    record = record_of(short, [range(5, 20), range(20, 40)], bars, rules)
    assert record.equity[14] <= 0
    assert set(record.equity[15:].tolist()) == {record.equity[14]}
    assert set(record.returns[15:].tolist()) == {0.0}
    assert record.metrics["annual_return"] == -1.0


def test_parts_of_one_bar(rules) -> None:
    bars = random_bars(3, 60)
    record = record_of(buy_and_hold, [range(40, 41), range(41, 42)], bars, rules)
    assert record.metrics["trades"] == 0
    assert isinstance(record.psr_h0, NotEnough)
