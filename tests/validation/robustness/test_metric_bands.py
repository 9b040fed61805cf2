"""Bands hold the true value as often as they promise, and their middle is the backtest's metric."""

from __future__ import annotations

import numpy as np
import pytest

from robustness_subjects import EveryOther, Hold, Idle, Short, market_of_returns
from strategy_optimizer import get_strategy
from strategy_optimizer.backtest import Costs, Rules, Trade
from strategy_optimizer.backtest.metrics import equity_metrics
from strategy_optimizer.errors import StatisticsError
from strategy_optimizer.validation.robustness import BAND_METRICS, Subject, metric_bands
from strategy_optimizer.validation.robustness.return_metrics import RETURN_METRICS, TRADE_METRICS
from strategy_optimizer.validation.statistics import ConfidenceBand, NotEnough, stationary_indices
from strategy_optimizer.validation.track_record import bar_returns

COSTS = Costs(commission=0.0005, slippage=0.0002)


@pytest.mark.parametrize("name", ["momentum", "ma_cross", "rsi", "bollinger", "donchian"])
@pytest.mark.parametrize("rules", [Rules(COSTS), Rules(COSTS, fill="close", window=(1000, 4000))])
def test_the_estimates_are_the_backtests_metrics(nasdaq, name, rules):
    subject = Subject(get_strategy(name), {}, nasdaq, rules)
    bands = metric_bands(subject, replications=10)
    assert tuple(bands) == BAND_METRICS
    for metric, band in bands.items():
        if isinstance(band, NotEnough):
            assert metric in TRADE_METRICS
            assert len(subject.result.trades) < 30
        else:
            assert band.estimate == pytest.approx(subject.result.metrics[metric], rel=1e-9), metric


def test_each_replication_is_a_backtest_of_resampled_returns(nasdaq):
    """The slow twin: equity from resampled returns, metrics by the definitions, quantiles by sorting."""
    subject = Subject(get_strategy("momentum"), {}, nasdaq.slice(0, 300), Rules(COSTS))
    bands = metric_bands(subject, replications=40, block_length=5.0, seed=3)
    returns, account = bar_returns(subject.result.equity), subject.account
    resampled = []
    for rows in stationary_indices(len(returns), 5.0, 40, np.random.default_rng(3)):
        equity = [subject.result.equity[0]]
        for value in returns[rows].tolist():
            equity.append(equity[-1] * (1.0 + value))
        resampled.append(equity_metrics(equity, account.cash, account.years, account.periods_per_year))
    for name in RETURN_METRICS:
        ordered = sorted(metrics[name] for metrics in resampled)
        assert bands[name].lower == pytest.approx(ordered[1], rel=1e-9), name  # 5 % of 40 are 2
        assert bands[name].upper == pytest.approx(ordered[37], rel=1e-9), name


def test_trades_are_drawn_one_by_one():
    """A win rate of n independent trades is binomial: its band has the binomial's width."""
    rng = np.random.default_rng(0)
    subject = Subject(EveryOther, {"period": 4}, market_of_returns(rng.normal(0.0, 0.01, 2000)))
    band = metric_bands(subject, replications=2000)["win_rate"]
    n = sum(trade.exit_bar is not None for trade in subject.result.trades)
    assert band.block_length == 1.0
    assert band.upper - band.lower == pytest.approx(2 * 1.645 * 0.5 / n**0.5, rel=0.1)


@pytest.mark.parametrize(("rho", "at_least"), [(0.0, 0.84), (0.4, 0.80)])
def test_the_band_of_the_sharpe_ratio_holds_the_true_one(rho, at_least):
    """90 % are promised; 120 markets leave a standard error of 3 %, and autocorrelation costs a little more."""
    held = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x = rng.normal(0.0, 0.01, 800)
        for t in range(1, len(x)):
            x[t] += rho * x[t - 1]
        bars = market_of_returns(0.0008 + x)
        subject = Subject(Hold, {}, bars, Rules(fill="close"))
        true = 0.0008 / (0.01 / (1 - rho**2) ** 0.5) * bars.periods_per_year**0.5
        band = metric_bands(subject, replications=200, seed=seed)["sharpe_ratio"]
        held += band.lower <= true <= band.upper
    assert held / 120 >= at_least


def test_autocorrelation_widens_the_band():
    rng = np.random.default_rng(1)
    noise = rng.normal(0.0, 0.01, 1500)
    walk = np.convolve(noise, 0.6 ** np.arange(30))[:1500]
    subject = Subject(Hold, {}, market_of_returns(walk), Rules(fill="close"))
    automatic, single = (
        metric_bands(subject, replications=300, block_length=length)["sharpe_ratio"] for length in (None, 1.0)
    )
    assert automatic.block_length > 3.0
    assert automatic.upper - automatic.lower > 1.4 * (single.upper - single.lower)


def test_the_same_seed_gives_the_same_bands(nasdaq):
    subject = Subject(get_strategy("momentum"), {}, nasdaq.slice(0, 500))
    one, two, other = (metric_bands(subject, replications=50, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one != other


def test_a_wider_level_holds_a_narrower_one(nasdaq):
    subject = Subject(get_strategy("momentum"), {}, nasdaq.slice(0, 500))
    narrow, wide = (metric_bands(subject, replications=200, level=level) for level in (0.5, 0.95))
    for name in BAND_METRICS:
        if isinstance(narrow[name], ConfidenceBand):
            assert wide[name].lower <= narrow[name].lower <= narrow[name].upper <= wide[name].upper
    with pytest.raises(StatisticsError, match=r"level is 1\.0"):
        metric_bands(subject, level=1.0)


def test_without_trades_or_bars_there_is_no_band(nasdaq):
    idle = metric_bands(Subject(Idle, {}, nasdaq.slice(0, 500)), replications=10)
    assert idle["sharpe_ratio"] == NotEnough("distinct returns", 1, 2)
    assert idle["win_rate"] == NotEnough("closed trades", 0, 20)
    short = metric_bands(Subject(Hold, {}, nasdaq.slice(0, 20)), replications=10)
    assert short["total_return"] == NotEnough("returns", 19, 20)
    one = metric_bands(Subject(Hold, {}, nasdaq.slice(0, 1)), replications=10)
    assert all(isinstance(band, NotEnough) for band in one.values())


def test_a_lost_account_stays_lost():
    rising = market_of_returns(np.r_[np.full(20, 0.03), 0.9, np.full(30, 0.01), -0.02])
    subject = Subject(Short, {}, rising)
    assert subject.result.equity[-1] <= 0.0
    bands = metric_bands(subject, replications=100, block_length=1.0)
    assert bands["total_return"].lower <= -1.0
    assert bands["annual_return"].lower == -1.0
    assert bands["total_return"].estimate == pytest.approx(subject.result.metrics["total_return"])


def test_open_trades_are_no_trades():
    subject = Subject(Hold, {}, market_of_returns(np.tile([0.01, -0.005], 50)))
    assert isinstance(subject.result.trades[0], Trade)
    assert metric_bands(subject, replications=20)["expectancy"] == NotEnough("closed trades", 0, 20)
